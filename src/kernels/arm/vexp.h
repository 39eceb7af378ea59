/* vexp.h - exp of four floats.
 *
 * x = n ln 2 + r with |r| <= ln(2)/2, exp(x) = 2^n exp(r); exp(r) by its Taylor polynomial to r^7, whose remainder
 * r^8/8! stays below 6e-9: a tenth of half a unit in the last place. Two factors make 2^n, so that results below the
 * normal range are rounded once and overflow to infinity comes by itself. NaN stays NaN, -inf gives 0.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_ARM_VEXP_H
#define CT_KERNELS_ARM_VEXP_H

#include <arm_neon.h>

static inline float32x4_t power_of_two(int32x4_t n)
{
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(n, vdupq_n_s32(127)), 23));
}

static inline float32x4_t vexp(float32x4_t x)
{
    /* Past these bounds float has only infinity and zero. */
    x = vminq_f32(vmaxq_f32(x, vdupq_n_f32(-105.0f)), vdupq_n_f32(90.0f));
    float32x4_t n = vrndnq_f32(vmulq_n_f32(x, 0x1.715476p+0f));   /* 1 / ln 2 */
    float32x4_t r = vfmsq_f32(x, n, vdupq_n_f32(0x1.62e430p-1f)); /* ln 2, its first 24 bits and the rest */
    r = vfmaq_f32(r, n, vdupq_n_f32(0x1.05c610p-29f));
    float32x4_t p = vdupq_n_f32(1.0f / 5040);
    p = vfmaq_f32(vdupq_n_f32(1.0f / 720), p, r);
    p = vfmaq_f32(vdupq_n_f32(1.0f / 120), p, r);
    p = vfmaq_f32(vdupq_n_f32(1.0f / 24), p, r);
    p = vfmaq_f32(vdupq_n_f32(1.0f / 6), p, r);
    p = vfmaq_f32(vdupq_n_f32(0.5f), p, r);
    p = vfmaq_f32(vdupq_n_f32(1.0f), p, r);
    p = vfmaq_f32(vdupq_n_f32(1.0f), p, r);
    int32x4_t i = vcvtq_s32_f32(n), half = vshrq_n_s32(i, 1);
    return vmulq_f32(vmulq_f32(p, power_of_two(half)), power_of_two(vsubq_s32(i, half)));
}

#endif
