/* avx512bf16.c - the level of AVX512_BF16, over avx512: bf16 weights times bf16 activations.
 *
 * vdpbf16ps adds the products of a pair of columns to each f32 sum; pairs in column order. It rounds to nearest even
 * and takes subnormal operands as zero, whatever the control register is set to (Intel SDM, VDPBF16PS).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "kernels/x86/avx512_math.h"
#include "kernels/x86/avx512_mul_plain.h"
#include "kernels/x86/avx512bf16.h"

INLINE void add_pair(const int R, const int T, const uint8_t *const w[], const uint8_t *const x[4], size_t stride,
                     size_t s, __m512 acc[12][4])
{
    __m512bh v[4];
#pragma GCC unroll 4
    for (int r = 0; r < R; r++)
        v[r] = (__m512bh)_mm512_loadu_si512(w[r] + 64 * s);
#pragma GCC unroll 12
    for (int t = 0; t < T; t++) {
        int32_t pair;
        memcpy(&pair, plain_token(x, stride, (size_t)t) + 4 * s, 4);
#pragma GCC unroll 4
        for (int r = 0; r < R; r++)
            acc[t][r] = _mm512_dpbf16_ps(acc[t][r], v[r], (__m512bh)_mm512_set1_epi32(pair));
    }
}

INLINE void multiply(const int R, const int T, const uint8_t *const w[], const plain_tokens *tile, size_t n, float *c,
                     size_t ldc, bool is_first)
{
    const size_t stride = tile->stride;
    const uint8_t *x[4] = { tile->x };
#pragma GCC unroll 4
    for (int i = 1; 3 * i < T; i++)
        x[i] = tile->x + 3 * (size_t)i * stride;
    __m512 acc[12][4];
#pragma GCC unroll 12
    for (int t = 0; t < T; t++)
#pragma GCC unroll 4
        for (int r = 0; r < R; r++)
            acc[t][r] = is_first ? _mm512_setzero_ps() : _mm512_loadu_ps(c + (size_t)t * ldc + 16 * r);
    for (size_t s = 0; s < n; s++)
        add_pair(R, T, w, x, stride, s, acc);
#pragma GCC unroll 12
    for (int t = 0; t < T; t++)
#pragma GCC unroll 4
        for (int r = 0; r < R; r++)
            _mm512_storeu_ps(c + (size_t)t * ldc + 16 * r, acc[t][r]);
}

#define KERNEL(R, T)                                                                                                   \
    static void kernel_##R##x##T(const uint8_t *const w[PLAIN_MAX_PANELS], const plain_tokens *x, size_t n, float *c,  \
                                 size_t ldc, bool is_first)                                                            \
    {                                                                                                                  \
        multiply(R, T, w, x, n, c, ldc, is_first);                                                                     \
    }
KERNEL(4, 1)
KERNEL(2, 4)

/* ---- many tokens ---- */

/* Twelve tokens times two panels, both read where they stand: a whole row of a few hundred steps from L2 costs no more
 * than the products (5 bytes a cycle of weights, 2 of tokens), and a sum goes to y once and not once a stretch. */

#define TOKENS 12
#define STEPS  768 /* of a row at a time */

_Static_assert(TOKENS *STEPS * 4 <= CT_MUL_SCRATCH, "a tile's tokens fit the scratch");

typedef struct many {
    const ct_mul *m;
    size_t panel_end, panel_bytes;
    size_t s, n_steps;  /* of the rows */
    size_t t, n_tokens; /* of the block */
    uint8_t *last;      /* the block's last tokens, if they fill no tile: [TOKENS][n_steps], the last one repeated */
} many;

/* y [TOKENS][y_stride >= 32] += w0, w1 times x; is_first: y is not read. */
static void multiply_tile(const uint8_t *w0, const uint8_t *w1, const uint8_t *x, size_t x_stride, size_t n, float *y,
                          size_t y_stride, bool is_first)
{
    __m512 acc[TOKENS][2];
    const uint8_t *three[4];
    for (size_t i = 0; i < 4; i++)
        three[i] = x + 3 * i * x_stride;
#pragma GCC unroll 12
    for (size_t t = 0; t < TOKENS; t++) {
        const float *c = y + t * y_stride;
        acc[t][0] = is_first ? _mm512_setzero_ps() : _mm512_loadu_ps(c);
        acc[t][1] = is_first ? _mm512_setzero_ps() : _mm512_loadu_ps(c + 16);
        _mm_prefetch((const char *)c, _MM_HINT_T0); /* written at the end */
        _mm_prefetch((const char *)(c + 31), _MM_HINT_T0);
    }
    for (size_t s = 0; s < n; s++, w0 += 64, w1 += 64) {
        const __m512bh v0 = (__m512bh)_mm512_loadu_si512(w0), v1 = (__m512bh)_mm512_loadu_si512(w1);
#pragma GCC unroll 12
        for (size_t t = 0; t < TOKENS; t++) {
            int32_t pair;
            memcpy(&pair, three[t / 3] + t % 3 * x_stride, 4);
            acc[t][0] = _mm512_dpbf16_ps(acc[t][0], v0, (__m512bh)_mm512_set1_epi32(pair));
            acc[t][1] = _mm512_dpbf16_ps(acc[t][1], v1, (__m512bh)_mm512_set1_epi32(pair));
        }
        for (size_t i = 0; i < 4; i++)
            three[i] += 4;
    }
#pragma GCC unroll 12
    for (size_t t = 0; t < TOKENS; t++) {
        _mm512_storeu_ps(y + t * y_stride, acc[t][0]);
        _mm512_storeu_ps(y + t * y_stride + 16, acc[t][1]);
    }
}

/* Some tokens or rows of a tile are none: the sums go through a copy. */
static void multiply_part(const many *k, const uint8_t *w0, const uint8_t *w1, const uint8_t *x, size_t x_stride,
                          size_t tokens, size_t rows, float *y)
{
    const size_t stride = k->m->y_stride;
    _Alignas(64) float copy[TOKENS][2 * CT_PANEL];
    for (size_t t = 0; t < tokens && k->s > 0; t++)
        memcpy(copy[t], y + t * stride, rows * sizeof *y);
    multiply_tile(w0, w1, x, x_stride, k->n_steps, copy[0], 2 * CT_PANEL, k->s == 0);
    for (size_t t = 0; t < tokens; t++)
        memcpy(y + t * stride, copy[t], rows * sizeof *y);
}

/* Panels p and, if it is below panel_end, p + 1, times the block's tokens. */
static void multiply_panels(const many *k, size_t p)
{
    const ct_mul *m = k->m;
    const size_t end = (p + 2 < k->panel_end ? p + 2 : k->panel_end) * CT_PANEL;
    const size_t rows = (end < m->rows ? end : m->rows) - p * CT_PANEL;
    const uint8_t *w0 = (const uint8_t *)m->w + p * k->panel_bytes + 64 * k->s;
    const uint8_t *w1 = p + 1 < k->panel_end ? w0 + k->panel_bytes : w0;
    for (size_t i = 0; i < k->n_tokens; i += TOKENS) {
        const size_t tokens = k->n_tokens - i < TOKENS ? k->n_tokens - i : TOKENS;
        const uint8_t *x = (const uint8_t *)m->x + (k->t + i) * m->x_stride + 4 * k->s;
        float *y = m->y + (k->t + i) * m->y_stride + p * CT_PANEL;
        if (tokens < TOKENS)
            multiply_part(k, w0, w1, k->last, 4 * k->n_steps, tokens, rows, y);
        else if (rows < 2 * CT_PANEL)
            multiply_part(k, w0, w1, x, m->x_stride, tokens, rows, y);
        else
            multiply_tile(w0, w1, x, m->x_stride, k->n_steps, y, m->y_stride, k->s == 0);
    }
}

static void copy_last(const many *k)
{
    const size_t whole = k->n_tokens / TOKENS * TOKENS;
    const uint8_t *x = (const uint8_t *)k->m->x + 4 * k->s;
    for (size_t t = 0; t < TOKENS && whole < k->n_tokens; t++) {
        const size_t from = whole + t < k->n_tokens ? whole + t : k->n_tokens - 1;
        memcpy(k->last + t * 4 * k->n_steps, x + (k->t + from) * k->m->x_stride, 4 * k->n_steps);
    }
}

static void mul_many(const ct_mul *m, size_t panel_begin, size_t panel_end, void *scratch)
{
    const size_t steps = (m->cols + 1) / 2, chunks = (steps + STEPS - 1) / STEPS, chunk = (steps + chunks - 1) / chunks;
    const size_t block = PLAIN_NEAR / (4 * chunk * TOKENS) * TOKENS;
    many k = { .m = m, .panel_end = panel_end, .last = scratch };
    ct_panel_bytes(m->type, m->cols, &k.panel_bytes);
    for (k.t = 0; k.t < m->n; k.t += block)
        for (k.s = 0; k.s < steps; k.s += chunk) {
            k.n_tokens = m->n - k.t < block ? m->n - k.t : block;
            k.n_steps = steps - k.s < chunk ? steps - k.s : chunk;
            copy_last(&k);
            for (size_t p = panel_begin; p < panel_end; p += 2)
                multiply_panels(&k, p);
        }
}

static void mul_bf16(const ct_mul *m, size_t panel_begin, size_t panel_end, void *scratch)
{
    static const plain_path one = { 4, 1, kernel_4x1, NULL, 2048, 64 };
    static const plain_path four = { 2, 4, kernel_2x4, NULL, 2048, 64 };
    if (m->n > 4)
        mul_many(m, panel_begin, panel_end, scratch);
    else
        ct_avx512_mul_plain(m->n == 1 ? &one : &four, (m->cols + 1) / 2, m, panel_begin, panel_end, scratch);
}

void ct_kernels_avx512bf16(ct_kernels *k)
{
    k->isa = "avx512bf16";
    k->mul[CT_BF16][CT_ACTS_BF16] = mul_bf16;
    k->form[CT_BF16] = CT_ACTS_BF16;
    ct_avx512bf16_set(k);
    k->mul_peak[CT_ACTS_BF16] = k->set_peak[CT_ACTS_BF16] = &ct_avx512bf16_peak;
}
