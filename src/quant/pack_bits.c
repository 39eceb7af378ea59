/* pack_bits.c - the bit shuffles behind the packed panel.
 *
 * Words of a share are four neighbouring columns, byte c = column 4g + c ("group" g). Nearly every source layout is
 * such a word already, with several groups or stretches in its bit fields, so packing is the transposition of small
 * matrices of bit fields, done on four columns at once in one 32-bit word. Transpositions undo themselves: splitting
 * and joining share them.
 *
 * Block layouts: quant/README.md.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "quant/pack_bits.h"

#include <string.h>

#include "quant/pack_layout.h"

/* Swaps the bits of *a selected by mask << shift with the bits of *b selected by mask. */
static inline void swap_bits(uint32_t *a, uint32_t *b, int shift, uint32_t mask)
{
    uint32_t t = ((*a >> shift) ^ *b) & mask;
    *b ^= t;
    *a ^= t << shift;
}

/* Nibbles: (a.low, a.high), (b.low, b.high) -> (a.low, b.low), (a.high, b.high). Where a source word holds stretch s in
 * its low and stretch t in its high nibbles, and a is group v, b group v + 4, the results are vector v of each. */
static void swap_nibbles(uint32_t *a, uint32_t *b)
{
    swap_bits(a, b, 4, 0x0F0F0F0Fu);
}

/* Word 2i, two-bit field t <-> word 2t, field i. */
static void transpose_pairs(uint32_t *w)
{
    swap_bits(&w[0], &w[4], 4, 0x0F0F0F0Fu), swap_bits(&w[2], &w[6], 4, 0x0F0F0F0Fu);
    swap_bits(&w[0], &w[2], 2, 0x33333333u), swap_bits(&w[4], &w[6], 2, 0x33333333u);
}

/* In each of the four byte columns: word g, bit s <-> word s, bit g. */
static void transpose_bits(uint32_t w[8])
{
    for (int i = 0; i < 4; i++)
        swap_bits(&w[i], &w[i + 4], 4, 0x0F0F0F0Fu);
    for (int i = 0; i < 8; i += 4)
        swap_bits(&w[i], &w[i + 2], 2, 0x33333333u), swap_bits(&w[i + 1], &w[i + 3], 2, 0x33333333u);
    for (int i = 0; i < 8; i += 2)
        swap_bits(&w[i], &w[i + 1], 1, 0x55555555u);
}

/* The inverse of ct_unshuffle. */
static uint32_t shuffle(uint32_t x)
{
    static const uint32_t masks[4] = { 0x0000FF00u, 0x00F000F0u, 0x0C0C0C0Cu, 0x22222222u };
    for (int i = 0; i < 4; i++) {
        int s = 8 >> i;
        uint32_t t = (x ^ (x >> s)) & masks[i];
        x ^= t ^ (t << s);
    }
    return x;
}

/* ---- both directions from one description ---- */

enum direction { SPLIT, JOIN };

/* Moves n bytes from the block to the share (SPLIT) or back (JOIN). */
static inline void move(enum direction dir, void *share, uint8_t *block, size_t n)
{
    if (dir == SPLIT)
        memcpy(share, block, n);
    else
        memcpy(block, share, n);
}

/* The 16 words of 2-bit codes: the block's word 8n + 4j + i is the share's 8n + 2i + j (n: half, j: vector). */
static inline void move_pairs(enum direction dir, uint32_t *w, uint8_t *block)
{
    for (int i = 0; i < 16; i++)
        move(dir, &w[(i & 8) + 2 * (i & 3) + (i >> 2 & 1)], block + 4 * i, 4);
}

static inline void mix_pairs(uint32_t *w)
{
    for (int n = 0; n < 16; n += 8)
        for (int j = 0; j < 2; j++)
            transpose_pairs(&w[n + j]);
}

/* The 32 words of 4-bit codes of a K block, eight a pair of stretches whose nibbles share bytes. */
static inline void mix_nibbles(uint32_t *w)
{
    for (int i = 0; i < 32; i += 8)
        for (int v = 0; v < 4; v++)
            swap_nibbles(&w[i + v], &w[i + 4 + v]);
}

/* In Q6_K stretches t and t + 2 of a half share bytes. */
static inline void mix_nibbles_q6(uint32_t *w)
{
    for (int i = 0; i < 32; i += 16)
        for (int v = 0; v < 8; v++)
            swap_nibbles(&w[i + v], &w[i + 8 + v]);
}

static inline void move_block32(enum direction dir, ct_type type, int stretches, ct_row_unit *u, uint8_t *block)
{
    bool has_m = type == CT_Q4_1 || type == CT_Q5_1, has_high = type == CT_Q5_0 || type == CT_Q5_1;
    int n_codes = type == CT_Q8_0 ? 8 : 4;
    uint32_t *codes = u->w + (has_high ? stretches : 0);
    for (int s = 0; s < stretches; s++) {
        move(dir, &u->h[s], block, 2), block += 2;
        if (has_m)
            move(dir, &u->h[stretches + s], block, 2), block += 2;
        if (has_high)
            move(dir, &u->w[s], block, 4), block += 4;
        move(dir, codes + s * n_codes, block, 4 * (size_t)n_codes), block += 4 * n_codes;
    }
}

/* The words in place, between the block's meaning and the panel's. Q4_0, Q4_1, Q5_x, IQ4_NL and IQ4_XS codes are in
 * the panel's order as they are: byte j holds columns j and j + 16. */
static inline void mix_block32(enum direction dir, ct_type type, int stretches, uint32_t *w)
{
    if (type == CT_Q8_0)
        for (int i = 0; i < 8 * stretches; i++)
            w[i] ^= 0x80808080u; /* i8 -> u8 + 128 */
    if (type == CT_Q5_0 || type == CT_Q5_1)
        for (int s = 0; s < stretches; s++)
            w[s] = dir == SPLIT ? ct_unshuffle(ct_unshuffle(w[s])) : shuffle(shuffle(w[s]));
}

static inline void move_block256(enum direction dir, ct_type type, ct_row_unit *u, uint8_t *block)
{
    switch (type) {
    case CT_Q2_K:
        move(dir, u->b, block, 16);
        move_pairs(dir, u->w, block + 16);
        move(dir, u->h, block + 80, 4);
        break;
    case CT_Q3_K:
        move(dir, u->w, block, 32);
        move_pairs(dir, u->w + 8, block + 32);
        move(dir, u->b, block + 96, 12);
        move(dir, &u->tail, block + 108, 2);
        break;
    case CT_Q4_K:
        move(dir, u->h, block, 4);
        move(dir, u->b, block + 4, 12);
        move(dir, u->w, block + 16, 128);
        break;
    case CT_Q5_K:
        move(dir, u->h, block, 4);
        move(dir, u->b, block + 4, 12);
        move(dir, u->w, block + 16, 160);
        break;
    case CT_Q6_K: /* quarter 16n + 8t + 4h + v of ql is the share's 16n + 8h + 4t + v */
        for (int i = 0; i < 32; i += 4)
            move(dir, &u->w[16 + (i & 16) + (i & 4) * 2 + (i & 8) / 2], block + 4 * i, 16);
        move_pairs(dir, u->w, block + 128);
        move(dir, u->b, block + 192, 16);
        move(dir, &u->tail, block + 208, 2);
        break;
    case CT_IQ4_XS:
        move(dir, u->h, block, 4);
        move(dir, u->b, block + 4, 4);
        move(dir, u->w, block + 8, 128);
        break;
    default:
        break;
    }
}

static inline void mix_block256(ct_type type, uint32_t *w)
{
    switch (type) {
    case CT_Q2_K:
        mix_pairs(w);
        break;
    case CT_Q3_K:
        transpose_bits(w);
        mix_pairs(w + 8);
        break;
    case CT_Q4_K:
        mix_nibbles(w);
        break;
    case CT_Q5_K:
        transpose_bits(w);
        mix_nibbles(w + 8);
        break;
    case CT_Q6_K:
        mix_pairs(w);
        mix_nibbles_q6(w + 16);
        break;
    default: /* IQ4_XS */
        break;
    }
}

void ct_split_block(ct_type type, int stretches, const uint8_t *block, ct_row_unit *out)
{
    uint8_t *b = (uint8_t *)block; /* only read in this direction */
    if (ct_recoded_bits(type)) {
        ct_recode_block(type, block, out);
    } else if (stretches == 8) {
        move_block256(SPLIT, type, out, b);
        mix_block256(type, out->w);
    } else {
        move_block32(SPLIT, type, stretches, out, b);
        mix_block32(SPLIT, type, stretches, out->w);
    }
}

void ct_join_block(ct_type type, int stretches, const ct_row_unit *in, uint8_t *block)
{
    ct_row_unit u = *in;
    if (stretches == 8) {
        mix_block256(type, u.w);
        move_block256(JOIN, type, &u, block);
    } else {
        mix_block32(JOIN, type, stretches, u.w);
        move_block32(JOIN, type, stretches, &u, block);
    }
}
