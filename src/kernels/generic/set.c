/* set.c - attention of rows that all attend to the same keys; kernels.h draws the layout.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "kernels/generic/generic.h"

#define GROUP CT_SET_GROUP
#define TILE  (8 * GROUP) /* keys whose scores are held together */

/* Where a value of key t and dimension d stands, counted in values. */
static size_t k_at(const ct_set *s, bool is_bf16, size_t t, size_t d)
{
    size_t per = is_bf16 ? 2 : 1, steps = (s->head_dim + per - 1) / per;
    return ((t / GROUP * steps + d / per) * GROUP + t % GROUP) * per + d % per;
}

static size_t v_at(const ct_set *s, bool is_bf16, size_t t, size_t d)
{
    size_t per = is_bf16 ? 2 : 1, dims = (s->head_dim + GROUP - 1) / GROUP * GROUP;
    return (t / per * dims + d) * per + t % per;
}

static float rounded(bool is_bf16, float x)
{
    return is_bf16 ? ct_bf16_to_f32(ct_f32_to_bf16(x)) : x;
}

static void put_value(bool is_bf16, void *p, size_t i, float x)
{
    if (is_bf16)
        ((uint16_t *)p)[i] = ct_f32_to_bf16(x);
    else
        ((float *)p)[i] = x;
}

static void put(bool is_bf16, const ct_set *s, size_t key, size_t n, const float *k, const float *v, size_t stride)
{
    size_t per = is_bf16 ? 2 : 1, k_dims = (s->head_dim + per - 1) / per * per;
    size_t v_dims = (s->head_dim + GROUP - 1) / GROUP * GROUP, end = (n + GROUP - 1) / GROUP * GROUP;
    for (size_t t = 0; t < end; t++) {
        for (size_t d = 0; d < k_dims; d++)
            put_value(is_bf16, s->k, k_at(s, is_bf16, key + t, d), t < n && d < s->head_dim ? k[t * stride + d] : 0);
        for (size_t d = 0; d < v_dims; d++)
            put_value(is_bf16, s->v, v_at(s, is_bf16, key + t, d), t < n && d < s->head_dim ? v[t * stride + d] : 0);
    }
}

typedef struct set_row {
    float tile[TILE * (CT_MAX_HEAD_DIM + GROUP)]; /* keys, then values, of a tile in f32 */
    float q[CT_MAX_HEAD_DIM], o[CT_MAX_HEAD_DIM];
    float max, sum;
} set_row;
_Static_assert(sizeof(set_row) <= CT_ATTEND_SCRATCH, "the scratch a caller hands over");

/* n steps of two bf16 values in rows of `width`: two rows of floats for each. */
static void widen(const uint16_t *pairs, size_t n, size_t width, float *to)
{
    for (size_t i = 0; i < n * width; i++)
        for (size_t j = 0; j < 2; j++)
            to[(i / width * 2 + j) * width + i % width] = ct_bf16_to_f32(pairs[2 * i + j]);
}

/* The tile's keys as [groups][dims, even][12] and its values as [keys][dims, rounded up]: in f32, as they stand. */
static const float *tile_keys(bool is_bf16, const ct_set *s, size_t key, size_t n, float *buf)
{
    size_t steps = (s->head_dim + 1) / 2, groups = (n + GROUP - 1) / GROUP;
    if (!is_bf16)
        return (const float *)s->k + key * s->head_dim;
    widen((const uint16_t *)s->k + 2 * key * steps, groups * steps, GROUP, buf);
    return buf;
}

static const float *tile_values(bool is_bf16, const ct_set *s, size_t key, size_t n, float *buf)
{
    size_t dims = (s->head_dim + GROUP - 1) / GROUP * GROUP;
    if (!is_bf16)
        return (const float *)s->v + key * dims;
    widen((const uint16_t *)s->v + key * dims, (n + 1) / 2, dims, buf);
    return buf;
}

/* scores[t] = scale * dot(q, k[t]), each sum in order of the dimensions. */
static void tile_scores(const float *k, const float *q, size_t head_dim, size_t k_dims, float scale, float p[TILE],
                        size_t n)
{
    for (size_t t = 0; t < n; t += GROUP, k += k_dims * GROUP) {
        float sum[GROUP] = { 0 };
        for (size_t d = 0; d < head_dim; d++)
            for (size_t j = 0; j < GROUP; j++)
                sum[j] += q[d] * k[d * GROUP + j];
        for (size_t j = 0; j < GROUP; j++)
            p[t + j] = scale * sum[j];
    }
}

/* The running softmax's step over n keys, as in attend.c. */
static void attend_tile(bool is_bf16, const ct_set *s, float scale, size_t key, size_t n, set_row *r)
{
    size_t dims = (s->head_dim + GROUP - 1) / GROUP * GROUP, k_dims = is_bf16 ? (s->head_dim + 1) / 2 * 2 : s->head_dim;
    float p[TILE], top = r->max, added = 0;
    tile_scores(tile_keys(is_bf16, s, key, n, r->tile), r->q, s->head_dim, k_dims, scale, p, n);
    for (size_t t = 0; t < n; t++)
        top = p[t] > top ? p[t] : top;
    float rescale = expf(r->max - top);
    for (size_t t = 0; t < n; t++) {
        p[t] = expf(p[t] - top);
        added += p[t];
        p[t] = rounded(is_bf16, p[t]);
    }
    r->max = top;
    r->sum = r->sum * rescale + added;
    const float *v = tile_values(is_bf16, s, key, n, r->tile);
    for (size_t d = 0; d < s->head_dim; d++)
        r->o[d] *= rescale;
    for (size_t t = 0; t < n; t++)
        for (size_t d = 0; d < s->head_dim; d++)
            r->o[d] += p[t] * v[t * dims + d];
}

static void attend(bool is_bf16, const ct_set *s, const ct_set_rows *rows, void *scratch)
{
    set_row *r = scratch;
    for (size_t i = 0; i < rows->n; i++) {
        for (size_t d = 0; d < s->head_dim; d++)
            r->q[d] = rounded(is_bf16, rows->q[i * rows->stride + d]);
        memset(r->o, 0, sizeof r->o);
        r->max = -INFINITY, r->sum = 0;
        for (size_t key = 0; key < s->n_key; key += TILE)
            attend_tile(is_bf16, s, rows->scale, key, s->n_key - key < TILE ? s->n_key - key : TILE, r);
        for (size_t d = 0; d < s->head_dim; d++)
            rows->out[i * rows->stride + d] = r->o[d] / r->sum;
    }
}

void ct_set_put_f32_generic(const ct_set *s, size_t key, size_t n, const float *k, const float *v, size_t stride)
{
    put(false, s, key, n, k, v, stride);
}

void ct_set_put_bf16_generic(const ct_set *s, size_t key, size_t n, const float *k, const float *v, size_t stride)
{
    put(true, s, key, n, k, v, stride);
}

void ct_set_attend_f32_generic(const ct_set *s, const ct_set_rows *r, void *scratch)
{
    attend(false, s, r, scratch);
}

void ct_set_attend_bf16_generic(const ct_set *s, const ct_set_rows *r, void *scratch)
{
    attend(true, s, r, scratch);
}
