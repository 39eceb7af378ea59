/* avx512_attend.c - attention over tiles of cached keys and values.
 *
 * Tile after tile, for all the rows that attend to some of it: scores (lanes are keys), a step of the running softmax,
 * values (lanes are dimensions). Rows go in groups of six, four, two and one; a group only shares the loads of keys and
 * values, each row's arithmetic is its own and the same in any group:
 *
 *     score = scale * (fma over the dimensions in order)
 *     m' = max(m, scores seen)    p = exp(score - m'), 0 where not seen    l = l exp(m - m') + sum p
 *     o  = o exp(m - m'), then fma of p * v over the 64 keys in order;     out = o / l at the end
 *
 * Q8_0 is multiplied in integers: avx512_attend_q8.h.
 *
 * o is kept in out. With more than WIDEN rows an f16 tile is widened to f32, an int8 tile turned into the order of the
 * integer products, once instead of once a group. A level above may multiply that many rows with int8 in its own way
 * (avx512_attend.h).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "kernels/x86/avx512.h"
#include "kernels/x86/avx512_attend.h"
#include "kernels/x86/avx512_math.h"

#define LANES 16
#define ROWS  Q8_MANY_MOST /* rows that walk the tiles together */
#define WIDEN 12
_Static_assert(WIDEN + 1 == Q8_MANY_LEAST, "many are those for which a tile is made ready");

typedef struct q8_scratch {
    uint8_t tile[CT_TILE * CT_MAX_HEAD_DIM * 2]; /* turned keys, then values; a byte of each, or a level above's two */
    q8_query q[ROWS];                            /* by row; or what that level keeps of them */
    float top[CT_TILE];                          /* the largest scales of a tile's values */
} q8_scratch;

typedef struct attend_scratch {
    const q8_products *by; /* of the rows at hand; NULL: the products of this file */
    _Alignas(64) union {
        float tile[CT_TILE * CT_MAX_HEAD_DIM]; /* keys, then values, of one f16 tile in f32 */
        q8_scratch q8;
    } of;
    float p[ROWS][CT_TILE];
    float rescale[ROWS], max[ROWS], sum[ROWS]; /* max and sum by row, the others by place in the list */
    size_t row[ROWS];                          /* the rows that attend to the tile */
} attend_scratch;
_Static_assert(sizeof(attend_scratch) <= CT_ATTEND_SCRATCH, "the scratch a caller hands over");

/* A tile's elements as the loops below meet them. */
typedef enum form { F16, F32, INT8, TURNED8, N_FORMS } form;
_Static_assert((int)F16 == CT_KV_F16 && (int)F32 == CT_KV_F32 && (int)INT8 == CT_KV_Q8_0, "forms are elems");

/* Sixteen elements at index i of a tile. */
INLINE __m512 load_kv(const form f, const void *tile, size_t i)
{
    if (f == F16)
        return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)((const uint16_t *)tile + i)));
    return _mm512_loadu_ps((const float *)tile + i);
}

/* Prefetches the next tile while this one is read: in head_dim steps all of its f16. */
INLINE void fetch(const void *next, size_t step)
{
    _mm_prefetch((const char *)next + 128 * step, _MM_HINT_T1);
    _mm_prefetch((const char *)next + 128 * step + 64, _MM_HINT_T1);
}

/* ---- scores ---- */

/* p[t][64] = q[t] . k, T rows. */
INLINE void scores(const form f, const int T, const float *const q[], const void *k, size_t head_dim,
                   float (*p)[CT_TILE], const void *next)
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
            v[b] = load_kv(f, k, (b * head_dim + i) * LANES);
#pragma GCC unroll 6
        for (int t = 0; t < T; t++) {
            const __m512 x = _mm512_set1_ps(q[t][i]);
#pragma GCC unroll 4
            for (int b = 0; b < 4; b++)
                acc[t][b] = _mm512_fmadd_ps(v[b], x, acc[t][b]);
        }
    }
#pragma GCC unroll 6
    for (int t = 0; t < T; t++)
#pragma GCC unroll 4
        for (int b = 0; b < 4; b++)
            _mm512_store_ps(p[t] + LANES * b, acc[t][b]);
}

/* ---- softmax ---- */

/* The row's raw scores of the slots in `seen` become exp(scale * score - m'); its maximum and sum are updated. */
static float softmax_step(float p[CT_TILE], uint64_t seen, float scale, float *max, float *sum)
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

/* ---- values ---- */

/* Dimensions [i, i + 64) of o[t] = o[t] * rescale[t] + sum over keys of p[t][key] v[key]. */
INLINE void values_64(const form f, const int T, float *const o[], const float *rescale, float (*p)[CT_TILE],
                      const void *v, size_t head_dim, size_t i, const void *next)
{
    __m512 acc[6][4];
#pragma GCC unroll 6
    for (int t = 0; t < T; t++)
#pragma GCC unroll 4
        for (int b = 0; b < 4; b++)
            acc[t][b] = _mm512_mul_ps(_mm512_loadu_ps(o[t] + i + 16 * b), _mm512_set1_ps(rescale[t]));
    for (size_t key = 0; key < CT_TILE; key++) {
        __m512 row[4];
        fetch(next, i + key);
#pragma GCC unroll 4
        for (size_t b = 0; b < 4; b++)
            row[b] = load_kv(f, v, key * head_dim + i + 16 * b);
#pragma GCC unroll 6
        for (int t = 0; t < T; t++) {
            const __m512 x = _mm512_set1_ps(p[t][key]);
#pragma GCC unroll 4
            for (int b = 0; b < 4; b++)
                acc[t][b] = _mm512_fmadd_ps(row[b], x, acc[t][b]);
        }
    }
#pragma GCC unroll 6
    for (int t = 0; t < T; t++)
#pragma GCC unroll 4
        for (int b = 0; b < 4; b++)
            _mm512_storeu_ps(o[t] + i + 16 * b, acc[t][b]);
}

INLINE __m512 load_some(const form f, __mmask16 lanes, const void *tile, size_t i)
{
    if (f == F16)
        return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(lanes, (const uint16_t *)tile + i));
    return _mm512_maskz_loadu_ps(lanes, (const float *)tile + i);
}

/* As values_64 for the at most 16 dimensions from i on that `lanes` names. */
INLINE void values_16(const form f, const int T, const __mmask16 lanes, float *const o[], const float *rescale,
                      float (*p)[CT_TILE], const void *v, size_t head_dim, size_t i)
{
    __m512 acc[6];
#pragma GCC unroll 6
    for (int t = 0; t < T; t++)
        acc[t] = _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, o[t] + i), _mm512_set1_ps(rescale[t]));
    for (size_t key = 0; key < CT_TILE; key++) {
        const __m512 row = load_some(f, lanes, v, key * head_dim + i);
#pragma GCC unroll 6
        for (int t = 0; t < T; t++)
            acc[t] = _mm512_fmadd_ps(row, _mm512_set1_ps(p[t][key]), acc[t]);
    }
#pragma GCC unroll 6
    for (int t = 0; t < T; t++)
        _mm512_mask_storeu_ps(o[t] + i, lanes, acc[t]);
}

INLINE void values(const form f, const int T, float *const o[], const float *rescale, float (*p)[CT_TILE],
                   const void *v, size_t head_dim, const void *next)
{
    size_t i = 0;
    for (; i + 64 <= head_dim; i += 64)
        values_64(f, T, o, rescale, p, v, head_dim, i, next);
    for (; i < head_dim; i += 16)
        values_16(f, T, first_lanes(head_dim - i), o, rescale, p, v, head_dim, i);
}

/* ---- groups of rows ---- */

/* What a group of rows has in hand for a tile: kv is its keys or values, in the form of the function. */
typedef struct group_rows {
    const float *q[6];
    const q8_query *q8[6];
    float *o[6];
    const float *rescale; /* of the first row */
    float (*p)[CT_TILE];
} group_rows;

typedef struct tile_side {
    const void *kv, *next; /* next: what is fetched meanwhile; of int8 as far as `rest` and `ahead` say */
    ahead *rest, *ahead;   /* of these values; of what comes after kv */
    const uint16_t *d;     /* scales of int8 */
    const float *top;      /* of values */
    size_t head_dim;
} tile_side;

typedef void rows_fn(const group_rows *r, const tile_side *t);

#define GROUP(form, T)                                                                                                 \
    static void scores_##form##_##T(const group_rows *r, const tile_side *t)                                           \
    {                                                                                                                  \
        if (form < INT8)                                                                                               \
            scores(form, T, r->q, t->kv, t->head_dim, r->p, t->next);                                                  \
        else                                                                                                           \
            q8_scores(form == TURNED8, T, r->q8, t->kv, t->d, t->head_dim, r->p, t->ahead);                            \
    }                                                                                                                  \
    static void values_##form##_##T(const group_rows *r, const tile_side *t)                                           \
    {                                                                                                                  \
        if (form < INT8)                                                                                               \
            values(form, T, r->o, r->rescale, r->p, t->kv, t->head_dim, t->next);                                      \
        else                                                                                                           \
            q8_values(form == TURNED8, T, r->o, r->rescale, r->p, t->top, t->kv, t->d, t->head_dim, t->rest,           \
                      t->ahead);                                                                                       \
    }
#define GROUPS(form) GROUP(form, 1) GROUP(form, 2) GROUP(form, 4) GROUP(form, 6)
GROUPS(F16)
GROUPS(F32)
GROUPS(INT8)
GROUPS(TURNED8)

#define GROUP_OF(T)                                                                                                    \
    {                                                                                                                  \
        T, { scores_F16_##T, scores_F32_##T, scores_INT8_##T, scores_TURNED8_##T },                                    \
        {                                                                                                              \
            values_F16_##T, values_F32_##T, values_INT8_##T, values_TURNED8_##T                                        \
        }                                                                                                              \
    }
static const struct {
    size_t rows;
    rows_fn *scores[N_FORMS], *values[N_FORMS];
} groups[] = { GROUP_OF(6), GROUP_OF(4), GROUP_OF(2), GROUP_OF(1) };

static size_t group_for(size_t n)
{
    size_t g = 0;
    while (groups[g].rows > n)
        g++;
    return g;
}

static void widen_all(const void *tile, size_t head_dim, float *buf)
{
    for (size_t i = 0; i < head_dim; i++) { /* 64 elements a step */
        fetch(tile, i + 64);
        for (size_t j = 64 * i; j < 64 * i + 64; j += 16)
            _mm512_store_ps(buf + j, load_kv(F16, tile, j));
    }
}

/* Is the tile made ready once for all the rows that are to read it? */
static bool is_widened(form f, size_t n_rows)
{
    return f != F32 && n_rows > WIDEN;
}

static const void *ready_keys(form *f, const void *tile, ahead *next, size_t n_rows, size_t head_dim, attend_scratch *s)
{
    if (!is_widened(*f, n_rows))
        return tile;
    if (*f == F16) {
        widen_all(tile, head_dim, s->of.tile);
        *f = F32;
        return s->of.tile;
    }
    turn_tile_keys(tile, head_dim, s->of.q8.tile, next);
    *f = TURNED8;
    return s->of.q8.tile;
}

static const void *ready_values(form *f, const void *tile, ahead *next, size_t n_rows, size_t head_dim,
                                attend_scratch *s)
{
    if (*f != INT8)
        return ready_keys(f, tile, next, n_rows, head_dim, s); /* f32 knows no difference */
    q8_largest_scales(ct_kv_scales_of(tile, head_dim), head_dim / CT_KV_GROUP, s->of.q8.top);
    if (!is_widened(*f, n_rows))
        return tile;
    turn_tile_values(tile, head_dim, s->of.q8.tile, next);
    *f = TURNED8;
    return s->of.q8.tile;
}

/* Slots of a tile that row r attends to, as bits. */
static uint64_t seen_slots(const ct_attend *a, size_t r, size_t tile)
{
    const size_t first = tile * CT_TILE;
    const size_t lo = a->lo[r] > first ? a->lo[r] - first : 0, hi = a->hi[r] > first ? a->hi[r] - first : 0;
    const uint64_t below_hi = hi >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << hi) - 1;
    return lo >= 64 ? 0 : below_hi & (~(uint64_t)0 << lo);
}

/* A group of rows from place i of the list on. */
static group_rows rows_of(const ct_attend *a, size_t r0, size_t i, size_t n, attend_scratch *s)
{
    group_rows g = { .rescale = s->rescale + i, .p = s->p + i };
    for (size_t j = 0; j < n; j++) {
        const size_t r = s->row[i + j];
        g.q[j] = a->q[r0 + r];
        g.q8[j] = &s->of.q8.q[r];
        g.o[j] = a->out[r0 + r];
    }
    return g;
}

static ahead all_of(const ct_attend *a, const void *tile)
{
    const char *p = tile;
    return (ahead){ p, p ? p + ct_kv_tile_bytes(a->elem, a->head_dim) : NULL };
}

/* All n rows, of which those listed are then the first of p. */
static void many_scores(const ct_attend *a, const void *tile, size_t n, size_t n_listed, attend_scratch *s, ahead *next)
{
    s->by->scores(&(q8_keys){ .n = n,
                              .head_dim = a->head_dim,
                              .queries = s->of.q8.q,
                              .k = tile,
                              .d = ct_kv_scales_of(tile, a->head_dim),
                              .turned = s->of.q8.tile,
                              .next = next,
                              .p = s->p });
    for (size_t i = 0; i < n_listed; i++)
        if (s->row[i] != i)
            memcpy(s->p[i], s->p[s->row[i]], sizeof s->p[i]);
}

static void many_values(const ct_attend *a, const void *tile, size_t r0, size_t n, attend_scratch *s, ahead *next)
{
    float *o[ROWS];
    for (size_t i = 0; i < n; i++)
        o[i] = a->out[r0 + s->row[i]];
    s->by->values(&(q8_values_of){ .n = n,
                                   .head_dim = a->head_dim,
                                   .v = tile,
                                   .d = ct_kv_scales_of(tile, a->head_dim),
                                   .turned = s->of.q8.tile,
                                   .next = next,
                                   .p = s->p,
                                   .o = o,
                                   .rescale = s->rescale });
}

static void grouped_scores(const ct_attend *a, const void *tile_k, const void *tile_v, size_t r0, size_t n,
                           attend_scratch *s, ahead *rest)
{
    form f = (form)a->elem;
    tile_side t = { .kv = ready_keys(&f, tile_k, rest, n, a->head_dim, s),
                    .next = tile_v,
                    .ahead = rest,
                    .d = ct_kv_scales_of(tile_k, a->head_dim),
                    .head_dim = a->head_dim };
    for (size_t i = 0, g; i < n; i += groups[g].rows) {
        g = group_for(n - i);
        const group_rows r = rows_of(a, r0, i, groups[g].rows, s);
        groups[g].scores[f](&r, &t);
        t.next = t.kv; /* it has been fetched */
    }
}

/* The scores of the n rows listed in s->row, of n_all, and the softmax's step. rest: of the values' tile, still to be fetched. */
static void take_scores(const ct_attend *a, size_t tile, size_t r0, size_t n_all, size_t n, attend_scratch *s,
                        ahead *rest)
{
    const void *tile_k = a->k_tiles[tile - a->tile0], *tile_v = a->v_tiles[tile - a->tile0];
    if (s->by)
        many_scores(a, tile_k, n_all, n, s, rest);
    else
        grouped_scores(a, tile_k, tile_v, r0, n, s, rest);
    for (size_t i = 0; i < n; i++) {
        const size_t r = s->row[i];
        s->rescale[i] = softmax_step(s->p[i], seen_slots(a, r0 + r, tile), a->scale, &s->max[r], &s->sum[r]);
    }
}

/* The values of the n rows listed; next: the keys that come after them, or NULL. */
static void take_values(const ct_attend *a, size_t tile, size_t r0, size_t n, const void *next, attend_scratch *s,
                        ahead *rest)
{
    form f = (form)a->elem;
    ahead after = all_of(a, next);
    const void *tile_v = a->v_tiles[tile - a->tile0];
    if (s->by) {
        many_values(a, tile_v, r0, n, s, &after);
        return;
    }
    tile_side t = { .kv = ready_values(&f, tile_v, &after, n, a->head_dim, s),
                    .next = next ? next : tile_v,
                    .rest = rest,
                    .ahead = &after,
                    .d = ct_kv_scales_of(tile_v, a->head_dim),
                    .top = s->of.q8.top,
                    .head_dim = a->head_dim };
    for (size_t i = 0, g; i < n; i += groups[g].rows) {
        g = group_for(n - i);
        const group_rows r = rows_of(a, r0, i, groups[g].rows, s);
        groups[g].values[f](&r, &t);
        t.next = t.kv;
    }
}

static void attend_tile(const ct_attend *a, size_t tile, size_t r0, size_t n, const void *next, attend_scratch *s)
{
    size_t n_seen = 0;
    for (size_t r = 0; r < n; r++)
        if (seen_slots(a, r0 + r, tile))
            s->row[n_seen++] = r;
    if (n_seen) {
        ahead values = all_of(a, a->v_tiles[tile - a->tile0]);
        take_scores(a, tile, r0, n, n_seen, s, &values);
        take_values(a, tile, r0, n_seen, next, s, &values);
    }
}

/* Queries in the form that the products of int8 take. */
static void split_queries(const ct_attend *a, size_t r0, size_t n, attend_scratch *s)
{
    const float *q[ROWS];
    for (size_t r = 0; r < n; r++)
        q[r] = a->lo[r0 + r] < a->hi[r0 + r] ? a->q[r0 + r] : NULL;
    if (s->by)
        s->by->split(n, a->head_dim, q, s->of.q8.q);
    for (size_t r = 0; r < n && !s->by; r++)
        if (q[r])
            q8_split(q[r], a->head_dim, &s->of.q8.q[r]);
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
    if (a->elem == CT_KV_Q8_0)
        split_queries(a, r0, n, s);
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

void ct_avx512_attend_by(const ct_attend *a, void *scratch, const q8_products *by)
{
    attend_scratch *s = scratch;
    const bool has_more = by && a->elem == CT_KV_Q8_0;
    const size_t at_once = has_more ? by->rows_at_once(a->head_dim) : ROWS;
    for (size_t r = 0, n; r < a->n; r += n) {
        n = a->n - r < at_once ? a->n - r : at_once;
        s->by = has_more && n >= Q8_MANY_LEAST ? by : NULL;
        attend_rows(a, r, n, s);
    }
}

static void attend(const ct_attend *a, void *scratch)
{
    ct_avx512_attend_by(a, scratch, NULL);
}

void ct_avx512_attend(ct_kernels *k)
{
    k->attend = attend;
    k->attend_is_16_bit = true;
}
