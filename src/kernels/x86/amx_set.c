/* amx_set.c - attention over a whole set of keys in tiles (kernels.h).
 *
 * 32 query rows, two tiles of them, walk the keys in blocks of KEYS at fixed places. For each block
 *
 *     s = q k'                      tiles of 16 queries x 16 keys, over the stretches of 32 dims
 *     p = exp(scale s - scale m)    rounded to bf16
 *     o += p v                      tiles of 16 queries x 16 dims, over stretches of 32 keys
 *
 * and out = o / l at the end, where l, the sum of p, is the dim of o past the last, in which all values are 1. Lanes of s
 * and p are keys, even ones in one tile and odd ones in another: pairs of them are the rows of a tile of p.
 *
 * Softmax needs no largest score, only an m with which nothing that counts under- or overflows. A row's m is the largest
 * score of its first block: that key weighs 1, so l >= 1 ever after, and weights that vanish (below 2^-126) are 2^-126 of
 * it. Later scores may be larger. A row of which a weight is LARGEST or more (or NaN) takes the largest score so far as its
 * m, o moves to it, and the block's weights are computed again. So l < n_key LARGEST, and |o| < n_key LARGEST max|v|, which
 * is finite for any values below 2^47 and 2^20 keys. A row's m depends on its own scores alone.
 *
 * What the time goes to: a multiplication and a store of a tile take 16 cycles each, one after another; a load of a tile
 * takes 8 of both vector ports, which the exponentials need too. So loads and vector instructions are what is saved here.
 * One block's exponentials are computed beside the multiplications of its neighbours, some rows after every few of them: the
 * weights of the block before times its values, and the queries times the keys of the block after. docs/PERFORMANCE.md says
 * what that gains, and when.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "kernels/x86/amx.h"
#include "kernels/x86/amx_bf16.h"
#include "kernels/x86/tiles.h"

#define ROWS          32 /* queries that are computed together */
#define STRETCHES     2  /* of 32 keys, in a block */
#define KEYS          (32 * STRETCHES)
#define LOWEST        (-0x1p125f) /* below any score; its scaled difference to one stays finite */
#define LARGEST       0x5D80      /* 2^60 in bf16 */
#define LOG2_E        1.44269504f
#define LOW_OR_MASKED 0xF8 /* a | (b & c) for VPTERNLOG */

typedef float tile_f32[16][16];
typedef uint32_t tile_pairs[16][16]; /* of bf16: of a row (A), or of two rows (B) */

#define PIECES (STRETCHES * ROWS) /* of a block: a piece is a row with 32 keys; stretch by stretch, there row by row */

typedef struct group { /* 32 rows on their walk */
    tile_pairs *q;     /* [2][stretches of dims] */
    tile_f32 *o;       /* [2][tiles of dims] */
    size_t stretches, dims;
    size_t share[4]; /* pairs of pieces for 2 i multiplications, so that both come to their end together */
    float unit;      /* of the exponent to base two, for a score of 1 */
    _Alignas(64) float m[ROWS];
    _Alignas(64) float m_unit[PIECES];      /* times unit, for each piece */
    _Alignas(64) float s[PIECES][2][16];    /* of one block: even keys, odd keys */
    _Alignas(64) uint32_t p[2][PIECES][16]; /* of two blocks in turn: two tiles a stretch */
    _Alignas(64) tile_f32 room[];
} group;

#define TILES_OF_MOST (CT_MAX_HEAD_DIM / 32 + CT_MAX_HEAD_DIM / 16 + 2) /* of a row of tiles of the widest head */
_Static_assert(sizeof(group) + 2 * TILES_OF_MOST * sizeof(tile_f32) <= CT_ATTEND_SCRATCH, "it holds a group");

static size_t dim_stretches(const ct_set *s)
{
    return (s->head_dim + 31) / 32;
}

static size_t dim_tiles(const ct_set *s)
{
    return (s->head_dim + 1 + 15) / 16; /* one for l */
}

/* Keys of block i. */
static size_t keys_of(const ct_set *set, size_t i)
{
    return set->n_key - i * KEYS < KEYS ? set->n_key - i * KEYS : KEYS;
}

/* ---- weights ---- */

/* A block's weights on the way: of PIECES the first `at` are done. */
typedef struct weighing {
    group *g;
    size_t block, at;
    __m512i top; /* the largest weights: their bits, as 16-bit numbers */
} weighing;

/* 2^x to 2^-13.7 of itself, plus a half of the last of eight bits, so that cutting what is below rounds it to bf16 (a tie
 * upwards): x = k + f, 0 <= f < 1, and 2^f by a polynomial of degree 3 (weighted least squares, reweighted to the minimax).
 * Minus infinity gives 0. */
INLINE __m512 exp2_rough(__m512 x)
{
    const __m512 f = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    __m512 p = _mm512_fmadd_ps(_mm512_set1_ps(0.0780245215f), f, _mm512_set1_ps(0.226067171f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.695833504f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.999925196f + 0x1p-8f));
    return _mm512_scalef_ps(p, x); /* by 2^floor(x) */
}

/* Returns the weights. */
INLINE __m512i weigh_piece(group *g, size_t block, size_t i)
{
    const __m512 unit = _mm512_set1_ps(g->unit), m = _mm512_set1_ps(g->m_unit[i]);
    const __m512 even = exp2_rough(_mm512_fmsub_ps(_mm512_load_ps(g->s[i][0]), unit, m));
    const __m512 odd = exp2_rough(_mm512_fmsub_ps(_mm512_load_ps(g->s[i][1]), unit, m));
    const __m512i low = _mm512_srli_epi32(_mm512_castps_si512(even), 16), high = _mm512_castps_si512(odd);
    const __m512i p = _mm512_ternarylogic_epi32(low, high, _mm512_set1_epi32((int)0xFFFF0000u), LOW_OR_MASKED);
    _mm512_store_si512(g->p[block % 2][i], p);
    return p;
}

/* `pairs` pairs of pieces more, or what is left. */
INLINE void weigh(weighing *w, size_t pairs)
{
    group *g = w->g;
    __m512i top = w->top;
    const size_t block = w->block, end = PIECES - w->at < 2 * pairs ? PIECES : w->at + 2 * pairs;
    for (size_t i = w->at; i < end; i += 2) {
        top = _mm512_max_epu16(top, weigh_piece(g, block, i));
        top = _mm512_max_epu16(top, weigh_piece(g, block, i + 1));
    }
    w->at = end;
    w->top = top;
}

/* ---- scores ---- */

/* What lies past the last key. */
static void hide_rest(group *g, size_t n_key)
{
    for (size_t i = 0; i < PIECES; i++)
        for (size_t t = i / ROWS * 32, j = n_key > t ? n_key - t : 0; j < 32; j++)
            g->s[i][j % 2][j / 2] = -INFINITY;
}

/* Raw scores of block i; past the last key, minus infinity. Those of the block being weighed make room as they are used. */
static void take_scores(const ct_set *set, size_t i, group *g, weighing *w)
{
    const size_t n = g->stretches, stretches = (keys_of(set, i) + 31) / 32;
    const tile_pairs *k = (const tile_pairs *)set->k + i * KEYS / 16 * n;
    float(*s)[2][16] = g->s;
    for (size_t t = 0; t < stretches; t++, k += 2 * n, s += ROWS) {
        tile_zero(0), tile_zero(1), tile_zero(2), tile_zero(3);
        for (size_t d = 0; d < n; d++) {
            tile_load(4, g->q[d], 64);
            tile_load(6, k[d], 64);
            tile_mul_bf16(0, 4, 6);
            tile_load(7, k[n + d], 64);
            tile_mul_bf16(1, 4, 7);
            tile_load(5, g->q[n + d], 64);
            tile_mul_bf16(2, 5, 6);
            tile_mul_bf16(3, 5, 7);
            weigh(w, g->share[2]);
        }
        if (w->at < (t + 1) * ROWS)
            weigh(w, ((t + 1) * ROWS - w->at) / 2);
        tile_store(0, s[0][0], sizeof *s);
        tile_store(1, s[0][1], sizeof *s);
        tile_store(2, s[16][0], sizeof *s);
        tile_store(3, s[16][1], sizeof *s);
    }
    if (keys_of(set, i) < KEYS) {
        weigh(w, PIECES);
        hide_rest(g, keys_of(set, i));
    }
}

/* ---- values ---- */

/* o of N tiles of dims, of both tiles of rows, += weights times values. For two, all operands have registers. */
TILES_INLINE void add_values(const int N, const tile_pairs *v, size_t stretches, const uint32_t (*p)[16], tile_f32 *o,
                             weighing *w)
{
    const size_t dims = w->g->dims;
    tile_load(0, o[0], 64);
    tile_load(N, o[dims], 64);
    if (N > 1)
        tile_load(1, o[1], 64), tile_load(N + 1, o[dims + 1], 64);
    if (N > 2)
        tile_load(2, o[2], 64), tile_load(5, o[dims + 2], 64);
    for (size_t t = 0; t < stretches; t++, v += dims, p += ROWS) {
        tile_load(7, v[0], 64);
        tile_load(6, p[0], 64);
        tile_mul_bf16(0, 6, 7);
        if (N == 2)
            tile_load(5, v[1], 64), tile_mul_bf16(1, 6, 5);
        if (N == 3) {
            tile_load(7, v[1], 64), tile_mul_bf16(1, 6, 7);
            tile_load(7, v[2], 64), tile_mul_bf16(2, 6, 7);
        }
        tile_load(6, p[16], 64);
        if (N == 3) {
            tile_mul_bf16(5, 6, 7), tile_load(7, v[1], 64);
            tile_mul_bf16(4, 6, 7), tile_load(7, v[0], 64);
        }
        tile_mul_bf16(N, 6, 7);
        if (N == 2)
            tile_mul_bf16(3, 6, 5);
        weigh(w, w->g->share[N]);
    }
    tile_store(0, o[0], 64);
    tile_store(N, o[dims], 64);
    if (N > 1)
        tile_store(1, o[1], 64), tile_store(N + 1, o[dims + 1], 64);
    if (N > 2)
        tile_store(2, o[2], 64), tile_store(5, o[dims + 2], 64);
}

/* Block i's weights times its values. */
static void take_values(const ct_set *set, size_t i, group *g, weighing *w)
{
    const size_t dims = g->dims, stretches = (keys_of(set, i) + 31) / 32;
    const tile_pairs *v = (const tile_pairs *)set->v + i * STRETCHES * dims;
    const uint32_t(*p)[16] = (const uint32_t(*)[16])g->p[i % 2];
    for (size_t d = 0, n; d < dims; d += n) { /* four left are two and two */
        n = dims - d == 4 || dims - d == 2 ? 2 : dims - d == 1 ? 1 : 3;
        if (n == 3)
            add_values(3, v + d, stretches, p, g->o + d, w);
        else if (n == 2)
            add_values(2, v + d, stretches, p, g->o + d, w);
        else
            add_values(1, v + d, stretches, p, g->o + d, w);
    }
}

/* ---- maxima ---- */

/* m of a row becomes the largest score of the block, if it was less; a NaN is passed by. */
static void raise_m(group *g, size_t row)
{
    __m512 top = _mm512_set1_ps(g->m[row]);
    for (size_t i = row; i < PIECES; i += ROWS) {
        top = _mm512_max_ps(_mm512_load_ps(g->s[i][0]), top);
        top = _mm512_max_ps(_mm512_load_ps(g->s[i][1]), top);
    }
    g->m[row] = _mm512_reduce_max_ps(top);
    for (size_t i = row; i < PIECES; i += ROWS)
        g->m_unit[i] = g->m[row] * g->unit;
}

/* A row's o moves to its m, from another. */
static void rescale(group *g, size_t row, float m)
{
    const __m512 by = exp512(_mm512_set1_ps((m - g->m[row]) * g->unit / LOG2_E));
    for (size_t d = 0; d < g->dims; d++) {
        float *o = g->o[row / 16 * g->dims + d][row % 16];
        _mm512_store_ps(o, _mm512_mul_ps(_mm512_load_ps(o), by));
    }
}

INLINE bool is_large(__m512i p)
{
    return _mm512_cmpge_epu16_mask(p, _mm512_set1_epi16(LARGEST));
}

/* Rows with too large weights in block i take another m, and their weights are computed again; o has all blocks before. */
static void weigh_again(const ct_set *set, size_t i, group *g)
{
    take_scores(set, i, g, &(weighing){ .g = g, .at = PIECES });
    for (size_t r = 0; r < ROWS; r++) {
        const float m = g->m[r];
        bool is_row = false;
        for (size_t j = r; j < PIECES; j += ROWS)
            is_row |= is_large(_mm512_load_si512(g->p[i % 2][j]));
        if (!is_row)
            continue;
        raise_m(g, r);
        rescale(g, r, m);
        for (size_t j = r; j < PIECES; j += ROWS)
            weigh_piece(g, i, j);
    }
}

/* ---- rows ---- */

/* n rows of queries into the group; places past the last row, and past the last dim, are 0. */
static void begin_group(const ct_set *set, const float *q, size_t stride, size_t n, group *g)
{
    memset(g->q, 0, 2 * g->stretches * sizeof *g->q);
    memset(g->o, 0, 2 * g->dims * sizeof *g->o);
    for (size_t r = 0; r < ROWS; r++)
        g->m[r] = LOWEST;
    for (size_t r = 0; r < n; r++, q += stride)
        for (size_t d = 0; d < set->head_dim; d += 32) {
            const size_t left = set->head_dim - d;
            const __m512 low = _mm512_maskz_loadu_ps(first_lanes(left), q + d);
            const __m512 high =
                left > 16 ? _mm512_maskz_loadu_ps(first_lanes(left - 16), q + d + 16) : _mm512_setzero_ps();
            _mm512_store_si512(g->q[r / 16 * g->stretches + d / 32][r % 16], both_bf16(low, high));
        }
}

static void end_group(const ct_set *set, float *out, size_t stride, size_t n, const group *g)
{
    for (size_t r = 0; r < n; r++, out += stride) {
        const __m512 l = _mm512_set1_ps(g->o[r / 16 * g->dims + set->head_dim / 16][r % 16][set->head_dim % 16]);
        for (size_t d = 0; 16 * d < set->head_dim; d++) {
            const __m512 o = _mm512_load_ps(g->o[r / 16 * g->dims + d][r % 16]);
            _mm512_mask_storeu_ps(out + 16 * d, first_lanes(set->head_dim - 16 * d), _mm512_div_ps(o, l));
        }
    }
}

static void walk(const ct_set *set, group *g)
{
    const size_t blocks = (set->n_key + KEYS - 1) / KEYS;
    weighing w = { .g = g, .at = PIECES };
    take_scores(set, 0, g, &w);
    for (size_t r = 0; r < ROWS; r++)
        raise_m(g, r);
    for (size_t i = 0; i < blocks; i++) {
        w = (weighing){ .g = g, .block = i };
        if (i > 0)
            take_values(set, i - 1, g, &w);
        if (i + 1 < blocks)
            take_scores(set, i + 1, g, &w);
        weigh(&w, PIECES);
        if (is_large(w.top)) {
            weigh_again(set, i, g);
            if (i + 1 < blocks)
                take_scores(set, i + 1, g, &w);
        }
    }
    take_values(set, blocks - 1, g, &w);
}

static void set_attend(const ct_set *set, const ct_set_rows *r, void *scratch)
{
    group *g = scratch;
    g->stretches = dim_stretches(set), g->dims = dim_tiles(set);
    g->q = (tile_pairs *)(void *)g->room;
    g->o = g->room + 2 * g->stretches;
    g->unit = r->scale * LOG2_E;
    const size_t n = 2 * g->stretches + g->dims;
    for (size_t i = 0; i < 4; i++)
        g->share[i] = (2 * i * ROWS / 2 + n) / (2 * n);
    tiles_begin();
    for (size_t row = 0; row < r->n; row += ROWS) {
        const size_t left = r->n - row < ROWS ? r->n - row : ROWS;
        begin_group(set, r->q + row * r->stride, r->stride, left, g);
        walk(set, g);
        end_group(set, r->out + row * r->stride, r->stride, left, g);
    }
    tiles_end();
}

/* ---- writing ---- */

/* A key's dims in pairs, each at its place in a tile. */
static void put_key(const ct_set *set, size_t key, const float *k)
{
    const size_t stretches = dim_stretches(set);
    tile_pairs *to = (tile_pairs *)set->k + (key / 32 * 2 + key % 2) * stretches;
    for (size_t s = 0; s < stretches; s++) {
        const size_t left = set->head_dim - 32 * s;
        _Alignas(64) uint32_t pairs[16];
        const __m512 low = _mm512_maskz_loadu_ps(first_lanes(left), k + 32 * s);
        const __m512 high =
            left > 16 ? _mm512_maskz_loadu_ps(first_lanes(left - 16), k + 32 * s + 16) : _mm512_setzero_ps();
        _mm512_store_si512(pairs, both_bf16(low, high));
        for (size_t i = 0; i < 16; i++)
            to[s][i][key % 32 / 2] = pairs[i];
    }
}

/* Two keys' values in pairs, and a one behind each; odd: of the second, NULL if there is none. */
static void put_values(const ct_set *set, size_t key, const float *even, const float *odd)
{
    tile_pairs *to = (tile_pairs *)set->v + key / 32 * dim_tiles(set);
    for (size_t d = 0; d <= set->head_dim; d += 16, to++) {
        const size_t left = set->head_dim - d;
        const __mmask16 live = first_lanes(left), one = (__mmask16)(first_lanes(left + 1) & ~live);
        const __m512 first = _mm512_mask_mov_ps(_mm512_maskz_loadu_ps(live, even + d), one, _mm512_set1_ps(1.0f));
        const __m512 second = odd ? _mm512_mask_mov_ps(_mm512_maskz_loadu_ps(live, odd + d), one, _mm512_set1_ps(1.0f))
                                  : _mm512_setzero_ps();
        _mm512_store_si512((*to)[key % 32 / 2], pairs_bf16(first, second));
    }
}

/* Past the last key both are 0 to the end of its stretch. */
static void put_nothing(const ct_set *set, size_t key)
{
    const size_t end = (set->n_key + 31) / 32 * 32, dims = dim_tiles(set);
    const float none[CT_MAX_HEAD_DIM] = { 0 };
    for (size_t t = key; t < end; t++)
        put_key(set, t, none);
    for (size_t t = (key + 1) / 2 * 2; t < end; t += 2)
        for (size_t d = 0; d < dims; d++)
            memset(((tile_pairs *)set->v)[t / 32 * dims + d][t % 32 / 2], 0, 64);
}

static void set_put(const ct_set *set, size_t key, size_t n, const float *k, const float *v, size_t stride)
{
    for (size_t i = 0; i < n; i++)
        put_key(set, key + i, k + i * stride);
    for (size_t i = 0; i < n; i += 2)
        put_values(set, key + i, v + i * stride, i + 1 < n ? v + (i + 1) * stride : NULL);
    if (key + n == set->n_key)
        put_nothing(set, set->n_key);
}

void AMX_NAME(set)(ct_kernels *k)
{
    k->set_layout[CT_ACTS_BF16] = CT_SET_TILES;
    k->set_put[CT_ACTS_BF16] = set_put;
    k->set_attend[CT_ACTS_BF16] = set_attend;
}
