/* neon_f32.c - y = W x with f32 activations: plain weights, and quantised ones in the exact mode.
 *
 * One arithmetic for all: acc = fma(w, x, acc) in column order, w the exact value that ct_unpack_row gives. Lanes
 * are rows, so 256 columns of a panel are made f32 [columns][16 rows] in scratch (16 KiB; F32 panels already are) and
 * tiles of one or four tokens run over them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "arm.h"
#include "stretch.h"

enum { CHUNK_COLS = CT_PANEL_CHUNK, TILE = 4, BLOCK = 128 };

typedef struct f32_chunk {
    float w[CHUNK_COLS][CT_PANEL];
    float acc[BLOCK][CT_PANEL];
} f32_chunk;
_Static_assert(sizeof(f32_chunk) <= CT_MUL_SCRATCH, "a chunk fits the scratch of a thread");

/* ---- a chunk of columns as f32 ---- */

/* Column c of [4 rows][4 columns] int8 as four lanes. */
ARM_INLINE float32x4_t column(int8x16_t q, int c)
{
    int32x4_t v = vshlq_s32(vreinterpretq_s32_s8(q), vdupq_n_s32(24 - 8 * c));
    return vcvtq_f32_s32(vshrq_n_s32(v, 24));
}

/* The value of a weight is d * q, and then + m where the type has a minimum: two roundings, as in ggml. */
ARM_INLINE void put_group(code_format f, const stretch_scales *sc, int h, int r, int8x16_t q, float *w)
{
    q = vsubq_s8(q, vdupq_n_s8((int8_t)f.bias));
    for (int c = 0; c < 4; c++) {
        float32x4_t v = vmulq_f32(sc->d[h][r], column(q, c));
        if (f.has_min)
            v = vaddq_f32(v, sc->m[h][r]);
        vst1q_f32(w + c * CT_PANEL + 4 * r, v);
    }
}

ARM_INLINE void unpack_chunk(ct_type type, const panel_layout *l, const uint8_t *panel, size_t col, size_t n, float *w)
{
    const code_format f = format_of(type);
    for (size_t i = 0; i < n / 32; i++, w += 32 * CT_PANEL) {
        stretch s = find_stretch(type, l, panel, col / 32 + i);
        stretch_scales sc;
        unpack_scales(type, &s, &sc);
        for (int v = 0; v < 4; v++)
            for (int r = 0; r < 4; r++) {
                int8x16_t lo, hi;
                unpack_pair(type, &s, v, r, &lo, &hi);
                put_group(f, &sc, 0, r, lo, w + 4 * v * CT_PANEL);
                put_group(f, &sc, f.halves - 1, r, hi, w + (4 * v + 16) * CT_PANEL);
            }
    }
}

static void f16_chunk(const uint8_t *panel, size_t col, size_t n, float *w)
{
    const uint8_t *p = panel + col * CT_PANEL * 2;
    for (size_t i = 0; i < n * CT_PANEL; i += 4)
        vst1q_f32(w + i, load_f16x4(p + 2 * i));
}

/* [columns / 2][16][2]; n may be odd at the row's end. */
static void bf16_chunk(const uint8_t *panel, size_t col, size_t n, float *w)
{
    const uint8_t *p = panel + col * CT_PANEL * 2;
    for (size_t c = 0; c < n; c += 2, p += 64)
        for (int r = 0; r < 4; r++) {
            uint32x4_t both = vreinterpretq_u32_u8(vld1q_u8(p + 16 * r));
            vst1q_f32(w + c * CT_PANEL + 4 * r, vreinterpretq_f32_u32(vshlq_n_u32(both, 16)));
            if (c + 1 < n)
                vst1q_f32(w + (c + 1) * CT_PANEL + 4 * r,
                          vreinterpretq_f32_u32(vandq_u32(both, vdupq_n_u32(0xFFFF0000u))));
        }
}

/* ---- tiles ---- */

/* One column of n tokens; x[t] holds that token's value in lane k. */
#define FMA_COLUMN(w, x, k)                                                                                            \
    for (int r = 0; r < 4; r++) {                                                                                      \
        float32x4_t v = vld1q_f32((w) + 4 * r);                                                                        \
        for (int t = 0; t < n; t++)                                                                                    \
            a[t][r] = vfmaq_laneq_f32(a[t][r], v, x[t], k);                                                            \
    }

ARM_INLINE void f32_tile(const float *w, size_t cols, const float *const x[], const int n, float *acc)
{
    float32x4_t a[TILE][4], q[TILE];
    for (int t = 0; t < n; t++)
        for (int r = 0; r < 4; r++)
            a[t][r] = vld1q_f32(acc + 16 * t + 4 * r);
    size_t c = 0;
    for (; c + 4 <= cols; c += 4, w += 4 * CT_PANEL) {
        for (int t = 0; t < n; t++)
            q[t] = vld1q_f32(x[t] + c);
        FMA_COLUMN(w, q, 0)
        FMA_COLUMN(w + CT_PANEL, q, 1)
        FMA_COLUMN(w + 2 * CT_PANEL, q, 2)
        FMA_COLUMN(w + 3 * CT_PANEL, q, 3)
    }
    for (; c < cols; c++, w += CT_PANEL) {
        for (int t = 0; t < n; t++)
            q[t] = vdupq_n_f32(x[t][c]);
        FMA_COLUMN(w, q, 0)
    }
    for (int t = 0; t < n; t++)
        for (int r = 0; r < 4; r++)
            vst1q_f32(acc + 16 * t + 4 * r, a[t][r]);
}

/* One chunk times tokens t0 .. t0 + n - 1. A tile that lacks tokens runs with its last one repeated. */
static void run_tiles(const ct_mul *m, const float *w, size_t col, size_t cols, size_t t0, size_t n, f32_chunk *c)
{
    const float *x[TILE];
    for (size_t t = 0; t < n; t += TILE) {
        for (size_t i = 0; i < TILE; i++) {
            size_t at = t0 + (t + i < n ? t + i : n - 1);
            x[i] = (const float *)(const void *)((const char *)m->x + at * m->x_stride) + col;
        }
        if (n == 1)
            f32_tile(w, cols, x, 1, c->acc[t]);
        else
            f32_tile(w, cols, x, TILE, c->acc[t]);
    }
}

static void write_tokens(const ct_mul *m, size_t panel, size_t t0, size_t n, const f32_chunk *c)
{
    size_t row = panel * CT_PANEL, rows = m->rows - row < CT_PANEL ? m->rows - row : CT_PANEL;
    for (size_t t = 0; t < n; t++)
        memcpy(m->y + (t0 + t) * m->y_stride + row, c->acc[t], rows * sizeof(float));
}

ARM_INLINE const float *chunk_of(ct_type type, const panel_layout *l, const uint8_t *panel, size_t cols, size_t col,
                                 size_t n, f32_chunk *c)
{
    if (type == CT_F32)
        return (const float *)(const void *)panel + col * CT_PANEL;
    if (type == CT_F16)
        f16_chunk(panel, col, n, c->w[0]);
    else if (type == CT_BF16)
        bf16_chunk(panel, col, n, c->w[0]);
    else if (ct_unit_cols(type) > 2)
        unpack_chunk(type, l, panel, col, n, c->w[0]);
    else
        ct_panel_f32(type, panel, cols, col, n, c->w[0]);
    return c->w[0];
}

ARM_INLINE void mul_f32(ct_type type, const ct_mul *m, size_t panel_begin, size_t panel_end, void *scratch)
{
    f32_chunk *c = scratch;
    size_t bytes = 0;
    if (!ct_panel_bytes(type, m->cols, &bytes))
        return; /* cannot be: such a matrix was never packed */
    const panel_layout l = layout_of(type, m->cols);
    for (size_t p = panel_begin; p < panel_end; p++)
        for (size_t t = 0; t < m->n; t += BLOCK) {
            size_t n = m->n - t < BLOCK ? m->n - t : BLOCK;
            memset(c->acc, 0, sizeof c->acc);
            for (size_t col = 0; col < m->cols; col += CHUNK_COLS) {
                size_t cols = m->cols - col < CHUNK_COLS ? m->cols - col : CHUNK_COLS;
                const float *w = chunk_of(type, &l, (const uint8_t *)m->w + p * bytes, m->cols, col, cols, c);
                run_tiles(m, w, col, cols, t, n, c);
            }
            write_tokens(m, p, t, n, c);
        }
}

/* ---- one function a type ---- */

#define DEFINE(T, ...)                                                                                                 \
    static void mul_f32_##T(const ct_mul *m, size_t panel_begin, size_t panel_end, void *scratch)                      \
    {                                                                                                                  \
        mul_f32(CT_##T, m, panel_begin, panel_end, scratch);                                                           \
    }
#define INSTALL(T, ...) k->mul[CT_##T][CT_ACTS_F32] = mul_f32_##T;

CT_PLAIN_TYPES(DEFINE)
CT_FORMS(DEFINE)

/* The rest share one: what they cost is ct_unpack_row. */
static void mul_f32_rows(const ct_mul *m, size_t panel_begin, size_t panel_end, void *scratch)
{
    mul_f32(m->type, m, panel_begin, panel_end, scratch);
}

void ct_neon_install_f32(ct_kernels *k)
{
    for (uint32_t t = 0; t < CT_N_TYPE; t++)
        if (ct_type_get(t) && !ct_pack_is_interleaved((ct_type)t))
            k->mul[t][CT_ACTS_F32] = mul_f32_rows;
    CT_PLAIN_TYPES(INSTALL)
    CT_FORMS(INSTALL)
}
