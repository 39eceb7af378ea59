/* avx2_attend.c - attention over tiles of cached keys and values, and the writing of those tiles.
 *
 * Tile after tile, for all the rows that attend to some of it: scores (lanes are keys), a step of the running softmax,
 * values (lanes are dimensions). Rows go in groups of six, four, three, two and one; a group only shares the loads of
 * keys and values, each row's arithmetic is its own and the same in any group:
 *
 *     score = scale * (fma over the dimensions in order)
 *     m' = max(m, scores seen)    p = exp(score - m'), 0 where not seen    l = l exp(m - m') + sum p
 *     o  = o exp(m - m'), then fma of p * v over the 64 keys in order;     out = o / l at the end
 *
 * Q8_0, with d the scale of a key's or value's 32 dimensions and q8 its int8:
 *
 *     score = scale * (fma over the groups of 32, in order, of d * (fma over the 32 dimensions in order of q * q8))
 *     o     = o exp(m - m'), then fma of (p * d) * q8 over the 64 keys in order
 *
 * o is kept in out. An f16 or int8 tile is widened in registers: two conversions for the twelve multiplications of six
 * rows. Few rows take more keys or dimensions at a time, so that at least eight sums run side by side.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/generic/generic.h"
#include "kernels/generic/kv_q8.h"
#include "kernels/x86/avx2_math.h"

#define LANES 16  /* keys interleaved in a tile */
#define ROWS  256 /* rows that walk the tiles together */
#define GROUP 6   /* rows of the largest group */

typedef struct attend_scratch {
    _Alignas(32) float p[ROWS][CT_TILE];
    float rescale[ROWS], max[ROWS], sum[ROWS]; /* max and sum by row, the others by place in the list */
    size_t row[ROWS];                          /* the rows that attend to the tile */
} attend_scratch;
_Static_assert(sizeof(attend_scratch) <= CT_ATTEND_SCRATCH, "the scratch a caller hands over");

/* Eight elements at index i of a tile. */
INLINE __m256 load_kv(const ct_kv_elem elem, const void *tile, size_t i)
{
    if (elem == CT_KV_Q8_0)
        return _mm256_cvtepi32_ps(
            _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)((const int8_t *)tile + i))));
    return elem == CT_KV_F16 ? f16x8((const uint16_t *)tile + i) : _mm256_loadu_ps((const float *)tile + i);
}

/* Prefetches the next tile while this one is read; n is a constant wherever this is called. Without it a core mostly
 * waits for memory in a long context: it reached 10 of 30 GB/s. */
INLINE void fetch(const void *next, size_t from, const size_t n)
{
#pragma GCC unroll 4
    for (size_t at = 0; at < n; at += 64)
        _mm_prefetch((const char *)next + from + at, _MM_HINT_T1);
}

INLINE size_t elem_bytes(const ct_kv_elem elem)
{
    return elem == CT_KV_F32 ? 4 : elem == CT_KV_F16 ? 2 : 1;
}

/* ---- scores ---- */

/* p[t][16 B] = q[t] . k of B blocks of sixteen keys from block b0 on; T rows; d: the tile's scales in Q8_0. */
INLINE void scores_at(const ct_kv_elem elem, const int T, const int B, const float *const q[], const void *k,
                      const uint16_t *d, size_t head_dim, size_t b0, float (*p)[CT_TILE], const void *next)
{
    const bool is_scaled = elem == CT_KV_Q8_0;
    const size_t step = is_scaled ? CT_KV_GROUP : head_dim;
    for (size_t i0 = 0; i0 < head_dim; i0 += step) {
        __m256 acc[GROUP][8];
#pragma GCC unroll 6
        for (int t = 0; t < T; t++)
#pragma GCC unroll 8
            for (int v = 0; v < 2 * B; v++)
                acc[t][v] = _mm256_setzero_ps();
        if (is_scaled) /* the scales of as much as this reads */
            fetch(next, CT_TILE * head_dim + b0 * head_dim + i0 * (size_t)B, CT_KV_GROUP * (size_t)B);
        for (size_t i = i0; i < i0 + step; i++) {
            __m256 key[8];
            fetch(next, (b0 * head_dim + i * (size_t)B) * LANES * elem_bytes(elem),
                  (size_t)B * LANES * elem_bytes(elem));
#pragma GCC unroll 8
            for (size_t v = 0; v < 2 * (size_t)B; v++)
                key[v] = load_kv(elem, k, ((b0 + v / 2) * head_dim + i) * LANES + v % 2 * 8);
#pragma GCC unroll 6
            for (int t = 0; t < T; t++) {
                const __m256 f = broadcast_f32(q[t] + i);
#pragma GCC unroll 8
                for (int v = 0; v < 2 * B; v++)
                    acc[t][v] = _mm256_fmadd_ps(key[v], f, acc[t][v]);
            }
        }
#pragma GCC unroll 8
        for (size_t v = 0; v < 2 * (size_t)B; v++) {
            const size_t at = ((b0 + v / 2) * head_dim + i0) / CT_KV_GROUP * LANES + v % 2 * 8;
            const __m256 scale = is_scaled ? f16x8(d + at) : _mm256_setzero_ps();
#pragma GCC unroll 6
            for (int t = 0; t < T; t++) {
                float *to = p[t] + LANES * b0 + 8 * v;
                if (is_scaled)
                    acc[t][v] = i0 == 0 ? _mm256_mul_ps(acc[t][v], scale)
                                        : _mm256_fmadd_ps(acc[t][v], scale, _mm256_load_ps(to));
                _mm256_store_ps(to, acc[t][v]);
            }
        }
    }
}

/* ---- softmax ---- */

/* Slots [begin, end) of a tile. */
typedef struct slots {
    int begin, end;
} slots;

INLINE __m256 seen_lanes(slots s, int first)
{
    const __m256i i = _mm256_add_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(first));
    const __m256i below = _mm256_cmpgt_epi32(_mm256_set1_epi32(s.end), i);
    return _mm256_castsi256_ps(_mm256_andnot_si256(_mm256_cmpgt_epi32(_mm256_set1_epi32(s.begin), i), below));
}

/* The row's raw scores of the slots it attends to become exp(scale * score - m'); its maximum and sum are updated. */
static float softmax_step(float p[CT_TILE], slots seen, float scale, float *max, float *sum)
{
    __m256 s[8], top = _mm256_set1_ps(*max);
    for (int v = 0; v < 8; v++) {
        s[v] = _mm256_mul_ps(_mm256_load_ps(p + 8 * v), _mm256_set1_ps(scale));
        const __m256 larger = _mm256_max_ps(s[v], top); /* NaN: top stays, as in generic */
        top = _mm256_blendv_ps(top, larger, seen_lanes(seen, 8 * v));
    }
    top = _mm256_set1_ps(max_of_lanes(top));
    __m256 added = _mm256_setzero_ps();
    for (int v = 0; v < 8; v++) {
        s[v] = _mm256_and_ps(exp_or_zero(_mm256_sub_ps(s[v], top)), seen_lanes(seen, 8 * v));
        _mm256_store_ps(p + 8 * v, s[v]);
        added = _mm256_add_ps(added, s[v]);
    }
    const float rescale = _mm256_cvtss_f32(exp_or_zero(_mm256_sub_ps(_mm256_set1_ps(*max), top)));
    *max = _mm256_cvtss_f32(top);
    *sum = *sum * rescale + sum_of_lanes(added);
    return rescale;
}

/* ---- values ---- */

/* p * d for the values of up to two groups of 32 dimensions. */
typedef struct weights {
    _Alignas(32) float of[GROUP][2][CT_TILE];
} weights;

/* d: the scales of the first of n_groups groups. */
INLINE void weigh(const int T, const size_t n_groups, float (*p)[CT_TILE], const uint16_t *d, weights *w)
{
#pragma GCC unroll 2
    for (size_t g = 0; g < n_groups; g++)
#pragma GCC unroll 6
        for (int t = 0; t < T; t++)
            for (size_t key = 0; key < CT_TILE; key += 8)
                _mm256_store_ps(w->of[t][g] + key,
                                _mm256_mul_ps(_mm256_load_ps(p[t] + key), f16x8(d + g * CT_TILE + key)));
}

/* Dimensions [i, i + 8 B) of o[t] = o[t] * rescale[t] + sum over keys of p[t][key] v[key]; T rows. In Q8_0 w instead of
 * p, filled for the groups that i belongs to. */
INLINE void values_at(const ct_kv_elem elem, const int T, const int B, float *const o[], const float *rescale,
                      float (*p)[CT_TILE], const weights *w, const void *v, size_t head_dim, size_t i, const void *next)
{
    const bool is_scaled = elem == CT_KV_Q8_0;
    __m256 acc[GROUP][8];
#pragma GCC unroll 6
    for (int t = 0; t < T; t++)
#pragma GCC unroll 8
        for (int b = 0; b < B; b++)
            acc[t][b] = _mm256_mul_ps(_mm256_loadu_ps(o[t] + i + 8 * (size_t)b), _mm256_set1_ps(rescale[t]));
    if (is_scaled)
        fetch(next, CT_TILE * head_dim + i * 4, 32 * (size_t)B);
    for (size_t key = 0; key < CT_TILE; key++) {
        __m256 row[8];
        fetch(next, (i * CT_TILE + key * 8 * (size_t)B) * elem_bytes(elem), 8 * (size_t)B * elem_bytes(elem));
#pragma GCC unroll 8
        for (size_t b = 0; b < (size_t)B; b++)
            row[b] = load_kv(elem, v, key * head_dim + i + 8 * b);
#pragma GCC unroll 6
        for (int t = 0; t < T; t++) {
            const __m256 f[2] = { broadcast_f32((is_scaled ? w->of[t][0] : p[t]) + key),
                                  broadcast_f32((is_scaled ? w->of[t][B > 4] : p[t]) + key) };
#pragma GCC unroll 8
            for (int b = 0; b < B; b++)
                acc[t][b] = _mm256_fmadd_ps(row[b], f[b / 4], acc[t][b]);
        }
    }
#pragma GCC unroll 6
    for (int t = 0; t < T; t++)
#pragma GCC unroll 8
        for (int b = 0; b < B; b++)
            _mm256_storeu_ps(o[t] + i + 8 * (size_t)b, acc[t][b]);
}

/* The last head_dim % 8 dimensions, from i on, of one row. */
static void values_ragged(ct_kv_elem elem, float *o, float rescale, const float p[CT_TILE], const void *v,
                          size_t head_dim, size_t i)
{
    const size_t n = head_dim - i;
    __m256 acc = _mm256_mul_ps(load_part(o + i, n), _mm256_set1_ps(rescale));
    for (size_t key = 0; key < CT_TILE; key++) {
        __m256 row;
        if (elem == CT_KV_F16) {
            uint16_t half[8] = { 0 };
            memcpy(half, (const uint16_t *)v + key * head_dim + i, n * sizeof *half);
            row = f16x8(half);
        } else {
            row = load_part((const float *)v + key * head_dim + i, n);
        }
        acc = _mm256_fmadd_ps(row, broadcast_f32(p + key), acc);
    }
    store_part(o + i, n, acc);
}

/* d: the tile's scales in Q8_0, whose head_dim is a multiple of 32 = 4 vectors. */
INLINE void values_of(const ct_kv_elem elem, const int T, const int B, float *const o[], const float *rescale,
                      float (*p)[CT_TILE], const void *v, const uint16_t *d, size_t head_dim, const void *next)
{
    const size_t step = 8 * (size_t)B;
    weights w;
    size_t i = 0;
    for (; i + step <= head_dim; i += step) {
        if (elem == CT_KV_Q8_0 && i % CT_KV_GROUP == 0)
            weigh(T, B > 4 ? 2 : 1, p, d + i / CT_KV_GROUP * CT_TILE, &w);
        values_at(elem, T, B, o, rescale, p, &w, v, head_dim, i, next);
    }
    for (; i + 8 <= head_dim; i += 8) {
        if (elem == CT_KV_Q8_0 && i % CT_KV_GROUP == 0)
            weigh(T, 1, p, d + i / CT_KV_GROUP * CT_TILE, &w);
        values_at(elem, T, 1, o, rescale, p, &w, v, head_dim, i, next);
    }
    for (int t = 0; i < head_dim && t < T; t++)
        values_ragged(elem, o[t], rescale[t], p[t], v, head_dim, i);
}

/* ---- groups of rows ---- */

typedef void scores_fn(const float *const q[], const void *k, const uint16_t *d, size_t head_dim, float (*p)[CT_TILE],
                       const void *next);
typedef void values_fn(float *const o[], const float *rescale, float (*p)[CT_TILE], const void *v, const uint16_t *d,
                       size_t head_dim, const void *next);

/* T rows; KEYS blocks of sixteen keys and DIMS vectors of dimensions at a time. A row alone takes as many as there are
 * registers, but of int8 half as many: 29 GB/s out of the L2 cache instead of 18 (Zen 4, gcc 12, heads of 256). */
#define ROWS_OF(elem, T, KEYS, DIMS)                                                                                   \
    static void scores_##elem##_##T(const float *const q[], const void *k, const uint16_t *d, size_t head_dim,         \
                                    float(*p)[CT_TILE], const void *next)                                              \
    {                                                                                                                  \
        for (size_t b = 0; b < CT_TILE / LANES; b += KEYS)                                                             \
            scores_at(CT_KV_##elem, T, KEYS, q, k, d, head_dim, b, p, next);                                           \
    }                                                                                                                  \
    static void values_##elem##_##T(float *const o[], const float *rescale, float(*p)[CT_TILE], const void *v,         \
                                    const uint16_t *d, size_t head_dim, const void *next)                              \
    {                                                                                                                  \
        values_of(CT_KV_##elem, T, DIMS, o, rescale, p, v, d, head_dim, next);                                         \
    }
#define GROUPS_OF(elem, KEYS_1, DIMS_1)                                                                                \
    ROWS_OF(elem, 1, KEYS_1, DIMS_1)                                                                                   \
    ROWS_OF(elem, 2, 2, 4)                                                                                             \
    ROWS_OF(elem, 3, 2, 4)                                                                                             \
    ROWS_OF(elem, 4, 1, 2)                                                                                             \
    ROWS_OF(elem, 6, 1, 2)
GROUPS_OF(F16, 4, 8)
GROUPS_OF(F32, 4, 8)
GROUPS_OF(Q8_0, 2, 4)

#define GROUP_OF(T)                                                                                                    \
    {                                                                                                                  \
        T, { scores_F16_##T, scores_F32_##T, scores_Q8_0_##T },                                                        \
        {                                                                                                              \
            values_F16_##T, values_F32_##T, values_Q8_0_##T                                                            \
        }                                                                                                              \
    }
static const struct {
    size_t rows;
    scores_fn *scores[3]; /* by ct_kv_elem */
    values_fn *values[3];
} groups[] = { GROUP_OF(6), GROUP_OF(4), GROUP_OF(3), GROUP_OF(2), GROUP_OF(1) };
_Static_assert(CT_KV_F16 == 0 && CT_KV_F32 == 1 && CT_KV_Q8_0 == 2, "the order in groups");

static size_t group_for(size_t n)
{
    size_t g = 0;
    while (groups[g].rows > n)
        g++;
    return g;
}

/* ---- the walk over tiles ---- */

static size_t within_tile(size_t pos, size_t tile)
{
    const size_t first = tile * CT_TILE, at = pos > first ? pos - first : 0;
    return at < CT_TILE ? at : CT_TILE;
}

/* The slots that row r attends to; begin >= end: none. */
static slots seen_slots(const ct_attend *a, size_t r, size_t tile)
{
    return (slots){ (int)within_tile(a->lo[r], tile), (int)within_tile(a->hi[r], tile) };
}

static size_t rows_that_see(const ct_attend *a, size_t tile, size_t r0, size_t n, size_t row[ROWS])
{
    size_t n_seen = 0;
    for (size_t r = 0; r < n; r++) {
        const slots seen = seen_slots(a, r0 + r, tile);
        if (seen.begin < seen.end)
            row[n_seen++] = r;
    }
    return n_seen;
}

/* next: the keys that come after this tile's, or NULL. */
static void attend_tile(const ct_attend *a, size_t tile, size_t r0, size_t n, const void *next, attend_scratch *s)
{
    const size_t n_seen = rows_that_see(a, tile, r0, n, s->row);
    size_t g;
    if (n_seen == 0)
        return;
    const void *k = a->k_tiles[tile - a->tile0], *v = a->v_tiles[tile - a->tile0];
    for (size_t i = 0; i < n_seen; i += groups[g].rows) {
        const float *q[GROUP];
        g = group_for(n_seen - i);
        for (size_t j = 0; j < groups[g].rows; j++)
            q[j] = a->q[r0 + s->row[i + j]];
        groups[g].scores[a->elem](q, k, ct_kv_scales_of(k, a->head_dim), a->head_dim, s->p + i, i ? k : v);
    }
    for (size_t i = 0; i < n_seen; i++) {
        const size_t r = s->row[i];
        s->rescale[i] = softmax_step(s->p[i], seen_slots(a, r0 + r, tile), a->scale, &s->max[r], &s->sum[r]);
    }
    for (size_t i = 0; i < n_seen; i += groups[g].rows) {
        float *o[GROUP];
        g = group_for(n_seen - i);
        for (size_t j = 0; j < groups[g].rows; j++)
            o[j] = a->out[r0 + s->row[i + j]];
        groups[g].values[a->elem](o, s->rescale + i, s->p + i, v, ct_kv_scales_of(v, a->head_dim), a->head_dim,
                                  i || !next ? v : next);
    }
}

/* Rows [r0, r0 + n), n at most ROWS. */
static void attend_rows(const ct_attend *a, size_t r0, size_t n, attend_scratch *s)
{
    size_t first = SIZE_MAX, last = 0; /* tiles that any row attends to */
    for (size_t r = 0; r < n; r++) {
        s->max[r] = -INFINITY;
        s->sum[r] = 0;
        memset(a->out[r0 + r], 0, a->head_dim * sizeof(float));
        if (a->lo[r0 + r] >= a->hi[r0 + r])
            continue;
        const size_t begin = a->lo[r0 + r] / CT_TILE, end = (a->hi[r0 + r] - 1) / CT_TILE + 1;
        first = begin < first ? begin : first;
        last = end > last ? end : last;
    }
    for (size_t tile = first; tile < last; tile++)
        attend_tile(a, tile, r0, n, tile + 1 < last ? a->k_tiles[tile + 1 - a->tile0] : NULL, s);
    for (size_t r = 0; r < n; r++) {
        const __m256 sum = _mm256_set1_ps(s->sum[r]);
        float *o = a->out[r0 + r];
        for (size_t i = 0; i < a->head_dim && a->lo[r0 + r] < a->hi[r0 + r]; i += 8)
            store_part(o + i, a->head_dim - i, _mm256_div_ps(load_part(o + i, a->head_dim - i), sum));
    }
}

static void attend(const ct_attend *a, void *scratch)
{
    for (size_t r = 0; r < a->n; r += ROWS)
        attend_rows(a, r, a->n - r < ROWS ? a->n - r : ROWS, scratch);
}

/* ---- writing ---- */

static uint32_t max_of_lanes_u32(__m256i v)
{
    __m128i m = _mm_max_epu32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    m = _mm_max_epu32(m, _mm_shuffle_epi32(m, 0x4E));
    m = _mm_max_epu32(m, _mm_shuffle_epi32(m, 0xB1));
    return (uint32_t)_mm_cvtsi128_si32(m);
}

/* Thirty-two values: int8 and the scale's bits. */
static uint16_t quantise(const float *x, int8_t q[CT_KV_GROUP])
{
    const __m256i magnitude = _mm256_set1_epi32(0x7FFFFFFF);
    __m256i top = _mm256_setzero_si256(), n[4];
    for (int v = 0; v < 4; v++)
        top = _mm256_max_epu32(top, _mm256_and_si256(load256(x + 8 * v), magnitude));
    float inverse;
    const uint16_t d = ct_kv_q8_scale(max_of_lanes_u32(top), &inverse);
    for (int v = 0; v < 4; v++) /* where every q is 0, x may be infinite or NaN: conversion gives INT_MIN */
        n[v] = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 8 * v), _mm256_set1_ps(inverse)));
    /* Packing goes by halves of registers: words 0 1, 2 3 and then bytes give dwords 0 2 4 6 1 3 5 7. */
    const __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(n[0], n[1]), _mm256_packs_epi32(n[2], n[3]));
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const __m256i live = _mm256_set1_epi32(inverse == 0 ? 0 : -1);
    store256(q, _mm256_and_si256(_mm256_permutevar8x32_epi32(bytes, order), live));
    return d;
}

static void kv_put(ct_kv_elem elem, void *k_tile, void *v_tile, size_t slot, const float *k, const float *v,
                   size_t head_dim)
{
    if (elem == CT_KV_Q8_0) {
        for (size_t i = 0; i < head_dim; i += CT_KV_GROUP) {
            int8_t q[2][CT_KV_GROUP];
            const uint16_t kd = quantise(k + i, q[0]), vd = quantise(v + i, q[1]);
            ct_kv_q8_put_group(k_tile, v_tile, slot, i, q, kd, vd, head_dim);
        }
        return;
    }
    if (elem == CT_KV_F32) { /* nothing to convert */
        ct_kv_put_generic(elem, k_tile, v_tile, slot, k, v, head_dim);
        return;
    }
    const size_t k0 = slot / LANES * head_dim * LANES + slot % LANES, v0 = slot * head_dim;
    uint16_t *k_out = (uint16_t *)k_tile + k0, *v_out = (uint16_t *)v_tile + v0;
    for (size_t i = 0; i < head_dim; i += 8) {
        const size_t n = head_dim - i < 8 ? head_dim - i : 8;
        uint16_t half[2][8];
        _mm_storeu_si128((__m128i *)(void *)half[0], _mm256_cvtps_ph(load_part(k + i, n), NEAREST));
        _mm_storeu_si128((__m128i *)(void *)half[1], _mm256_cvtps_ph(load_part(v + i, n), NEAREST));
        for (size_t j = 0; j < n; j++)
            k_out[(i + j) * LANES] = half[0][j];
        memcpy(v_out + i, half[1], n * sizeof **half);
    }
}

void ct_avx2_attend(ct_kernels *k)
{
    k->attend = attend;
    k->kv_put = kv_put;
}
