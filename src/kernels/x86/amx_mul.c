/* amx_mul.c - see amx_mul.h: few tokens. They are read where they stand, by four panels at once.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/x86/amx_mul.h"

#include <immintrin.h>

#include "kernels/x86/tiles.h"

#define WIDE 4 /* panels that are multiplied at once */
#define RUN  4 /* stretches of unpacked panels: WIDE of them stay in L1 */

_Static_assert(WIDE *RUN *AMX_STRETCH <= AMX_SCRATCH, "unpacked panels fit");

typedef struct work {
    const ct_mul *m;
    amx_unpack *unpack; /* NULL: in place */
    uint8_t *unpacked;
    size_t panel_bytes;
    size_t s, n, steps; /* the run: stretches [s, s + n), all of as many pairs of columns */
    tile_config shape;  /* as the registers are */
} work;

/* Where a multiplication finds its operands. */
typedef struct operands {
    const uint8_t *x, *w;
    size_t w_panel; /* bytes to the next panel */
    float *y;
} operands;

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Sums of P panels in registers 0 to P - 1, tokens in 4, weights in 5 and from there on; of the last panel only the rows
 * that exist. */
static void set_shape(work *k, int P, size_t rows)
{
    tile_config c = { .palette = 1 };
    for (int i = 0; i < P; i++) {
        c.rows[i] = (uint8_t)k->m->n;
        c.row_bytes[i] = (uint16_t)(4 * min_size(rows - (size_t)i * CT_PANEL, CT_PANEL));
    }
    c.rows[4] = (uint8_t)k->m->n;
    c.row_bytes[4] = (uint16_t)(4 * k->steps);
    for (int i = 5; i < TILES; i++) {
        c.rows[i] = (uint8_t)k->steps;
        c.row_bytes[i] = c.row_bytes[0];
    }
    for (int i = P; i < WIDE; i++) /* not used */
        c.rows[i] = 1, c.row_bytes[i] = 4;
    if (memcmp(&c, &k->shape, sizeof c) != 0)
        tiles_configure(&c);
    k->shape = c;
}

/* The sums of P panels go into the registers, or to y. */
TILES_INLINE void move_sums(const int P, bool is_load, float *y, size_t stride)
{
    stride *= sizeof *y;
#define MOVE(t)                                                                                                        \
    do {                                                                                                               \
        if (is_load)                                                                                                   \
            tile_load(t, y + (t)*CT_PANEL, stride);                                                                    \
        else                                                                                                           \
            tile_store(t, y + (t)*CT_PANEL, stride);                                                                   \
    } while (0)
    MOVE(0);
    if (P > 1) {
        MOVE(1);
        MOVE(2);
        MOVE(3);
    }
#undef MOVE
}

/* y [16][y_stride] += x times P panels, 1 or 4, over the run; the first run does not read y. */
TILES_INLINE void multiply(const int P, const work *k, const operands *o)
{
    const uint8_t *x = o->x, *w = o->w;
    if (k->s == 0)
        tile_zero(0), tile_zero(1), tile_zero(2), tile_zero(3);
    else
        move_sums(P, true, o->y, k->m->y_stride);
    for (size_t i = 0; i < k->n; i++, x += TILE_BYTES, w += AMX_STRETCH) {
        tile_load(4, x, k->m->x_stride);
        tile_load(5, w, 64);
        tile_mul_bf16(0, 4, 5);
        if (P > 1) {
            tile_load(6, w + o->w_panel, 64);
            tile_mul_bf16(1, 4, 6);
            tile_load(7, w + 2 * o->w_panel, 64);
            tile_mul_bf16(2, 4, 7);
            tile_load(5, w + 3 * o->w_panel, 64);
            tile_mul_bf16(3, 4, 5);
        }
    }
    move_sums(P, false, o->y, k->m->y_stride);
}

/* P panels from p on, for the run. */
static const uint8_t *panels_at(const work *k, size_t p, size_t P, size_t *stride)
{
    const uint8_t *panel = (const uint8_t *)k->m->w + p * k->panel_bytes;
    *stride = k->unpack ? k->n * AMX_STRETCH : k->panel_bytes;
    for (size_t i = 0; k->unpack && i < P; i++)
        k->unpack(k->m, panel + i * k->panel_bytes, k->s, k->n, AMX_STRETCH, k->unpacked + i * *stride);
    return k->unpack ? k->unpacked : panel + k->s * AMX_STRETCH;
}

static void multiply_panels(work *k, size_t p, size_t P)
{
    const ct_mul *m = k->m;
    operands o = { .x = (const uint8_t *)m->x + k->s * TILE_BYTES, .y = m->y + p * CT_PANEL };
    o.w = panels_at(k, p, P, &o.w_panel);
    set_shape(k, (int)P, min_size(m->rows - p * CT_PANEL, P * CT_PANEL));
    if (P == WIDE)
        multiply(WIDE, k, &o);
    else
        multiply(1, k, &o);
}

/* The panels, four at once and those left over one by one: the last may be a part of one. */
static void multiply_run(work *k, size_t panel_begin, size_t panel_end, size_t s, size_t n, size_t steps)
{
    k->s = s, k->n = n, k->steps = steps;
    for (size_t p = panel_begin, P; p < panel_end; p += P) {
        P = panel_end - p >= WIDE && (p + WIDE) * CT_PANEL <= k->m->rows ? WIDE : 1;
        multiply_panels(k, p, P);
    }
}

/* All runs: whole stretches, and what is left of a last one. */
static void multiply_runs(work *k, size_t panel_begin, size_t panel_end)
{
    const size_t steps = (k->m->cols + 1) / 2, whole = steps / TILE_STEPS, rest = steps % TILE_STEPS;
    const size_t run = k->unpack ? RUN : whole;
    for (size_t s = 0; s < whole; s += run)
        multiply_run(k, panel_begin, panel_end, s, min_size(run, whole - s), TILE_STEPS);
    if (rest)
        multiply_run(k, panel_begin, panel_end, whole, 1, rest);
}

void AMX_NAME(mul)(const ct_mul *m, size_t panel_begin, size_t panel_end, amx_unpack *unpack, bool in_place,
                   void *scratch)
{
    work k = { .m = m, .unpack = in_place ? NULL : unpack, .unpacked = scratch };
    if (m->n == 0 || panel_begin >= panel_end || m->cols == 0)
        return;
    if (m->x_is_tiled || m->n > TILE_ROWS) {
        AMX_NAME(mul_many)(m, panel_begin, panel_end, unpack, in_place, scratch);
        return;
    }
    ct_panel_bytes(m->type, m->cols, &k.panel_bytes);
    for (size_t p = panel_begin; p < panel_end; p += WIDE) /* each is read once, in one piece */
        multiply_runs(&k, p, min_size(p + WIDE, panel_end));
    tiles_end();
}
