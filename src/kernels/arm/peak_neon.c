/* peak_neon.c - the rates of what the AArch64 baseline multiplies with.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <arm_neon.h>

#include "arm.h"
#include "kernels/peak_loop.h"

#define SUMS 16 /* a latency of 4 cycles, up to four a cycle */

DEFINE_PEAK_LOOP(run_fmla, float32x4_t, SUMS, "w", "fmla %0.4s, %2.4s, %3.4s", vdupq_n_f32(1), vdupq_n_f32(0.78125f),
                 vdupq_n_f32(-0.33203125f))
DEFINE_PEAK_LOOP(run_smlal, uint32x4_t, SUMS, "w", "smlal2 %0.8h, %2.16b, %3.16b", vdupq_n_u32(1),
                 vdupq_n_u32(0x05030e09), vdupq_n_u32(0x85e67c1b))

const ct_peak ct_neon_fmla_peak = { "FMLA", 2.0 * 4 * SUMS, run_fmla };
const ct_peak ct_neon_smlal_peak = { "SMLAL2", 2.0 * 8 * SUMS, run_smlal };
