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

static inline float iq4_level(float t)
{
    float level = -127;
    for (int k = 0; k < 15; k++)
        level += t > iq4_middle[k] ? iq4_step[k] : 0.0f;
    return level;
}

uint16_t ct_fit_f16(float scale)
{
    uint16_t h = ct_f32_to_f16(clamp(scale, -65504.0f, 65504.0f));
    bool is_coarse = (h & 0x7FFF) < 32;
    return is_coarse && fabsf(ct_f16_to_f32(h)) < fabsf(scale) ? (uint16_t)(h + 1) : h;
}

/* Sums over a group's levels at some scale. */
typedef struct sums {
    float xl, ll; /* X and L above */
} sums;

static sums sums_at(const float *x, const float *w, int n, float inverse, ct_levels levels)
{
    float xl[8] = { 0 }, ll[8] = { 0 };
    float lo = (float)levels.lo, hi = (float)levels.hi;
    if (levels.is_iq4) {
        for (int i = 0; i < n; i += 8)
            for (int j = 0; j < 8; j++) {
                float l = iq4_level(x[i + j] * inverse);
                float wl = w[i + j] * l;
                xl[j] += wl * x[i + j];
                ll[j] += wl * l;
            }
    } else {
        for (int i = 0; i < n; i += 8)
            for (int j = 0; j < 8; j++) {
                float l = nearest(clamp(x[i + j] * inverse, lo, hi));
                float wl = w[i + j] * l;
                xl[j] += wl * x[i + j];
                ll[j] += wl * l;
            }
    }
    return (sums){ add_lanes(xl), add_lanes(ll) };
}

void ct_fit_codes(const float *x, int n, float scale, ct_levels levels, uint8_t *codes)
{
    float inverse = scale != 0 ? 1 / scale : 0;
    for (int i = 0; i < n; i++) {
        float t = x[i] * inverse;
        if (levels.is_iq4) {
            int code = 0;
            for (int k = 0; k < 15; k++)
                code += t > iq4_middle[k];
            codes[i] = (uint8_t)code;
        } else {
            codes[i] = (uint8_t)((int)nearest(clamp(t, (float)levels.lo, (float)levels.hi)) - levels.lo);
        }
    }
}

static float furthest_from_zero(const float *x, int n)
{
    float most = 0;
    for (int i = 0; i < n; i++)
        if (fabsf(x[i]) > fabsf(most))
            most = x[i];
    return most;
}

/* The best real scale of a group; 0 if every weight is as good as zero. */
static float group_scale(const float *x, const float *w, int n, ct_levels levels)
{
    /* Where the largest weight is tried: from one level inside the outermost to 1.4 beyond, where it is cut off. Forty
     * tries over a wider span leave an error at most 0.2 % smaller (2 % in Q6_K) and take five times as long. Where
     * the largest weight counts for little, it is cut off by more. */
    static const float first = -1, step = 0.4f;
    const int tries = ct_fit_is_even(w, n) ? 7 : 18;

    float most = furthest_from_zero(x, n), scale = 0, unit = levels.is_iq4 ? 16 : 1;
    double gain = 0;
    if (fabsf(most) < CT_FIT_TINY)
        return 0;
    int sides = levels.hi == -levels.lo ? 1 : 2;
    for (int side = 0; side < sides; side++)
        for (int k = 0; k < tries; k++) {
            float reach = (first + step * (float)k) * unit;
            reach = side ? (float)levels.hi + reach : (float)levels.lo - reach;
            sums s = sums_at(x, w, n, reach / most, levels);
            if (s.ll > 0 && (double)s.xl * (double)s.xl > gain * (double)s.ll) {
                gain = (double)s.xl * (double)s.xl / (double)s.ll;
                scale = s.xl / s.ll;
            }
        }
    for (int round = 0; round < 2 && scale != 0; round++) {
        sums s = sums_at(x, w, n, 1 / scale, levels);
        if (s.ll > 0)
            scale = s.xl / s.ll;
    }
    return scale;
}

/* E of a group less the constant sum x^2, if the levels of these sums are used with this scale. */
static float loss_at(sums s, float scale)
{
    return scale * (scale * s.ll - 2 * s.xl);
}

uint16_t ct_fit_scale(const float *x, const float *w, int n, ct_levels levels)
{
    float scale = group_scale(x, w, n, levels), best_loss = 0;
    uint16_t best = 0;
    for (int round = 0; round < 8 && scale != 0; round++) {
        uint16_t h = ct_fit_f16(scale);
        float stored = ct_f16_to_f32(h);
        sums s = sums_at(x, w, n, 1 / stored, levels);
        float loss = loss_at(s, stored);
        if (loss >= best_loss)
            break;
        best_loss = loss;
        best = h;
        scale = s.ll > 0 ? s.xl / s.ll : 0;
    }
    return best;
}

/* Chooses sub[g] among the neighbours of scale[g] / d, and sets scale[g] to the best real scale for the resulting
 * levels. Adds to X and L of the whole block, as functions of d. Returns the loss of the group. */
static float choose_sub(const float *x, const float *w, int len, ct_levels levels, float d, int sub_lo, int sub_hi,
                        float *scale, int *sub, sums *block)
{
    int around = (int)nearest(clamp(*scale / d, (float)sub_lo, (float)sub_hi));
    sums best = { 0, 0 };
    float best_loss = 0;
    *sub = 0;
    for (int k = around - 1; k <= around + 1; k++) {
        if (k < sub_lo || k > sub_hi || k == 0)
            continue;
        sums s = sums_at(x, w, len, 1 / (d * (float)k), levels);
        float loss = loss_at(s, d * (float)k);
        if (loss < best_loss) {
            best_loss = loss;
            best = s;
            *sub = k;
        }
    }
    if (best.ll > 0)
        *scale = best.xl / best.ll;
    block->xl += (float)*sub * best.xl;
    block->ll += (float)*sub * (float)*sub * best.ll;
    return best_loss;
}

uint16_t ct_fit_scales(const float *x, const float *w, int n_group, int len, ct_levels levels, int sub_lo, int sub_hi,
                       int *sub)
{
    float scale[16], best_loss = 0;
    int now[16];
    uint16_t best = 0;
    assert(n_group <= 16);
    for (int g = 0; g < n_group; g++) {
        scale[g] = group_scale(x + g * len, w + g * len, len, levels);
        sub[g] = 0;
    }
    /* The range of the sub-scales has one more step below zero: the largest scale goes there. */
    float d = furthest_from_zero(scale, n_group) / (float)sub_lo;
    for (int round = 0; round < 8 && d != 0; round++) {
        uint16_t h = ct_fit_f16(d);
        float loss = 0;
        sums block = { 0, 0 };
        for (int g = 0; g < n_group; g++)
            loss += choose_sub(x + g * len, w + g * len, len, levels, ct_f16_to_f32(h), sub_lo, sub_hi, &scale[g],
                               &now[g], &block);
        if (loss >= best_loss)
            break;
        best_loss = loss;
        best = h;
        memcpy(sub, now, (size_t)n_group * sizeof *sub);
        d = block.ll > 0 ? block.xl / block.ll : 0;
    }
    return best;
}
