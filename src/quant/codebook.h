/* codebook.h - inside quant/: the codebook types (IQ1, IQ2, IQ3) as the fits see them, and which entries lie near a point.
 *
 * An entry names levels for four or eight neighbouring weights at once; few of all combinations are entries. Weights that
 * take their nearest level each make a point, and the entry with the least error is looked for among those that lie nearest
 * to that point, all weights counting the same. That misses the best one now and then, where weights count unequally or
 * lie far from their levels: by how much, test_quantise.c measures against a search through all.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_QUANT_CODEBOOK_H
#define CT_QUANT_CODEBOOK_H

#include "quant/types.h"

typedef enum ct_book {
    CT_BOOK_IQ1_S,
    CT_BOOK_IQ1_M,
    CT_BOOK_IQ2_XXS,
    CT_BOOK_IQ2_XS,
    CT_BOOK_IQ2_S,
    CT_BOOK_IQ3_XXS,
    CT_BOOK_IQ3_S,
    CT_N_BOOK
} ct_book;

typedef struct ct_book_form {
    const uint16_t
        *grid; /* codes of an entry's weights, the first lowest: of two bits where dim is 8, of four where it is 4 */
    int n_entry, dim; /* entries; weights of one */
    int n_level;
    float level[8]; /* what a code stands for, rising */
    float shift;    /* added to it or subtracted; 0: neither */
    int len;        /* weights of a group */
    bool one_shift; /* for the group, not for each entry */
    int s_max;
    bool has_signs, is_even;
    float first,
        step; /* tries of the largest weight, in units of the largest level: first, first step, first step^2 .. */
} ct_book_form;

extern const ct_book_form ct_book_forms[CT_N_BOOK];

enum { CT_NEAR = 32 };

/* The entries that lie nearest to a point, nearest first: their codes and numbers. */
typedef struct ct_near {
    uint16_t code[CT_NEAR], entry[CT_NEAR];
} ct_near;

/* Makes the lists of a book, 840 KB at most, if they are not there yet; they stay. False: no memory. From any thread. */
bool ct_near_prepare(ct_book book);
/* By point: sum of code * n_level^i over its weights i. Only when they have been made, before the caller's thread began or in
 * it. */
const ct_near *ct_near_lists(ct_book book);

#endif
