/* avx512_attend.c - attention over tiles of cached keys and values, and the writing of those tiles.
 *
 * Tile after tile, for all the rows that see some of it: scores (lanes are keys), a step of the running softmax, values
 * (lanes are dimensions). Rows go in groups of six, four, two and one; a group only shares the loads of keys and
 * values, each row's arithmetic is its own and the same in any group:
 *
 *     score = scale * (fma over the dimensions in order)
 *     m' = max(m, scores seen)    p = exp(score - m'), 0 where not seen    l = l exp(m - m') + sum p
 *     o  = o exp(m - m'), then fma of p * v over the 64 keys in order;     out = o / l at the end
 *
 * o is kept in out. With more than WIDEN rows an f16 tile is widened to f32 once instead of once a group.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "kernels/generic/generic.h"
#include "kernels/x86/avx512.h"
#include "kernels/x86/avx512_math.h"

#define LANES 16
#define ROWS  192 /* rows that walk the tiles together */
#define WIDEN 12

typedef struct attend_scratch {
    _Alignas(64) float tile[CARAT_TILE * CARAT_MAX_HEAD_DIM]; /* keys, then values, of one tile in f32 */
    float p[ROWS][CARAT_TILE];
    float rescale[ROWS], max[ROWS], sum[ROWS]; /* max and sum by row, the others by place in the list */
    size_t row[ROWS];                          /* the rows that see the tile */
} attend_scratch;
_Static_assert(sizeof(attend_scratch) <= CARAT_ATTEND_SCRATCH, "the scratch a caller hands over");

/* Sixteen elements at index i of a tile. */
INLINE __m512 load_kv(const carat_kv_elem elem, const void *tile, size_t i)
{
    if (elem == CARAT_KV_F16)
        return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)((const uint16_t *)tile + i)));
    return _mm512_loadu_ps((const float *)tile + i);
}

/* The tile that comes next is asked for, 128 bytes a step (all of it in f16), while this one is read. */
INLINE void fetch(const void *next, size_t step)
{
    _mm_prefetch((const char *)next + 128 * step, _MM_HINT_T1);
    _mm_prefetch((const char *)next + 128 * step + 64, _MM_HINT_T1);
}

/* ---- scores ---------------------------------------------------------------------------------------------------- */

/* p[t][64] = q[t] . k, T rows. */
INLINE void scores(const carat_kv_elem elem, const int T, const float *const q[], const void *k, size_t head_dim,
                   float (*p)[CARAT_TILE], const void *next)
{
    __m512 acc[6][4];
#pragma GCC unroll 6
    for (int t = 0; t < T; t++)
#pragma GCC unroll 4
        for (int b = 0; b < 4; b++)
            acc[t][b] = _mm512_setzero_ps();
    for (size_t i = 0; i < head_dim; i++) {
        __m512 v[4];
        fetch(next, i);
#pragma GCC unroll 4
        for (size_t b = 0; b < 4; b++)
            v[b] = load_kv(elem, k, (b * head_dim + i) * LANES);
#pragma GCC unroll 6
        for (int t = 0; t < T; t++) {
            const __m512 f = _mm512_set1_ps(q[t][i]);
#pragma GCC unroll 4
            for (int b = 0; b < 4; b++)
                acc[t][b] = _mm512_fmadd_ps(v[b], f, acc[t][b]);
        }
    }
#pragma GCC unroll 6
    for (int t = 0; t < T; t++)
#pragma GCC unroll 4
        for (int b = 0; b < 4; b++)
            _mm512_store_ps(p[t] + LANES * b, acc[t][b]);
}

/* ---- softmax --------------------------------------------------------------------------------------------------- */

/* The row's raw scores of the slots in `seen` become exp(scale * score - m'); its maximum and sum move on. */
static float softmax_step(float p[CARAT_TILE], uint64_t seen, float scale, float *max, float *sum)
{
    __m512 s[4], top = _mm512_set1_ps(*max);
    for (int b = 0; b < 4; b++) {
        s[b] = _mm512_mul_ps(_mm512_load_ps(p + LANES * b), _mm512_set1_ps(scale));
        top = _mm512_mask_max_ps(top, (__mmask16)(seen >> LANES * b), s[b], top);
    }
    top = _mm512_set1_ps(_mm512_reduce_max_ps(top));
    __m512 added = _mm512_setzero_ps();
    for (int b = 0; b < 4; b++) {
        s[b] = _mm512_maskz_mov_ps((__mmask16)(seen >> LANES * b), exp_or_zero(_mm512_sub_ps(s[b], top)));
        _mm512_store_ps(p + LANES * b, s[b]);
        added = _mm512_add_ps(added, s[b]);
    }
    const float rescale = _mm512_cvtss_f32(exp_or_zero(_mm512_sub_ps(_mm512_set1_ps(*max), top)));
    *max = _mm512_cvtss_f32(top);
    *sum = *sum * rescale + _mm512_reduce_add_ps(added);
    return rescale;
}

/* ---- values ---------------------------------------------------------------------------------------------------- */

/* Dimensions [i, i + 64) of o[t] = o[t] * rescale[t] + sum over keys of p[t][key] v[key]. */
INLINE void values_64(const carat_kv_elem elem, const int T, float *const o[], const float *rescale,
                      float (*p)[CARAT_TILE], const void *v, size_t head_dim, size_t i, const void *next)
{
    __m512 acc[6][4];
#pragma GCC unroll 6
    for (int t = 0; t < T; t++)
#pragma GCC unroll 4
        for (int b = 0; b < 4; b++)
            acc[t][b] = _mm512_mul_ps(_mm512_loadu_ps(o[t] + i + 16 * b), _mm512_set1_ps(rescale[t]));
    for (size_t key = 0; key < CARAT_TILE; key++) {
        __m512 row[4];
        fetch(next, i + key);
#pragma GCC unroll 4
        for (size_t b = 0; b < 4; b++)
            row[b] = load_kv(elem, v, key * head_dim + i + 16 * b);
#pragma GCC unroll 6
        for (int t = 0; t < T; t++) {
            const __m512 f = _mm512_set1_ps(p[t][key]);
#pragma GCC unroll 4
            for (int b = 0; b < 4; b++)
                acc[t][b] = _mm512_fmadd_ps(row[b], f, acc[t][b]);
        }
    }
#pragma GCC unroll 6
    for (int t = 0; t < T; t++)
#pragma GCC unroll 4
        for (int b = 0; b < 4; b++)
            _mm512_storeu_ps(o[t] + i + 16 * b, acc[t][b]);
}

INLINE __m512 load_some(const carat_kv_elem elem, __mmask16 lanes, const void *tile, size_t i)
{
    if (elem == CARAT_KV_F16)
        return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(lanes, (const uint16_t *)tile + i));
    return _mm512_maskz_loadu_ps(lanes, (const float *)tile + i);
}

/* As values_64 for the at most 16 dimensions from i on that `lanes` names. */
INLINE void values_16(const carat_kv_elem elem, const int T, const __mmask16 lanes, float *const o[],
                      const float *rescale, float (*p)[CARAT_TILE], const void *v, size_t head_dim, size_t i)
{
    __m512 acc[6];
#pragma GCC unroll 6
    for (int t = 0; t < T; t++)
        acc[t] = _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, o[t] + i), _mm512_set1_ps(rescale[t]));
    for (size_t key = 0; key < CARAT_TILE; key++) {
        const __m512 row = load_some(elem, lanes, v, key * head_dim + i);
#pragma GCC unroll 6
        for (int t = 0; t < T; t++)
            acc[t] = _mm512_fmadd_ps(row, _mm512_set1_ps(p[t][key]), acc[t]);
    }
#pragma GCC unroll 6
    for (int t = 0; t < T; t++)
        _mm512_mask_storeu_ps(o[t] + i, lanes, acc[t]);
}

INLINE void values(const carat_kv_elem elem, const int T, float *const o[], const float *rescale,
                   float (*p)[CARAT_TILE], const void *v, size_t head_dim, const void *next)
{
    size_t i = 0;
    for (; i + 64 <= head_dim; i += 64)
        values_64(elem, T, o, rescale, p, v, head_dim, i, next);
    for (; i < head_dim; i += 16)
        values_16(elem, T, first_lanes(head_dim - i), o, rescale, p, v, head_dim, i);
}

/* ---- groups of rows -------------------------------------------------------------------------------------------- */

typedef void scores_fn(const float *const q[], const void *k, size_t head_dim, float (*p)[CARAT_TILE],
                       const void *next);
typedef void values_fn(float *const o[], const float *rescale, float (*p)[CARAT_TILE], const void *v, size_t head_dim,
                       const void *next);

#define GROUP(elem, T)                                                                                                 \
    static void scores_##elem##_##T(const float *const q[], const void *k, size_t head_dim, float(*p)[CARAT_TILE],     \
                                    const void *next)                                                                  \
    {                                                                                                                  \
        scores(CARAT_KV_##elem, T, q, k, head_dim, p, next);                                                           \
    }                                                                                                                  \
    static void values_##elem##_##T(float *const o[], const float *rescale, float(*p)[CARAT_TILE], const void *v,      \
                                    size_t head_dim, const void *next)                                                 \
    {                                                                                                                  \
        values(CARAT_KV_##elem, T, o, rescale, p, v, head_dim, next);                                                  \
    }
GROUP(F16, 1)
GROUP(F16, 2)
GROUP(F16, 4)
GROUP(F16, 6)
GROUP(F32, 1)
GROUP(F32, 2)
GROUP(F32, 4)
GROUP(F32, 6)

static const struct {
    size_t rows;
    scores_fn *scores[2]; /* by carat_kv_elem */
    values_fn *values[2];
} groups[] = {
    { 6, { scores_F16_6, scores_F32_6 }, { values_F16_6, values_F32_6 } },
    { 4, { scores_F16_4, scores_F32_4 }, { values_F16_4, values_F32_4 } },
    { 2, { scores_F16_2, scores_F32_2 }, { values_F16_2, values_F32_2 } },
    { 1, { scores_F16_1, scores_F32_1 }, { values_F16_1, values_F32_1 } },
};
_Static_assert(CARAT_KV_F16 == 0 && CARAT_KV_F32 == 1, "the order in groups");

static size_t group_for(size_t n)
{
    size_t g = 0;
    while (groups[g].rows > n)
        g++;
    return g;
}

/* The tile in f32, if many rows are to read it; else as it is. */
static const void *widen(carat_kv_elem *elem, const void *tile, size_t n_rows, size_t n, float *buf)
{
    if (*elem == CARAT_KV_F32 || n_rows <= WIDEN)
        return tile;
    for (size_t i = 0; i < n; i += 64) { /* n is a multiple of 64 */
        fetch(tile, i / 64 + 64);
        for (size_t j = i; j < i + 64; j += 16)
            _mm512_store_ps(buf + j, load_kv(CARAT_KV_F16, tile, j));
    }
    *elem = CARAT_KV_F32;
    return buf;
}

/* Slots of a tile that row r sees, as bits. */
static uint64_t seen_slots(const carat_attend *a, size_t r, size_t tile)
{
    const size_t first = tile * CARAT_TILE;
    const size_t lo = a->lo[r] > first ? a->lo[r] - first : 0, hi = a->hi[r] > first ? a->hi[r] - first : 0;
    const uint64_t below_hi = hi >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << hi) - 1;
    return lo >= 64 ? 0 : below_hi & (~(uint64_t)0 << lo);
}

/* The scores of the n rows listed in s->row, and the softmax's step. */
static void take_scores(const carat_attend *a, size_t tile, size_t r0, size_t n, attend_scratch *s)
{
    carat_kv_elem elem = a->elem;
    const void *k = widen(&elem, a->k_tiles[tile - a->tile0], n, CARAT_TILE * a->head_dim, s->tile);
    for (size_t i = 0, g; i < n; i += groups[g].rows) {
        const float *q[6];
        g = group_for(n - i);
        for (size_t j = 0; j < groups[g].rows; j++)
            q[j] = a->q[r0 + s->row[i + j]];
        groups[g].scores[elem](q, k, a->head_dim, s->p + i, i ? k : a->v_tiles[tile - a->tile0]);
    }
    for (size_t i = 0; i < n; i++) {
        const size_t r = s->row[i];
        s->rescale[i] = softmax_step(s->p[i], seen_slots(a, r0 + r, tile), a->scale, &s->max[r], &s->sum[r]);
    }
}

/* The values of the n rows listed; next: the keys that come after them, or NULL. */
static void take_values(const carat_attend *a, size_t tile, size_t r0, size_t n, const void *next, attend_scratch *s)
{
    carat_kv_elem elem = a->elem;
    const void *v = widen(&elem, a->v_tiles[tile - a->tile0], n, CARAT_TILE * a->head_dim, s->tile);
    for (size_t i = 0, g; i < n; i += groups[g].rows) {
        float *o[6];
        g = group_for(n - i);
        for (size_t j = 0; j < groups[g].rows; j++)
            o[j] = a->out[r0 + s->row[i + j]];
        groups[g].values[elem](o, s->rescale + i, s->p + i, v, a->head_dim, i || !next ? v : next);
    }
}

static void attend_tile(const carat_attend *a, size_t tile, size_t r0, size_t n, const void *next, attend_scratch *s)
{
    size_t n_seen = 0;
    for (size_t r = 0; r < n; r++)
        if (seen_slots(a, r0 + r, tile))
            s->row[n_seen++] = r;
    if (n_seen) {
        take_scores(a, tile, r0, n_seen, s);
        take_values(a, tile, r0, n_seen, next, s);
    }
}

/* Rows [r0, r0 + n), n at most ROWS. */
static void attend_rows(const carat_attend *a, size_t r0, size_t n, attend_scratch *s)
{
    size_t first = SIZE_MAX, last = 0; /* tiles that any row sees */
    for (size_t r = 0; r < n; r++) {
        s->max[r] = -INFINITY;
        s->sum[r] = 0;
        memset(a->out[r0 + r], 0, a->head_dim * sizeof(float));
        if (a->lo[r0 + r] >= a->hi[r0 + r])
            continue;
        const size_t begin = a->lo[r0 + r] / CARAT_TILE, end = (a->hi[r0 + r] - 1) / CARAT_TILE + 1;
        first = begin < first ? begin : first;
        last = end > last ? end : last;
    }
    for (size_t tile = first; tile < last; tile++)
        attend_tile(a, tile, r0, n, tile + 1 < last ? a->k_tiles[tile + 1 - a->tile0] : NULL, s);
    for (size_t r = 0; r < n; r++) {
        const __m512 sum = _mm512_set1_ps(s->sum[r]);
        float *o = a->out[r0 + r];
        for (size_t i = 0; i < a->head_dim && a->lo[r0 + r] < a->hi[r0 + r]; i += 16) {
            const __mmask16 lanes = first_lanes(a->head_dim - i);
            _mm512_mask_storeu_ps(o + i, lanes, _mm512_div_ps(_mm512_maskz_loadu_ps(lanes, o + i), sum));
        }
    }
}

static void attend(const carat_attend *a, void *scratch)
{
    if (a->elem == CARAT_KV_Q8_0) {
        carat_attend_generic(a, scratch);
        return;
    }
    for (size_t r = 0; r < a->n; r += ROWS)
        attend_rows(a, r, a->n - r < ROWS ? a->n - r : ROWS, scratch);
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

static void kv_put(carat_kv_elem elem, void *k_tile, void *v_tile, size_t slot, const float *k, const float *v,
                   size_t head_dim)
{
    if (elem == CARAT_KV_Q8_0) {
        carat_kv_put_generic(elem, k_tile, v_tile, slot, k, v, head_dim);
        return;
    }
    const size_t k0 = slot / LANES * head_dim * LANES + slot % LANES, v0 = slot * head_dim;
    if (elem == CARAT_KV_F32) {
        for (size_t i = 0; i < head_dim; i++)
            ((float *)k_tile)[k0 + i * LANES] = k[i];
        memcpy((float *)v_tile + v0, v, head_dim * sizeof *v);
        return;
    }
    enum { nearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }; /* clang wants a constant expression */
    uint16_t *k_out = (uint16_t *)k_tile + k0, *v_out = (uint16_t *)v_tile + v0;
    for (size_t i = 0; i < head_dim; i += 16) {
        const __mmask16 lanes = first_lanes(head_dim - i);
        uint16_t half[16];
        _mm256_storeu_si256((__m256i *)(void *)half, _mm512_cvtps_ph(_mm512_maskz_loadu_ps(lanes, k + i), nearest));
        for (size_t j = 0; j < 16 && i + j < head_dim; j++)
            k_out[(i + j) * LANES] = half[j];
        _mm256_mask_storeu_epi16(v_out + i, lanes, _mm512_cvtps_ph(_mm512_maskz_loadu_ps(lanes, v + i), nearest));
    }
}

void carat_avx512_attend(carat_kernels *k)
{
    k->attend = attend;
    k->kv_put = kv_put;
}
