/* peak_avx512.c - the rates of what the AVX-512 level multiplies with.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "kernels/peak.h"
#include "kernels/x86/avx512.h"

#define SUMS 24 /* a latency of 4 or 5 cycles, two a cycle, and some */

#define UNKNOWN(v) __asm__ volatile("" : "+v"(v)) /* no compiler knows it */

static void run_fma(size_t rounds)
{
    __m512 sum[SUMS], a = _mm512_set1_ps(0.78125f), b = _mm512_set1_ps(-0.33203125f);
    for (int i = 0; i < SUMS; i++)
        sum[i] = _mm512_set1_ps((float)i);
    for (size_t r = 0; r < rounds; r++) {
        UNKNOWN(a);
        UNKNOWN(b);
#pragma GCC unroll 24
        for (int i = 0; i < SUMS; i++)
            sum[i] = _mm512_fmadd_ps(a, b, sum[i]);
    }
    for (int i = 0; i < SUMS; i++)
        UNKNOWN(sum[i]);
}

static void run_dpbusd(size_t rounds)
{
    __m512i sum[SUMS], a = _mm512_set1_epi32(0x05030e09), b = _mm512_set1_epi32((int)0x85e67c1bu);
    for (int i = 0; i < SUMS; i++)
        sum[i] = _mm512_set1_epi32(i);
    for (size_t r = 0; r < rounds; r++) {
        UNKNOWN(a);
        UNKNOWN(b);
#pragma GCC unroll 24
        for (int i = 0; i < SUMS; i++)
            sum[i] = _mm512_dpbusd_epi32(sum[i], a, b);
    }
    for (int i = 0; i < SUMS; i++)
        UNKNOWN(sum[i]);
}

const ct_peak ct_avx512_fma_peak = { "VFMADD of 512 bits", 2.0 * 16 * SUMS, run_fma };
const ct_peak ct_avx512_dpbusd_peak = { "VPDPBUSD", 2.0 * 64 * SUMS, run_dpbusd };
