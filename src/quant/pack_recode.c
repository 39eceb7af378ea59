/* pack_recode.c - IQ1, IQ2 and IQ3: from indices of a codebook to one code a weight.
 *
 * A code is what grids.h has for a magnitude, and a bit above it: the sign, or in IQ1 the sign of the shift. Which
 * value that is: carat_code_table in pack_layout.h. Fields of the blocks are read as unpack_iq.c, the definition, reads
 * them; the difference is what becomes of them: four neighbouring columns at a time in the bytes of one word.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "quant/grids.h"
#include "quant/pack_bits.h"
#include "quant/pack_layout.h"
#include "quant/unpack.h"

/* ---- words of four columns ----------------------------------------------------------------------------------------
 */

/* Bit c of four becomes bit 0 of byte c: the four shifted copies do not overlap. */
static inline uint32_t spread_bits(unsigned four)
{
    return ((four & 15) * 0x00204081u) & 0x01010101u;
}

/* Two-bit field c of eight bits becomes byte c. */
static inline uint32_t spread_pairs(unsigned eight)
{
    uint32_t x = ((eight & 255) | (uint32_t)(eight & 255) << 12) & 0x000F000Fu;
    return (x | x << 6) & 0x03030303u;
}

/* Nibble c of sixteen bits becomes byte c. */
static inline uint32_t spread_nibbles(unsigned sixteen)
{
    uint32_t x = ((sixteen & 0xFFFF) | (uint32_t)(sixteen & 0xFFFF) << 8) & 0x00FF00FFu;
    return (x | x << 4) & 0x0F0F0F0Fu;
}

/* Weights 4k .. 4k + 3 of the block, k = 8 stretch + group: 4-bit codes. */
static inline void put_four(carat_row_unit *u, int k, uint16_t entry, unsigned signs)
{
    uint32_t codes = spread_nibbles(entry) | spread_bits(signs) << 3;
    u->w[k / 8 * 4 + k % 4] |= codes << (k % 8 < 4 ? 0 : 4);
}

/* Weights 8k .. 8k + 7, two groups: 3-bit codes, bit 2 from `high`. */
static inline void put_eight(carat_row_unit *u, int k, uint16_t entry, unsigned high)
{
    int s = k / 4, g = k % 4 * 2;
    uint32_t *pairs = &u->w[8 + 2 * s + g / 4];
    *pairs |= spread_pairs(entry) << (g % 4 * 2) | spread_pairs(entry >> 8) << (g % 4 * 2 + 2);
    u->w[s] |= spread_bits(high) << g | spread_bits(high >> 4) << (g + 1);
}

static inline void put_scale(carat_row_unit *u, int group, unsigned s)
{
    u->b[group / 2] |= (uint8_t)(s << (4 * (group % 2)));
}

static unsigned even_signs(unsigned seven)
{
    return seven | (unsigned)__builtin_parity(seven) << 7;
}

/* ---- blocks -------------------------------------------------------------------------------------------------------
 */

static void recode_iq3_xxs(const uint8_t *b, carat_row_unit *u)
{
    for (int s = 0; s < 8; s++) {
        uint32_t tail = read_u32(b + 66 + 4 * s);
        put_scale(u, s, tail >> 28);
        for (int k = 4 * s; k < 4 * s + 4; k++) {
            unsigned signs = even_signs(tail >> (7 * (k % 4)) & 127);
            put_four(u, 2 * k, carat_grid_iq3_xxs[b[2 + 2 * k]], signs);
            put_four(u, 2 * k + 1, carat_grid_iq3_xxs[b[3 + 2 * k]], signs >> 4);
        }
    }
    u->tail = read_u16(b);
}

static void recode_iq3_s(const uint8_t *b, carat_row_unit *u)
{
    for (int k = 0; k < 64; k++)
        put_four(u, k, carat_grid_iq3_s[b[2 + k] | (b[66 + k / 8] >> (k % 8) & 1) << 8],
                 b[74 + k / 2] >> (4 * (k % 2)));
    memcpy(u->b, b + 106, 4);
    u->tail = read_u16(b);
}

static void recode_iq2_xxs(const uint8_t *b, carat_row_unit *u)
{
    for (int s = 0; s < 8; s++) {
        const uint8_t *index = b + 2 + 8 * s;
        uint32_t tail = read_u32(index + 4);
        put_scale(u, s, tail >> 28);
        for (int k = 0; k < 4; k++)
            put_eight(u, 4 * s + k, carat_grid_iq2_xxs[index[k]], even_signs(tail >> (7 * k) & 127));
    }
    u->tail = read_u16(b);
}

static void recode_iq2_xs(const uint8_t *b, carat_row_unit *u)
{
    for (int k = 0; k < 32; k++) {
        unsigned code = read_u16(b + 2 + 2 * k);
        put_eight(u, k, carat_grid_iq2_xs[code & 511], even_signs(code >> 9));
    }
    memcpy(u->b, b + 66, 8);
    u->tail = read_u16(b);
}

static void recode_iq2_s(const uint8_t *b, carat_row_unit *u)
{
    for (int k = 0; k < 32; k++) {
        unsigned high = b[66 + k / 4] >> (2 * (k % 4)) & 3;
        put_eight(u, k, carat_grid_iq2_s[b[2 + k] | high << 8], b[34 + k]);
    }
    memcpy(u->b, b + 74, 8);
    u->tail = read_u16(b);
}

static void recode_iq1_s(const uint8_t *b, carat_row_unit *u)
{
    for (int k = 0; k < 32; k++) {
        unsigned high = read_u16(b + 34 + 2 * (k / 4));
        put_eight(u, k, carat_grid_iq1[b[2 + k] | (high >> (3 * (k % 4)) & 7) << 8], high & 0x8000 ? 255 : 0);
        if (k % 4 == 0)
            put_scale(u, k / 4, high >> 12 & 7);
    }
    u->tail = read_u16(b);
}

static void recode_iq1_m(const uint8_t *b, carat_row_unit *u)
{
    for (int k = 0; k < 32; k++) {
        unsigned high = b[32 + k / 2] >> (4 * (k % 2)), s = read_u16(b + 48 + 2 * (k / 8)) >> (3 * (k / 2 % 4)) & 7;
        put_eight(u, k, carat_grid_iq1[b[k] | (high & 7) << 8], high & 8 ? 255 : 0);
        if (k % 2 == 0)
            put_scale(u, k / 2, s);
    }
    for (int k = 0; k < 4; k++)
        u->tail |= (uint16_t)((read_u16(b + 48 + 2 * k) >> 12) << (4 * k));
}

void carat_recode_block(carat_type type, const uint8_t *block, carat_row_unit *out)
{
    memset(out, 0, sizeof *out);
    switch (type) {
    case CARAT_IQ3_XXS:
        recode_iq3_xxs(block, out);
        break;
    case CARAT_IQ3_S:
        recode_iq3_s(block, out);
        break;
    case CARAT_IQ2_XXS:
        recode_iq2_xxs(block, out);
        break;
    case CARAT_IQ2_XS:
        recode_iq2_xs(block, out);
        break;
    case CARAT_IQ2_S:
        recode_iq2_s(block, out);
        break;
    case CARAT_IQ1_S:
        recode_iq1_s(block, out);
        break;
    default:
        recode_iq1_m(block, out);
        break;
    }
}

/* ---- values -------------------------------------------------------------------------------------------------------
 */

/* The code of column c of stretch s. */
static inline unsigned code_at(int bits, const carat_row_unit *u, int s, int c)
{
    int g = c / 4, byte = 8 * (c % 4);
    if (bits == 4)
        return u->w[4 * s + g % 4] >> (byte + (g < 4 ? 0 : 4)) & 15;
    return (u->w[8 + 2 * s + g / 4] >> (byte + 2 * (g % 4)) & 3) | (u->w[s] >> (byte + g) & 1) << 2;
}

void carat_recoded_values(carat_type type, const carat_row_unit *in, float *y)
{
    const int8_t *table = carat_code_table(type);
    const int bits = carat_recoded_bits(type), group = carat_scale_is_half(type) ? 16 : 32;
    const float d = carat_f16_to_f32(in->tail) * carat_recoded_unit(type);
    for (int i = 0; i < 256; i++) {
        unsigned s = in->b[i / group / 2] >> (4 * (i / group % 2)) & 15;
        y[i] = d * (float)(2 * s + 1) * (float)table[code_at(bits, in, i / 32, i % 32)];
    }
}
