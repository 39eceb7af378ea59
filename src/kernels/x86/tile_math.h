/* tile_math.h - what a multiplication of AMX's tiles gives, in plain C, to the bit.
 *
 * A tile is up to sixteen rows of 64 bytes. C [m][n] is 32-bit; A [m][k] holds a row's values one after another; B holds
 * them in steps of four bytes, [step][n][values of the step], which is how a panel holds its weights (quant/pack.h).
 *
 *   bf16   steps of two. Two chains of fused multiply-adds from +0, one over the even k and one over the odd ones, then
 *          C + (even + odd). Operands and C that are subnormal count as zero of their sign, and so does every sum that would
 *          be subnormal after rounding to 24 bits; it rounds to nearest even, whatever the control register says. NaN
 *          stays NaN. Vector instructions do the same with DAZ and FTZ set.
 *   u8s8   steps of four bytes, A unsigned, B signed: int32, modulo 2^32
 *
 * Sources: Intel SDM volume 2, TDPBF16PS and TDPBUSD, for what is added; the order of the bf16 sums was found by
 * comparing with the processor (Sapphire Rapids), and is compared at every start (tile_check.c).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_X86_TILE_MATH_H
#define CT_KERNELS_X86_TILE_MATH_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TILE_ROWS  16
#define TILE_BYTES 64 /* of a row */
#define TILE_STEPS 16 /* of four bytes, in a row of A */

/* Written so that compilers make vectors of loops over it. */
static inline float tile_flush(float x)
{
    uint32_t u;
    memcpy(&u, &x, 4);
    u = u & 0x7F800000u ? u : u & 0x80000000u;
    memcpy(&x, &u, 4);
    return x;
}

/* The bf16 in the lower or upper half of a step. */
static inline float tile_low(uint32_t step)
{
    uint32_t u = step << 16;
    float x;
    memcpy(&x, &u, 4);
    return tile_flush(x);
}

static inline float tile_high(uint32_t step)
{
    uint32_t u = step & 0xFFFF0000u;
    float x;
    memcpy(&x, &u, 4);
    return tile_flush(x);
}

/* a b + c. Where the sum rounds up to the smallest normal number because subnormal ones stand 2^-149 apart, but with 24
 * bits, 2^-150 apart, would not, it is zero: which a sum 2^32 times as large tells. */
static inline float tile_fma(float a, float b, float c)
{
    const float sum = fmaf(a, b, c), large = fmaf(a * 0x1p32f, b, c * 0x1p32f);
    uint32_t u, l;
    memcpy(&u, &sum, 4), memcpy(&l, &large, 4);
    const uint32_t is_least = (u & 0x7FFFFFFFu) == 0x00800000u, is_less = (l & 0x7FFFFFFFu) < 0x10800000u; /* 2^-94 */
    u = is_least & is_less ? u & 0x80000000u : u;
    float x;
    memcpy(&x, &u, 4);
    return tile_flush(x);
}

/* One row of C, sixteen sums: n steps of A's row times those of B. */
static inline void tile_row_bf16(float c[TILE_ROWS], const uint32_t *a, const uint32_t b[][TILE_ROWS], size_t n)
{
    float even[TILE_ROWS] = { 0 }, odd[TILE_ROWS] = { 0 };
    for (size_t k = 0; k < n; k++) {
        const float low = tile_low(a[k]), high = tile_high(a[k]);
        for (size_t i = 0; i < TILE_ROWS; i++) {
            even[i] = tile_fma(low, tile_low(b[k][i]), even[i]);
            odd[i] = tile_fma(high, tile_high(b[k][i]), odd[i]);
        }
    }
    for (size_t i = 0; i < TILE_ROWS; i++)
        c[i] = tile_flush(tile_flush(c[i]) + tile_flush(even[i] + odd[i]));
}

static inline void tile_row_u8s8(uint32_t c[TILE_ROWS], const uint32_t *a, const uint32_t b[][TILE_ROWS], size_t n)
{
    int32_t sum[TILE_ROWS] = { 0 }; /* at most 64 x 255 x 128 */
    for (size_t k = 0; k < n; k++)
        for (int j = 0; j < 32; j += 8) {
            const int32_t x = (int32_t)(a[k] >> j & 0xFF);
            for (size_t i = 0; i < TILE_ROWS; i++)
                sum[i] += x * (int8_t)(b[k][i] >> j);
        }
    for (size_t i = 0; i < TILE_ROWS; i++)
        c[i] += (uint32_t)sum[i];
}

#endif
