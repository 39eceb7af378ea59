/* dotprod.c - int8 matrix products with SDOT (Armv8.2 dot product: Cortex-A76, Neoverse N1, Apple M1).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tile_lane.h"

#include "kernels/peak_loop.h"
#include "lane_dot.h"

#define DOT_GROUP(g)                                                                                                   \
    for (int r = 0; r < 4; r++) {                                                                                      \
        int8x16_t c = vld1q_s8(w + (g)*64 + r * 16);                                                                   \
        for (int t = 0; t < TILE; t++)                                                                                 \
            sum[t][r] = vdotq_laneq_s32(sum[t][r], c, q[t], g);                                                        \
    }

ARM_INLINE void dot_half(const int8_t *w, const int8_t *const x[TILE], int32x4_t sum[TILE][4])
{
    int8x16_t q[TILE];
    for (int t = 0; t < TILE; t++)
        q[t] = vld1q_s8(x[t]);
    DOT_GROUP(0)
    DOT_GROUP(1)
    DOT_GROUP(2)
    DOT_GROUP(3)
}

CT_FORMS(MUL_Q8_DEFINE)

#define PEAK_SUMS 16

DEFINE_PEAK_LOOP(run_peak, uint32x4_t, PEAK_SUMS, "w", "sdot %0.4s, %2.16b, %3.16b", vdupq_n_u32(1),
                 vdupq_n_u32(0x05030e09), vdupq_n_u32(0x85e67c1b))

static const ct_peak peak = { "SDOT", 2.0 * 16 * PEAK_SUMS, run_peak };

void ct_kernels_dotprod(ct_kernels *k)
{
    k->isa = "dotprod";
    CT_FORMS(MUL_Q8_INSTALL)
    k->mul_peak[CT_ACTS_Q8] = &peak;
}
