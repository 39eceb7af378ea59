/* cpu.h - the backend that computes on this machine's processor (backend/backend.h).
 *
 *   weights.c packing.c tower.c   a checkpoint's weights, packed by sixteen rows
 *   pages.c                       keys and values
 *   text.c layer.c attend.c ...   a step of the decoder
 *   vision.c encode.c             an image through the tower
 *   cpu.c                         all of them behind the table
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CPU_CPU_H
#define CT_CPU_CPU_H

#include "backend/backend.h"
#include "base/pool.h"

typedef struct ct_cpu_options {
    const char *level; /* "generic", "avx2", ...; NULL: the best this machine has */
    bool exact;        /* f32 activations for every matrix, as the reference: slow, for comparing */
    int n_threads;     /* without a pool: for how many bytes are counted; 0: as ct_pool_open */
    /* Compute with the weights of this CPU backend, loaded and open for as long, instead of loading them: several ways
     * of running one model. NULL: its own. */
    const ct_backend *weights_of;
} ct_cpu_options;

/* pool may be NULL for one that only computes bytes; it is borrowed, and its threads need not have been started before
 * load. Errors: CARAT_EARG (an unknown level, or one that this machine lacks), CARAT_ENOMEM. */
bool ct_cpu_open(const ct_cpu_options *o, ct_pool *pool, ct_backend *out, carat_err *err);

/* The name of the best level this machine has. */
const char *ct_cpu_best(void);

#endif
