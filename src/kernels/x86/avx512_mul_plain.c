/* avx512_mul_plain.c - see avx512_mul_plain.h.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/x86/avx512_mul_plain.h"

#include <assert.h>
#include <immintrin.h>
#include <string.h>

#define MAX_TILE        (12 * 2 * CT_PANEL) /* floats: 12 tokens x 2 panels, the largest of the kernels' tiles */
#define WEIGHTS_SCRATCH ((size_t)64 << 10)  /* 4 panels x 256 steps, or 2 x 512 */

typedef struct plain_block {
    const plain_path *path;
    const ct_mul *m;
    size_t s0, n_steps; /* of the chunk */
    size_t t0, n;       /* tokens */
    const uint8_t *x;   /* where the block's part of them begins */
    uint8_t *last;      /* scratch: the tile that lacks tokens */
} plain_block;

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The block's last tokens, if they fill no tile, as [T][n_steps]: the last one repeated. */
static void copy_last(const plain_block *b)
{
    const size_t tile = b->path->tokens, whole = b->n / tile * tile, bytes = 4 * b->n_steps;
    for (size_t t = 0; t < tile && whole < b->n; t++)
        memcpy(b->last + t * bytes, b->x + min_size(whole + t, b->n - 1) * b->m->x_stride, bytes);
}

/* Prefetches y of the tile after the one at y while this one is computed. */
static void fetch_next(const plain_block *b, float *y, size_t tokens)
{
    const size_t width = b->path->panels * CT_PANEL;
    for (size_t t = 0; t < tokens; t++)
        for (size_t i = 0; i < width; i += 16)
            _mm_prefetch((const char *)(y + t * b->m->y_stride + i), _MM_HINT_T0);
}

/* One tile: in place where all of it exists, else through a copy. */
static void mul_tile(const plain_block *b, const uint8_t *const w[PLAIN_MAX_PANELS], const plain_tokens *x,
                     size_t tokens, size_t rows, float *y)
{
    const size_t width = b->path->panels * CT_PANEL;
    const bool is_first = b->s0 == 0;
    if (tokens == b->path->tokens && rows == width) {
        b->path->kernel(w, x, b->n_steps, y, b->m->y_stride, is_first);
        return;
    }
    _Alignas(64) float copy[MAX_TILE];
    for (size_t t = 0; !is_first && t < tokens; t++)
        memcpy(copy + width * t, y + b->m->y_stride * t, rows * sizeof *y);
    b->path->kernel(w, x, b->n_steps, copy, width, is_first);
    for (size_t t = 0; t < tokens; t++)
        memcpy(y + b->m->y_stride * t, copy + width * t, rows * sizeof *y);
}

/* Panels [p, p + R) of which those before panel_end exist, times the block's tokens. */
static void mul_panels(const plain_block *b, size_t p, size_t panel_end, size_t panel_bytes, uint8_t *buf)
{
    const plain_path *path = b->path;
    const ct_mul *m = b->m;
    const uint8_t *w[PLAIN_MAX_PANELS];
    for (size_t i = 0; i < path->panels; i++) {
        const uint8_t *panel = (const uint8_t *)m->w + min_size(p + i, panel_end - 1) * panel_bytes;
        if (path->unpack) {
            w[i] = buf + i * 64 * path->chunk;
            path->unpack(m, panel, b->s0, b->n_steps, buf + i * 64 * path->chunk);
        } else {
            w[i] = panel + b->s0 * path->step_bytes;
        }
    }
    const size_t rows = min_size(min_size(panel_end, p + path->panels) * CT_PANEL, m->rows) - p * CT_PANEL;
    for (size_t t = 0; t < b->n; t += path->tokens) {
        const size_t after = t + path->tokens;
        if (b->s0 > 0 && after < b->n)
            fetch_next(b, m->y + (b->t0 + after) * m->y_stride + p * CT_PANEL, min_size(b->n - after, path->tokens));
        const size_t tokens = min_size(b->n - t, path->tokens);
        const plain_tokens whole = { b->x + t * m->x_stride, m->x_stride }, last = { b->last, 4 * b->n_steps };
        mul_tile(b, w, tokens == path->tokens ? &whole : &last, tokens, rows,
                 m->y + (b->t0 + t) * m->y_stride + p * CT_PANEL);
    }
}

/* Steps at a time: where panels are read in place, a last chunk of a few steps is shared out among the others, because
 * each chunk costs a pass over y. Even, because columns of bf16 stand in pairs. */
static size_t chunk_of(const plain_path *path, size_t steps)
{
    if (path->unpack || steps == 0)
        return path->chunk;
    const size_t n = (steps + path->chunk - 1) / path->chunk;
    return ((steps + n - 1) / n + 1) & ~(size_t)1;
}

void ct_avx512_mul_plain(const plain_path *path, size_t steps, const ct_mul *m, size_t panel_begin, size_t panel_end,
                         void *scratch)
{
    const size_t chunk = chunk_of(path, steps);
    const size_t tile_bytes = 4 * chunk * path->tokens; /* of a tile's tokens */
    size_t panel_bytes = 0;
    assert(tile_bytes <= PLAIN_NEAR && tile_bytes <= CT_MUL_SCRATCH - WEIGHTS_SCRATCH);
    if (m->n == 0 || panel_begin >= panel_end)
        return;
    const size_t fit = PLAIN_NEAR / tile_bytes, tiles = (m->n + path->tokens - 1) / path->tokens;
    const size_t blocks = (tiles + fit - 1) / fit;
    const size_t block = (tiles + blocks - 1) / blocks * path->tokens; /* all of one size, but for the last */
    ct_panel_bytes(m->type, m->cols, &panel_bytes);
    plain_block b = { .path = path, .m = m, .last = (uint8_t *)scratch + WEIGHTS_SCRATCH };
    for (b.s0 = 0; b.s0 < steps; b.s0 += chunk) {
        b.n_steps = min_size(chunk, steps - b.s0);
        for (b.t0 = 0; b.t0 < m->n; b.t0 += block) {
            b.n = min_size(block, m->n - b.t0);
            b.x = (const uint8_t *)m->x + b.t0 * m->x_stride + 4 * b.s0;
            copy_last(&b);
            for (size_t p = panel_begin; p < panel_end; p += path->panels)
                mul_panels(&b, p, panel_end, panel_bytes, scratch);
        }
    }
}
