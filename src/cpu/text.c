/* The decoder's scratch, a step of it, and the output head.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "cpu/text.h"

#include "base/finite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/text_work.h"
#include "sample/select.h"

/* Calls by piece in a layer: q/k/v, attention, o, gate/up, down. */
#define CALLS_PER_LAYER 5

/* ---- opening ---- */

/* The widest row each form of activation is needed for. */
static bool widen(void *arg, ct_part part, size_t layer)
{
    ct_text *t = arg;
    if (ct_part_get(part)->is_norm || part == CT_PART_DENSE_1 || part == CT_PART_DENSE_2)
        return true; /* dense layers have scratch of their own */
    const ct_matrix *m = ct_weights_matrix(t->w, part, layer);
    ct_acts_form form = ct_text_form(t, m->type);
    if (m->cols > t->acts_cols[form])
        t->acts_cols[form] = m->cols;
    return true;
}

static void take_thread(const ct_text *t, ct_arena *a, ct_text_thread *own)
{
    size_t tiles = t->opt.max_context / CT_TILE + 1, group = t->c->n_head / t->c->n_kv_head;
    size_t rows = group < CT_ITEM_ROWS ? CT_ITEM_ROWS : group;
    *own = (ct_text_thread){
        .scratch = ct_arena_take(a, ct_linear_scratch(t->k), 1),
        .k_tiles = ct_arena_take(a, tiles, sizeof(void *)),
        .v_tiles = ct_arena_take(a, tiles, sizeof(void *)),
        .q = ct_arena_take(a, rows, sizeof(float *)),
        .out = ct_arena_take(a, rows, sizeof(float *)),
        .lo = ct_arena_take(a, rows, sizeof(size_t)),
        .hi = ct_arena_take(a, rows, sizeof(size_t)),
        .tile = ct_arena_take(a, CT_TILE_FLOATS, sizeof(float)),
    };
}

static float *take_rows(const ct_text *t, ct_arena *a, size_t cols)
{
    size_t bytes = cols * sizeof(float); /* cols is within the configuration's limits */
    return ct_arena_take(a, t->opt.max_batch, bytes);
}

/* One walk for counting and for allocating. */
static void take_all(ct_text *t, ct_arena *a)
{
    const ct_config *c = t->c;
    size_t batch = t->opt.max_batch;
    t->rows = ct_arena_take(a, batch, sizeof *t->rows);
    t->blocks = ct_arena_take(a, batch, sizeof *t->blocks);
    t->runs = ct_arena_take(a, batch, sizeof *t->runs);
    t->span_failed = ct_arena_take(a, batch, sizeof *t->span_failed);
    t->counters = ct_arena_take(a, (size_t)c->n_layer * CALLS_PER_LAYER + 1, sizeof *t->counters);
    t->x = take_rows(t, a, c->hidden);
    t->kept = ct_arena_take(a, t->opt.n_soft, c->hidden * sizeof(float));
    t->norm = take_rows(t, a, c->hidden);
    t->y = take_rows(t, a, c->hidden);
    t->q = take_rows(t, a, t->q_dim);
    t->key = take_rows(t, a, t->kv_dim);
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
            t->acts[f] = ct_arena_take(a, ct_linear_acts_rows(t->k, (ct_acts_form)f, batch),
                                       ct_acts_stride((ct_acts_form)f, t->acts_cols[f]));
    ct_text_dense_take(t, a);
    ct_text_thread *threads = ct_arena_take(a, (size_t)t->n_threads, sizeof *threads), counted;
    for (int i = 0; i < t->n_threads; i++)
        take_thread(t, a, threads ? &threads[i] : &counted);
    t->threads = threads;
}

static void describe(ct_text *t, const ct_weights *w, const ct_kernels *k, int n_threads, const ct_text_options *o)
{
    const ct_config *c = &w->m->cfg;
    *t = (ct_text){ .w = w,
                    .c = c,
                    .k = k,
                    .opt = *o,
                    .n_threads = n_threads,
                    .q_dim = (size_t)c->n_head * c->head_dim,
                    .kv_dim = (size_t)c->n_kv_head * c->head_dim,
                    .embed_scale = ct_embed_scale_of(c, o->embed_scale) };
    ct_part_each(c, widen, t);
}

bool ct_text_bytes(const ct_weights *w, const ct_kernels *k, int n_threads, const ct_text_options *o, size_t *out)
{
    ct_text t;
    ct_arena count;
    describe(&t, w, k, n_threads, o);
    ct_arena_count(&count);
    take_all(&t, &count);
    *out = count.used;
    return !count.overflow;
}

bool ct_text_open(const ct_text_parts *p, const ct_text_options *o, ct_text **out, carat_err *err)
{
    *out = NULL;
    size_t bytes;
    int n_threads = ct_pool_threads(p->pool);
    if (o->max_batch < 1 || o->max_batch > CT_MAX_CONTEXT || o->max_context < 1 || o->max_context > CT_MAX_CONTEXT)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "steps of %zu tokens over %zu positions, expected 1 to %d",
                       o->max_batch, o->max_context, CT_MAX_CONTEXT);
    if (!ct_text_bytes(p->weights, p->kernels, n_threads, o, &bytes))
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "steps of %zu tokens are too large", o->max_batch);
    ct_text *t = aligned_alloc(64, (sizeof *t + 63) / 64 * 64);
    if (!t)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a step's description");
    describe(t, p->weights, p->kernels, n_threads, o);
    t->pages = p->pages;
    t->soft = p->soft;
    t->pool = p->pool;
    if (!ct_arena_init(&t->arena, bytes)) {
        ct_text_close(t);
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for steps of %zu tokens (%zu MiB)", o->max_batch,
                       (bytes >> 20) + 1);
    }
    take_all(t, &t->arena);
    ct_rope_inv_freq(&t->c->rope_local, t->c->head_dim, t->inv_freq_local);
    ct_rope_inv_freq(&t->c->rope_global, t->c->head_dim, t->inv_freq_global);
    *out = t;
    return true;
}

void ct_text_close(ct_text *t)
{
    if (!t)
        return;
    ct_text_inputs_close(t->inputs);
    ct_arena_deinit(&t->arena);
    free(t);
}

void ct_text_trace(ct_text *t, ct_text_trace_fn *fn, void *arg)
{
    t->trace = fn;
    t->trace_arg = arg;
}

/* ---- threads of a step ---- */

/* From now on all rows of the step take part, or all but those of its part. */
static void use_rows(ct_text_work *w, bool all)
{
    const ct_text *t = w->t;
    w->n = all ? t->n : t->n_whole;
    w->n_blocks = all ? t->n_blocks : t->n_whole_blocks;
    w->n_runs = all ? t->n_runs : t->n_whole_runs;
    w->begin = w->n * (size_t)w->thread / (size_t)w->n_threads;
    w->end = w->n * ((size_t)w->thread + 1) / (size_t)w->n_threads;
}

static ct_text_work work_of(ct_text *t, int thread, int n_threads)
{
    ct_text_work w = { .t = t, .own = &t->threads[thread], .thread = thread, .n_threads = n_threads };
    use_rows(&w, true);
    return w;
}

/* In the middle of a step, where rows may go to other threads. */
static void change_rows(ct_text_work *w, bool all)
{
    const size_t n = all ? w->t->n : w->t->n_whole;
    if (n == w->n)
        return;
    ct_text_barrier(w);
    use_rows(w, all);
}

static void reset_counters(ct_text *t, size_t n)
{
    for (size_t i = 0; i < n; i++)
        atomic_store_explicit(&t->counters[i].next, 0, memory_order_relaxed);
}

/* ---- a step ---- */

/* By the exponent bits: an or over the row, which compilers turn into vectors; a sum of floats they may not. */
static void check_row(ct_text *t, size_t row, const float *x)
{
    if (!ct_all_finite(x, t->c->hidden))
        atomic_store_explicit(&t->span_failed[t->rows[row].span], true, memory_order_relaxed);
}

static void check_rows(ct_text_work *w)
{
    for (size_t r = w->begin; r < w->end; r++)
        check_row(w->t, r, w->t->norm + r * w->t->c->hidden);
}

/* What the part's next layers begin with. It is checked now: a part may be given up before the next one, and its pages go to
 * others as they are. */
static void keep_part(ct_text_work *w)
{
    ct_text *t = w->t;
    const size_t width = t->c->hidden;
    for (size_t r = w->begin > t->n_whole ? w->begin : t->n_whole; r < w->end; r++) {
        memcpy(t->kept + (r - t->n_whole) * width, t->x + r * width, width * sizeof(float));
        check_row(t, r, t->x + r * width);
    }
}

static void run_step(void *arg, int thread, int n_threads)
{
    ct_text_work w = work_of(arg, thread, n_threads);
    const ct_text *t = w.t;
    ct_text_embed(&w);
    ct_text_rope_tables(&w);
    for (size_t layer = 0; layer < t->c->n_layer; layer++) {
        change_rows(&w, t->first_layer <= layer && layer < t->end_layer);
        if (w.n > 0)
            ct_text_layer(&w, layer);
    }
    if (t->end_layer < t->c->n_layer) {
        change_rows(&w, true);
        keep_part(&w);
        change_rows(&w, false);
    }
    ct_text_final_norm(&w);
    check_rows(&w);
}

static void plan_rows(ct_text *t, const ct_step_span *spans, size_t n_spans)
{
    const ct_step_span *last = &spans[n_spans - 1];
    t->spans = spans;
    t->n_spans = n_spans;
    t->n = t->n_whole = 0;
    t->first_layer = last->first_layer;
    t->end_layer = last->end_layer ? last->end_layer : t->c->n_layer;
    for (size_t i = 0; i < n_spans; i++) {
        size_t pos = spans[i].pos;
        for (size_t j = 0; j < spans[i].n; j++, pos++)
            t->rows[t->n++] = (ct_text_row){ (uint32_t)i, pos, pos + 1 + spans[i].tokens[j].sees_ahead };
        if (!spans[i].end_layer)
            t->n_whole = t->n;
        atomic_store_explicit(&t->span_failed[i], false, memory_order_relaxed);
    }
    ct_text_plan_blocks(t);
    ct_text_plan_runs(t);
}

void ct_text_step(ct_text *t, const ct_step_span *spans, size_t n_spans, bool *failed)
{
    plan_rows(t, spans, n_spans);
    reset_counters(t, (size_t)t->c->n_layer * CALLS_PER_LAYER);
    ct_pool_run(t->pool, run_step, t);
    t->last_n = t->n;
    for (size_t i = 0; i < n_spans; i++)
        failed[i] = atomic_load_explicit(&t->span_failed[i], memory_order_relaxed);
}

/* ---- afterwards ---- */

const float *ct_text_hidden(const ct_text *t, size_t row)
{
    return row < t->last_n ? t->norm + row * t->c->hidden : NULL;
}

typedef struct head_job {
    ct_text *t;
    const ct_head *h;
} head_job;

static void run_head(void *arg, int thread, int n_threads)
{
    head_job *j = arg;
    ct_text_work w = work_of(j->t, thread, n_threads);
    const ct_matrix *head = ct_weights_matrix(j->t->w, CT_PART_HEAD, 0);
    ct_text_linear(&w, j->t->x, (ct_product[]){ { head, j->h->logits } }, 1);
}

/* The top and logsumexp of rows [begin, end), where requested. */
static void finish_rows(void *arg, size_t begin, size_t end, int thread)
{
    const head_job *j = arg;
    (void)thread;
    for (size_t i = begin; i < end; i++) {
        ct_head_row *r = &j->h->rows[i];
        const float *logits = j->h->logits + i * j->t->c->n_vocab;
        float max;
        r->is_finite = ct_all_finite(logits, j->t->c->n_vocab);
        if (r->wants_lse && r->is_finite) {
            r->lse = j->t->k->logsumexp(logits, j->h->n_pieces, &max);
            r->lse += max;
        }
        if (r->n_top)
            r->n_top =
                r->is_finite ? ct_select_top(&(ct_logit_row){ logits, j->h->n_pieces, NULL }, r->n_top, r->top) : 0;
    }
}

void ct_text_head(ct_text *t, const ct_head *h)
{
    size_t width = t->c->hidden;
    head_job j = { t, h };
    if (h->n == 0)
        return;
    for (size_t i = 0; i < h->n; i++) { /* the residual stream is free after the step */
        const ct_head_row *r = &h->rows[i];
        memcpy(t->x + i * width, r->hidden ? r->hidden : t->norm + r->row * width, width * sizeof(float));
    }
    t->n = t->n_whole = h->n;
    reset_counters(t, 1);
    ct_pool_run(t->pool, run_head, &j);
    ct_pool_each(t->pool, h->n, 1, finish_rows, &j);
}
