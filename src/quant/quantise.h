/* quantise.h - inside quant/: the functions that make blocks, a table for each level that they are built for.
 *
 * Each rounds one block: x is finite and at most 2^30 in size, w [as x] is from 2^-20 to 1 (fit.h), b is the block.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_QUANT_QUANTISE_H
#define CT_QUANT_QUANTISE_H

#include "quant/level.h"
#include "quant/types.h"

typedef void ct_quantise_block(const float *x, const float *w, uint8_t *b);

/* By type; NULL where nothing here makes it, and for the plain types. level.h makes the names. */
extern ct_quantise_block *const ct_quantise_blocks_generic[CT_N_TYPE], *const ct_quantise_blocks_avx2[CT_N_TYPE];
/* That of this machine. */
ct_quantise_block *const *ct_quantise_best(void);

#define CT_QUANTISE_0(t)
#define CT_QUANTISE_1(t)
#define CT_QUANTISE_2(t)                                 ct_quantise_block CT_AT_LEVEL(ct_quantise_##t);
#define CT_QUANTISE_OF(T, t, number, block, bytes, fits) CT_QUANTISE_##fits(t)
CT_BLOCK_TYPES(CT_QUANTISE_OF)
#undef CT_QUANTISE_OF

#endif
