/* avx2_y_tile.h - where a kernel sums a tile of y, and other small things of the loops around the kernels.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_X86_AVX2_Y_TILE_H
#define CT_KERNELS_X86_AVX2_Y_TILE_H

#include "kernels/x86/avx2.h"

#define MAX_TILE 6 /* tokens */

/* [tokens][16 rows] of y: in place, or for a panel that has less than 16 rows in a copy. */
typedef struct y_tile {
    float *c; /* what the kernel writes, ldc floats a token */
    size_t ldc;
    float *y;
    size_t stride, tokens, rows;
    _Alignas(32) float copy[MAX_TILE][CT_PANEL];
} y_tile;

/* is_first: y holds no sums yet. */
static inline void y_begin(y_tile *e, const ct_mul *m, size_t panel, size_t t0, size_t tokens, bool is_first)
{
    e->y = m->y + t0 * m->y_stride + panel * CT_PANEL;
    e->stride = m->y_stride;
    e->tokens = tokens;
    e->rows = m->rows - panel * CT_PANEL;
    if (e->rows >= CT_PANEL) {
        e->c = e->y, e->ldc = e->stride;
        return;
    }
    e->c = e->copy[0], e->ldc = CT_PANEL;
    for (size_t t = 0; t < tokens && !is_first; t++)
        memcpy(e->copy[t], e->y + e->stride * t, e->rows * sizeof *e->y);
}

static inline void y_end(const y_tile *e)
{
    for (size_t t = 0; t < e->tokens && e->c != e->y; t++)
        memcpy(e->y + e->stride * t, e->copy[t], e->rows * sizeof *e->y);
}

static inline size_t panel_bytes_of(const ct_mul *m)
{
    size_t bytes = 0;
    ct_panel_bytes(m->type, m->cols, &bytes);
    return bytes;
}

static inline size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

#endif
