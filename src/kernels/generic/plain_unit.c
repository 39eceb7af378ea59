/* plain_unit.c - see plain_unit.h.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/generic/plain_unit.h"

#include <string.h>

#include "base/le.h"

/* ---- codes ---- */

/* The codes of group g (columns 4g .. 4g + 3) of stretch s, as they are stored: byte row * 4 + c. */
static void group_codes(const ct_unit *f, const uint8_t *unit, int s, int g, uint8_t codes[64])
{
    const uint8_t *p = unit + f->codes + (f->codes_step == 512 ? s * 512 + g * 64 : s * 256 + g % 4 * 64);
    int bits = 0, shift = g < 4 ? 0 : 4;
    if (f->codes_step == 512) {
        memcpy(codes, p, 64);
        return;
    }
    memset(codes, 0, 64);
    if (f->codes >= 0) {
        for (int i = 0; i < 64; i++)
            codes[i] = p[i] >> shift & 15;
        bits = 4;
    }
    if (f->bits2 >= 0) {
        p = unit + f->bits2 + s * 128 + g / 4 * 64;
        for (int i = 0; i < 64; i++)
            codes[i] |= (uint8_t)((p[i] >> 2 * (g % 4) & 3) << bits);
        bits += 2;
    }
    if (f->high >= 0) {
        p = unit + f->high + s * 64;
        for (int i = 0; i < 64; i++)
            codes[i] |= (uint8_t)((p[i] >> g & 1) << bits);
    }
}

static void plain_codes(const ct_form *form, const ct_unit *f, const uint8_t *unit, ct_plain_unit *out)
{
    uint8_t codes[64];
    for (int s = 0; s < f->stretches; s++)
        for (int g = 0; g < 8; g++) {
            group_codes(f, unit, s, g, codes);
            for (int i = 0; i < 64; i++)
                out->codes[32 * s + 4 * g + i % 4][i / 4] =
                    form->table ? form->table[codes[i]] : (int8_t)(codes[i] - form->bias);
        }
}

/* ---- scales ---- */

static float half_at(const uint8_t *p)
{
    return ct_f16_to_f32(ct_le16(p));
}

/* Scale and minimum j of a Q4_K or Q5_K block, six bits each, packed in twelve bytes that stand 16 apart at p. */
static void scale_min6(const uint8_t *p, int j, int *scale, int *min)
{
    if (j < 4) {
        *scale = p[16 * j] & 63;
        *min = p[16 * (j + 4)] & 63;
    } else {
        *scale = (p[16 * (j + 4)] & 15) | p[16 * (j - 4)] >> 6 << 4;
        *min = p[16 * (j + 4)] >> 4 | p[16 * j] >> 6 << 4;
    }
}

/* Scale j = 0..15 of a Q3_K block: four bits in bytes 0-7, two in bytes 8-11. */
static int scale6_q3(const uint8_t *p, int j)
{
    int low = p[16 * (j % 8)] >> (j < 8 ? 0 : 4) & 15, high = p[16 * (8 + j % 4)] >> 2 * (j / 4) & 3;
    return (low | high << 4) - 32;
}

/* Scale and minimum of group g of one row. unit and tail point at the unit's and the tail's first byte. */
static void group_scale(const ct_form *form, const ct_unit *f, const uint8_t *unit, const uint8_t *tail, int g, int row,
                        float *scale, float *min)
{
    int b = 0, b_min = 0;
    const uint8_t *p = unit + f->scales + row; /* scale bytes of this row, 16 apart; unused where there are none */
    switch ((ct_scales)form->scales) {
    case CT_SCALES_D: /* of a stretch */
        *scale = half_at(unit + f->d + 32 * g + 2 * row);
        if (form->has_min)
            *min = half_at(unit + f->m + 32 * g + 2 * row);
        break;
    case CT_SCALES_6_MIN:
        scale_min6(p, g, &b, &b_min);
        *scale = half_at(unit + f->d + 2 * row) * (float)b;
        *min = -(half_at(unit + f->m + 2 * row) * (float)b_min);
        break;
    case CT_SCALES_4_MIN:
        *scale = half_at(unit + f->d + 2 * row) * (float)(p[16 * g] & 15);
        *min = -(half_at(unit + f->m + 2 * row) * (float)(p[16 * g] >> 4));
        break;
    case CT_SCALES_6:
        *scale = half_at(tail + 2 * row) * (float)scale6_q3(p, g);
        break;
    case CT_SCALES_8:
        *scale = half_at(tail + 2 * row) * (float)(int8_t)p[16 * g];
        break;
    case CT_SCALES_4_2:
        b = p[16 * (g / 2)] >> 4 * (g % 2) & 15;
        b |= (unit[f->hscale + 2 * row + g / 4] >> 2 * (g % 4) & 3) << 4;
        *scale = half_at(unit + f->d + 2 * row) * (float)(b - 32);
        break;
    case CT_SCALES_ODD:
        b = p[16 * (g / 2)] >> 4 * (g % 2) & 15;
        *scale = half_at(tail + 2 * row) * form->unit * (float)(2 * b + 1);
        break;
    }
}

void ct_plain_unit_of(ct_type type, const ct_unit *f, const uint8_t *unit, const uint8_t *tail, ct_plain_unit *out)
{
    const ct_form *form = ct_form_of(type);
    out->cols = f->cols;
    out->group = form->is_half ? 16 : 32;
    out->has_min = form->has_min;
    plain_codes(form, f, unit, out);
    for (int g = 0; g < out->cols / out->group; g++)
        for (int r = 0; r < CT_PANEL; r++)
            group_scale(form, f, unit, tail, g, r, &out->scale[g][r], &out->min[g][r]);
}

/* ---- panels ---- */

void ct_plain_panels(const ct_mul *m, size_t begin, size_t end, void *scratch, ct_plain_panel_fn *multiply)
{
    size_t panel_bytes = 0;
    ct_panel_bytes(m->type, m->cols, &panel_bytes);
    for (size_t p = begin; p < end; p++)
        for (size_t t0 = 0; t0 < m->n; t0 += CT_PLAIN_TOKENS)
            multiply(m, (const uint8_t *)m->w + p * panel_bytes, p * CT_PANEL, t0,
                     m->n - t0 < CT_PLAIN_TOKENS ? m->n - t0 : CT_PLAIN_TOKENS, scratch);
}
