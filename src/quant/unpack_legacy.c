/* unpack_legacy.c - the types whose block is 32 weights with one scale, some with a minimum.
 *
 *     Q4_0   d f16 | 16 x 4+4 bits                    y = d (q - 8)
 *     Q4_1   d f16 | m f16 | 16 x 4+4 bits            y = d q + m
 *     Q5_0   d f16 | qh u32 | 16 x 4+4 bits           y = d (q - 16)
 *     Q5_1   d f16 | m f16 | qh u32 | 16 x 4+4 bits   y = d q + m
 *     Q8_0   d f16 | i8[32]                           y = d q
 *     Q8_1   d f16 | s f16 | i8[32]                   y = d q; s = d * sum of q is not needed here
 *
 * Low nibble of byte i is weight i, high nibble weight i + 16; bit i of qh is the fifth bit of weight i.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "quant/unpack.h"

void ct_unpack_q4_0(const uint8_t *b, float *y)
{
    float d = read_f16(b);
    for (int i = 0; i < 16; i++) {
        y[i] = d * (float)((b[2 + i] & 15) - 8);
        y[i + 16] = d * (float)((b[2 + i] >> 4) - 8);
    }
}

void ct_unpack_q4_1(const uint8_t *b, float *y)
{
    float d = read_f16(b), m = read_f16(b + 2);
    for (int i = 0; i < 16; i++) {
        y[i] = d * (float)(b[4 + i] & 15) + m;
        y[i + 16] = d * (float)(b[4 + i] >> 4) + m;
    }
}

void ct_unpack_q5_0(const uint8_t *b, float *y)
{
    float d = read_f16(b);
    uint32_t high = ct_le32(b + 2);
    for (int i = 0; i < 16; i++) {
        y[i] = d * (float)((int)((b[6 + i] & 15) | (high >> i & 1) << 4) - 16);
        y[i + 16] = d * (float)((int)(b[6 + i] >> 4 | (high >> (i + 16) & 1) << 4) - 16);
    }
}

void ct_unpack_q5_1(const uint8_t *b, float *y)
{
    float d = read_f16(b), m = read_f16(b + 2);
    uint32_t high = ct_le32(b + 4);
    for (int i = 0; i < 16; i++) {
        y[i] = d * (float)(int)((b[8 + i] & 15) | (high >> i & 1) << 4) + m;
        y[i + 16] = d * (float)(int)(b[8 + i] >> 4 | (high >> (i + 16) & 1) << 4) + m;
    }
}

void ct_unpack_q8_0(const uint8_t *b, float *y)
{
    float d = read_f16(b);
    for (int i = 0; i < 32; i++)
        y[i] = (float)as_i8(b[2 + i]) * d;
}

void ct_unpack_q8_1(const uint8_t *b, float *y)
{
    float d = read_f16(b);
    for (int i = 0; i < 32; i++)
        y[i] = (float)as_i8(b[4 + i]) * d;
}
