/* pack_recode.c - IQ1, IQ2 and IQ3: from indices of a codebook to one code a weight.
 *
 * A code is what grids.h has for a magnitude, and a bit above it: the sign, or in IQ1 the sign of the shift. Which
 * value that is: CT_CODE_TABLES in type_list.h. Fields of the blocks are read as unpack_iq.c, the definition, reads
 * them; the difference is that 32 columns go through words at once.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "quant/grids.h"
#include "quant/pack_bits.h"
#include "quant/pack_layout.h"
#include "quant/unpack.h"

/* ---- a stretch ---- */

/* Entries of the codebook follow one another as their weights do, so what is left is to bring fields in the order of
 * columns, 4 g + c, into the panel's: swaps of two bits of a field's number. */

/* Swaps the bits of x selected by mask with those `shift` above. */
static inline uint32_t swap_fields(uint32_t x, int shift, uint32_t mask)
{
    uint32_t t = (x ^ (x >> shift)) & mask;
    return x ^ t ^ (t << shift);
}

/* Bit c of four becomes bit 0 of byte c: the four shifted copies do not overlap. */
static inline uint32_t spread_bits(uint32_t four)
{
    return ((four & 15) * 0x00204081u) & 0x01010101u;
}

/* 4-bit codes of 32 weights: entries of four, bit i of signs is weight i's. Nibbles (half, c) -> (c, half). */
static inline void put_stretch4(ct_row_unit *u, int s, const uint16_t entry[8], uint32_t signs)
{
    for (int v = 0; v < 4; v++) {
        uint32_t x = entry[v] | (uint32_t)entry[v + 4] << 16;
        x = swap_fields(swap_fields(x, 8, 0x0000FF00u), 4, 0x00F000F0u);
        u->w[4 * s + v] = x | spread_bits(signs >> 4 * v) << 3 | spread_bits(signs >> (4 * v + 16)) << 7;
    }
}

/* 3-bit codes of 32 weights: entries of eight, bit i of high is weight i's. Pairs of bits (group, c) -> (c, group). */
static inline void put_stretch3(ct_row_unit *u, int s, const uint16_t entry[4], uint32_t high)
{
    for (int j = 0; j < 2; j++) {
        uint32_t x = entry[2 * j] | (uint32_t)entry[2 * j + 1] << 16;
        u->w[8 + 2 * s + j] = swap_fields(swap_fields(x, 12, 0x0000F0F0u), 6, 0x00CC00CCu);
    }
    u->w[s] = ct_unshuffle(ct_unshuffle(high));
}

/* Seven signs in each byte; the eighth makes the number of minuses even. What is shifted in from the byte above never
 * comes down to bit 0. */
static inline uint32_t even_signs(uint32_t sevens)
{
    uint32_t x = sevens ^ sevens >> 4;
    x ^= x >> 2;
    x ^= x >> 1;
    return sevens | (x & 0x01010101u) << 7;
}

/* Four times seven signs, from bit 0 on. */
static inline uint32_t tail_signs(uint32_t tail)
{
    return even_signs((tail & 0x7F) | (tail << 1 & 0x7F00) | (tail << 2 & 0x7F0000) | (tail << 3 & 0x7F000000));
}

/* ---- blocks ---- */

static void recode_iq3_xxs(const uint8_t *b, ct_row_unit *u)
{
    uint16_t entry[8];
    uint32_t scales = 0;
    for (int s = 0; s < 8; s++) {
        uint32_t tail = ct_le32(b + 66 + 4 * s);
        for (int g = 0; g < 8; g++)
            entry[g] = ct_grid_iq3_xxs[b[2 + 8 * s + g]];
        put_stretch4(u, s, entry, tail_signs(tail));
        scales |= (tail >> 28) << (4 * s);
    }
    memcpy(u->b, &scales, sizeof scales); /* group 0 lowest */
    u->tail = ct_le16(b);
}

static void recode_iq3_s(const uint8_t *b, ct_row_unit *u)
{
    uint16_t entry[8];
    for (int s = 0; s < 8; s++) {
        for (int g = 0; g < 8; g++)
            entry[g] = ct_grid_iq3_s[b[2 + 8 * s + g] | (b[66 + s] >> g & 1) << 8];
        put_stretch4(u, s, entry, ct_le32(b + 74 + 4 * s));
    }
    memcpy(u->b, b + 106, 4);
    u->tail = ct_le16(b);
}

static void recode_iq2_xxs(const uint8_t *b, ct_row_unit *u)
{
    uint16_t entry[4];
    uint32_t scales = 0;
    for (int s = 0; s < 8; s++) {
        const uint8_t *index = b + 2 + 8 * s;
        uint32_t tail = ct_le32(index + 4);
        for (int k = 0; k < 4; k++)
            entry[k] = ct_grid_iq2_xxs[index[k]];
        put_stretch3(u, s, entry, tail_signs(tail));
        scales |= (tail >> 28) << (4 * s);
    }
    memcpy(u->b, &scales, sizeof scales); /* group 0 lowest */
    u->tail = ct_le16(b);
}

static void recode_iq2_xs(const uint8_t *b, ct_row_unit *u)
{
    uint16_t entry[4];
    for (int s = 0; s < 8; s++) {
        uint32_t sevens = 0;
        for (int k = 0; k < 4; k++) {
            unsigned code = ct_le16(b + 2 + 8 * s + 2 * k);
            entry[k] = ct_grid_iq2_xs[code & 511];
            sevens |= (uint32_t)(code >> 9) << (8 * k);
        }
        put_stretch3(u, s, entry, even_signs(sevens));
    }
    memcpy(u->b, b + 66, 8);
    u->tail = ct_le16(b);
}

static void recode_iq2_s(const uint8_t *b, ct_row_unit *u)
{
    uint16_t entry[4];
    for (int s = 0; s < 8; s++) {
        for (int k = 0; k < 4; k++)
            entry[k] = ct_grid_iq2_s[b[2 + 4 * s + k] | (b[66 + s] >> (2 * k) & 3) << 8];
        put_stretch3(u, s, entry, ct_le32(b + 34 + 4 * s));
    }
    memcpy(u->b, b + 74, 8);
    u->tail = ct_le16(b);
}

static void recode_iq1_s(const uint8_t *b, ct_row_unit *u)
{
    uint16_t entry[4];
    uint32_t scales = 0;
    for (int s = 0; s < 8; s++) {
        unsigned high = ct_le16(b + 34 + 2 * s);
        for (int k = 0; k < 4; k++)
            entry[k] = ct_grid_iq1[b[2 + 4 * s + k] | (high >> (3 * k) & 7) << 8];
        put_stretch3(u, s, entry, high & 0x8000 ? 0xFFFFFFFFu : 0);
        scales |= (uint32_t)(high >> 12 & 7) << (4 * s);
    }
    memcpy(u->b, &scales, sizeof scales); /* group 0 lowest */
    u->tail = ct_le16(b);
}

static void recode_iq1_m(const uint8_t *b, ct_row_unit *u)
{
    uint16_t entry[4];
    uint64_t scales = 0;
    for (int s = 0; s < 8; s++) {
        unsigned high = ct_le16(b + 32 + 2 * s), threes = ct_le16(b + 48 + s / 2 * 2) >> (6 * (s % 2));
        uint32_t shifts = 0;
        for (int k = 0; k < 4; k++, high >>= 4) {
            entry[k] = ct_grid_iq1[b[4 * s + k] | (high & 7) << 8];
            shifts |= high & 8 ? 255u << (8 * k) : 0;
        }
        put_stretch3(u, s, entry, shifts);
        scales |= (uint64_t)((threes & 7) | (threes >> 3 & 7) << 4) << (8 * s);
    }
    memcpy(u->b, &scales, sizeof scales);
    u->tail = 0;
    for (int k = 0; k < 4; k++)
        u->tail |= (uint16_t)((ct_le16(b + 48 + 2 * k) >> 12) << (4 * k));
}

#define RECODE(T, t, ...)                                                                                              \
    case CT_##T:                                                                                                       \
        recode_##t(block, out);                                                                                        \
        break;

void ct_recode_block(ct_type type, const uint8_t *block, ct_row_unit *out)
{
    switch ((int)type) {
        CT_FORMS_RECODED(RECODE)
    }
}

/* ---- values ---- */

/* The code of column c of stretch s. */
static inline unsigned code_at(ct_codes codes, const ct_row_unit *u, int s, int c)
{
    int g = c / 4, byte = 8 * (c % 4);
    if (codes == CT_CODES_4)
        return u->w[4 * s + g % 4] >> (byte + (g < 4 ? 0 : 4)) & 15;
    return (u->w[8 + 2 * s + g / 4] >> (byte + 2 * (g % 4)) & 3) | (u->w[s] >> (byte + g) & 1) << 2;
}

void ct_recoded_values(ct_type type, const ct_row_unit *in, float *y)
{
    const ct_form *form = ct_form_of(type);
    const int group = form->is_half ? 16 : 32;
    const float d = ct_f16_to_f32(in->tail) * form->unit;
    for (int i = 0; i < 256; i++) {
        unsigned s = in->b[i / group / 2] >> (4 * (i / group % 2)) & 15;
        y[i] = d * (float)(2 * s + 1) * (float)form->table[code_at(form->codes, in, i / 32, i % 32)];
    }
}
