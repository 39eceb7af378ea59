/* mul_q8.c - y = W x in integers: quantised weights, int8 activations.
 *
 * Every interleaved type is first brought into one plain form, a unit at a time (plain_unit.h). The arithmetic on that form
 * is the definition in kernels.h.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "kernels/generic/generic.h"
#include "kernels/generic/plain_unit.h"

typedef struct q8_scratch {
    ct_plain_unit unit;
    float acc[CT_PLAIN_TOKENS][CT_PANEL];
} q8_scratch;
_Static_assert(sizeof(q8_scratch) <= CT_MUL_SCRATCH, "the scratch a caller hands over");

/* ---- the product ---- */

static void dot_group(int32_t isum[CT_PANEL], const int8_t (*codes)[CT_PANEL], const int8_t *q, int n)
{
    memset(isum, 0, CT_PANEL * sizeof *isum);
    for (int c = 0; c < n; c++)
        for (int r = 0; r < CT_PANEL; r++)
            isum[r] += (int16_t)((int16_t)codes[c][r] * (int16_t)q[c]);
}

/* Adds a unit's share to the sums of one token, whose columns in this unit begin at col. */
static void accumulate(float acc[CT_PANEL], const ct_plain_unit *u, const char *x, size_t cols, size_t col)
{
    const int8_t *q = (const int8_t *)x + col;
    const float *d = (const float *)(x + ct_acts_d_offset(cols)) + col / 32;
    const int32_t *sums = (const int32_t *)(x + ct_acts_s_offset(cols)) + col / 16;
    for (int g = 0; g < u->cols / u->group; g++) {
        int32_t isum[CT_PANEL];
        dot_group(isum, u->codes + g * u->group, q + g * u->group, u->group);
        float dx = d[g * u->group / 32];
        for (int r = 0; r < CT_PANEL; r++)
            acc[r] += u->scale[g][r] * dx * (float)isum[r];
        if (!u->has_min)
            continue;
        float dsum = dx * (float)(u->group == 16 ? sums[g] : sums[2 * g] + sums[2 * g + 1]);
        for (int r = 0; r < CT_PANEL; r++)
            acc[r] += u->min[g][r] * dsum;
    }
}

static void mul_panel(const ct_mul *m, const uint8_t *panel, size_t row, size_t t0, size_t n_tok, void *scratch)
{
    q8_scratch *s = scratch;
    const uint8_t *unit = panel, *tail = panel;
    if (ct_unit_of(m->type, 2).has_tail)
        tail += ct_tail_offset(m->type, m->cols);
    memset(s->acc, 0, n_tok * sizeof *s->acc);
    size_t col = 0;
    for (size_t i = 0; i < ct_units(m->type, m->cols); i++) {
        ct_unit f = ct_unit_at(m->type, m->cols, i);
        ct_plain_unit_of(m->type, &f, unit, tail + 32 * i, &s->unit);
        for (size_t t = 0; t < n_tok; t++)
            accumulate(s->acc[t], &s->unit, (const char *)m->x + (t0 + t) * m->x_stride, m->cols, col);
        unit += f.bytes;
        col += (size_t)f.cols;
    }
    size_t n_rows = m->rows - row < CT_PANEL ? m->rows - row : CT_PANEL;
    for (size_t t = 0; t < n_tok; t++)
        memcpy(m->y + (t0 + t) * m->y_stride + row, s->acc[t], n_rows * sizeof(float));
}

void ct_mul_q8_generic(const ct_mul *m, size_t panel_begin, size_t panel_end, void *scratch)
{
    ct_plain_panels(m, panel_begin, panel_end, scratch, mul_panel);
}
