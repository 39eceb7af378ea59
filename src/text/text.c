/* SPDX-License-Identifier: Apache-2.0 */
#include "text/text.h"

#include "base/finite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "text/work.h"

/* Calls by piece in a layer: q/k/v, attention, o, gate/up, down. */
#define CALLS_PER_LAYER 5

#define SCRATCH (CARAT_MUL_SCRATCH > CARAT_ATTEND_SCRATCH ? CARAT_MUL_SCRATCH : CARAT_ATTEND_SCRATCH)

/* ---- opening ---- */

static void widen(carat_text *t, const carat_matrix *m)
{
    carat_acts_form form = carat_text_form(t, m->type);
    if (m->cols > t->acts_cols[form])
        t->acts_cols[form] = m->cols;
}

/* The widest row each form of activation is needed for. */
static void find_forms(carat_text *t)
{
    widen(t, &t->m->head);
    for (size_t i = 0; i < t->m->cfg.n_layer; i++) {
        const carat_layer *l = &t->m->layers[i];
        const carat_matrix *all[] = { &l->q, &l->k, &l->v, &l->o, &l->gate, &l->up, &l->down };
        for (size_t j = 0; j < sizeof all / sizeof *all; j++)
            widen(t, all[j]);
    }
}

static void take_thread(const carat_text *t, carat_arena *a, carat_thread *own)
{
    size_t tiles = t->opt.max_context / CARAT_TILE + 1, group = t->m->cfg.n_head / t->m->cfg.n_kv_head;
    size_t rows = group < CARAT_ITEM_ROWS ? CARAT_ITEM_ROWS : group;
    *own = (carat_thread){
        .scratch = carat_arena_take(a, SCRATCH, 1),
        .k_tiles = carat_arena_take(a, tiles, sizeof(void *)),
        .v_tiles = carat_arena_take(a, tiles, sizeof(void *)),
        .q = carat_arena_take(a, rows, sizeof(float *)),
        .out = carat_arena_take(a, rows, sizeof(float *)),
        .lo = carat_arena_take(a, rows, sizeof(size_t)),
        .hi = carat_arena_take(a, rows, sizeof(size_t)),
    };
}

static float *take_rows(const carat_text *t, carat_arena *a, size_t cols)
{
    size_t bytes = cols * sizeof(float); /* cols is within the configuration's limits */
    return carat_arena_take(a, t->opt.max_batch, bytes);
}

/* One walk for the size and for the real thing. */
static void take_all(carat_text *t, carat_arena *a)
{
    const carat_config *c = &t->m->cfg;
    size_t batch = t->opt.max_batch;
    t->rows = carat_arena_take(a, batch, sizeof *t->rows);
    t->blocks = carat_arena_take(a, batch, sizeof *t->blocks);
    t->span_failed = carat_arena_take(a, batch, sizeof *t->span_failed);
    t->counters = carat_arena_take(a, (size_t)c->n_layer * CALLS_PER_LAYER + 1, sizeof *t->counters);
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
    t->inv_freq_local = carat_arena_take(a, c->head_dim / 2, sizeof(float));
    t->inv_freq_global = carat_arena_take(a, c->head_dim / 2, sizeof(float));
    for (int f = 0; f < CARAT_N_ACTS; f++)
        if (t->acts_cols[f])
            t->acts[f] = carat_arena_take(a, batch, carat_acts_stride((carat_acts_form)f, t->acts_cols[f]));
    carat_thread *threads = carat_arena_take(a, (size_t)t->n_threads, sizeof *threads), counted;
    for (int i = 0; i < t->n_threads; i++)
        take_thread(t, a, threads ? &threads[i] : &counted);
    t->threads = threads;
}

static void describe(carat_text *t, const carat_model *m, const carat_kernels *k, int n_threads,
                     const carat_text_options *o)
{
    *t = (carat_text){ .m = m,
                       .k = k,
                       .opt = *o,
                       .n_threads = n_threads,
                       .q_dim = (size_t)m->cfg.n_head * m->cfg.head_dim,
                       .kv_dim = (size_t)m->cfg.n_kv_head * m->cfg.head_dim,
                       .embed_scale = carat_embed_scale_of(&m->cfg, o->embed_scale) };
    find_forms(t);
}

bool carat_text_bytes(const carat_model *m, const carat_kernels *k, int n_threads, const carat_text_options *o,
                      size_t *out)
{
    carat_text t;
    carat_arena count;
    describe(&t, m, k, n_threads, o);
    carat_arena_count(&count);
    take_all(&t, &count);
    *out = count.used;
    return !count.overflow;
}

bool carat_text_open(const carat_model *m, const carat_kernels *k, carat_pool *pool, const carat_text_options *o,
                     carat_text **out, carat_err *err)
{
    *out = NULL;
    size_t bytes;
    if (o->max_batch < 1 || o->max_batch > CARAT_MAX_CONTEXT || o->max_context < 1 ||
        o->max_context > CARAT_MAX_CONTEXT)
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "steps of %zu tokens over %zu positions, expected 1 to %d",
                          o->max_batch, o->max_context, CARAT_MAX_CONTEXT);
    if (!carat_text_bytes(m, k, carat_pool_threads(pool), o, &bytes))
        return carat_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "steps of %zu tokens are too large", o->max_batch);
    carat_text *t = aligned_alloc(64, (sizeof *t + 63) / 64 * 64);
    if (!t)
        return carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a step's description");
    describe(t, m, k, carat_pool_threads(pool), o);
    t->pool = pool;
    if (!carat_arena_init(&t->arena, bytes)) {
        carat_text_close(t);
        return carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for steps of %zu tokens (%zu MiB)", o->max_batch,
                          (bytes >> 20) + 1);
    }
    take_all(t, &t->arena);
    carat_rope_inv_freq(&m->cfg.rope_local, m->cfg.head_dim, t->inv_freq_local);
    carat_rope_inv_freq(&m->cfg.rope_global, m->cfg.head_dim, t->inv_freq_global);
    *out = t;
    return true;
}

void carat_text_close(carat_text *t)
{
    if (!t)
        return;
    carat_arena_deinit(&t->arena);
    free(t);
}

void carat_text_trace(carat_text *t, carat_trace *fn, void *arg)
{
    t->trace = fn;
    t->trace_arg = arg;
}

/* ---- threads of a step ---- */

void carat_barrier(carat_work *w)
{
    carat_pool_barrier(w->t->pool);
}

size_t carat_next_piece(carat_work *w)
{
    return carat_next_of(&w->t->counters[w->counter]);
}

void carat_next_call(carat_work *w)
{
    w->counter++;
}

static carat_work work_of(carat_text *t, int thread, int n_threads)
{
    return (carat_work){ .t = t,
                         .own = &t->threads[thread],
                         .thread = thread,
                         .n_threads = n_threads,
                         .begin = t->n * (size_t)thread / (size_t)n_threads,
                         .end = t->n * ((size_t)thread + 1) / (size_t)n_threads };
}

static void reset_counters(carat_text *t, size_t n)
{
    for (size_t i = 0; i < n; i++)
        atomic_store_explicit(&t->counters[i].next, 0, memory_order_relaxed);
}

/* ---- a step ---- */

/* By the exponent bits: an or over the row, which compilers turn into vectors; a sum of floats they may not. */
static void check_rows(carat_work *w)
{
    carat_text *t = w->t;
    size_t n = t->m->cfg.hidden;
    for (size_t r = w->begin; r < w->end; r++)
        if (!carat_all_finite(t->norm + r * n, n))
            atomic_store_explicit(&t->span_failed[t->rows[r].span], true, memory_order_relaxed);
}

static void run_step(void *arg, int thread, int n_threads)
{
    carat_work w = work_of(arg, thread, n_threads);
    carat_embed(&w);
    carat_rope_tables(&w);
    for (size_t layer = 0; layer < w.t->m->cfg.n_layer; layer++)
        carat_layer_run(&w, layer);
    carat_final_norm(&w);
    check_rows(&w);
}

static bool check_span(const carat_text *t, const carat_span *spans, size_t i, carat_err *err)
{
    const carat_span *s = &spans[i];
    if (s->n < 1)
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "sequence %zu of the step has no tokens", i);
    for (size_t j = 0; j < i; j++)
        if (spans[j].kv == s->kv)
            return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "sequences %zu and %zu of the step share a cache", j, i);
    size_t len = carat_kv_len(s->kv), context = carat_kv_context(s->kv);
    if (s->n > context - len || len + s->n > t->opt.max_context)
        return carat_fail(err, CARAT_ECONTEXT, CARAT_NOWHERE, "%zu tokens after %zu do not fit a context of %zu", s->n,
                          len, context < t->opt.max_context ? context : t->opt.max_context);
    if (s->n > carat_kv_max_batch(s->kv))
        return carat_fail(err, CARAT_ELIMIT, CARAT_NOWHERE,
                          "%zu tokens of one sequence in a step, its cache allows %zu", s->n,
                          carat_kv_max_batch(s->kv));
    for (size_t j = 0; j < s->n; j++) {
        const carat_input *in = &s->tokens[j];
        if (!in->row && (in->id < 0 || (uint32_t)in->id >= t->m->cfg.n_vocab))
            return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "token id %d, expected 0 to %u", in->id,
                              t->m->cfg.n_vocab - 1);
        if (in->sees_ahead > s->n - 1 - j)
            return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "token %zu sees %u later ones, %zu are in the step", j,
                              in->sees_ahead, s->n - 1 - j);
    }
    return true;
}

static bool check_step(const carat_text *t, const carat_span *spans, size_t n_spans, carat_err *err)
{
    size_t n = 0;
    if (n_spans < 1)
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "a step of no tokens");
    for (size_t i = 0; i < n_spans; i++) {
        if (spans[i].n > t->opt.max_batch || (n += spans[i].n) > t->opt.max_batch)
            return carat_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "more than %zu tokens in a step", t->opt.max_batch);
        if (!check_span(t, spans, i, err))
            return false;
    }
    return true;
}

static void plan_rows(carat_text *t, const carat_span *spans, size_t n_spans)
{
    t->spans = spans;
    t->n_spans = n_spans;
    t->n = 0;
    for (size_t i = 0; i < n_spans; i++) {
        size_t pos = carat_kv_len(spans[i].kv);
        for (size_t j = 0; j < spans[i].n; j++, pos++)
            t->rows[t->n++] = (carat_row){ (uint32_t)i, pos, pos + 1 + spans[i].tokens[j].sees_ahead };
        carat_kv_begin(spans[i].kv, spans[i].n);
        atomic_store_explicit(&t->span_failed[i], false, memory_order_relaxed);
    }
    carat_plan_blocks(t);
}

bool carat_text_step(carat_text *t, const carat_span *spans, size_t n_spans, bool *failed, carat_err *err)
{
    if (!check_step(t, spans, n_spans, err))
        return false;
    plan_rows(t, spans, n_spans);
    reset_counters(t, (size_t)t->m->cfg.n_layer * CALLS_PER_LAYER);
    carat_pool_run(t->pool, run_step, t);
    t->last_n = t->n;
    bool ok = true;
    for (size_t i = 0; i < n_spans; i++) {
        bool bad = atomic_load_explicit(&t->span_failed[i], memory_order_relaxed);
        if (failed)
            failed[i] = bad;
        if (bad)
            carat_kv_scrub(spans[i].kv, spans[i].n);
        else
            carat_kv_commit(spans[i].kv, spans[i].n);
        if (bad && ok)
            ok = carat_fail(err, CARAT_ENUMERIC, CARAT_NOWHERE,
                            "activations are not finite after position %zu (sequence %zu of %zu in the step)",
                            carat_kv_len(spans[i].kv), i + 1, n_spans);
    }
    return ok;
}

size_t carat_text_cut(const carat_input *tokens, size_t n, size_t want)
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

const float *carat_text_hidden(const carat_text *t, size_t row)
{
    return row < t->last_n ? t->norm + row * t->m->cfg.hidden : NULL;
}

typedef struct head_job {
    carat_text *t;
    float *out;
} head_job;

static void run_head(void *arg, int thread, int n_threads)
{
    head_job *j = arg;
    carat_work w = work_of(j->t, thread, n_threads);
    carat_linear(&w, j->t->x, (carat_product[]){ { &j->t->m->head, j->out } }, 1);
}

/* Over the first n rows of x. */
static bool apply_head(carat_text *t, size_t n, float *out, carat_err *err)
{
    size_t n_vocab = t->m->cfg.n_vocab;
    if (n == 0)
        return true;
    t->n = n;
    reset_counters(t, 1);
    carat_pool_run(t->pool, run_head, &(head_job){ t, out });
    for (size_t i = 0; i < n; i++)
        if (!carat_all_finite(out + i * n_vocab, n_vocab))
            return carat_fail(err, CARAT_ENUMERIC, CARAT_NOWHERE, "logits are not finite (row %zu of %zu)", i + 1, n);
    return true;
}

bool carat_text_head(carat_text *t, const float *const *hidden, size_t n, float *out, carat_err *err)
{
    size_t width = t->m->cfg.hidden;
    if (n > t->opt.max_batch)
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "logits of %zu rows, a step has at most %zu", n,
                          t->opt.max_batch);
    for (size_t i = 0; i < n; i++) /* the residual stream is free after the step */
        memcpy(t->x + i * width, hidden[i], width * sizeof *out);
    return apply_head(t, n, out, err);
}

bool carat_text_logits(carat_text *t, const size_t *rows, size_t n, float *out, carat_err *err)
{
    size_t width = t->m->cfg.hidden;
    if (n > t->last_n)
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "logits of %zu rows, the step had %zu", n, t->last_n);
    for (size_t i = 0; i < n; i++)
        if (rows[i] >= t->last_n)
            return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "logits of row %zu, the step had %zu", rows[i],
                              t->last_n);
    for (size_t i = 0; i < n; i++)
        memcpy(t->x + i * width, t->norm + rows[i] * width, width * sizeof *out);
    return apply_head(t, n, out, err);
}
