/* layout.h - where each part of a model lies in its arena: one walk for counting, for carving and for loading.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_MODEL_LAYOUT_H
#define CT_MODEL_LAYOUT_H

#include "model/model.h"

/* Calls fn for every (part, layer) of the configuration, in the order of the arena; stops at the first false. */
bool ct_layout_each(const ct_config *c, bool (*fn)(void *arg, ct_part part, size_t layer), void *arg);

/* The descriptor of a part; m->layers must be there. The one for a norm is NULL in ct_layout_matrix and so on. */
ct_matrix *ct_layout_matrix(ct_model *m, ct_part part, size_t layer);
float **ct_layout_norm(ct_model *m, ct_part part, size_t layer);

/* Takes every part from the arena (or counts, with a counting arena). m may be NULL: only the sizes are wanted. */
bool ct_layout_take(const ct_config *c, ct_model *m, ct_arena *a, ct_type_of *type_of, void *arg, carat_err *err);

#endif
