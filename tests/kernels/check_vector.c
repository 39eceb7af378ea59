/* check_vector.c - norms, rotation, gate and log-sum-exp against double precision.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static const size_t sizes[] = { 1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 72, 96, 128, 168, 256, 640, 1152 };
#define N_SIZE (sizeof sizes / sizeof *sizes)

/* Three scales of values, a vector of zeros, and one with a NaN. */
enum fill { RANDOM, LARGE, SMALL, ZERO, BAD, N_FILL };

static void fill_x(float *x, size_t n, enum fill f, rng *r)
{
    static const float scale[] = { [RANDOM] = 1.0f, [LARGE] = 1e15f, [SMALL] = 1e-18f, [ZERO] = 0.0f, [BAD] = 1.0f };
    for (size_t i = 0; i < n; i++)
        x[i] = rng_normal(r) * scale[f];
    if (f == BAD)
        x[n - 1] = NAN;
}

/* ---- norms ---- */

/* y = x s w with s = 1/sqrt(mean + eps). The sum of n squares, all positive, is off by at most n u relative; mean, +
 * eps and the root's half of that, the root itself, the reciprocal and the two products: n/2 + 5 roundings. With
 * squares below the smallest float32 (SMALL: 1e-36) eps rules. The addition rounds once more. */
static void check_norm_size(const check *c, bool is_add, size_t n, enum fill f, float eps, rng *r)
{
    float *x = guarded(n * 4, 4, n % 2), *w = guarded(n * 4, 4, true), *y = guarded(n * 4, 4, true);
    double square = 0;
    fill_x(x, n, f, r), fill_x(w, n, RANDOM, r), fill_x(y, n, RANDOM, r);
    float *before = malloc(n * 4);
    memcpy(before, y, n * 4);
    for (size_t i = 0; i < n; i++)
        square += (double)x[i] * x[i];
    double s = 1 / sqrt(square / (double)n + (double)eps);
    (is_add ? c->isa->rmsnorm_add : c->isa->rmsnorm)(y, x, w, n, eps);
    for (size_t i = 0; i < n; i++) {
        double term = s * x[i] * w[i], expected = term + (is_add ? before[i] : 0);
        double tolerance = fabs(term) * ((double)n / 2 + 6) * UNIT_ROUND + (is_add ? fabs(expected) : 0) * UNIT_ROUND;
        if (!is_near(y[i], expected, tolerance + 2 * SUBNORMAL)) {
            check_fail("n %zu: [%zu] is %.9g, expected %.9g +- %.3g", n, i, (double)y[i], expected, tolerance);
            break;
        }
    }
    if (!is_add) { /* in place: the same bits */
        c->isa->rmsnorm(x, x, w, n, eps);
        for (size_t i = 0; i < n; i++)
            if (!is_same(x[i], y[i])) {
                check_fail("n %zu in place: [%zu] is %a, apart %a", n, i, (double)x[i], (double)y[i]);
                break;
            }
    }
    free(before);
    unguard(x), unguard(w), unguard(y);
}

static void check_norm(const check *c, bool is_add)
{
    rng r = { 7 };
    for (size_t i = 0; i < N_SIZE; i++)
        for (int f = 0; f < N_FILL; f++)
            check_norm_size(c, is_add, sizes[i], (enum fill)f, f == SMALL ? 1e-20f : 1e-6f, &r);
}

/* y = (x - m) s w + b. The mean of n terms in at least sixteen lanes is off by e = (n/16 + 6) u mean|x|. Around a mean
 * that is off by e the mean square is larger by e^2 exactly, and its own sum off by (n/16 + 8) u of it; the root halves
 * that and takes three roundings more. The difference, the products and the sum take one each. A mean of 100 standard
 * deviations shows who subtracts late. */
static void check_layernorm_size(const check *c, size_t n, enum fill f, float offset, rng *r)
{
    float *x = guarded(n * 4, 4, n % 2), *w = guarded(n * 4, 4, true), *b = guarded(n * 4, 4, true);
    float *y = guarded(n * 4, 4, true), eps = f == SMALL ? 1e-20f : 1e-6f;
    double mean = 0, size = 0, square = 0, u = UNIT_ROUND, lanes = (double)n / 16 + 6;
    fill_x(x, n, f, r), fill_x(w, n, RANDOM, r), fill_x(b, n, RANDOM, r);
    for (size_t i = 0; i < n; i++)
        x[i] += offset, mean += x[i] / (double)n, size += fabs((double)x[i]) / (double)n;
    for (size_t i = 0; i < n; i++)
        square += (x[i] - mean) * (x[i] - mean) / (double)n;
    double e = lanes * u * size, s = 1 / sqrt(square + (double)eps);
    double s_off = (e * e + (lanes + 2) * u * square) * s * s / 2 + 3 * u; /* relative */
    c->isa->layernorm(y, x, w, b, n, eps);
    for (size_t i = 0; i < n; i++) {
        double d = x[i] - mean, term = d * s * w[i], expected = term + b[i];
        double tolerance = s * fabs((double)w[i]) * (e + u * fabs(d)) * (1 + s_off) + fabs(term) * (s_off + 2 * u) +
                           u * fabs(expected) + 2 * SUBNORMAL;
        if (!is_near(y[i], expected, tolerance)) {
            check_fail("n %zu: [%zu] is %.9g, expected %.9g +- %.3g", n, i, (double)y[i], expected, tolerance);
            break;
        }
    }
    c->isa->layernorm(x, x, w, b, n, eps); /* in place: the same bits */
    for (size_t i = 0; i < n; i++)
        if (!is_same(x[i], y[i])) {
            check_fail("n %zu in place: [%zu] is %a, apart %a", n, i, (double)x[i], (double)y[i]);
            break;
        }
    unguard(x), unguard(w), unguard(b), unguard(y);
}

static void check_layernorm(const check *c)
{
    rng r = { 11 };
    for (size_t i = 0; i < N_SIZE; i++) {
        for (int f = 0; f < N_FILL; f++)
            check_layernorm_size(c, sizes[i], (enum fill)f, 0, &r);
        check_layernorm_size(c, sizes[i], RANDOM, 100, &r);
    }
}

/* ---- rotation ---- */

/* Two products and a sum: each product at most two roundings' share (its own and the sum's). */
static void check_rope(const check *c)
{
    static const size_t dims[] = { 2, 6, 8, 14, 24, 32, 34, 64, 72, 96, 128, 256, 512 };
    rng r = { 8 };
    for (size_t d = 0; d < sizeof dims / sizeof *dims; d++)
        for (int f = 0; f < N_FILL; f++) {
            size_t n = dims[d], half = n / 2;
            float *x = guarded(n * 4, 4, true), *cs = guarded(n * 4, 4, f % 2), *before = malloc(n * 4);
            fill_x(x, n, (enum fill)f, &r);
            memcpy(before, x, n * 4);
            for (size_t i = 0; i < half; i++) {
                double angle = rng_unit(&r) * 1000;
                cs[i] = (float)cos(angle), cs[half + i] = (float)sin(angle);
            }
            c->isa->rope(x, cs, n);
            for (size_t i = 0; i < n; i++) {
                size_t k = i % half;
                double a = (double)before[i] * cs[k], b = (double)before[i < half ? i + half : i - half] * cs[half + k];
                double expected = i < half ? a - b : a + b;
                if (!is_near(x[i], expected, 2 * (fabs(a) + fabs(b)) * UNIT_ROUND + 2 * SUBNORMAL))
                    check_fail("n %zu: [%zu] is %.9g, expected %.9g", n, i, (double)x[i], expected);
            }
            free(before);
            unguard(x), unguard(cs);
        }
}

/* ---- gate ---- */

/* y = g h u with h = (1 + tanh z)/2 in [0, 1]. z takes about 5 roundings; |z| sech^2(z)/2 <= 0.23, so they move h by
 * less than 2 u; tanh or the exponential in its place, the sum and the quotient are allowed 6 u of the range of h, the
 * products two more: 10 u |g u|. A kernel that cancels (1 + tanh near -1) is within that; one that takes a table or a
 * short polynomial is not. z overflows to an infinity before g does: then h is exactly 0 or 1. */
static void check_geglu(const check *c)
{
    rng r = { 9 };
    static const float scales[] = { 1.0f, 0.01f, 6.0f, 1e4f, 1e30f, 1e-40f };
    for (size_t s = 0; s < N_SIZE; s++)
        for (size_t f = 0; f < sizeof scales / sizeof *scales; f++) {
            size_t n = sizes[s];
            float *g = guarded(n * 4, 4, true), *u = guarded(n * 4, 4, f % 2), *y = guarded(n * 4, 4, true);
            for (size_t i = 0; i < n; i++)
                g[i] = rng_normal(&r) * scales[f], u[i] = rng_normal(&r);
            if (f == 0)
                g[n / 2] = NAN;
            c->isa->geglu(y, g, u, n);
            for (size_t i = 0; i < n; i++) {
                double x = g[i], z = sqrt(2 / acos(-1.0)) * (x + 0.044715 * x * x * x);
                double expected = 0.5 * x * (1 + tanh(z)) * u[i];
                if (!is_near(y[i], expected, fabs(x * u[i]) * 10 * UNIT_ROUND + 4 * SUBNORMAL))
                    check_fail("n %zu: gate %.9g up %.9g gives %.9g, expected %.9g", n, x, (double)u[i], (double)y[i],
                               expected);
            }
            c->isa->geglu(g, g, u, n);
            for (size_t i = 0; i < n; i++)
                if (!is_same(g[i], y[i]))
                    check_fail("n %zu in place: [%zu] is %a, apart %a", n, i, (double)g[i], (double)y[i]);
            unguard(g), unguard(u), unguard(y);
        }
}

/* ---- log-sum-exp ---- */

/* The sum of n positive terms in at least four lanes is off by n/4 + 4 roundings, each term by x - max (one rounding of
 * a number below 104, beyond which exp is 0 in float32 too) and 2 for exp; log passes relative errors of its argument
 * on as absolute ones and rounds its own result. Terms below the smallest float32 may vanish. */
static void check_logsumexp_size(const check *c, size_t n, float scale, rng *r)
{
    float *x = guarded(n * 4, 4, n % 3 != 0), top = -INFINITY, max = 0;
    for (size_t i = 0; i < n; i++) {
        x[i] = i % 11 == 3 && n > 4 ? -INFINITY : rng_normal(r) * scale;
        top = x[i] > top ? x[i] : top;
    }
    double sum = 0, spread = 0;
    for (size_t i = 0; i < n; i++) {
        double d = (double)x[i] - (double)top, e = exp(d);
        sum += e;
        if (d > -104)
            spread += e * -d;
    }
    float got = c->isa->logsumexp(x, n, &max);
    double tolerance = ((double)n / 4 + 4 + spread / sum + 2 + log(sum)) * UNIT_ROUND + (double)n * 0x1p-126;
    if (!is_same(max, top))
        check_fail("n %zu: max %a, expected %a", n, (double)max, (double)top);
    if (!is_near(got, log(sum), tolerance))
        check_fail("n %zu, scale %g: %.9g, expected %.9g +- %.3g", n, (double)scale, (double)got, log(sum), tolerance);
    if (n > 2) { /* a NaN stays visible */
        x[n - 2] = NAN;
        if (isfinite(c->isa->logsumexp(x, n, &max)))
            check_fail("n %zu: a NaN was lost", n);
    }
    unguard(x);
}

static void check_logsumexp(const check *c)
{
    rng r = { 10 };
    static const float scales[] = { 1.0f, 30.0f, 1e-3f, 1e4f };
    for (size_t s = 0; s <= N_SIZE; s++)
        for (size_t f = 0; f < sizeof scales / sizeof *scales; f++)
            check_logsumexp_size(c, s < N_SIZE ? sizes[s] : 5003, scales[f], &r);
}

static const char *const names[] = { "rmsnorm", "rmsnorm_add", "rope", "geglu", "logsumexp", "layernorm" };

void check_vector(check *c)
{
    for (int i = 0; i < 6; i++) {
        if (!check_begin(c, "%s", names[i]))
            continue;
        if (i < 2)
            check_norm(c, i == 1);
        else if (i == 2)
            check_rope(c);
        else if (i == 3)
            check_geglu(c);
        else if (i == 5)
            check_layernorm(c);
        else
            check_logsumexp(c);
    }
}
