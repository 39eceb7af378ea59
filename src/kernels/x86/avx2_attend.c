/* avx2_attend.c - attention over tiles of cached keys and values, and the writing of those tiles.
 *
 * Tile after tile, for all the rows that see some of it: scores (lanes are keys), a step of the running softmax, values
 * (lanes are dimensions). Rows go in groups of six, four, three, two and one; a group only shares the loads of keys and
 * values, each row's arithmetic is its own and the same in any group:
 *
 *     score = scale * (fma over the dimensions in order)
 *     m' = max(m, scores seen)    p = exp(score - m'), 0 where not seen    l = l exp(m - m') + sum p
 *     o  = o exp(m - m'), then fma of p * v over the 64 keys in order;     out = o / l at the end
 *
 * o is kept in out. An f16 tile is widened in registers: two conversions for the twelve multiplications of six rows.
 * Few rows take more keys or dimensions at a time, so that at least eight sums run side by side.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/generic/generic.h"
#include "kernels/x86/avx2_math.h"

#define LANES 16  /* keys interleaved in a tile */
#define ROWS  256 /* rows that walk the tiles together */
#define GROUP 6   /* rows of the largest group */

typedef struct attend_scratch {
    _Alignas(32) float p[ROWS][CARAT_TILE];
    float rescale[ROWS], max[ROWS], sum[ROWS]; /* max and sum by row, the others by place in the list */
    size_t row[ROWS];                          /* the rows that see the tile */
} attend_scratch;
_Static_assert(sizeof(attend_scratch) <= CARAT_ATTEND_SCRATCH, "the scratch a caller hands over");

/* Eight elements at index i of a tile. */
INLINE __m256 load_kv(const carat_kv_elem elem, const void *tile, size_t i)
{
    return elem == CARAT_KV_F16 ? f16x8((const uint16_t *)tile + i) : _mm256_loadu_ps((const float *)tile + i);
}

/* ---- scores -------------------------------------------------------------------------------------------------------
 */

/* p[t][16 B] = q[t] . k of B blocks of sixteen keys from block b0 on; T rows. */
INLINE void scores_at(const carat_kv_elem elem, const int T, const int B, const float *const q[], const void *k,
                      size_t head_dim, size_t b0, float (*p)[CARAT_TILE])
{
    __m256 acc[GROUP][8];
#pragma GCC unroll 6
    for (int t = 0; t < T; t++)
#pragma GCC unroll 8
        for (int v = 0; v < 2 * B; v++)
            acc[t][v] = _mm256_setzero_ps();
    for (size_t i = 0; i < head_dim; i++) {
        __m256 key[8];
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
#pragma GCC unroll 6
    for (int t = 0; t < T; t++)
#pragma GCC unroll 8
        for (int v = 0; v < 2 * B; v++)
            _mm256_store_ps(p[t] + LANES * b0 + 8 * (size_t)v, acc[t][v]);
}

/* ---- softmax ------------------------------------------------------------------------------------------------------
 */

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

/* The row's raw scores of the slots it sees become exp(scale * score - m'); its maximum and sum move on. */
static float softmax_step(float p[CARAT_TILE], slots seen, float scale, float *max, float *sum)
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

/* ---- values -------------------------------------------------------------------------------------------------------
 */

/* Dimensions [i, i + 8 B) of o[t] = o[t] * rescale[t] + sum over keys of p[t][key] v[key]; T rows. */
INLINE void values_at(const carat_kv_elem elem, const int T, const int B, float *const o[], const float *rescale,
                      float (*p)[CARAT_TILE], const void *v, size_t head_dim, size_t i)
{
    __m256 acc[GROUP][8];
#pragma GCC unroll 6
    for (int t = 0; t < T; t++)
#pragma GCC unroll 8
        for (int b = 0; b < B; b++)
            acc[t][b] = _mm256_mul_ps(_mm256_loadu_ps(o[t] + i + 8 * (size_t)b), _mm256_set1_ps(rescale[t]));
    for (size_t key = 0; key < CARAT_TILE; key++) {
        __m256 row[8];
#pragma GCC unroll 8
        for (size_t b = 0; b < (size_t)B; b++)
            row[b] = load_kv(elem, v, key * head_dim + i + 8 * b);
#pragma GCC unroll 6
        for (int t = 0; t < T; t++) {
            const __m256 f = broadcast_f32(p[t] + key);
#pragma GCC unroll 8
            for (int b = 0; b < B; b++)
                acc[t][b] = _mm256_fmadd_ps(row[b], f, acc[t][b]);
        }
    }
#pragma GCC unroll 6
    for (int t = 0; t < T; t++)
#pragma GCC unroll 8
        for (int b = 0; b < B; b++)
            _mm256_storeu_ps(o[t] + i + 8 * (size_t)b, acc[t][b]);
}

/* The last head_dim % 8 dimensions, from i on, of one row. */
static void values_ragged(carat_kv_elem elem, float *o, float rescale, const float p[CARAT_TILE], const void *v,
                          size_t head_dim, size_t i)
{
    const size_t n = head_dim - i;
    __m256 acc = _mm256_mul_ps(load_part(o + i, n), _mm256_set1_ps(rescale));
    for (size_t key = 0; key < CARAT_TILE; key++) {
        __m256 row;
        if (elem == CARAT_KV_F16) {
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

INLINE void values_of(const carat_kv_elem elem, const int T, const int B, float *const o[], const float *rescale,
                      float (*p)[CARAT_TILE], const void *v, size_t head_dim)
{
    const size_t step = 8 * (size_t)B;
    size_t i = 0;
    for (; i + step <= head_dim; i += step)
        values_at(elem, T, B, o, rescale, p, v, head_dim, i);
    for (; i + 8 <= head_dim; i += 8)
        values_at(elem, T, 1, o, rescale, p, v, head_dim, i);
    for (int t = 0; i < head_dim && t < T; t++)
        values_ragged(elem, o[t], rescale[t], p[t], v, head_dim, i);
}

/* ---- groups of rows -----------------------------------------------------------------------------------------------
 */

typedef void scores_fn(const float *const q[], const void *k, size_t head_dim, float (*p)[CARAT_TILE]);
typedef void values_fn(float *const o[], const float *rescale, float (*p)[CARAT_TILE], const void *v, size_t head_dim);

/* T rows; KEYS blocks of sixteen keys and DIMS vectors of dimensions at a time. */
#define ROWS_OF(elem, T, KEYS, DIMS)                                                                                   \
    static void scores_##elem##_##T(const float *const q[], const void *k, size_t head_dim, float(*p)[CARAT_TILE])     \
    {                                                                                                                  \
        for (size_t b = 0; b < CARAT_TILE / LANES; b += KEYS)                                                          \
            scores_at(CARAT_KV_##elem, T, KEYS, q, k, head_dim, b, p);                                                 \
    }                                                                                                                  \
    static void values_##elem##_##T(float *const o[], const float *rescale, float(*p)[CARAT_TILE], const void *v,      \
                                    size_t head_dim)                                                                   \
    {                                                                                                                  \
        values_of(CARAT_KV_##elem, T, DIMS, o, rescale, p, v, head_dim);                                               \
    }
ROWS_OF(F16, 1, 4, 8)
ROWS_OF(F16, 2, 2, 4)
ROWS_OF(F16, 3, 2, 4)
ROWS_OF(F16, 4, 1, 2)
ROWS_OF(F16, 6, 1, 2)
ROWS_OF(F32, 1, 4, 8)
ROWS_OF(F32, 2, 2, 4)
ROWS_OF(F32, 3, 2, 4)
ROWS_OF(F32, 4, 1, 2)
ROWS_OF(F32, 6, 1, 2)

static const struct {
    size_t rows;
    scores_fn *scores[2]; /* by carat_kv_elem */
    values_fn *values[2];
} groups[] = {
    { 6, { scores_F16_6, scores_F32_6 }, { values_F16_6, values_F32_6 } },
    { 4, { scores_F16_4, scores_F32_4 }, { values_F16_4, values_F32_4 } },
    { 3, { scores_F16_3, scores_F32_3 }, { values_F16_3, values_F32_3 } },
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

/* ---- the walk over tiles ------------------------------------------------------------------------------------------
 */

static size_t within_tile(size_t pos, size_t tile)
{
    const size_t first = tile * CARAT_TILE, at = pos > first ? pos - first : 0;
    return at < CARAT_TILE ? at : CARAT_TILE;
}

/* The slots that row r sees; begin >= end: none. */
static slots seen_slots(const carat_attend *a, size_t r, size_t tile)
{
    return (slots){ (int)within_tile(a->lo[r], tile), (int)within_tile(a->hi[r], tile) };
}

static size_t rows_that_see(const carat_attend *a, size_t tile, size_t r0, size_t n, size_t row[ROWS])
{
    size_t n_seen = 0;
    for (size_t r = 0; r < n; r++) {
        const slots seen = seen_slots(a, r0 + r, tile);
        if (seen.begin < seen.end)
            row[n_seen++] = r;
    }
    return n_seen;
}

static void attend_tile(const carat_attend *a, size_t tile, size_t r0, size_t n, attend_scratch *s)
{
    const size_t n_seen = rows_that_see(a, tile, r0, n, s->row);
    size_t g;
    if (n_seen == 0)
        return;
    for (size_t i = 0; i < n_seen; i += groups[g].rows) {
        const float *q[GROUP];
        g = group_for(n_seen - i);
        for (size_t j = 0; j < groups[g].rows; j++)
            q[j] = a->q[r0 + s->row[i + j]];
        groups[g].scores[a->elem](q, a->k_tiles[tile - a->tile0], a->head_dim, s->p + i);
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
        groups[g].values[a->elem](o, s->rescale + i, s->p + i, a->v_tiles[tile - a->tile0], a->head_dim);
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
        attend_tile(a, tile, r0, n, s);
    for (size_t r = 0; r < n; r++) {
        const __m256 sum = _mm256_set1_ps(s->sum[r]);
        float *o = a->out[r0 + r];
        for (size_t i = 0; i < a->head_dim && a->lo[r0 + r] < a->hi[r0 + r]; i += 8)
            store_part(o + i, a->head_dim - i, _mm256_div_ps(load_part(o + i, a->head_dim - i), sum));
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

/* ---- writing ------------------------------------------------------------------------------------------------------
 */

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

void carat_avx2_attend(carat_kernels *k)
{
    k->attend = attend;
    k->kv_put = kv_put;
}
