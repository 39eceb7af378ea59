/* mul_f32.c - y = W x with float32 (or bf16) activations, for every weight type: the exact mode.
 *
 * A panel is unpacked to float32 a chunk of columns at a time and each chunk is multiplied with every token before the
 * next one is unpacked; the sums wait in scratch. So each sum still runs in column order, whatever n is.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "kernels/generic/generic.h"

#define TOKENS 1024 /* whose sums are kept at a time */

typedef struct f32_scratch {
    float w[CT_PANEL_CHUNK * CT_PANEL]; /* [column][row] */
    float x[CT_PANEL_CHUNK];
    float acc[TOKENS][CT_PANEL];
} f32_scratch;
_Static_assert(sizeof(f32_scratch) <= CT_MUL_SCRATCH, "the scratch a caller hands over");

static void accumulate(float acc[CT_PANEL], const float *w, const float *x, size_t n)
{
    float sum[CT_PANEL];
    memcpy(sum, acc, sizeof sum);
    for (size_t c = 0; c < n; c++, w += CT_PANEL)
        for (int r = 0; r < CT_PANEL; r++)
            sum[r] += w[r] * x[c];
    memcpy(acc, sum, sizeof sum);
}

/* The activations of columns [col, col + n) as float32: where they are, or widened into buf. */
static const float *chunk_of_x(const ct_mul *m, bool is_bf16, size_t token, size_t col, size_t n, float *buf)
{
    const char *row = (const char *)m->x + token * m->x_stride;
    if (!is_bf16)
        return (const float *)row + col;
    for (size_t c = 0; c < n; c++)
        buf[c] = ct_bf16_to_f32(((const uint16_t *)row)[col + c]);
    return buf;
}

static void mul_panel(const ct_mul *m, bool is_bf16, const void *panel, size_t row, size_t t0, size_t n_tok,
                      f32_scratch *s)
{
    memset(s->acc, 0, n_tok * sizeof *s->acc);
    for (size_t col = 0; col < m->cols; col += CT_PANEL_CHUNK) {
        size_t n = m->cols - col < CT_PANEL_CHUNK ? m->cols - col : CT_PANEL_CHUNK;
        ct_panel_f32(m->type, panel, m->cols, col, n, s->w);
        for (size_t t = 0; t < n_tok; t++)
            accumulate(s->acc[t], s->w, chunk_of_x(m, is_bf16, t0 + t, col, n, s->x), n);
    }
    size_t n_rows = m->rows - row < CT_PANEL ? m->rows - row : CT_PANEL;
    for (size_t t = 0; t < n_tok; t++)
        memcpy(m->y + (t0 + t) * m->y_stride + row, s->acc[t], n_rows * sizeof(float));
}

static void mul_panels(const ct_mul *m, bool is_bf16, size_t panel_begin, size_t panel_end, void *scratch)
{
    size_t panel_bytes = 0;
    ct_panel_bytes(m->type, m->cols, &panel_bytes);
    for (size_t p = panel_begin; p < panel_end; p++)
        for (size_t t0 = 0; t0 < m->n; t0 += TOKENS)
            mul_panel(m, is_bf16, (const char *)m->w + p * panel_bytes, p * CT_PANEL, t0,
                      m->n - t0 < TOKENS ? m->n - t0 : TOKENS, scratch);
}

void ct_mul_f32_generic(const ct_mul *m, size_t panel_begin, size_t panel_end, void *scratch)
{
    mul_panels(m, false, panel_begin, panel_end, scratch);
}

void ct_mul_bf16_generic(const ct_mul *m, size_t panel_begin, size_t panel_end, void *scratch)
{
    mul_panels(m, true, panel_begin, panel_end, scratch);
}
