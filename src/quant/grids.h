/* grids.h - the codebooks of the IQ types: constants of the format, the same in every implementation.
 *
 * An entry holds the magnitudes of 8 (IQ1, IQ2) or 4 (IQ3) neighbouring weights as small codes, the first weight in the
 * lowest bits. Two bits a weight for IQ1 and IQ2, four for IQ3.
 *
 *     IQ1_S, IQ1_M            code 0, 1, 2 = -1, 0, 1
 *     IQ2_XXS, IQ2_XS, IQ2_S  code 0, 1, 2 = 8, 25, 43
 *     IQ3_XXS                 code c = 8 c + 4, but 7 = 62
 *     IQ3_S                   code c = 2 c + 1
 *
 * Source: ggml-common.h of ggml, whose tables spell every weight as a byte; the Python package gguf packs them as here.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_QUANT_GRIDS_H
#define CT_QUANT_GRIDS_H

#include <stdint.h>

extern const uint16_t ct_grid_iq1[2048];
extern const uint16_t ct_grid_iq2_xxs[256];
extern const uint16_t ct_grid_iq2_xs[512];
extern const uint16_t ct_grid_iq2_s[1024];
extern const uint16_t ct_grid_iq3_xxs[256];
extern const uint16_t ct_grid_iq3_s[512];

#endif
