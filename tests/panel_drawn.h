/* panel_drawn.h - one weight out of a packed panel, read as quant/README.md draws it and by nothing else.
 *
 * Offsets are worked out by hand, on purpose: this is the second opinion on packers and kernels.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_PANEL_DRAWN_H
#define CT_TESTS_PANEL_DRAWN_H

#include "quant/types.h"

/* An interleaved type's weight is *product + *min: scale times code, exact in float32, and what is added to it (-0
 * where the type has no minimum, so that adding it changes nothing). */
void drawn_weight(ct_type type, const uint8_t *panel, size_t cols, int row, int col, float *product, float *min);

/* The weight rounded to float32. */
static inline float drawn_value(ct_type type, const uint8_t *panel, size_t cols, int row, int col)
{
    float product, min;
    drawn_weight(type, panel, cols, row, col, &product, &min);
    return product + min;
}

#endif
