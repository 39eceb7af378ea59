/* fit_scale.c - scales of the types without a minimum: y = scale * level.
 *
 * For given levels l_i the best real scale is X / L with X = sum w x l and L = sum w l^2, and the error it leaves is
 * sum w x^2 - X^2 / L. So: try scales around the one that just reaches the largest weight, in both directions (the code
 * ranges have one more level below zero than above); keep the best X^2 / L; then alternate between best levels and best
 * scale. Rounding of the scale comes after, again followed by the levels, so that no weight ever sits on a level that
 * is not the nearest.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "quant/fit.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* The IQ4 values as steps: a level is -127 plus the step of every middle that lies below. The middles of neighbours are
 * where the nearest value changes. */
static const float iq4_middle[15] = { -115.5f, -93.5f, -74.0f, -57.0f, -42.0f, -28.5f, -16.0f, -4.5f,
                                      7.0f,    19.0f,  31.5f,  45.5f,  61.0f,  79.0f,  101.0f };
static const float iq4_step[15] = { 23, 21, 18, 16, 14, 13, 12, 11, 12, 12, 13, 15, 16, 20, 24 };

uint16_t ct_fit_f16(float scale)
{
    uint16_t h = ct_f32_to_f16(clamp(scale, -65504.0f, 65504.0f));
    bool is_coarse = (h & 0x7FFF) < 32;
    return is_coarse && fabsf(ct_f16_to_f32(h)) < fabsf(scale) ? (uint16_t)(h + 1) : h;
}

void ct_fit_codes(const float *x, int n, float scale, ct_levels levels, uint8_t *codes)
{
    const vec inverse = v_set1(scale != 0 ? 1 / scale : 0), zero = v_set1(0), one = v_set1(1);
    const vec lo = v_set1((float)levels.lo), hi = v_set1((float)levels.hi);
    for (int i = 0; i < n; i += LANES) {
        const vec t = v_mul(v_load(x + i), inverse);
        vec code = zero;
        for (int k = 0; k < 15 && levels.is_iq4; k++)
            code = v_add(code, v_pick(v_above(t, v_set1(iq4_middle[k])), one, zero));
        if (!levels.is_iq4)
            code = v_sub(v_nearest(v_clamp(t, lo, hi)), lo);
        v_store_bytes(codes + i, code);
    }
}

/* ---- groups side by side ---- */

/* Sums over a group's levels at some scale. */
typedef struct sums {
    vec xl, ll; /* X and L above */
} sums;

LANE_INLINE vec iq4_level(vec t)
{
    vec level = v_set1(-127);
    for (int k = 0; k < 15; k++)
        level = v_add(level, v_pick(v_above(t, v_set1(iq4_middle[k])), v_set1(iq4_step[k]), v_set1(0)));
    return level;
}

LANE_INLINE sums sums_of(const ct_groups *g, vec inverse, ct_levels levels, bool is_iq4, bool is_even)
{
    const vec lo = v_set1((float)levels.lo), hi = v_set1((float)levels.hi);
    sums s = { v_set1(0), v_set1(0) };
    for (int i = 0; i < g->len; i++) {
        const vec t = v_mul(g->x[i], inverse), l = is_iq4 ? iq4_level(t) : v_nearest(v_clamp(t, lo, hi));
        const vec wl = is_even ? l : v_mul(g->w[i], l);
        s.xl = v_add(s.xl, v_mul(wl, g->x[i]));
        s.ll = v_add(s.ll, v_mul(wl, l));
    }
    return s;
}

static sums sums_at(const ct_groups *g, vec inverse, ct_levels levels)
{
    if (levels.is_iq4)
        return g->is_even ? sums_of(g, inverse, levels, true, true) : sums_of(g, inverse, levels, true, false);
    return g->is_even ? sums_of(g, inverse, levels, false, true) : sums_of(g, inverse, levels, false, false);
}

/* The best real scales; 0 where every weight of a group is as good as zero. */
static vec group_scales(const ct_groups *g, ct_levels levels)
{
    /* Where the largest weight is tried: from one level inside the outermost to 1.4 beyond, where it is cut off. Forty
     * tries over a wider span leave an error at most 0.2 % smaller (2 % in Q6_K) and take five times as long. Where
     * the largest weight counts for little, it is cut off by more. */
    static const float first = -1, step = 0.4f;
    const int tries = g->is_even ? 7 : 18, sides = levels.hi == -levels.lo ? 1 : 2;
    const float unit = levels.is_iq4 ? 16 : 1;
    const vec zero = v_set1(0);
    vec most = zero, scale = zero, gain = zero;
    for (int i = 0; i < g->len; i++)
        most = v_pick(v_above(v_abs(g->x[i]), v_abs(most)), g->x[i], most);
    const vec inverse = v_inverse(most);
    for (int side = 0; side < sides; side++)
        for (int k = 0; k < tries; k++) {
            float reach = (first + step * (float)k) * unit;
            reach = side ? (float)levels.hi + reach : (float)levels.lo - reach;
            const sums s = sums_at(g, v_mul(v_set1(reach), inverse), levels);
            const vec likes = v_div(s.xl, s.ll), by = v_mul(s.xl, likes); /* NaN without any level but 0: not above */
            const mask better = v_above(by, gain);
            gain = v_pick(better, by, gain);
            scale = v_pick(better, likes, scale);
        }
    for (int round = 0; round < 2; round++) {
        const sums s = sums_at(g, v_inverse(scale), levels);
        scale = v_pick(v_above(s.ll, zero), v_div(s.xl, s.ll), scale);
    }
    return v_pick(v_less(v_abs(most), v_set1(CT_FIT_TINY)), zero, scale);
}

/* E of a group less the constant sum w x^2, if the levels of these sums are used with this scale. */
LANE_INLINE vec loss_at(sums s, vec scale)
{
    return v_mul(scale, v_sub(v_mul(scale, s.ll), v_add(s.xl, s.xl)));
}

static vec fit_scale(const ct_groups *g, ct_levels levels)
{
    const vec zero = v_set1(0);
    vec scale = group_scales(g, levels), best = zero, best_loss = zero;
    mask goes_on = v_above(v_abs(scale), zero);
    for (int round = 0; round < 8 && m_any(goes_on); round++) {
        const vec stored = v_fit_f16(scale);
        const sums s = sums_at(g, v_inverse(stored), levels);
        const vec loss = loss_at(s, stored);
        goes_on = m_and(goes_on, v_less(loss, best_loss));
        best_loss = v_pick(goes_on, loss, best_loss);
        best = v_pick(goes_on, stored, best);
        goes_on = m_and(goes_on, v_above(s.ll, zero));
        scale = v_pick(goes_on, v_div(s.xl, s.ll), scale);
    }
    return best;
}

void ct_fit_scale(const ct_stretch *s, int n, ct_levels levels, uint16_t *d)
{
    for (int at = 0; at < n; at += LANES) {
        ct_groups g;
        float best[LANES];
        ct_take_groups(s, at, 32, &g);
        v_store(best, fit_scale(&g, levels));
        for (int i = 0; i < LANES && at + i < n; i++)
            d[at + i] = ct_f32_to_f16(best[i]);
    }
}

/* ---- groups with sub-scales ---- */

/* Of every group: the scale its levels would like best, the sub-scale it has, and what the block's equations need. */
typedef struct chosen {
    float scale[CT_GROUPS], sub[CT_GROUPS], loss[CT_GROUPS], xl[CT_GROUPS], ll[CT_GROUPS];
} chosen;

/* Chooses the sub-scales of LANES groups from `at` on among the neighbours of scale / d. */
static void choose_subs(const ct_groups *g, ct_levels levels, const float *d_of, int sub_lo, int sub_hi, int at,
                        chosen *c)
{
    const vec zero = v_set1(0), lo = v_set1((float)sub_lo), hi = v_set1((float)sub_hi), d = v_load(d_of + at);
    const vec scale = v_load(c->scale + at);
    const vec around = v_nearest(v_clamp(v_mul(scale, v_inverse(d)), lo, hi));
    vec sub = zero, best_loss = zero;
    sums best = { zero, zero };
    for (int k = -1; k <= 1; k++) {
        const vec try = v_clamp(v_add(around, v_set1((float)k)), lo, hi), times = v_mul(d, try);
        const sums s = sums_at(g, v_inverse(times), levels);
        const vec loss = loss_at(s, times); /* 0, and no better, where the sub-scale is */
        const mask better = v_less(loss, best_loss);
        best_loss = v_pick(better, loss, best_loss);
        best.xl = v_pick(better, s.xl, best.xl);
        best.ll = v_pick(better, s.ll, best.ll);
        sub = v_pick(better, try, sub);
    }
    v_store(c->scale + at, v_pick(v_above(best.ll, zero), v_div(best.xl, best.ll), scale));
    v_store(c->sub + at, sub);
    v_store(c->loss + at, best_loss);
    v_store(c->xl + at, v_mul(sub, best.xl));
    v_store(c->ll + at, v_mul(v_mul(sub, sub), best.ll));
}

static float furthest_from_zero(const float *x, int n)
{
    float most = 0;
    for (int i = 0; i < n; i++)
        if (fabsf(x[i]) > fabsf(most))
            most = x[i];
    return most;
}

static float sum_of(const float *x, int n)
{
    float sum = 0;
    for (int i = 0; i < n; i++)
        sum += x[i];
    return sum;
}

/* A block in the course of its rounds. */
typedef struct course {
    float d, best_loss; /* d 0: it is settled */
} course;

/* What a block's groups have chosen: keeps it if it is better, and says with which d to go on. */
static void next_round(course *b, const chosen *c, int first, int n_group, uint16_t h, int *sub, uint16_t *d)
{
    const float loss = sum_of(c->loss + first, n_group), xl = sum_of(c->xl + first, n_group),
                ll = sum_of(c->ll + first, n_group);
    b->d = 0;
    if (loss >= b->best_loss)
        return;
    b->best_loss = loss;
    *d = h;
    for (int g = first; g < first + n_group; g++)
        sub[g] = (int)c->sub[g];
    b->d = ll > 0 ? xl / ll : 0;
}

void ct_fit_scales(const ct_stretch *s, int n_block, int n_group, ct_levels levels, int sub_lo, int sub_hi, int *sub,
                   uint16_t *d)
{
    ct_groups g[CT_GROUP_VECS];
    chosen c;
    course b[2];
    const int n = n_block * n_group, n_vec = (n + LANES - 1) / LANES;
    assert(n <= CT_GROUPS && n_block <= 2);
    memset(sub, 0, (size_t)n * sizeof *sub);
    for (int v = 0; v < n_vec; v++) {
        ct_take_groups(s, v * LANES, 256 / n_group, &g[v]);
        v_store(c.scale + v * LANES, group_scales(&g[v], levels));
    }
    for (int k = 0; k < n_block; k++) {
        d[k] = 0;
        /* The range of the sub-scales has one more step below zero: the largest scale goes there. */
        b[k] = (course){ furthest_from_zero(c.scale + k * n_group, n_group) / (float)sub_lo, 0 };
    }
    for (int round = 0; round < 8; round++) {
        float d_of[CT_GROUPS] = { 0 };
        uint16_t h[2] = { 0, 0 };
        bool goes_on = false;
        for (int k = 0; k < n_block; k++) {
            goes_on = goes_on || b[k].d != 0;
            h[k] = b[k].d != 0 ? ct_fit_f16(b[k].d) : 0;
            const float stored = ct_f16_to_f32(h[k]);
            for (int i = 0; i < n_group; i++)
                d_of[k * n_group + i] = stored;
        }
        if (!goes_on)
            break;
        for (int v = 0; v < n_vec; v++)
            choose_subs(&g[v], levels, d_of, sub_lo, sub_hi, v * LANES, &c);
        for (int k = 0; k < n_block; k++)
            if (b[k].d != 0)
                next_round(&b[k], &c, k * n_group, n_group, h[k], &sub[0], &d[k]);
    }
}
