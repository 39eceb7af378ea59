/* half.c - IEEE 754 binary16 and bfloat16 to and from binary32, exact, in integers.
 *
 * Integers and not the CPU's own conversion, so that every machine and every rounding mode gives the same bits.
 *
 *             sign  exponent (bias)  mantissa
 *   binary32   1      8 (127)          23
 *   binary16   1      5 (15)           10
 *   bfloat16   1      8 (127)           7       the upper half of a binary32
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "quant/types.h"

#include <string.h>

static float from_bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static uint32_t to_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

float ct_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, magnitude = h & 0x7FFF;
    if (magnitude >= 0x7C00) /* infinity and NaN: the largest exponent stays the largest; a NaN becomes quiet */
        return from_bits(sign | 0x7F800000 | (magnitude & 0x3FF) << 13 | (magnitude > 0x7C00 ? 0x400000 : 0));
    if (magnitude < 0x400) { /* zero and subnormals: a whole number of 2^-24, exact in binary32 */
        float f = (float)magnitude * 0x1p-24f;
        return sign ? -f : f;
    }
    return from_bits(sign | ((magnitude << 13) + ((127u - 15u) << 23)));
}

uint16_t ct_f32_to_f16(float f)
{
    uint32_t u = to_bits(f), sign = u >> 16 & 0x8000, magnitude = u & 0x7FFFFFFF;
    if (magnitude > 0x7F800000)
        return (uint16_t)(sign | 0x7E00 | (magnitude >> 13 & 0x3FF));
    if (magnitude >= 0x477FF000) /* 65520, half way between the largest binary16 and 2^16: rounds up to infinity */
        return (uint16_t)(sign | 0x7C00);

    /* shift: how many mantissa bits fall off. 13 for a normal result; one more for every power of two below 2^-14. */
    uint32_t exponent = magnitude >> 23, shift = 13, value = magnitude - ((127u - 15u) << 23);
    if (exponent < 127 - 14) {
        if (exponent < 127 - 25) /* below 2^-25, half the smallest subnormal */
            return (uint16_t)sign;
        shift = 13 + (127 - 14 - exponent);
        value = (magnitude & 0x7FFFFF) | 0x800000;
    }
    uint32_t kept = value >> shift, rest = value & ((1u << shift) - 1), half = 1u << (shift - 1);
    kept += rest > half || (rest == half && (kept & 1)); /* a carry into the exponent is the right answer */
    return (uint16_t)(sign | kept);
}

uint16_t ct_f32_to_bf16(float f)
{
    uint32_t u = to_bits(f);
    if ((u & 0x7FFFFFFF) > 0x7F800000)
        return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7FFF + (u >> 16 & 1)) >> 16);
}
