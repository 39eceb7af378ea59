/* avx2_mul_f32.c - any weights times f32 activations (and bf16 ones for bf16 weights).
 *
 * For every path the same: each 32 columns are summed by themselves from zero, sum = fma(w, x, sum) in column order,
 * and then acc = acc + sum. So the chains are short: a single token's are bound by the latency of fma, and the
 * processor runs the next block's beside them.
 *
 * F32, F16 and BF16 panels are read as they are and widened in registers. Of the other types a chunk of a panel is
 * unpacked to f32 first (ct_panel_f32); sums wait in y for the next chunk.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/x86/avx2_y_tile.h"

#define TILE   6   /* tokens: 12 sums, 2 weights and 1 activation in registers */
#define BLOCK  32  /* columns summed by themselves */
#define CHUNK  256 /* columns of a panel that stay in L1 while all tiles pass; a multiple of BLOCK */
#define TOKENS 240 /* whose CHUNK columns stay in L2 while all panels pass */

_Static_assert(TILE <= MAX_TILE && CHUNK <= CT_PANEL_CHUNK, "what the copy and ct_panel_f32 hold");
_Static_assert(CHUNK *CT_PANEL * sizeof(float) <= CT_MUL_SCRATCH, "the scratch a caller hands over");

/* n columns of a panel times T tokens, x_stride bytes apart: c [T][ldc >= 16]; is_first: c is not read. */
typedef void tile_fn(const void *w, const char *x, size_t x_stride, size_t n, float *c, size_t ldc, bool is_first);

/* What stands in memory. Columns go in pairs: the unit of a bf16 panel. */
typedef struct f32_kind {
    ct_type type; /* of w: F32, F16, BF16 */
    bool is_x_bf16;
} f32_kind;

INLINE size_t pair_bytes(const f32_kind k)
{
    return k.type == CT_F32 ? 128 : 64;
}

INLINE __m256 bf16_low(__m256i v)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(v, 16));
}

INLINE __m256 bf16_high(__m256i v)
{
    return _mm256_castsi256_ps(_mm256_and_si256(v, _mm256_set1_epi32((int)0xFFFF0000)));
}

/* Eight rows, "half" 0 or 1, of column 0 or 1 of the pair at w. */
INLINE __m256 weights(const f32_kind k, const char *w, int column, int half)
{
    switch (k.type) {
    case CT_F32:
        return _mm256_loadu_ps((const float *)(const void *)w + 16 * column + 8 * half);
    case CT_F16:
        return f16x8(w + 32 * column + 16 * half);
    default:
        return column ? bf16_high(load256(w + 32 * half)) : bf16_low(load256(w + 32 * half));
    }
}

INLINE __m256 activation(const f32_kind k, const char *x, size_t column)
{
    if (!k.is_x_bf16)
        return broadcast_f32(x + 4 * column);
    const uint16_t *p = (const uint16_t *)(const void *)x + column;
    return _mm256_castsi256_ps(_mm256_set1_epi32((int)((uint32_t)*p << 16)));
}

/* One column for all tokens. */
INLINE void multiply_column(const f32_kind k, const int T, const char *w, const char *const x[TILE], size_t column,
                            __m256 sum[TILE][2])
{
    const __m256 w0 = weights(k, w, (int)(column % 2), 0), w1 = weights(k, w, (int)(column % 2), 1);
#pragma GCC unroll 6
    for (int t = 0; t < T; t++) {
        const __m256 v = activation(k, x[t], column);
        sum[t][0] = _mm256_fmadd_ps(w0, v, sum[t][0]);
        sum[t][1] = _mm256_fmadd_ps(w1, v, sum[t][1]);
    }
}

/* n columns, at most BLOCK, added to acc. */
INLINE void multiply_block(const f32_kind k, const int T, const char *w, const char *const x[TILE], size_t n,
                           float acc[TILE][CT_PANEL])
{
    __m256 sum[TILE][2];
#pragma GCC unroll 6
    for (int t = 0; t < T; t++)
        sum[t][0] = sum[t][1] = _mm256_setzero_ps();
    size_t column = 0;
    for (; column + 2 <= n; column += 2, w += pair_bytes(k)) {
        multiply_column(k, T, w, x, column, sum);
        multiply_column(k, T, w, x, column + 1, sum);
    }
    if (column < n)
        multiply_column(k, T, w, x, column, sum);
#pragma GCC unroll 6
    for (int t = 0; t < T; t++) {
        _mm256_store_ps(acc[t], _mm256_add_ps(_mm256_load_ps(acc[t]), sum[t][0]));
        _mm256_store_ps(acc[t] + 8, _mm256_add_ps(_mm256_load_ps(acc[t] + 8), sum[t][1]));
    }
}

INLINE void multiply_tile(const f32_kind k, const int T, const void *panel, const char *x0, size_t x_stride, size_t n,
                          float *c, size_t ldc, bool is_first)
{
    _Alignas(32) float acc[TILE][CT_PANEL] = { { 0 } };
    const char *x[TILE], *w = panel;
    for (int t = 0; t < T; t++) {
        x[t] = x0 + (size_t)t * x_stride;
        if (!is_first)
            memcpy(acc[t], c + (size_t)t * ldc, sizeof acc[t]);
    }
    size_t column = 0;
    for (; column + BLOCK <= n; column += BLOCK, w += BLOCK / 2 * pair_bytes(k)) {
        multiply_block(k, T, w, x, BLOCK, acc);
        for (int t = 0; t < T; t++)
            x[t] += BLOCK * (k.is_x_bf16 ? 2 : 4);
    }
    if (column < n)
        multiply_block(k, T, w, x, n - column, acc);
    for (int t = 0; t < T; t++)
        memcpy(c + (size_t)t * ldc, acc[t], sizeof acc[t]);
}

#define TILE_KERNEL(name, type, is_x_bf16, T)                                                                          \
    static void tile_##name##_##T(const void *w, const char *x, size_t x_stride, size_t n, float *c, size_t ldc,       \
                                  bool is_first)                                                                       \
    {                                                                                                                  \
        multiply_tile((f32_kind){ type, is_x_bf16 }, T, w, x, x_stride, n, c, ldc, is_first);                          \
    }

#define TILE_KERNELS(name, type, is_x_bf16)                                                                            \
    TILE_KERNEL(name, type, is_x_bf16, 1)                                                                              \
    TILE_KERNEL(name, type, is_x_bf16, 2)                                                                              \
    TILE_KERNEL(name, type, is_x_bf16, 3)                                                                              \
    TILE_KERNEL(name, type, is_x_bf16, 4)                                                                              \
    TILE_KERNEL(name, type, is_x_bf16, 5)                                                                              \
    TILE_KERNEL(name, type, is_x_bf16, 6)                                                                              \
    static tile_fn *const tiles_##name[TILE] = { tile_##name##_1, tile_##name##_2, tile_##name##_3,                    \
                                                 tile_##name##_4, tile_##name##_5, tile_##name##_6 };

TILE_KERNELS(f32, CT_F32, false)
TILE_KERNELS(f16, CT_F16, false)
TILE_KERNELS(bf16, CT_BF16, false)
TILE_KERNELS(bf16_bf16, CT_BF16, true)

/* Columns [col, col + n) of a panel, found at w, times tokens [t0, t1). */
static void mul_tiles(tile_fn *const tiles[TILE], const ct_mul *m, size_t x_bytes, size_t panel, const void *w,
                      size_t col, size_t n, size_t t0, size_t t1)
{
    for (size_t t = t0; t < t1; t += TILE) {
        const size_t here = smaller(t1 - t, TILE);
        y_tile e;
        y_begin(&e, m, panel, t, here, col == 0);
        tiles[here - 1](w, (const char *)m->x + t * m->x_stride + x_bytes * col, m->x_stride, n, e.c, e.ldc, col == 0);
        y_end(&e);
    }
}

/* w_bytes of a weight, x_bytes of an activation. */
static void mul_plain(tile_fn *const tiles[TILE], size_t w_bytes, size_t x_bytes, const ct_mul *m, size_t panel_begin,
                      size_t panel_end)
{
    const size_t panel_bytes = panel_bytes_of(m), chunk = m->n <= TILE ? m->cols : CHUNK; /* few tokens: one stream */
    for (size_t t0 = 0; t0 < m->n; t0 += TOKENS)
        for (size_t col = 0; col < m->cols; col += chunk)
            for (size_t p = panel_begin; p < panel_end; p++)
                mul_tiles(tiles, m, x_bytes, p, (const char *)m->w + p * panel_bytes + col * CT_PANEL * w_bytes, col,
                          smaller(m->cols - col, chunk), t0, smaller(m->n, t0 + TOKENS));
}

static void mul_f32_f32(const ct_mul *m, size_t panel_begin, size_t panel_end, void *scratch)
{
    (void)scratch;
    mul_plain(tiles_f32, 4, 4, m, panel_begin, panel_end);
}

static void mul_f16_f32(const ct_mul *m, size_t panel_begin, size_t panel_end, void *scratch)
{
    (void)scratch;
    mul_plain(tiles_f16, 2, 4, m, panel_begin, panel_end);
}

static void mul_bf16_f32(const ct_mul *m, size_t panel_begin, size_t panel_end, void *scratch)
{
    (void)scratch;
    mul_plain(tiles_bf16, 2, 4, m, panel_begin, panel_end);
}

static void mul_bf16_bf16(const ct_mul *m, size_t panel_begin, size_t panel_end, void *scratch)
{
    (void)scratch;
    mul_plain(tiles_bf16_bf16, 2, 2, m, panel_begin, panel_end);
}

/* Every other type: unpacked first. */
static void mul_any_f32(const ct_mul *m, size_t panel_begin, size_t panel_end, void *scratch)
{
    const size_t panel_bytes = panel_bytes_of(m);
    for (size_t col = 0; col < m->cols && m->n; col += CHUNK) {
        const size_t n = smaller(m->cols - col, CHUNK);
        for (size_t p = panel_begin; p < panel_end; p++) {
            ct_panel_f32(m->type, (const char *)m->w + p * panel_bytes, m->cols, col, n, scratch);
            mul_tiles(tiles_f32, m, sizeof(float), p, scratch, col, n, 0, m->n);
        }
    }
}

void ct_avx2_mul_f32(ct_kernels *k)
{
    for (uint32_t t = 0; t < CT_N_TYPE; t++)
        if (ct_type_get(t))
            k->mul[t][CT_ACTS_F32] = mul_any_f32;
    k->mul[CT_F32][CT_ACTS_F32] = mul_f32_f32;
    k->mul[CT_F16][CT_ACTS_F32] = mul_f16_f32;
    k->mul[CT_BF16][CT_ACTS_F32] = mul_bf16_f32;
    k->mul[CT_BF16][CT_ACTS_BF16] = mul_bf16_bf16;
    k->form[CT_F32] = k->form[CT_F16] = k->form[CT_BF16] = CT_ACTS_F32;
}
