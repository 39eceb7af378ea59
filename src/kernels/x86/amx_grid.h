/* amx_grid.h - one stretch (32 columns) of a packed panel on the grid (kernels.h): sixteen vectors of int16 in pairs of
 * columns, and a power of two for each row.
 *
 *     number of row r, column 4g + c = i[2g + c % 2].word[2r + c / 2]        so that pairs come of words by masks alone
 *
 * As a tile's B: the same pairs in bf16, [pair][row][2]. Activations stand in that order too.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_X86_AMX_GRID_H
#define CT_KERNELS_X86_AMX_GRID_H

#include "kernels/x86/avx512_unpack.h"

#define GRID_PAIRS 16

/* S and A of the two halves, twice in each lane (of a NaN row 0); the step. */
typedef struct grid_scale {
    __m512i s[2], a[2];
    __m512 step;
} grid_scale;

/* Are nibbles used where they stand? */
INLINE bool grid_in_place(const ct_form *form)
{
    return form->codes == CT_CODES_4 && !form->table;
}

/* The lower word of each lane in both. */
INLINE __m512i both_words(__m512i v)
{
    return _mm512_shuffle_epi8(
        v, _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 0, 1, 4, 5, 4, 5, 8, 9, 8, 9, 12, 13, 12, 13)));
}

/* A float's exponent field, in each lane. */
INLINE __m512i exponents(const int e)
{
    return _mm512_set1_epi32((int)((unsigned)e << 23));
}

/* Without its sign where there is no min. */
INLINE __m512 grid_reach(const ct_form *form, __m512 scale, __m512 add)
{
    const __m512 largest = _mm512_set1_ps(form->largest);
    if (!form->has_min)
        return _mm512_mul_ps(scale, largest);
    return _mm512_max_ps(_mm512_abs_ps(add), _mm512_abs_ps(_mm512_fmadd_ps(scale, largest, add)));
}

INLINE void grid_ready(const ct_type type, const __m512 scale[2], const __m512 add[2], grid_scale *g)
{
    const ct_form *form = ct_form_of(type);
    const int n = form->is_half ? 2 : 1, more = 15 - ct_grid_shift(form);
    __m512 reach = grid_reach(form, scale[0], add[0]), any = reach;
    if (n == 2) {
        const __m512 other = grid_reach(form, scale[1], add[1]);
        any = _mm512_add_ps(reach, other);
        reach = _mm512_max_ps(_mm512_abs_ps(reach), _mm512_abs_ps(other));
    }
    if (form->has_min) /* a maximum may lose a NaN */
        any = _mm512_add_ps(_mm512_add_ps(any, _mm512_mul_ps(add[0], _mm512_set1_ps(0))),
                            _mm512_mul_ps(n == 2 ? add[1] : add[0], _mm512_set1_ps(0)));
    const __m512i exponent = _mm512_set1_epi32(0x7F800000);
    __m512i power = _mm512_and_si512(_mm512_castps_si512(_mm512_mul_ps(reach, _mm512_set1_ps(65.0f / 64))), exponent);
    power = _mm512_max_epi32(power, exponents(127 - 40));
    const __mmask16 bad = _mm512_fpclass_ps_mask(any, 0x99); /* NaN or infinite */
    g->step = _mm512_castsi512_ps(_mm512_sub_epi32(power, exponents(7)));
    g->step = _mm512_mask_mov_ps(g->step, bad, _mm512_set1_ps(__builtin_nanf("")));
    /* 1 / step, and 2^(15-shift) / step: the exponents' sum is that of two ones. */
    const __m512 inverse = _mm512_castsi512_ps(_mm512_sub_epi32(exponents(254 + 7), power));
    const __m512 to_s = _mm512_castsi512_ps(_mm512_sub_epi32(exponents(254 + 7 + more), power));
#pragma GCC unroll 2
    for (int i = 0; i < n; i++) {
        g->s[i] = both_words(_mm512_maskz_cvtps_epi32(_knot_mask16(bad), _mm512_mul_ps(scale[i], to_s)));
        if (form->has_min)
            g->a[i] = _mm512_maskz_cvtps_epi32(_knot_mask16(bad), _mm512_mul_ps(add[i], inverse));
    }
}

/* Nibble n of every word of z, times S. */
INLINE __m512i grid_nibble(const ct_form *form, __m512i z, const int n, __m512i s)
{
    const int left = ct_grid_shift(form) - 4 * n;
    const __m512i moved = left > 0   ? _mm512_slli_epi16(z, (unsigned)left)
                          : left < 0 ? _mm512_srli_epi16(z, (unsigned)-left)
                                     : z;
    if (form->bias) /* moved & 0xF000 ^ 0x8000: less 8 */
        return _mm512_mulhrs_epi16(
            _mm512_ternarylogic_epi32(moved, _mm512_set1_epi16((short)0xF000), _mm512_set1_epi16((short)0x8000), 0x6A),
            s);
    return _mm512_mulhrs_epi16(_mm512_and_si512(moved, _mm512_set1_epi16(0x7800)), s);
}

/* Codes of stretch s as signed bytes, bias taken off, or a table's values. */
INLINE void grid_bytes(const ct_type type, const ct_unit *f, const uint8_t *unit, int s, __m512i code[8])
{
    const ct_form *form = ct_form_of(type);
    unpack_raw_codes(type, f, unit, s, code);
    if (form->table) {
        const __m512i table = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)form->table));
#pragma GCC unroll 8
        for (int g = 0; g < 8; g++)
            code[g] = _mm512_shuffle_epi8(table, code[g]);
    } else if (form->bias) {
#pragma GCC unroll 8
        for (int g = 0; g < 8; g++)
            code[g] = _mm512_sub_epi8(code[g], bytes512(form->bias));
    }
}

/* code * S of stretch s: the numbers without A. */
INLINE void grid_numbers(const ct_type type, const ct_unit *f, const uint8_t *unit, int s, const grid_scale *scale,
                         __m512i i[GRID_PAIRS])
{
    const ct_form *form = ct_form_of(type);
    if (grid_in_place(form)) {
#pragma GCC unroll 4
        for (int v = 0; v < 4; v++) {
            const __m512i z = load512(unit + f->codes + 256 * s + 64 * v);
#pragma GCC unroll 4
            for (int n = 0; n < 4; n++)
                i[2 * v + n % 2 * 8 + n / 2] = grid_nibble(form, z, n, scale->s[0]);
        }
        return;
    }
    __m512i code[8];
    grid_bytes(type, f, unit, s, code);
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++) {
        const __m512i by = scale->s[form->is_half ? g / 4 : 0];
        i[2 * g] = _mm512_mulhrs_epi16(_mm512_slli_epi16(code[g], 8), by);
        i[2 * g + 1] = _mm512_mulhrs_epi16(_mm512_and_si512(code[g], _mm512_set1_epi16((short)0xFF00)), by);
    }
}

/* Numbers as bf16 with their step: tile_numbers makes ready what one stretch needs, tile_pair rounds nothing, as numbers
 * take at most eight bits. With AVX512_FP16 a number becomes a half float, whose bits, three places to the right, are
 * those of a bf16 2^-112 as large; the step is added to the exponent, but not of zeros. A row whose step is NaN has
 * numbers of 0, and must become NaN. */
typedef struct tile_numbers {
#ifdef __AVX512FP16__
    __m512i exponent, zero; /* to add; what a number differs from unless its bits stay 0 */
#else
    __m512 step;
#endif
} tile_numbers;

#ifdef __AVX512FP16__

INLINE tile_numbers tile_numbers_of(const grid_scale *scale)
{
    const __m512i bits = _mm512_srli_epi32(_mm512_castps_si512(scale->step), 16);
    const __mmask16 bad = _mm512_fpclass_ps_mask(scale->step, 0x81); /* NaN */
    const __m512i power = _mm512_sub_epi32(bits, _mm512_set1_epi32((127 - 112) << 7));
    return (tile_numbers){ both_words(_mm512_mask_mov_epi32(power, bad, _mm512_set1_epi32(0x7FC0))),
                           _mm512_maskz_set1_epi32(bad, 0x00010001) };
}

INLINE __m512i tile_pair(const tile_numbers *k, __m512i n)
{
    const __m512i half = _mm512_castph_si512(_mm512_cvtepi16_ph(n));
    const __m512i bits = _mm512_and_si512(_mm512_srai_epi16(half, 3), _mm512_set1_epi16((short)0x8FFF));
    return _mm512_maskz_add_epi16(_mm512_cmpneq_epi16_mask(n, k->zero), bits, k->exponent);
}

#else

INLINE tile_numbers tile_numbers_of(const grid_scale *scale)
{
    return (tile_numbers){ _mm512_mul_ps(scale->step, _mm512_set1_ps(0x1p-16f)) };
}

INLINE __m512i tile_pair(const tile_numbers *k, __m512i n)
{
    const __m512i high = _mm512_set1_epi32((int)0xFFFF0000u);
    const __m512i down = _mm512_broadcast_i32x4(_mm_setr_epi8(2, 3, 2, 3, 6, 7, 6, 7, 10, 11, 10, 11, 14, 15, 14, 15));
    const __m512 even = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_slli_epi32(n, 16)), k->step);
    const __m512 odd = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_and_si512(n, high)), k->step);
    return _mm512_mask_blend_epi16(0xAAAAAAAA, _mm512_shuffle_epi8(_mm512_castps_si512(even), down),
                                   _mm512_castps_si512(odd));
}

#endif

/* A stretch as a tile's B. */
INLINE void grid_to_tile(const ct_form *form, const grid_scale *scale, const __m512i i[GRID_PAIRS], uint8_t *to)
{
    const tile_numbers k = tile_numbers_of(scale);
    __m512i a[2] = { _mm512_setzero_si512(), _mm512_setzero_si512() };
    if (form->has_min) {
        a[0] = both_words(scale->a[0]);
        a[1] = form->is_half ? both_words(scale->a[1]) : a[0];
    }
#pragma GCC unroll 16
    for (int p = 0; p < GRID_PAIRS; p++)
        _mm512_storeu_si512(to + 64 * p, tile_pair(&k, form->has_min ? _mm512_add_epi16(i[p], a[p / 8]) : i[p]));
}

#endif
