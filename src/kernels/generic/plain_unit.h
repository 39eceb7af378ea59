/* plain_unit.h - one unit of a packed panel in the one plain form that the generic products work on.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_GENERIC_PLAIN_UNIT_H
#define CT_KERNELS_GENERIC_PLAIN_UNIT_H

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

#endif
