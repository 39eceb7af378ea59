/* lane_dot.h - few tokens with the four-way dot product: shared by dotprod and i8mm.
 *
 * sdot with a lane index multiplies [4 rows][4 columns] of codes with one lane of four activations: no broadcast.
 * Codes below 64 are as good signed as unsigned, so one instruction serves every type; the bias is in the start value.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_ARM_LANE_DOT_H
#define CT_KERNELS_ARM_LANE_DOT_H

#include "mul_q8.h"

/* Groups v and v + 4; the lane index has to be a literal. */
#define DOT_GROUPS(v)                                                                                                  \
    for (int r = 0; r < 4; r++) {                                                                                      \
        int8x16_t lo, hi;                                                                                              \
        unpack_pair(type, s, v, r, &lo, &hi);                                                                          \
        for (int t = 0; t < n; t++) {                                                                                  \
            sum[t][0][r] = vdotq_laneq_s32(sum[t][0][r], lo, q[t][0], v);                                              \
            sum[t][last][r] = vdotq_laneq_s32(sum[t][last][r], hi, q[t][1], v);                                        \
        }                                                                                                              \
    }

ARM_INLINE void dot_stretch(ct_type type, const stretch *s, const int8_t *const x[], const int n, int32x4_t sum[][2][4])
{
    const int last = format_of(type).halves - 1;
    int8x16_t q[2][2];
    for (int t = 0; t < n; t++) {
        q[t][0] = vld1q_s8(x[t]);
        q[t][1] = vld1q_s8(x[t] + 16);
    }
    DOT_GROUPS(0)
    DOT_GROUPS(1)
    DOT_GROUPS(2)
    DOT_GROUPS(3)
}

#endif
