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

static inline void move_block32(enum direction dir, ct_type type, int stretches, ct_row_unit *u, uint8_t *block)
{
    const ct_form *form = ct_form_of(type);
    const bool has_high = form->codes == CT_CODES_4_1;
    const int n_codes = form->codes == CT_CODES_8 ? 8 : 4;
    uint32_t *codes = u->w + (has_high ? stretches : 0);
    for (int s = 0; s < stretches; s++) {
        move(dir, &u->h[s], block, 2), block += 2;
        if (form->has_min)
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
    const ct_codes codes = ct_form_of(type)->codes;
    if (codes == CT_CODES_8)
        for (int i = 0; i < 8 * stretches; i++)
            w[i] ^= 0x80808080u; /* i8 -> u8 + 128 */
    if (codes == CT_CODES_4_1)
        for (int s = 0; s < stretches; s++)
            w[s] = dir == SPLIT ? ct_unshuffle(ct_unshuffle(w[s])) : shuffle(shuffle(w[s]));
}

/* ---- blocks of 256: a function a type moves the fields, another brings the words in the panel's order ---- */

static inline void move_q2_k(enum direction dir, ct_row_unit *u, uint8_t *block)
{
    move(dir, u->b, block, 16);
    move_pairs(dir, u->w, block + 16);
    move(dir, u->h, block + 80, 4);
}

static inline void mix_q2_k(uint32_t *w)
{
    mix_pairs(w);
}

static inline void move_q3_k(enum direction dir, ct_row_unit *u, uint8_t *block)
{
    move(dir, u->w, block, 32);
    move_pairs(dir, u->w + 8, block + 32);
    move(dir, u->b, block + 96, 12);
    move(dir, &u->tail, block + 108, 2);
}

static inline void mix_q3_k(uint32_t *w)
{
    transpose_bits(w);
    mix_pairs(w + 8);
}

static inline void move_q4_k(enum direction dir, ct_row_unit *u, uint8_t *block)
{
    move(dir, u->h, block, 4);
    move(dir, u->b, block + 4, 12);
    move(dir, u->w, block + 16, 128);
}

static inline void mix_q4_k(uint32_t *w)
{
    mix_nibbles(w);
}

static inline void move_q5_k(enum direction dir, ct_row_unit *u, uint8_t *block)
{
    move(dir, u->h, block, 4);
    move(dir, u->b, block + 4, 12);
    move(dir, u->w, block + 16, 160);
}

static inline void mix_q5_k(uint32_t *w)
{
    transpose_bits(w);
    mix_nibbles(w + 8);
}

/* Quarter 16n + 8t + 4h + v of ql is the share's 16n + 8h + 4t + v. */
static inline void move_q6_k(enum direction dir, ct_row_unit *u, uint8_t *block)
{
    for (int i = 0; i < 32; i += 4)
        move(dir, &u->w[16 + (i & 16) + (i & 4) * 2 + (i & 8) / 2], block + 4 * i, 16);
    move_pairs(dir, u->w, block + 128);
    move(dir, u->b, block + 192, 16);
    move(dir, &u->tail, block + 208, 2);
}

/* Stretches t and t + 2 of a half share bytes. */
static inline void mix_q6_k(uint32_t *w)
{
    mix_pairs(w);
    for (int i = 16; i < 48; i += 16)
        for (int v = 0; v < 8; v++)
            swap_nibbles(&w[i + v], &w[i + 8 + v]);
}

static inline void move_iq4_xs(enum direction dir, ct_row_unit *u, uint8_t *block)
{
    move(dir, u->h, block, 4);
    move(dir, u->b, block + 4, 4);
    move(dir, u->w, block + 8, 128);
}

static inline void mix_iq4_xs(uint32_t *w)
{
    (void)w;
}

/* Of the types of blocks of 256 columns: the block to its share and back. */
#define SPLIT_256(T, t, ...)                                                                                           \
    case CT_##T:                                                                                                       \
        move_##t(SPLIT, out, b);                                                                                       \
        mix_##t(out->w);                                                                                               \
        break;
#define JOIN_256(T, t, ...)                                                                                            \
    case CT_##T:                                                                                                       \
        mix_##t(u.w);                                                                                                  \
        move_##t(JOIN, &u, block);                                                                                     \
        break;

void ct_split_block(ct_type type, int stretches, const uint8_t *block, ct_row_unit *out)
{
    uint8_t *b = (uint8_t *)block; /* only read in this direction */
    if (ct_is_recoded(type)) {
        ct_recode_block(type, block, out);
        return;
    }
    switch ((int)type) {
        CT_FORMS_256(SPLIT_256)
    default:
        move_block32(SPLIT, type, stretches, out, b);
        mix_block32(SPLIT, type, stretches, out->w);
    }
}

void ct_join_block(ct_type type, int stretches, const ct_row_unit *in, uint8_t *block)
{
    ct_row_unit u = *in;
    switch ((int)type) {
        CT_FORMS_256(JOIN_256)
    default:
        mix_block32(JOIN, type, stretches, u.w);
        move_block32(JOIN, type, stretches, &u, block);
    }
}
