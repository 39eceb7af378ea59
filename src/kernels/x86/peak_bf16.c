/* peak_bf16.c - the rate of what the AVX512_BF16 level multiplies with.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "kernels/peak.h"
#include "kernels/x86/avx512bf16.h"

#define SUMS 24 /* in which the latency is hidden, as in all of the level's kernels */

static void run_dpbf16(size_t rounds)
{
    __m512 sum[SUMS];
    __m512bh a = (__m512bh)_mm512_set1_epi32(0x3f483e57), b = (__m512bh)_mm512_set1_epi32((int)0xbeaa3f11u);
    for (int i = 0; i < SUMS; i++)
        sum[i] = _mm512_set1_ps((float)i);
    for (size_t r = 0; r < rounds; r++) {
        __asm__ volatile("" : "+v"(a), "+v"(b));
#pragma GCC unroll 24
        for (int i = 0; i < SUMS; i++)
            sum[i] = _mm512_dpbf16_ps(sum[i], a, b);
    }
    for (int i = 0; i < SUMS; i++)
        __asm__ volatile("" : "+v"(sum[i]));
}

const ct_peak ct_avx512bf16_peak = { "VDPBF16PS", 2.0 * 32 * SUMS, run_dpbf16 };
