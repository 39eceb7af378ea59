/* set_lanes.h - attention over a whole set of keys (kernels.h), written once for the vectors of every level.
 *
 * Lanes are query rows, so that nothing is ever summed or compared across lanes. Two vectors of rows make a block; for
 * each tile of SET_TILE keys, at fixed places from the first key on,
 *
 *     s[key]  = sum over the steps of a key of q[step] * k[step]
 *     m'      = max(m, s)    p[key] = exp(scale s - scale m')    l' = l r + sum p        r = exp(scale m - scale m')
 *     o[dim]' = o[dim] r + sum over the steps of the keys of p[step] * v[step]
 *
 * and out = o / l at the end. The sums of a few keys (or dims) times both vectors stay in registers; the numbers of
 * those keys are broadcast. Blocks that fit the scratch walk the tiles together.
 *
 * A file that includes this first defines:
 *     vec, LANES                     a vector of floats, and how many
 *     v_load v_store                 64-aligned
 *     v_set1 v_add v_mul v_div v_max
 *     v_fmsub(a, b, c)               a b - c, fused
 *     v_step(p)                      the four bytes at p, in all lanes
 *     SET_STEP                       values in a step: 1 or 2
 *     SET_WIDE                       keys or dims whose sums the registers hold, times two: a divisor of 12
 *     SET_UNIT                       the exponents that set_exp takes are this times the natural ones
 *     set_dot(acc, a, b)             acc + a step's products
 *     set_exp(x)                     for x of 0 or below, however far; NaN stays
 *     set_join(p)                    SET_STEP vectors of values as one of steps
 *     set_steps(to, row, n)          n values in a row as steps; writes whole vectors
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_SET_LANES_H
#define CT_KERNELS_SET_LANES_H

#include <string.h>

#include "kernels/kernels.h"

#define GROUP     CT_SET_GROUP
#define ROWS      (2 * LANES) /* of a block */
#define SET_TILE  96          /* keys */
#define BLOCKS    4           /* that walk together at most */
#define MAX_STEPS ((CT_MAX_HEAD_DIM + SET_STEP - 1) / SET_STEP)
#define LOWEST    (-0x1p125f) /* a maximum that any score passes; its scaled difference to one stays finite */

typedef struct set_block { /* what stays with a block's query rows; steps stand in floats */
    float *q;              /* [steps of head_dim][ROWS] */
    float *o;              /* [dims, rounded up][ROWS] */
    _Alignas(64) float max[ROWS], sum[ROWS];
} set_block;

typedef struct set_scratch {
    _Alignas(64) float s[SET_TILE][ROWS]; /* a tile's scores, then in their place its steps of weights */
    _Alignas(64) float rescale[ROWS];
    set_block block[BLOCKS];
    _Alignas(64) float room[];
} set_scratch;

_Static_assert(SET_TILE % GROUP == 0 && GROUP % SET_STEP == 0 && GROUP % SET_WIDE == 0, "whole groups and steps");
_Static_assert(sizeof(set_scratch) + 4 * ROWS * (CT_MAX_HEAD_DIM + GROUP + MAX_STEPS) <= CT_ATTEND_SCRATCH,
               "the scratch a caller hands over holds a block");

#define SET_INLINE static inline __attribute__((always_inline))

/* Steps of a key or query. */
SET_INLINE size_t steps_of(const ct_set *s)
{
    return (s->head_dim + SET_STEP - 1) / SET_STEP;
}

SET_INLINE size_t dims_of(const ct_set *s)
{
    return (s->head_dim + GROUP - 1) / GROUP * GROUP;
}

/* acc += n steps of SET_WIDE broadcast numbers, `stride` bytes apart, times those of the rows. */
SET_INLINE void add_steps(size_t n, const uint8_t *wide, size_t stride, const float *rows, vec acc[SET_WIDE][2])
{
    for (size_t i = 0; i < n; i++, wide += stride, rows += ROWS) {
        const vec r0 = v_load(rows), r1 = v_load(rows + LANES);
#pragma GCC unroll 12
        for (int j = 0; j < SET_WIDE; j++) {
            const vec b = v_step(wide + 4 * j);
            acc[j][0] = set_dot(acc[j][0], r0, b);
            acc[j][1] = set_dot(acc[j][1], r1, b);
        }
    }
}

/* Raw scores of the n keys from `key` on; top: the largest of them and of what it was. */
static void take_scores(const ct_set *set, size_t key, size_t n, const set_block *b, set_scratch *c, vec top[2])
{
    const size_t steps = steps_of(set);
    const uint8_t *k = (const uint8_t *)set->k + 4 * key * steps;
    for (size_t t = 0; t < n; t += SET_WIDE) {
        vec acc[SET_WIDE][2];
#pragma GCC unroll 12
        for (int j = 0; j < SET_WIDE; j++)
            acc[j][0] = acc[j][1] = v_set1(0);
        add_steps(steps, k + 4 * (t / GROUP * GROUP * steps + t % GROUP), 4 * GROUP, b->q, acc);
#pragma GCC unroll 12
        for (size_t j = 0; j < SET_WIDE; j++)
            for (size_t i = 0; i < 2; i++) {
                v_store(c->s[t + j] + LANES * i, acc[j][i]);
                if (t + j < n) /* what lies past the last key does not count */
                    top[i] = v_max(acc[j][i], top[i]);
            }
    }
}

/* The scores of n keys become weights, in steps; the block's maxima and sums move on. */
static void take_weights(float scale, size_t n, const vec top[2], set_block *b, set_scratch *c)
{
    const vec unit = v_set1(scale * SET_UNIT);
    for (size_t i = 0; i < ROWS; i += LANES) {
        const vec max = v_mul(top[i / LANES], unit);
        const vec rescale = set_exp(v_fmsub(v_load(b->max + i), unit, max));
        vec sum = v_mul(v_load(b->sum + i), rescale);
        for (size_t t = 0; t < n; t += SET_STEP) {
            vec p[SET_STEP];
            for (size_t j = 0; j < SET_STEP; j++) {
                p[j] = set_exp(v_fmsub(v_load(c->s[t + j] + i), unit, max));
                if (t + j >= n)
                    p[j] = v_set1(0);
                sum = v_add(sum, p[j]);
            }
            v_store(c->s[t / SET_STEP] + i, set_join(p));
        }
        v_store(b->max + i, top[i / LANES]);
        v_store(b->sum + i, sum);
        v_store(c->rescale + i, rescale);
    }
}

static void take_values(const ct_set *set, size_t key, size_t n, const set_block *b, const set_scratch *c)
{
    const size_t dims = dims_of(set);
    const uint8_t *v = (const uint8_t *)set->v + 4 * dims * (key / SET_STEP);
    const vec r0 = v_load(c->rescale), r1 = v_load(c->rescale + LANES);
    for (size_t d = 0; d < dims; d += SET_WIDE) {
        vec acc[SET_WIDE][2];
        float *o = b->o + d * ROWS;
#pragma GCC unroll 12
        for (int j = 0; j < SET_WIDE; j++) {
            acc[j][0] = v_mul(v_load(o + ROWS * j), r0);
            acc[j][1] = v_mul(v_load(o + ROWS * j + LANES), r1);
        }
        add_steps((n + SET_STEP - 1) / SET_STEP, v + 4 * d, 4 * dims, c->s[0], acc);
#pragma GCC unroll 12
        for (int j = 0; j < SET_WIDE; j++) {
            v_store(o + ROWS * j, acc[j][0]);
            v_store(o + ROWS * j + LANES, acc[j][1]);
        }
    }
}

/* n rows of queries into the block; places past the last row are 0. */
static void begin_block(const ct_set *set, const ct_set_rows *r, size_t row, size_t n, set_block *b)
{
    const size_t steps = steps_of(set);
    _Alignas(64) float q[MAX_STEPS + LANES];
    memset(b->q, 0, ROWS * steps * sizeof *q);
    memset(b->o, 0, ROWS * dims_of(set) * sizeof *b->o);
    for (size_t i = 0; i < n; i++) /* rows are far apart: all are prefetched before the first is read */
        for (size_t d = 0; d < set->head_dim; d += 16)
            __builtin_prefetch(r->q + (row + i) * r->stride + d);
    for (size_t i = 0; i < n; i++) {
        set_steps(q, r->q + (row + i) * r->stride, set->head_dim);
        for (size_t s = 0; s < steps; s++)
            memcpy(b->q + s * ROWS + i, q + s, sizeof *q);
    }
    for (size_t i = 0; i < ROWS; i++)
        b->max[i] = LOWEST, b->sum[i] = 0;
}

static void end_block(const ct_set *set, const ct_set_rows *r, size_t row, size_t n, const set_block *b)
{
    _Alignas(64) float o[ROWS];
    for (size_t d = 0; d < set->head_dim; d++) {
        for (size_t i = 0; i < ROWS; i += LANES)
            v_store(o + i, v_div(v_load(b->o + d * ROWS + i), v_load(b->sum + i)));
        for (size_t i = 0; i < n; i++)
            r->out[(row + i) * r->stride + d] = o[i];
    }
}

/* n rows, at most what BLOCKS hold, from `row` on. */
static void attend_blocks(const ct_set *set, const ct_set_rows *r, size_t row, size_t n, set_scratch *c)
{
    const size_t blocks = (n + ROWS - 1) / ROWS;
    for (size_t i = 0; i < blocks; i++)
        begin_block(set, r, row + i * ROWS, n - i * ROWS < ROWS ? n - i * ROWS : ROWS, &c->block[i]);
    for (size_t key = 0; key < set->n_key; key += SET_TILE) {
        const size_t n_key = set->n_key - key < SET_TILE ? set->n_key - key : SET_TILE;
        for (size_t i = 0; i < blocks; i++) {
            set_block *b = &c->block[i];
            vec top[2] = { v_load(b->max), v_load(b->max + LANES) };
            take_scores(set, key, n_key, b, c, top);
            take_weights(r->scale, n_key, top, b, c);
            take_values(set, key, n_key, b, c);
        }
    }
    for (size_t i = 0; i < blocks; i++)
        end_block(set, r, row + i * ROWS, n - i * ROWS < ROWS ? n - i * ROWS : ROWS, &c->block[i]);
}

static void set_attend(const ct_set *set, const ct_set_rows *r, void *scratch)
{
    set_scratch *c = scratch;
    const size_t q_floats = ROWS * steps_of(set), floats = q_floats + ROWS * dims_of(set);
    size_t blocks = (CT_ATTEND_SCRATCH - sizeof *c) / (floats * sizeof(float));
    blocks = blocks < BLOCKS ? blocks : BLOCKS;
    for (size_t i = 0; i < blocks; i++) {
        c->block[i].q = c->room + i * floats;
        c->block[i].o = c->block[i].q + q_floats;
    }
    for (size_t row = 0; row < r->n; row += blocks * ROWS)
        attend_blocks(set, r, row, r->n - row < blocks * ROWS ? r->n - row : blocks * ROWS, c);
}

/* ---- writing ---- */

typedef float four __attribute__((vector_size(16)));
#if defined(__clang__)
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
typedef int32_t four_places __attribute__((vector_size(16)));
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (four_places){ __VA_ARGS__ })
#endif

/* Four steps of four keys, whose rows are LANES floats apart, turned: step after step GROUP floats apart. */
SET_INLINE void turn_four(const float *rows, float *to)
{
    four r[4];
    for (size_t i = 0; i < 4; i++)
        memcpy(&r[i], rows + i * LANES, sizeof r[i]);
    const four low01 = SHUFFLE(r[0], r[1], 0, 4, 1, 5), low23 = SHUFFLE(r[2], r[3], 0, 4, 1, 5);
    const four high01 = SHUFFLE(r[0], r[1], 2, 6, 3, 7), high23 = SHUFFLE(r[2], r[3], 2, 6, 3, 7);
    r[0] = SHUFFLE(low01, low23, 0, 1, 4, 5), r[1] = SHUFFLE(low01, low23, 2, 3, 6, 7);
    r[2] = SHUFFLE(high01, high23, 0, 1, 4, 5), r[3] = SHUFFLE(high01, high23, 2, 3, 6, 7);
    for (size_t i = 0; i < 4; i++)
        memcpy(to + i * GROUP, &r[i], sizeof r[i]);
}

/* Up to LANES steps of a group's n keys: `left` values of each are there. */
SET_INLINE void put_steps(float *to, size_t n_steps, const float *k, size_t n, size_t left, size_t stride)
{
    _Alignas(64) float rows[GROUP][LANES];
    for (size_t i = n; i < GROUP; i++)
        memset(rows[i], 0, sizeof rows[i]);
    for (size_t i = 0; i < n; i++)
        set_steps(rows[i], k + i * stride, left);
    size_t s = 0;
    for (; s + 4 <= n_steps; s += 4)
        for (size_t i = 0; i < GROUP; i += 4)
            turn_four(rows[i] + s, to + s * GROUP + i);
    for (; s < n_steps; s++)
        for (size_t i = 0; i < GROUP; i++)
            to[s * GROUP + i] = rows[i][s];
}

static void put_keys(float *to, size_t steps, const float *k, size_t n, size_t dim, size_t stride)
{
    const size_t values = LANES * SET_STEP; /* of so many steps */
    for (; dim >= values; dim -= values, steps -= LANES, k += values, to += LANES * GROUP)
        put_steps(to, LANES, k, n, values, stride);
    if (steps > 0)
        put_steps(to, steps, k, n, dim, stride);
}

/* A step's keys from v on, of which n exist (0: none), as `dims` steps. */
static void put_values(float *to, size_t dims, const float *v, size_t n, size_t dim, size_t stride)
{
    _Alignas(64) float part[SET_STEP][LANES], steps[LANES];
    if (SET_STEP == 1 && n > 0) { /* steps are the values themselves */
        memcpy(to, v, dim * sizeof *to);
        memset(to + dim, 0, (dims - dim) * sizeof *to);
        return;
    }
    for (size_t d = 0; d < dims; d += LANES) {
        vec p[SET_STEP];
        const size_t left = d < dim ? dim - d : 0, wide = dims - d < LANES ? dims - d : LANES;
        const bool is_whole = n >= SET_STEP && left >= LANES;
        for (size_t j = 0; j < SET_STEP; j++) {
            if (is_whole) {
                memcpy(part[j], v + j * stride + d, sizeof part[j]);
            } else {
                memset(part[j], 0, sizeof part[j]);
                if (j < n)
                    memcpy(part[j], v + j * stride + d, (left < LANES ? left : LANES) * sizeof *v);
            }
            p[j] = v_load(part[j]);
        }
        v_store(steps, set_join(p));
        if (wide == LANES)
            memcpy(to + d, steps, sizeof steps);
        else
            memcpy(to + d, steps, wide * sizeof *to);
    }
}

/* A group's n keys and values. */
static void put_group(const ct_set *set, size_t key, size_t n, const float *k, const float *v, size_t stride)
{
    const size_t steps = steps_of(set), dims = dims_of(set);
    float *to_v = (float *)set->v + key / SET_STEP * dims;
    put_keys((float *)set->k + key * steps, steps, k, n, set->head_dim, stride);
    for (size_t i = 0; i < GROUP; i += SET_STEP, to_v += dims)
        put_values(to_v, dims, v + (i < n ? i : 0) * stride, i < n ? n - i : 0, set->head_dim, stride);
}

static void set_put(const ct_set *set, size_t key, size_t n, const float *k, const float *v, size_t stride)
{
    for (size_t i = 0; i < n; i += GROUP)
        put_group(set, key + i, n - i < GROUP ? n - i : GROUP, k + i * stride, v + i * stride, stride);
}

#endif
