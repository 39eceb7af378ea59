/* amx_set.c - attention over a whole set of keys in tiles (kernels.h).
 *
 * 32 query rows, two tiles of them, walk the keys in blocks of KEYS at fixed places. For each block
 *
 *     s = q k'                      tiles of 16 queries x 16 keys, over the stretches of 32 dims
 *     m' = max(m, s)    p = exp(scale s - scale m')    l' = l r + p       r = exp(scale m - scale m')
 *     o' = o r + p v                tiles of 16 queries x 16 dims, over stretches of 32 keys
 *
 * and out = o / l at the end, where l's sixteen lanes are added. Lanes of s and p are keys: two tiles of s side by side,
 * rounded to bf16, are the rows of a tile of p.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "kernels/x86/amx.h"
#include "kernels/x86/amx_bf16.h"
#include "kernels/x86/tiles.h"

#define ROWS   32          /* queries that are computed together */
#define KEYS   256         /* of a block */
#define GROUPS 4           /* of rows that walk together at most */
#define LOWEST (-0x1p125f) /* a maximum that any score passes; its scaled difference to one stays finite */
#define LOG2_E 1.44269504f

typedef float tile_f32[16][16];
typedef uint32_t tile_pairs[16][16]; /* of bf16: of a row (A), or of two rows (B) */

typedef struct group { /* what stays with its rows */
    tile_pairs *q;     /* [2][stretches of dims] */
    tile_f32 *o;       /* [2][tiles of dims] */
    _Alignas(64) float max[ROWS];
    _Alignas(64) float sum[ROWS][16];
} group;

typedef struct set_scratch {
    _Alignas(64) tile_f32 s[2][KEYS / 16];
    _Alignas(64) tile_pairs p[2][KEYS / 32];
    group groups[GROUPS];
    _Alignas(64) tile_f32 room[];
} set_scratch;

#define TILES_OF_MOST (CT_MAX_HEAD_DIM / 32 + CT_MAX_HEAD_DIM / 16 + 2) /* of a row of tiles of the widest head */
_Static_assert(sizeof(set_scratch) + 2 * TILES_OF_MOST * sizeof(tile_f32) <= CT_ATTEND_SCRATCH, "it holds a group");

static size_t dim_stretches(const ct_set *s)
{
    return (s->head_dim + 31) / 32;
}

static size_t dim_tiles(const ct_set *s)
{
    return (s->head_dim + 15) / 16;
}

/* ---- scores ---- */

/* Raw scores of `stretches` times 32 keys from `key` on. */
static void take_scores(const ct_set *set, size_t key, size_t stretches, const group *g, set_scratch *c)
{
    const size_t n = dim_stretches(set);
    const tile_pairs *k = (const tile_pairs *)set->k + key / 16 * n;
    for (size_t t = 0; t < 2 * stretches; t += 2, k += 2 * n) {
        tile_zero(0), tile_zero(1), tile_zero(2), tile_zero(3);
        for (size_t i = 0; i < n; i++) {
            tile_load(4, g->q[i], 64);
            tile_load(6, k[i], 64);
            tile_mul_bf16(0, 4, 6);
            tile_load(7, k[n + i], 64);
            tile_mul_bf16(1, 4, 7);
            tile_load(5, g->q[n + i], 64);
            tile_mul_bf16(2, 5, 6);
            tile_mul_bf16(3, 5, 7);
        }
        tile_store(0, c->s[0][t], 64);
        tile_store(1, c->s[0][t + 1], 64);
        tile_store(2, c->s[1][t], 64);
        tile_store(3, c->s[1][t + 1], 64);
    }
}

/* ---- weights ---- */

/* 2^x to 2^-13.7 of itself: x = k + f, 0 <= f < 1, and 2^f by a polynomial of degree 3 (weighted least squares,
 * reweighted to the minimax). The resulting weight is rounded to bf16, by up to 2^-8. Minus infinity gives 0. */
INLINE __m512 exp2_rough(__m512 x)
{
    const __m512 f = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    __m512 p = _mm512_fmadd_ps(_mm512_set1_ps(0.0780245215f), f, _mm512_set1_ps(0.226067171f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.695833504f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.999925196f));
    return _mm512_scalef_ps(p, x); /* by 2^floor(x) */
}

/* The largest of each row's n scores and of what it was; a NaN is passed by. Rows are independent of each other, so that
 * what a maximum across lanes waits for is hidden. */
static void find_tops(size_t n, const group *g, const set_scratch *c, float top[ROWS])
{
    const __mmask16 live = first_lanes(n % 16);
    for (size_t row = 0; row < ROWS; row++) {
        const tile_f32 *s = c->s[row / 16];
        __m512 a = _mm512_set1_ps(g->max[row]), b = a;
        for (size_t t = 0; t + 1 < n / 16; t += 2) {
            a = _mm512_max_ps(_mm512_load_ps(s[t][row % 16]), a);
            b = _mm512_max_ps(_mm512_load_ps(s[t + 1][row % 16]), b);
        }
        if (n / 16 % 2)
            a = _mm512_max_ps(_mm512_load_ps(s[n / 16 - 1][row % 16]), a);
        if (n % 16)
            b = _mm512_mask_max_ps(b, live, _mm512_load_ps(s[n / 16][row % 16]), b);
        top[row] = _mm512_reduce_max_ps(_mm512_max_ps(a, b));
    }
}

/* A row's o moves to another maximum. */
static void rescale_row(const ct_set *set, group *g, size_t row, __m512 by)
{
    const size_t n = dim_tiles(set);
    for (size_t d = 0; d < n; d++) {
        float *o = g->o[row / 16 * n + d][row % 16];
        _mm512_store_ps(o, _mm512_mul_ps(_mm512_load_ps(o), by));
    }
}

/* The scores of n keys become weights; the row's maximum, sums and o move on. What lies past the last key weighs 0. */
INLINE void take_row(const ct_set *set, float unit, size_t n, size_t row, float top, group *g, set_scratch *c)
{
    const tile_f32 *s = c->s[row / 16];
    const __m512 u = _mm512_set1_ps(unit), max = _mm512_mul_ps(_mm512_set1_ps(top), u);
    __m512 sum = _mm512_load_ps(g->sum[row]);
    if (top != g->max[row]) {
        const __m512 by = exp2_rough(_mm512_fmsub_ps(_mm512_set1_ps(g->max[row]), u, max));
        sum = _mm512_mul_ps(sum, by);
        rescale_row(set, g, row, by);
    }
    for (size_t t = 0; t < n; t += 32) {
        __m512 p[2];
        for (size_t j = 0; j < 2; j++) {
            p[j] = exp2_rough(_mm512_fmsub_ps(_mm512_load_ps(s[t / 16 + j][row % 16]), u, max));
            if (t + 16 * j + 16 > n)
                p[j] = _mm512_maskz_mov_ps(t + 16 * j < n ? first_lanes(n - t - 16 * j) : 0, p[j]);
            sum = _mm512_add_ps(sum, p[j]);
        }
        _mm512_store_si512(c->p[row / 16][t / 32][row % 16], both_bf16(p[0], p[1]));
    }
    g->max[row] = top;
    _mm512_store_ps(g->sum[row], sum);
}

/* ---- values ---- */

/* o of N tiles of dims, of both tiles of rows, += weights times values. */
TILES_INLINE void add_values(const int N, const tile_pairs *v, size_t dims, size_t stretches, tile_f32 *o,
                             set_scratch *c)
{
    tile_load(0, o[0], 64);
    tile_load(N, o[dims], 64);
    if (N > 1)
        tile_load(1, o[1], 64), tile_load(N + 1, o[dims + 1], 64);
    if (N > 2)
        tile_load(2, o[2], 64), tile_load(5, o[dims + 2], 64);
    for (size_t t = 0; t < stretches; t++, v += dims) {
        tile_load(7, v[0], 64);
        tile_load(6, c->p[0][t], 64);
        tile_mul_bf16(0, 6, 7);
        if (N > 1)
            tile_load(7, v[1], 64), tile_mul_bf16(1, 6, 7);
        if (N > 2)
            tile_load(7, v[2], 64), tile_mul_bf16(2, 6, 7);
        tile_load(6, c->p[1][t], 64);
        if (N > 2)
            tile_mul_bf16(5, 6, 7), tile_load(7, v[1], 64);
        if (N > 1)
            tile_mul_bf16(N + 1, 6, 7), tile_load(7, v[0], 64);
        tile_mul_bf16(N, 6, 7);
    }
    tile_store(0, o[0], 64);
    tile_store(N, o[dims], 64);
    if (N > 1)
        tile_store(1, o[1], 64), tile_store(N + 1, o[dims + 1], 64);
    if (N > 2)
        tile_store(2, o[2], 64), tile_store(5, o[dims + 2], 64);
}

static void take_values(const ct_set *set, size_t key, size_t stretches, group *g, set_scratch *c)
{
    const size_t dims = dim_tiles(set);
    const tile_pairs *v = (const tile_pairs *)set->v + key / 32 * dims;
    for (size_t d = 0, n; d < dims; d += n) { /* four left are two and two */
        n = dims - d == 4 || dims - d == 2 ? 2 : dims - d == 1 ? 1 : 3;
        if (n == 3)
            add_values(3, v + d, dims, stretches, g->o + d, c);
        else if (n == 2)
            add_values(2, v + d, dims, stretches, g->o + d, c);
        else
            add_values(1, v + d, dims, stretches, g->o + d, c);
    }
}

/* ---- rows ---- */

/* n rows of queries into the group; places past the last row, and past the last dim, are 0. */
static void begin_group(const ct_set *set, const float *q, size_t stride, size_t n, group *g)
{
    const size_t stretches = dim_stretches(set);
    memset(g->q, 0, 2 * stretches * sizeof *g->q);
    memset(g->o, 0, 2 * dim_tiles(set) * sizeof *g->o);
    memset(g->sum, 0, sizeof g->sum);
    for (size_t r = 0; r < ROWS; r++)
        g->max[r] = LOWEST;
    for (size_t r = 0; r < n; r++, q += stride)
        for (size_t d = 0; d < set->head_dim; d += 32) {
            const size_t left = set->head_dim - d;
            const __m512 low = _mm512_maskz_loadu_ps(first_lanes(left), q + d);
            const __m512 high =
                left > 16 ? _mm512_maskz_loadu_ps(first_lanes(left - 16), q + d + 16) : _mm512_setzero_ps();
            _mm512_store_si512(g->q[r / 16 * stretches + d / 32][r % 16], both_bf16(low, high));
        }
}

static void end_group(const ct_set *set, float *out, size_t stride, size_t n, group *g)
{
    const size_t dims = dim_tiles(set);
    for (size_t r = 0; r < n; r++, out += stride) {
        const __m512 sum = _mm512_set1_ps(_mm512_reduce_add_ps(_mm512_load_ps(g->sum[r])));
        for (size_t d = 0; d < dims; d++) {
            const __m512 o = _mm512_load_ps(g->o[r / 16 * dims + d][r % 16]);
            _mm512_mask_storeu_ps(out + 16 * d, first_lanes(set->head_dim - 16 * d), _mm512_div_ps(o, sum));
        }
    }
}

static void attend_groups(const ct_set *set, const ct_set_rows *r, size_t row, size_t n, set_scratch *c)
{
    const float unit = r->scale * LOG2_E;
    const size_t groups = (n + ROWS - 1) / ROWS;
    for (size_t i = 0; i < groups; i++)
        begin_group(set, r->q + (row + i * ROWS) * r->stride, r->stride, n - i * ROWS < ROWS ? n - i * ROWS : ROWS,
                    &c->groups[i]);
    for (size_t key = 0; key < set->n_key; key += KEYS) {
        const size_t n_key = set->n_key - key < KEYS ? set->n_key - key : KEYS, stretches = (n_key + 31) / 32;
        for (size_t i = 0; i < groups; i++) {
            take_scores(set, key, stretches, &c->groups[i], c);
            float top[ROWS];
            find_tops(n_key, &c->groups[i], c, top);
            for (size_t j = 0; j < ROWS; j++)
                take_row(set, unit, n_key, j, top[j], &c->groups[i], c);
            take_values(set, key, stretches, &c->groups[i], c);
        }
    }
    for (size_t i = 0; i < groups; i++)
        end_group(set, r->out + (row + i * ROWS) * r->stride, r->stride, n - i * ROWS < ROWS ? n - i * ROWS : ROWS,
                  &c->groups[i]);
}

static void set_attend(const ct_set *set, const ct_set_rows *r, void *scratch)
{
    set_scratch *c = scratch;
    const size_t tiles = 2 * (dim_stretches(set) + dim_tiles(set));
    size_t groups = (CT_ATTEND_SCRATCH - sizeof *c) / (tiles * sizeof(tile_f32));
    groups = groups < GROUPS ? groups : GROUPS;
    for (size_t i = 0; i < groups; i++) {
        c->groups[i].q = (tile_pairs *)(void *)(c->room + i * tiles);
        c->groups[i].o = c->room + i * tiles + 2 * dim_stretches(set);
    }
    tiles_begin();
    for (size_t row = 0; row < r->n; row += groups * ROWS)
        attend_groups(set, r, row, r->n - row < groups * ROWS ? r->n - row : groups * ROWS, c);
    tiles_end();
}

/* ---- writing ---- */

/* A key's dims in pairs, each at its place in a tile. */
static void put_key(const ct_set *set, size_t key, const float *k)
{
    const size_t stretches = dim_stretches(set);
    tile_pairs *to = (tile_pairs *)set->k + key / 16 * stretches;
    for (size_t s = 0; s < stretches; s++) {
        const size_t left = set->head_dim - 32 * s;
        _Alignas(64) uint32_t pairs[16];
        const __m512 low = _mm512_maskz_loadu_ps(first_lanes(left), k + 32 * s);
        const __m512 high =
            left > 16 ? _mm512_maskz_loadu_ps(first_lanes(left - 16), k + 32 * s + 16) : _mm512_setzero_ps();
        _mm512_store_si512(pairs, both_bf16(low, high));
        for (size_t i = 0; i < 16; i++)
            to[s][i][key % 16] = pairs[i];
    }
}

/* Two keys' values in pairs; odd: of the second, NULL if there is none. */
static void put_values(const ct_set *set, size_t key, const float *even, const float *odd)
{
    tile_pairs *to = (tile_pairs *)set->v + key / 32 * dim_tiles(set);
    for (size_t d = 0; d < set->head_dim; d += 16, to++) {
        const __mmask16 live = first_lanes(set->head_dim - d);
        const __m512 second = odd ? _mm512_maskz_loadu_ps(live, odd + d) : _mm512_setzero_ps();
        _mm512_store_si512((*to)[key % 32 / 2], pairs_bf16(_mm512_maskz_loadu_ps(live, even + d), second));
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
