/* fit_affine.c - scales and minimums of the types with both: y = scale * code + min.
 *
 * For given codes q_i the best real scale and minimum solve two linear equations (least squares). So: try to
 * spread the range of the weights over a little fewer or more codes than there are, keep the pair that leaves the
 * smallest error, alternate between best codes and best pair, and then do the same with the pair as it is stored.
 *
 * Sums are of u = x - centre and p = q - half, the middles of the range and of the codes: differences of products lose
 * their digits where both factors are far from zero. y = scale * p + level then, with level = min + half * scale.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "quant/fit.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* LANES groups. */
typedef struct fixed {
    vec centre;
    vec n, u, uu; /* sum w, sum w u, sum w u^2 */
} fixed;

typedef struct sums {
    vec p, pp, up; /* sum w p, sum w p^2, sum w u p */
} sums;

typedef struct pair {
    vec scale, min;
} pair;

typedef struct codes_form {
    float max, half;      /* the largest code, the whole number in the middle */
    bool min_is_negative; /* in a block of groups the minimum is subtracted and has no sign: it cannot be positive */
} codes_form;

static codes_form form_of(int code_max, bool min_is_negative)
{
    return (codes_form){ (float)code_max, (float)((code_max + 1) / 2), min_is_negative };
}

void ct_fit_affine_codes(const float *x, int n, float scale, float min, int code_max, uint8_t *codes)
{
    const vec inverse = v_set1(scale != 0 ? 1 / scale : 0), from = v_set1(min), hi = v_set1((float)code_max);
    for (int i = 0; i < n; i += LANES)
        v_store_bytes(codes + i, v_nearest(v_clamp(v_mul(v_sub(v_load(x + i), from), inverse), v_set1(0), hi)));
}

/* Moves the groups' weights to their centre. */
static void centre_groups(ct_groups *g, vec centre, fixed *f)
{
    *f = (fixed){ centre, v_set1(0), v_set1(0), v_set1(0) };
    for (int i = 0; i < g->len; i++) {
        const vec u = v_sub(g->x[i], centre), w = g->is_even ? v_set1(1) : g->w[i], wu = v_mul(w, u);
        g->x[i] = u;
        f->n = v_add(f->n, w);
        f->u = v_add(f->u, wu);
        f->uu = v_add(f->uu, v_mul(wu, u));
    }
}

LANE_INLINE sums sums_of(const ct_groups *g, vec inverse, vec offset, vec lo, vec hi, bool is_even)
{
    sums s = { v_set1(0), v_set1(0), v_set1(0) };
    for (int i = 0; i < g->len; i++) {
        const vec p = v_nearest(v_clamp(v_add(v_mul(g->x[i], inverse), offset), lo, hi));
        const vec wp = is_even ? p : v_mul(g->w[i], p);
        s.p = v_add(s.p, wp);
        s.pp = v_add(s.pp, v_mul(wp, p));
        s.up = v_add(s.up, v_mul(wp, g->x[i]));
    }
    return s;
}

/* With the codes nearest for a pair; where the scale is 0, all of them 0. */
static sums sums_at(const ct_groups *g, const fixed *f, codes_form form, pair a)
{
    const vec zero = v_set1(0), half = v_set1(form.half), lo = v_sub(zero, half), hi = v_set1(form.max - form.half);
    const mask is_flat = m_not(v_above(v_abs(a.scale), zero));
    const vec inverse = v_pick(is_flat, zero, v_inverse(a.scale));
    const vec offset = v_sub(v_mul(v_sub(f->centre, a.min), inverse), half);
    return g->is_even ? sums_of(g, inverse, offset, lo, hi, true) : sums_of(g, inverse, offset, lo, hi, false);
}

/* E of the groups for these codes. */
LANE_INLINE vec loss_at(const fixed *f, codes_form form, sums s, pair a)
{
    const vec d = a.scale, m = v_add(v_sub(a.min, f->centre), v_mul(d, v_set1(form.half)));
    const vec linear = v_add(v_mul(d, s.up), v_mul(m, f->u));
    const vec square = v_add(v_mul(v_mul(d, d), s.pp), v_mul(v_mul(m, m), f->n)), mixed = v_mul(v_mul(d, m), s.p);
    return v_add(v_sub(f->uu, v_add(linear, linear)), v_add(square, v_add(mixed, mixed)));
}

/* The best pair for these codes. The mask is clear where they do not determine it (all the same), and *a stays. */
static mask solve(const fixed *f, codes_form form, sums s, pair *a)
{
    const vec zero = v_set1(0), half = v_set1(form.half), npp = v_mul(f->n, s.pp), det = v_sub(npp, v_mul(s.p, s.p));
    const vec up = v_sub(v_mul(f->n, s.up), v_mul(f->u, s.p));
    vec scale = v_div(up, det), level = v_div(v_sub(f->u, v_mul(scale, s.p)), f->n);
    vec min = v_add(v_sub(level, v_mul(scale, half)), f->centre);
    if (form.min_is_negative) { /* one that would be positive is 0: sum w x q / sum w q^2 */
        const vec x = v_add(f->u, v_mul(f->centre, f->n)), q = v_add(s.p, v_mul(half, f->n));
        const vec xq = v_add(v_add(s.up, v_mul(f->centre, s.p)), v_mul(half, x));
        const vec qq = v_add(s.pp, v_mul(half, v_add(s.p, q)));
        const mask is_positive = v_above(min, zero);
        scale = v_pick(is_positive, v_div(xq, qq), scale);
        min = v_pick(is_positive, zero, min);
    }
    const mask ok = m_and(v_above(det, v_mul(v_set1(1e-5f), npp)), v_above(scale, zero));
    a->scale = v_pick(ok, scale, a->scale);
    a->min = v_pick(ok, min, a->min);
    return ok;
}

/* The best real pairs of groups, which are centred in passing. */
static pair group_pairs(ct_groups *g, codes_form form, fixed *f)
{
    /* How many steps the range is spread over, less the largest code. Sixty tries over a wider span leave an error at most
     * 0.7 % smaller and take four times as long. Where weights count unequally, the ends of the range may be cut off. */
    const int tries = g->is_even ? 10 : 24;
    static const float first = -1.5f, step = 0.28f;
    const vec zero = v_set1(0);
    vec lo = g->x[0], hi = g->x[0];
    for (int i = 1; i < g->len; i++) {
        lo = v_min(lo, g->x[i]);
        hi = v_max(hi, g->x[i]);
    }
    if (form.min_is_negative)
        lo = v_min(lo, zero);
    const vec range = v_sub(hi, lo);
    const mask is_flat = v_less(range, v_set1(CT_FIT_TINY));
    centre_groups(g, v_mul(v_add(lo, hi), v_set1(0.5f)), f);
    pair best = { v_div(range, v_set1(form.max)), lo };
    vec best_loss = loss_at(f, form, sums_at(g, f, form, best), best);
    for (int k = 0; k < tries + 2; k++) {
        pair a = best; /* the last two rounds start from the best so far */
        if (k < tries)
            a = (pair){ v_div(range, v_set1(form.max + first + step * (float)k)), lo };
        const sums s = sums_at(g, f, form, a);
        const mask ok = solve(f, form, s, &a);
        const vec loss = loss_at(f, form, s, a);
        const mask better = m_and(ok, v_less(loss, best_loss));
        best_loss = v_pick(better, loss, best_loss);
        best.scale = v_pick(better, a.scale, best.scale);
        best.min = v_pick(better, a.min, best.min);
    }
    best.scale = v_pick(is_flat, zero, best.scale);
    best.min = v_pick(is_flat, lo, best.min);
    return best;
}

/* ---- blocks of one group ---- */

static pair fit_pairs(ct_groups *g, codes_form form)
{
    fixed f;
    pair a = group_pairs(g, form, &f), best = { v_set1(0), v_set1(0) };
    vec best_loss = v_set1(INFINITY);
    mask goes_on = v_less(v_set1(0), best_loss); /* all */
    for (int round = 0; round < 8 && m_any(goes_on); round++) {
        a.scale = v_fit_f16(a.scale);
        a.min = v_f16(a.min);
        sums s = sums_at(g, &f, form, a);
        /* The minimum again, now that the scale is rounded. */
        const vec level = v_div(v_sub(f.u, v_mul(a.scale, s.p)), f.n);
        a.min = v_f16(v_add(v_sub(level, v_mul(a.scale, v_set1(form.half))), f.centre));
        s = sums_at(g, &f, form, a);
        const vec loss = loss_at(&f, form, s, a);
        goes_on = m_and(goes_on, v_less(loss, best_loss));
        best_loss = v_pick(goes_on, loss, best_loss);
        best.scale = v_pick(goes_on, a.scale, best.scale);
        best.min = v_pick(goes_on, a.min, best.min);
        goes_on = m_and(goes_on, solve(&f, form, s, &a));
    }
    return best;
}

void ct_fit_affine(const ct_stretch *s, int n, int code_max, uint16_t *d, uint16_t *m)
{
    for (int at = 0; at < n; at += LANES) {
        ct_groups g;
        float scale[LANES], min[LANES];
        ct_take_groups(s, at, 32, &g);
        const pair best = fit_pairs(&g, form_of(code_max, false));
        v_store(scale, best.scale);
        v_store(min, best.min);
        for (int i = 0; i < LANES && at + i < n; i++) {
            d[at + i] = ct_f32_to_f16(scale[i]);
            m[at + i] = ct_f32_to_f16(min[i]);
        }
    }
}

/* ---- blocks of groups ---- */

/* Of every group: the pair its codes would like best, the subs it has, and what it contributes to the equations for d
 * and dmin. */
typedef struct chosen {
    float scale[CT_GROUPS], min[CT_GROUPS], sub[CT_GROUPS], sub_min[CT_GROUPS], loss[CT_GROUPS];
    float n[CT_GROUPS], x[CT_GROUPS], q[CT_GROUPS], qq[CT_GROUPS], xq[CT_GROUPS]; /* of weights and codes as they are */
} chosen;

static void store_sums(const fixed *f, codes_form form, sums s, int at, chosen *c)
{
    const vec half = v_set1(form.half), x = v_add(f->u, v_mul(f->centre, f->n));
    const vec q = v_add(s.p, v_mul(half, f->n));
    v_store(c->n + at, f->n);
    v_store(c->x + at, x);
    v_store(c->q + at, q);
    v_store(c->qq + at, v_add(s.pp, v_mul(half, v_add(s.p, q))));
    v_store(c->xq + at, v_add(v_add(s.up, v_mul(f->centre, s.p)), v_mul(half, x)));
}

/* The best sub-scales and sub-minimums near the wished ones, of LANES groups from `at` on. */
static void choose_subs(const ct_groups *g, const fixed *f, codes_form form, float sub_max, const float *d_of,
                        const float *dmin_of, int at, chosen *c)
{
    const vec zero = v_set1(0), hi = v_set1(sub_max), d = v_load(d_of + at), dmin = v_load(dmin_of + at);
    const mask has_min = v_above(dmin, zero);
    const vec by_min = v_inverse(dmin);
    pair wish = { v_load(c->scale + at), v_load(c->min + at) };
    const vec around = v_nearest(v_clamp(v_mul(wish.scale, v_inverse(d)), zero, hi));
    const vec wish_min = v_pick(has_min, v_nearest(v_clamp(v_mul(v_sub(zero, wish.min), by_min), zero, hi)), zero);
    vec sub = zero, sub_min = zero, best_loss = v_set1(INFINITY);
    sums best = { zero, zero, zero };
    for (int k = -1; k <= 1; k++) {
        const vec try = v_clamp(v_add(around, v_set1((float)k)), zero, hi);
        pair a = { v_mul(d, try), v_sub(zero, v_mul(dmin, wish_min)) };
        sums s = sums_at(g, f, form, a);
        /* The minimum that suits these codes, and the codes for it. */
        const vec level = v_div(v_sub(v_mul(a.scale, s.p), f->u), f->n);
        const vec min = v_sub(v_add(level, v_mul(a.scale, v_set1(form.half))), f->centre);
        const vec try_min = v_pick(has_min, v_nearest(v_clamp(v_mul(min, by_min), zero, hi)), wish_min);
        a.min = v_sub(zero, v_mul(dmin, try_min));
        s = sums_at(g, f, form, a);
        const vec loss = loss_at(f, form, s, a);
        const mask better = v_less(loss, best_loss);
        best_loss = v_pick(better, loss, best_loss);
        best.p = v_pick(better, s.p, best.p);
        best.pp = v_pick(better, s.pp, best.pp);
        best.up = v_pick(better, s.up, best.up);
        sub = v_pick(better, try, sub);
        sub_min = v_pick(better, try_min, sub_min);
    }
    store_sums(f, form, best, at, c);
    solve(f, form, best, &wish);
    v_store(c->scale + at, wish.scale);
    v_store(c->min + at, wish.min);
    v_store(c->sub + at, sub);
    v_store(c->sub_min + at, sub_min);
    v_store(c->loss + at, best_loss);
}

/* A block in the course of its rounds. */
typedef struct course {
    float scale, min; /* d and dmin before they are rounded */
    float best_loss;
    bool goes_on;
} course;

/* d and dmin that suit the codes best: two linear equations again. Leaves them if they are not determined. */
static void solve_block(const chosen *c, int first, int n_group, course *b)
{
    double aa = 0, ab = 0, bb = 0, ax = 0, bx = 0; /* a = sub * code, b = sub_min */
    for (int g = first; g < first + n_group; g++) {
        const double sub = (double)c->sub[g], min = (double)c->sub_min[g];
        aa += sub * sub * (double)c->qq[g];
        ab += sub * min * (double)c->q[g];
        bb += min * min * (double)c->n[g];
        ax += sub * (double)c->xq[g];
        bx += min * (double)c->x[g];
    }
    const double det = aa * bb - ab * ab;
    if (det > 1e-6 * aa * bb) {
        const double scale = (ax * bb - bx * ab) / det, min = (ax * ab - bx * aa) / det;
        if (scale > 0 && min > 0) {
            b->scale = (float)scale;
            b->min = (float)min;
        }
    } else if (aa > 0 && bb == 0 && ax > 0) {
        b->scale = (float)(ax / aa);
    }
}

/* What a block's groups have chosen: keeps it if it is better. */
static bool is_better(course *b, const chosen *c, int first, int n_group, int *sub, int *sub_min)
{
    float loss = 0;
    for (int g = first; g < first + n_group; g++)
        loss += c->loss[g];
    if (loss >= b->best_loss)
        return false;
    b->best_loss = loss;
    for (int g = first; g < first + n_group; g++) {
        sub[g] = (int)c->sub[g];
        sub_min[g] = (int)c->sub_min[g];
    }
    return true;
}

static float largest(const float *x, int n, float sign)
{
    float most = 0;
    for (int i = 0; i < n; i++)
        most = sign * x[i] > most ? sign * x[i] : most;
    return most;
}

/* d and dmin as they are stored, of every group. */
static void spread(uint16_t d, uint16_t dmin, int n, float *d_of, float *dmin_of)
{
    const float scale = ct_f16_to_f32(d), min = ct_f16_to_f32(dmin);
    for (int i = 0; i < n; i++) {
        d_of[i] = scale;
        dmin_of[i] = min;
    }
}

void ct_fit_affines(const ct_stretch *s, int n_block, int n_group, int code_max, int sub_max, int *sub, int *sub_min,
                    uint16_t *d, uint16_t *dmin)
{
    const codes_form form = form_of(code_max, true);
    const int n = n_block * n_group, n_vec = (n + LANES - 1) / LANES;
    ct_groups g[CT_GROUP_VECS];
    fixed f[CT_GROUP_VECS];
    chosen c;
    course b[2];
    assert(n <= CT_GROUPS && n_block <= 2);
    for (int v = 0; v < n_vec; v++) {
        ct_take_groups(s, v * LANES, 256 / n_group, &g[v]);
        const pair wish = group_pairs(&g[v], form, &f[v]);
        v_store(c.scale + v * LANES, wish.scale);
        v_store(c.min + v * LANES, wish.min);
    }
    for (int k = 0; k < n_block; k++)
        b[k] = (course){ largest(c.scale + k * n_group, n_group, 1) / (float)sub_max,
                         largest(c.min + k * n_group, n_group, -1) / (float)sub_max, INFINITY, true };
    for (int round = 0; round < 8; round++) {
        float d_of[CT_GROUPS] = { 0 }, dmin_of[CT_GROUPS] = { 0 };
        uint16_t h[2] = { 0, 0 }, hmin[2] = { 0, 0 };
        bool goes_on = false;
        for (int k = 0; k < n_block; k++) {
            h[k] = ct_fit_f16(b[k].scale);
            hmin[k] = ct_fit_f16(b[k].min);
            spread(h[k], hmin[k], n_group, d_of + k * n_group, dmin_of + k * n_group);
            goes_on = goes_on || b[k].goes_on;
        }
        if (!goes_on)
            break;
        for (int v = 0; v < n_vec; v++)
            choose_subs(&g[v], &f[v], form, (float)sub_max, d_of, dmin_of, v * LANES, &c);
        for (int k = 0; k < n_block; k++) {
            b[k].goes_on = b[k].goes_on && is_better(&b[k], &c, k * n_group, n_group, sub, sub_min);
            if (!b[k].goes_on)
                continue;
            d[k] = h[k];
            dmin[k] = hmin[k];
            solve_block(&c, k * n_group, n_group, &b[k]);
        }
    }
}
