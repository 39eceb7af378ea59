/* avx512_q8_loops.h - the loops around the int8 kernels: which tokens meet which panels, and where sums wait.
 *
 * Few tokens (decode): tiles of eight tokens and one of the rest, filled up with zeros to 1, 2, 4 or 8, go over each
 * panel; the weights stream by and nothing is stored.
 *
 * Many tokens (prefill): CHUNK stretches of two panels are unpacked into a buffer that stays in L1, and multiplied with
 * all tiles of TILE tokens, whose codes are read where they stand. Sums of a row wait in y for the next chunk.
 *
 * The includer defines TILE, the tokens of its prefill tiles, and fills a q8_ops for each type. Kernels write whole
 * tiles of y; one that lacks tokens or rows goes through a copy here.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_X86_AVX512_Q8_LOOPS_H
#define CT_KERNELS_X86_AVX512_Q8_LOOPS_H

#include "kernels/x86/avx512_q8_tokens.h"

#define CHUNK       SIDE_STRETCHES /* unpacked at a time in prefill */
#define DECODE_TILE 8              /* tokens of the largest decode tile */
#define MAX_DECODE  24 /* tokens; above, prefill is as fast. Zen 4, Q4_0 4096 x 10240, n 12: 3.9 against 5.0 ms */
#define PANEL_ALIGN 8  /* stretches: whole units of every type */

_Static_assert(TILE <= DECODE_TILE, "a copy of y holds a tile");

/* ---- what a type brings ---- */

/* Columns 32 s0 .. 32 s1 of one panel times one tile of tokens: c [T][ldc >= 16]; is_first: c is not read. */
typedef void decode_fn(const uint8_t *panel, size_t cols, size_t s0, size_t s1, const uint8_t *x, float *c, size_t ldc,
                       bool is_first);

/* The unpacked stretch of R panels: u8 [8 groups][R][64], f32 [sub][R][16] scales, f32 [sub][R][16] minima. */
INLINE size_t weights_bytes(const q8_kind k, const size_t R)
{
    return R * 64 * (8 + (k.is_half ? 2 : 1) * (k.has_min ? 2 : 1));
}

/* Unpacks columns 32 s0 .. 32 s1 of a panel into place `lane` of R. */
typedef void unpack_fn(const uint8_t *panel, size_t cols, size_t s0, size_t s1, size_t lane, size_t R, uint8_t *out);

/* Some stretches of a tile of tokens: their codes, a token's `stride` bytes apart, and what else they have. */
typedef struct q8_tile {
    const uint8_t *codes, *side;
    size_t stride;
} q8_tile;

/* n stretches of R unpacked panels times one tile of tokens: c [TILE][ldc >= 16 R]. */
typedef void tile_fn(const uint8_t *w, const q8_tile *x, size_t n, float *c, size_t ldc, bool is_first);

typedef struct q8_ops {
    q8_kind kind;
    decode_fn *decode[4]; /* 1, 2, 4, 8 tokens */
    unpack_fn *unpack;
    tile_fn *tile[2]; /* 1, 2 panels */
} q8_ops;

/* Where a kernel's tile of y is written: in place if whole, else through `copy`. */
typedef struct y_tile {
    float *y, *copy; /* copy: [tokens][width], 64-aligned; not cleared, only what exists is read back */
    size_t stride, tokens, rows;
} y_tile;

#define Y_COPY (DECODE_TILE * 2 * CT_PANEL) /* floats */

static float *y_begin(const y_tile *e, size_t width, bool is_first)
{
    for (size_t t = 0; !is_first && t < e->tokens; t++)
        memcpy(e->copy + width * t, e->y + e->stride * t, e->rows * sizeof *e->y);
    return e->copy;
}

static void y_end(const y_tile *e, size_t width)
{
    for (size_t t = 0; t < e->tokens; t++)
        memcpy(e->y + e->stride * t, e->copy + width * t, e->rows * sizeof *e->y);
}

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* What a pass over the panels for few tokens has in hand. */
typedef struct few_pass {
    const q8_ops *ops;
    const ct_mul *m;
    size_t s0, s1; /* stretches */
} few_pass;

/* Tokens [t0, t0 + n) at x, in one tile of 1 << log, times panel p. */
static void few_tile(const few_pass *f, const uint8_t *panel, size_t p, const uint8_t *x, size_t t0, size_t n,
                     size_t log)
{
    const ct_mul *m = f->m;
    const bool is_first = f->s0 == 0;
    _Alignas(64) float copy[Y_COPY];
    const y_tile e = { .y = m->y + t0 * m->y_stride + p * CT_PANEL,
                       .copy = copy,
                       .stride = m->y_stride,
                       .tokens = n,
                       .rows = min_size(m->rows - p * CT_PANEL, CT_PANEL) };
    if (n == (size_t)1 << log && e.rows == CT_PANEL) {
        f->ops->decode[log](panel, m->cols, f->s0, f->s1, x, e.y, m->y_stride, is_first);
    } else {
        float *c = y_begin(&e, CT_PANEL, is_first);
        f->ops->decode[log](panel, m->cols, f->s0, f->s1, x, c, CT_PANEL, is_first);
        y_end(&e, CT_PANEL);
    }
}

static void mul_few(const q8_ops *o, const ct_mul *m, size_t panel_begin, size_t panel_end, uint8_t *scratch)
{
    const size_t rest = m->n % DECODE_TILE, whole = m->n - rest, stretches = m->cols / 32;
    const size_t log = rest > 4 ? 3 : rest > 2 ? 2 : rest > 1 ? 1 : 0, rest_tile = rest ? (size_t)1 << log : 0;
    const size_t token_bytes = record_of(o->kind.is_half, 1).bytes; /* a record is as large as its tokens */
    const size_t fit = CT_MUL_SCRATCH / (token_bytes * (whole + rest_tile)) / PANEL_ALIGN * PANEL_ALIGN;
    size_t panel_bytes = 0;
    ct_panel_bytes(m->type, m->cols, &panel_bytes);
    for (size_t s0 = 0; s0 < stretches; s0 += fit) {
        const few_pass f = { o, m, s0, min_size(s0 + fit, stretches) };
        uint8_t *rest_x = scratch + token_bytes * whole * (f.s1 - s0);
        put_tokens(&o->kind, m, 0, whole, s0, f.s1, DECODE_TILE, scratch);
        if (rest)
            put_tokens(&o->kind, m, whole, rest, s0, f.s1, rest_tile, rest_x);
        for (size_t p = panel_begin; p < panel_end; p++) {
            const uint8_t *panel = (const uint8_t *)m->w + p * panel_bytes;
            for (size_t t = 0; t < whole; t += DECODE_TILE)
                few_tile(&f, panel, p, scratch + token_bytes * t * (f.s1 - s0), t, DECODE_TILE, 3);
            if (rest)
                few_tile(&f, panel, p, rest_x, whole, rest, log);
        }
    }
}

/* Weights that will be unpacked next: fetched a little with every tile. */
typedef struct weights_ahead {
    const uint8_t *at[2]; /* one panel each */
    size_t bytes;         /* of each still to fetch */
} weights_ahead;

static void fetch_ahead(weights_ahead *a, size_t step)
{
    step = min_size(step, a->bytes);
    for (size_t i = 0; i < step; i += 64) {
        _mm_prefetch((const char *)a->at[0] + i, _MM_HINT_T1);
        _mm_prefetch((const char *)a->at[1] + i, _MM_HINT_T1);
    }
    a->at[0] += step;
    a->at[1] += step;
    a->bytes -= step;
}

/* What a pass over the panels for many tokens has in hand. */
typedef struct many_pass {
    const q8_ops *ops;
    const ct_mul *m;
    size_t t0, n;             /* tokens */
    size_t s0, s1;            /* stretches */
    uint8_t *w, *last, *side; /* scratch: unpacked panels; the codes of a tile that lacks tokens; the sides of all */
} many_pass;

#define WEIGHTS_SCRATCH ((size_t)CHUNK * 2 * 64 * 12) /* the largest weights_bytes */
#define LAST_SCRATCH    ((size_t)CHUNK * TILE * 32)

/* The sides of a block's tokens, and the codes of those that fill no tile; tokens that are none have a scale of 0. */
static void put_block(const many_pass *b)
{
    const size_t rest = b->n % TILE, bytes = side_bytes(b->ops->kind.is_half);
    const uint8_t *x = (const uint8_t *)b->m->x + (b->t0 + b->n - rest) * b->m->x_stride + 32 * b->s0;
    put_sides(&b->ops->kind, b->m, b->t0, b->n, b->s0, b->s1 - b->s0, b->side);
    if (rest == 0)
        return;
    memset(b->last, 0, LAST_SCRATCH);
    memset(b->side + bytes * b->n, 0, bytes * (TILE - rest));
    for (size_t t = 0; t < rest; t++)
        memcpy(b->last + 32 * CHUNK * t, x + t * b->m->x_stride, 32 * (b->s1 - b->s0));
}

/* The block's tokens times the unpacked panels p and, if there are two, p + 1. */
static void mul_tiles(const many_pass *b, size_t p, size_t panels, weights_ahead next)
{
    const ct_mul *m = b->m;
    const size_t fetch = (next.bytes / ((b->n + TILE - 1) / TILE) + 127) / 64 * 64, width = panels * CT_PANEL;
    const size_t rows = min_size(m->rows - p * CT_PANEL, width), stretches = b->s1 - b->s0;
    float *y = m->y + b->t0 * m->y_stride + p * CT_PANEL;
    tile_fn *kernel = b->ops->tile[panels - 1];
    _Alignas(64) float copy[Y_COPY];
    for (size_t t = 0; t < b->n; t += TILE) {
        const y_tile e = { y + t * m->y_stride, copy, m->y_stride, min_size(b->n - t, TILE), rows };
        q8_tile x = { .codes = (const uint8_t *)m->x + (b->t0 + t) * m->x_stride + 32 * b->s0,
                      .side = b->side + side_bytes(b->ops->kind.is_half) * t,
                      .stride = m->x_stride };
        if (e.tokens < TILE)
            x.codes = b->last, x.stride = 32 * CHUNK;
        fetch_ahead(&next, fetch);
        if (e.tokens == TILE && rows == width) {
            for (size_t i = TILE; i < 2 * TILE && t + i < b->n; i++) {
                _mm_prefetch((const char *)(e.y + i * m->y_stride), _MM_HINT_T1);
                _mm_prefetch((const char *)(e.y + i * m->y_stride + 16), _MM_HINT_T1);
            }
            kernel(b->w, &x, stretches, e.y, m->y_stride, b->s0 == 0);
        } else {
            float *c = y_begin(&e, width, b->s0 == 0);
            kernel(b->w, &x, stretches, c, width, b->s0 == 0);
            y_end(&e, width);
        }
    }
}

static void mul_many(const q8_ops *o, const ct_mul *m, size_t panel_begin, size_t panel_end, uint8_t *scratch)
{
    const size_t stretches = m->cols / 32, side_scratch = CT_MUL_SCRATCH - WEIGHTS_SCRATCH - LAST_SCRATCH;
    const size_t fit = side_scratch / (side_bytes(o->kind.is_half) * TILE), tiles = (m->n + TILE - 1) / TILE;
    const size_t blocks = (tiles + fit - 1) / fit, block = (tiles + blocks - 1) / blocks * TILE; /* of equal size */
    size_t panel_bytes = 0;
    ct_panel_bytes(m->type, m->cols, &panel_bytes);
    many_pass b = { .ops = o, .m = m, .w = scratch, .last = scratch + WEIGHTS_SCRATCH };
    b.side = b.last + LAST_SCRATCH;
    for (b.s0 = 0; b.s0 < stretches; b.s0 += CHUNK) {
        b.s1 = min_size(b.s0 + CHUNK, stretches);
        for (b.t0 = 0; b.t0 < m->n; b.t0 += block) {
            b.n = min_size(block, m->n - b.t0);
            put_block(&b);
            for (size_t p = panel_begin; p < panel_end; p += 2) {
                const size_t panels = min_size(panel_end - p, 2);
                for (size_t i = 0; i < panels; i++)
                    o->unpack((const uint8_t *)m->w + (p + i) * panel_bytes, m->cols, b.s0, b.s1, i, panels, b.w);
                weights_ahead next = { .bytes = p + 2 < panel_end ? panel_bytes * (b.s1 - b.s0) / stretches : 0 };
                for (size_t i = 0; i < 2; i++) /* roughly: a panel's tail is elsewhere */
                    next.at[i] = (const uint8_t *)m->w + min_size(p + 2 + i, panel_end - 1) * panel_bytes +
                                 panel_bytes * b.s0 / stretches;
                mul_tiles(&b, p, panels, next);
            }
        }
    }
}

static void mul_q8(const q8_ops *o, const ct_mul *m, size_t panel_begin, size_t panel_end, void *scratch)
{
    if (m->n == 0 || panel_begin >= panel_end)
        return;
    if (m->n <= MAX_DECODE)
        mul_few(o, m, panel_begin, panel_end, scratch);
    else
        mul_many(o, m, panel_begin, panel_end, scratch);
}

#endif
