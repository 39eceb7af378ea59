/* amx_bf16.h - sixteen or 32 floats rounded to bf16, as AVX512_BF16's instructions do it: to nearest even, subnormals to
 * zero, NaN kept. In plain AVX-512 where the level must do without them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_X86_AMX_BF16_H
#define CT_KERNELS_X86_AMX_BF16_H

#include "kernels/x86/avx512_math.h"

#ifdef CT_TILES_PLAIN

/* In the upper halves; the lower ones are 0. */
INLINE __m512i upper_bf16(__m512 x)
{
    const __m512i u = _mm512_castps_si512(x), one = _mm512_set1_epi32(1), high = _mm512_set1_epi32((int)0xFFFF0000u);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), one);
    __m512i v = _mm512_add_epi32(_mm512_add_epi32(u, _mm512_set1_epi32(0x7FFF)), odd);
    const __mmask16 tiny = _mm512_testn_epi32_mask(u, _mm512_set1_epi32(0x7F800000));
    v = _mm512_mask_and_epi32(v, tiny, u, _mm512_set1_epi32((int)0x80000000u));
    v = _mm512_mask_or_epi32(v, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), u, _mm512_set1_epi32(0x400000));
    return _mm512_and_si512(v, high);
}

/* 32 values in order: those of `low`, then those of `high`. */
INLINE __m512i both_bf16(__m512 low, __m512 high)
{
    const __m256i l = _mm512_cvtepi32_epi16(_mm512_srli_epi32(upper_bf16(low), 16));
    const __m256i h = _mm512_cvtepi32_epi16(_mm512_srli_epi32(upper_bf16(high), 16));
    return _mm512_inserti64x4(_mm512_castsi256_si512(l), h, 1);
}

/* Pairs: even[0], odd[0], even[1] ... */
INLINE __m512i pairs_bf16(__m512 even, __m512 odd)
{
    return _mm512_or_si512(_mm512_srli_epi32(upper_bf16(even), 16), upper_bf16(odd));
}

#else

INLINE __m512i both_bf16(__m512 low, __m512 high)
{
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

INLINE __m512i pairs_bf16(__m512 even, __m512 odd)
{
    static const _Alignas(64) uint16_t places[32] = { 0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                      8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31 };
    return _mm512_permutexvar_epi16(_mm512_load_si512(places), both_bf16(even, odd));
}

#endif

#endif
