/* check_set.c - attention over a whole set against double precision, its cuts against each other, and its writing.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define GROUP CT_SET_GROUP

typedef struct scene {
    ct_acts_form form;
    ct_set_layout layout;
    size_t dim, n_key, n, stride;
    float *q, *k, *v; /* rows, `stride` floats apart */
    ct_set set;
    float scale;
} scene;

/* What the form holds of x. */
static float held(ct_acts_form form, float x)
{
    return form == CT_ACTS_BF16 ? ct_bf16_to_f32(ct_f32_to_bf16(x)) : x;
}

static float *random_rows(const scene *s, size_t n, float spread, rng *g)
{
    float *x = guarded(n * s->stride * 4, 4, true);
    for (size_t i = 0; i < n * s->stride; i++)
        x[i] = rng_normal(g) * spread;
    return x;
}

static void scene_open(scene *s, const ct_kernels *k, ct_acts_form form, size_t dim, size_t n_key, size_t n,
                       float spread, rng *g)
{
    *s = (scene){ .form = form,
                  .layout = k->set_layout[form],
                  .dim = dim,
                  .n_key = n_key,
                  .n = n,
                  .stride = dim + n % 3,
                  .scale = 1 / sqrtf((float)dim) };
    s->q = random_rows(s, n, 1, g), s->k = random_rows(s, n_key, spread, g), s->v = random_rows(s, n_key, 1, g);
    s->set = (ct_set){ dim, n_key, guarded(ct_set_k_bytes(s->layout, dim, n_key), 64, true),
                       guarded(ct_set_v_bytes(s->layout, dim, n_key), 64, true) };
    k->set_put[form](&s->set, 0, n_key, s->k, s->v, s->stride);
}

static void scene_close(scene *s)
{
    unguard(s->q), unguard(s->k), unguard(s->v), unguard(s->set.k), unguard(s->set.v);
}

/* ---- writing ---- */

/* What a block's keys and dims are rounded up to. */
static void rounded_up(const scene *s, bool is_key, size_t *keys, size_t *dims)
{
    const bool is_tiled = s->layout == CT_SET_TILES;
    const size_t key = is_tiled ? 32 : GROUP, step = s->layout == CT_SET_F32 ? 1 : 2;
    const size_t dim = is_tiled ? (is_key ? 32 : 16) : (is_key ? step : GROUP);
    *keys = (s->n_key + key - 1) / key * key;
    *dims = (s->dim + (is_tiled && !is_key) + dim - 1) / dim * dim;
}

/* The place of (t, d) in a block: kernels.h. */
static size_t place(const scene *s, bool is_key, size_t t, size_t d)
{
    size_t keys, dims, per = s->layout == CT_SET_F32 ? 1 : 2;
    rounded_up(s, is_key, &keys, &dims);
    if (s->layout == CT_SET_TILES && is_key)
        return ((t / 32 * 2 + t % 2) * (dims / 32) + d / 32) * 512 + d % 32 / 2 * 32 + t % 32 / 2 * 2 + d % 2;
    if (s->layout == CT_SET_TILES)
        return (t / 32 * (dims / 16) + d / 16) * 512 + t % 32 / 2 * 32 + d % 16 * 2 + t % 2;
    if (is_key)
        return ((t / GROUP * (dims / per) + d / per) * GROUP + t % GROUP) * per + d % per;
    return (t / per * dims + d) * per + t % per;
}

static float stored(const scene *s, bool is_key, size_t t, size_t d)
{
    const void *p = is_key ? s->set.k : s->set.v;
    size_t at = place(s, is_key, t, d);
    return s->form == CT_ACTS_BF16 ? ct_bf16_to_f32(((const uint16_t *)p)[at]) : ((const float *)p)[at];
}

static bool is_stored(const scene *s, bool is_key)
{
    size_t keys, dims;
    const float *x = is_key ? s->k : s->v;
    rounded_up(s, is_key, &keys, &dims);
    for (size_t t = 0; t < keys; t++)
        for (size_t d = 0; d < dims; d++) {
            bool is_pad = t >= s->n_key || d >= s->dim, is_one = s->layout == CT_SET_TILES && !is_key && d == s->dim;
            float pad = is_one && t < s->n_key ? 1 : 0;
            if (!is_same(stored(s, is_key, t, d), is_pad ? pad : held(s->form, x[t * s->stride + d])))
                return false;
        }
    return true;
}

static void check_put(const check *c, ct_acts_form form)
{
    static const size_t dims[] = { 1, 6, 11, 12, 13, 24, 72, 128 }, keys[] = { 1, 2, 11, 12, 13, 36, 97 };
    rng g = { 21 };
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++)
        for (size_t j = 0; j < sizeof keys / sizeof *keys; j++) {
            scene s;
            scene_open(&s, c->isa, form, dims[i], keys[j], 1, 1, &g);
            size_t bytes = ct_set_v_bytes(s.layout, s.dim, s.n_key);
            memset(s.set.k, 0xFF, ct_set_k_bytes(s.layout, s.dim, s.n_key)), memset(s.set.v, 0xFF, bytes);
            for (size_t t = 0, n; t < s.n_key; t += n) { /* piece by piece, as threads do */
                n = s.n_key - t < 24 ? s.n_key - t : 24;
                c->isa->set_put[form](&s.set, t, n, s.k + t * s.stride, s.v + t * s.stride, s.stride);
            }
            if (!is_stored(&s, true) || !is_stored(&s, false))
                check_fail("dim %zu, %zu keys: not in the places that kernels.h states", s.dim, s.n_key);
            scene_close(&s);
        }
}

/* ---- attention ---- */

static float *run_rows(const check *c, const scene *s, const size_t *rows, size_t n, void *scratch)
{
    float *q = guarded(n * s->stride * 4, 4, true), *y = guarded(n * s->stride * 4, 4, n % 3 != 0);
    for (size_t i = 0; i < n; i++)
        memcpy(q + i * s->stride, s->q + rows[i] * s->stride, s->dim * 4);
    c->isa->set_attend[s->form](&s->set, &(ct_set_rows){ s->scale, n, q, y, s->stride }, scratch);
    unguard(q);
    return y;
}

/* As for attend (check_attend.c): a score is off by (dim + 1) u scale sum|q k| =: e, exp by a factor 1 +- 2 e +- 2 u
 * for the rounding of the difference +- 4 u of its own; a running sum has T + 2 n + 4 roundings, n the tiles (of 48
 * keys and more). Here the exponent is formed as c s - c m, in one fused rounding but that of c m and of c itself (when
 * it goes to base two): 3 u |c m| <= 3 u scale sum|q k| more, within (dim + 4) u. In bf16 each weight of the numerator
 * is rounded to eight bits, by 2^-8 of it at most, or vanishes if it is subnormal: 2^-126; and exp is off by 2^-13; a
 * product of bf16 values is exact in f32, and two of them are added in two roundings at most. */
static void check_row(const scene *s, const float *q, const float *got)
{
    double *p = calloc(s->n_key, sizeof *p), top = -INFINITY, off = 0, sum = 0;
    bool is_bf16 = s->form == CT_ACTS_BF16;
    if (!p)
        exit(2);
    for (size_t t = 0; t < s->n_key; t++) {
        double mag = 0;
        for (size_t d = 0; d < s->dim; d++) {
            double term = (double)held(s->form, q[d]) * (double)held(s->form, s->k[t * s->stride + d]);
            p[t] += term;
            mag += fabs(term);
        }
        p[t] *= (double)s->scale;
        top = fmax(top, p[t]);
        off = fmax(off, mag * (double)s->scale * (double)(s->dim + 4) * UNIT_ROUND);
    }
    for (size_t t = 0; t < s->n_key; t++)
        sum += p[t] = exp(p[t] - top);
    double roundings = (double)(s->n_key + 2 * (s->n_key / 48 + 2) + 10) * UNIT_ROUND + (is_bf16 ? 0x1p-13 : 0);
    for (size_t d = 0; d < s->dim; d++) {
        double y = 0, mag = 0, vanished = 0;
        for (size_t t = 0; t < s->n_key; t++) {
            double v = (double)held(s->form, s->v[t * s->stride + d]), term = p[t] / sum * v;
            y += term;
            mag += fabs(term);
            vanished += is_bf16 ? fabs(v) / sum * 0x1p-126 : 0;
        }
        double tolerance = mag * (2 * (2 * off + roundings) + (is_bf16 ? 0x1p-8 : 0)) + vanished + SUBNORMAL;
        if (!is_near(got[d], y, tolerance)) {
            check_fail("dim %zu, %zu keys: [%zu] is %.9g, expected %.9g +- %.3g", s->dim, s->n_key, d, (double)got[d],
                       y, tolerance);
            break;
        }
    }
    free(p);
}

static bool same_rows(const scene *s, const float *a, const float *b)
{
    for (size_t d = 0; d < s->dim; d++)
        if (!is_same(a[d], b[d]))
            return false;
    return true;
}

/* Any rows, in any order, give the bits of the whole call. */
static void check_subsets(const check *c, const scene *s, const float *whole, void *scratch, rng *g)
{
    size_t rows[512];
    for (int round = 0; round < 8; round++) {
        size_t n = round < 4 ? (size_t)round + 1 : 1 + (size_t)rng_below(g, (int)s->n);
        for (size_t i = 0; i < n; i++)
            rows[i] = (size_t)rng_below(g, (int)s->n);
        float *y = run_rows(c, s, rows, n, scratch);
        for (size_t i = 0; i < n; i++)
            if (!same_rows(s, y + i * s->stride, whole + rows[i] * s->stride)) {
                check_fail("dim %zu: row %zu differs among %zu rows", s->dim, rows[i], n);
                break;
            }
        unguard(y);
    }
}

/* Floats between the rows are not touched. */
static void check_gaps(const scene *s, const float *y)
{
    for (size_t i = 0; i < s->n; i++)
        for (size_t d = s->dim; d < s->stride; d++)
            if (memcmp(&y[i * s->stride + d], &(uint32_t){ UINT32_MAX }, 4) != 0)
                check_fail("dim %zu: wrote between rows", s->dim);
}

static void check_scene(const check *c, ct_acts_form form, size_t dim, size_t n_key, size_t n, float spread, rng *g)
{
    scene s;
    size_t rows[512];
    void *scratch = guarded(CT_ATTEND_SCRATCH, 64, true);
    scene_open(&s, c->isa, form, dim, n_key, n, spread, g);
    for (size_t r = 0; r < n; r++)
        rows[r] = r;
    float *y = run_rows(c, &s, rows, n, scratch);
    for (size_t r = 0; r < n; r++)
        check_row(&s, s.q + r * s.stride, y + r * s.stride);
    check_gaps(&s, y);
    check_subsets(c, &s, y, scratch, g);
    unguard(y);
    scene_close(&s);
    unguard(scratch);
}

static void check_shapes(const check *c, ct_acts_form form)
{
    static const size_t dims[] = { 1, 6, 8, 11, 20, 24, 32, 72, 80, 128, 256, 512 };
    rng g = { 22 };
    const size_t step = c->is_quick ? 3 : 1;
    for (size_t d = (size_t)form % step; d < sizeof dims / sizeof *dims; d += step) {
        check_scene(c, form, dims[d], 1, 3, 1, &g);
        check_scene(c, form, dims[d], 131, 70, 1, &g);
        check_scene(c, form, dims[d], 230, 17, 30, &g); /* one key takes nearly all; maxima move from tile to tile */
    }
    if (!c->is_quick)
        check_scene(c, form, 72, 1089, 140, 2, &g);
}

/* Keys that become longer and longer: what the first ones suggest as the largest score is soon less by more than any
 * exponent holds, for some rows in one place, for others in another or never. */
static void check_growing(const check *c, ct_acts_form form)
{
    enum { DIM = 72, KEYS = 330, ROWS = 67 };
    rng g = { 24 };
    scene s;
    size_t rows[ROWS];
    void *scratch = guarded(CT_ATTEND_SCRATCH, 64, true);
    scene_open(&s, c->isa, form, DIM, KEYS, ROWS, 1, &g);
    for (size_t t = 0; t < KEYS; t++)
        for (size_t d = 0; d < DIM; d++)
            s.k[t * s.stride + d] *= t < 64 ? 0.1f : (float)t / 2;
    for (size_t r = 0; r < ROWS; r++) {
        rows[r] = r;
        for (size_t d = 0; d < DIM; d++)
            s.q[r * s.stride + d] *= (float)r / 20;
    }
    c->isa->set_put[form](&s.set, 0, KEYS, s.k, s.v, s.stride);
    float *y = run_rows(c, &s, rows, ROWS, scratch);
    for (size_t r = 0; r < ROWS; r++)
        check_row(&s, s.q + r * s.stride, y + r * s.stride);
    check_subsets(c, &s, y, scratch, &g);
    unguard(y), unguard(scratch);
    scene_close(&s);
}

/* A NaN in a query reaches its own row and no other; one in a value reaches all. */
static void check_nan(const check *c, ct_acts_form form)
{
    rng g = { 23 };
    scene s;
    const size_t rows[3] = { 0, 1, 2 };
    void *scratch = guarded(CT_ATTEND_SCRATCH, 64, true);
    scene_open(&s, c->isa, form, 40, 150, 3, 1, &g);
    s.q[s.stride + 5] = NAN;
    float *y = run_rows(c, &s, rows, 3, scratch);
    check_row(&s, s.q, y);
    check_row(&s, s.q + 2 * s.stride, y + 2 * s.stride);
    for (size_t d = 0; d < s.dim; d++)
        if (!isnan(y[s.stride + d]))
            check_fail("a NaN in the query was lost");
    unguard(y);
    s.v[140 * s.stride + 7] = NAN;
    c->isa->set_put[form](&s.set, 0, s.n_key, s.k, s.v, s.stride);
    y = run_rows(c, &s, rows, 3, scratch);
    if (!isnan(y[7]) || !isnan(y[2 * s.stride + 7]) || isnan(y[8]))
        check_fail("a NaN in a value is not where it belongs");
    unguard(y);
    scene_close(&s);
    unguard(scratch);
}

void check_set(check *c)
{
    for (int f = CT_ACTS_F32; f <= CT_ACTS_BF16; f++) {
        const char *name = f == CT_ACTS_F32 ? "f32" : "bf16";
        if (check_begin(c, "set_put_%s", name))
            check_put(c, (ct_acts_form)f);
        if (!check_begin(c, "set_attend_%s", name))
            continue;
        check_shapes(c, (ct_acts_form)f);
        check_growing(c, (ct_acts_form)f);
        check_nan(c, (ct_acts_form)f);
    }
}
