/* pack_bits.c - the bit shuffles behind the packed panel.
 *
 * Words of a share are four neighbouring columns, byte c = column 4g + c ("group" g). Nearly every source layout is
 * such a word already, with several groups or stretches in its bit fields, so packing is the transposition of small
 * matrices of bit fields, done on four columns at once in one 32-bit word. Transpositions undo themselves: splitting
 * and joining share them.
 *
 * The same text works on one row's share (one lane) and on a panel's unit, where the sixteen rows' words stand side by
 * side (CT_PANEL lanes): element i of row r is at [i * lanes + r], and every step is one on vectors.
 *
 * Block layouts: quant/README.md.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "quant/pack_bits.h"

#include <string.h>

#include "quant/pack_layout.h"

#define INLINE static inline __attribute__((always_inline))

/* ---- transpositions ---- */

/* Swaps the bits of *a selected by mask << shift with the bits of *b selected by mask. */
INLINE void swap_bits(size_t lanes, uint32_t *restrict a, uint32_t *restrict b, int shift, uint32_t mask)
{
    for (size_t l = 0; l < lanes; l++) {
        uint32_t t = ((a[l] >> shift) ^ b[l]) & mask;
        b[l] ^= t;
        a[l] ^= t << shift;
    }
}

/* Nibbles: (a.low, a.high), (b.low, b.high) -> (a.low, b.low), (a.high, b.high). Where a source word holds stretch s in
 * its low and stretch t in its high nibbles, and a is group v, b group v + 4, the results are vector v of each. */
INLINE void swap_nibbles(size_t lanes, uint32_t *a, uint32_t *b)
{
    swap_bits(lanes, a, b, 4, 0x0F0F0F0Fu);
}

/* Word 2i, two-bit field t <-> word 2t, field i. */
INLINE void transpose_pairs(size_t lanes, uint32_t *w)
{
    swap_bits(lanes, w, w + 4 * lanes, 4, 0x0F0F0F0Fu), swap_bits(lanes, w + 2 * lanes, w + 6 * lanes, 4, 0x0F0F0F0Fu);
    swap_bits(lanes, w, w + 2 * lanes, 2, 0x33333333u), swap_bits(lanes, w + 4 * lanes, w + 6 * lanes, 2, 0x33333333u);
}

/* In each of the four byte columns: word g, bit s <-> word s, bit g. */
INLINE void transpose_bits(size_t lanes, uint32_t *w)
{
    for (size_t i = 0; i < 4; i++)
        swap_bits(lanes, w + i * lanes, w + (i + 4) * lanes, 4, 0x0F0F0F0Fu);
    for (size_t i = 0; i < 8; i += 4) {
        swap_bits(lanes, w + i * lanes, w + (i + 2) * lanes, 2, 0x33333333u);
        swap_bits(lanes, w + (i + 1) * lanes, w + (i + 3) * lanes, 2, 0x33333333u);
    }
    for (size_t i = 0; i < 8; i += 2)
        swap_bits(lanes, w + i * lanes, w + (i + 1) * lanes, 1, 0x55555555u);
}

/* The inverse of ct_unshuffle. */
INLINE uint32_t shuffle(uint32_t x)
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

/* What is moved between: a block of each lane's row, and the lanes' fields side by side. */
typedef struct side {
    enum direction dir;
    size_t lanes;
    uint8_t *const *blocks; /* [lanes]; only read when splitting */
    uint16_t *h, *tail;
    uint8_t *b;
    uint32_t *w;
} side;

/* Moves n elements of `width` bytes from byte `at` of the block to `share` (SPLIT) or back (JOIN). */
INLINE void move(const side *s, void *share, size_t at, size_t width, size_t n)
{
    for (size_t r = 0; r < s->lanes; r++)
        for (size_t i = 0; i < n; i++) {
            uint8_t *element = (uint8_t *)share + (i * s->lanes + r) * width, *block = s->blocks[r] + at + i * width;
            if (s->dir == SPLIT)
                memcpy(element, block, width);
            else
                memcpy(block, element, width);
        }
}

typedef uint32_t quad __attribute__((vector_size(16)));

/* Four words of each of sixteen rows, four rows at a time: the words of row r become lane r. */
INLINE void split_quads(const side *s, uint32_t *w, size_t step, size_t at)
{
    for (size_t r = 0; r < CT_PANEL; r += 4) {
        quad a, b, c, d;
        memcpy(&a, s->blocks[r] + at, sizeof a), memcpy(&b, s->blocks[r + 1] + at, sizeof b);
        memcpy(&c, s->blocks[r + 2] + at, sizeof c), memcpy(&d, s->blocks[r + 3] + at, sizeof d);
        const quad ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), ba = __builtin_shufflevector(a, b, 2, 6, 3, 7);
        const quad cd = __builtin_shufflevector(c, d, 0, 4, 1, 5), dc = __builtin_shufflevector(c, d, 2, 6, 3, 7);
        const quad rows[4] = { __builtin_shufflevector(ab, cd, 0, 1, 4, 5), __builtin_shufflevector(ab, cd, 2, 3, 6, 7),
                               __builtin_shufflevector(ba, dc, 0, 1, 4, 5),
                               __builtin_shufflevector(ba, dc, 2, 3, 6, 7) };
        for (size_t i = 0; i < 4; i++)
            memcpy(w + i * step * CT_PANEL + r, &rows[i], sizeof rows[i]);
    }
}

/* Four words from byte `at` of the block: word i is the share's w[i * step]. */
INLINE void move_quad(const side *s, uint32_t *w, size_t step, size_t at)
{
    if (s->lanes == CT_PANEL && s->dir == SPLIT)
        split_quads(s, w, step, at);
    else
        for (size_t i = 0; i < 4; i++)
            move(s, w + i * step * s->lanes, at + 4 * i, 4, 1);
}

/* n words, a multiple of four, one after another. */
INLINE void move_words(const side *s, uint32_t *w, size_t at, size_t n)
{
    for (size_t i = 0; i < n; i += 4)
        move_quad(s, w + i * s->lanes, 1, at + 4 * i);
}

/* The 16 words of 2-bit codes: the block's word 8n + 4j + i is the share's 8n + 2i + j (n: half, j: vector). */
INLINE void move_pairs(const side *s, uint32_t *w, size_t at)
{
    for (size_t i = 0; i < 16; i += 4)
        move_quad(s, w + ((i & 8) + (i >> 2 & 1)) * s->lanes, 2, at + 4 * i);
}

INLINE void mix_pairs(size_t lanes, uint32_t *w)
{
    for (size_t n = 0; n < 16; n += 8)
        for (size_t j = 0; j < 2; j++)
            transpose_pairs(lanes, w + (n + j) * lanes);
}

/* The 32 words of 4-bit codes of a K block, eight a pair of stretches whose nibbles share bytes. */
INLINE void mix_nibbles(size_t lanes, uint32_t *w)
{
    for (size_t i = 0; i < 32; i += 8)
        for (size_t v = 0; v < 4; v++)
            swap_nibbles(lanes, w + (i + v) * lanes, w + (i + 4 + v) * lanes);
}

INLINE void move_block32(const side *s, ct_type type, size_t stretches)
{
    const ct_form *form = ct_form_of(type);
    const bool has_high = form->codes == CT_CODES_4_1;
    const size_t n_codes = form->codes == CT_CODES_8 ? 8 : 4;
    uint32_t *codes = s->w + (has_high ? stretches * s->lanes : 0);
    size_t at = 0;
    for (size_t i = 0; i < stretches; i++) {
        move(s, s->h + i * s->lanes, at, 2, 1), at += 2;
        if (form->has_min)
            move(s, s->h + (stretches + i) * s->lanes, at, 2, 1), at += 2;
        if (has_high)
            move(s, s->w + i * s->lanes, at, 4, 1), at += 4;
        move_words(s, codes + i * n_codes * s->lanes, at, n_codes), at += 4 * n_codes;
    }
}

/* The words in place, between the block's meaning and the panel's. Q4_0, Q4_1, Q5_x, IQ4_NL and IQ4_XS codes are in
 * the panel's order as they are: byte j holds columns j and j + 16. */
INLINE void mix_block32(enum direction dir, size_t lanes, ct_type type, size_t stretches, uint32_t *w)
{
    const ct_codes codes = ct_form_of(type)->codes;
    if (codes == CT_CODES_8)
        for (size_t i = 0; i < 8 * stretches * lanes; i++)
            w[i] ^= 0x80808080u; /* i8 -> u8 + 128 */
    if (codes == CT_CODES_4_1)
        for (size_t i = 0; i < stretches * lanes; i++)
            w[i] = dir == SPLIT ? ct_unshuffle(ct_unshuffle(w[i])) : shuffle(shuffle(w[i]));
}

/* ---- blocks of 256: a function a type moves the fields, another brings the words in the panel's order ---- */

INLINE void move_q2_k(const side *s)
{
    move(s, s->b, 0, 1, 16);
    move_pairs(s, s->w, 16);
    move(s, s->h, 80, 2, 2);
}

INLINE void mix_q2_k(size_t lanes, uint32_t *w)
{
    mix_pairs(lanes, w);
}

INLINE void move_q3_k(const side *s)
{
    move_words(s, s->w, 0, 8);
    move_pairs(s, s->w + 8 * s->lanes, 32);
    move(s, s->b, 96, 1, 12);
    move(s, s->tail, 108, 2, 1);
}

INLINE void mix_q3_k(size_t lanes, uint32_t *w)
{
    transpose_bits(lanes, w);
    mix_pairs(lanes, w + 8 * lanes);
}

INLINE void move_q4_k(const side *s)
{
    move(s, s->h, 0, 2, 2);
    move(s, s->b, 4, 1, 12);
    move_words(s, s->w, 16, 32);
}

INLINE void mix_q4_k(size_t lanes, uint32_t *w)
{
    mix_nibbles(lanes, w);
}

INLINE void move_q5_k(const side *s)
{
    move(s, s->h, 0, 2, 2);
    move(s, s->b, 4, 1, 12);
    move_words(s, s->w, 16, 40);
}

INLINE void mix_q5_k(size_t lanes, uint32_t *w)
{
    transpose_bits(lanes, w);
    mix_nibbles(lanes, w + 8 * lanes);
}

/* Quarter 16n + 8t + 4h + v of ql is the share's 16n + 8h + 4t + v. */
INLINE void move_q6_k(const side *s)
{
    for (size_t i = 0; i < 32; i += 4)
        move_quad(s, s->w + (16 + (i & 16) + (i & 4) * 2 + (i & 8) / 2) * s->lanes, 1, 4 * i);
    move_pairs(s, s->w, 128);
    move(s, s->b, 192, 1, 16);
    move(s, s->tail, 208, 2, 1);
}

/* Stretches t and t + 2 of a half share bytes. */
INLINE void mix_q6_k(size_t lanes, uint32_t *w)
{
    mix_pairs(lanes, w);
    for (size_t i = 16; i < 48; i += 16)
        for (size_t v = 0; v < 8; v++)
            swap_nibbles(lanes, w + (i + v) * lanes, w + (i + 8 + v) * lanes);
}

INLINE void move_iq4_xs(const side *s)
{
    move(s, s->h, 0, 2, 2);
    move(s, s->b, 4, 1, 4);
    move_words(s, s->w, 8, 32);
}

INLINE void mix_iq4_xs(size_t lanes, uint32_t *w)
{
    (void)lanes;
    (void)w;
}

/* ---- blocks of all types ---- */

INLINE void split_32(const side *s, ct_type type, size_t stretches)
{
    move_block32(s, type, stretches);
    mix_block32(SPLIT, s->lanes, type, stretches, s->w);
}

/* A function a type, so that each is short. */
#define SPLIT_32(T, t, ...)                                                                                            \
    static void split_##t(const side *given, int stretches)                                                            \
    {                                                                                                                  \
        const side s = { SPLIT, CT_PANEL, given->blocks, given->h, given->tail, given->b, given->w };                  \
        if (stretches == 2)                                                                                            \
            split_32(&s, CT_##T, 2);                                                                                   \
        else                                                                                                           \
            split_32(&s, CT_##T, 1);                                                                                   \
    }
#define SPLIT_256(T, t, ...)                                                                                           \
    static void split_##t(const side *given, int stretches)                                                            \
    {                                                                                                                  \
        const side s = { SPLIT, CT_PANEL, given->blocks, given->h, given->tail, given->b, given->w };                  \
        (void)stretches;                                                                                               \
        move_##t(&s);                                                                                                  \
        mix_##t(CT_PANEL, s.w);                                                                                        \
    }
CT_FORMS_32(SPLIT_32)
CT_FORMS_256(SPLIT_256)

#define SPLIT_CASE(T, t, ...)                                                                                          \
    case CT_##T:                                                                                                       \
        split_##t(&s, stretches);                                                                                      \
        break;

void ct_split_blocks(ct_type type, int stretches, const uint8_t *const blocks[CT_PANEL], uint8_t *unit, uint8_t *tail)
{
    const ct_unit f = ct_unit_of(type, stretches);
    uint8_t *bytes = unit + 32 * f.n16, *words = bytes + 16 * f.n8;
    const side s = { .blocks = (uint8_t *const *)(uintptr_t)blocks,
                     .h = (uint16_t *)(void *)unit,
                     .tail = (uint16_t *)(void *)tail,
                     .b = bytes,
                     .w = (uint32_t *)(void *)words };
    switch ((int)type) {
        CT_FORMS_32(SPLIT_CASE)
        CT_FORMS_256(SPLIT_CASE)
    }
}

void ct_split_words(const uint8_t *const rows[CT_PANEL], size_t n, uint32_t *w)
{
    const side s = { .dir = SPLIT, .lanes = CT_PANEL, .blocks = (uint8_t *const *)(uintptr_t)rows };
    move_words(&s, w, 0, n);
}

#define JOIN_256(T, t, ...)                                                                                            \
    case CT_##T:                                                                                                       \
        mix_##t(1, u.w);                                                                                               \
        move_##t(&s);                                                                                                  \
        break;

void ct_join_block(ct_type type, int stretches, const ct_row_unit *in, uint8_t *block)
{
    ct_row_unit u = *in;
    const side s = { JOIN, 1, &block, u.h, &u.tail, u.b, u.w };
    switch ((int)type) {
        CT_FORMS_256(JOIN_256)
    default:
        mix_block32(JOIN, 1, type, (size_t)stretches, u.w);
        move_block32(&s, type, (size_t)stretches);
    }
}
