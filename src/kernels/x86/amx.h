/* amx.h - what the files of the AMX level install into the table (amx.c calls them).
 *
 * They are compiled twice: for the processor's tiles, level amx, and with CT_TILES_PLAIN for those of tile_math.h, level
 * amx_plain, which gives the same bits wherever there is AVX-512.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_X86_AMX_H
#define CT_KERNELS_X86_AMX_H

#include "kernels/kernels.h"

#ifdef CT_TILES_PLAIN
#define AMX_NAME(name) ct_amx_plain_##name
#else
#define AMX_NAME(name) ct_amx_##name
#endif

extern const ct_peak ct_amx_peak;

void AMX_NAME(mul_bf16)(ct_kernels *k); /* weights in bf16 and f16, bf16 activations */
void AMX_NAME(mul_grid)(ct_kernels *k); /* quantised weights, activations of the grid */
void AMX_NAME(attend)(ct_kernels *k);   /* attention of many rows over a q8_0 cache */
void AMX_NAME(set)(ct_kernels *k);      /* attention over a whole set, in bf16 */

#endif
