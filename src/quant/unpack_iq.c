/* unpack_iq.c - the IQ types: IQ4 codes index a table of 16 values, IQ1..IQ3 codes a codebook of 4 or 8 weights.
 *
 * Layouts, bit by bit: README.md of this folder; codebooks: grids.h.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "quant/grids.h"
#include "quant/unpack.h"

const int8_t ct_iq4_values[16] = { -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113 };

static const float iq2_values[4] = { 8, 25, 43, 0 /* no entry has code 3 */ };
static const float iq3_xxs_values[8] = { 4, 12, 20, 28, 36, 44, 52, 62 };

/* IQ2_XXS, IQ2_XS and IQ3_XXS store seven of eight signs; the eighth makes the number of minuses even. */
static unsigned even_signs(unsigned seven)
{
    return seven | (unsigned)__builtin_parity(seven) << 7;
}

static float sign_of(unsigned signs, int i)
{
    return signs >> i & 1 ? -1.0f : 1.0f;
}

static void put_iq2(float *y, float scale, uint16_t entry, unsigned signs)
{
    for (int i = 0; i < 8; i++)
        y[i] = scale * iq2_values[entry >> (2 * i) & 3] * sign_of(signs, i);
}

/* d f16 | 8 x (u8[4] codebook indices | u32: 4 x 7 signs, then a scale in the top 4 bits), each of 32 weights */
void ct_unpack_iq2_xxs(const uint8_t *b, float *y)
{
    float d = read_f16(b);
    for (int g = 0; g < 8; g++) {
        const uint8_t *index = b + 2 + 8 * g;
        uint32_t tail = ct_le32(index + 4);
        float scale = d * (0.5f + (float)(tail >> 28)) * 0.25f;
        for (int k = 0; k < 4; k++)
            put_iq2(y + 32 * g + 8 * k, scale, ct_grid_iq2_xxs[index[k]], even_signs(tail >> (7 * k) & 127));
    }
}

/* d f16 | u16[32]: 9 bits index, 7 signs | u8[8]: a 4-bit scale for each 16 weights */
void ct_unpack_iq2_xs(const uint8_t *b, float *y)
{
    float d = read_f16(b);
    for (int k = 0; k < 32; k++) {
        unsigned code = ct_le16(b + 2 + 2 * k), s = b[66 + k / 4] >> (4 * (k / 2 % 2)) & 15;
        put_iq2(y + 8 * k, d * (0.5f + (float)s) * 0.25f, ct_grid_iq2_xs[code & 511], even_signs(code >> 9));
    }
}

/* d f16 | u8[32] low bits of the index | u8[32] signs | u8[8] high 2 bits of 4 indices | u8[8] scales as in IQ2_XS */
void ct_unpack_iq2_s(const uint8_t *b, float *y)
{
    float d = read_f16(b);
    for (int k = 0; k < 32; k++) {
        unsigned high = b[66 + k / 4] >> (2 * (k % 4)) & 3, s = b[74 + k / 4] >> (4 * (k / 2 % 2)) & 15;
        put_iq2(y + 8 * k, d * (0.5f + (float)s) * 0.25f, ct_grid_iq2_s[b[2 + k] | high << 8], b[34 + k]);
    }
}

/* d f16 | u8[64] codebook indices | u32[8]: 4 x 7 signs of 8 weights, scale of 32 weights in the top 4 bits */
void ct_unpack_iq3_xxs(const uint8_t *b, float *y)
{
    float d = read_f16(b);
    for (int k = 0; k < 32; k++) {
        uint32_t tail = ct_le32(b + 66 + 4 * (k / 4));
        unsigned signs = even_signs(tail >> (7 * (k % 4)) & 127);
        float scale = d * (0.5f + (float)(tail >> 28)) * 0.5f;
        for (int i = 0; i < 8; i++) {
            unsigned entry = ct_grid_iq3_xxs[b[2 + 2 * k + i / 4]];
            y[8 * k + i] = scale * iq3_xxs_values[entry >> (4 * (i % 4)) & 7] * sign_of(signs, i);
        }
    }
}

/* d f16 | u8[64] low bits of the index | u8[8] ninth bits | u8[32] signs | u8[4] a 4-bit scale for each 32 weights */
void ct_unpack_iq3_s(const uint8_t *b, float *y)
{
    float d = read_f16(b);
    for (int k = 0; k < 64; k++) { /* 4 weights */
        unsigned entry = ct_grid_iq3_s[b[2 + k] | (b[66 + k / 8] >> (k % 8) & 1) << 8];
        unsigned signs = b[74 + k / 2] >> (4 * (k % 2)), s = b[106 + k / 16] >> (4 * (k / 8 % 2)) & 15;
        float scale = d * (float)(1 + 2 * s);
        for (int i = 0; i < 4; i++)
            y[4 * k + i] = scale * (float)(2 * (entry >> (4 * i) & 7) + 1) * sign_of(signs, i);
    }
}

static void put_iq1(float *y, float scale, uint16_t entry, float delta)
{
    for (int i = 0; i < 8; i++)
        y[i] = scale * ((float)((int)(entry >> (2 * i) & 3) - 1) + delta);
}

/* d f16 | u8[32] low bits of the index | u16[8], each for 32 weights: 4 x 3 high bits, 3 bits scale, sign of shift */
void ct_unpack_iq1_s(const uint8_t *b, float *y)
{
    float d = read_f16(b);
    for (int k = 0; k < 32; k++) {
        unsigned high = ct_le16(b + 34 + 2 * (k / 4));
        unsigned index = b[2 + k] | (high >> (3 * (k % 4)) & 7) << 8;
        float scale = d * (float)(2 * (high >> 12 & 7) + 1);
        put_iq1(y + 8 * k, scale, ct_grid_iq1[index], high & 0x8000 ? -0.125f : 0.125f);
    }
}

/* u8[32] low bits of the index | u8[16] a nibble for each 8 weights: 3 high bits, sign of the shift | u16[4] for each
 * 64 weights: 4 x 3 bits scale of 16 weights; the top nibbles of the four together are d, an f16 */
void ct_unpack_iq1_m(const uint8_t *b, float *y)
{
    uint16_t bits = 0;
    for (int k = 0; k < 4; k++)
        bits |= (uint16_t)((ct_le16(b + 48 + 2 * k) >> 12) << (4 * k));
    float d = ct_f16_to_f32(bits);
    for (int k = 0; k < 32; k++) {
        unsigned high = b[32 + k / 2] >> (4 * (k % 2)), s = ct_le16(b + 48 + 2 * (k / 8)) >> (3 * (k / 2 % 4)) & 7;
        unsigned index = b[k] | (high & 7) << 8;
        put_iq1(y + 8 * k, d * (float)(2 * s + 1), ct_grid_iq1[index], high & 8 ? -0.125f : 0.125f);
    }
}

/* d f16 | 16 x 4+4 bits; low nibble of byte i is weight i, high nibble weight i + 16 */
void ct_unpack_iq4_nl(const uint8_t *b, float *y)
{
    float d = read_f16(b);
    for (int i = 0; i < 16; i++) {
        y[i] = d * (float)ct_iq4_values[b[2 + i] & 15];
        y[i + 16] = d * (float)ct_iq4_values[b[2 + i] >> 4];
    }
}

/* d f16 | scales_h u16 | scales_l u8[4] | 8 x (16 x 4+4 bits)
 * Group g of 32 weights: six bits of scale, four in a nibble of scales_l, two in scales_h, less 32. */
void ct_unpack_iq4_xs(const uint8_t *b, float *y)
{
    float d = read_f16(b);
    unsigned high = ct_le16(b + 2);
    for (int g = 0; g < 8; g++) {
        const uint8_t *q = b + 8 + 16 * g;
        int s = (b[4 + g / 2] >> (4 * (g % 2)) & 15) | (int)(high >> (2 * g) & 3) << 4;
        float scale = d * (float)(s - 32);
        for (int i = 0; i < 16; i++) {
            y[32 * g + i] = scale * (float)ct_iq4_values[q[i] & 15];
            y[32 * g + i + 16] = scale * (float)ct_iq4_values[q[i] >> 4];
        }
    }
}
