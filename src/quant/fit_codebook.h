/* fit_codebook.h - inside quant/: the best entries of a codebook for a block, and the best scales (IQ1, IQ2, IQ3).
 *
 * An entry stands for the magnitudes (IQ1: the values) of four or eight neighbouring weights. The error is that of
 * fit.h, summed over a block of 256:
 *
 *     y = d (2 s + 1) (level + shift) sign         s of a group, d of the block
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_QUANT_FIT_CODEBOOK_H
#define CT_QUANT_FIT_CODEBOOK_H

#include "quant/level.h"
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

typedef struct ct_coded {
    uint16_t d;
    uint8_t s[16];      /* by group of 16 or 32 weights */
    uint16_t entry[64]; /* by four or eight weights */
    uint8_t signs[32];  /* by eight weights: bit i set = minus. Even in number where the eighth is not stored */
    bool minus[32];     /* by eight weights: the shift is subtracted (IQ1) */
} ct_coded;

void ct_fit_codebook(ct_book book, const float *x, const float *w, ct_coded *out);

#endif
