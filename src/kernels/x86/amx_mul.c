/* amx_mul.c - see amx_mul.h.
 *
 * Many tokens: 32 of them times two panels, four sums, in runs of stretches. The tokens' run stays in L1 while all
 * panels of a block pass it; the panels' runs stay in L2 while all tokens pass. Few tokens: four panels at once.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/x86/amx_mul.h"

#include "kernels/x86/tiles.h"

#define RUN      16                                     /* stretches: 32 tokens of 1 KiB each are two thirds of L1 */
#define RUN_FEW  4                                      /* ... and four unpacked panels a third */
#define NEAR     ((size_t)640 << 10)                    /* bytes of a block of panels */
#define UNPACKED (CT_MUL_SCRATCH / (RUN * AMX_STRETCH)) /* panels that the scratch holds */
#define TOKENS   TILE_ROWS

_Static_assert(4 * RUN_FEW * AMX_STRETCH <= CT_MUL_SCRATCH && UNPACKED >= 2,
               "the scratch holds what is multiplied at once");

typedef struct work {
    const ct_mul *m;
    amx_unpack *unpack;
    uint8_t *scratch;
    size_t panel_bytes;
    size_t begin, end;  /* panels of the block */
    size_t s, n, steps; /* the run: stretches [s, s + n), all of as many pairs of columns */
    const uint8_t *w;   /* of the first panel, from the run's first stretch on */
    size_t w_stride;    /* from panel to panel */
    tile_config shape;  /* as the registers are */
} work;

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

/* y [16 T][y_stride] += x times P panels over n stretches; is_first: y is not read. */
TILES_INLINE void multiply(const int T, const int P, const work *k, const uint8_t *x, const uint8_t *w, float *y)
{
    const size_t x_stride = k->m->x_stride, y_stride = 4 * k->m->y_stride, next = k->w_stride;
    float *y1 = y + TOKENS * k->m->y_stride;
    if (k->s == 0) {
        tile_zero(0), tile_zero(1), tile_zero(2), tile_zero(3);
    } else {
        tile_load(0, y, y_stride);
        if (P > 1)
            tile_load(1, y + 16, y_stride);
        if (P > 2)
            tile_load(2, y + 32, y_stride), tile_load(3, y + 48, y_stride);
        if (T > 1)
            tile_load(P, y1, y_stride);
        if (T > 1 && P > 1)
            tile_load(3, y1 + 16, y_stride);
    }
    for (size_t i = 0; i < k->n; i++, x += TILE_BYTES, w += AMX_STRETCH) {
        tile_load(4, x, x_stride);
        if (T > 1) {
            tile_load(6, w, 64);
            tile_mul_bf16(0, 4, 6);
            tile_load(5, x + TOKENS * x_stride, x_stride);
            tile_mul_bf16(P, 5, 6);
            if (P > 1) {
                tile_load(7, w + next, 64);
                tile_mul_bf16(1, 4, 7);
                tile_mul_bf16(3, 5, 7);
            }
        } else {
            tile_load(5, w, 64);
            tile_mul_bf16(0, 4, 5);
            if (P > 1) {
                tile_load(6, w + next, 64);
                tile_mul_bf16(1, 4, 6);
                tile_load(7, w + 2 * next, 64);
                tile_mul_bf16(2, 4, 7);
                tile_load(5, w + 3 * next, 64);
                tile_mul_bf16(3, 4, 5);
            }
        }
    }
    tile_store(0, y, y_stride);
    if (P > 1)
        tile_store(1, y + 16, y_stride);
    if (P > 2)
        tile_store(2, y + 32, y_stride), tile_store(3, y + 48, y_stride);
    if (T > 1)
        tile_store(P, y1, y_stride);
    if (T > 1 && P > 1)
        tile_store(3, y1 + 16, y_stride);
}

/* Tokens [t, t + tokens), at most 32, times the block's panels: four or two at once, those left over one by one. */
static void multiply_tokens(work *k, size_t t, size_t tokens)
{
    const ct_mul *m = k->m;
    const uint8_t *x = (const uint8_t *)m->x + t * m->x_stride + k->s * TILE_BYTES;
    const size_t wide = tokens > TOKENS ? 2 : 4;
    for (size_t p = k->begin, n; p < k->end; p += n) {
        const size_t rows = m->rows - p * CT_PANEL;
        const uint8_t *w = k->w + (p - k->begin) * k->w_stride;
        float *y = m->y + t * m->y_stride + p * CT_PANEL;
        n = k->end - p >= wide && rows >= wide * CT_PANEL ? wide : 1;
        set_shape(k, tokens > TOKENS ? 2 : 1, (int)n, tokens, min_size(rows, n * CT_PANEL));
        if (n == 4)
            multiply(1, 4, k, x, w, y);
        else if (n == 2)
            multiply(2, 2, k, x, w, y);
        else if (wide == 2)
            multiply(2, 1, k, x, w, y);
        else
            multiply(1, 1, k, x, w, y);
    }
}

/* The run's stretches of the block's panels times all tokens. */
static void multiply_run(work *k, size_t s, size_t n, size_t steps)
{
    const ct_mul *m = k->m;
    const uint8_t *panel = (const uint8_t *)m->w + k->begin * k->panel_bytes;
    k->s = s, k->n = n, k->steps = steps;
    k->w = k->unpack ? k->scratch : panel + s * AMX_STRETCH;
    k->w_stride = k->unpack ? n * AMX_STRETCH : k->panel_bytes;
    for (size_t p = 0; k->unpack && p < k->end - k->begin; p++)
        k->unpack(m, panel + p * k->panel_bytes, s, n, k->scratch + p * k->w_stride);
    for (size_t t = 0; t < m->n; t += 2 * TOKENS)
        multiply_tokens(k, t, min_size(m->n - t, 2 * TOKENS));
}

void AMX_NAME(mul)(const ct_mul *m, size_t panel_begin, size_t panel_end, amx_unpack *unpack, void *scratch)
{
    const bool is_few = m->n <= TOKENS;
    const size_t steps = (m->cols + 1) / 2, whole = steps / TILE_STEPS, rest = steps % TILE_STEPS;
    const size_t run = !is_few  ? RUN
                       : unpack ? RUN_FEW
                                : whole,
                 block = is_few   ? 4
                         : unpack ? UNPACKED
                                  : NEAR / (RUN * AMX_STRETCH);
    work k = { .m = m, .unpack = unpack, .scratch = scratch };
    if (m->n == 0 || panel_begin >= panel_end)
        return;
    ct_panel_bytes(m->type, m->cols, &k.panel_bytes);
    for (k.begin = panel_begin; k.begin < panel_end; k.begin = k.end) {
        k.end = min_size(k.begin + block, panel_end);
        for (size_t s = 0; s < whole; s += run)
            multiply_run(&k, s, min_size(run, whole - s), TILE_STEPS);
        if (rest)
            multiply_run(&k, whole, 1, rest);
    }
    tiles_end();
}
