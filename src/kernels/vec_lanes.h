/* vec_lanes.h - operations on one vector (norms, rotation, gate, log-sum-exp), written once for the vectors of x86.
 *
 * A file that includes this first defines, of which set_lanes.h uses some too:
 *     vec, LANES                       a vector of floats, and how many
 *     v_set1 v_add v_sub v_mul v_div v_max v_fmadd v_fmsub
 *     v_loadu(p)                       LANES floats at any address
 *     v_load_part(p, n) v_store_part(p, n, v)     the first n of them (all, if n is larger); other lanes are 0
 *     v_load_or(p, n, fill)            the same with other lanes from `fill`
 *     v_keep(v, n)                     v, but 0 in lanes from the n-th on
 *     v_add_square(sum, v)             sum + v * v, fused or not
 *     v_sum(v) v_highest(v)            across lanes
 *     v_exp(x) v_exp_or_zero(x)
 *     vecd, v_zero_d, v_add_d, v_low_d(v), v_high_d(v), v_sum_d(v)   halves of a vector as doubles
 *
 * Sums run over 4 * LANES lanes, so their order is the level's own.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_VEC_LANES_H
#define CT_KERNELS_VEC_LANES_H

#include <math.h>

#include "kernels/kernels.h"

#define RUN (4 * LANES) /* floats that four vectors hold */

#define VEC_INLINE static inline __attribute__((always_inline))

VEC_INLINE vec sum_of_four(const vec v[4])
{
    return v_add(v_add(v[0], v[1]), v_add(v[2], v[3]));
}

/* 1 / sqrt(mean(x^2) + eps): fused sums over whole runs, then over vectors, then the ragged end. */
static float inverse_rms(const float *x, size_t n, float eps)
{
    vec sum[4] = { v_set1(0.0f), v_set1(0.0f), v_set1(0.0f), v_set1(0.0f) };
    size_t i = 0;
    for (; i + RUN <= n; i += RUN)
        for (size_t j = 0; j < 4; j++) {
            const vec v = v_loadu(x + i + LANES * j);
            sum[j] = v_fmadd(v, v, sum[j]);
        }
    for (; i < n; i += LANES) {
        const vec v = v_load_part(x + i, n - i);
        sum[0] = v_fmadd(v, v, sum[0]);
    }
    return 1.0f / sqrtf(v_sum(sum_of_four(sum)) / (float)n + eps);
}

static void rmsnorm(float *y, const float *x, const float *w, size_t n, float eps)
{
    const vec scale = v_set1(inverse_rms(x, n, eps));
    for (size_t i = 0; i < n; i += LANES) {
        const vec v = v_mul(v_load_part(x + i, n - i), scale);
        v_store_part(y + i, n - i, v_mul(v, v_load_part(w + i, n - i)));
    }
}

static void rmsnorm_add(float *y, const float *x, const float *w, size_t n, float eps)
{
    const vec scale = v_set1(inverse_rms(x, n, eps));
    for (size_t i = 0; i < n; i += LANES) {
        const vec v = v_mul(v_load_part(x + i, n - i), scale);
        v_store_part(y + i, n - i, v_fmadd(v, v_load_part(w + i, n - i), v_load_part(y + i, n - i)));
    }
}

/* sum, and v or (v - mean)^2 of n values. */
VEC_INLINE vec add_around(vec sum, vec v, size_t n, vec mean, const bool is_square)
{
    return is_square ? v_add_square(sum, v_keep(v_sub(v, mean), n)) : v_add(sum, v);
}

/* The sum of x, or of (x - mean)^2; spare lanes of the ragged end add nothing. */
VEC_INLINE float sum_around(const float *x, size_t n, float mean, const bool is_square)
{
    const vec m = v_set1(mean);
    vec sum[4] = { v_set1(0.0f), v_set1(0.0f), v_set1(0.0f), v_set1(0.0f) };
    size_t i = 0;
    for (; i + RUN <= n; i += RUN)
#pragma GCC unroll 4
        for (size_t j = 0; j < 4; j++)
            sum[j] = add_around(sum[j], v_loadu(x + i + LANES * j), LANES, m, is_square);
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; j++) {
        const size_t at = i + LANES * j;
        if (at < n)
            sum[j] = add_around(sum[j], v_load_part(x + at, n - at), n - at, m, is_square);
    }
    return v_sum(sum_of_four(sum));
}

static void layernorm(float *y, const float *x, const float *w, const float *b, size_t n, float eps)
{
    const float mean = sum_around(x, n, 0, false) / (float)n;
    const vec m = v_set1(mean);
    const vec scale = v_set1(1.0f / sqrtf(sum_around(x, n, mean, true) / (float)n + eps));
    for (size_t i = 0; i < n; i += LANES) {
        const size_t left = n - i;
        const vec v = v_mul(v_sub(v_load_part(x + i, left), m), scale);
        v_store_part(y + i, left, v_fmadd(v, v_load_part(w + i, left), v_load_part(b + i, left)));
    }
}

static void rope(float *x, const float *cs, size_t n)
{
    const size_t half = n / 2;
    for (size_t i = 0; i < half; i += LANES) {
        const size_t left = half - i;
        const vec a = v_load_part(x + i, left), b = v_load_part(x + half + i, left);
        const vec c = v_load_part(cs + i, left), s = v_load_part(cs + half + i, left);
        v_store_part(x + i, left, v_fmsub(a, c, v_mul(b, s)));
        v_store_part(x + half + i, left, v_fmadd(b, c, v_mul(a, s)));
    }
}

/* gelu_tanh(g) = 0.5 g (1 + tanh(v)) = g / (1 + e^(-2v)), v = sqrt(2/pi) (g + 0.044715 g^3): no cancellation where tanh
 * is near -1. An error of -2v (three roundings: 9e-8 of it) is an absolute one of the exponent; with s the sigmoid,
 * |2v| s (1 - s) < 0.23 of it reaches the result: 2e-8 |g|, plus 4 roundings and exp's: within 3e-7 |g|. Where a level
 * holds e^(-2v) at e^88 the result is g 6e-39 instead of less. */
static void geglu(float *y, const float *gate, const float *up, size_t n)
{
    const vec a = v_set1(-2 * 0.797884560802865356f), b = v_set1(-2 * 0.0356774081363001f);
    for (size_t i = 0; i < n; i += LANES) {
        const vec g = v_load_part(gate + i, n - i);
        const vec v = v_mul(g, v_fmadd(v_mul(g, g), b, a));
        const vec gelu = v_div(g, v_add(v_set1(1.0f), v_exp(v)));
        v_store_part(y + i, n - i, v_mul(gelu, v_load_part(up + i, n - i)));
    }
}

VEC_INLINE vec running_max(vec top, vec v)
{
    return v_max(v, top); /* v NaN: top stays, as in generic */
}

static float logsumexp(const float *x, size_t n, float *max)
{
    const vec nothing = v_set1(-INFINITY);
    vec top[4] = { nothing, nothing, nothing, nothing };
    size_t i = 0;
    for (; i + RUN <= n; i += RUN)
        for (size_t j = 0; j < 4; j++)
            top[j] = running_max(top[j], v_loadu(x + i + LANES * j));
    for (; i < n; i += LANES)
        top[0] = running_max(top[0], v_load_or(x + i, n - i, nothing));
    top[0] = running_max(running_max(top[0], top[1]), running_max(top[2], top[3]));
    *max = v_highest(top[0]);
    /* Summed in double: at 262,144 terms float lanes would lose four digits. */
    const vec m = v_set1(*max);
    vecd sum[2] = { v_zero_d, v_zero_d };
    for (i = 0; i < n; i += LANES) {
        const vec e = v_exp_or_zero(v_sub(v_load_or(x + i, n - i, nothing), m));
        sum[0] = v_add_d(sum[0], v_low_d(e));
        sum[1] = v_add_d(sum[1], v_high_d(e));
    }
    return (float)log(v_sum_d(v_add_d(sum[0], sum[1])));
}

static void install_vec(ct_kernels *k)
{
    k->rmsnorm = rmsnorm;
    k->rmsnorm_add = rmsnorm_add;
    k->layernorm = layernorm;
    k->rope = rope;
    k->geglu = geglu;
    k->logsumexp = logsumexp;
}

#endif
