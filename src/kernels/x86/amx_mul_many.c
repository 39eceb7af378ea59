/* amx_mul_many.c - many tokens times weights in tiles, or that are unpacked into them: the loops around.
 *
 * 32 tokens times two panels are four sums in registers. Rows are cut into runs of RUN stretches: two panels' run
 * stays in L1 while all tokens of a block pass it; the tokens' run stays in L2 while the panels of a group pass. Tokens
 * stand in tiles (ct_kernels.acts_tiled), or are copied into some, 32 at a time: in rows a tile is sixteen lines in as many
 * pages. Between runs the sums wait in the scratch, whole tiles side by side, for the same reason.
 *
 * Measured on Sapphire Rapids, one thread, Q4_0, 256 tokens, other work on the other core, Tflop/s: 1.12, runs of 10 stretches
 * 1.02, of 16 0.89; y not fetched 1.03; unpacked once 1.26, and without stores to y 1.50; sums in registers 1.9; all operands
 * in L1 2.26. docs/PERFORMANCE.md has what was tried.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/x86/amx_mul.h"

#include <immintrin.h>

#include "kernels/x86/tiles.h"

#define RUN     8               /* stretches: two panels of 8 KiB are a third of L1 */
#define TOKENS  256             /* of a block: their run is a sixteenth of L2, the sums of a group a quarter */
#define TWO     (2 * TILE_ROWS) /* tokens, and rows, of the four sums */
#define TILE    ((size_t)1024)  /* bytes */
#define SUMS    (4 * TILE)      /* bytes of four sums */
#define WEIGHTS ((size_t)2 * RUN * AMX_STRETCH)
#define REST    (2 * RUN * TILE)                        /* the last tokens of a block, filled up with zeros */
#define GROUP   ((AMX_SCRATCH - WEIGHTS - REST) / SUMS) /* four sums that wait */

_Static_assert(GROUP >= TOKENS / TWO, "the sums of two panels and a block of tokens fit");

typedef struct block {
    const ct_mul *m;
    amx_unpack *unpack;
    bool in_place; /* the weights are tiles as they stand, but for a last stretch that is not whole */
    uint8_t *weights, *rest, *sums;
    size_t stretches; /* of a row */
    size_t panel_bytes;
    size_t t, n;       /* tokens [t, t + n) */
    size_t begin, end; /* panels of the group */
    size_t s, steps;   /* stretches of the run */
    bool is_last;      /* run */
} block;

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* A run's share of the packed weights of panel p, roughly: for fetching ahead. */
typedef struct ahead {
    const uint8_t *at[2];
    size_t bytes;
} ahead;

static ahead ahead_of(const block *k, size_t p, size_t s)
{
    const size_t begin = k->panel_bytes * s / k->stretches;
    const size_t end = k->panel_bytes * min_size(s + RUN, k->stretches) / k->stretches;
    const uint8_t *w = (const uint8_t *)k->m->w + begin;
    return (ahead){ { w + p * k->panel_bytes, w + min_size(p + 1, k->end - 1) * k->panel_bytes }, end - begin };
}

TILES_INLINE void fetch(ahead *a, size_t bytes)
{
    bytes = min_size(bytes, a->bytes);
    for (size_t i = 0; i < bytes; i += 64) {
        _mm_prefetch((const char *)a->at[0] + i, _MM_HINT_T1);
        _mm_prefetch((const char *)a->at[1] + i, _MM_HINT_T1);
    }
    a->at[0] += bytes, a->at[1] += bytes, a->bytes -= bytes;
}

/* Where tiles of tokens are: bytes to the next stretch, to the next sixteen tokens. */
typedef struct token_tiles {
    const uint8_t *at;
    size_t stretch, next;
} token_tiles;

/* Where tiles of two panels are: bytes to the next stretch. */
typedef struct weight_tiles {
    const uint8_t *at[2];
    size_t stretch;
} weight_tiles;

/* Four sums += 32 tokens times the run of two panels. next: where in y the sums after these will be finished, or NULL;
 * its 32 rows are fetched for writing in the meantime, as stores that wait for them hold up everything behind them. */
TILES_INLINE void multiply(const block *k, weight_tiles w, token_tiles x, uint8_t *sums, const float *next)
{
    const size_t rows = (TWO + k->steps - 1) / k->steps;
    size_t row = 0;
    if (k->s == 0) {
        tile_zero(0), tile_zero(1), tile_zero(2), tile_zero(3);
    } else {
        tile_load(0, sums, 64);
        tile_load(1, sums + TILE, 64);
        tile_load(2, sums + 2 * TILE, 64);
        tile_load(3, sums + 3 * TILE, 64);
    }
    for (size_t i = 0; i < k->steps; i++, x.at += x.stretch, w.at[0] += w.stretch, w.at[1] += w.stretch) {
        tile_load(6, w.at[0], 64);
        tile_load(4, x.at, 64);
        tile_mul_bf16(0, 4, 6);
        tile_load(7, w.at[1], 64);
        tile_mul_bf16(1, 4, 7);
        for (size_t j = 0; next && j < rows && row < TWO; j++, row++) {
            __builtin_prefetch(next + row * k->m->y_stride, 1);
            __builtin_prefetch(next + row * k->m->y_stride + CT_PANEL, 1);
        }
        tile_load(5, x.at + x.next, 64);
        tile_mul_bf16(2, 5, 6);
        tile_mul_bf16(3, 5, 7);
    }
}

static void keep(uint8_t *sums)
{
    tile_store(0, sums, 64);
    tile_store(1, sums + TILE, 64);
    tile_store(2, sums + 2 * TILE, 64);
    tile_store(3, sums + 3 * TILE, 64);
}

/* Sums of tokens from t on and panel p, p + 1 into y, as much of them as there is. */
static void finish(const block *k, size_t t, size_t p, uint8_t *sums)
{
    const ct_mul *m = k->m;
    const size_t row = p * CT_PANEL, rows = min_size(min_size(m->rows, k->end * CT_PANEL) - row, TWO);
    const size_t tokens = min_size(k->n - t, TWO);
    float *y = m->y + (k->t + t) * m->y_stride + row;
    if (rows == TWO && tokens == TWO) {
        tile_store(0, y, 4 * m->y_stride);
        tile_store(1, y + CT_PANEL, 4 * m->y_stride);
        tile_store(2, y + TILE_ROWS * m->y_stride, 4 * m->y_stride);
        tile_store(3, y + TILE_ROWS * m->y_stride + CT_PANEL, 4 * m->y_stride);
        return;
    }
    keep(sums);
    for (size_t i = 0; i < tokens; i++) {
        const uint8_t *from = sums + i / TILE_ROWS * 2 * TILE + i % TILE_ROWS * TILE_BYTES;
        memcpy(y + i * m->y_stride, from, min_size(rows, CT_PANEL) * sizeof *y);
        if (rows > CT_PANEL)
            memcpy(y + i * m->y_stride + CT_PANEL, from + TILE, (rows - CT_PANEL) * sizeof *y);
    }
}

/* 32 tokens of the block from t on, for the run. */
static token_tiles tokens_at(const block *k, size_t t)
{
    const ct_mul *m = k->m;
    if (!m->x_is_tiled || k->n - t < TWO)
        return (token_tiles){ k->rest, 2 * TILE, TILE };
    return (token_tiles){ (const uint8_t *)m->x + (k->t + t) * m->x_stride + k->s * TILE, TILE,
                          TILE_ROWS * m->x_stride };
}

/* Panels p and p + 1 (or p twice), for the run. */
static weight_tiles weights_at(const block *k, size_t p)
{
    const ct_mul *m = k->m;
    const uint8_t *panels[2];
    for (size_t i = 0; i < 2; i++)
        panels[i] = (const uint8_t *)m->w + min_size(p + i, k->end - 1) * k->panel_bytes;
    if (k->in_place && (!k->is_last || m->cols % 32 == 0))
        return (weight_tiles){ { panels[0] + k->s * AMX_STRETCH, panels[1] + k->s * AMX_STRETCH }, AMX_STRETCH };
    for (size_t i = 0; i < 2; i++)
        k->unpack(m, panels[i], k->s, k->steps, 2 * AMX_STRETCH, k->weights + i * AMX_STRETCH);
    return (weight_tiles){ { k->weights, k->weights + AMX_STRETCH }, 2 * AMX_STRETCH };
}

/* Where in y 32 whole tokens after t, or else the next two panels, will be finished; NULL: this is not the last run, or
 * there are none. */
static const float *finished_next(const block *k, size_t t, size_t p)
{
    const ct_mul *m = k->m;
    if (!k->is_last)
        return NULL;
    if (t + 2 * TWO <= k->n)
        return m->y + (k->t + t + TWO) * m->y_stride + p * CT_PANEL;
    return k->n >= TWO && p + 2 < k->end ? m->y + k->t * m->y_stride + (p + 2) * CT_PANEL : NULL;
}

/* The run of panels p and p + 1 (or p alone) times all tokens of the block. */
static void multiply_panels(block *k, size_t p, ahead next)
{
    const size_t pairs = (k->n + TWO - 1) / TWO, share = (next.bytes / pairs + 63) / 64 * 64;
    const weight_tiles w = weights_at(k, p);
    uint8_t *sums = k->sums + (p - k->begin) / 2 * pairs * SUMS;
    for (size_t t = 0; t < k->n; t += TWO, sums += SUMS) {
        fetch(&next, share);
        multiply(k, w, tokens_at(k, t), sums, finished_next(k, t, p));
        if (k->is_last)
            finish(k, t, p, sums);
        else
            keep(sums);
    }
}

/* The run's share of the tokens that are no 32 or stand in rows, in tiles; what is past a row is 0. */
static void copy_rest(const block *k)
{
    const ct_mul *m = k->m;
    const size_t whole = m->x_is_tiled ? k->n / TWO * TWO : 0, stretch = m->x_is_tiled ? TILE : TILE_BYTES;
    for (size_t i = 0; i < TWO && whole < k->n; i++) {
        const size_t t = k->t + whole + i, place = t / TILE_ROWS * TILE_ROWS * m->x_stride + t % TILE_ROWS * TILE_BYTES;
        const uint8_t *x = (const uint8_t *)m->x + (m->x_is_tiled ? place : t * m->x_stride) + k->s * stretch;
        uint8_t *to = k->rest + i / TILE_ROWS * TILE + i % TILE_ROWS * TILE_BYTES;
        for (size_t s = 0; s < k->steps; s++, to += 2 * TILE) {
            const size_t left = m->cols - 32 * (k->s + s);
            const __mmask32 live = whole + i >= k->n ? 0 : left < 32 ? (1u << left) - 1 : 0xFFFFFFFFu;
            _mm512_store_si512(to, _mm512_maskz_loadu_epi16(live, x + s * stretch));
        }
    }
}

void AMX_NAME(mul_many)(const ct_mul *m, size_t panel_begin, size_t panel_end, amx_unpack *unpack, bool in_place,
                        void *scratch)
{
    const size_t tokens = m->x_is_tiled ? TOKENS : TWO;
    block k = { .m = m, .unpack = unpack, .in_place = in_place, .weights = scratch };
    k.rest = k.weights + WEIGHTS, k.sums = k.rest + REST;
    k.stretches = (m->cols + 31) / 32;
    ct_panel_bytes(m->type, m->cols, &k.panel_bytes);
    tiles_begin();
    for (k.t = 0; k.t < m->n; k.t += tokens) {
        k.n = min_size(m->n - k.t, tokens);
        const size_t group = GROUP / ((k.n + TWO - 1) / TWO) * 2;
        for (k.begin = panel_begin; k.begin < panel_end; k.begin = k.end) {
            k.end = min_size(k.begin + group, panel_end);
            for (k.s = 0; k.s < k.stretches; k.s += RUN) {
                k.steps = min_size(RUN, k.stretches - k.s);
                k.is_last = k.s + RUN >= k.stretches;
                copy_rest(&k);
                for (size_t p = k.begin; p < k.end; p += 2)
                    multiply_panels(&k, p,
                                    p + 2 < k.end ? ahead_of(&k, p + 2, k.s)
                                    : k.is_last   ? (ahead){ { NULL, NULL }, 0 }
                                                  : ahead_of(&k, k.begin, k.s + RUN));
            }
        }
    }
    tiles_end();
}
