/* mul_grid.c - y = W x on the grid: weights and activations as whole numbers times powers of two (kernels.h).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "kernels/generic/generic.h"
#include "kernels/generic/plain_unit.h"

/* A stretch of a panel: i * step. */
typedef struct grid {
    int16_t i[32][CT_PANEL];
    float step[CT_PANEL];
} grid;

typedef struct grid_scratch {
    ct_plain_unit unit;
    grid w;
    float acc[CT_PLAIN_TOKENS][CT_PANEL];
} grid_scratch;
_Static_assert(sizeof(grid_scratch) <= CT_MUL_SCRATCH, "the scratch a caller hands over");

static float power_below(float x)
{
    int e;
    frexpf(x, &e);
    return ldexpf(1, e - 1);
}

static float reach_of(const ct_form *form, const ct_plain_unit *u, int group, int row)
{
    const float scale = u->scale[group][row], top = scale * (float)form->largest;
    if (!u->has_min)
        return fabsf(top);
    const float min = fabsf(u->min[group][row]), max = fabsf(fmaf(scale, (float)form->largest, u->min[group][row]));
    return isnan(min) || isnan(max) ? NAN : fmaxf(min, max);
}

/* Groups [first, first + n) of a unit are the stretch. */
static float step_of(const ct_form *form, const ct_plain_unit *u, int first, int n, int row)
{
    float reach = 0;
    for (int g = first; g < first + n; g++) {
        const float one = reach_of(form, u, g, row);
        if (!isfinite(one))
            return NAN;
        reach = fmaxf(reach, one);
    }
    return power_below(fmaxf(reach * (65.0f / 64), 0x1p-40f)) * 0x1p-7f;
}

static void grid_of(const ct_form *form, const ct_plain_unit *u, int stretch, grid *out)
{
    const int n = 32 / u->group, shift = ct_grid_shift(form);
    for (int r = 0; r < CT_PANEL; r++) {
        const float step = out->step[r] = step_of(form, u, n * stretch, n, r);
        for (int c = 0; c < 32; c++) {
            const int g = n * stretch + c / u->group;
            if (isnan(step)) {
                out->i[c][r] = 0;
                continue;
            }
            const int32_t s = (int32_t)rintf(u->scale[g][r] * (1 / step) * ldexpf(1, 15 - shift));
            const int32_t a = u->has_min ? (int32_t)rintf(u->min[g][r] * (1 / step)) : 0;
            out->i[c][r] = (int16_t)(((u->codes[32 * stretch + c][r] * (1 << shift) * s + (1 << 14)) >> 15) + a);
        }
    }
}

/* A token's group of 32: its whole numbers in column order, and their power of two; NaN if it is NaN. */
static float numbers_of(const uint8_t *x, int32_t j[32])
{
    float v[32], top = 0;
    for (int i = 0; i < 32; i++) {
        uint16_t h;
        memcpy(&h, x + 2 * (i / 4 * 4 + "\0\2\1\3"[i % 4]), 2);
        v[i] = ct_bf16_to_f32(h);
        if (isnan(v[i]))
            return NAN;
        top = fmaxf(top, fabsf(v[i]));
    }
    const float h = top > 0 ? power_below(top) * 0x1p-10f : 1;
    for (int i = 0; i < 32; i++)
        j[i] = (int32_t)(v[i] / h);
    return h;
}

static void accumulate(float acc[CT_PANEL], const grid *w, const uint8_t *x)
{
    int32_t j[32] = { 0 };
    const float h = numbers_of(x, j);
    for (int r = 0; r < CT_PANEL; r++) {
        int32_t sum = 0;
        for (int c = 0; c < 32; c++)
            sum += w->i[c][r] * j[c];
        acc[r] += w->step[r] * h * (float)sum;
    }
}

static void mul_panel(const ct_mul *m, const uint8_t *panel, size_t row, size_t t0, size_t n_tok, void *scratch)
{
    grid_scratch *s = scratch;
    const ct_form *form = ct_form_of(m->type);
    const uint8_t *unit = panel, *tail = panel;
    if (ct_unit_of(m->type, 2).has_tail)
        tail += ct_tail_offset(m->type, m->cols);
    memset(s->acc, 0, n_tok * sizeof *s->acc);
    const uint8_t *x = (const uint8_t *)m->x + t0 * m->x_stride;
    for (size_t u = 0; u < ct_units(m->type, m->cols); u++) {
        const ct_unit f = ct_unit_at(m->type, m->cols, u);
        ct_plain_unit_of(m->type, &f, unit, tail + 32 * u, &s->unit);
        for (int stretch = 0; stretch < f.stretches; stretch++, x += 64) {
            grid_of(form, &s->unit, stretch, &s->w);
            for (size_t t = 0; t < n_tok; t++)
                accumulate(s->acc[t], &s->w, x + t * m->x_stride);
        }
        unit += f.bytes;
    }
    const size_t n_rows = m->rows - row < CT_PANEL ? m->rows - row : CT_PANEL;
    for (size_t t = 0; t < n_tok; t++)
        memcpy(m->y + (t0 + t) * m->y_stride + row, s->acc[t], n_rows * sizeof(float));
}

void ct_mul_grid_generic(const ct_mul *m, size_t panel_begin, size_t panel_end, void *scratch)
{
    ct_plain_panels(m, panel_begin, panel_end, scratch, mul_panel);
}
