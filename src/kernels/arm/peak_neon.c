/* peak_neon.c - the rates of what the AArch64 baseline multiplies with.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <arm_neon.h>

#include "arm.h"
#include "kernels/peak.h"

#define SUMS 16 /* a latency of 4 cycles, up to four a cycle */

#define UNKNOWN(v) __asm__ volatile("" : "+w"(v)) /* no compiler knows it */

static void run_fmla(size_t rounds)
{
    float32x4_t sum[SUMS], a = vdupq_n_f32(0.78125f), b = vdupq_n_f32(-0.33203125f);
    for (int i = 0; i < SUMS; i++)
        sum[i] = vdupq_n_f32((float)i);
    for (size_t r = 0; r < rounds; r++) {
        UNKNOWN(a);
        UNKNOWN(b);
#pragma GCC unroll 16
        for (int i = 0; i < SUMS; i++)
            sum[i] = vfmaq_f32(sum[i], a, b);
    }
    for (int i = 0; i < SUMS; i++)
        UNKNOWN(sum[i]);
}

static void run_smlal(size_t rounds)
{
    int16x8_t sum[SUMS];
    int8x16_t a = vreinterpretq_s8_u32(vdupq_n_u32(0x05030e09)), b = vreinterpretq_s8_u32(vdupq_n_u32(0x85e67c1b));
    for (int i = 0; i < SUMS; i++)
        sum[i] = vdupq_n_s16((int16_t)i);
    for (size_t r = 0; r < rounds; r++) {
        UNKNOWN(a);
        UNKNOWN(b);
#pragma GCC unroll 16
        for (int i = 0; i < SUMS; i++)
            sum[i] = vmlal_high_s8(sum[i], a, b);
    }
    for (int i = 0; i < SUMS; i++)
        UNKNOWN(sum[i]);
}

const ct_peak ct_neon_fmla_peak = { "FMLA", 2.0 * 4 * SUMS, run_fmla };
const ct_peak ct_neon_smlal_peak = { "SMLAL2", 2.0 * 8 * SUMS, run_smlal };
