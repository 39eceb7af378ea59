/* acts.c - one token's vector in the form that a weight type is multiplied with.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "kernels/generic/generic.h"

void ct_acts_f32_generic(const float *x, size_t cols, void *dst)
{
    memcpy(dst, x, cols * sizeof *x);
}

void ct_acts_bf16_generic(const float *x, size_t cols, void *dst)
{
    uint16_t *q = dst;
    for (size_t c = 0; c < cols; c++)
        q[c] = ct_f32_to_bf16(x[c]);
    if (cols % 2)
        q[cols] = 0;
}

/* Largest magnitude of a group; NaN if any value is not finite. */
static float group_amax(const float *x)
{
    float amax = 0;
    for (int i = 0; i < CT_ACTS_GROUP; i++) {
        if (!isfinite(x[i]))
            return NAN;
        amax = fmaxf(amax, fabsf(x[i]));
    }
    return amax;
}

void ct_acts_q8_generic(const float *x, size_t cols, void *dst)
{
    int8_t *q = dst;
    float *d = (float *)((char *)dst + ct_acts_d_offset(cols));
    int32_t *sums = (int32_t *)((char *)dst + ct_acts_s_offset(cols));
    for (size_t g = 0; g < cols / CT_ACTS_GROUP; g++, x += CT_ACTS_GROUP, q += CT_ACTS_GROUP) {
        float amax = group_amax(x), inverse = amax >= CT_ACTS_TINY ? 127.0f / amax : 0.0f;
        d[g] = isnan(amax) ? NAN : inverse > 0 ? amax / 127.0f : 0.0f;
        for (int half = 0; half < 2; half++) {
            int32_t sum = 0;
            for (int i = 16 * half; i < 16 * half + 16; i++) {
                q[i] = inverse > 0 ? (int8_t)rintf(x[i] * inverse) : 0;
                sum += q[i];
            }
            sums[2 * g + (size_t)half] = sum;
        }
    }
}

/* 2^e, the power of two at or below x, which is a normal float. */
static float power_below(float x)
{
    int e;
    frexpf(x, &e);
    return ldexpf(1, e - 1);
}

void ct_acts_grid_generic(const float *x, size_t cols, void *dst)
{
    uint16_t *q = dst;
    for (size_t g = 0; g < cols; g += CT_ACTS_GROUP) {
        float y[CT_ACTS_GROUP], amax = 0;
        for (int i = 0; i < CT_ACTS_GROUP; i++) {
            y[i] = ct_bf16_to_f32(ct_f32_to_bf16(x[g + (size_t)i]));
            amax = isnan(y[i]) || isnan(amax) ? NAN : fmaxf(amax, fabsf(y[i]));
        }
        for (int i = 0; i < CT_ACTS_GROUP; i++) {
            if (!(amax < CT_GRID_HUGE)) {
                y[i] = NAN;
            } else if (amax < CT_GRID_TINY) {
                y[i] = 0;
            } else { /* there floats are 2^(e-10) apart */
                float magic = 1.5f * 0x1p13f * power_below(amax);
                y[i] = (y[i] + magic) - magic;
            }
            q[g + (size_t)(i / 4 * 4 + "\0\2\1\3"[i % 4])] = ct_f32_to_bf16(y[i]);
        }
    }
}
