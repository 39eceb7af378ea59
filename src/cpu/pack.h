/* pack.h - a model's weights as a pack has them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CPU_PACK_H
#define CT_CPU_PACK_H

#include "cpu/tower.h"
#include "format/pack_file.h"

/* Weights in memory, to be written. Zero-initialised. */
typedef struct ct_packed {
    ct_weights text;
    ct_tower_weights tower;
} ct_packed;

/* Loads the weights of d, whose tower may be NULL, and fills in the blocks and layouts of n, which borrows them. The memory is
 * compared with what there is first. Errors: those of ct_weights_load. Close it in any case. */
bool ct_packed_load(ct_packed *p, const ct_desc *d, const ct_files *f, ct_pool *pool, const ct_load_progress *how,
                    ct_pack_new *n, carat_err *err);
void ct_packed_close(ct_packed *p);

#endif
