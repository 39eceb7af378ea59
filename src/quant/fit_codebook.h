/* fit_codebook.h - inside quant/: the best entries of a codebook for blocks, and the best scales (IQ1, IQ2, IQ3).
 *
 * An entry stands for the magnitudes (IQ1: the values) of four or eight neighbouring weights. The error is that of
 * fit.h, summed over a block of 256:
 *
 *     y = d (2 s + 1) (level + shift) sign         s of a group, d of the block
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_QUANT_FIT_CODEBOOK_H
#define CT_QUANT_FIT_CODEBOOK_H

#include "quant/codebook.h"
#include "quant/fit.h"

typedef struct ct_coded {
    uint16_t d;
    uint8_t s[16];      /* by group of 16 or 32 weights */
    uint16_t entry[64]; /* by four or eight weights */
    uint8_t signs[32];  /* by eight weights: bit i set = minus. Even in number where the eighth is not stored */
    bool minus[32];     /* by eight weights: the shift is subtracted (IQ1) */
} ct_coded;

/* n blocks of a stretch, at most two. */
void ct_fit_codebook(ct_book book, const ct_stretch *s, int n, ct_coded *out);

#endif
