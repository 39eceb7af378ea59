/* avx512bf16_set.c - attention over a whole set in pairs of bf16.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/x86/avx512_vector.h"
#include "kernels/x86/avx512bf16.h"

#define SET_STEP 2
#define SET_WIDE 12
#define SET_UNIT 1.44269504f /* the exponents are of two */

INLINE vec set_dot(vec acc, vec a, vec b)
{
    return _mm512_dpbf16_ps(acc, (__m512bh)a, (__m512bh)b);
}

/* 2^x to 2^-13.6 of itself: x = k + f, |f| <= 1/2, and 2^f by a polynomial of degree 3 (weighted least squares,
 * reweighted to the minimax). The resulting weight is rounded to bf16, by up to 2^-8. */
INLINE vec set_exp(vec x)
{
    const vec k = _mm512_roundscale_ps(x, 8), f = _mm512_sub_ps(x, k);
    vec p = _mm512_fmadd_ps(_mm512_set1_ps(0.0551716704f), f, _mm512_set1_ps(0.242611143f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.693260987f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.999928072f));
    return _mm512_scalef_ps(p, k);
}

/* Lane by lane p[0] in the lower half, p[1] in the upper. */
INLINE vec set_join(const vec p[SET_STEP])
{
    static const _Alignas(64) uint16_t halves[32] = { 0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                      8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31 };
    const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(p[1], p[0]);
    return _mm512_castsi512_ps(_mm512_permutexvar_epi16(_mm512_load_si512(halves), both));
}

INLINE void set_steps(float *to, const float *row, size_t n)
{
    for (size_t i = 0; i < n; i += 16) {
        const __m512 x = _mm512_maskz_loadu_ps(first_lanes(n - i), row + i);
        _mm256_store_si256((__m256i *)(void *)(to + i / 2), (__m256i)_mm512_cvtneps_pbh(x));
    }
}

#include "kernels/set_lanes.h"

void ct_avx512bf16_set(ct_kernels *k)
{
    k->set_put[CT_ACTS_BF16] = set_put;
    k->set_attend[CT_ACTS_BF16] = set_attend;
}
