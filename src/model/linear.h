/* linear.h - y = W x over a batch of rows: activations converted once per form, panels of the matrices handed out over
 * the threads of a job.
 *
 * What the text model and the vision tower share. Every thread of a pool's job makes the same call with its own
 * carat_linear_job; it begins with a conversion of the thread's own rows and ends with a barrier.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_MODEL_LINEAR_H
#define CARAT_MODEL_LINEAR_H

#include <stdatomic.h>

#include "kernels/kernels.h"
#include "model/model.h"

/* A counter of its own cache line hands out the pieces of one call. */
typedef struct carat_counter {
    _Alignas(64) atomic_size_t next;
} carat_counter;

typedef struct carat_product {
    const carat_matrix *w;
    float *y; /* [n, w->rows] */
} carat_product;

typedef struct carat_linear_job {
    const carat_kernels *k;
    carat_pool *pool;
    bool exact;            /* f32 activations for every matrix */
    uint8_t *const *acts;  /* [CARAT_N_ACTS]: n rows in each form that a matrix of the job wants */
    size_t n;              /* rows */
    size_t begin, end;     /* this thread's own rows */
    int n_threads;         /* in the job */
    carat_counter *pieces; /* of this call alone, 0 before it */
    void *scratch;         /* CARAT_MUL_SCRATCH bytes of this thread */
} carat_linear_job;

/* The form in which a matrix of this type takes its activations. */
carat_acts_form carat_linear_form(const carat_kernels *k, bool exact, carat_type type);

/* y = W x for some matrices over the same rows x [n, cols]. Other threads' rows of y may be read after it. */
void carat_linear_run(const carat_linear_job *j, const float *x, const carat_product *products, size_t n_products);

static inline size_t carat_next_of(carat_counter *c)
{
    return atomic_fetch_add_explicit(&c->next, 1, memory_order_relaxed);
}

#endif
