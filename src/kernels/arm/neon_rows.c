/* neon_rows.c - work on single rows: rounding activations, norms, rotation, the gate, log-sum-exp.
 *
 * Sums run in sixteen lanes (four accumulators), then the rest of the row in fours in the first accumulator, then one
 * by one after the lanes are added: an order that depends on n alone.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "arm.h"
#include "vexp.h"

/* ---- activations ---- */

/* One group of 32: d, and q with its two 16-sums. */
static void quantise_group(const float *x, int8_t *q, float *d, int32_t *s)
{
    float32x4_t v[8], top = vdupq_n_f32(0);
    for (int i = 0; i < 8; i++) {
        v[i] = vld1q_f32(x + 4 * i);
        top = vmaxq_f32(top, vabsq_f32(v[i])); /* NaN wins */
    }
    float amax = vmaxvq_f32(top);
    float scale = amax >= CT_ACTS_TINY && amax <= FLT_MAX ? 127.0f / amax : 0.0f;
    *d = !(amax <= FLT_MAX) ? NAN : scale > 0 ? amax / 127.0f : 0.0f;
    for (int h = 0; h < 2; h++) {
        int16x8_t w[2];
        for (int j = 0; j < 2; j++) {
            int i = 4 * h + 2 * j;
            int32x4_t a = vcvtnq_s32_f32(vmulq_n_f32(v[i], scale)), b = vcvtnq_s32_f32(vmulq_n_f32(v[i + 1], scale));
            w[j] = vcombine_s16(vqmovn_s32(a), vqmovn_s32(b));
        }
        vst1q_s8(q + 16 * h, vcombine_s8(vqmovn_s16(w[0]), vqmovn_s16(w[1])));
        s[h] = vaddlvq_s16(vaddq_s16(w[0], w[1]));
    }
}

static void acts_q8(const float *x, size_t cols, void *dst)
{
    int8_t *q = dst;
    float *d = (float *)(void *)((char *)dst + ct_acts_d_offset(cols));
    int32_t *s = (int32_t *)(void *)((char *)dst + ct_acts_s_offset(cols));
    for (size_t g = 0; g < cols / CT_ACTS_GROUP; g++)
        quantise_group(x + 32 * g, q + 32 * g, d + g, s + 2 * g);
}

/* ---- norms ---- */

static float sum_of_squares(const float *x, size_t n)
{
    float32x4_t a[4] = { vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0) };
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (size_t j = 0; j < 4; j++) {
            float32x4_t v = vld1q_f32(x + i + 4 * j);
            a[j] = vfmaq_f32(a[j], v, v);
        }
    for (; i + 4 <= n; i += 4) {
        float32x4_t v = vld1q_f32(x + i);
        a[0] = vfmaq_f32(a[0], v, v);
    }
    float sum = vaddvq_f32(vaddq_f32(vaddq_f32(a[0], a[1]), vaddq_f32(a[2], a[3])));
    for (; i < n; i++)
        sum = fmaf(x[i], x[i], sum);
    return sum;
}

static float inverse_rms(const float *x, size_t n, float eps)
{
    return 1.0f / sqrtf(sum_of_squares(x, n) / (float)n + eps);
}

static void rmsnorm(float *y, const float *x, const float *w, size_t n, float eps)
{
    float scale = inverse_rms(x, n, eps);
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        vst1q_f32(y + i, vmulq_f32(vmulq_n_f32(vld1q_f32(x + i), scale), vld1q_f32(w + i)));
    for (; i < n; i++)
        y[i] = x[i] * scale * w[i];
}

static void rmsnorm_add(float *y, const float *x, const float *w, size_t n, float eps)
{
    float scale = inverse_rms(x, n, eps);
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        float32x4_t v = vmulq_f32(vmulq_n_f32(vld1q_f32(x + i), scale), vld1q_f32(w + i));
        vst1q_f32(y + i, vaddq_f32(vld1q_f32(y + i), v));
    }
    for (; i < n; i++)
        y[i] += x[i] * scale * w[i];
}

/* ---- rotation and gate ---- */

static void rope(float *x, const float *cs, size_t n)
{
    size_t half = n / 2, i = 0;
    for (; i + 4 <= half; i += 4) {
        float32x4_t a = vld1q_f32(x + i), b = vld1q_f32(x + half + i);
        float32x4_t c = vld1q_f32(cs + i), s = vld1q_f32(cs + half + i);
        vst1q_f32(x + i, vsubq_f32(vmulq_f32(a, c), vmulq_f32(b, s)));
        vst1q_f32(x + half + i, vaddq_f32(vmulq_f32(b, c), vmulq_f32(a, s)));
    }
    for (; i < half; i++) {
        float a = x[i], b = x[half + i];
        x[i] = a * cs[i] - b * cs[half + i];
        x[half + i] = b * cs[i] + a * cs[half + i];
    }
}

/* 0.5 (1 + tanh(z)) = 1 / (1 + exp(-2z)): no cancellation for negative z. */
static float32x4_t gated(float32x4_t g, float32x4_t u)
{
    const float two_z = 0x1.988454p+0f; /* 2 sqrt(2 / pi) */
    float32x4_t cube = vmulq_f32(vmulq_f32(g, g), g);
    float32x4_t z = vmulq_n_f32(vfmaq_f32(g, vdupq_n_f32(0.044715f), cube), -two_z);
    return vmulq_f32(vdivq_f32(g, vaddq_f32(vdupq_n_f32(1.0f), vexp(z))), u);
}

static void geglu(float *y, const float *gate, const float *up, size_t n)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        vst1q_f32(y + i, gated(vld1q_f32(gate + i), vld1q_f32(up + i)));
    if (i == n)
        return;
    float g[4] = { 0 }, u[4] = { 0 };
    memcpy(g, gate + i, (n - i) * sizeof *g);
    memcpy(u, up + i, (n - i) * sizeof *u);
    vst1q_f32(g, gated(vld1q_f32(g), vld1q_f32(u)));
    memcpy(y + i, g, (n - i) * sizeof *g);
}

/* ---- log-sum-exp ---- */

/* Values x[i..i+3], past the end filled up with -inf: neutral for the maximum and, through exp, for the sum. */
static float32x4_t four_of(const float *x, size_t i, size_t n)
{
    if (i + 4 <= n)
        return vld1q_f32(x + i);
    float v[4] = { -INFINITY, -INFINITY, -INFINITY, -INFINITY };
    memcpy(v, x + i, (n - i) * sizeof *v);
    return vld1q_f32(v);
}

/* A vocabulary has 262144 logits, too many for a sum in float32: exp is float32, sums are double. */
static float logsumexp(const float *x, size_t n, float *max)
{
    float32x4_t top = vdupq_n_f32(-INFINITY);
    for (size_t i = 0; i < n; i += 4)
        top = vmaxnmq_f32(top, four_of(x, i, n)); /* passes NaN over: the sum will show it */
    *max = vmaxnmvq_f32(top);
    float64x2_t sum[2] = { vdupq_n_f64(0), vdupq_n_f64(0) };
    for (size_t i = 0; i < n; i += 4) {
        float32x4_t e = vexp(vsubq_f32(four_of(x, i, n), vdupq_n_f32(*max)));
        sum[0] = vaddq_f64(sum[0], vcvt_f64_f32(vget_low_f32(e)));
        sum[1] = vaddq_f64(sum[1], vcvt_high_f64_f32(e));
    }
    return (float)log(vaddvq_f64(vaddq_f64(sum[0], sum[1])));
}

void ct_neon_install_rows(ct_kernels *k)
{
    k->acts[CT_ACTS_Q8] = acts_q8;
    k->rmsnorm = rmsnorm;
    k->rmsnorm_add = rmsnorm_add;
    k->rope = rope;
    k->geglu = geglu;
    k->logsumexp = logsumexp;
}
