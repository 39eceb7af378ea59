/* unpack_misc.c - ternary and binary weights, and the 4-bit floating-point types of OCP MX and NVIDIA.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "quant/unpack.h"

#include <string.h>

/* Digit n (0 first) of a byte that holds five ternary digits: the byte is ceil(256/243 * number), so a multiplication
 * by 3^n, kept to 8 bits, leaves the digit as the integer part of three times the fraction. */
static int ternary_digit(uint8_t byte, int n)
{
    static const uint8_t power[5] = { 1, 3, 9, 27, 81 };
    return (uint8_t)(byte * power[n]) * 3 >> 8;
}

/* u8[32] five digits of weights 32 n + i | u8[16] five digits of weights 160 + 16 n + i | u8[4] four digits of weights
 * 240 + 4 n + i | d f16.    y = d (digit - 1) */
void ct_unpack_tq1_0(const uint8_t *b, float *y)
{
    static const struct {
        int offset, width, digits;
    } part[3] = { { 0, 32, 5 }, { 32, 16, 5 }, { 48, 4, 4 } };
    float d = read_f16(b + 52);
    for (int p = 0; p < 3; p++)
        for (int n = 0; n < part[p].digits; n++)
            for (int i = 0; i < part[p].width; i++)
                *y++ = d * (float)(ternary_digit(b[part[p].offset + i], n) - 1);
}

/* 2 x 32 bytes of 2+2+2+2 bits (weights i, 32 + i, 64 + i, 96 + i) | d f16.    y = d (code - 1) */
void ct_unpack_tq2_0(const uint8_t *b, float *y)
{
    float d = read_f16(b + 64);
    for (int g = 0; g < 8; g++)
        for (int i = 0; i < 32; i++)
            y[32 * g + i] = d * (float)((b[32 * (g / 4) + i] >> (2 * (g % 4)) & 3) - 1);
}

/* Twice the value of an e2m1 code (sign, two bits exponent, one bit mantissa), to stay in integers; the scales below
 * are halved for it. Source: OCP Microscaling Formats (MX) 1.0, section 5.3.3. */
static const int8_t e2m1_doubled[16] = { 0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12 };

/* Half of 2^(e - 127), subnormal for e < 2. e = 255 is NaN in the specification and 2^127 in ggml, whose values are
 * the measure here. */
static float half_e8m0(uint8_t e)
{
    uint32_t bits = e < 2 ? 0x200000u << e : (uint32_t)(e - 1) << 23;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* e u8 | 16 x 4+4 bits, weights i and i + 16 */
void ct_unpack_mxfp4(const uint8_t *b, float *y)
{
    float d = half_e8m0(b[0]);
    for (int i = 0; i < 16; i++) {
        y[i] = (float)e2m1_doubled[b[1 + i] & 15] * d;
        y[i + 16] = (float)e2m1_doubled[b[1 + i] >> 4] * d;
    }
}

/* Half of an unsigned e4m3 (bias 7; the top bit is ignored; 0x7F, a NaN, counts as 0). Exact: at most 4 bits. */
static float half_ue4m3(uint8_t x)
{
    int exponent = x >> 3 & 15, mantissa = x & 7;
    if (x == 0x7F)
        return 0;
    if (exponent == 0)
        return (float)mantissa * 0x1p-10f;
    uint32_t bits = (uint32_t)(exponent - 8 + 127) << 23 | (uint32_t)mantissa << 20;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* u8[4] scales of 16 weights | 4 x (8 x 4+4 bits, weights i and i + 8) */
void ct_unpack_nvfp4(const uint8_t *b, float *y)
{
    for (int g = 0; g < 4; g++) {
        float d = half_ue4m3(b[g]);
        for (int i = 0; i < 8; i++) {
            uint8_t q = b[4 + 8 * g + i];
            y[16 * g + i] = (float)e2m1_doubled[q & 15] * d;
            y[16 * g + i + 8] = (float)e2m1_doubled[q >> 4] * d;
        }
    }
}

/* d f16 | 128 bits, the first weight in the lowest bit.    y = d where set, else -d */
void ct_unpack_q1_0(const uint8_t *b, float *y)
{
    float d = read_f16(b);
    for (int i = 0; i < 128; i++)
        y[i] = b[2 + i / 8] >> (i % 8) & 1 ? d : -d;
}
