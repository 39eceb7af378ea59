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

#include "quant/forms.h"
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
CT_FOLDED int ct_unit_cols(ct_type type)
{
    const ct_form *form = ct_form_of(type);
    if (type == CT_F32 || type == CT_F16)
        return 1;
    if (type == CT_BF16)
        return 2;
    return form->codes == CT_CODES_NONE ? 0 : form->scales == CT_SCALES_D ? 64 : 256;
}

/* Scale bytes of a block. */
CT_FOLDED int ct_scale_bytes(const ct_form *form)
{
    switch ((ct_scales)form->scales) {
    case CT_SCALES_D:
        return 0;
    case CT_SCALES_6_MIN:
    case CT_SCALES_6:
        return 12;
    case CT_SCALES_4_MIN:
    case CT_SCALES_8:
        return 16;
    case CT_SCALES_4_2:
        return 4;
    case CT_SCALES_ODD:
        return form->is_half ? 8 : 4;
    }
    return 0;
}

/* ---- fields ---- */

/* The fields of a quantised type's unit of `stretches` stretches (1 or 2; the 256-column types ignore it).
 * Plain types (F32, F16, BF16) have no fields: element i of row r is the panel's [i][r]. */
CT_FOLDED ct_unit ct_unit_of(ct_type type, int stretches)
{
    const ct_form *form = ct_form_of(type);
    const ct_codes kind = form->codes;
    const ct_scales scales = form->scales;
    const bool is_k = scales != CT_SCALES_D;
    const int s = is_k ? 8 : stretches, per_unit = is_k ? 1 : stretches; /* stretches; halves of d */
    const bool has_tail = scales == CT_SCALES_6 || scales == CT_SCALES_8 || scales == CT_SCALES_ODD;
    /* Elements of one row, in a stretch or a block. */
    const int d = !has_tail, m = form->has_min, hscale = scales == CT_SCALES_4_2, n8 = ct_scale_bytes(form);
    const int high = kind == CT_CODES_4_1 || kind == CT_CODES_2_1;
    const int bits2 = kind == CT_CODES_4_2 || kind == CT_CODES_2 || kind == CT_CODES_2_1 ? 2 : 0;
    const int codes = kind == CT_CODES_8                                                   ? 8
                      : kind == CT_CODES_4 || kind == CT_CODES_4_1 || kind == CT_CODES_4_2 ? 4
                                                                                           : 0;
    ct_unit f = { .cols = 32 * s, .stretches = s, .has_tail = has_tail, .codes_step = codes * 64 };
    f.n16 = (d + m) * per_unit + hscale;
    f.n8 = n8;
    f.n32 = (high + bits2 + codes) * s;
    int at = 0;
    f.d = d ? at : -1, at += 32 * d * per_unit;
    f.m = m ? at : -1, at += 32 * m * per_unit;
    f.hscale = hscale ? at : -1, at += 32 * hscale;
    f.scales = n8 ? at : -1, at += 16 * n8;
    f.high = high ? at : -1, at += 64 * high * s;
    f.bits2 = bits2 ? at : -1, at += 64 * bits2 * s;
    f.codes = codes ? at : -1, at += 64 * codes * s;
    f.bytes = at;
    return f;
}

/* Units of a quantised row of cols columns. */
CT_FOLDED size_t ct_units(ct_type type, size_t cols)
{
    size_t c = (size_t)ct_unit_cols(type);
    return (cols + c - 1) / c;
}

/* Unit u of such a row: all are whole but perhaps the last. */
CT_FOLDED ct_unit ct_unit_at(ct_type type, size_t cols, size_t u)
{
    return ct_unit_of(type, ct_unit_cols(type) == 64 && cols - u * 64 < 64 ? 1 : 2);
}

/* Where unit u begins in its panel. */
CT_FOLDED size_t ct_unit_offset(ct_type type, size_t u)
{
    return u * (size_t)ct_unit_of(type, 2).bytes;
}

/* Where the tail begins: the f16 scale d of unit u and row r is at + u * 32 + r * 2. */
CT_FOLDED size_t ct_tail_offset(ct_type type, size_t cols)
{
    return ct_unit_offset(type, cols / 256);
}

#endif
