/* fit_affine.c - scales and minimums of the types with both: y = scale * code + min.
 *
 * For given codes q_i the best real scale and minimum solve two linear equations (least squares). So: try to
 * spread the range of the weights over a little fewer or more codes than there are, keep the pair that leaves the
 * smallest error, alternate between best codes and best pair, and then do the same with the pair as it is stored.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "quant/fit.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* Sums over a group: what does not depend on the codes, and what does. */
typedef struct fixed {
    float n, x, xx; /* sum w, sum w x, sum w x^2 */
} fixed;

typedef struct sums {
    float q, qq, xq; /* sum w q, sum w q^2, sum w x q */
} sums;

typedef struct pair {
    float scale, min;
} pair;

static fixed sums_of(const float *x, const float *w, int n)
{
    float a[8] = { 0 }, b[8] = { 0 }, c[8] = { 0 };
    for (int i = 0; i < n; i += 8)
        for (int j = 0; j < 8; j++) {
            float wx = w[i + j] * x[i + j];
            a[j] += wx;
            b[j] += wx * x[i + j];
            c[j] += w[i + j];
        }
    return (fixed){ add_lanes(c), add_lanes(a), add_lanes(b) };
}

static sums sums_at(const float *x, const float *w, int n, pair p, int code_max)
{
    float a[8] = { 0 }, b[8] = { 0 }, c[8] = { 0 };
    float inverse = p.scale != 0 ? 1 / p.scale : 0, hi = (float)code_max, min = p.min;
    for (int i = 0; i < n; i += 8)
        for (int j = 0; j < 8; j++) {
            float q = nearest(clamp((x[i + j] - min) * inverse, 0, hi)), wq = w[i + j] * q;
            a[j] += wq;
            b[j] += wq * q;
            c[j] += wq * x[i + j];
        }
    return (sums){ add_lanes(a), add_lanes(b), add_lanes(c) };
}

void ct_fit_affine_codes(const float *x, int n, float scale, float min, int code_max, uint8_t *codes)
{
    float inverse = scale != 0 ? 1 / scale : 0;
    for (int i = 0; i < n; i++)
        codes[i] = (uint8_t)(int)nearest(clamp((x[i] - min) * inverse, 0, (float)code_max));
}

/* E of the group for these codes. */
static double loss_at(fixed f, sums s, pair p)
{
    double d = (double)p.scale, m = (double)p.min;
    return (double)f.xx - 2 * d * (double)s.xq - 2 * m * (double)f.x + d * d * (double)s.qq + 2 * d * m * (double)s.q +
           m * m * (double)f.n;
}

/* The best pair for these codes. In a block of groups the minimum is subtracted and has no sign: it cannot be positive.
 * False if the codes do not determine it (all the same). */
static bool solve(fixed f, sums s, bool min_is_negative, pair *p)
{
    double det = (double)f.n * (double)s.qq - (double)s.q * (double)s.q;
    if (!(det > 1e-6 * (double)f.n * (double)s.qq))
        return false;
    double scale = ((double)f.n * (double)s.xq - (double)f.x * (double)s.q) / det;
    double min = ((double)s.qq * (double)f.x - (double)s.q * (double)s.xq) / det;
    if (min_is_negative && min > 0) {
        min = 0;
        scale = (double)s.xq / (double)s.qq;
    }
    if (!(scale > 0))
        return false;
    *p = (pair){ (float)scale, (float)min };
    return true;
}

/* The best real pair of a group. */
static pair group_pair(const float *x, const float *w, int n, int code_max, bool min_is_negative)
{
    /* How many steps the range is spread over, less code_max. Sixty tries over a wider span leave an error at most 0.7
     * % smaller and take four times as long. Where weights count unequally, the ends of the range may be cut off. */
    const int tries = ct_fit_is_even(w, n) ? 10 : 24;
    static const float first = -1.5f, step = 0.28f;

    float lo = x[0], hi = x[0];
    for (int i = 1; i < n; i++) {
        lo = x[i] < lo ? x[i] : lo;
        hi = x[i] > hi ? x[i] : hi;
    }
    if (min_is_negative && lo > 0)
        lo = 0;
    if (hi - lo < CT_FIT_TINY)
        return (pair){ 0, lo };
    fixed f = sums_of(x, w, n);
    pair best = { (hi - lo) / (float)code_max, lo };
    double best_loss = loss_at(f, sums_at(x, w, n, best, code_max), best);
    for (int k = 0; k < tries + 2; k++) {
        pair p = best; /* the last two rounds start from the best so far */
        if (k < tries)
            p = (pair){ (hi - lo) / ((float)code_max + first + step * (float)k), lo };
        sums s = sums_at(x, w, n, p, code_max);
        if (!solve(f, s, min_is_negative, &p))
            continue;
        double loss = loss_at(f, s, p);
        if (loss < best_loss) {
            best_loss = loss;
            best = p;
        }
    }
    return best;
}

static float stored(float v)
{
    return ct_f16_to_f32(ct_f32_to_f16(clamp(v, -65504.0f, 65504.0f)));
}

void ct_fit_affine(const float *x, const float *w, int n, int code_max, uint16_t *d, uint16_t *m)
{
    pair p = group_pair(x, w, n, code_max, false), best = { 0, 0 };
    fixed f = sums_of(x, w, n);
    double best_loss = INFINITY;
    for (int round = 0; round < 8; round++) {
        p.scale = ct_f16_to_f32(ct_fit_f16(p.scale));
        p.min = stored(p.min);
        sums s = sums_at(x, w, n, p, code_max);
        /* The minimum again, now that the scale is rounded. */
        p.min = stored((f.x - p.scale * s.q) / f.n);
        s = sums_at(x, w, n, p, code_max);
        double loss = loss_at(f, s, p);
        if (loss >= best_loss)
            break;
        best_loss = loss;
        best = p;
        if (!solve(f, s, false, &p))
            break;
    }
    *d = ct_f32_to_f16(best.scale);
    *m = ct_f32_to_f16(best.min);
}

/* What one group contributes to the equations for d and dmin, and the choice that was made for it. */
typedef struct choice {
    int sub, sub_min;
    sums s;
    double loss;
} choice;

/* The best sub-scale and sub-minimum of a group near the given ones. */
static choice choose(const float *x, const float *w, int len, fixed f, int code_max, int sub_max, float d, float dmin,
                     pair wish)
{
    choice best = { 0, 0, { 0, 0, 0 }, INFINITY };
    int around = d != 0 ? (int)nearest(clamp(wish.scale / d, 0, (float)sub_max)) : 0;
    int wish_min = dmin != 0 ? (int)nearest(clamp(-wish.min / dmin, 0, (float)sub_max)) : 0;
    for (int k = around - 1; k <= around + 1; k++) {
        if (k < 0 || k > sub_max)
            continue;
        pair p = { d * (float)k, -dmin * (float)wish_min };
        sums s = sums_at(x, w, len, p, code_max);
        int sub_min = wish_min;
        /* The minimum that suits these codes; where it is another one, the codes for it. */
        if (dmin != 0)
            sub_min = (int)nearest(clamp((p.scale * s.q - f.x) / f.n / dmin, 0, (float)sub_max));
        if (sub_min != wish_min) {
            p.min = -dmin * (float)sub_min;
            s = sums_at(x, w, len, p, code_max);
        }
        double loss = loss_at(f, s, p);
        if (loss < best.loss)
            best = (choice){ k, sub_min, s, loss };
    }
    return best;
}

/* d and dmin that suit the codes best: two linear equations again. Leaves them if they are not determined. */
static void solve_block(const choice *c, const fixed *f, int n_group, float *d, float *dmin)
{
    double aa = 0, ab = 0, bb = 0, ax = 0, bx = 0; /* a = sub * code, b = sub_min */
    for (int g = 0; g < n_group; g++) {
        double a = c[g].sub, b = c[g].sub_min;
        aa += a * a * (double)c[g].s.qq;
        ab += a * b * (double)c[g].s.q;
        bb += b * b * (double)f[g].n;
        ax += a * (double)c[g].s.xq;
        bx += b * (double)f[g].x;
    }
    double det = aa * bb - ab * ab;
    if (det > 1e-6 * aa * bb) {
        double scale = (ax * bb - bx * ab) / det, min = (ax * ab - bx * aa) / det;
        if (scale > 0 && min > 0) {
            *d = (float)scale;
            *dmin = (float)min;
        }
    } else if (aa > 0 && bb == 0 && ax > 0) {
        *d = (float)(ax / aa);
    }
}

void ct_fit_affines(const float *x, const float *w, int n_group, int len, int code_max, int sub_max, int *sub,
                    int *sub_min, uint16_t *d, uint16_t *dmin)
{
    pair wish[16];
    fixed f[16];
    choice now[16];
    float most = 0, most_min = 0;
    double best_loss = INFINITY;
    assert(n_group <= 16);
    for (int g = 0; g < n_group; g++) {
        f[g] = sums_of(x + g * len, w + g * len, len);
        wish[g] = group_pair(x + g * len, w + g * len, len, code_max, true);
        most = wish[g].scale > most ? wish[g].scale : most;
        most_min = -wish[g].min > most_min ? -wish[g].min : most_min;
    }
    float scale = most / (float)sub_max, min = most_min / (float)sub_max;
    for (int round = 0; round < 8; round++) {
        uint16_t h = ct_fit_f16(scale), hmin = ct_fit_f16(min);
        double loss = 0;
        for (int g = 0; g < n_group; g++) {
            now[g] = choose(x + g * len, w + g * len, len, f[g], code_max, sub_max, ct_f16_to_f32(h),
                            ct_f16_to_f32(hmin), wish[g]);
            loss += now[g].loss;
        }
        if (loss >= best_loss)
            break;
        best_loss = loss;
        *d = h;
        *dmin = hmin;
        for (int g = 0; g < n_group; g++) {
            sub[g] = now[g].sub;
            sub_min[g] = now[g].sub_min;
            solve(f[g], now[g].s, true, &wish[g]);
        }
        solve_block(now, f, n_group, &scale, &min);
    }
}
