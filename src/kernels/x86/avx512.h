/* avx512.h - what the files of the AVX-512 level install into the table (avx512.c calls them).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_X86_AVX512_H
#define CT_KERNELS_X86_AVX512_H

#include "kernels/kernels.h"

extern const ct_peak ct_avx512_fma_peak, ct_avx512_dpbusd_peak;

void ct_avx512_mul_q8(ct_kernels *k);                                   /* quantised weights, int8 activations */
void ct_avx512_mul_f32(ct_kernels *k);                                  /* any weights, f32 activations */
void ct_avx512_acts(ct_kernels *k);                                     /* activations into their forms */
void ct_avx512_acts_grid_tiled(const float *x, size_t cols, void *dst); /* for a level above */
void ct_avx512_acts_bf16_tiled(const float *x, size_t cols, void *dst); /* likewise */
void ct_avx512_vec(ct_kernels *k);                                      /* norms, rope, geglu, logsumexp */
void ct_avx512_attend(ct_kernels *k);                                   /* attention */
void ct_avx512_kv_put(ct_kernels *k);                                   /* writing of keys and values */
void ct_avx512_set(ct_kernels *k);                                      /* attention over a whole set, in f32 */

#endif
