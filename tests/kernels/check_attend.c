/* check_attend.c - attention against double precision, its cuts against each other, and the writing of tiles.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define MAX_TILES 12

static size_t elem_bytes(ct_kv_elem e)
{
    return e == CT_KV_F16 ? 2 : 4;
}

static const char *elem_name(ct_kv_elem e)
{
    static const char *const names[] = { "f16", "f32", "q8_0" };
    return names[e];
}

/* ---- kv_put ---- */

static float odd_value(rng *r)
{
    static const float odd[] = {
        0.0f, -0.0f, 65504.0f, 65519.9f, 65520.0f, -1e30f, INFINITY, NAN, 1e-8f, 6e-8f, 3e-5f
    };
    int i = rng_below(r, 40);
    return i < 11 ? odd[i] : rng_normal(r) * exp2f((float)(rng_below(r, 30) - 22));
}

static bool same_elem(ct_kv_elem e, const void *tile, size_t i, float x)
{
    if (e == CT_KV_F32)
        return is_same(((const float *)tile)[i], x);
    uint16_t got = ((const uint16_t *)tile)[i], expected = ct_f32_to_f16(x);
    return got == expected || (isnan(ct_f16_to_f32(got)) && isnan(x));
}

static void check_put_dim(const check *c, ct_kv_elem e, size_t dim, rng *r)
{
    size_t bytes = CT_TILE * dim * elem_bytes(e);
    float *k = guarded(dim * 4, 4, true), *v = guarded(dim * 4, 4, true);
    for (size_t slot = 0; slot < CT_TILE; slot += slot % 16 == 0 ? 1 : 7) {
        uint8_t *kt = guarded(bytes, 64, true), *vt = guarded(bytes, 64, true);
        for (size_t i = 0; i < dim; i++)
            k[i] = odd_value(r), v[i] = odd_value(r);
        c->isa->kv_put(e, kt, vt, slot, k, v, dim);
        size_t written = 0;
        for (size_t i = 0; i < dim; i++) {
            if (!same_elem(e, kt, slot / 16 * dim * 16 + i * 16 + slot % 16, k[i]))
                check_fail("dim %zu slot %zu: key[%zu] = %a is not in its place", dim, slot, i, (double)k[i]);
            if (!same_elem(e, vt, slot * dim + i, v[i]))
                check_fail("dim %zu slot %zu: value[%zu] = %a is not in its place", dim, slot, i, (double)v[i]);
        }
        for (size_t i = 0; i < bytes; i += elem_bytes(e)) /* 0xFFFF(FFFF) is no float that was put */
            written += (kt[i] & kt[i + 1] & kt[i + elem_bytes(e) - 1]) != 0xFF;
        for (size_t i = 0; i < bytes; i += elem_bytes(e))
            written += (vt[i] & vt[i + 1] & vt[i + elem_bytes(e) - 1]) != 0xFF;
        if (written > 2 * dim)
            check_fail("dim %zu slot %zu: wrote %zu elements, not %zu", dim, slot, written, 2 * dim);
        unguard(kt), unguard(vt);
    }
    unguard(k), unguard(v);
}

/* ---- kv_put of Q8_0 ---- */

/* What a tile holds for one slot, and the scale. */
static float q8_key(const uint8_t *tile, size_t dim, size_t slot, size_t i, float *d)
{
    const uint16_t *scales = (const uint16_t *)(const void *)(tile + CT_TILE * dim);
    *d = ct_f16_to_f32(scales[slot / 16 * (dim / 32) * 16 + i / 32 * 16 + slot % 16]);
    return *d * (float)((const int8_t *)tile)[(slot / 16 * dim + i) * 16 + slot % 16];
}

static float q8_value(const uint8_t *tile, size_t dim, size_t slot, size_t i, float *d)
{
    const uint16_t *scales = (const uint16_t *)(const void *)(tile + CT_TILE * dim);
    *d = ct_f16_to_f32(scales[i / 32 * CT_TILE + slot]);
    return *d * (float)((const int8_t *)tile)[slot * dim + i];
}

/* Groups as they may come: plain numbers of any size, zeros, one large among small, the largest that a scale holds and
 * the first that it does not, subnormals of f16 (of the scale) and of f32, infinities and NaNs. */
static void odd_group(float x[32], rng *r)
{
    float size = exp2f((float)(rng_below(r, 46) - 30));
    int kind = rng_below(r, 12);
    for (int i = 0; i < 32; i++) {
        x[i] = kind == 1   ? 0.0f
               : kind == 2 ? rng_normal(r) * 1e-41f
               : kind == 3 ? rng_normal(r) * 1e-6f
                           : rng_normal(r) * size;
        if (kind == 4) /* ties of the rounding: halves, with a scale of exactly 1 */
            x[i] = (float)(rng_below(r, 253) - 126) * 0.5f;
    }
    static const float odd[] = { 127 * 65504.0f, 127 * 65504.0f * 1.001f, INFINITY, -INFINITY, NAN, 3e38f, 1.0f };
    if (kind >= 5)
        x[rng_below(r, 32)] = kind == 11 ? -odd[0] : odd[kind - 5];
    else if (kind == 4)
        x[rng_below(r, 32)] = 127;
}

/* |x - d q| <= d/2 and the roundings of 1/d and of x times it, each u of at most 127 (d is away from f16's infinity).
 * d: f16's next number from max/127 on: 2^-10 of it away, 2^-24 where f16 is subnormal; max/127 itself is rounded. */
static void check_group(size_t slot, const char *what, const float x[32], const float got[32], float d)
{
    double top = 0;
    bool is_bad = false;
    for (int i = 0; i < 32; i++) {
        top = fmax(top, fabs((double)x[i]));
        is_bad |= !isfinite(x[i]);
    }
    is_bad |= top > 127 * 65504.0 * (1 + UNIT_ROUND);
    if (is_bad != isnan(d))
        check_fail("slot %zu, %s: largest %g%s, but a scale of %g", slot, what, top, is_bad ? " (not to be held)" : "",
                   (double)d);
    for (int i = 0; i < 32; i++)
        if (is_bad ? !isnan(got[i]) : !(fabs((double)x[i] - got[i]) <= d * (0.5 + 127 * 2 * UNIT_ROUND)))
            check_fail("slot %zu, %s[%d] = %a became %a, scale %a", slot, what, i, (double)x[i], (double)got[i],
                       (double)d);
    if (!is_bad && !(d >= top / 127 * (1 - UNIT_ROUND) && d <= top / 127 * (1 + 0x1p-10) + 0x1p-24))
        check_fail("slot %zu, %s: largest %a, but a scale of %a", slot, what, top, (double)d);
}

static void check_slot(const uint8_t *kt, const uint8_t *vt, size_t dim, size_t slot, const float *k, const float *v)
{
    for (size_t g = 0; g < dim; g += 32) {
        float key[32], value[32], kd = 0, vd = 0;
        for (size_t i = 0; i < 32; i++) {
            key[i] = q8_key(kt, dim, slot, g + i, &kd);
            value[i] = q8_value(vt, dim, slot, g + i, &vd);
        }
        check_group(slot, "key", k + g, key, kd);
        check_group(slot, "value", v + g, value, vd);
    }
}

/* All 64 slots one after another: what each holds, the same bytes as generic's, and no byte of another slot. */
static void check_put_q8(const check *c, size_t dim, rng *r)
{
    size_t bytes = ct_kv_tile_bytes(CT_KV_Q8_0, dim);
    if (bytes != CT_TILE * dim / 32 * 34 || bytes % 64)
        check_fail("dim %zu: a tile of %zu bytes, expected 34 for 32 values", dim, bytes);
    float *k = guarded(dim * 4, 4, true), *v = guarded(dim * 4, 4, true);
    uint8_t *kt = guarded(bytes, 64, true), *vt = guarded(bytes, 64, true);
    uint8_t *k_ref = guarded(bytes, 64, true), *v_ref = guarded(bytes, 64, true);
    for (size_t i = 0; i < CT_TILE; i++) {
        size_t slot = i * 29 % CT_TILE;
        for (size_t g = 0; g < dim; g += 32)
            odd_group(k + g, r), odd_group(v + g, r);
        c->isa->kv_put(CT_KV_Q8_0, kt, vt, slot, k, v, dim);
        c->generic->kv_put(CT_KV_Q8_0, k_ref, v_ref, slot, k, v, dim);
        check_slot(kt, vt, dim, slot, k, v);
        if (memcmp(kt, k_ref, bytes) != 0 || memcmp(vt, v_ref, bytes) != 0)
            check_fail("dim %zu slot %zu: not generic's bytes", dim, slot);
    }
    for (size_t slot = 0; slot < CT_TILE; slot++) {
        size_t left = 0;
        ct_kv_clear_slot(CT_KV_Q8_0, kt, vt, slot, dim);
        for (size_t i = 0; i < bytes; i++)
            left += (kt[i] != 0) + (vt[i] != 0);
        if (slot == CT_TILE - 1 && left)
            check_fail("dim %zu: %zu bytes left in a tile whose slots were all cleared", dim, left);
    }
    unguard(k), unguard(v), unguard(kt), unguard(vt), unguard(k_ref), unguard(v_ref);
}

/* ---- a cache and its queries ---- */

typedef struct scene {
    ct_kv_elem elem;
    bool is_16_bit; /* what meets int8 is rounded to 16 bits */
    size_t dim, n_tiles, tile0, n;
    float scale;
    uint8_t *k[MAX_TILES], *v[MAX_TILES];
    float *kf[MAX_TILES], *vf[MAX_TILES]; /* [slot][dim]: what the tiles hold, as float32 */
    float *q;                             /* [n][dim] */
    size_t *lo, *hi;
} scene;

/* Ranges as they occur: causal, windowed, one key, a whole tile, everything, nothing, up to a tile's edge. */
static void range_of(const scene *s, size_t r, rng *g, size_t *lo, size_t *hi)
{
    size_t first = s->tile0 * CT_TILE, len = s->n_tiles * CT_TILE;
    size_t at = (size_t)rng_below(g, (int)len), window = 1 + (size_t)rng_below(g, 150);
    *lo = first, *hi = first + at + 1;
    switch (r % 7) {
    case 1:
        *lo = first + (at + 1 > window ? at + 1 - window : 0);
        break;
    case 2:
        *lo = first + at;
        break;
    case 3:
        *lo = *hi = first + at;
        break;
    case 4:
        *lo = first + at / CT_TILE * CT_TILE;
        *hi = *lo + CT_TILE;
        break;
    case 5:
        *hi = first + len;
        break;
    }
}

static void scene_open(scene *s, const check *c, ct_kv_elem elem, size_t dim, size_t n_tiles, size_t n, float spread,
                       rng *g)
{
    *s = (scene){ .elem = elem, .dim = dim, .n_tiles = n_tiles, .tile0 = n_tiles % 3 * 5, .n = n };
    s->is_16_bit = elem == CT_KV_Q8_0 && c->isa->attend_is_16_bit;
    s->scale = 1.0f / sqrtf((float)dim);
    for (size_t i = 0; i < n_tiles; i++) {
        size_t bytes = ct_kv_tile_bytes(elem, dim);
        s->k[i] = guarded(bytes, 64, true), s->v[i] = guarded(bytes, 64, true);
        s->kf[i] = need(CT_TILE * dim, 4), s->vf[i] = need(CT_TILE * dim, 4);
        for (size_t t = 0; t < CT_TILE; t++) {
            float *k = s->kf[i] + t * dim, *v = s->vf[i] + t * dim;
            for (size_t d = 0; d < dim; d++)
                k[d] = rng_normal(g) * spread, v[d] = rng_normal(g);
            c->generic->kv_put(elem, s->k[i], s->v[i], t, k, v, dim);
            for (size_t d = 0; d < dim && elem == CT_KV_F16; d++) {
                k[d] = ct_f16_to_f32(ct_f32_to_f16(k[d]));
                v[d] = ct_f16_to_f32(ct_f32_to_f16(v[d]));
            }
            for (size_t d = 0; d < dim && elem == CT_KV_Q8_0; d++) {
                float scale_of_it;
                k[d] = q8_key(s->k[i], dim, t, d, &scale_of_it);
                v[d] = q8_value(s->v[i], dim, t, d, &scale_of_it);
            }
        }
    }
    s->q = need(n * dim, 4), s->lo = need(n, sizeof *s->lo), s->hi = need(n, sizeof *s->hi);
    for (size_t r = 0; r < n; r++) {
        range_of(s, r, g, &s->lo[r], &s->hi[r]);
        for (size_t d = 0; d < dim; d++)
            s->q[r * dim + d] = rng_normal(g);
    }
}

static void scene_close(scene *s)
{
    for (size_t i = 0; i < s->n_tiles; i++) {
        unguard(s->k[i]), unguard(s->v[i]);
        free(s->kf[i]), free(s->vf[i]);
    }
    free(s->q), free(s->lo), free(s->hi);
}

/* Runs rows[0..n) of the scene; tiles that none of them sees are NULL. out is [n][dim], guarded. */
static float *run_rows(const check *c, const scene *s, const size_t *rows, size_t n, void *scratch)
{
    const void *k[MAX_TILES] = { NULL }, *v[MAX_TILES] = { NULL };
    const float **q = need(n, sizeof *q);
    float **out = need(n, sizeof *out), *y = guarded(n * s->dim * 4, 4, n % 3 != 0);
    float *qs = guarded(n * s->dim * 4, 4, true);
    size_t *lo = need(n, sizeof *lo), *hi = need(n, sizeof *hi);
    for (size_t i = 0; i < n; i++) {
        size_t r = rows[i];
        memcpy(qs + i * s->dim, s->q + r * s->dim, s->dim * 4);
        q[i] = qs + i * s->dim, out[i] = y + i * s->dim, lo[i] = s->lo[r], hi[i] = s->hi[r];
        for (size_t t = 0; t < s->n_tiles; t++) {
            size_t first = (s->tile0 + t) * CT_TILE;
            if (lo[i] < hi[i] && lo[i] < first + CT_TILE && hi[i] > first)
                k[t] = s->k[t], v[t] = s->v[t];
        }
    }
    ct_attend a = { s->dim, s->scale, s->elem, k, v, s->tile0, n, q, out, lo, hi };
    c->isa->attend(&a, scratch);
    free(q), free(out), free(lo), free(hi);
    unguard(qs);
    return y;
}

/* A score is a sum of dim products, off by (dim + 1) u scale sum|q k| =: e; exp of (score - max) by a factor of
 * 1 +- 2 e (the maximum may be off too) +- the rounding of the difference (u |difference|; weights further down count
 * less: |d| e^d <= 0.37, so 2 u of the sum cover it), and 4 u for exp itself. A running sum over T keys in n tiles:
 * T + 2 n + 4 roundings. Both the numerator, sum p v, and the denominator, sum p, bear this.
 * Q8_0 is held against the values its tiles hold, exact in float32. Scores round once more a group of 32 dimensions
 * where scales are applied to sums (dim / 32 + 1 at most), weights once where they are multiplied with a scale.
 * A level that rounds to 16 bits (kernels.h) is off by half a step of q beside each key's value, and by 0.51 steps of a
 * tile's weights beside each of its int8; what lies below 2^-100 counts as 0. */
typedef struct row_check {
    const scene *s;
    size_t r, n_seen;
    double *weight; /* [n_seen]: exp(score - the largest) */
    double sum, off;
    double step[MAX_TILES]; /* of the weights that the row has in a tile */
} row_check;

static double score_of(const row_check *c, size_t pos, double *off)
{
    const scene *s = c->s;
    const float *q = s->q + c->r * s->dim, *k = s->kf[pos / CT_TILE - s->tile0] + pos % CT_TILE * s->dim;
    double score = 0, mag = 0, sum_k = 0, top = 0, roundings = (double)(s->dim + 1);
    for (size_t d = 0; d < s->dim; d++) {
        score += (double)q[d] * k[d];
        mag += fabs((double)q[d] * k[d]);
        sum_k += fabs((double)k[d]);
        top = fmax(top, fabs((double)q[d]));
    }
    if (s->elem == CT_KV_Q8_0)
        roundings += (double)(s->dim / 32 + 1);
    *off = (double)s->scale * (mag * roundings * UNIT_ROUND + (s->is_16_bit ? sum_k * top / 32512 * 0.5001 : 0));
    return score * (double)s->scale;
}

static void weigh_keys(row_check *c)
{
    double top = -INFINITY;
    for (size_t i = 0; i < c->n_seen; i++) {
        double off;
        c->weight[i] = score_of(c, c->s->lo[c->r] + i, &off);
        top = fmax(top, c->weight[i]);
        c->off = fmax(c->off, off);
    }
    for (size_t i = 0; i < c->n_seen; i++)
        c->sum += c->weight[i] = exp(c->weight[i] - top);
}

static void find_steps(row_check *c)
{
    const scene *s = c->s;
    for (size_t i = 0; i < c->n_seen; i++) {
        size_t pos = s->lo[c->r] + i, tile = pos / CT_TILE - s->tile0;
        const uint16_t *scales = ct_kv_scales_of(s->v[tile], s->dim) + pos % CT_TILE;
        for (size_t g = 0; g < s->dim / 32; g++)
            c->step[tile] = fmax(c->step[tile], c->weight[i] * (double)ct_f16_to_f32(scales[g * CT_TILE]));
    }
    for (size_t tile = 0; tile < s->n_tiles; tile++)
        c->step[tile] *= (1 + 2 * c->off) / 65535;
}

/* What the rounding of a key's weight may change in dimension d. */
static double off_by_step(const row_check *c, size_t pos, size_t d)
{
    size_t tile = pos / CT_TILE - c->s->tile0;
    double q8 = abs(((const int8_t *)c->s->v[tile])[pos % CT_TILE * c->s->dim + d]);
    return q8 * (0.51 * c->step[tile] + 0x1p-100);
}

static void check_row(const scene *s, size_t r, const float *got)
{
    row_check c = { .s = s, .r = r, .n_seen = s->hi[r] > s->lo[r] ? s->hi[r] - s->lo[r] : 0 };
    c.weight = need(c.n_seen, sizeof *c.weight);
    weigh_keys(&c);
    if (s->is_16_bit)
        find_steps(&c);
    double roundings =
        (double)(c.n_seen + 2 * (c.n_seen / CT_TILE + 2) + 4 + 2 + 4 + (s->elem == CT_KV_Q8_0)) * UNIT_ROUND;
    for (size_t d = 0; d < s->dim; d++) {
        double y = 0, mag = 0, steps = 0;
        for (size_t i = 0; i < c.n_seen; i++) {
            size_t pos = s->lo[r] + i, tile = pos / CT_TILE - s->tile0;
            double term = c.weight[i] / c.sum * s->vf[tile][pos % CT_TILE * s->dim + d];
            y += term;
            mag += fabs(term);
            steps += s->is_16_bit ? off_by_step(&c, s->lo[r] + i, d) / c.sum : 0;
        }
        double tolerance = 2 * mag * (2 * c.off + roundings) + steps + SUBNORMAL;
        if (!is_near(got[d], y, tolerance)) {
            check_fail("dim %zu, row %zu sees %zu-%zu: [%zu] is %.9g, expected %.9g +- %.3g", s->dim, r, s->lo[r],
                       s->hi[r], d, (double)got[d], y, tolerance);
            break;
        }
    }
    free(c.weight);
}

/* Any subset of rows, in any order, gives the bits of the whole call. */
static void check_subsets(const check *c, const scene *s, const float *whole, void *scratch, rng *g)
{
    size_t rows[512];
    for (int round = 0; round < 12; round++) {
        size_t n = round < 6 ? (size_t)round + 1 : 1 + (size_t)rng_below(g, (int)s->n);
        for (size_t i = 0; i < n; i++)
            rows[i] = (size_t)rng_below(g, (int)s->n);
        float *y = run_rows(c, s, rows, n, scratch);
        for (size_t i = 0; i < n * s->dim; i++)
            if (!is_same(y[i], whole[rows[i / s->dim] * s->dim + i % s->dim])) {
                check_fail("dim %zu: row %zu differs among %zu rows", s->dim, rows[i / s->dim], n);
                break;
            }
        unguard(y);
    }
}

static void check_scene(const check *c, ct_kv_elem elem, size_t dim, size_t n_tiles, size_t n, float spread, rng *g)
{
    scene s;
    size_t rows[512];
    void *scratch = guarded(CT_ATTEND_SCRATCH, 64, true);
    scene_open(&s, c, elem, dim, n_tiles, n, spread, g);
    for (size_t r = 0; r < n; r++)
        rows[r] = r;
    float *y = run_rows(c, &s, rows, n, scratch);
    for (size_t r = 0; r < n; r++)
        check_row(&s, r, y + r * dim);
    check_subsets(c, &s, y, scratch, g);
    unguard(y);
    scene_close(&s);
    unguard(scratch);
}

static void check_elem(const check *c, ct_kv_elem elem)
{
    static const size_t dims[] = { 1, 6, 8, 20, 24, 32, 72, 64, 96, 128, 168, 256, 512 };
    rng g = { 11 };
    const size_t step = c->is_quick ? 3 : 1;
    for (size_t d = (size_t)elem % step; d < sizeof dims / sizeof *dims; d += step) {
        if (!ct_kv_elem_fits(elem, dims[d]))
            continue;
        check_scene(c, elem, dims[d], 1, 9, 1.0f, &g);
        check_scene(c, elem, dims[d], 4, 40, 1.0f, &g);
        check_scene(c, elem, dims[d], 3, 17, 30.0f, &g); /* one key takes nearly all; maxima move from tile to tile */
    }
    if (c->is_quick)
        return;
    check_scene(c, elem, 64, 12, 300, 2.0f, &g);
    check_scene(c, elem, 256, 3, 150, 2.0f, &g);
    check_scene(c, elem, 512, 2, 100, 2.0f, &g);
}

/* A NaN in a query reaches its own row and no other. */
static void check_nan(const check *c, ct_kv_elem elem)
{
    rng g = { 12 };
    scene s;
    const size_t rows[3] = { 0, 1, 2 };
    void *scratch = guarded(CT_ATTEND_SCRATCH, 64, true);
    scene_open(&s, c, elem, 64, 3, 3, 1.0f, &g);
    s.q[64 + 5] = NAN;
    float *y = run_rows(c, &s, rows, 3, scratch);
    check_row(&s, 0, y);
    check_row(&s, 2, y + 128);
    for (int d = 0; d < 64; d++)
        if (!isnan(y[64 + d])) {
            check_fail("a NaN in the query was lost");
            break;
        }
    unguard(y);
    scene_close(&s);
    unguard(scratch);
}

/* A key or a value that is not finite reaches every row that sees it, and no row that does not see its tile. (An
 * infinite key in f16 or f32 may weigh 0: only NaN is asked of them; Q8_0 keeps neither, nor what no scale holds.) */
static void check_bad_put(const check *c, ct_kv_elem elem)
{
    static const float bad[] = { NAN, INFINITY, -INFINITY, 1e8f };
    void *scratch = guarded(CT_ATTEND_SCRATCH, 64, true);
    for (size_t i = 0; i < (elem == CT_KV_Q8_0 ? 4 : 1) * 2u; i++) {
        rng g = { 14 };
        scene s;
        size_t rows[20], dim = 64, last;
        float x[64] = { 0 }, y[64] = { 0 };
        (i % 2 ? x : y)[40] = bad[i / 2];
        scene_open(&s, c, elem, dim, 3, 20, 1.0f, &g);
        last = (s.tile0 + 2) * CT_TILE;
        c->isa->kv_put(elem, s.k[2], s.v[2], 5, x, y, dim);
        for (size_t r = 0; r < 20; r++) {
            rows[r] = r;
            s.lo[r] = s.tile0 * CT_TILE, s.hi[r] = r % 2 ? last + 6 + r : last;
        }
        float *out = run_rows(c, &s, rows, 20, scratch);
        for (size_t r = 0; r < 20; r++)
            if (r % 2 ? isfinite(out[r * dim + 40]) : (check_row(&s, r, out + r * dim), false))
                check_fail("row %zu: a %s of %g was lost", r, i % 2 ? "key" : "value", (double)bad[i / 2]);
        unguard(out);
        scene_close(&s);
    }
    unguard(scratch);
}

void check_attend(check *c)
{
    static const size_t dims[] = { 1, 6, 8, 20, 24, 72, 128, 256 }, dims_q8[] = { 32, 64, 96, 128, 160, 256, 512 };
    for (int e = CT_KV_F16; e <= CT_KV_Q8_0; e++) {
        const char *name = elem_name((ct_kv_elem)e);
        rng r = { 13 };
        if (check_begin(c, "kv_put_%s", name)) {
            for (size_t d = 0; d < sizeof dims / sizeof *dims && e != CT_KV_Q8_0; d++)
                check_put_dim(c, (ct_kv_elem)e, dims[d], &r);
            for (size_t d = 0; d < sizeof dims_q8 / sizeof *dims_q8 && e == CT_KV_Q8_0; d++)
                check_put_q8(c, dims_q8[d], &r);
        }
        if (!check_begin(c, "attend_%s", name))
            continue;
        check_elem(c, (ct_kv_elem)e);
        check_nan(c, (ct_kv_elem)e);
        check_bad_put(c, (ct_kv_elem)e);
    }
}
