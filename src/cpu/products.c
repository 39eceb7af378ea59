/* Products of packed matrices, handed out over the threads of a job.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "cpu/products.h"

/* The number of pieces that a thread should get of one call: enough that a thread delayed by the system does not hold
 * up the rest, few enough that each is a long run through memory. */
#define PIECES_PER_THREAD 6
#define FEW_PIECES        3 /* ... where a piece of more panels costs less */
#define SIDE_BY_SIDE      2 /* panels that kernels multiply together: a piece of an odd number would waste one's time */

ct_acts_form ct_linear_form(const ct_kernels *k, bool exact, bool is_many, ct_type type)
{
    ct_acts_form form = exact ? CT_ACTS_F32 : is_many && k->is_bf16_for_many[type] ? CT_ACTS_BF16 : k->form[type];
    return k->mul[type][form] ? form : CT_ACTS_F32;
}

size_t ct_linear_scratch(const ct_kernels *k)
{
    return k->mul_scratch > CT_ATTEND_SCRATCH ? k->mul_scratch : CT_ATTEND_SCRATCH;
}

static bool is_tiled(const ct_linear_job *j, ct_acts_form form)
{
    return j->k->acts_tiled[form] && j->n >= j->k->tiled_tokens;
}

size_t ct_linear_acts_rows(const ct_kernels *k, ct_acts_form form, size_t n)
{
    return k->acts_tiled[form] ? (n + CT_TILED - 1) / CT_TILED * CT_TILED : n;
}

static void convert(const ct_linear_job *j, const float *x, size_t cols, ct_acts_form form)
{
    const size_t stride = ct_acts_stride(form, cols);
    const bool tiled = is_tiled(j, form);
    for (size_t r = j->begin; r < j->end; r++)
        if (tiled)
            j->k->acts_tiled[form](x + r * cols, cols,
                                   j->acts[form] + r / CT_TILED * CT_TILED * stride + r % CT_TILED * 64);
        else
            j->k->acts[form](x + r * cols, cols, j->acts[form] + r * stride);
}

static size_t panels(const ct_matrix *m)
{
    return (m->rows + CT_PANEL - 1) / CT_PANEL;
}

/* How a call is cut into pieces: tokens, and panels of one matrix. */
typedef struct cut {
    const ct_product *products;
    size_t n_products, panels; /* of a piece */
    size_t tokens, token_pieces;
} cut;

static void multiply(const ct_linear_job *j, const ct_product *p, size_t begin, size_t end, size_t token, size_t n)
{
    ct_acts_form form = ct_linear_form(j->k, j->exact, j->is_many, p->w->type);
    size_t stride = ct_acts_stride(form, p->w->cols);
    ct_mul mul = { .w = p->w->packed,
                   .type = p->w->type,
                   .rows = p->w->rows,
                   .cols = p->w->cols,
                   .x = j->acts[form] + token * stride,
                   .x_stride = stride,
                   .n = n,
                   .y = p->y + token * p->w->rows,
                   .y_stride = p->w->rows,
                   .x_is_tiled = is_tiled(j, form) };
    j->k->mul[p->w->type][form](&mul, begin, end, j->scratch);
}

/* Runs piece number `piece`; no piece spans two matrices. False past the last. */
static bool run_piece(const ct_linear_job *j, const cut *c, size_t piece)
{
    for (size_t i = 0; i < c->n_products; i++) {
        size_t n = panels(c->products[i].w), pieces = (n + c->panels - 1) / c->panels;
        if (piece < pieces * c->token_pieces) {
            size_t begin = piece % pieces * c->panels, end = n - begin < c->panels ? n : begin + c->panels;
            size_t token = piece / pieces * c->tokens, left = j->n - token;
            multiply(j, &c->products[i], begin, end, token, left < c->tokens ? left : c->tokens);
            return true;
        }
        piece -= pieces * c->token_pieces;
    }
    return false;
}

/* Pieces of panels for all tokens; or, where kernels are best given some tokens at a time and there are more, as many
 * panels as leave a few pieces a thread. */
static cut cut_up(const ct_linear_job *j, const ct_product *products, size_t n_products)
{
    size_t total = 0, threads = (size_t)j->n_threads, best = 0, pieces = threads * PIECES_PER_THREAD;
    for (size_t i = 0; i < n_products; i++) {
        size_t of_form = j->k->piece_tokens[ct_linear_form(j->k, j->exact, j->is_many, products[i].w->type)];
        best = best == 0 || (of_form && of_form < best) ? of_form : best;
        total += panels(products[i].w);
    }
    cut c = { .products = products, .n_products = n_products, .tokens = j->n, .token_pieces = 1 };
    if (best && j->n > best) {
        c.tokens = best;
        c.token_pieces = (j->n + best - 1) / best;
        pieces = (threads * FEW_PIECES + c.token_pieces - 1) / c.token_pieces;
    }
    pieces *= SIDE_BY_SIDE;
    c.panels = threads == 1 ? total : (total + pieces - 1) / pieces * SIDE_BY_SIDE;
    return c;
}

void ct_linear_run(const ct_linear_job *j, const float *x, const ct_product *products, size_t n_products)
{
    unsigned done = 0;
    for (size_t i = 0; i < n_products; i++) {
        ct_acts_form form = ct_linear_form(j->k, j->exact, j->is_many, products[i].w->type);
        if (!(done & 1u << form))
            convert(j, x, products[i].w->cols, form);
        done |= 1u << form;
    }
    const cut c = cut_up(j, products, n_products);
    ct_pool_barrier(j->pool);
    while (run_piece(j, &c, ct_next_of(j->pieces)))
        ;
    ct_pool_barrier(j->pool);
}
