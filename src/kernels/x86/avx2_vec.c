/* avx2_vec.c - operations on one vector: norms, rotation, gate, log-sum-exp.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/x86/avx2_math.h"

/* 1 / sqrt(mean(x^2) + eps): 32 lanes of fused sums over whole runs of 32, then of 8, then the ragged end. */
static float inverse_rms(const float *x, size_t n, float eps)
{
    __m256 sum[4] = { _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps() };
    size_t i = 0;
    for (; i + 32 <= n; i += 32)
        for (size_t j = 0; j < 4; j++) {
            const __m256 v = _mm256_loadu_ps(x + i + 8 * j);
            sum[j] = _mm256_fmadd_ps(v, v, sum[j]);
        }
    for (; i < n; i += 8) {
        const __m256 v = load_part(x + i, n - i);
        sum[0] = _mm256_fmadd_ps(v, v, sum[0]);
    }
    sum[0] = _mm256_add_ps(_mm256_add_ps(sum[0], sum[1]), _mm256_add_ps(sum[2], sum[3]));
    return 1.0f / sqrtf(sum_of_lanes(sum[0]) / (float)n + eps);
}

static void rmsnorm(float *y, const float *x, const float *w, size_t n, float eps)
{
    const __m256 scale = _mm256_set1_ps(inverse_rms(x, n, eps));
    for (size_t i = 0; i < n; i += 8) {
        const __m256 v = _mm256_mul_ps(load_part(x + i, n - i), scale);
        store_part(y + i, n - i, _mm256_mul_ps(v, load_part(w + i, n - i)));
    }
}

static void rmsnorm_add(float *y, const float *x, const float *w, size_t n, float eps)
{
    const __m256 scale = _mm256_set1_ps(inverse_rms(x, n, eps));
    for (size_t i = 0; i < n; i += 8) {
        const __m256 v = _mm256_mul_ps(load_part(x + i, n - i), scale);
        store_part(y + i, n - i, _mm256_fmadd_ps(v, load_part(w + i, n - i), load_part(y + i, n - i)));
    }
}

/* The sum of x, or of (x - mean)^2: 32 lanes; spare lanes of the ragged end add nothing. */
INLINE float sum_around(const float *x, size_t n, float mean, const bool is_square)
{
    const __m256 m = _mm256_set1_ps(mean);
    __m256 sum[4] = { _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps() };
    size_t i = 0;
    for (size_t j = 0; i < n; i += 8, j = (j + 1) % 4) {
        __m256 v = load_part(x + i, n - i);
        if (is_square) {
            v = _mm256_sub_ps(v, m);
            if (n - i < 8)
                v = _mm256_and_ps(v, _mm256_castsi256_ps(first_lanes(n - i)));
            v = _mm256_mul_ps(v, v);
        }
        sum[j] = _mm256_add_ps(sum[j], v);
    }
    sum[0] = _mm256_add_ps(_mm256_add_ps(sum[0], sum[1]), _mm256_add_ps(sum[2], sum[3]));
    return sum_of_lanes(sum[0]);
}

static void layernorm(float *y, const float *x, const float *w, const float *b, size_t n, float eps)
{
    const float mean = sum_around(x, n, 0, false) / (float)n;
    const __m256 m = _mm256_set1_ps(mean);
    const __m256 scale = _mm256_set1_ps(1.0f / sqrtf(sum_around(x, n, mean, true) / (float)n + eps));
    for (size_t i = 0; i < n; i += 8) {
        const size_t left = n - i;
        const __m256 v = _mm256_mul_ps(_mm256_sub_ps(load_part(x + i, left), m), scale);
        store_part(y + i, left, _mm256_fmadd_ps(v, load_part(w + i, left), load_part(b + i, left)));
    }
}

static void rope(float *x, const float *cs, size_t n)
{
    const size_t half = n / 2;
    for (size_t i = 0; i < half; i += 8) {
        const size_t left = half - i;
        const __m256 a = load_part(x + i, left), b = load_part(x + half + i, left);
        const __m256 c = load_part(cs + i, left), s = load_part(cs + half + i, left);
        store_part(x + i, left, _mm256_fmsub_ps(a, c, _mm256_mul_ps(b, s)));
        store_part(x + half + i, left, _mm256_fmadd_ps(b, c, _mm256_mul_ps(a, s)));
    }
}

/* gelu_tanh(g) = 0.5 g (1 + tanh(v)) = g / (1 + e^(-2v)), v = sqrt(2/pi) (g + 0.044715 g^3): no cancellation where tanh
 * is near -1. An error of -2v (three roundings: 9e-8 of it) is an absolute one of the exponent; with s the sigmoid,
 * |2v| s (1 - s) < 0.23 of it reaches the result: 2e-8 |g|, plus 4 roundings and exp's: within 3e-7 |g|. Where e^(-2v)
 * is held at e^88 the result is g 6e-39 instead of less. */
static void geglu(float *y, const float *gate, const float *up, size_t n)
{
    const __m256 a = _mm256_set1_ps(-2 * 0.797884560802865356f), b = _mm256_set1_ps(-2 * 0.0356774081363001f);
    for (size_t i = 0; i < n; i += 8) {
        const __m256 g = load_part(gate + i, n - i);
        const __m256 v = _mm256_mul_ps(g, _mm256_fmadd_ps(_mm256_mul_ps(g, g), b, a));
        const __m256 gelu = _mm256_div_ps(g, _mm256_add_ps(_mm256_set1_ps(1.0f), exp256(v)));
        store_part(y + i, n - i, _mm256_mul_ps(gelu, load_part(up + i, n - i)));
    }
}

INLINE __m256 running_max(__m256 top, __m256 v)
{
    return _mm256_max_ps(v, top); /* v NaN: top stays, as in generic */
}

/* As load_part, but the missing lanes are minus infinity. */
INLINE __m256 load_logits(const float *x, size_t n)
{
    const __m256 live = _mm256_castsi256_ps(first_lanes(n));
    return _mm256_blendv_ps(_mm256_set1_ps(-INFINITY), load_part(x, n), live);
}

static float logsumexp(const float *x, size_t n, float *max)
{
    __m256 top[4];
    for (size_t j = 0; j < 4; j++)
        top[j] = _mm256_set1_ps(-INFINITY);
    size_t i = 0;
    for (; i + 32 <= n; i += 32)
        for (size_t j = 0; j < 4; j++)
            top[j] = running_max(top[j], _mm256_loadu_ps(x + i + 8 * j));
    for (; i < n; i += 8)
        top[0] = running_max(top[0], load_logits(x + i, n - i));
    top[0] = running_max(running_max(top[0], top[1]), running_max(top[2], top[3]));
    *max = max_of_lanes(top[0]);
    /* Summed in double: at 262,144 terms float lanes would lose four digits. */
    const __m256 m = _mm256_set1_ps(*max);
    __m256d sum[2] = { _mm256_setzero_pd(), _mm256_setzero_pd() };
    for (i = 0; i < n; i += 8) {
        const __m256 e = exp_or_zero(_mm256_sub_ps(n - i >= 8 ? _mm256_loadu_ps(x + i) : load_logits(x + i, n - i), m));
        sum[0] = _mm256_add_pd(sum[0], _mm256_cvtps_pd(_mm256_castps256_ps128(e)));
        sum[1] = _mm256_add_pd(sum[1], _mm256_cvtps_pd(_mm256_extractf128_ps(e, 1)));
    }
    double lanes[4];
    _mm256_storeu_pd(lanes, _mm256_add_pd(sum[0], sum[1]));
    return (float)log((lanes[0] + lanes[1]) + (lanes[2] + lanes[3]));
}

void ct_avx2_vec(ct_kernels *k)
{
    k->rmsnorm = rmsnorm;
    k->rmsnorm_add = rmsnorm_add;
    k->layernorm = layernorm;
    k->rope = rope;
    k->geglu = geglu;
    k->logsumexp = logsumexp;
}
