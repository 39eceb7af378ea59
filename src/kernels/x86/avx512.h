/* avx512.h - what the files of the AVX-512 level install into the table (avx512.c calls them).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_KERNELS_X86_AVX512_H
#define CARAT_KERNELS_X86_AVX512_H

#include "kernels/kernels.h"

void carat_avx512_mul_q8(carat_kernels *k);  /* quantised weights, int8 activations */
void carat_avx512_mul_f32(carat_kernels *k); /* any weights, f32 activations */
void carat_avx512_acts(carat_kernels *k);    /* activations into their forms */
void carat_avx512_vec(carat_kernels *k);     /* norms, rope, geglu, logsumexp */
void carat_avx512_attend(carat_kernels *k);  /* attention, writing of keys and values */
void carat_avx512_set(carat_kernels *k);     /* attention over a whole set, in f32 */

#endif
