/* pack_bits.h - rows' blocks as a packed unit, and one row's share of a unit as its block.
 *
 * A share is halves, scale bytes, and words of which each becomes one lane of a 64-byte vector (pack_layout.h). For all
 * but the recoded types it holds exactly the bits of the source block(s), reshuffled: joining a row's share of what was
 * split gives the block again, for every bit pattern. A recoded share holds the block's values: what the codebook's
 * entries mean, weight by weight.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_QUANT_PACK_BITS_H
#define CT_QUANT_PACK_BITS_H

#include "quant/pack.h"

typedef struct ct_row_unit {
    uint16_t h[4];  /* d, m, scales_h */
    uint8_t b[16];  /* scale bytes */
    uint32_t w[48]; /* high bits, 2-bit codes, codes */
    uint16_t tail;  /* d of Q6_K, Q3_K and the recoded types */
} ct_row_unit;

/* The blocks of sixteen rows, which are not of a recoded type, as a unit; its part of the tail, if it has one, apart.
 * Both aligned to four bytes. stretches: 1 or 2 blocks for the 32-column types, 8 (one block) for the 256-column types. */
void ct_split_blocks(ct_type type, int stretches, const uint8_t *const blocks[CT_PANEL], uint8_t *unit, uint8_t *tail);
/* Words of sixteen rows side by side: word i of row r is w[16 i + r]. n is a multiple of four. */
void ct_split_words(const uint8_t *const rows[CT_PANEL], size_t n, uint32_t *w);
void ct_join_block(ct_type type, int stretches, const ct_row_unit *in, uint8_t *block);

/* pack_recode.c: the same for the recoded types, but back to values: float32 y[256], those of ct_unpack_row. */
void ct_recode_block(ct_type type, const uint8_t *block, ct_row_unit *out);
void ct_recoded_values(ct_type type, const ct_row_unit *in, float *y);

/* Bits with even numbers to the lower half, in order, odd ones to the upper: a perfect unshuffle (Hacker's Delight,
 * section 7-2). Twice, it takes bit 4g + c (as Q5's qh has them) to bit 8c + g: a number's bits rotated by two places.
 */
static inline uint32_t ct_unshuffle(uint32_t x)
{
    static const uint32_t masks[4] = { 0x22222222u, 0x0C0C0C0Cu, 0x00F000F0u, 0x0000FF00u };
    for (int i = 0; i < 4; i++) {
        int s = 1 << i;
        uint32_t t = (x ^ (x >> s)) & masks[i];
        x ^= t ^ (t << s);
    }
    return x;
}

#endif
