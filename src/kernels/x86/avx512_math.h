/* avx512_math.h - exp, sixteen floats at a time, and reads of ragged ends.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_X86_AVX512_MATH_H
#define CT_KERNELS_X86_AVX512_MATH_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define INLINE static inline __attribute__((always_inline))

/* e^x to about one unit in the last place: x = k ln 2 + r, |r| <= ln 2 / 2, and e^r = 1 + r + r^2 P(r), P of degree 4
 * fitted so that the relative error of the sum is below 2^-28 everywhere (weighted least squares, reweighted to the
 * minimax). What is left is the rounding of the last sums. Underflows to 0 through subnormals, overflows to infinity;
 * NaN stays; minus infinity gives NaN (exp_or_zero does not). */
INLINE __m512 exp512(__m512 x)
{
    const __m512 k = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), 8);
    __m512 r = _mm512_fnmadd_ps(k, _mm512_set1_ps(0x1.63p-1f), x); /* ln 2 in two parts, the first exact times k */
    r = _mm512_fnmadd_ps(k, _mm512_set1_ps(-2.12194440e-4f), r);
    __m512 p = _mm512_set1_ps(0.00138145394f);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.00836874545f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.041668389f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.166665211f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.49999994f));
    p = _mm512_fmadd_ps(p, _mm512_mul_ps(r, r), r);
    return _mm512_scalef_ps(_mm512_add_ps(p, _mm512_set1_ps(1.0f)), k);
}

/* e^x for x <= 0, for softmax: 0 below -87 (e^-87 is just above the smallest normal float) and for minus infinity. */
INLINE __m512 exp_or_zero(__m512 x)
{
    const __mmask16 live = _mm512_cmp_ps_mask(x, _mm512_set1_ps(-87.0f), _CMP_NLT_UQ); /* true for NaN */
    return _mm512_maskz_mov_ps(live, exp512(x));
}

/* Lanes of a last vector of n values, n of 1..16. */
INLINE __mmask16 first_lanes(size_t n)
{
    return (__mmask16)(n >= 16 ? 0xFFFF : (1u << n) - 1);
}

#endif
