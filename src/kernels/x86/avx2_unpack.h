/* avx2_unpack.h - one stretch (32 columns) of half a packed panel (8 rows) as vectors: codes and scales.
 *
 * Every kernel of the level unpacks through here, with `type` a constant, so that the switches fold away. Vectors hold
 * eight rows, "half" 0 or 1 of the panel's sixteen:
 *
 *     weight of row r, column 4g + c = scale[r] * mult[g / 4][r] * (code[g].byte[4r + c] - bias) + add[..][r]
 *
 * Codes are unsigned, the first operand of vpmaddubsw, and below 128, so that a pair's sum (2*127*127) fits an int16; a
 * table's value comes as code = value + bias. The 8-bit types and the table of IQ4 ("wide") come signed instead. mult
 * exists only where scales stand for 16 columns ("half" types): small integers, twice in each 32-bit lane, as vpmaddwd
 * takes them. add: one vector for 32 columns, two in Q2_K (16 columns each). Layouts: quant/README.md, "The packed
 * panel".
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_X86_AVX2_UNPACK_H
#define CT_KERNELS_X86_AVX2_UNPACK_H

#include "kernels/x86/avx2.h"
#include "quant/pack_layout.h"

/* What the kernels know of a type. */
typedef struct q8_kind {
    int bias;     /* to be taken off the codes */
    bool is_wide; /* signed 8-bit codes, no bias */
    int sums;     /* int16 sums of a stretch: 1 if 32 columns cannot overflow one, else 2 or 4 */
    bool is_half; /* the two halves have scales of their own */
    int adds;     /* minima of a stretch: 0, 1 or 2 */
} q8_kind;

/* An int16 lane sums every other pair of columns: 16 products in a stretch of 32. It may wrap on the way; its end value
 * must fit: with values up to 16 a whole stretch does (16*16*127 = 32512), up to 32 half of one (8*32*127), up to 64 a
 * quarter (4*43*127 = 21844 in IQ2). */
INLINE q8_kind kind_of(const ct_type type)
{
    const ct_form *form = ct_form_of(type);
    if (form->largest > 64)
        return (q8_kind){ .is_wide = true, .sums = 1 };
    return (q8_kind){ .bias = form->bias,
                      .sums = form->largest > 32                    ? 4
                              : form->largest > 16 || form->is_half ? 2
                                                                    : 1,
                      .is_half = form->is_half,
                      .adds = !form->has_min  ? 0
                              : form->is_half ? 2
                                              : 1 };
}

INLINE __m256i bytes256(int b)
{
    return _mm256_set1_epi8((char)b);
}

/* v shifted right by n bits (left where n is negative); the caller masks the bits that cross a byte. */
INLINE __m256i shift_bits(__m256i v, const int n)
{
    return n == 0 ? v : n > 0 ? _mm256_srli_epi16(v, n) : _mm256_slli_epi16(v, -n);
}

/* a | (b & mask) */
INLINE __m256i or_masked(__m256i a, __m256i b, __m256i mask)
{
    return _mm256_or_si256(a, _mm256_and_si256(b, mask));
}

/* ---- codes ---- */

INLINE void nibbles(const uint8_t *p, __m256i code[8])
{
    const __m256i low = bytes256(15);
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) {
        __m256i z = load256(p + 64 * v);
        code[v] = _mm256_and_si256(z, low);
        code[v + 4] = _mm256_and_si256(_mm256_srli_epi16(z, 4), low);
    }
}

/* Bit g of each byte of `high` becomes bit `at` of group g's codes. */
INLINE void add_high_bit(const uint8_t *high, const int at, __m256i code[8])
{
    const __m256i z = load256(high), mask = bytes256(1 << at);
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++)
        code[g] = or_masked(code[g], shift_bits(z, g - at), mask);
}

INLINE void two_bits(const uint8_t *p, __m256i code[8])
{
    const __m256i mask = bytes256(3);
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++)
        code[g] = _mm256_and_si256(shift_bits(load256(p + 64 * (g / 4)), g % 4 * 2), mask);
}

/* Two bits of each group become bits 4 and 5 (Q6_K). */
INLINE void add_two_high_bits(const uint8_t *p, __m256i code[8])
{
    const __m256i mask = bytes256(0x30);
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++)
        code[g] = or_masked(code[g], shift_bits(load256(p + 64 * (g / 4)), g % 4 * 2 - 4), mask);
}

/* From codes to a table's values, plus the bias. */
INLINE void table_codes(const ct_type type, __m256i code[8])
{
    const __m256i values = _mm256_broadcastsi128_si256(load128((const uint8_t *)ct_form_of(type)->table));
    const __m256i table = _mm256_add_epi8(values, bytes256(kind_of(type).bias));
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++)
        code[g] = _mm256_shuffle_epi8(table, code[g]);
}

/* Codes of stretch s of a unit laid out as f; unit points at the half's first byte in every vector of 64. */
INLINE void unpack_codes(const ct_type type, const ct_unit *f, const uint8_t *unit, int s, int half, __m256i code[8])
{
    const ct_form *form = ct_form_of(type);
    const ct_codes kind = form->codes;
    unit += 32 * half;
    if (kind == CT_CODES_8) {
#pragma GCC unroll 8
        for (int g = 0; g < 8; g++)
            code[g] = _mm256_xor_si256(load256(unit + f->codes + 512 * s + 64 * g), bytes256(128));
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
    if (form->table)
        table_codes(type, code);
}

/* ---- scales ---- */

/* A unit's scales made ready once for all its stretches: byte [j][r] is the integer scale j of row r. */
typedef struct unit_scales {
    _Alignas(32) uint8_t made[2][256]; /* scales and minima where they had to be put together */
    const uint8_t *scale, *min;        /* [n][16] */
    __m256 d[2], dmin[2];              /* of the halves */
} unit_scales;

INLINE __m256i nibble_low(__m256i v)
{
    return _mm256_and_si256(v, bytes256(15));
}

INLINE __m256i nibble_high(__m256i v)
{
    return _mm256_and_si256(_mm256_srli_epi16(v, 4), bytes256(15));
}

/* Q4_K, Q5_K: bytes q[12]; j < 4: scale = q[j] & 63, min = q[j+4] & 63; above: scale = q[j+4] & 15 | q[j-4] >> 6 << 4,
 * min = q[j+4] >> 4 | q[j] >> 6 << 4. Two j at a time. */
INLINE void k4_scales(const uint8_t *q, unit_scales *u)
{
    const __m256i six = bytes256(63), top = bytes256(0x30);
#pragma GCC unroll 2
    for (int i = 0; i < 64; i += 32) {
        const __m256i a = load256(q + i), b = load256(q + 64 + i), c = load256(q + 128 + i);
        store256(u->made[0] + i, _mm256_and_si256(a, six));
        store256(u->made[1] + i, _mm256_and_si256(b, six));
        store256(u->made[0] + 64 + i, or_masked(nibble_low(c), _mm256_srli_epi16(a, 2), top));
        store256(u->made[1] + 64 + i, or_masked(nibble_high(c), _mm256_srli_epi16(b, 2), top));
    }
    u->scale = u->made[0], u->min = u->made[1];
}

/* Q2_K: low nibble scale, high nibble min. */
INLINE void k2_scales(const uint8_t *q, unit_scales *u)
{
#pragma GCC unroll 8
    for (int i = 0; i < 256; i += 32) {
        const __m256i z = load256(q + i);
        store256(u->made[0] + i, nibble_low(z));
        store256(u->made[1] + i, nibble_high(z));
    }
    u->scale = u->made[0], u->min = u->made[1];
}

/* Q3_K: bytes q[12]; scale j = (nibble j of q[0..7], low ones first) | (q[8 + j%4] >> 2(j/4) & 3) << 4, minus 32. */
INLINE void k3_scales(const uint8_t *q, unit_scales *u)
{
    const __m256i top = bytes256(0x30), off = bytes256(32);
#pragma GCC unroll 2
    for (int i = 0; i < 64; i += 32) {
        const __m256i a = load256(q + i), b = load256(q + 64 + i), c = load256(q + 128 + i);
        uint8_t *to = u->made[0] + i;
        store256(to, _mm256_sub_epi8(or_masked(nibble_low(a), _mm256_slli_epi16(c, 4), top), off));
        store256(to + 64, _mm256_sub_epi8(or_masked(nibble_low(b), _mm256_slli_epi16(c, 2), top), off));
        store256(to + 128, _mm256_sub_epi8(or_masked(nibble_high(a), c, top), off));
        store256(to + 192, _mm256_sub_epi8(or_masked(nibble_high(b), _mm256_srli_epi16(c, 2), top), off));
    }
    u->scale = u->made[0];
}

/* IQ4_XS: scale s = (nibble s%2 of scales_l[s/2]) | (scales_h >> 2s & 3) << 4, minus 32. */
INLINE void iq4_xs_scales(const uint8_t *low, const uint8_t *high, unit_scales *u)
{
    const __m256i h = load256(high);
#pragma GCC unroll 8
    for (int s = 0; s < 8; s++) {
        __m256i l = _mm256_cvtepu8_epi16(load128(low + s / 2 * 16));
        l = _mm256_and_si256(shift_bits(l, s % 2 * 4), _mm256_set1_epi16(15));
        l = or_masked(l, shift_bits(h, 2 * s - 4), _mm256_set1_epi16(0x30));
        l = _mm256_sub_epi16(l, _mm256_set1_epi16(32));
        const __m128i packed = _mm_packs_epi16(_mm256_castsi256_si128(l), _mm256_extracti128_si256(l, 1));
        _mm_storeu_si128((__m128i *)(void *)(u->made[0] + 16 * s), packed);
    }
    u->scale = u->made[0];
}

/* Recoded types: scale = 2 s + 1, s the nibbles of n bytes, low ones first. */
INLINE void odd_scales(const uint8_t *q, const int n, unit_scales *u)
{
    const __m128i low = _mm_set1_epi8(0x1E), one = _mm_set1_epi8(1);
#pragma GCC unroll 8
    for (int j = 0; j < n; j++) {
        const __m128i z = load128(q + 16 * j);
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
    const uint8_t *d = f->has_tail ? tail : unit + f->d;
    for (int half = 0; half < 2; half++) {
        u->d[half] = f16x8(d + 16 * half);
        if (form->scales == CT_SCALES_ODD)
            u->d[half] = _mm256_mul_ps(u->d[half], _mm256_set1_ps(form->unit));
        if (form->has_min) /* added, so negative */
            u->dmin[half] = _mm256_xor_ps(f16x8(unit + f->m + 16 * half), _mm256_set1_ps(-0.0f));
    }
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

INLINE __m256i u8x8(const uint8_t *p)
{
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p));
}

INLINE __m256i i8x8(const uint8_t *p)
{
    return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p));
}

/* A small signed number in each 32-bit lane becomes the same number in both its 16-bit halves. */
INLINE __m256i both_halves(__m256i v)
{
    return _mm256_blend_epi16(v, _mm256_slli_epi32(v, 16), 0xAA);
}

/* What stands in for one stretch of eight rows besides the codes. */
typedef struct stretch_scales {
    __m256 scale, add[2];
    __m256i mult[2];
} stretch_scales;

/* Products of an f16 and at most 8 bits are exact in f32. */
INLINE stretch_scales unpack_scales(const ct_type type, const ct_unit *f, const uint8_t *unit, const unit_scales *u,
                                    int s, int half)
{
    const q8_kind k = kind_of(type);
    const bool is_signed = ct_scales_are_signed(ct_form_of(type));
    stretch_scales out;
    const int r = 8 * half;
    if (ct_form_of(type)->scales == CT_SCALES_D) {
        out.scale = f16x8(unit + f->d + 32 * s + 2 * r);
        if (k.adds)
            out.add[0] = f16x8(unit + f->m + 32 * s + 2 * r);
        return out;
    }
#pragma GCC unroll 2
    for (int i = 0; i < k.adds; i++)
        out.add[i] = _mm256_mul_ps(u->dmin[half], _mm256_cvtepi32_ps(u8x8(u->min + 16 * (k.adds * s + i) + r)));
    out.scale = u->d[half];
    if (k.is_half) {
        out.mult[0] = both_halves(i8x8(u->scale + 32 * s + r));
        out.mult[1] = both_halves(i8x8(u->scale + 32 * s + 16 + r));
    } else {
        const uint8_t *p = u->scale + 16 * s + r;
        out.scale = _mm256_mul_ps(out.scale, _mm256_cvtepi32_ps(is_signed ? i8x8(p) : u8x8(p)));
    }
    return out;
}

#endif
