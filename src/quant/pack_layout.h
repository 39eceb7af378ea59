/* pack_layout.h - where each field of a packed unit stands; shared by the packers and every kernel.
 *
 * A panel is a run of units, then for Q6_K, Q3_K and the recoded types a tail. A unit is sixteen rows side by side:
 *
 *     f16/u16 fields   [n16][16]   d of each stretch, then m of each stretch (or d, dmin; or d, scales_h)
 *     u8 fields        [n8][16]    the block's scale bytes
 *     u32 words        [n32][16]   64-byte vectors: high bits, then 2-bit codes, then 4- or 8-bit codes
 *
 * so the offset of a field for the whole unit is sixteen times its offset in one row. A unit of a 32-column type holds
 * two stretches of 32 columns, the last one of an odd row a single stretch; of a 256-column type always eight.
 *
 *     for (size_t u = 0; u < ct_units(type, cols); u++) {
 *         ct_unit f = ct_unit_at(type, cols, u);            folds to constants when type is one
 *         const uint8_t *p = panel + ct_unit_offset(type, u);
 *         ... p + f.codes + s * f.codes_step ...                  stretch s = 0 .. f.stretches - 1
 *     }
 *
 * The drawing of the vectors themselves: quant/README.md, "The packed panel".
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_QUANT_PACK_LAYOUT_H
#define CT_QUANT_PACK_LAYOUT_H

#include "quant/pack.h"

/* Lanes and bits are placed with whole-word moves; both supported architectures are little-endian. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "packed panels are little-endian");

typedef struct ct_unit {
    int cols;         /* columns */
    int stretches;    /* of 32 columns */
    int n16, n8, n32; /* u16, u8 and u32 elements of one row in the unit (the tail not counted) */
    int bytes;        /* 16 * (2 n16 + n8 + 4 n32) */
    /* Byte offsets in the unit; -1 where the type has no such field. */
    int d;      /* f16 [stretches of a 32-column type, else 1][16] */
    int m;      /* f16, as d: the added minimum (Q4_1, Q5_1) or dmin (Q2_K, Q4_K, Q5_K) */
    int hscale; /* u16 [16]: scales_h of IQ4_XS */
    int scales; /* u8 [12 or 16; IQ4_XS and recoded types: 4 or 8][16] */
    int high;   /* 64 bytes a stretch */
    int bits2;  /* 128 bytes a stretch */
    int codes;  /* codes_step bytes a stretch: 256 (four bits) or 512 (eight) */
    int codes_step;
    bool has_tail; /* d stands in the panel's tail: f16 [units][16] */
} ct_unit;

/* Columns of a whole unit; 0 for types without an interleaved form. */
static inline int ct_unit_cols(ct_type type)
{
    switch (type) {
    case CT_F32:
    case CT_F16:
        return 1;
    case CT_BF16:
        return 2;
    case CT_Q8_0:
    case CT_Q4_0:
    case CT_Q4_1:
    case CT_Q5_0:
    case CT_Q5_1:
    case CT_IQ4_NL:
        return 64;
    case CT_Q2_K:
    case CT_Q3_K:
    case CT_Q4_K:
    case CT_Q5_K:
    case CT_Q6_K:
    case CT_IQ4_XS:
    case CT_IQ3_XXS:
    case CT_IQ3_S:
    case CT_IQ2_XXS:
    case CT_IQ2_XS:
    case CT_IQ2_S:
    case CT_IQ1_S:
    case CT_IQ1_M:
        return 256;
    default:
        return 0;
    }
}

/* ---- codes that stand for a value of a table ---- */

/* A recoded type indexes a codebook in the file; in a panel every weight has a code of its own, 4 bits in IQ3, 3 bits
 * (2 and a high one) in IQ1 and IQ2, 0 for all other types:
 *
 *     weight = (d * unit) * (2 s + 1) * table[code]     s: the group's nibble of `scales`; group 0 is the low nibble
 *
 * unit is the power of two that makes the table whole numbers. Every product is exact in f32: 11 bits of d, 5 of the
 * scale, 6 of the table; d * unit is no smaller than 2^-27. */
static inline int ct_recoded_bits(ct_type type)
{
    switch (type) {
    case CT_IQ3_XXS:
    case CT_IQ3_S:
        return 4;
    case CT_IQ2_XXS:
    case CT_IQ2_XS:
    case CT_IQ2_S:
    case CT_IQ1_S:
    case CT_IQ1_M:
        return 3;
    default:
        return 0;
    }
}

static inline float ct_recoded_unit(ct_type type)
{
    return type == CT_IQ3_S ? 1.0f : type == CT_IQ3_XXS ? 0.5f : 0.125f;
}

/* The sixteen values of a code; NULL where codes are numbers. A code that no packer writes stands for 0. */
static inline const int8_t *ct_code_table(ct_type type)
{
    static const int8_t iq4[16] = { -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113 };
    static const int8_t iq3_xxs[16] = { 2, 6, 10, 14, 18, 22, 26, 31, -2, -6, -10, -14, -18, -22, -26, -31 };
    static const int8_t iq3_s[16] = { 1, 3, 5, 7, 9, 11, 13, 15, -1, -3, -5, -7, -9, -11, -13, -15 };
    static const int8_t iq2[16] = { 8, 25, 43, 0, -8, -25, -43, 0 };
    static const int8_t iq1[16] = { -7, 1, 9, 0, -9, -1, 7, 0 }; /* high bit: the shift is -1/8, else 1/8 */
    switch (type) {
    case CT_IQ4_NL:
    case CT_IQ4_XS:
        return iq4;
    case CT_IQ3_XXS:
        return iq3_xxs;
    case CT_IQ3_S:
        return iq3_s;
    case CT_IQ2_XXS:
    case CT_IQ2_XS:
    case CT_IQ2_S:
        return iq2;
    case CT_IQ1_S:
    case CT_IQ1_M:
        return iq1;
    default:
        return NULL;
    }
}

/* Has each 16 columns a scale of their own, and not each 32? */
static inline bool ct_scale_is_half(ct_type type)
{
    switch (type) {
    case CT_Q2_K:
    case CT_Q3_K:
    case CT_Q6_K:
    case CT_IQ2_XS:
    case CT_IQ2_S:
    case CT_IQ1_M:
        return true;
    default:
        return false;
    }
}

/* ---- fields ---- */

/* The fields of a quantised type's unit of `stretches` stretches (1 or 2; the 256-column types ignore it).
 * Plain types (F32, F16, BF16) have no fields: element i of row r is the panel's [i][r]. */
static inline __attribute__((always_inline)) ct_unit ct_unit_of(ct_type type, int stretches)
{
    int d = 0, m = 0, hscale = 0, scales = 0, high = 0, bits2 = 0,
        codes = 0; /* elements of one row a stretch or block */
    bool is_k = ct_unit_cols(type) == 256, has_tail = false;
    int s = is_k ? 8 : stretches, per_unit = is_k ? 1 : stretches;
    switch (type) {
    case CT_Q8_0:
        d = 1, codes = 8;
        break;
    case CT_Q4_0:
    case CT_IQ4_NL:
        d = 1, codes = 4;
        break;
    case CT_Q4_1:
        d = 1, m = 1, codes = 4;
        break;
    case CT_Q5_0:
        d = 1, high = 1, codes = 4;
        break;
    case CT_Q5_1:
        d = 1, m = 1, high = 1, codes = 4;
        break;
    case CT_Q4_K:
        d = 1, m = 1, scales = 12, codes = 4;
        break;
    case CT_Q5_K:
        d = 1, m = 1, scales = 12, high = 1, codes = 4;
        break;
    case CT_Q2_K:
        d = 1, m = 1, scales = 16, bits2 = 2;
        break;
    case CT_Q6_K:
        scales = 16, bits2 = 2, codes = 4, has_tail = true;
        break;
    case CT_Q3_K:
        scales = 12, high = 1, bits2 = 2, has_tail = true;
        break;
    case CT_IQ4_XS:
        d = 1, hscale = 1, scales = 4, codes = 4;
        break;
    case CT_IQ3_XXS:
    case CT_IQ3_S:
        scales = 4, codes = 4, has_tail = true;
        break;
    case CT_IQ2_XXS:
    case CT_IQ1_S:
        scales = 4, high = 1, bits2 = 2, has_tail = true;
        break;
    case CT_IQ2_XS:
    case CT_IQ2_S:
    case CT_IQ1_M:
        scales = 8, high = 1, bits2 = 2, has_tail = true;
        break;
    default:
        break;
    }
    ct_unit f = { .cols = 32 * s, .stretches = s, .has_tail = has_tail, .codes_step = codes * 64 };
    f.n16 = (d + m) * per_unit + hscale;
    f.n8 = scales;
    f.n32 = (high + bits2 + codes) * s;
    int at = 0;
    f.d = d ? at : -1, at += 32 * d * per_unit;
    f.m = m ? at : -1, at += 32 * m * per_unit;
    f.hscale = hscale ? at : -1, at += 32 * hscale;
    f.scales = scales ? at : -1, at += 16 * scales;
    f.high = high ? at : -1, at += 64 * high * s;
    f.bits2 = bits2 ? at : -1, at += 64 * bits2 * s;
    f.codes = codes ? at : -1, at += 64 * codes * s;
    f.bytes = at;
    return f;
}

/* Units of a quantised row of cols columns. */
static inline size_t ct_units(ct_type type, size_t cols)
{
    size_t c = (size_t)ct_unit_cols(type);
    return (cols + c - 1) / c;
}

/* Unit u of such a row: all are whole but perhaps the last. */
static inline ct_unit ct_unit_at(ct_type type, size_t cols, size_t u)
{
    return ct_unit_of(type, ct_unit_cols(type) == 64 && cols - u * 64 < 64 ? 1 : 2);
}

/* Where unit u begins in its panel. */
static inline size_t ct_unit_offset(ct_type type, size_t u)
{
    return u * (size_t)ct_unit_of(type, 2).bytes;
}

/* Where the tail begins: the f16 scale d of unit u and row r is at + u * 32 + r * 2. */
static inline size_t ct_tail_offset(ct_type type, size_t cols)
{
    return ct_unit_offset(type, cols / 256);
}

#endif
