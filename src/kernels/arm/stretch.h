/* stretch.h - finds and unpacks one stretch (32 columns x 16 rows) of a packed panel, for every interleaved quantised
 * type. Shared by the AArch64 levels; baseline NEON only.
 *
 * Every function here is inlined with `type` a constant, so that the switches fold away and a caller holds just the
 * loads, masks and shifts of its own type. Layouts: quant/README.md.
 *
 * The unit of unpacking is a *pair*: groups v and v + 4 of a stretch (columns 4v.. and 4v + 16..) for rows 4r..4r + 3,
 * as two vectors of [4 rows][4 columns]. Every code layout holds these two side by side (low and high nibble, or
 * neighbouring vectors of two bits), and with scales of 16 columns the first belongs to one and the second to the next.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_ARM_STRETCH_H
#define CT_KERNELS_ARM_STRETCH_H

#include <arm_neon.h>

#include "quant/pack_layout.h"

#define ARM_INLINE static inline __attribute__((always_inline))

/* What the kernels of a type know of it. Codes come out as int8: 8-bit codes with their bias of 128 taken off, table
 * types as their table's value, all others as the unsigned code (below 64), from which `bias` is still to be taken. */
typedef struct code_format {
    int bias;     /* value = d * (code - bias) + m */
    int halves;   /* scales of a stretch: 1, or 2 for types with scales of 16 columns */
    bool has_min; /* m is not zero */
} code_format;

ARM_INLINE code_format format_of(ct_type type)
{
    const ct_form *f = ct_form_of(type);
    return (code_format){ f->codes == CT_CODES_8 || f->table ? 0 : f->bias, f->is_half ? 2 : 1, f->has_min };
}

/* The layout of a matrix's panels, worked out once a call. */
typedef struct panel_layout {
    ct_unit whole, last; /* a whole unit, and the last one of a row that ends in half a unit */
    size_t n_stretch, tail;
} panel_layout;

/* Absent fields (-1) to 0: their pointers are formed but not used. */
ARM_INLINE ct_unit present(ct_unit f)
{
    f.d = f.d < 0 ? 0 : f.d, f.m = f.m < 0 ? 0 : f.m, f.scales = f.scales < 0 ? 0 : f.scales;
    f.hscale = f.hscale < 0 ? 0 : f.hscale, f.high = f.high < 0 ? 0 : f.high;
    f.bits2 = f.bits2 < 0 ? 0 : f.bits2, f.codes = f.codes < 0 ? 0 : f.codes;
    return f;
}

ARM_INLINE panel_layout layout_of(ct_type type, size_t cols)
{
    panel_layout l = { .n_stretch = cols / 32 };
    l.whole = present(ct_unit_of(type, 2));
    l.last = present(ct_unit_of(type, 1));
    l.tail = l.whole.has_tail ? ct_tail_offset(type, cols) : 0;
    return l;
}

/* Where one stretch stands; fields that the type lacks are meaningless. */
typedef struct stretch {
    const uint8_t *d, *m;  /* f16x16 each */
    const uint8_t *scales; /* the unit's scale bytes: byte j of row r at [16 j + r] */
    const uint8_t *hscale; /* u16x16 */
    const uint8_t *codes;  /* codes8 or codes4 */
    const uint8_t *high;   /* high1 */
    const uint8_t *two;    /* codes2 */
    int in_unit;           /* which stretch of its unit: 0, 1 or 0..7 */
} stretch;

ARM_INLINE stretch find_stretch(ct_type type, const panel_layout *l, const uint8_t *panel, size_t i)
{
    const size_t per_unit = ct_form_of(type)->scales == CT_SCALES_D ? 2 : 8;
    size_t u = i / per_unit, in = i % per_unit;
    const ct_unit *f = per_unit == 2 && (i | 1) >= l->n_stretch ? &l->last : &l->whole;
    const uint8_t *p = panel + u * (size_t)l->whole.bytes;
    const uint8_t *d = f->has_tail ? panel + l->tail + u * 32 : p + f->d + (per_unit == 2 ? in * 32 : 0);
    return (stretch){
        .d = d,
        .m = p + f->m + (per_unit == 2 ? in * 32 : 0),
        .scales = p + f->scales,
        .hscale = p + f->hscale,
        .codes = p + f->codes + in * (size_t)f->codes_step,
        .high = p + f->high + in * 64,
        .two = p + f->bits2 + in * 128,
        .in_unit = (int)in,
    };
}

/* ---- codes ---- */

/* Bits `bits` of b moved up by n (down if negative). */
ARM_INLINE uint8x16_t moved(uint8x16_t b, int n, uint8_t bits)
{
    return (n >= 0 ? b << n : b >> -n) & vdupq_n_u8(bits);
}

ARM_INLINE void unpack_pair(ct_type type, const stretch *s, int v, int r, int8x16_t *lo, int8x16_t *hi)
{
    const ct_form *form = ct_form_of(type);
    const ct_codes kind = form->codes;
    uint8x16_t a = vdupq_n_u8(0), b = a;
    if (kind == CT_CODES_8) {
        a = vld1q_u8(s->codes + v * 64 + r * 16) ^ vdupq_n_u8(0x80);
        b = vld1q_u8(s->codes + 256 + v * 64 + r * 16) ^ vdupq_n_u8(0x80);
    } else if (kind != CT_CODES_2 && kind != CT_CODES_2_1) {
        uint8x16_t c = vld1q_u8(s->codes + v * 64 + r * 16);
        a = c & vdupq_n_u8(15);
        b = c >> 4;
    }
    if (kind == CT_CODES_4_1) {
        uint8x16_t h = vld1q_u8(s->high + r * 16);
        a |= moved(h, 4 - v, 16);
        b |= moved(h, -v, 16);
    }
    if (kind == CT_CODES_4_2 || kind == CT_CODES_2 || kind == CT_CODES_2_1) {
        int up = (kind == CT_CODES_4_2 ? 4 : 0) - 2 * v;
        uint8_t bits = kind == CT_CODES_4_2 ? 0x30 : 3;
        a |= moved(vld1q_u8(s->two + r * 16), up, bits);
        b |= moved(vld1q_u8(s->two + 64 + r * 16), up, bits);
    }
    if (kind == CT_CODES_2_1) {
        uint8x16_t h = vld1q_u8(s->high + r * 16);
        a |= moved(h, 2 - v, 4);
        b |= moved(h, -2 - v, 4);
    }
    if (form->table) {
        int8x16_t values = vld1q_s8(form->table);
        a = vreinterpretq_u8_s8(vqtbl1q_s8(values, a));
        b = vreinterpretq_u8_s8(vqtbl1q_s8(values, b));
    }
    *lo = vreinterpretq_s8_u8(a);
    *hi = vreinterpretq_s8_u8(b);
}

/* ---- scales ---- */

/* The stretch's d and m of value = d * (code - bias) + m, lanes are rows: d[half][r] holds rows 4r..4r + 3. With one
 * scale a stretch only half 0 is set; m only if the type has one. */
typedef struct stretch_scales {
    float32x4_t d[2][4], m[2][4];
} stretch_scales;

ARM_INLINE float32x4_t load_f16x4(const uint8_t *p)
{
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p)));
}

ARM_INLINE void f32_from_s8(int8x16_t q, float32x4_t f[4])
{
    int16x8_t a = vmovl_s8(vget_low_s8(q)), b = vmovl_high_s8(q);
    f[0] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(a)));
    f[1] = vcvtq_f32_s32(vmovl_high_s16(a));
    f[2] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(b)));
    f[3] = vcvtq_f32_s32(vmovl_high_s16(b));
}

/* Byte j of the unit's scale field for the sixteen rows. */
ARM_INLINE uint8x16_t scale_byte(const stretch *s, int j)
{
    return vld1q_u8(s->scales + 16 * j);
}

/* Q4_K and Q5_K: scale and minimum j of eight, six bits each in twelve bytes (ggml-quants.c, get_scale_min_k4). */
ARM_INLINE void k4_scales(const stretch *s, uint8x16_t *sc, uint8x16_t *mn)
{
    int j = s->in_unit;
    if (j < 4) {
        *sc = scale_byte(s, j) & vdupq_n_u8(63);
        *mn = scale_byte(s, j + 4) & vdupq_n_u8(63);
        return;
    }
    uint8x16_t low = scale_byte(s, j + 4);
    *sc = (low & vdupq_n_u8(15)) | ((scale_byte(s, j - 4) >> 6) << 4);
    *mn = (low >> 4) | ((scale_byte(s, j) >> 6) << 4);
}

/* Q3_K: scale number k of sixteen, six bits each in twelve bytes, biased by 32. */
ARM_INLINE int8x16_t q3_scale(const stretch *s, int k)
{
    uint8x16_t low = scale_byte(s, k & 7), high = scale_byte(s, 8 + (k & 3));
    low = k < 8 ? low & vdupq_n_u8(15) : low >> 4;
    high = vshlq_u8(high, vdupq_n_s8((int8_t)(-2 * (k >> 2)))) & vdupq_n_u8(3);
    return vreinterpretq_s8_u8(low | (high << 4)) - vdupq_n_s8(32);
}

/* IQ4_XS: four bits in scales_l, two in scales_h, biased by 32. */
ARM_INLINE int8x16_t iq4xs_scale(const stretch *s)
{
    int j = s->in_unit;
    uint8x16_t low = scale_byte(s, j / 2);
    low = j & 1 ? low >> 4 : low & vdupq_n_u8(15);
    int16x8_t down = vdupq_n_s16((int16_t)(-2 * j));
    uint16x8_t h0 = vshlq_u16(vreinterpretq_u16_u8(vld1q_u8(s->hscale)), down);
    uint16x8_t h1 = vshlq_u16(vreinterpretq_u16_u8(vld1q_u8(s->hscale + 16)), down);
    uint8x16_t high = vcombine_u8(vmovn_u16(h0), vmovn_u16(h1)) & vdupq_n_u8(3);
    return vreinterpretq_s8_u8(low | (high << 4)) - vdupq_n_s8(32);
}

/* Recoded types: scale number k, 2 s + 1 of a nibble. */
ARM_INLINE int8x16_t odd_scale(const stretch *s, int k)
{
    uint8x16_t b = scale_byte(s, k / 2);
    b = k & 1 ? b >> 4 : b & vdupq_n_u8(15);
    return vreinterpretq_s8_u8((b << 1) | vdupq_n_u8(1));
}

/* The integer factors of d and of m in this stretch: 1 half or 2. */
ARM_INLINE void unpack_factors(ct_type type, const stretch *s, int8x16_t sc[2], int8x16_t mn[2])
{
    uint8x16_t a, b;
    sc[0] = sc[1] = mn[0] = mn[1] = vdupq_n_s8(0);
    const int halves = format_of(type).halves, first = s->in_unit * halves;
    switch ((ct_scales)ct_form_of(type)->scales) {
    case CT_SCALES_D: /* no factors */
        break;
    case CT_SCALES_6_MIN:
        k4_scales(s, &a, &b);
        sc[0] = vreinterpretq_s8_u8(a);
        mn[0] = vreinterpretq_s8_u8(b);
        break;
    case CT_SCALES_4_MIN:
        for (int h = 0; h < halves; h++) {
            a = scale_byte(s, first + h);
            sc[h] = vreinterpretq_s8_u8(a & vdupq_n_u8(15));
            mn[h] = vreinterpretq_s8_u8(a >> 4);
        }
        break;
    case CT_SCALES_6:
        for (int h = 0; h < halves; h++)
            sc[h] = q3_scale(s, first + h);
        break;
    case CT_SCALES_8:
        for (int h = 0; h < halves; h++)
            sc[h] = vreinterpretq_s8_u8(scale_byte(s, first + h));
        break;
    case CT_SCALES_4_2:
        sc[0] = iq4xs_scale(s);
        break;
    case CT_SCALES_ODD:
        for (int h = 0; h < halves; h++)
            sc[h] = odd_scale(s, first + h);
        break;
    }
}

ARM_INLINE void unpack_scales(ct_type type, const stretch *s, stretch_scales *out)
{
    const code_format f = format_of(type);
    const ct_form *form = ct_form_of(type);
    for (int r = 0; r < 4; r++) {
        out->d[0][r] = load_f16x4(s->d + 8 * r);
        if (f.has_min)
            out->m[0][r] = load_f16x4(s->m + 8 * r);
    }
    if (form->scales == CT_SCALES_D)
        return;
    int8x16_t sc[2], mn[2];
    float32x4_t x[4], d[4], m[4];
    unpack_factors(type, s, sc, mn);
    for (int r = 0; r < 4; r++) {
        d[r] = out->d[0][r];
        if (form->scales == CT_SCALES_ODD)
            d[r] = vmulq_n_f32(d[r], form->unit);
        m[r] = f.has_min ? out->m[0][r] : vdupq_n_f32(0);
    }
    for (int h = 0; h < f.halves; h++) {
        f32_from_s8(sc[h], x);
        for (int r = 0; r < 4; r++)
            out->d[h][r] = vmulq_f32(d[r], x[r]);
        if (!f.has_min)
            continue;
        f32_from_s8(mn[h], x);
        for (int r = 0; r < 4; r++) /* dmin * m is subtracted */
            out->m[h][r] = vnegq_f32(vmulq_f32(m[r], x[r]));
    }
}

#endif
