/* avx512_vec.c - operations on one vector: norms, rotation, gate, log-sum-exp.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/x86/avx512.h"
#include "kernels/x86/avx512_math.h"

/* 1 / sqrt(mean(x^2) + eps): 64 lanes of fused sums over whole runs of 64, then of 16, then the ragged end. */
static float inverse_rms(const float *x, size_t n, float eps)
{
    __m512 sum[4] = { _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps() };
    size_t i = 0;
    for (; i + 64 <= n; i += 64)
        for (size_t j = 0; j < 4; j++) {
            const __m512 v = _mm512_loadu_ps(x + i + 16 * j);
            sum[j] = _mm512_fmadd_ps(v, v, sum[j]);
        }
    for (; i < n; i += 16) {
        const __m512 v = _mm512_maskz_loadu_ps(first_lanes(n - i), x + i);
        sum[0] = _mm512_fmadd_ps(v, v, sum[0]);
    }
    sum[0] = _mm512_add_ps(_mm512_add_ps(sum[0], sum[1]), _mm512_add_ps(sum[2], sum[3]));
    return 1.0f / sqrtf(_mm512_reduce_add_ps(sum[0]) / (float)n + eps);
}

static void rmsnorm(float *y, const float *x, const float *w, size_t n, float eps)
{
    const __m512 scale = _mm512_set1_ps(inverse_rms(x, n, eps));
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 k = first_lanes(n - i);
        const __m512 v = _mm512_mul_ps(_mm512_maskz_loadu_ps(k, x + i), scale);
        _mm512_mask_storeu_ps(y + i, k, _mm512_mul_ps(v, _mm512_maskz_loadu_ps(k, w + i)));
    }
}

static void rmsnorm_add(float *y, const float *x, const float *w, size_t n, float eps)
{
    const __m512 scale = _mm512_set1_ps(inverse_rms(x, n, eps));
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 k = first_lanes(n - i);
        const __m512 v = _mm512_mul_ps(_mm512_maskz_loadu_ps(k, x + i), scale);
        const __m512 sum = _mm512_fmadd_ps(v, _mm512_maskz_loadu_ps(k, w + i), _mm512_maskz_loadu_ps(k, y + i));
        _mm512_mask_storeu_ps(y + i, k, sum);
    }
}

/* The sum of x, or of (x - mean)^2: 64 lanes; spare lanes of the ragged end add nothing. */
INLINE float sum_around(const float *x, size_t n, float mean, const bool is_square)
{
    const __m512 m = _mm512_set1_ps(mean);
    __m512 sum[4] = { _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps() };
    for (size_t i = 0, j = 0; i < n; i += 16, j = (j + 1) % 4) {
        const __mmask16 k = first_lanes(n - i);
        __m512 v = _mm512_maskz_loadu_ps(k, x + i);
        if (is_square) {
            v = _mm512_maskz_sub_ps(k, v, m);
            sum[j] = _mm512_fmadd_ps(v, v, sum[j]);
        } else {
            sum[j] = _mm512_add_ps(sum[j], v);
        }
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(sum[0], sum[1]), _mm512_add_ps(sum[2], sum[3])));
}

static void layernorm(float *y, const float *x, const float *w, const float *b, size_t n, float eps)
{
    const float mean = sum_around(x, n, 0, false) / (float)n;
    const __m512 m = _mm512_set1_ps(mean);
    const __m512 scale = _mm512_set1_ps(1.0f / sqrtf(sum_around(x, n, mean, true) / (float)n + eps));
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 k = first_lanes(n - i);
        const __m512 v = _mm512_mul_ps(_mm512_sub_ps(_mm512_maskz_loadu_ps(k, x + i), m), scale);
        const __m512 sum = _mm512_fmadd_ps(v, _mm512_maskz_loadu_ps(k, w + i), _mm512_maskz_loadu_ps(k, b + i));
        _mm512_mask_storeu_ps(y + i, k, sum);
    }
}

static void rope(float *x, const float *cs, size_t n)
{
    const size_t half = n / 2;
    for (size_t i = 0; i < half; i += 16) {
        const __mmask16 k = first_lanes(half - i);
        const __m512 a = _mm512_maskz_loadu_ps(k, x + i), b = _mm512_maskz_loadu_ps(k, x + half + i);
        const __m512 c = _mm512_maskz_loadu_ps(k, cs + i), s = _mm512_maskz_loadu_ps(k, cs + half + i);
        _mm512_mask_storeu_ps(x + i, k, _mm512_fmsub_ps(a, c, _mm512_mul_ps(b, s)));
        _mm512_mask_storeu_ps(x + half + i, k, _mm512_fmadd_ps(b, c, _mm512_mul_ps(a, s)));
    }
}

/* gelu_tanh(g) = 0.5 g (1 + tanh(v)) = g / (1 + e^(-2v)), v = sqrt(2/pi) (g + 0.044715 g^3): no cancellation where tanh
 * is near -1. The error of -2v (three roundings: 1.5 ulp, 9e-8 of it) goes into e^(-2v) as an absolute error of the
 * exponent; against |g| the result is off by at most 9e-8 |2v| s(1 - s) (s the sigmoid; |2v| s(1-s) < 0.23) = 2e-8,
 * plus 4 roundings: within 3e-7 |g|. Relative to the result itself: 2 ulp for g > -1, growing with |2v| below. */
static void geglu(float *y, const float *gate, const float *up, size_t n)
{
    const __m512 a = _mm512_set1_ps(-2 * 0.797884560802865356f), b = _mm512_set1_ps(-2 * 0.0356774081363001f);
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 k = first_lanes(n - i);
        const __m512 g = _mm512_maskz_loadu_ps(k, gate + i);
        const __m512 v = _mm512_mul_ps(g, _mm512_fmadd_ps(_mm512_mul_ps(g, g), b, a));
        const __m512 gelu = _mm512_div_ps(g, _mm512_add_ps(_mm512_set1_ps(1.0f), exp512(v)));
        _mm512_mask_storeu_ps(y + i, k, _mm512_mul_ps(gelu, _mm512_maskz_loadu_ps(k, up + i)));
    }
}

static __m512 running_max(__m512 top, __m512 v)
{
    return _mm512_max_ps(v, top); /* v NaN: top stays, as in generic */
}

static float logsumexp(const float *x, size_t n, float *max)
{
    __m512 top[4];
    for (size_t j = 0; j < 4; j++)
        top[j] = _mm512_set1_ps(-INFINITY);
    size_t i = 0;
    for (; i + 64 <= n; i += 64)
        for (size_t j = 0; j < 4; j++)
            top[j] = running_max(top[j], _mm512_loadu_ps(x + i + 16 * j));
    for (; i < n; i += 16)
        top[0] = running_max(top[0], _mm512_mask_loadu_ps(top[0], first_lanes(n - i), x + i));
    top[0] = running_max(running_max(top[0], top[1]), running_max(top[2], top[3]));
    *max = _mm512_reduce_max_ps(top[0]);
    /* Summed in double: at 262,144 terms float lanes would lose four digits. */
    const __m512 m = _mm512_set1_ps(*max);
    __m512d sum[2] = { _mm512_setzero_pd(), _mm512_setzero_pd() };
    for (i = 0; i < n; i += 16) {
        const __mmask16 k = first_lanes(n - i);
        const __m512 e = _mm512_maskz_mov_ps(k, exp_or_zero(_mm512_sub_ps(_mm512_maskz_loadu_ps(k, x + i), m)));
        sum[0] = _mm512_add_pd(sum[0], _mm512_cvtps_pd(_mm512_castps512_ps256(e)));
        sum[1] = _mm512_add_pd(sum[1], _mm512_cvtps_pd(_mm512_extractf32x8_ps(e, 1)));
    }
    return (float)log(_mm512_reduce_add_pd(_mm512_add_pd(sum[0], sum[1])));
}

void ct_avx512_vec(ct_kernels *k)
{
    k->rmsnorm = rmsnorm;
    k->rmsnorm_add = rmsnorm_add;
    k->layernorm = layernorm;
    k->rope = rope;
    k->geglu = geglu;
    k->logsumexp = logsumexp;
}
