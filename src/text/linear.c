/* y = W x over a batch: activations converted once per form, panels of the matrices handed out over threads.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/work.h"

/* Pieces a thread should get of one call: enough that a thread delayed by the system does not hold up the rest, few
 * enough that each is a long run through memory. */
#define PIECES_PER_THREAD 6

carat_acts_form carat_text_form(const carat_text *t, carat_type type)
{
    carat_acts_form form = t->opt.exact ? CARAT_ACTS_F32 : t->k->form[type];
    return t->k->mul[type][form] ? form : CARAT_ACTS_F32;
}

static void convert(carat_work *w, const float *x, size_t cols, carat_acts_form form)
{
    carat_text *t = w->t;
    size_t stride = carat_acts_stride(form, cols);
    for (size_t r = w->begin; r < w->end; r++)
        t->k->acts[form](x + r * cols, cols, t->acts[form] + r * stride);
}

static size_t panels(const carat_matrix *m)
{
    return (m->rows + CARAT_PANEL - 1) / CARAT_PANEL;
}

static void multiply(carat_work *w, const carat_product *p, size_t begin, size_t end)
{
    carat_text *t = w->t;
    carat_acts_form form = carat_text_form(t, p->w->type);
    carat_mul mul = { .w = p->w->packed,
                      .type = p->w->type,
                      .rows = p->w->rows,
                      .cols = p->w->cols,
                      .x = t->acts[form],
                      .x_stride = carat_acts_stride(form, p->w->cols),
                      .n = t->n,
                      .y = p->y,
                      .y_stride = p->w->rows };
    t->k->mul[p->w->type][form](&mul, begin, end, w->own->scratch);
}

/* Runs piece number `piece` of pieces of `grain` panels; no piece spans two matrices. False past the last. */
static bool run_piece(carat_work *w, const carat_product *products, size_t n_products, size_t grain, size_t piece)
{
    for (size_t i = 0; i < n_products; i++) {
        size_t n = panels(products[i].w), pieces = (n + grain - 1) / grain;
        if (piece < pieces) {
            size_t begin = piece * grain, end = n - begin < grain ? n : begin + grain;
            multiply(w, &products[i], begin, end);
            return true;
        }
        piece -= pieces;
    }
    return false;
}

void carat_linear(carat_work *w, const float *x, const carat_product *products, size_t n_products)
{
    unsigned done = 0;
    size_t total = 0;
    for (size_t i = 0; i < n_products; i++) {
        carat_acts_form form = carat_text_form(w->t, products[i].w->type);
        if (!(done & 1u << form))
            convert(w, x, products[i].w->cols, form);
        done |= 1u << form;
        total += panels(products[i].w);
    }
    size_t grain = total / ((size_t)w->n_threads * PIECES_PER_THREAD) + 1;
    if (w->n_threads == 1)
        grain = total;
    carat_barrier(w);
    while (run_piece(w, products, n_products, grain, carat_next_piece(w)))
        ;
    carat_next_call(w);
    carat_barrier(w);
}
