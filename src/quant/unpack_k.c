/* unpack_k.c - the K types: 256 weights a block, in groups of 16 or 32 with their own small scale.
 *
 * Layouts, bit by bit: README.md of this folder. In all but Q6_K a run of 32 bytes holds several groups of 32 weights,
 * one beside the other in the bits of each byte: byte i has weight i of each group.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "quant/unpack.h"

#include <string.h>

/* scales u8[16] | codes 64 x 2+2+2+2 bits | d f16 | dmin f16
 * Group of 16: low nibble of its scale byte times d, less high nibble times dmin. */
void ct_unpack_q2_k(const uint8_t *b, float *y)
{
    const uint8_t *scales = b, *codes = b + 16;
    float d = read_f16(b + 80), dmin = read_f16(b + 82);
    for (int g = 0; g < 16; g++) { /* 16 columns: half of a 32-byte run, one pair of bits */
        const uint8_t *q = codes + 32 * (g / 8) + 16 * (g % 2);
        int shift = 2 * (g / 2 % 4);
        float scale = d * (float)(scales[g] & 15), min = dmin * (float)(scales[g] >> 4);
        for (int i = 0; i < 16; i++)
            y[16 * g + i] = scale * (float)(q[i] >> shift & 3) - min;
    }
}

/* Scale of 16-column group g, -32..31: byte g mod 8 has four bits (the high nibble from group 8 on), byte 8 + g mod 4
 * the upper two. */
static int q3_k_scale(const uint8_t *scales, int g)
{
    int low = scales[g % 8] >> (g < 8 ? 0 : 4) & 15, high = scales[8 + g % 4] >> (2 * (g / 4)) & 3;
    return (low | high << 4) - 32;
}

/* hmask u8[32] | codes 64 x 2+2+2+2 bits | scales u8[12] | d f16
 * Bit j of hmask[i] belongs to weight 32 j + i; a bit that is *clear* takes 4 from the code. */
void ct_unpack_q3_k(const uint8_t *b, float *y)
{
    const uint8_t *high = b, *codes = b + 32, *scales = b + 96;
    float d = read_f16(b + 108);
    for (int g = 0; g < 16; g++) {
        const uint8_t *q = codes + 32 * (g / 8) + 16 * (g % 2), *h = high + 16 * (g % 2);
        int shift = 2 * (g / 2 % 4), bit = g / 2;
        float scale = d * (float)q3_k_scale(scales, g);
        for (int i = 0; i < 16; i++)
            y[16 * g + i] = scale * (float)((q[i] >> shift & 3) - (h[i] >> bit & 1 ? 0 : 4));
    }
}

/* d f16 | dmin f16 | scales u8[12] | codes 128 x 4+4 bits */
void ct_unpack_q4_k(const uint8_t *b, float *y)
{
    float d = read_f16(b), dmin = read_f16(b + 2);
    for (int g = 0; g < 8; g++) {
        const uint8_t *q = b + 16 + 32 * (g / 2);
        int scale, min, shift = 4 * (g % 2);
        read_scale_min(b + 4, g, &scale, &min);
        float dg = d * (float)scale, mg = dmin * (float)min;
        for (int i = 0; i < 32; i++)
            y[32 * g + i] = dg * (float)(q[i] >> shift & 15) - mg;
    }
}

/* d f16 | dmin f16 | scales u8[12] | qh u8[32] | codes 128 x 4+4 bits; bit g of qh[i] is the fifth bit of weight
 * 32 g + i. */
void ct_unpack_q5_k(const uint8_t *b, float *y)
{
    const uint8_t *high = b + 16;
    float d = read_f16(b), dmin = read_f16(b + 2);
    for (int g = 0; g < 8; g++) {
        const uint8_t *q = b + 48 + 32 * (g / 2);
        int scale, min, shift = 4 * (g % 2);
        read_scale_min(b + 4, g, &scale, &min);
        float dg = d * (float)scale, mg = dmin * (float)min;
        for (int i = 0; i < 32; i++)
            y[32 * g + i] = dg * (float)((q[i] >> shift & 15) | (high[i] >> g & 1) << 4) - mg;
    }
}

/* ql u8[128] | qh u8[64] | scales i8[16] | d f16
 * Per half of 128 weights: 64 bytes of ql (low nibbles weights 0..63, high nibbles 64..127), 32 bytes of qh whose bit
 * pairs are weights 0..31, 32..63, 64..95, 96..127. */
void ct_unpack_q6_k(const uint8_t *b, float *y)
{
    const uint8_t *scales = b + 192;
    float d = read_f16(b + 208);
    for (int g = 0; g < 16; g++) {
        int half = g / 8, in = g % 8; /* group within the half */
        const uint8_t *low = b + 64 * half + 16 * (in % 4), *high = b + 128 + 32 * half + 16 * (in % 2);
        int low_shift = 4 * (in / 4), high_shift = 2 * (in / 2);
        float scale = d * (float)as_i8(scales[g]);
        for (int i = 0; i < 16; i++)
            y[16 * g + i] = scale * (float)(((low[i] >> low_shift & 15) | (high[i] >> high_shift & 3) << 4) - 32);
    }
}

/* d f32 | i8[256] | i16[16] sums, not needed here */
void ct_unpack_q8_k(const uint8_t *b, float *y)
{
    uint32_t bits = ct_le32(b);
    float d;
    memcpy(&d, &bits, sizeof d);
    for (int i = 0; i < 256; i++)
        y[i] = d * (float)as_i8(b[4 + i]);
}
