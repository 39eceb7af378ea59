/* peak_bf16.c - the rate of what the AVX512_BF16 level multiplies with.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "kernels/peak_loop.h"
#include "kernels/x86/avx512bf16.h"

#define SUMS 24 /* in which the latency is hidden, as in all of the level's kernels */

DEFINE_PEAK_LOOP(run_dpbf16, __m512i, SUMS, "v", "vdpbf16ps %3, %2, %0", _mm512_set1_epi32(0x3f800000),
                 _mm512_set1_epi32(0x3f483e57), _mm512_set1_epi32((int)0xbeaa3f11u))

const ct_peak ct_avx512bf16_peak = { "VDPBF16PS", 2.0 * 32 * SUMS, run_dpbf16 };
