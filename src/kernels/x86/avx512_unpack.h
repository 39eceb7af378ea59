/* avx512_unpack.h - one stretch (32 columns) of a packed panel as vectors: eight of u8 codes, and f32 scales.
 *
 * Every kernel of the level unpacks through here, with `type` a constant, so that the switches fold away:
 *
 *     weight of row r, column 4g + c = scale[sub][r] * (code[g].byte[4r + c] - bias) + add[sub][r]
 *
 * Codes are unsigned, as vpdpbusd takes them; bias is a constant of the type. sub is 0, except for the types whose
 * scales stand for 16 columns (is_half): there groups 0..3 use sub 0 and groups 4..7 sub 1. `add` exists only where
 * has_min. Layouts: quant/README.md, "The packed panel".
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_X86_AVX512_UNPACK_H
#define CT_KERNELS_X86_AVX512_UNPACK_H

#include <immintrin.h>
#include <string.h>

#include "kernels/x86/avx512_math.h"
#include "quant/pack_layout.h"

INLINE __m512i load512(const void *p)
{
    return _mm512_loadu_si512(p);
}

INLINE __m512i bytes512(int b)
{
    return _mm512_set1_epi8((char)b);
}

/* v shifted right by n bits (left where n is negative); the caller masks the bits that cross a byte. */
INLINE __m512i shift_bits(__m512i v, const int n)
{
    return n == 0 ? v : n > 0 ? _mm512_srli_epi16(v, (unsigned)n) : _mm512_slli_epi16(v, (unsigned)-n);
}

/* a | (b & mask) */
INLINE __m512i or_masked(__m512i a, __m512i b, __m512i mask)
{
    return _mm512_ternarylogic_epi32(a, b, mask, 0xF8);
}

INLINE __m512 f16x16(const uint8_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

/* ---- codes ---- */

INLINE void nibbles(const uint8_t *p, __m512i code[8])
{
    const __m512i low = bytes512(15);
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) {
        __m512i z = load512(p + 64 * v);
        code[v] = _mm512_and_si512(z, low);
        code[v + 4] = _mm512_and_si512(_mm512_srli_epi16(z, 4), low);
    }
}

/* From codes to a table's values, plus the bias. */
INLINE void table_codes(const ct_type type, __m512i code[8])
{
    const __m128i values = _mm_loadu_si128((const __m128i *)(const void *)ct_form_of(type)->table);
    const __m512i table = _mm512_add_epi8(_mm512_broadcast_i32x4(values), bytes512(ct_form_of(type)->bias));
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++)
        code[g] = _mm512_shuffle_epi8(table, code[g]);
}

/* Bit g of each byte of `high` becomes bit `at` of group g's codes. */
INLINE void add_high_bit(const uint8_t *high, const int at, __m512i code[8])
{
    const __m512i z = load512(high), mask = bytes512(1 << at);
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++)
        code[g] = or_masked(code[g], shift_bits(z, g - at), mask);
}

INLINE void two_bits(const uint8_t *p, __m512i code[8])
{
    const __m512i mask = bytes512(3);
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++)
        code[g] = _mm512_and_si512(shift_bits(load512(p + 64 * (g / 4)), g % 4 * 2), mask);
}

/* Two bits of each group become bits 4 and 5 (Q6_K). */
INLINE void add_two_high_bits(const uint8_t *p, __m512i code[8])
{
    const __m512i mask = bytes512(0x30);
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++)
        code[g] = or_masked(code[g], shift_bits(load512(p + 64 * (g / 4)), g % 4 * 2 - 4), mask);
}

/* Codes of stretch s of a unit laid out as f, as they are stored: of a table, the indices. */
INLINE void unpack_raw_codes(const ct_type type, const ct_unit *f, const uint8_t *unit, int s, __m512i code[8])
{
    const ct_codes kind = ct_form_of(type)->codes;
    if (kind == CT_CODES_8) {
#pragma GCC unroll 8
        for (int g = 0; g < 8; g++)
            code[g] = load512(unit + f->codes + 512 * s + 64 * g);
    } else if (kind == CT_CODES_2 || kind == CT_CODES_2_1) {
        two_bits(unit + f->bits2 + 128 * s, code);
    } else {
        nibbles(unit + f->codes + 256 * s, code);
    }
    if (kind == CT_CODES_2_1)
        add_high_bit(unit + f->high + 64 * s, 2, code);
    if (kind == CT_CODES_4_1)
        add_high_bit(unit + f->high + 64 * s, 4, code);
    if (kind == CT_CODES_4_2)
        add_two_high_bits(unit + f->bits2 + 128 * s, code);
}

INLINE void unpack_codes(const ct_type type, const ct_unit *f, const uint8_t *unit, int s, __m512i code[8])
{
    unpack_raw_codes(type, f, unit, s, code);
    if (ct_form_of(type)->table)
        table_codes(type, code);
}

/* ---- scales ---- */

/* A unit's scales made ready once for all its stretches: byte [j][r] is the integer scale j of row r. */
typedef struct unit_scales {
    _Alignas(64) uint8_t made[2][256]; /* scales and minima where they had to be put together */
    const uint8_t *scale, *min;        /* [n][16] */
    __m512 d, dmin;
} unit_scales;

INLINE __m512i nibble_low(__m512i v)
{
    return _mm512_and_si512(v, bytes512(15));
}

INLINE __m512i nibble_high(__m512i v)
{
    return _mm512_and_si512(_mm512_srli_epi16(v, 4), bytes512(15));
}

/* Q4_K, Q5_K: bytes q[12]; j < 4: scale = q[j] & 63, min = q[j+4] & 63; above: scale = q[j+4] & 15 | q[j-4] >> 6 << 4,
 * min = q[j+4] >> 4 | q[j] >> 6 << 4. Four j at a time. */
INLINE void k4_scales(const uint8_t *q, unit_scales *u)
{
    const __m512i a = load512(q), b = load512(q + 64), c = load512(q + 128), six = bytes512(63), top = bytes512(0x30);
    _mm512_store_si512(u->made[0], _mm512_and_si512(a, six));
    _mm512_store_si512(u->made[1], _mm512_and_si512(b, six));
    _mm512_store_si512(u->made[0] + 64, or_masked(nibble_low(c), _mm512_srli_epi16(a, 2), top));
    _mm512_store_si512(u->made[1] + 64, or_masked(nibble_high(c), _mm512_srli_epi16(b, 2), top));
    u->scale = u->made[0], u->min = u->made[1];
}

/* Q2_K: low nibble scale, high nibble min. */
INLINE void k2_scales(const uint8_t *q, unit_scales *u)
{
#pragma GCC unroll 4
    for (int i = 0; i < 256; i += 64) {
        __m512i z = load512(q + i);
        _mm512_store_si512(u->made[0] + i, nibble_low(z));
        _mm512_store_si512(u->made[1] + i, nibble_high(z));
    }
    u->scale = u->made[0], u->min = u->made[1];
}

/* Q3_K: bytes q[12]; scale j = (nibble j of q[0..7], low ones first) | (q[8 + j%4] >> 2(j/4) & 3) << 4, minus 32. */
INLINE void k3_scales(const uint8_t *q, unit_scales *u)
{
    const __m512i a = load512(q), b = load512(q + 64), c = load512(q + 128), top = bytes512(0x30), off = bytes512(32);
    _mm512_store_si512(u->made[0], _mm512_sub_epi8(or_masked(nibble_low(a), _mm512_slli_epi16(c, 4), top), off));
    _mm512_store_si512(u->made[0] + 64, _mm512_sub_epi8(or_masked(nibble_low(b), _mm512_slli_epi16(c, 2), top), off));
    _mm512_store_si512(u->made[0] + 128, _mm512_sub_epi8(or_masked(nibble_high(a), c, top), off));
    _mm512_store_si512(u->made[0] + 192, _mm512_sub_epi8(or_masked(nibble_high(b), _mm512_srli_epi16(c, 2), top), off));
    u->scale = u->made[0];
}

/* IQ4_XS: scale s = (nibble s%2 of scales_l[s/2]) | (scales_h >> 2s & 3) << 4, minus 32. */
INLINE void iq4_xs_scales(const uint8_t *low, const uint8_t *high, unit_scales *u)
{
    const __m256i h = _mm256_loadu_si256((const __m256i *)(const void *)high);
    for (int s = 0; s < 8; s++) {
        __m256i l = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(low + s / 2 * 16)));
        l = _mm256_and_si256(s % 2 ? _mm256_srli_epi16(l, 4) : l, _mm256_set1_epi16(15));
        __m256i top = _mm256_and_si256(_mm256_srl_epi16(h, _mm_cvtsi32_si128(2 * s)), _mm256_set1_epi16(3));
        l = _mm256_sub_epi16(_mm256_or_si256(l, _mm256_slli_epi16(top, 4)), _mm256_set1_epi16(32));
        _mm_store_si128((__m128i *)(void *)(u->made[0] + 16 * s), _mm256_cvtepi16_epi8(l));
    }
    u->scale = u->made[0];
}

/* Recoded types: scale = 2 s + 1, s the nibbles of n bytes, low ones first. */
INLINE void odd_scales(const uint8_t *q, const int n, unit_scales *u)
{
    const __m128i low = _mm_set1_epi8(0x1E), one = _mm_set1_epi8(1);
#pragma GCC unroll 8
    for (int j = 0; j < n; j++) {
        const __m128i z = _mm_loadu_si128((const __m128i *)(const void *)(q + 16 * j));
        __m128i *to = (__m128i *)(void *)(u->made[0] + 32 * j);
        _mm_store_si128(to, _mm_or_si128(_mm_and_si128(_mm_slli_epi16(z, 1), low), one));
        _mm_store_si128(to + 1, _mm_or_si128(_mm_and_si128(_mm_srli_epi16(z, 3), low), one));
    }
    u->scale = u->made[0];
}

/* tail: the unit's own d where the type keeps it in the panel's tail. Types of 32-column blocks need nothing here. */
INLINE void unpack_unit_scales(const ct_type type, const ct_unit *f, const uint8_t *unit, const uint8_t *tail,
                               unit_scales *u)
{
    const ct_form *form = ct_form_of(type);
    if (form->scales == CT_SCALES_D)
        return;
    u->d = f16x16(f->has_tail ? tail : unit + f->d);
    if (form->scales == CT_SCALES_ODD)
        u->d = _mm512_mul_ps(u->d, _mm512_set1_ps(form->unit));
    if (form->has_min)
        u->dmin = _mm512_xor_ps(f16x16(unit + f->m), _mm512_set1_ps(-0.0f)); /* added, so negative */
    switch ((ct_scales)form->scales) {
    case CT_SCALES_D: /* above */
        break;
    case CT_SCALES_6_MIN:
        k4_scales(unit + f->scales, u);
        break;
    case CT_SCALES_4_MIN:
        k2_scales(unit + f->scales, u);
        break;
    case CT_SCALES_6:
        k3_scales(unit + f->scales, u);
        break;
    case CT_SCALES_8: /* as they stand */
        u->scale = unit + f->scales;
        break;
    case CT_SCALES_4_2:
        iq4_xs_scales(unit + f->scales, unit + f->hscale, u);
        break;
    case CT_SCALES_ODD:
        odd_scales(unit + f->scales, f->n8, u);
        break;
    }
}

INLINE __m512 u8_to_f32(const uint8_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)));
}

INLINE __m512 i8_to_f32(const uint8_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)));
}

/* scale[sub] and add[sub] of stretch s (both alike unless is_half). Products of an f16 and at most 8 bits are exact. */
INLINE void unpack_scales(const ct_type type, const ct_unit *f, const uint8_t *unit, const unit_scales *u, int s,
                          __m512 scale[2], __m512 add[2])
{
    const ct_form *form = ct_form_of(type);
    const int n = form->is_half ? 2 : 1;
    const bool is_signed = ct_scales_are_signed(form);
    if (form->scales == CT_SCALES_D) {
        scale[0] = scale[1] = f16x16(unit + f->d + 32 * s);
        add[0] = add[1] = form->has_min ? f16x16(unit + f->m + 32 * s) : _mm512_setzero_ps();
        return;
    }
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        const int at = 16 * (n * s + (n == 2 ? i : 0));
        scale[i] = _mm512_mul_ps(u->d, is_signed ? i8_to_f32(u->scale + at) : u8_to_f32(u->scale + at));
        add[i] = form->has_min ? _mm512_mul_ps(u->dmin, u8_to_f32(u->min + at)) : _mm512_setzero_ps();
    }
}

#endif
