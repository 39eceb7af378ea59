/* peak_dot.h - a loop of one instruction on sixteen int32 vectors, for the levels that have one for bytes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_ARM_PEAK_DOT_H
#define CT_KERNELS_ARM_PEAK_DOT_H

#include <arm_neon.h>

#include "kernels/peak.h"

#define PEAK_SUMS 16

/* run_peak, of sum = op(sum, a, b). */
#define DEFINE_RUN_PEAK(op)                                                                                            \
    static void run_peak(size_t rounds)                                                                                \
    {                                                                                                                  \
        int32x4_t sum[PEAK_SUMS];                                                                                      \
        int8x16_t a = vreinterpretq_s8_u32(vdupq_n_u32(0x05030e09));                                                   \
        int8x16_t b = vreinterpretq_s8_u32(vdupq_n_u32(0x85e67c1b));                                                   \
        for (int i = 0; i < PEAK_SUMS; i++)                                                                            \
            sum[i] = vdupq_n_s32(i);                                                                                   \
        for (size_t r = 0; r < rounds; r++) {                                                                          \
            __asm__ volatile("" : "+w"(a), "+w"(b));                                                                   \
            _Pragma("GCC unroll 16") for (int i = 0; i < PEAK_SUMS; i++) sum[i] = op(sum[i], a, b);                    \
        }                                                                                                              \
        for (int i = 0; i < PEAK_SUMS; i++)                                                                            \
            __asm__ volatile("" : "+w"(sum[i]));                                                                       \
    }

#endif
