/* peak_avx2.c - the rates of what the AVX2 level multiplies with.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/peak.h"
#include "kernels/x86/avx2.h"

#define SUMS 12 /* a latency of 4 or 5 cycles, two a cycle */

/* Operands that no compiler knows. */
#define UNKNOWN(v) __asm__ volatile("" : "+x"(v))

static void run_fma(size_t rounds)
{
    __m256 sum[SUMS], a = _mm256_set1_ps(0.78125f), b = _mm256_set1_ps(-0.33203125f);
    for (int i = 0; i < SUMS; i++)
        sum[i] = _mm256_set1_ps((float)i);
    for (size_t r = 0; r < rounds; r++) {
        UNKNOWN(a);
        UNKNOWN(b);
#pragma GCC unroll 12
        for (int i = 0; i < SUMS; i++)
            sum[i] = _mm256_fmadd_ps(a, b, sum[i]);
    }
    for (int i = 0; i < SUMS; i++)
        IN_ORDER(sum[i]);
}

/* Four bytes' products of a lane: pairs by vpmaddubsw, added up in sixteen bits as the kernels do for most types. */
static void run_maddubs(size_t rounds)
{
    __m256i sum[SUMS], a = _mm256_set1_epi32(0x05030e09), b = _mm256_set1_epi32((int)0x85e67c1bu);
    for (int i = 0; i < SUMS; i++)
        sum[i] = _mm256_set1_epi32(i);
    for (size_t r = 0; r < rounds; r++) {
        UNKNOWN(a);
        UNKNOWN(b);
#pragma GCC unroll 12
        for (int i = 0; i < SUMS; i++)
            sum[i] = _mm256_add_epi16(sum[i], _mm256_maddubs_epi16(a, b));
    }
    for (int i = 0; i < SUMS; i++)
        IN_ORDER(sum[i]);
}

const ct_peak ct_avx2_fma_peak = { "VFMADD of 256 bits", 2.0 * 8 * SUMS, run_fma };
const ct_peak ct_avx2_maddubs_peak = { "VPMADDUBSW and VPADDW", 2.0 * 32 * SUMS, run_maddubs };
