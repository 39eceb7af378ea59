/* Guesses by the smaller model, the likeliest token each time, as far as they pay.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/drafter_inside.h"

#include <math.h>

#include "base/clock.h"
#include "sample/select.h"
/* ---- how often it is right ---- */

#define MEMORY 0.98f
#define BELIEF 4

static size_t class_of(double p)
{
    static const double from[CT_DRAFT_SURE - 1] = { 0.3, 0.5, 0.7, 0.85, 0.95 };
    size_t k = 0;
    while (k < CT_DRAFT_SURE - 1 && p >= from[k])
        k++;
    return k;
}

static double chance(const ct_drafter *d, size_t class)
{
    static const double middle[CT_DRAFT_SURE] = { 0.15, 0.4, 0.6, 0.78, 0.9, 0.97 };
    return ((double)d->right[class] + BELIEF * middle[class]) / ((double)d->seen[class] + BELIEF);
}

/* Of any guess. */
static double mean_chance(const ct_drafter *d)
{
    double right = BELIEF * 0.6, seen = BELIEF;
    for (size_t i = 0; i < CT_DRAFT_SURE; i++) {
        right += (double)d->right[i];
        seen += (double)d->seen[i];
    }
    return right / seen;
}

/* What was guessed the last time, beside what came. */
static void judge(ct_drafter *d, ct_draft_place *p, const ct_draft_ask *a)
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

/* ---- guessing ---- */

/* The likeliest token of each. */
static bool find_top(ct_drafter *d, ct_draft_work *works, size_t n, ct_head_row *rows, ct_candidate *tops)
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
static bool take(ct_drafter *d, ct_draft_work *w, const ct_head_row *row, const ct_paces *paces, size_t n_answers)
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
static bool go_on(ct_drafter *d, ct_draft_work *works, size_t n)
{
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        works[i].n_in = 0;
        if (!works[i].is_done)
            ct_drafter_add(d, &works[i], &used, works[i].ask->out[works[i].ask->n_out - 1]);
    }
    return used && ct_drafter_run(d, works, n);
}

static void guess_all(ct_drafter *d, ct_draft_work *works, size_t n, const ct_paces *paces, size_t n_answers)
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

/* ---- all of it ---- */

static bool fits(const ct_drafter *d, const ct_draft_ask *a)
{
    return a->n + a->most <= d->plan.n_ctx; /* what is not read is counted, too: it is little */
}

/* Where it does not pay the text is not even read; that is made up for when it is tried again. */
static void begin(ct_drafter *d, ct_draft_ask *asks, size_t n, const ct_paces *paces, size_t n_answers,
                  ct_draft_work *works)
{
    for (size_t i = 0; i < n; i++) {
        ct_draft_ask *a = &asks[i];
        size_t pays = a->always ? a->most : how_many(d, paces, n_answers, a->most);
        a->n_out = 0;
        a->most = pays == 0 && d->n_calls % TRIES == 0 ? 1 : pays;
        ct_draft_place *p = a->most && fits(d, a) ? ct_drafter_find(d, asks, n, a) : NULL;
        works[i] = (ct_draft_work){ .p = p, .ask = a, .is_done = !p, .tokens = (double)n_answers, .likely = 1 };
        if (!p)
            continue;
        p->used = d->n_calls;
        judge(d, p, a);
        ct_drafter_compare(d, p, a);
    }
}

void ct_drafter_guess(ct_drafter *d, ct_draft_ask *asks, size_t n, const ct_paces *paces, size_t n_answers,
                      double seconds)
{
    ct_draft_work works[CT_DRAFT_PLACES];
    d->n_calls++;
    begin(d, asks, n, paces, n_answers, works);
    ct_drafter_read(d, works, n, seconds);
    guess_all(d, works, n, paces, n_answers);
}
