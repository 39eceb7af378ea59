/* amx_grid_tokens.h - a few tokens' activations of the grid as int16 for the multiplying kernels.
 *
 * A stretch of T tokens is one record; the records of a row stand one after another:
 *
 *     i16 [16 pairs][T][2]  numbers      f32 [T]  their power of two      i32 [2 halves][T]  their sums
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_X86_AMX_GRID_TOKENS_H
#define CT_KERNELS_X86_AMX_GRID_TOKENS_H

#include <math.h>

#include "kernels/x86/avx512_unpack.h"

typedef struct grid_record {
    size_t power, sums, bytes; /* offsets of fields; to the next record */
} grid_record;

INLINE grid_record grid_record_of(const size_t T)
{
    return (grid_record){ 64 * T, 68 * T, 76 * T };
}

/* Sixteen bf16 as floats. */
INLINE __m512 grid_floats(const uint8_t *x)
{
    const __m256i h = _mm256_loadu_si256((const __m256i *)(const void *)x);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}

/* One group of token `lane` of T; a group that is NaN has zeros and a power of NaN. */
INLINE void put_grid_group(const uint8_t *x, const size_t T, size_t lane, uint8_t *to)
{
    const grid_record r = grid_record_of(T);
    const __m512 a = grid_floats(x), b = grid_floats(x + 32);
    const float top = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(a), _mm512_abs_ps(b)));
    const bool is_nan = _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q) != 0;
    uint32_t bits;
    memcpy(&bits, &top, 4);
    const uint32_t power_bits = is_nan || bits == 0 ? 127u << 23 : (bits & 0x7F800000u) - (10u << 23);
    const uint32_t inverse_bits = (254u << 23) - power_bits;
    float power, inverse;
    memcpy(&power, &power_bits, 4);
    memcpy(&inverse, &inverse_bits, 4);
    const __m512 times = _mm512_set1_ps(is_nan ? 0 : inverse);
    const __m512i ja = _mm512_cvtps_epi32(_mm512_maskz_mul_ps(is_nan ? 0 : 0xFFFF, a, times));
    const __m512i jb = _mm512_cvtps_epi32(_mm512_maskz_mul_ps(is_nan ? 0 : 0xFFFF, b, times));
    uint32_t pairs[16];
    _mm256_storeu_si256((__m256i *)(void *)pairs, _mm512_cvtepi32_epi16(ja));
    _mm256_storeu_si256((__m256i *)(void *)(pairs + 8), _mm512_cvtepi32_epi16(jb));
    for (size_t p = 0; p < 16; p++)
        memcpy(to + 4 * (T * p + lane), &pairs[p], 4);
    const int32_t sums[2] = { _mm512_reduce_add_epi32(ja), _mm512_reduce_add_epi32(jb) };
    if (is_nan)
        power = NAN;
    memcpy(to + r.power + 4 * lane, &power, 4);
    memcpy(to + r.sums + 4 * lane, &sums[0], 4);
    memcpy(to + r.sums + 4 * (T + lane), &sums[1], 4);
}

#endif
