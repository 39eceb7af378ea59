/* products.h - y = W x over a batch of rows: activations converted once per form, panels of the matrices handed out to
 * the threads of a job.
 *
 * The text model and the vision tower share this. Every thread of a pool's job makes the same call with its own
 * ct_linear_job; it begins with a conversion of the thread's own rows and ends with a barrier.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CPU_PRODUCTS_H
#define CT_CPU_PRODUCTS_H

#include <stdatomic.h>

#include "cpu/weights.h"
#include "kernels/kernels.h"

/* A counter of its own cache line hands out the pieces of one call. */
typedef struct ct_counter {
    _Alignas(64) atomic_size_t next;
} ct_counter;

typedef struct ct_product {
    const ct_matrix *w;
    float *y; /* [n, w->rows] */
} ct_product;

typedef struct ct_linear_job {
    const ct_kernels *k;
    ct_pool *pool;
    bool exact;           /* f32 activations for every matrix */
    bool is_many;         /* never a row by itself: the form may be one that only many rows are faster in */
    uint8_t *const *acts; /* [CT_N_ACTS]: ct_linear_acts_rows in each form that a matrix of the job needs */
    size_t n;             /* rows */
    size_t begin, end;    /* this thread's own rows */
    int n_threads;        /* in the job */
    ct_counter *pieces;   /* of this call alone, 0 before it */
    void *scratch;        /* k->mul_scratch bytes of this thread */
} ct_linear_job;

/* The form in which a matrix of this type takes its activations. */
ct_acts_form ct_linear_form(const ct_kernels *k, bool exact, bool is_many, ct_type type);

/* Rows of activations that n tokens take in a form. */
size_t ct_linear_acts_rows(const ct_kernels *k, ct_acts_form form, size_t n);

/* Bytes of scratch with which a thread can multiply and attend. */
size_t ct_linear_scratch(const ct_kernels *k);

/* y = W x for some matrices over the same rows x [n, cols]. Other threads' rows of y may be read after it. */
void ct_linear_run(const ct_linear_job *j, const float *x, const ct_product *products, size_t n_products);

static inline size_t ct_next_of(ct_counter *c)
{
    return atomic_fetch_add_explicit(&c->next, 1, memory_order_relaxed);
}

#endif
