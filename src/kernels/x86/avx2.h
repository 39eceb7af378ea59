/* avx2.h - what the files of the AVX2 level install into the table (avx2.c calls them), and what they share.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_X86_AVX2_H
#define CT_KERNELS_X86_AVX2_H

#include <immintrin.h>
#include <string.h>

#include "kernels/kernels.h"

/* Kernels are written once with the type and the tile as arguments that are constants wherever they are called. */
#define INLINE static inline __attribute__((always_inline))

/* Compilers reassociate vector sums, so that each sum is finished before the next begins and the weights that all sums
 * share are spilled. A sum that has passed through here stays where the source has it. */
#define IN_ORDER(v) __asm__ volatile("" : "+x"(v))

extern const ct_peak ct_avx2_fma_peak, ct_avx2_maddubs_peak;

void ct_avx2_mul_q8(ct_kernels *k);  /* quantised weights, int8 activations */
void ct_avx2_mul_f32(ct_kernels *k); /* any weights, f32 activations */
void ct_avx2_acts(ct_kernels *k);
void ct_avx2_vec(ct_kernels *k); /* norms, rope, geglu, logsumexp */
void ct_avx2_attend(ct_kernels *k);
void ct_avx2_set(ct_kernels *k); /* attention over a whole set */

INLINE __m128i load128(const void *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}

INLINE __m256i load256(const void *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

INLINE void store256(void *p, __m256i v)
{
    _mm256_storeu_si256((__m256i *)p, v);
}

INLINE __m256i broadcast_i32(const void *p)
{
    int32_t v;
    memcpy(&v, p, 4);
    return _mm256_set1_epi32(v);
}

INLINE __m256 broadcast_f32(const void *p)
{
    float v;
    memcpy(&v, p, 4);
    return _mm256_set1_ps(v);
}

INLINE __m256 f16x8(const void *p)
{
    return _mm256_cvtph_ps(load128(p));
}

#endif
