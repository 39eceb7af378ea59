/* fit.h - checks, before a weight is read, whether what the options ask for fits into memory.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_WEIGH_FIT_H
#define CT_WEIGH_FIT_H

#include "backend/backend.h"

typedef struct ct_fit {
    ct_desc desc;
    const ct_model *draft; /* a smaller model beside it; NULL: none */
    const ct_backend *b;
    int n_threads;
    /* Filled: */
    uint64_t need, there; /* need 0: not yet weighed */
    const char *who;      /* the limit that decides what is available */
    bool is_refused;
} ct_fit;

/* Weighs as carat_weigh does and compares with o->max_memory, or with what the backend's limits leave: of memory, plus
 * the part of the weighed overhead that the process holds already; of address space and data, minus what they need
 * besides what is weighed. prefix_cache and image_cache of *o are made smaller where only they do not fit. To be called
 * before the pool's threads are started and the vocabulary is read. Errors: CARAT_ENOMEM (needed, there, the largest
 * context that would fit), those of ct_plan_make and of the backend's bytes. */
bool ct_fit_options(ct_fit *f, carat_options *o, carat_err *err);

/* After opening `path` has failed: an error of CARAT_ENOMEM other than a refusal gets the figures, too. */
void ct_fit_explain(const ct_fit *f, const char *path, carat_err *err);

#endif
