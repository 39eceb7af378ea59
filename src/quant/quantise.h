/* quantise.h - inside quant/: the functions that make blocks, a table for each level that they are built for.
 *
 * Each rounds the n blocks of a stretch of weights (fit.h; at most CT_STRETCH of them) into b. What a block becomes does not
 * depend on those beside it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_QUANT_QUANTISE_H
#define CT_QUANT_QUANTISE_H

#include "quant/level.h"
#include "quant/types.h"

struct ct_stretch;
typedef void ct_quantise_fn(const struct ct_stretch *s, int n, uint8_t *b);

/* By type; NULL where nothing here makes it, and for the plain types. level.h makes the names. */
extern ct_quantise_fn *const ct_quantise_blocks_generic[CT_N_TYPE], *const ct_quantise_blocks_avx2[CT_N_TYPE],
                                                                        *const ct_quantise_blocks_avx512[CT_N_TYPE];
/* Those that this machine can run, best first; NULL ends. */
void ct_quantise_levels(ct_quantise_fn *const *levels[4]);

#define CT_QUANTISE_0(t)
#define CT_QUANTISE_1(t)
#define CT_QUANTISE_2(t)                                 ct_quantise_fn CT_AT_LEVEL(ct_quantise_##t);
#define CT_QUANTISE_OF(T, t, number, block, bytes, fits) CT_QUANTISE_##fits(t)
CT_BLOCK_TYPES(CT_QUANTISE_OF)
#undef CT_QUANTISE_OF

#endif
