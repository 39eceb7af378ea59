/* The step's share of LoRA adapters: y += B (scale * (A x)) for the rows of sequences that use one.
 *
 * A step has runs: neighbouring rows with the same list of adapters. Where a thread has several rows of its own it does all of
 * theirs, both products, and waits for nobody: rows of y are its own again after the product before. Where there are few rows
 * the panels of A, and then of B, are shared out instead. Either way each sum is one lane's, in column order.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "cpu/text_work.h"

/* Fewer rows a thread than this: panels are shared out. */
#define ROWS_A_THREAD 4

/* Rows [row, row + n) of the batch, panels [begin, end) of a factor. */
typedef struct part_of {
    size_t row, n, begin, end;
} part_of;

static size_t panels(const ct_matrix *m)
{
    return (m->rows + CT_PANEL - 1) / CT_PANEL;
}

static void multiply(const ct_text_work *w, const ct_matrix *m, const ct_mul *job, size_t begin, size_t end)
{
    w->t->k->mul[m->type][CT_ACTS_F32](job, begin, end, w->own->scratch);
}

/* sums = scale * (A x) */
static void first_product(const ct_text_work *w, const ct_adapter_use *use, const ct_adapted *p, const float *x,
                          const part_of *o)
{
    const size_t stride = use->adapter->sums_stride,
                 last = o->end * CT_PANEL < p->a.rows ? o->end * CT_PANEL : p->a.rows;
    const float scale = use->scale * p->scale;
    const ct_mul job = { .w = p->a.packed,
                         .type = p->a.type,
                         .rows = p->a.rows,
                         .cols = p->a.cols,
                         .x = x + o->row * p->a.cols,
                         .x_stride = p->a.cols * sizeof *x,
                         .n = o->n,
                         .y = p->sums + o->row * stride,
                         .y_stride = stride };
    multiply(w, &p->a, &job, o->begin, o->end);
    for (size_t r = o->row; r < o->row + o->n; r++)
        for (size_t c = o->begin * CT_PANEL; c < last; c++)
            p->sums[r * stride + c] *= scale;
}

/* y += B sums, of a tile of rows and panels through the thread's own memory. */
static void add_tile(const ct_text_work *w, const ct_adapter_use *use, const ct_adapted *p, float *y, const part_of *o)
{
    const size_t stride = use->adapter->sums_stride, n_panels = o->end - o->begin;
    const size_t first = o->begin * CT_PANEL, left = p->b.rows - first;
    const size_t cols = n_panels * CT_PANEL < left ? n_panels * CT_PANEL : left;
    const ct_mul job = { .w = p->b.packed + o->begin * (p->b.bytes / panels(&p->b)),
                         .type = p->b.type,
                         .rows = cols,
                         .cols = p->b.cols,
                         .x = p->sums + o->row * stride,
                         .x_stride = stride * sizeof(float),
                         .n = o->n,
                         .y = w->own->tile,
                         .y_stride = n_panels * CT_PANEL };
    multiply(w, &p->b, &job, 0, n_panels);
    for (size_t r = 0; r < o->n; r++) {
        float *to = y + (o->row + r) * p->b.rows + first;
        const float *from = w->own->tile + r * n_panels * CT_PANEL;
        for (size_t c = 0; c < cols; c++)
            to[c] += from[c];
    }
}

static void second_product(const ct_text_work *w, const ct_adapter_use *use, const ct_adapted *p, float *y,
                           const part_of *o)
{
    const size_t rows = o->n < CT_TILE_ROWS ? o->n : CT_TILE_ROWS;
    const size_t wide = CT_TILE_FLOATS / CT_PANEL / (rows ? rows : 1);
    for (size_t row = o->row; row < o->row + o->n; row += rows)
        for (size_t at = o->begin; at < o->end; at += wide) {
            const size_t n = o->row + o->n - row < rows ? o->row + o->n - row : rows;
            add_tile(w, use, p, y, &(part_of){ row, n, at, at + wide < o->end ? at + wide : o->end });
        }
}

/* ---- rows that are a thread's own ---- */

static void adapt_rows(const ct_text_work *w, const ct_text_run *run, size_t layer, const float *x, const ct_adapt *a)
{
    const size_t begin = run->first > w->begin ? run->first : w->begin;
    const size_t end = run->first + run->n < w->end ? run->first + run->n : w->end;
    if (begin >= end)
        return;
    for (size_t u = 0; u < run->n_uses; u++) {
        const ct_adapted *p = ct_adapter_at(run->uses[u].adapter, a->part, layer);
        if (!p)
            continue;
        first_product(w, &run->uses[u], p, x, &(part_of){ begin, end - begin, 0, panels(&p->a) });
        second_product(w, &run->uses[u], p, a->y, &(part_of){ begin, end - begin, 0, panels(&p->b) });
    }
}

/* ---- panels that are shared out ---- */

/* Panels of A, one by one to one thread after the other. */
static void share_first(const ct_text_work *w, const ct_text_run *run, size_t layer, const float *x, const ct_adapt *a,
                        size_t *turn)
{
    for (size_t u = 0; u < run->n_uses; u++) {
        const ct_adapted *p = ct_adapter_at(run->uses[u].adapter, a->part, layer);
        for (size_t i = 0; p && i < panels(&p->a); i++)
            if ((*turn)++ % (size_t)w->n_threads == (size_t)w->thread)
                first_product(w, &run->uses[u], p, x, &(part_of){ run->first, run->n, i, i + 1 });
    }
}

/* A thread's share of B's panels, and so of y: those of every adapter, in the list's order. */
static void share_second(const ct_text_work *w, const ct_text_run *run, size_t layer, const ct_adapt *a)
{
    for (size_t u = 0; u < run->n_uses; u++) {
        const ct_adapted *p = ct_adapter_at(run->uses[u].adapter, a->part, layer);
        if (!p)
            continue;
        const size_t n = panels(&p->b), begin = n * (size_t)w->thread / (size_t)w->n_threads;
        const size_t end = n * ((size_t)w->thread + 1) / (size_t)w->n_threads;
        if (begin < end)
            second_product(w, &run->uses[u], p, a->y, &(part_of){ run->first, run->n, begin, end });
    }
}

/* ---- all of it ---- */

static void share_panels(ct_text_work *w, size_t layer, const float *x, const ct_adapt *all, size_t n)
{
    const ct_text *t = w->t;
    size_t turn = 0;
    for (size_t r = 0; r < w->n_runs; r++)
        for (size_t i = 0; i < n; i++)
            share_first(w, &t->runs[r], layer, x, &all[i], &turn);
    ct_text_barrier(w);
    for (size_t r = 0; r < w->n_runs; r++)
        for (size_t i = 0; i < n; i++)
            share_second(w, &t->runs[r], layer, &all[i]);
    ct_text_barrier(w);
}

void ct_text_adapt(ct_text_work *w, size_t layer, const float *x, const ct_adapt *all, size_t n)
{
    const ct_text *t = w->t;
    if (w->n_runs == 0)
        return;
    if (w->n < (size_t)w->n_threads * ROWS_A_THREAD && w->n_threads > 1) {
        share_panels(w, layer, x, all, n);
        return;
    }
    for (size_t r = 0; r < w->n_runs; r++)
        for (size_t i = 0; i < n; i++)
            adapt_rows(w, &t->runs[r], layer, x, &all[i]);
}

static bool is_same(const ct_text_run *run, const ct_step_span *s)
{
    bool same = run->n_uses == s->n_adapters;
    for (size_t i = 0; same && i < run->n_uses; i++)
        same = run->uses[i].adapter == s->adapters[i].adapter && run->uses[i].scale == s->adapters[i].scale;
    return same;
}

void ct_text_plan_runs(ct_text *t)
{
    size_t row = 0;
    t->n_runs = t->n_whole_runs = 0;
    for (size_t i = 0; i < t->n_spans; row += t->spans[i].n, i++) {
        const ct_step_span *s = &t->spans[i];
        ct_text_run *last = t->n_runs ? &t->runs[t->n_runs - 1] : NULL;
        if (!s->n_adapters)
            continue;
        if (last && last->first + last->n == row && row < t->n_whole && is_same(last, s))
            last->n += s->n;
        else
            t->runs[t->n_runs++] = (ct_text_run){ s->adapters, s->n_adapters, row, s->n };
        if (row < t->n_whole)
            t->n_whole_runs = t->n_runs;
    }
}
