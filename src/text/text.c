/* One step: the scratch it needs, the checks before it, the threads that walk the layers, and the output head.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/text.h"

#include "base/finite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "text/work.h"

/* Calls by piece in a layer: q/k/v, attention, o, gate/up, down. */
#define CALLS_PER_LAYER 5

#define SCRATCH (CT_MUL_SCRATCH > CT_ATTEND_SCRATCH ? CT_MUL_SCRATCH : CT_ATTEND_SCRATCH)

/* ---- opening ---- */

static void widen(ct_text *t, const ct_matrix *m)
{
    ct_acts_form form = ct_text_form(t, m->type);
    if (m->cols > t->acts_cols[form])
        t->acts_cols[form] = m->cols;
}

/* The widest row each form of activation is needed for. */
static void find_forms(ct_text *t)
{
    widen(t, &t->m->head);
    for (size_t i = 0; i < t->m->cfg.n_layer; i++) {
        const ct_layer *l = &t->m->layers[i];
        const ct_matrix *all[] = { &l->q, &l->k, &l->v, &l->o, &l->gate, &l->up, &l->down };
        for (size_t j = 0; j < sizeof all / sizeof *all; j++)
            widen(t, all[j]);
    }
}

static void take_thread(const ct_text *t, ct_arena *a, ct_text_thread *own)
{
    size_t tiles = t->opt.max_context / CT_TILE + 1, group = t->m->cfg.n_head / t->m->cfg.n_kv_head;
    size_t rows = group < CT_ITEM_ROWS ? CT_ITEM_ROWS : group;
    *own = (ct_text_thread){
        .scratch = ct_arena_take(a, SCRATCH, 1),
        .k_tiles = ct_arena_take(a, tiles, sizeof(void *)),
        .v_tiles = ct_arena_take(a, tiles, sizeof(void *)),
        .q = ct_arena_take(a, rows, sizeof(float *)),
        .out = ct_arena_take(a, rows, sizeof(float *)),
        .lo = ct_arena_take(a, rows, sizeof(size_t)),
        .hi = ct_arena_take(a, rows, sizeof(size_t)),
    };
}

static float *take_rows(const ct_text *t, ct_arena *a, size_t cols)
{
    size_t bytes = cols * sizeof(float); /* cols is within the configuration's limits */
    return ct_arena_take(a, t->opt.max_batch, bytes);
}

/* One walk for the size and for the real thing. */
static void take_all(ct_text *t, ct_arena *a)
{
    const ct_config *c = &t->m->cfg;
    size_t batch = t->opt.max_batch;
    t->rows = ct_arena_take(a, batch, sizeof *t->rows);
    t->blocks = ct_arena_take(a, batch, sizeof *t->blocks);
    t->span_failed = ct_arena_take(a, batch, sizeof *t->span_failed);
    t->counters = ct_arena_take(a, (size_t)c->n_layer * CALLS_PER_LAYER + 1, sizeof *t->counters);
    t->x = take_rows(t, a, c->hidden);
    t->norm = take_rows(t, a, c->hidden);
    t->y = take_rows(t, a, c->hidden);
    t->q = take_rows(t, a, t->q_dim);
    t->kx = take_rows(t, a, t->kv_dim);
    t->v = take_rows(t, a, t->kv_dim);
    t->heads = take_rows(t, a, t->q_dim);
    t->gate = take_rows(t, a, c->ffn);
    t->up = take_rows(t, a, c->ffn);
    t->rope_local = take_rows(t, a, c->head_dim);
    t->rope_global = take_rows(t, a, c->head_dim);
    t->inv_freq_local = ct_arena_take(a, c->head_dim / 2, sizeof(float));
    t->inv_freq_global = ct_arena_take(a, c->head_dim / 2, sizeof(float));
    for (int f = 0; f < CT_N_ACTS; f++)
        if (t->acts_cols[f])
            t->acts[f] = ct_arena_take(a, batch, ct_acts_stride((ct_acts_form)f, t->acts_cols[f]));
    ct_text_thread *threads = ct_arena_take(a, (size_t)t->n_threads, sizeof *threads), counted;
    for (int i = 0; i < t->n_threads; i++)
        take_thread(t, a, threads ? &threads[i] : &counted);
    t->threads = threads;
}

static void describe(ct_text *t, const ct_model *m, const ct_kernels *k, int n_threads, const ct_text_options *o)
{
    *t = (ct_text){ .m = m,
                    .k = k,
                    .opt = *o,
                    .n_threads = n_threads,
                    .q_dim = (size_t)m->cfg.n_head * m->cfg.head_dim,
                    .kv_dim = (size_t)m->cfg.n_kv_head * m->cfg.head_dim,
                    .embed_scale = ct_embed_scale_of(&m->cfg, o->embed_scale) };
    find_forms(t);
}

bool ct_text_bytes(const ct_model *m, const ct_kernels *k, int n_threads, const ct_text_options *o, size_t *out)
{
    ct_text t;
    ct_arena count;
    describe(&t, m, k, n_threads, o);
    ct_arena_count(&count);
    take_all(&t, &count);
    *out = count.used;
    return !count.overflow;
}

bool ct_text_open(const ct_model *m, const ct_kernels *k, ct_pool *pool, const ct_text_options *o, ct_text **out,
                  carat_err *err)
{
    *out = NULL;
    size_t bytes;
    if (o->max_batch < 1 || o->max_batch > CT_MAX_CONTEXT || o->max_context < 1 || o->max_context > CT_MAX_CONTEXT)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "steps of %zu tokens over %zu positions, expected 1 to %d",
                       o->max_batch, o->max_context, CT_MAX_CONTEXT);
    if (!ct_text_bytes(m, k, ct_pool_threads(pool), o, &bytes))
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "steps of %zu tokens are too large", o->max_batch);
    ct_text *t = aligned_alloc(64, (sizeof *t + 63) / 64 * 64);
    if (!t)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a step's description");
    describe(t, m, k, ct_pool_threads(pool), o);
    t->pool = pool;
    if (!ct_arena_init(&t->arena, bytes)) {
        ct_text_close(t);
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for steps of %zu tokens (%zu MiB)", o->max_batch,
                       (bytes >> 20) + 1);
    }
    take_all(t, &t->arena);
    ct_rope_inv_freq(&m->cfg.rope_local, m->cfg.head_dim, t->inv_freq_local);
    ct_rope_inv_freq(&m->cfg.rope_global, m->cfg.head_dim, t->inv_freq_global);
    *out = t;
    return true;
}

void ct_text_close(ct_text *t)
{
    if (!t)
        return;
    ct_arena_deinit(&t->arena);
    free(t);
}

void ct_text_trace(ct_text *t, ct_text_trace_fn *fn, void *arg)
{
    t->trace = fn;
    t->trace_arg = arg;
}

/* ---- threads of a step ---- */

void ct_text_barrier(ct_text_work *w)
{
    ct_pool_barrier(w->t->pool);
}

size_t ct_text_next_piece(ct_text_work *w)
{
    return ct_next_of(&w->t->counters[w->counter]);
}

void ct_text_next_call(ct_text_work *w)
{
    w->counter++;
}

static ct_text_work work_of(ct_text *t, int thread, int n_threads)
{
    return (ct_text_work){ .t = t,
                           .own = &t->threads[thread],
                           .thread = thread,
                           .n_threads = n_threads,
                           .begin = t->n * (size_t)thread / (size_t)n_threads,
                           .end = t->n * ((size_t)thread + 1) / (size_t)n_threads };
}

static void reset_counters(ct_text *t, size_t n)
{
    for (size_t i = 0; i < n; i++)
        atomic_store_explicit(&t->counters[i].next, 0, memory_order_relaxed);
}

/* ---- a step ---- */

/* By the exponent bits: an or over the row, which compilers turn into vectors; a sum of floats they may not. */
static void check_rows(ct_text_work *w)
{
    ct_text *t = w->t;
    size_t n = t->m->cfg.hidden;
    for (size_t r = w->begin; r < w->end; r++)
        if (!ct_all_finite(t->norm + r * n, n))
            atomic_store_explicit(&t->span_failed[t->rows[r].span], true, memory_order_relaxed);
}

static void run_step(void *arg, int thread, int n_threads)
{
    ct_text_work w = work_of(arg, thread, n_threads);
    ct_text_embed(&w);
    ct_text_rope_tables(&w);
    for (size_t layer = 0; layer < w.t->m->cfg.n_layer; layer++)
        ct_text_layer(&w, layer);
    ct_text_final_norm(&w);
    check_rows(&w);
}

static bool check_span(const ct_text *t, const ct_step_span *spans, size_t i, carat_err *err)
{
    const ct_step_span *s = &spans[i];
    if (s->n < 1)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "sequence %zu of the step has no tokens", i);
    for (size_t j = 0; j < i; j++)
        if (spans[j].kv == s->kv)
            return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "sequences %zu and %zu of the step share a cache", j, i);
    size_t len = ct_kv_len(s->kv), context = ct_kv_context(s->kv);
    if (s->n > context - len || len + s->n > t->opt.max_context)
        return ct_fail(err, CARAT_ECONTEXT, CARAT_NOWHERE, "%zu tokens after %zu do not fit a context of %zu", s->n,
                       len, context < t->opt.max_context ? context : t->opt.max_context);
    if (s->n > ct_kv_max_batch(s->kv))
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "%zu tokens of one sequence in a step, its cache allows %zu",
                       s->n, ct_kv_max_batch(s->kv));
    for (size_t j = 0; j < s->n; j++) {
        const ct_step_input *in = &s->tokens[j];
        if (!in->row && (in->id < 0 || (uint32_t)in->id >= t->m->cfg.n_vocab))
            return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "token id %d, expected 0 to %u", in->id,
                           t->m->cfg.n_vocab - 1);
        if (in->sees_ahead > s->n - 1 - j)
            return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "token %zu sees %u later ones, %zu are in the step", j,
                           in->sees_ahead, s->n - 1 - j);
    }
    return true;
}

static bool check_step(const ct_text *t, const ct_step_span *spans, size_t n_spans, carat_err *err)
{
    size_t n = 0;
    if (n_spans < 1)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "a step of no tokens");
    for (size_t i = 0; i < n_spans; i++) {
        if (spans[i].n > t->opt.max_batch || (n += spans[i].n) > t->opt.max_batch)
            return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "more than %zu tokens in a step", t->opt.max_batch);
        if (!check_span(t, spans, i, err))
            return false;
    }
    return true;
}

static void plan_rows(ct_text *t, const ct_step_span *spans, size_t n_spans)
{
    t->spans = spans;
    t->n_spans = n_spans;
    t->n = 0;
    for (size_t i = 0; i < n_spans; i++) {
        size_t pos = ct_kv_len(spans[i].kv);
        for (size_t j = 0; j < spans[i].n; j++, pos++)
            t->rows[t->n++] = (ct_text_row){ (uint32_t)i, pos, pos + 1 + spans[i].tokens[j].sees_ahead };
        ct_kv_begin(spans[i].kv, spans[i].n);
        atomic_store_explicit(&t->span_failed[i], false, memory_order_relaxed);
    }
    ct_text_plan_blocks(t);
}

bool ct_text_step(ct_text *t, const ct_step_span *spans, size_t n_spans, bool *failed, carat_err *err)
{
    if (!check_step(t, spans, n_spans, err))
        return false;
    plan_rows(t, spans, n_spans);
    reset_counters(t, (size_t)t->m->cfg.n_layer * CALLS_PER_LAYER);
    ct_pool_run(t->pool, run_step, t);
    t->last_n = t->n;
    bool ok = true;
    for (size_t i = 0; i < n_spans; i++) {
        bool bad = atomic_load_explicit(&t->span_failed[i], memory_order_relaxed);
        if (failed)
            failed[i] = bad;
        if (bad)
            ct_kv_scrub(spans[i].kv, spans[i].n);
        else
            ct_kv_commit(spans[i].kv, spans[i].n);
        if (bad && ok)
            ok = ct_fail(err, CARAT_ENUMERIC, CARAT_NOWHERE,
                         "activations are not finite after position %zu (sequence %zu of %zu in the step)",
                         ct_kv_len(spans[i].kv), i + 1, n_spans);
    }
    return ok;
}

size_t ct_text_cut(const ct_step_input *tokens, size_t n, size_t want)
{
    if (want < 1)
        want = 1;
    if (n <= want)
        return n;
    size_t end = 0; /* of the whole pieces that fit */
    while (end < n) {
        size_t piece = (size_t)tokens[end].sees_ahead + 1;
        if (piece > n - end)
            piece = n - end;
        if (end > 0 && piece > want - end)
            break;
        end += piece;
        if (end >= want)
            break;
    }
    return end;
}

/* ---- afterwards ---- */

const float *ct_text_hidden(const ct_text *t, size_t row)
{
    return row < t->last_n ? t->norm + row * t->m->cfg.hidden : NULL;
}

typedef struct head_job {
    ct_text *t;
    float *out;
} head_job;

static void run_head(void *arg, int thread, int n_threads)
{
    head_job *j = arg;
    ct_text_work w = work_of(j->t, thread, n_threads);
    ct_text_linear(&w, j->t->x, (ct_product[]){ { &j->t->m->head, j->out } }, 1);
}

/* Over the first n rows of x. */
static bool apply_head(ct_text *t, size_t n, float *out, carat_err *err)
{
    size_t n_vocab = t->m->cfg.n_vocab;
    if (n == 0)
        return true;
    t->n = n;
    reset_counters(t, 1);
    ct_pool_run(t->pool, run_head, &(head_job){ t, out });
    for (size_t i = 0; i < n; i++)
        if (!ct_all_finite(out + i * n_vocab, n_vocab))
            return ct_fail(err, CARAT_ENUMERIC, CARAT_NOWHERE, "logits are not finite (row %zu of %zu)", i + 1, n);
    return true;
}

bool ct_text_head(ct_text *t, const float *const *hidden, size_t n, float *out, carat_err *err)
{
    size_t width = t->m->cfg.hidden;
    if (n > t->opt.max_batch)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "logits of %zu rows, a step has at most %zu", n,
                       t->opt.max_batch);
    for (size_t i = 0; i < n; i++) /* the residual stream is free after the step */
        memcpy(t->x + i * width, hidden[i], width * sizeof *out);
    return apply_head(t, n, out, err);
}

bool ct_text_logits(ct_text *t, const size_t *rows, size_t n, float *out, carat_err *err)
{
    size_t width = t->m->cfg.hidden;
    if (n > t->last_n)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "logits of %zu rows, the step had %zu", n, t->last_n);
    for (size_t i = 0; i < n; i++)
        if (rows[i] >= t->last_n)
            return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "logits of row %zu, the step had %zu", rows[i], t->last_n);
    for (size_t i = 0; i < n; i++)
        memcpy(t->x + i * width, t->norm + rows[i] * width, width * sizeof *out);
    return apply_head(t, n, out, err);
}
