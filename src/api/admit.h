/* admit.h - before a weight is read: does what was asked for fit into memory?
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_API_ADMIT_H
#define CARAT_API_ADMIT_H

#include "kernels/kernels.h"
#include "model/model.h"

typedef struct carat_admission {
    carat_options *options; /* prefix_cache and image_cache are made smaller where only they do not fit */
    const carat_kernels *kernels;
    int n_threads;
} carat_admission;

/* For carat_model_options.admit; arg is a carat_admission. Weighs as carat_weigh does and compares with max_memory, or
 * with what is left (base/memlimit.h) and the part of the weighed overhead that is held already. Errors: CARAT_ENOMEM
 * (needed, there, the largest context that would fit), those of carat_plan_make. */
bool carat_admit(void *arg, const carat_model *m, size_t weight_bytes, carat_err *err);

#endif
