/* attend.c - attention over tiles of cached keys and values.
 *
 * Query rows go in blocks; a tile is widened to float32 once a block, then each row takes its step of the running
 * softmax: with m the largest score so far, l the sum of exp(score - m) and o the sum of exp(score - m) v,
 *
 *     m' = max(m, scores)   l' = l exp(m - m') + sum exp(score - m')   o' = o exp(m - m') + sum exp(score - m') v
 *
 * and out = o / l at the end. A row's arithmetic does not depend on the rows beside it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "kernels/generic/generic.h"

#define LANES 16
#define ROWS  64 /* query rows of a block */

typedef struct attend_scratch {
    float tile[CT_TILE * CT_MAX_HEAD_DIM]; /* the keys, then the values, of one tile */
    float p[ROWS][CT_TILE];                /* exp(score - m'); 0 where the key is not visible to the row */
    float rescale[ROWS];                   /* exp(m - m') */
    float max[ROWS], sum[ROWS];
} attend_scratch;
_Static_assert(sizeof(attend_scratch) <= CT_ATTEND_SCRATCH, "the scratch a caller hands over");

/* The keys of a tile as float32: where they are, or widened into buf. */
static const float *widen_keys(ct_kv_elem elem, const void *tile, size_t head_dim, float *buf)
{
    const size_t n = CT_TILE * head_dim;
    if (elem == CT_KV_F32)
        return tile;
    for (size_t i = 0; i < n && elem == CT_KV_F16; i++)
        buf[i] = ct_f16_to_f32(((const uint16_t *)tile)[i]);
    for (size_t i = 0; i < n && elem == CT_KV_Q8_0; i++) /* [block][dimension][key]; scales [block][group][key] */
        buf[i] = (float)((const int8_t *)tile)[i] *
                 ct_f16_to_f32(ct_kv_scales_of(tile, head_dim)[i / (LANES * CT_KV_GROUP) * LANES + i % LANES]);
    return buf;
}

static const float *widen_values(ct_kv_elem elem, const void *tile, size_t head_dim, float *buf)
{
    if (elem != CT_KV_Q8_0)
        return widen_keys(elem, tile, head_dim, buf);
    for (size_t t = 0; t < CT_TILE; t++)
        for (size_t i = t * head_dim, d = 0; d < head_dim; i++, d++)
            buf[i] = (float)((const int8_t *)tile)[i] *
                     ct_f16_to_f32(ct_kv_scales_of(tile, head_dim)[d / CT_KV_GROUP * CT_TILE + t]);
    return buf;
}

/* scores[t] = scale * dot(q, k[t]), each sum in order of the dimensions. */
static void tile_scores(float scores[CT_TILE], const float *q, const float *k, size_t head_dim, float scale)
{
    for (size_t b = 0; b < CT_TILE; b += LANES, k += head_dim * LANES) {
        float sum[LANES] = { 0 };
        for (size_t i = 0; i < head_dim; i++)
            for (size_t l = 0; l < LANES; l++)
                sum[l] += q[i] * k[i * LANES + l];
        for (size_t l = 0; l < LANES; l++)
            scores[b + l] = scale * sum[l];
    }
}

/* Turns the scores of slots [begin, end) into exp(score - m') and moves the row's maximum and sum on. */
static void softmax_step(float p[CT_TILE], size_t begin, size_t end, float *max, float *sum, float *rescale)
{
    float top = *max;
    for (size_t t = begin; t < end; t++)
        top = p[t] > top ? p[t] : top;
    *rescale = expf(*max - top);
    float added = 0;
    for (size_t t = 0; t < CT_TILE; t++) {
        p[t] = t >= begin && t < end ? expf(p[t] - top) : 0.0f;
        added += p[t];
    }
    *max = top;
    *sum = *sum * *rescale + added;
}

static void add_values(float *out, const float p[CT_TILE], float rescale, const float *v, size_t head_dim)
{
    for (size_t i = 0; i < head_dim; i++)
        out[i] *= rescale;
    for (size_t t = 0; t < CT_TILE; t++)
        for (size_t i = 0; i < head_dim; i++)
            out[i] += p[t] * v[t * head_dim + i];
}

/* The slots [*begin, *end) of the tile that row r attends to; false if none. */
static bool visible(const ct_attend *a, size_t r, size_t tile, size_t *begin, size_t *end)
{
    size_t first = tile * CT_TILE, last = first + CT_TILE;
    size_t lo = a->lo[r] > first ? a->lo[r] : first, hi = a->hi[r] < last ? a->hi[r] : last;
    *begin = lo - first;
    *end = hi - first;
    return lo < hi;
}

static bool is_seen(const ct_attend *a, size_t tile, size_t r0, size_t n)
{
    size_t begin, end;
    for (size_t r = 0; r < n; r++)
        if (visible(a, r0 + r, tile, &begin, &end))
            return true;
    return false;
}

static void attend_tile(const ct_attend *a, size_t tile, size_t r0, size_t n, attend_scratch *s)
{
    size_t begin, end;
    const float *k = widen_keys(a->elem, a->k_tiles[tile - a->tile0], a->head_dim, s->tile);
    for (size_t r = 0; r < n; r++)
        if (visible(a, r0 + r, tile, &begin, &end)) {
            tile_scores(s->p[r], a->q[r0 + r], k, a->head_dim, a->scale);
            softmax_step(s->p[r], begin, end, &s->max[r], &s->sum[r], &s->rescale[r]);
        }
    const float *v = widen_values(a->elem, a->v_tiles[tile - a->tile0], a->head_dim, s->tile);
    for (size_t r = 0; r < n; r++)
        if (visible(a, r0 + r, tile, &begin, &end))
            add_values(a->out[r0 + r], s->p[r], s->rescale[r], v, a->head_dim);
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
        size_t begin = a->lo[r0 + r] / CT_TILE, end = (a->hi[r0 + r] - 1) / CT_TILE + 1;
        first = begin < first ? begin : first;
        last = end > last ? end : last;
    }
    for (size_t tile = first; tile < last; tile++)
        if (is_seen(a, tile, r0, n))
            attend_tile(a, tile, r0, n, s);
    for (size_t r = 0; r < n; r++)
        for (size_t i = 0; i < a->head_dim && a->lo[r0 + r] < a->hi[r0 + r]; i++)
            a->out[r0 + r][i] /= s->sum[r];
}

void ct_attend_generic(const ct_attend *a, void *scratch)
{
    for (size_t r = 0; r < a->n; r += ROWS)
        attend_rows(a, r, a->n - r < ROWS ? a->n - r : ROWS, scratch);
}
