/* pack_bits.h - one row's block as its share of a packed unit, and back: pure reshuffling of bits.
 *
 * A share holds exactly the bits of the source block(s): halves, scale bytes, and words of which each becomes one lane
 * of a 64-byte vector (pack_layout.h). carat_join_block(carat_split_block(x)) == x for every bit pattern x.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_QUANT_PACK_BITS_H
#define CARAT_QUANT_PACK_BITS_H

#include "quant/types.h"

typedef struct carat_row_unit {
    uint16_t h[4];  /* d, m, scales_h */
    uint8_t b[16];  /* scale bytes */
    uint32_t w[48]; /* high bits, 2-bit codes, codes */
    uint16_t tail;  /* d of Q6_K and Q3_K */
} carat_row_unit;

/* stretches: 1 or 2 blocks for the 32-column types, 8 (one block) for the 256-column types. */
void carat_split_block(carat_type type, int stretches, const uint8_t *block, carat_row_unit *out);
void carat_join_block(carat_type type, int stretches, const carat_row_unit *in, uint8_t *block);

#endif
