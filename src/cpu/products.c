/* Products of packed matrices, handed out over the threads of a job.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "cpu/products.h"

/* The number of pieces that a thread should get of one call: enough that a thread delayed by the system does not hold
 * up the rest, few enough that each is a long run through memory. */
#define PIECES_PER_THREAD 6
#define SIDE_BY_SIDE      2 /* panels that kernels multiply together: a piece of an odd number would waste one's time */

ct_acts_form ct_linear_form(const ct_kernels *k, bool exact, ct_type type)
{
    ct_acts_form form = exact ? CT_ACTS_F32 : k->form[type];
    return k->mul[type][form] ? form : CT_ACTS_F32;
}

static void convert(const ct_linear_job *j, const float *x, size_t cols, ct_acts_form form)
{
    size_t stride = ct_acts_stride(form, cols);
    for (size_t r = j->begin; r < j->end; r++)
        j->k->acts[form](x + r * cols, cols, j->acts[form] + r * stride);
}

static size_t panels(const ct_matrix *m)
{
    return (m->rows + CT_PANEL - 1) / CT_PANEL;
}

static void multiply(const ct_linear_job *j, const ct_product *p, size_t begin, size_t end)
{
    ct_acts_form form = ct_linear_form(j->k, j->exact, p->w->type);
    ct_mul mul = { .w = p->w->packed,
                   .type = p->w->type,
                   .rows = p->w->rows,
                   .cols = p->w->cols,
                   .x = j->acts[form],
                   .x_stride = ct_acts_stride(form, p->w->cols),
                   .n = j->n,
                   .y = p->y,
                   .y_stride = p->w->rows };
    j->k->mul[p->w->type][form](&mul, begin, end, j->scratch);
}

/* Runs piece number `piece` of pieces of `grain` panels; no piece spans two matrices. False past the last. */
static bool run_piece(const ct_linear_job *j, const ct_product *products, size_t n_products, size_t grain, size_t piece)
{
    for (size_t i = 0; i < n_products; i++) {
        size_t n = panels(products[i].w), pieces = (n + grain - 1) / grain;
        if (piece < pieces) {
            size_t begin = piece * grain, end = n - begin < grain ? n : begin + grain;
            multiply(j, &products[i], begin, end);
            return true;
        }
        piece -= pieces;
    }
    return false;
}

void ct_linear_run(const ct_linear_job *j, const float *x, const ct_product *products, size_t n_products)
{
    unsigned done = 0;
    size_t total = 0;
    for (size_t i = 0; i < n_products; i++) {
        ct_acts_form form = ct_linear_form(j->k, j->exact, products[i].w->type);
        if (!(done & 1u << form))
            convert(j, x, products[i].w->cols, form);
        done |= 1u << form;
        total += panels(products[i].w);
    }
    size_t pieces = (size_t)j->n_threads * PIECES_PER_THREAD * SIDE_BY_SIDE;
    size_t grain = (total + pieces - 1) / pieces * SIDE_BY_SIDE;
    if (j->n_threads == 1)
        grain = total;
    ct_pool_barrier(j->pool);
    while (run_piece(j, products, n_products, grain, ct_next_of(j->pieces)))
        ;
    ct_pool_barrier(j->pool);
}
