/* A smaller model beside the engine's: its sequences, and guesses by them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/drafter.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/size.h"
#include "engine/job.h"
#include "sample/select.h"

#define SURE 6 /* classes of how probable a guess is to the smaller model */

/* Where a text is read. */
typedef struct place {
    ct_kv *kv;                     /* NULL: could not be had */
    uint64_t who;                  /* 0: nobody yet */
    int32_t *ids;                  /* [n_ctx] of what kv holds; without what the model has no row for */
    size_t n;                      /* tokens that it holds */
    size_t n_sure;                 /* of them, those that are known to be the text's ... */
    size_t n_text;                 /* ... which are its first so many */
    uint64_t used;                 /* when, in calls */
    int32_t said[CT_MOST_GUESSES]; /* [n_said] guesses of the last call, behind at_said tokens of the text */
    size_t sure[CT_MOST_GUESSES];
    size_t n_said, at_said;
} place;

/* A place at work on an ask. */
typedef struct work {
    place *p;
    ct_draft_ask *ask;
    size_t n_in;           /* tokens in this step */
    size_t row;            /* of its last one */
    bool is_done;          /* nothing more in this call */
    double tokens, likely; /* that the next step brings; that the guesses so far are all right */
} work;

struct ct_drafter {
    ct_drafter_parts p;
    ct_draft_plan plan;
    place places[CT_DRAFT_PLACES];
    ct_step_input *inputs; /* [chunk + n_places] */
    float *logits;         /* [n_places][n_vocab] */
    uint64_t n_calls;
    double token_seconds, guess_seconds; /* measured: of a token that is read; of a guess */
    float right[SURE], seen[SURE];
    ct_arena arena;
};

/* ---- sizes ---- */

bool ct_draft_plan_make(const ct_config *c, const ct_cache_options *of, size_t chunk, ct_draft_plan *out,
                        carat_err *err)
{
    ct_cache_size size;
    size_t n_ctx = of->context < c->context ? of->context : c->context;
    *out = (ct_draft_plan){ .n_ctx = n_ctx, .n_places = of->n_seqs < CT_DRAFT_PLACES ? of->n_seqs : CT_DRAFT_PLACES };
    out->chunk = chunk < n_ctx ? chunk : n_ctx;
    size_t reach = out->chunk > CT_MAX_AHEAD ? out->chunk : CT_MAX_AHEAD;
    out->cache = (ct_cache_options){ .context = n_ctx,
                                     .n_seqs = out->n_places,
                                     .max_batch = reach < n_ctx ? reach : n_ctx,
                                     .elem = of->elem,
                                     .keep_bytes = 1 };
    if (!ct_kv_elem_fits(of->elem, c->head_dim))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                       "keys and values of the draft's %u dimensions cannot be of type q8_0, expected a multiple of %d",
                       c->head_dim, CT_KV_GROUP);
    if (!ct_cache_pages(c, &out->cache, &size))
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE,
                       "the draft's %zu texts of %zu tokens do not fit the address space", out->n_places, n_ctx);
    out->sizes = (ct_sizes){ .max_batch = out->chunk + out->n_places,
                             .max_context = n_ctx,
                             .elem = of->elem,
                             .n_global = size.n[CT_PAGE_GLOBAL],
                             .n_local = size.n[CT_PAGE_LOCAL] };
    return true;
}

static void take_all(ct_drafter *d, const ct_config *c, const ct_draft_plan *plan, ct_arena *a)
{
    for (size_t i = 0; i < plan->n_places; i++)
        d->places[i].ids = ct_arena_take(a, plan->n_ctx, sizeof(int32_t));
    d->inputs = ct_arena_take(a, plan->sizes.max_batch, sizeof(ct_step_input));
    d->logits = ct_arena_take(a, plan->n_places * c->n_vocab, sizeof(float));
}

bool ct_drafter_bytes(const ct_config *c, const ct_draft_plan *plan, size_t *out)
{
    ct_drafter d;
    ct_arena count;
    size_t lists;
    ct_arena_count(&count);
    take_all(&d, c, plan, &count);
    *out = count.used;
    return !count.overflow && ct_kv_list_bytes(plan->n_ctx, &lists) && ct_mul_size(lists, plan->n_places, &lists) &&
           ct_add_size(*out, lists, out);
}

/* ---- opening ---- */

bool ct_drafter_open(const ct_drafter_parts *p, const ct_draft_plan *plan, ct_drafter **out, carat_err *err)
{
    const ct_config *c = &p->model->cfg;
    ct_arena count;
    *out = NULL;
    ct_drafter *d = calloc(1, sizeof *d);
    if (!d)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a draft");
    d->p = *p;
    d->plan = *plan;
    ct_arena_count(&count);
    take_all(d, c, plan, &count);
    bool ok = !count.overflow && ct_arena_init(&d->arena, count.used);
    if (ok)
        take_all(d, c, plan, &d->arena);
    else
        ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the draft's %zu rows of logits", plan->n_places);
    for (size_t i = 0; i < plan->n_places && ok; i++)
        ok = ct_kv_open(p->cache, plan->n_ctx, &d->places[i].kv, err);
    if (!ok) {
        ct_drafter_close(d);
        return false;
    }
    *out = d;
    return true;
}

void ct_drafter_close(ct_drafter *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < CT_DRAFT_PLACES; i++)
        ct_kv_close(d->places[i].kv);
    ct_arena_deinit(&d->arena);
    free(d);
}

/* ---- texts ---- */

/* Is it a token of the smaller model's? Pictures are none, nor is what was added to the larger one alone. */
static bool is_read(const ct_drafter *d, int32_t id)
{
    const ct_model *m = d->p.model;
    return id >= 0 && (size_t)id < m->n_pieces && (!m->tok || id != ct_tok_facts(m->tok)->image_soft_token);
}

static void cut_to(place *p, size_t n)
{
    p->n = ct_kv_rewind(p->kv, n);
    if (p->n_sure > p->n)
        p->n_sure = p->n_text = 0; /* known again by comparing */
}

/* How many of what the place holds are the text's first; what it holds beyond is dropped. */
static void compare(const ct_drafter *d, place *p, const ct_draft_ask *a)
{
    for (; p->n_text < a->n && p->n_sure < p->n; p->n_text++) {
        if (!is_read(d, a->ids[p->n_text]))
            continue;
        if (a->ids[p->n_text] != p->ids[p->n_sure])
            break;
        p->n_sure++;
    }
    if (p->n_sure < p->n) {
        cut_to(p, p->n_sure);
        if (p->n_text == 0 && p->n > 0) /* local layers have moved on: less is left */
            compare(d, p, a);
    }
}

static size_t common(const ct_drafter *d, const place *p, const ct_draft_ask *a)
{
    size_t n = 0;
    for (size_t i = 0; i < a->n && n < p->n; i++)
        if (is_read(d, a->ids[i]) && a->ids[i] != p->ids[n++])
            return n - 1;
    return n;
}

static bool is_taken(const place *p, const ct_draft_ask *asks, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (asks[i].who == p->who)
            return true;
    return false;
}

/* Its own; else, of those that nobody else in this call has, the one that holds most of the text, or the longest unused. */
static place *find_place(ct_drafter *d, const ct_draft_ask *asks, size_t n, const ct_draft_ask *a)
{
    place *best = NULL;
    size_t most = 0;
    for (size_t i = 0; i < d->plan.n_places; i++)
        if (d->places[i].who == a->who)
            return &d->places[i];
    for (size_t i = 0; i < d->plan.n_places; i++) {
        place *p = &d->places[i];
        if (p->who && is_taken(p, asks, n))
            continue;
        size_t k = common(d, p, a);
        if (!best || k > most || (k == most && p->used < best->used)) {
            best = p;
            most = k;
        }
    }
    if (best) {
        best->who = a->who;
        best->n_sure = best->n_text = best->n_said = 0;
    }
    return best;
}

/* ---- how often it is right ---- */

#define MEMORY 0.98f
#define BELIEF 4

static size_t class_of(double p)
{
    static const double from[SURE - 1] = { 0.3, 0.5, 0.7, 0.85, 0.95 };
    size_t k = 0;
    while (k < SURE - 1 && p >= from[k])
        k++;
    return k;
}

static double chance(const ct_drafter *d, size_t class)
{
    static const double middle[SURE] = { 0.15, 0.4, 0.6, 0.78, 0.9, 0.97 };
    return ((double)d->right[class] + BELIEF * middle[class]) / ((double)d->seen[class] + BELIEF);
}

/* Of any guess. */
static double mean_chance(const ct_drafter *d)
{
    double right = BELIEF * 0.6, seen = BELIEF;
    for (size_t i = 0; i < SURE; i++) {
        right += (double)d->right[i];
        seen += (double)d->seen[i];
    }
    return right / seen;
}

/* What was guessed the last time, beside what came. */
static void judge(ct_drafter *d, place *p, const ct_draft_ask *a)
{
    for (size_t i = 0; i < p->n_said && p->at_said + i < a->n; i++) {
        bool is_right = p->said[i] == a->ids[p->at_said + i];
        size_t class = p->sure[i];
        d->right[class] = MEMORY * d->right[class] + (is_right ? 1 : 0);
        d->seen[class] = MEMORY * d->seen[class] + 1;
        if (!is_right)
            break;
    }
    p->n_said = 0;
}

/* ---- does it pay? ---- */

#define LEAST_GAIN 1.02
#define TRIES      64 /* calls after which it is tried even where it has not paid: what is asked for may have changed */

/* How many guesses would bring the most tokens a second; 0: none. */
static size_t how_many(const ct_drafter *d, const ct_paces *paces, size_t n_answers, size_t most)
{
    double tokens = (double)n_answers, one = ct_paces_of(paces, n_answers), likely = 1;
    double best = tokens / one * LEAST_GAIN;
    size_t best_n = 0;
    if (!(one > 0))
        return 0;
    for (size_t i = 1; i <= most; i++) {
        likely *= mean_chance(d);
        tokens += likely;
        double rate = tokens / (ct_paces_of(paces, n_answers + i) + (double)i * d->guess_seconds);
        if (rate > best) {
            best = rate;
            best_n = i;
        }
    }
    return best_n;
}

/* ---- steps ---- */

static void add_input(ct_drafter *d, work *w, size_t *used, int32_t id)
{
    d->inputs[(*used)++] = (ct_step_input){ .id = id };
    w->p->ids[w->p->n + w->n_in++] = id;
}

/* The next tokens of the text, at most `most`. */
static void add_text(ct_drafter *d, work *w, size_t *used, size_t most)
{
    place *p = w->p;
    for (; p->n_text < w->ask->n && w->n_in < most; p->n_text++)
        if (is_read(d, w->ask->ids[p->n_text]))
            add_input(d, w, used, w->ask->ids[p->n_text]);
}

/* Runs what the places have in this step. Rows that fail end their work. */
static bool run(ct_drafter *d, work *works, size_t n)
{
    ct_step_span spans[CT_DRAFT_PLACES];
    work *of[CT_DRAFT_PLACES];
    bool failed[CT_DRAFT_PLACES] = { false };
    const ct_step_limits limits = { .max_batch = d->plan.sizes.max_batch,
                                    .max_context = d->plan.n_ctx,
                                    .n_vocab = d->p.model->cfg.n_vocab };
    size_t n_spans = 0, used = 0;
    carat_err err;
    for (size_t i = 0; i < n; i++) {
        if (!works[i].n_in)
            continue;
        spans[n_spans] = (ct_step_span){ .kv = works[i].p->kv, .tokens = d->inputs + used, .n = works[i].n_in };
        used += works[i].n_in;
        works[i].row = used - 1;
        of[n_spans++] = &works[i];
    }
    if (!n_spans)
        return false;
    bool ok = ct_step_run(&limits, spans, n_spans, failed, &err);
    for (size_t i = 0; i < n_spans; i++) {
        place *p = of[i]->p;
        if (ok || (err.code == CARAT_ENUMERIC && !failed[i]))
            p->n += of[i]->n_in;
        else {
            of[i]->is_done = true;
            p->who = 0; /* it begins again */
            cut_to(p, 0);
        }
    }
    return true;
}

/* ---- reading ---- */

#define LEAST_READ 16 /* tokens of a text in a step, however slow it is */

/* Tokens of each of n texts. */
static size_t may_read(const ct_drafter *d, double seconds, size_t n)
{
    double fit = d->token_seconds > 0 ? seconds / d->token_seconds / (double)n : 64;
    size_t most = d->plan.chunk / n ? d->plan.chunk / n : 1;
    return fit > (double)most ? most : fit > LEAST_READ ? (size_t)fit : most < LEAST_READ ? most : LEAST_READ;
}

static bool fits(const ct_drafter *d, const ct_draft_ask *a)
{
    return a->n + a->most <= d->plan.n_ctx; /* what is not read is counted, too: it is little */
}

/* Where it does not pay the text is not even read; that is made up for when it is tried again. */
static void begin(ct_drafter *d, ct_draft_ask *asks, size_t n, const ct_paces *paces, size_t n_answers, work *works)
{
    for (size_t i = 0; i < n; i++) {
        ct_draft_ask *a = &asks[i];
        size_t pays = a->always ? a->most : how_many(d, paces, n_answers, a->most);
        a->n_out = 0;
        a->most = pays == 0 && d->n_calls % TRIES == 0 ? 1 : pays;
        place *p = a->most && fits(d, a) ? find_place(d, asks, n, a) : NULL;
        works[i] = (work){ .p = p, .ask = a, .is_done = !p, .tokens = (double)n_answers, .likely = 1 };
        if (!p)
            continue;
        p->used = d->n_calls;
        judge(d, p, a);
        compare(d, p, a);
    }
}

/* Brings the places up to their texts; who does not get there guesses nothing. */
static void read_texts(ct_drafter *d, work *works, size_t n, double seconds)
{
    size_t used = 0, most = may_read(d, seconds, n);
    for (size_t i = 0; i < n; i++) {
        works[i].n_in = 0;
        if (!works[i].is_done)
            add_text(d, &works[i], &used, most);
        works[i].is_done = works[i].is_done || !works[i].n_in; /* the text is as it was: that is not asked */
    }
    double start = ct_now();
    if (!run(d, works, n))
        return;
    double took = (ct_now() - start) / (double)used;
    if (used >= LEAST_READ)
        d->token_seconds = d->token_seconds > 0 ? 0.8 * d->token_seconds + 0.2 * took : took;
    for (size_t i = 0; i < n; i++) {
        place *p = works[i].p;
        if (p && works[i].n_in)
            p->n_sure = p->n;
        works[i].is_done = works[i].is_done || p->n_text < works[i].ask->n;
    }
}

/* ---- guessing ---- */

/* The likeliest token of each. */
static bool find_top(ct_drafter *d, work *works, size_t n, ct_head_row *rows, ct_candidate *tops)
{
    const ct_model *m = d->p.model;
    carat_err err;
    size_t n_rows = 0;
    for (size_t i = 0; i < n; i++)
        if (!works[i].is_done) {
            rows[n_rows] = (ct_head_row){ .row = works[i].row, .n_top = 1, .top = &tops[n_rows], .wants_lse = true };
            n_rows++;
        }
    ct_head h = { .want = CT_HEAD_TOP, .rows = rows, .n = n_rows, .n_pieces = m->n_pieces, .logits = d->logits };
    return n_rows && d->p.backend->head(d->p.backend->self, &h, &err);
}

/* Takes a guess, if its row pays. False: it is the last. */
static bool take(ct_drafter *d, work *w, const ct_head_row *row, const ct_paces *paces, size_t n_answers)
{
    ct_draft_ask *a = w->ask;
    if (!row->is_finite || !row->n_top || ct_model_is_stop(d->p.model, row->top->id))
        return false;
    size_t class = class_of(exp((double)row->top->logit - (double)row->lse)), i = a->n_out;
    w->likely *= chance(d, class);
    double spent = (double)(i + 1) * d->guess_seconds;
    double with = (w->tokens + w->likely) / (spent + ct_paces_of(paces, n_answers + i + 1));
    double without = w->tokens / (spent + ct_paces_of(paces, n_answers + i));
    if (!a->always && with < without)
        return false;
    w->tokens += w->likely;
    w->p->said[i] = a->out[i] = row->top->id;
    w->p->sure[i] = class;
    w->p->n_said = ++a->n_out;
    w->p->at_said = a->n;
    return a->n_out < a->most;
}

/* A token further in each that goes on. False: none does. */
static bool go_on(ct_drafter *d, work *works, size_t n)
{
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        works[i].n_in = 0;
        if (!works[i].is_done)
            add_input(d, &works[i], &used, works[i].ask->out[works[i].ask->n_out - 1]);
    }
    return used && run(d, works, n);
}

static void guess_all(ct_drafter *d, work *works, size_t n, const ct_paces *paces, size_t n_answers)
{
    ct_head_row rows[CT_DRAFT_PLACES];
    ct_candidate tops[CT_DRAFT_PLACES];
    for (double start = ct_now();; start = ct_now()) {
        size_t k = 0;
        if (!find_top(d, works, n, rows, tops))
            return;
        for (size_t i = 0; i < n; i++)
            if (!works[i].is_done)
                works[i].is_done = !take(d, &works[i], &rows[k++], paces, n_answers);
        if (!go_on(d, works, n))
            return;
        double took = ct_now() - start;
        d->guess_seconds = d->guess_seconds > 0 ? 0.9 * d->guess_seconds + 0.1 * took : took;
    }
}

void ct_drafter_guess(ct_drafter *d, ct_draft_ask *asks, size_t n, const ct_paces *paces, size_t n_answers,
                      double seconds)
{
    work works[CT_DRAFT_PLACES];
    d->n_calls++;
    begin(d, asks, n, paces, n_answers, works);
    read_texts(d, works, n, seconds);
    guess_all(d, works, n, paces, n_answers);
}
