/* peak_avx512.c - the rates of what the AVX-512 level multiplies with.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "kernels/peak_loop.h"
#include "kernels/x86/avx512.h"

#define SUMS 24 /* a latency of 4 or 5 cycles, two a cycle, and some */

DEFINE_PEAK_LOOP(run_fma, __m512, SUMS, "v", "vfmadd231ps %2, %3, %0", _mm512_set1_ps(1), _mm512_set1_ps(0.78125f),
                 _mm512_set1_ps(-0.33203125f))
DEFINE_PEAK_LOOP(run_dpbusd, __m512i, SUMS, "v", "vpdpbusd %3, %2, %0", _mm512_set1_epi32(1),
                 _mm512_set1_epi32(0x05030e09), _mm512_set1_epi32((int)0x85e67c1bu))

const ct_peak ct_avx512_fma_peak = { "VFMADD of 512 bits", 2.0 * 16 * SUMS, run_fma };
const ct_peak ct_avx512_dpbusd_peak = { "VPDPBUSD", 2.0 * 64 * SUMS, run_dpbusd };
