/* peak_avx2.c - the rates of what the AVX2 level multiplies with.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/peak_loop.h"
#include "kernels/x86/avx2.h"

#define SUMS 12 /* a latency of 4 or 5 cycles, two a cycle */

DEFINE_PEAK_LOOP(run_fma, __m256, SUMS, "x", "vfmadd231ps %2, %3, %0", _mm256_set1_ps(1), _mm256_set1_ps(0.78125f),
                 _mm256_set1_ps(-0.33203125f))

/* Four bytes' products of a lane: pairs by vpmaddubsw, added up in sixteen bits as the kernels do for most types. */
DEFINE_PEAK_LOOP(run_maddubs, __m256i, SUMS, "x", "vpmaddubsw %3, %2, %1\n\tvpaddw %1, %0, %0", _mm256_set1_epi32(1),
                 _mm256_set1_epi32(0x05030e09), _mm256_set1_epi32((int)0x85e67c1bu))

const ct_peak ct_avx2_fma_peak = { "VFMADD of 256 bits", 2.0 * 8 * SUMS, run_fma };
const ct_peak ct_avx2_maddubs_peak = { "VPMADDUBSW and VPADDW", 2.0 * 32 * SUMS, run_maddubs };
