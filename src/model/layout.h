/* layout.h - where each part of a model lies in its arena: one walk for counting, for carving and for loading.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_MODEL_LAYOUT_H
#define CARAT_MODEL_LAYOUT_H

#include "model/model.h"

/* Calls fn for every (part, layer) of the configuration, in the order of the arena; stops at the first false. */
bool carat_layout_each(const carat_config *c, bool (*fn)(void *arg, carat_part part, size_t layer), void *arg);

/* The descriptor of a part; m->layers must be there. The one for a norm is NULL in carat_layout_matrix and so on. */
carat_matrix *carat_layout_matrix(carat_model *m, carat_part part, size_t layer);
float **carat_layout_norm(carat_model *m, carat_part part, size_t layer);

/* Takes every part from the arena (or counts, with a counting arena). m may be NULL: only the sizes are wanted. */
bool carat_layout_take(const carat_config *c, carat_model *m, carat_arena *a, carat_type_of *type_of, void *arg,
                       carat_err *err);

#endif
