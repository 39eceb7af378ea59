/* vector.c - operations on one vector: norms, rotation, gate, log-sum-exp.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/generic/generic.h"

#define LANES 16

static float sum_of_lanes(float sum[LANES])
{
    for (int half = LANES / 2; half; half /= 2)
        for (int l = 0; l < half; l++)
            sum[l] += sum[l + half];
    return sum[0];
}

/* The sum of (x - mean)^2 in sixteen lanes that are added as a tree. */
static float sum_of_squares(const float *x, size_t n, float mean)
{
    float sum[LANES] = { 0 };
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++)
            sum[l] += (x[i + l] - mean) * (x[i + l] - mean);
    for (int l = 0; i < n; i++, l++)
        sum[l] += (x[i] - mean) * (x[i] - mean);
    return sum_of_lanes(sum);
}

static float mean_of(const float *x, size_t n)
{
    float sum[LANES] = { 0 };
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++)
            sum[l] += x[i + l];
    for (int l = 0; i < n; i++, l++)
        sum[l] += x[i];
    return sum_of_lanes(sum) / (float)n;
}

static float inverse_rms(const float *x, size_t n, float eps)
{
    return 1.0f / sqrtf(sum_of_squares(x, n, 0) / (float)n + eps);
}

void ct_rmsnorm_generic(float *y, const float *x, const float *w, size_t n, float eps)
{
    float scale = inverse_rms(x, n, eps);
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * scale * w[i];
}

void ct_rmsnorm_add_generic(float *y, const float *x, const float *w, size_t n, float eps)
{
    float scale = inverse_rms(x, n, eps);
    for (size_t i = 0; i < n; i++)
        y[i] += x[i] * scale * w[i];
}

void ct_layernorm_generic(float *y, const float *x, const float *w, const float *b, size_t n, float eps)
{
    float mean = mean_of(x, n), scale = 1.0f / sqrtf(sum_of_squares(x, n, mean) / (float)n + eps);
    for (size_t i = 0; i < n; i++)
        y[i] = (x[i] - mean) * scale * w[i] + b[i];
}

void ct_rope_generic(float *x, const float *cs, size_t n)
{
    float *x2 = x + n / 2;
    const float *sn = cs + n / 2;
    for (size_t i = 0; i < n / 2; i++) {
        float a = x[i], b = x2[i];
        x[i] = a * cs[i] - b * sn[i];
        x2[i] = b * cs[i] + a * sn[i];
    }
}

void ct_geglu_generic(float *y, const float *gate, const float *up, size_t n)
{
    const float sqrt_2_over_pi = 0.797884560802865356f;
    for (size_t i = 0; i < n; i++) {
        float g = gate[i], t = tanhf(sqrt_2_over_pi * (g + 0.044715f * g * g * g));
        y[i] = 0.5f * g * (1.0f + t) * up[i];
    }
}

float ct_logsumexp_generic(const float *x, size_t n, float *max)
{
    float top = -INFINITY;
    for (size_t i = 0; i < n; i++)
        top = x[i] > top ? x[i] : top;
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)expf(x[i] - top);
    *max = top;
    return (float)log(sum);
}
