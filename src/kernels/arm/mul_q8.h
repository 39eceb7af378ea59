/* mul_q8.h - y = W x for int8 activations: the loops that the three AArch64 levels share.
 *
 * Included by one .c file a level, which first defines its arithmetic:
 *
 *   dot_stretch(type, s, x, n, sum)   adds to sum[t][half][r] the dot products of packed codes with n <= 2 tokens
 *   put_codes(w, v, r, a, b)          places groups v and v + 1 (columns 4v..4v + 7), rows 4r..4r + 3, in an expanded
 *                                     stretch
 *   put_scale(dst, r, f)              places the scales of rows 4r..4r + 3, in at most MAX_SCALE floats for a panel
 *   tile(c, halves, has_min, x, acc)  acc += one chunk of expanded stretches times TILE tokens
 *   finish_tile(acc, out)             acc, in the level's own order, to out[token][16 rows]
 *
 * Two ways through a panel, with the same arithmetic to the bit (kernels.h): sums of a stretch are exact integers, and
 * the f32 steps are one multiplication and one fma a stretch in column order, so that neither lanes nor tiles affect
 * the result.
 *
 *   few tokens    codes go from memory through registers into the dot product: the weights are read once
 *   more tokens   256 columns of a panel are expanded to plain int8 in scratch (4 KiB, stays in L1), and tiles of four
 *                 tokens run over them; a tile's sums stand in scratch between two chunks
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_ARM_MUL_Q8_H
#define CT_KERNELS_ARM_MUL_Q8_H

#include "stretch.h"

#include "kernels/kernels.h"

enum {
    CHUNK = 8,          /* stretches expanded at a time */
    TILE = 4,           /* tokens a tile */
    BLOCK = 128,        /* tokens whose sums stand in scratch: 8 KiB */
    MAX_SCALE = 32,     /* floats for the scales of a panel: i8mm has each twice */
    STRETCH_BYTES = 512 /* expanded: 16 rows x 32 columns */
};

/* What scratch holds. */
typedef struct chunk {
    int8_t codes[CHUNK][STRETCH_BYTES]; /* bias taken off */
    float d[CHUNK][2][MAX_SCALE];
    float m[CHUNK][2][MAX_SCALE];
    size_t first, n; /* stretches held: first .. first + n - 1 of the row */
    float acc[BLOCK * CT_PANEL];
} chunk;
_Static_assert(sizeof(chunk) <= CT_MUL_SCRATCH, "a chunk fits the scratch of a thread");

/* One token's activations. */
typedef struct acts_q8 {
    const int8_t *q;
    const float *d;
    const int32_t *s;
} acts_q8;

ARM_INLINE acts_q8 token_acts(const ct_mul *m, size_t t)
{
    const char *p = (const char *)m->x + t * m->x_stride;
    return (acts_q8){ (const int8_t *)p, (const float *)(const void *)(p + ct_acts_d_offset(m->cols)),
                      (const int32_t *)(const void *)(p + ct_acts_s_offset(m->cols)) };
}

/* Sum of the activations over the columns that one scale of stretch i covers. */
ARM_INLINE int32_t acts_sum(const acts_q8 *x, int halves, size_t i, int h)
{
    return halves == 2 ? x->s[2 * i + (size_t)h] : x->s[2 * i] + x->s[2 * i + 1];
}

/* Writes the sixteen rows of one token, less the padding of the last panel. */
ARM_INLINE void write_rows(const ct_mul *m, size_t panel, size_t t, const float *v)
{
    size_t row = panel * CT_PANEL, n = m->rows - row < CT_PANEL ? m->rows - row : CT_PANEL;
    float *y = m->y + t * m->y_stride + row;
    if (n == CT_PANEL) {
        vst1q_f32_x4(y, vld1q_f32_x4(v));
        return;
    }
    for (size_t r = 0; r < n; r++)
        y[r] = v[r];
}

/* ---- what a level brings ---- */

ARM_INLINE void dot_stretch(ct_type type, const stretch *s, const int8_t *const x[], int n, int32x4_t sum[][2][4]);
ARM_INLINE void put_codes(int8_t *w, int v, int r, int8x16_t a, int8x16_t b);
ARM_INLINE void put_scale(float *dst, int r, float32x4_t f);
ARM_INLINE void tile(const chunk *c, int halves, bool has_min, const acts_q8 x[TILE], float *acc);
ARM_INLINE void finish_tile(const float *acc, float out[TILE][CT_PANEL]);

/* ---- few tokens ---- */

ARM_INLINE void few_tokens(ct_type type, const ct_mul *m, const panel_layout *l, const uint8_t *panel,
                           size_t panel_index, size_t t0, const int n)
{
    const code_format f = format_of(type);
    acts_q8 x[2];
    float32x4_t acc[2][4];
    for (int t = 0; t < n; t++) {
        x[t] = token_acts(m, t0 + (size_t)t);
        for (int r = 0; r < 4; r++)
            acc[t][r] = vdupq_n_f32(0);
    }
    for (size_t i = 0; i < l->n_stretch; i++) {
        stretch s = find_stretch(type, l, panel, i);
        stretch_scales sc;
        unpack_scales(type, &s, &sc);
        const int8_t *q[2];
        int32x4_t sum[2][2][4];
        for (int t = 0; t < n; t++) {
            q[t] = x[t].q + 32 * i;
            for (int h = 0; h < f.halves; h++)
                for (int r = 0; r < 4; r++)
                    sum[t][h][r] = vdupq_n_s32(f.bias ? -f.bias * acts_sum(&x[t], f.halves, i, h) : 0);
        }
        dot_stretch(type, &s, q, n, sum);
        for (int t = 0; t < n; t++)
            for (int h = 0; h < f.halves; h++) {
                float32x4_t dx = vdupq_n_f32(x[t].d[i]);
                for (int r = 0; r < 4; r++)
                    acc[t][r] = vfmaq_f32(acc[t][r], vmulq_f32(sc.d[h][r], dx), vcvtq_f32_s32(sum[t][h][r]));
                if (f.has_min) {
                    float32x4_t sx = vdupq_n_f32(x[t].d[i] * (float)acts_sum(&x[t], f.halves, i, h));
                    for (int r = 0; r < 4; r++)
                        acc[t][r] = vfmaq_f32(acc[t][r], sc.m[h][r], sx);
                }
            }
    }
    for (int t = 0; t < n; t++) {
        float v[CT_PANEL];
        for (int r = 0; r < 4; r++)
            vst1q_f32(v + 4 * r, acc[t][r]);
        write_rows(m, panel_index, t0 + (size_t)t, v);
    }
}

/* ---- more tokens ---- */

/* Unpacks stretches c->first .. of a panel into c. */
ARM_INLINE void expand(ct_type type, const panel_layout *l, const uint8_t *panel, chunk *c)
{
    const code_format f = format_of(type);
    const int8x16_t bias = vdupq_n_s8((int8_t)f.bias);
    for (size_t i = 0; i < c->n; i++) {
        stretch s = find_stretch(type, l, panel, c->first + i);
        stretch_scales sc;
        unpack_scales(type, &s, &sc);
        for (int h = 0; h < f.halves; h++)
            for (int r = 0; r < 4; r++) {
                put_scale(c->d[i][h], r, sc.d[h][r]);
                if (f.has_min)
                    put_scale(c->m[i][h], r, sc.m[h][r]);
            }
        for (int v = 0; v < 4; v += 2)
            for (int r = 0; r < 4; r++) {
                int8x16_t a, b, lo, hi;
                unpack_pair(type, &s, v, r, &a, &b);
                unpack_pair(type, &s, v + 1, r, &lo, &hi);
                put_codes(c->codes[i], v, r, vsubq_s8(a, bias), vsubq_s8(lo, bias));
                put_codes(c->codes[i], v + 4, r, vsubq_s8(b, bias), vsubq_s8(hi, bias));
            }
    }
}

/* Tokens t0 .. t0 + n - 1, n <= BLOCK. A tile that lacks tokens runs with its last one repeated. */
ARM_INLINE void more_tokens(ct_type type, const ct_mul *m, const panel_layout *l, const uint8_t *panel,
                            size_t panel_index, size_t t0, size_t n, chunk *c)
{
    const code_format f = format_of(type);
    size_t n_tile = (n + TILE - 1) / TILE;
    for (size_t i = 0; i < n_tile * TILE * CT_PANEL; i++)
        c->acc[i] = 0;
    for (c->first = 0; c->first < l->n_stretch; c->first += CHUNK) {
        c->n = l->n_stretch - c->first < CHUNK ? l->n_stretch - c->first : CHUNK;
        expand(type, l, panel, c);
        for (size_t i = 0; i < n_tile; i++) {
            acts_q8 x[TILE];
            for (size_t t = 0; t < TILE; t++)
                x[t] = token_acts(m, t0 + (i * TILE + t < n ? i * TILE + t : n - 1));
            tile(c, f.halves, f.has_min, x, c->acc + i * TILE * CT_PANEL);
        }
    }
    for (size_t i = 0; i < n_tile; i++) {
        float out[TILE][CT_PANEL];
        finish_tile(c->acc + i * TILE * CT_PANEL, out);
        for (size_t t = 0; t < TILE && i * TILE + t < n; t++)
            write_rows(m, panel_index, t0 + i * TILE + t, out[t]);
    }
}

ARM_INLINE void mul_q8(ct_type type, const ct_mul *m, size_t panel_begin, size_t panel_end, void *scratch)
{
    const panel_layout l = layout_of(type, m->cols);
    size_t bytes = 0;
    if (!ct_panel_bytes(type, m->cols, &bytes))
        return; /* cannot be: such a matrix was never packed */
    for (size_t p = panel_begin; p < panel_end; p++) {
        const uint8_t *panel = (const uint8_t *)m->w + p * bytes;
        if (m->n == 1)
            few_tokens(type, m, &l, panel, p, 0, 1);
        else if (m->n == 2)
            few_tokens(type, m, &l, panel, p, 0, 2);
        else
            for (size_t t = 0; t < m->n; t += BLOCK)
                more_tokens(type, m, &l, panel, p, t, m->n - t < BLOCK ? m->n - t : BLOCK, scratch);
    }
}

/* One function a type, and the places in the table: MUL_Q8_DEFINE and MUL_Q8_INSTALL go over CT_FORMS. */
#define MUL_Q8_DEFINE(T, ...)                                                                                          \
    static void mul_q8_##T(const ct_mul *m, size_t panel_begin, size_t panel_end, void *scratch)                       \
    {                                                                                                                  \
        mul_q8(CT_##T, m, panel_begin, panel_end, scratch);                                                            \
    }
#define MUL_Q8_INSTALL(T, ...)                                                                                         \
    k->mul[CT_##T][CT_ACTS_Q8] = mul_q8_##T;                                                                           \
    k->form[CT_##T] = CT_ACTS_Q8;

#endif
