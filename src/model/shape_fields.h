/* shape_fields.h - the sizes that make a text model: their names in messages, their limits, and their fields.
 *
 * One table for every use: the limits on a header's sizes (config.c), and the shapes that a caller describes for a
 * made-up model (synth/) or one that is only weighed (weigh/). The program's options for a shape (cli/shape.c) are
 * checked against it by tests/unit/model/test_shape.c.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_MODEL_SHAPE_FIELDS_H
#define CT_MODEL_SHAPE_FIELDS_H

#include "carat_weigh.h"
#include "model/config.h"

typedef struct ct_shape_field {
    const char *name; /* "number of layers" */
    size_t in_shape;  /* offset of a size_t in carat_shape; 0 there keeps the configuration's own */
    size_t in_config; /* offset of a uint32_t in ct_config */
    uint32_t max;     /* the least is 1 for all */
} ct_shape_field;

#define CT_N_SHAPE_FIELDS 9
extern const ct_shape_field ct_shape_fields[CT_N_SHAPE_FIELDS];

/* Field f of a configuration. */
uint32_t ct_shape_field_of(const ct_config *c, const ct_shape_field *f);

/* Puts what the shape states into c: the fields, and `pattern` (every Nth layer is global). *differs is set where c
 * changes by it, and else left as it is. Sizes that contradict each other are ct_config_finish's to refuse.
 * Errors: CARAT_EARG (a field or the pattern above its limit). */
bool ct_shape_apply(const carat_shape *s, ct_config *c, bool *differs, carat_err *err);

#endif
