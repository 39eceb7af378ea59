/* neon_attend.c - one step of attention over tiles of 64 keys, and the writing of keys and values into them.
 *
 * Rows are taken in fours (the last one or two alone): all walk the tiles that some row attends to; a row that does not
 * attend to a tile keeps its state. Scores have keys as lanes and sum over dimensions in order; values have dimensions
 * as lanes and sum over all 64 slots in order (an invisible slot adds 0 times a finite value). So a row's result does
 * not depend on its neighbours. f16 elements are widened in registers: two conversions feed eight multiply-adds.
 *
 * Q8_0: the scale of a key's 32 dimensions multiplies the sum over them, the scale of a value's the weight it is given;
 * int8 alone become floats.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "arm.h"
#include "kernels/generic/kv_q8.h"
#include "stretch.h"
#include "vexp.h"

enum { ROWS = 4 }; /* most rows at a time; `rows` below is 1, 2 or 4, a constant where it counts */

/* ---- keys and values into their tile ---- */

static void put_f16(uint16_t *k, uint16_t *v, size_t slot, const float *kx, const float *vx, size_t dim)
{
    uint16_t *to = k + slot / 16 * dim * 16 + slot % 16;
    for (size_t d = 0; d < dim; d++)
        to[d * 16] = vget_lane_u16(vreinterpret_u16_f16(vcvt_f16_f32(vdupq_n_f32(kx[d]))), 0);
    size_t d = 0;
    for (; d + 4 <= dim; d += 4)
        vst1_u16(v + slot * dim + d, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(vx + d))));
    for (; d < dim; d++)
        v[slot * dim + d] = vget_lane_u16(vreinterpret_u16_f16(vcvt_f16_f32(vdupq_n_f32(vx[d]))), 0);
}

static void put_f32(float *k, float *v, size_t slot, const float *kx, const float *vx, size_t dim)
{
    float *to = k + slot / 16 * dim * 16 + slot % 16;
    for (size_t d = 0; d < dim; d++)
        to[d * 16] = kx[d];
    memcpy(v + slot * dim, vx, dim * sizeof *v);
}

/* Thirty-two values: int8 and the scale's bits. */
static uint16_t quantise(const float *x, int8_t q[CT_KV_GROUP])
{
    uint32x4_t top = vdupq_n_u32(0);
    for (size_t i = 0; i < CT_KV_GROUP; i += 4)
        top = vmaxq_u32(top, vreinterpretq_u32_f32(vabsq_f32(vld1q_f32(x + i))));
    float inverse;
    uint16_t d = ct_kv_q8_scale(vmaxvq_u32(top), &inverse);
    for (size_t i = 0; i < CT_KV_GROUP; i += 8) { /* infinity and NaN times 0 are NaN, whose conversion is 0 */
        int32x4_t a = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + i), inverse));
        int32x4_t b = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + i + 4), inverse));
        vst1_s8(q + i, vmovn_s16(vcombine_s16(vmovn_s32(a), vmovn_s32(b))));
    }
    return d;
}

static void put_q8(void *k_tile, void *v_tile, size_t slot, const float *k, const float *v, size_t dim)
{
    for (size_t i = 0; i < dim; i += CT_KV_GROUP) {
        int8_t q[2][CT_KV_GROUP];
        uint16_t kd = quantise(k + i, q[0]), vd = quantise(v + i, q[1]);
        ct_kv_q8_put_group(k_tile, v_tile, slot, i, q, kd, vd, dim);
    }
}

static void kv_put(ct_kv_elem elem, void *k_tile, void *v_tile, size_t slot, const float *k, const float *v,
                   size_t head_dim)
{
    if (elem == CT_KV_Q8_0)
        put_q8(k_tile, v_tile, slot, k, v, head_dim);
    else if (elem == CT_KV_F16)
        put_f16(k_tile, v_tile, slot, k, v, head_dim);
    else
        put_f32(k_tile, v_tile, slot, k, v, head_dim);
}

/* ---- one tile, ROWS query rows ---- */

ARM_INLINE float32x4_t load_elem(ct_kv_elem elem, const void *tile, size_t i)
{
    return elem == CT_KV_F16 ? load_f16x4((const uint8_t *)tile + 2 * i) : vld1q_f32((const float *)tile + i);
}

/* Four times `width` elements from index i on; Q8_0: int8 without their scale, sixteen at a time. */
ARM_INLINE void load_elems(ct_kv_elem elem, const void *tile, size_t i, const int width, float32x4_t x[4])
{
    if (elem == CT_KV_Q8_0)
        f32_from_s8(vld1q_s8((const int8_t *)tile + i), x);
    else
        for (size_t j = 0; j < (size_t)width; j++)
            x[j] = load_elem(elem, tile, i + 4 * j);
}

/* s[r][t] = q[r] . k[t] for the sixteen keys of one block. */
ARM_INLINE void block_scores(ct_kv_elem elem, const void *k, size_t block, size_t dim, const int rows,
                             const float *const q[ROWS], float s[ROWS][CT_TILE])
{
    const size_t step = elem == CT_KV_Q8_0 ? CT_KV_GROUP : dim;
    for (size_t d0 = 0; d0 < dim; d0 += step) {
        float32x4_t a[ROWS][4];
        for (int r = 0; r < rows; r++)
            for (int j = 0; j < 4; j++)
                a[r][j] = vdupq_n_f32(0);
        for (size_t d = d0; d < d0 + step; d++) {
            float32x4_t key[4];
            load_elems(elem, k, (block * dim + d) * 16, 4, key);
            for (int j = 0; j < 4; j++)
                for (int r = 0; r < rows; r++)
                    a[r][j] = vfmaq_n_f32(a[r][j], key[j], q[r][d]);
        }
        for (size_t j = 0; j < 4; j++)
            for (int r = 0; r < rows; r++) {
                float *to = &s[r][block * 16 + 4 * j];
                if (elem == CT_KV_Q8_0) {
                    const uint16_t *scale = ct_kv_scales_of(k, dim) + (block * dim + d0) / CT_KV_GROUP * 16;
                    float32x4_t before = d0 ? vld1q_f32(to) : vdupq_n_f32(0);
                    a[r][j] = vfmaq_f32(before, a[r][j], load_f16x4((const uint8_t *)(scale + 4 * j)));
                }
                vst1q_f32(to, a[r][j]);
            }
    }
}

/* The weights p times the scales of the group of 32 dimensions that begins at d. */
ARM_INLINE void scale_weights(const void *v, size_t dim, size_t d, const int rows, const float p[ROWS][CT_TILE],
                              float scaled[ROWS][CT_TILE])
{
    const uint16_t *scale = ct_kv_scales_of(v, dim) + d / CT_KV_GROUP * CT_TILE;
    for (size_t t = 0; t < CT_TILE; t += 4)
        for (int r = 0; r < rows; r++)
            vst1q_f32(scaled[r] + t, vmulq_f32(vld1q_f32(p[r] + t), load_f16x4((const uint8_t *)(scale + t))));
}

/* acc[r][d..] += sum over the tile's slots of p[r][t] v[t][d..], `width` times four dimensions. */
ARM_INLINE void add_values(ct_kv_elem elem, const void *v, size_t dim, size_t d, const int width, const int rows,
                           const float p[ROWS][CT_TILE], float *const acc[ROWS])
{
    float32x4_t a[ROWS][4];
    for (int r = 0; r < rows; r++)
        for (int j = 0; j < width; j++)
            a[r][j] = vld1q_f32(acc[r] + d + 4 * (size_t)j);
    for (size_t t = 0; t < CT_TILE; t++) {
        float32x4_t value[4];
        load_elems(elem, v, t * dim + d, width, value);
        for (int j = 0; j < width; j++)
            for (int r = 0; r < rows; r++)
                a[r][j] = vfmaq_n_f32(a[r][j], value[j], p[r][t]);
    }
    for (int r = 0; r < rows; r++)
        for (int j = 0; j < width; j++)
            vst1q_f32(acc[r] + d + 4 * (size_t)j, a[r][j]);
}

/* The same for a last dimension that no four hold. */
ARM_INLINE void add_value(ct_kv_elem elem, const void *v, size_t dim, size_t d, const int rows,
                          const float p[ROWS][CT_TILE], float *const acc[ROWS])
{
    for (size_t t = 0; t < CT_TILE; t++) {
        float value =
            elem == CT_KV_F16 ? ct_f16_to_f32(((const uint16_t *)v)[t * dim + d]) : ((const float *)v)[t * dim + d];
        for (int r = 0; r < rows; r++)
            acc[r][d] = fmaf(p[r][t], value, acc[r][d]);
    }
}

/* ---- the running softmax ---- */

typedef struct row_state {
    float max, sum; /* of exp(score - max) so far */
} row_state;

/* Turns the scores of a tile that holds positions `first`.. into weights, and rescales what was summed before. */
static void softmax_step(float s[CT_TILE], size_t first, size_t lo, size_t hi, float scale, size_t dim, row_state *st,
                         float *acc)
{
    float32x4_t x[16], top = vdupq_n_f32(-INFINITY);
    for (size_t t = 0; t < CT_TILE; t++)
        s[t] = first + t >= lo && first + t < hi ? s[t] * scale : -INFINITY;
    for (int i = 0; i < 16; i++) {
        x[i] = vld1q_f32(s + 4 * i);
        top = vmaxnmq_f32(top, x[i]);
    }
    float max = fmaxf(st->max, vmaxnmvq_f32(top)); /* passes NaN over: the sum will show it */
    float32x4_t sum = vdupq_n_f32(0);
    for (int i = 0; i < 16; i++) {
        x[i] = vexp(vsubq_f32(x[i], vdupq_n_f32(max)));
        vst1q_f32(s + 4 * i, x[i]);
        sum = vaddq_f32(sum, x[i]);
    }
    float keep = vgetq_lane_f32(vexp(vdupq_n_f32(st->max - max)), 0); /* 0 the first time */
    st->sum = fmaf(st->sum, keep, vaddvq_f32(sum));
    st->max = max;
    size_t d = 0;
    for (; d + 4 <= dim; d += 4)
        vst1q_f32(acc + d, vmulq_n_f32(vld1q_f32(acc + d), keep));
    for (; d < dim; d++)
        acc[d] *= keep;
}

typedef struct attend_scratch {
    float s[ROWS][CT_TILE], scaled[ROWS][CT_TILE];
    float nowhere[CT_MAX_HEAD_DIM]; /* where rows that do not attend to a tile write its result */
} attend_scratch;
_Static_assert(sizeof(attend_scratch) <= CT_ATTEND_SCRATCH, "attend's state fits its scratch");

/* Rows r0 .. r0 + n - 1 over one tile, n <= rows. */
ARM_INLINE void attend_tile(ct_kv_elem elem, const ct_attend *a, size_t tile, size_t r0, size_t n, const int rows,
                            row_state st[ROWS], attend_scratch *w)
{
    const size_t first = tile * CT_TILE, dim = a->head_dim;
    const float *q[ROWS];
    float *acc[ROWS];
    bool sees[ROWS], is_seen = false;
    for (int r = 0; r < rows; r++) {
        size_t at = r0 + ((size_t)r < n ? (size_t)r : 0);
        sees[r] = (size_t)r < n && a->lo[at] < a->hi[at] && a->lo[at] < first + CT_TILE && a->hi[at] > first;
        is_seen |= sees[r];
        q[r] = a->q[at];
        acc[r] = sees[r] ? a->out[at] : w->nowhere;
    }
    if (!is_seen)
        return; /* such a tile may be missing */
    const void *k = a->k_tiles[tile - a->tile0], *v = a->v_tiles[tile - a->tile0];
    for (size_t b = 0; b < CT_TILE / 16; b++)
        block_scores(elem, k, b, dim, rows, q, w->s);
    for (int r = 0; r < rows; r++) {
        size_t at = r0 + (size_t)r;
        if (sees[r])
            softmax_step(w->s[r], first, a->lo[at], a->hi[at], a->scale, dim, &st[r], acc[r]);
        else
            memset(w->s[r], 0, sizeof w->s[r]);
    }
    size_t d = 0;
    for (; d + 16 <= dim; d += 16) {
        if (elem == CT_KV_Q8_0 && d % CT_KV_GROUP == 0)
            scale_weights(v, dim, d, rows, w->s, w->scaled);
        add_values(elem, v, dim, d, 4, rows, elem == CT_KV_Q8_0 ? w->scaled : w->s, acc);
    }
    if (elem == CT_KV_Q8_0)
        return; /* its head_dim is a multiple of 32 */
    for (; d + 4 <= dim; d += 4)
        add_values(elem, v, dim, d, 1, rows, w->s, acc);
    for (; d < dim; d++)
        add_value(elem, v, dim, d, rows, w->s, acc);
}

/* The tiles that some of the rows attend to: [begin, end), empty if none. */
static void visible_tiles(const ct_attend *a, size_t r0, size_t n, size_t *begin, size_t *end)
{
    *begin = SIZE_MAX, *end = 0;
    for (size_t r = r0; r < r0 + n; r++) {
        if (a->lo[r] >= a->hi[r])
            continue;
        size_t first = a->lo[r] / CT_TILE, past = (a->hi[r] - 1) / CT_TILE + 1;
        *begin = first < *begin ? first : *begin;
        *end = past > *end ? past : *end;
    }
}

/* Rows r0 .. r0 + n - 1 over all their tiles, n <= rows. */
ARM_INLINE void attend_rows(ct_kv_elem elem, const ct_attend *a, size_t r0, size_t n, const int rows, attend_scratch *w)
{
    row_state st[ROWS];
    size_t begin, end;
    for (int r = 0; r < rows; r++)
        st[r] = (row_state){ -INFINITY, 0 };
    for (size_t r = r0; r < r0 + n; r++)
        memset(a->out[r], 0, a->head_dim * sizeof(float));
    visible_tiles(a, r0, n, &begin, &end);
    for (size_t tile = begin; tile < end; tile++)
        attend_tile(elem, a, tile, r0, n, rows, st, w);
    for (size_t r = 0; r < n; r++) {
        if (a->lo[r0 + r] >= a->hi[r0 + r])
            continue;
        for (size_t d = 0; d < a->head_dim; d++)
            a->out[r0 + r][d] /= st[r].sum;
    }
}

ARM_INLINE void attend_all(ct_kv_elem elem, const ct_attend *a, attend_scratch *w)
{
    memset(w->nowhere, 0, sizeof w->nowhere);
    for (size_t r = 0; r < a->n; r += ROWS) {
        size_t n = a->n - r < ROWS ? a->n - r : ROWS;
        if (n == 1)
            attend_rows(elem, a, r, n, 1, w);
        else if (n == 2)
            attend_rows(elem, a, r, n, 2, w);
        else
            attend_rows(elem, a, r, n, ROWS, w);
    }
}

static void attend(const ct_attend *a, void *scratch)
{
    if (a->elem == CT_KV_Q8_0)
        attend_all(CT_KV_Q8_0, a, scratch);
    else if (a->elem == CT_KV_F16)
        attend_all(CT_KV_F16, a, scratch);
    else
        attend_all(CT_KV_F32, a, scratch);
}

void ct_neon_install_attend(ct_kernels *k)
{
    k->kv_put = kv_put;
    k->attend = attend;
}
