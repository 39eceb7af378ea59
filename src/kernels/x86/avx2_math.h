/* avx2_math.h - exp, eight floats at a time, sums across lanes, and reads and writes of ragged ends.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_X86_AVX2_MATH_H
#define CT_KERNELS_X86_AVX2_MATH_H

#include <string.h>

#include "kernels/x86/avx2.h"

#define NEAREST (_MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC) /* a tie goes to the even one */

/* Lanes of a last vector of n values: all ones in the first n, n of 0 or more. */
INLINE __m256i first_lanes(size_t n)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n < 8 ? (int)n : 8), lane);
}

/* Up to eight of the n floats that follow p; the rest are 0. Memory past the n is not touched. */
INLINE __m256 load_part(const float *p, size_t n)
{
    if (n >= 8)
        return _mm256_loadu_ps(p);
    float part[8] = { 0 }; /* a masked load would do, but emulators read its whole vector */
    memcpy(part, p, n * sizeof *part);
    return _mm256_loadu_ps(part);
}

INLINE void store_part(float *p, size_t n, __m256 v)
{
    if (n >= 8) {
        _mm256_storeu_ps(p, v);
        return;
    }
    float part[8];
    _mm256_storeu_ps(part, v);
    memcpy(p, part, n * sizeof *part);
}

INLINE float sum_of_lanes(__m256 v)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
}

INLINE float max_of_lanes(__m256 v)
{
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_shuffle_ps(s, s, 1)));
}

/* e^x to about one unit in the last place: x = k ln 2 + r, |r| <= ln 2 / 2, and e^r = 1 + r + r^2 P(r), P of degree 4
 * fitted so that the relative error of the sum is below 2^-28 everywhere. What is left is the rounding of the last
 * sums. The power of two is added to the exponent, so x is first brought into -87 .. 88, where the result is a normal
 * number: below and above it stays at e^-87 = 1.6e-38 and e^88 = 1.7e38. NaN stays NaN. */
INLINE __m256 exp256(__m256 x)
{
    x = _mm256_max_ps(_mm256_set1_ps(-87.0f), x); /* these return the second operand if there is a NaN */
    x = _mm256_min_ps(_mm256_set1_ps(88.0f), x);
    const __m256 k =
        _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504f)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m256 r = _mm256_fnmadd_ps(k, _mm256_set1_ps(0x1.63p-1f), x); /* ln 2 in two parts, the first exact times k */
    r = _mm256_fnmadd_ps(k, _mm256_set1_ps(-2.12194440e-4f), r);
    __m256 p = _mm256_set1_ps(0.00138145394f);
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.00836874545f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.041668389f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.166665211f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.49999994f));
    p = _mm256_fmadd_ps(p, _mm256_mul_ps(r, r), r);
    p = _mm256_add_ps(p, _mm256_set1_ps(1.0f));
    const __m256i shift = _mm256_slli_epi32(_mm256_cvtps_epi32(k), 23); /* of a NaN: zero */
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), shift));
}

/* e^x for x <= 0, the softmax's: 0 below -87, and for minus infinity. */
INLINE __m256 exp_or_zero(__m256 x)
{
    const __m256 live = _mm256_cmp_ps(x, _mm256_set1_ps(-87.0f), _CMP_NLT_UQ); /* true for NaN */
    return _mm256_and_ps(exp256(x), live);
}

#endif
