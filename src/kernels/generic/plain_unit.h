/* plain_unit.h - one unit of a packed panel in the one plain form that the generic products work on.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_GENERIC_PLAIN_UNIT_H
#define CT_KERNELS_GENERIC_PLAIN_UNIT_H

#include "kernels/kernels.h"
#include "quant/pack_layout.h"

#define CT_PLAIN_GROUPS 16 /* of a unit: 256 columns by 16 */

typedef struct ct_plain_unit {
    int cols, group; /* columns; columns of a group: 32 or 16 */
    bool has_min;
    int8_t codes[256][CT_PANEL]; /* [column][row], bias taken off */
    float scale[CT_PLAIN_GROUPS][CT_PANEL];
    float min[CT_PLAIN_GROUPS][CT_PANEL]; /* to be added: already negative for the K types */
} ct_plain_unit;

/* Of a unit laid out as f; tail: the unit's own d where the type keeps it in the panel's tail. `min` is set where has_min. */
void ct_plain_unit_of(ct_type type, const ct_unit *f, const uint8_t *unit, const uint8_t *tail, ct_plain_unit *out);

#define CT_PLAIN_TOKENS 1024 /* at most, of one call of a ct_plain_panel_fn */

/* One panel, whose first row is `row`, times tokens t0 .. t0 + n_tok - 1. */
typedef void ct_plain_panel_fn(const ct_mul *m, const uint8_t *panel, size_t row, size_t t0, size_t n_tok,
                               void *scratch);
/* Calls it for panels begin .. end - 1 and all tokens. */
void ct_plain_panels(const ct_mul *m, size_t begin, size_t end, void *scratch, ct_plain_panel_fn *multiply);

#endif
