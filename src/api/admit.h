/* admit.h - before a weight is read: does what was asked for fit into memory?
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_API_ADMIT_H
#define CT_API_ADMIT_H

#include "kernels/kernels.h"
#include "model/model.h"

typedef struct ct_admission {
    carat_options *options; /* prefix_cache and image_cache are made smaller where only they do not fit */
    const ct_kernels *kernels;
    int n_threads;
    /* Filled: */
    uint64_t need, there; /* need 0: not yet weighed */
    const char *who;      /* says what is there */
    bool is_refused;
} ct_admission;

/* Weighs as carat_weigh does and compares with max_memory, or with what is left (base/memlimit.h): of memory, besides
 * the part of the weighed overhead that is held already; of address space and data, less what they hold beside what is
 * weighed. To be called before the pool's threads are started and the vocabulary is read. Errors: CARAT_ENOMEM (needed,
 * there, the largest context that would fit), those of ct_plan_make. */
bool ct_admit(ct_admission *a, const ct_model *m, size_t weight_bytes, carat_err *err);

/* After opening `path` has failed: an error of CARAT_ENOMEM that is no refusal gets the figures, too. */
void ct_admit_explain(const ct_admission *a, const char *path, carat_err *err);

#endif
