/* amx_mul.c - see amx_mul.h.
 *
 * Many tokens: 32 of them times two panels, four sums. A block of tokens is copied tile by tile for a run of stretches and
 * stays in L2, where it is read much faster in one piece than row by row; the panels pass it two by two. A run of the
 * block and of two panels take at most AMX_SCRATCH. Few tokens are read where they stand, by four panels at once.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/x86/amx_mul.h"

#include <immintrin.h>

#include "kernels/x86/tiles.h"

#define RUN     40 /* stretches at most */
#define RUN_FEW 4  /* of unpacked panels that few tokens meet: four of them stay in L1 */
#define TOKENS  TILE_ROWS
#define TILE    (TILE_ROWS * TILE_BYTES)

_Static_assert(RUN *(AMX_BLOCK *TILE_BYTES + 2 * AMX_STRETCH) <= AMX_SCRATCH,
               "a block's run and two unpacked panels fit");

typedef struct work {
    const ct_mul *m;
    amx_unpack *unpack;
    uint8_t *x, *unpacked; /* scratch: the block, [32 tokens][stretch][2 tiles]; panels */
    size_t panel_bytes;
    size_t t, n_tokens; /* of the block */
    size_t s, n, steps; /* the run: stretches [s, s + n), all of as many pairs of columns */
    tile_config shape;  /* as the registers are */
} work;

/* Where a multiplication finds its operands: tiles of tokens and panels. */
typedef struct operands {
    const uint8_t *x, *w;
    size_t x_row, x_tile, x_next; /* bytes to the next row, to the second tile, to the next stretch */
    size_t w_panel;               /* to the next panel */
    float *y;
} operands;

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Sums of T tiles of tokens times P panels in registers 0 to T P - 1, tokens first; then A from 4 on, then B. Of the
 * last token tile and of the last panel only what exists. */
static void set_shape(work *k, int T, int P, size_t tokens, size_t rows)
{
    tile_config c = { .palette = 1 };
    for (int i = 0; i < T * P; i++) {
        c.rows[i] = (uint8_t)min_size(tokens - (size_t)(i / P) * TOKENS, TOKENS);
        c.row_bytes[i] = (uint16_t)(4 * min_size(rows - (size_t)(i % P) * CT_PANEL, CT_PANEL));
    }
    for (int i = 0; i < T; i++) {
        c.rows[4 + i] = c.rows[i * P];
        c.row_bytes[4 + i] = (uint16_t)(4 * k->steps);
    }
    for (int i = 4 + T; i < TILES; i++) {
        c.rows[i] = (uint8_t)k->steps;
        c.row_bytes[i] = c.row_bytes[P > 1 ? (i - 4 - T) % P : 0];
    }
    for (int i = T * P; i < 4; i++) /* not used */
        c.rows[i] = 1, c.row_bytes[i] = 4;
    if (memcmp(&c, &k->shape, sizeof c) != 0)
        tiles_configure(&c);
    k->shape = c;
}

/* The sums of T tiles of tokens times P panels go into the registers, or to y. */
TILES_INLINE void move_sums(const int T, const int P, bool is_load, float *y, size_t stride)
{
    float *y1 = y + TOKENS * stride;
    stride *= sizeof *y;
#define MOVE(t, at)                                                                                                    \
    do {                                                                                                               \
        if (is_load)                                                                                                   \
            tile_load(t, at, stride);                                                                                  \
        else                                                                                                           \
            tile_store(t, at, stride);                                                                                 \
    } while (0)
    MOVE(0, y);
    if (P > 1)
        MOVE(1, y + 16);
    if (P > 2) {
        MOVE(2, y + 32);
        MOVE(3, y + 48);
    }
    if (T > 1)
        MOVE(P, y1);
    if (T > 1 && P > 1)
        MOVE(3, y1 + 16);
#undef MOVE
}

/* y [16 T][y_stride] += x times P panels over the run; the first run does not read y. next: the y of the multiplication
 * after this one, whose lines are fetched in the meantime: they come from far away, and sums that wait for them hold up
 * everything behind them. */
TILES_INLINE void multiply(const int T, const int P, const work *k, const operands *o, const float *next)
{
    const uint8_t *x = o->x, *w = o->w;
    const size_t y_stride = k->m->y_stride, rows = (32 + k->n - 1) / k->n;
    size_t row = 0;
    if (k->s == 0)
        tile_zero(0), tile_zero(1), tile_zero(2), tile_zero(3);
    else
        move_sums(T, P, true, o->y, y_stride);
    for (size_t i = 0; i < k->n; i++, x += o->x_next, w += AMX_STRETCH) {
        tile_load(4, x, o->x_row);
        if (T > 1) {
            tile_load(6, w, 64);
            tile_mul_bf16(0, 4, 6);
            for (size_t j = 0; next && j < rows; j++, row++) {
                __builtin_prefetch(next + row * y_stride, 1);
                __builtin_prefetch(next + row * y_stride + 31, 1);
            }
            tile_load(5, x + o->x_tile, o->x_row);
            tile_mul_bf16(P, 5, 6);
            if (P > 1) {
                tile_load(7, w + o->w_panel, 64);
                tile_mul_bf16(1, 4, 7);
                tile_mul_bf16(3, 5, 7);
            }
        } else {
            tile_load(5, w, 64);
            tile_mul_bf16(0, 4, 5);
            if (P > 1) {
                tile_load(6, w + o->w_panel, 64);
                tile_mul_bf16(1, 4, 6);
            }
            if (P > 2) {
                tile_load(7, w + 2 * o->w_panel, 64);
                tile_mul_bf16(2, 4, 7);
                tile_load(5, w + 3 * o->w_panel, 64);
                tile_mul_bf16(3, 4, 5);
            }
        }
    }
    move_sums(T, P, false, o->y, y_stride);
}

/* Where P panels from p on are, for the run. */
static const uint8_t *panels_at(const work *k, size_t p, size_t P, size_t *stride)
{
    const uint8_t *panel = (const uint8_t *)k->m->w + p * k->panel_bytes;
    *stride = k->unpack ? k->n * AMX_STRETCH : k->panel_bytes;
    for (size_t i = 0; k->unpack && i < P; i++)
        k->unpack(k->m, panel + i * k->panel_bytes, k->s, k->n, k->unpacked + i * *stride);
    return k->unpack ? k->unpacked : panel + k->s * AMX_STRETCH;
}

/* ---- many tokens ---- */

/* The run's stretches of the block's tokens; tokens that do not exist are left out. */
static void copy_tokens(const work *k)
{
    const __mmask16 live = (__mmask16)(0xFFFFu >> (TILE_STEPS - k->steps));
    const uint8_t *from = (const uint8_t *)k->m->x + k->t * k->m->x_stride + k->s * TILE_BYTES;
    for (size_t t = 0; t < k->n_tokens; t++, from += k->m->x_stride) {
        uint8_t *to = k->x + t / (2 * TOKENS) * k->n * 2 * TILE + t / TOKENS % 2 * TILE + t % TOKENS * TILE_BYTES;
        for (size_t i = 0; i < k->n; i++)
            _mm512_store_si512(to + i * 2 * TILE, _mm512_maskz_loadu_epi32(live, from + i * TILE_BYTES));
    }
}

/* P panels from p on, 1 or 2, times the block. */
static void multiply_panels(work *k, size_t p, size_t P)
{
    const ct_mul *m = k->m;
    const size_t rows = min_size(m->rows - p * CT_PANEL, P * CT_PANEL);
    operands o = { .x_row = TILE_BYTES, .x_tile = TILE, .x_next = 2 * TILE };
    o.w = panels_at(k, p, P, &o.w_panel);
    for (size_t t = 0; t < k->n_tokens; t += 2 * TOKENS) {
        const size_t tokens = min_size(k->n_tokens - t, 2 * TOKENS);
        const float *next = NULL;
        o.x = k->x + t * k->n * TILE_BYTES;
        o.y = m->y + (k->t + t) * m->y_stride + p * CT_PANEL;
        if (k->n_tokens - t >= 4 * TOKENS)
            next = o.y + 2 * TOKENS * m->y_stride;
        else if (rows == 32 && (p + 4) * CT_PANEL <= m->rows)
            next = m->y + k->t * m->y_stride + (p + 2) * CT_PANEL;
        set_shape(k, tokens > TOKENS ? 2 : 1, (int)P, tokens, rows);
        if (tokens > TOKENS && P == 2)
            multiply(2, 2, k, &o, next);
        else if (tokens > TOKENS)
            multiply(2, 1, k, &o, next);
        else if (P == 2)
            multiply(1, 2, k, &o, NULL);
        else
            multiply(1, 1, k, &o, NULL);
    }
}

/* ---- few tokens ---- */

static void multiply_few(work *k, size_t p, size_t P)
{
    const ct_mul *m = k->m;
    operands o = { .x = (const uint8_t *)m->x + k->s * TILE_BYTES, .x_row = m->x_stride, .x_next = TILE_BYTES };
    o.w = panels_at(k, p, P, &o.w_panel);
    o.y = m->y + p * CT_PANEL;
    set_shape(k, 1, (int)P, m->n, min_size(m->rows - p * CT_PANEL, P * CT_PANEL));
    if (P == 4)
        multiply(1, 4, k, &o, NULL);
    else
        multiply(1, 1, k, &o, NULL);
}

/* ---- both ---- */

/* The panels, `wide` at once and those left over one by one: the last may be a part of one. */
static void multiply_run(work *k, size_t panel_begin, size_t panel_end, size_t s, size_t n, size_t steps)
{
    const bool is_few = k->m->n <= TOKENS;
    const size_t wide = is_few ? 4 : 2;
    k->s = s, k->n = n, k->steps = steps;
    if (!is_few)
        copy_tokens(k);
    for (size_t p = panel_begin, P; p < panel_end; p += P) {
        P = panel_end - p >= wide && (p + wide) * CT_PANEL <= k->m->rows ? wide : 1;
        if (is_few)
            multiply_few(k, p, P);
        else
            multiply_panels(k, p, P);
    }
}

/* All runs: whole stretches, and what is left of a last one. */
static void multiply_runs(work *k, size_t panel_begin, size_t panel_end, size_t longest)
{
    const size_t steps = (k->m->cols + 1) / 2, whole = steps / TILE_STEPS, rest = steps % TILE_STEPS;
    const size_t runs = (whole + longest - 1) / longest, run = runs ? (whole + runs - 1) / runs : 0;
    for (size_t s = 0; s < whole; s += run)
        multiply_run(k, panel_begin, panel_end, s, min_size(run, whole - s), TILE_STEPS);
    if (rest)
        multiply_run(k, panel_begin, panel_end, whole, 1, rest);
}

void AMX_NAME(mul)(const ct_mul *m, size_t panel_begin, size_t panel_end, amx_unpack *unpack, void *scratch)
{
    work k = { .m = m, .unpack = unpack, .x = scratch };
    if (m->n == 0 || panel_begin >= panel_end || m->cols == 0)
        return;
    ct_panel_bytes(m->type, m->cols, &k.panel_bytes);
    if (m->n <= TOKENS) { /* panels four by four: each is read once, in one piece */
        k.unpacked = scratch;
        for (size_t p = panel_begin; p < panel_end; p += 4)
            multiply_runs(&k, p, min_size(p + 4, panel_end), unpack ? RUN_FEW : m->cols);
    } else {
        k.unpacked = k.x + RUN * AMX_BLOCK * TILE_BYTES;
        for (k.t = 0; k.t < m->n; k.t += AMX_BLOCK) {
            k.n_tokens = min_size(m->n - k.t, AMX_BLOCK);
            multiply_runs(&k, panel_begin, panel_end, RUN);
        }
    }
    tiles_end();
}
