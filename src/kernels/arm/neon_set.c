/* neon_set.c - attention over a whole set in f32.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "arm.h"
#include "vexp.h"

typedef float32x4_t vec;
#define LANES            4
#define v_load(p)        vld1q_f32(p)
#define v_store(p, v)    vst1q_f32(p, v)
#define v_set1(x)        vdupq_n_f32(x)
#define v_add(a, b)      vaddq_f32(a, b)
#define v_mul(a, b)      vmulq_f32(a, b)
#define v_div(a, b)      vdivq_f32(a, b)
#define v_max(a, b)      vmaxnmq_f32(a, b) /* the number, where one is NaN: weights keep the NaN */
#define v_fmsub(a, b, c) vfmaq_f32(vnegq_f32(c), a, b)

static inline vec v_step(const uint8_t *p)
{
    float x;
    memcpy(&x, p, sizeof x);
    return vdupq_n_f32(x);
}

#define SET_STEP           1
#define SET_WIDE           12
#define SET_UNIT           1.0f
#define set_dot(acc, a, b) vfmaq_f32(acc, a, b)
#define set_exp(x)         vexp(x)
#define set_join(p)        ((p)[0])

static inline void set_steps(float *to, const float *row, size_t n)
{
    memcpy(to, row, n * sizeof *to);
}

#include "kernels/set_lanes.h"

void ct_neon_install_set(ct_kernels *k)
{
    k->set_put[CT_ACTS_F32] = set_put;
    k->set_attend[CT_ACTS_F32] = set_attend;
}
