/* weights.h - the text model's weights, packed for this CPU's products.
 *
 * One block of memory holds every matrix, interleaved by sixteen rows (quant/pack.h), and every norm. One walk counts,
 * carves and loads it, so ct_weights_describe knows the size to the byte. Source pages are released as they are
 * consumed, so the peak stays near one copy. Immutable once loaded; any number of ct_text may use them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CPU_WEIGHTS_H
#define CT_CPU_WEIGHTS_H

#include "backend/backend.h"
#include "base/mem.h"
#include "base/pool.h"
#include "quant/pack.h"

typedef struct ct_matrix { /* y = W x, packed by sixteen rows */
    ct_type type;
    size_t rows, cols;
    uint8_t *packed;
    size_t bytes;
} ct_matrix;

/* The parts of a layer; those outside layers stand in an element of their own. */
typedef union ct_weight {
    ct_matrix matrix;
    float *norm; /* RMSNorm weights with Gemma's +1 inside */
} ct_weight;

typedef struct ct_weights {
    const ct_model *m;
    ct_weight outer[CT_FIRST_LAYER_PART]; /* table, final norm, head; the head is the table when tied */
    ct_weight (*layers)[CT_N_PARTS - CT_FIRST_LAYER_PART]; /* [n_layer] */
    size_t bytes;                                          /* of the block */
    ct_arena arena;
    bool is_mapped; /* from a pack: only read, and shared with whoever maps it too */
} ct_weights;

/* Types, shapes and the size; packed pointers are NULL. m is borrowed. Errors: CARAT_EFORMAT (a matrix that cannot be
 * of its type, by name), CARAT_ELIMIT, CARAT_ENOMEM. On failure close it all the same. */
bool ct_weights_describe(ct_weights *w, const ct_model *m, carat_err *err);
/* Takes the block and fills it on all threads; of a pack, maps it. Errors: CARAT_ENOMEM (with the figure), CARAT_EIO,
 * CARAT_ECANCELLED, CARAT_EUNSUPPORTED (a pack of another layout). */
bool ct_weights_load(ct_weights *w, const ct_source *src, ct_pool *pool, const ct_load_progress *how, carat_err *err);
void ct_weights_close(ct_weights *w); /* accepts a zeroed one */

static inline const ct_weight *ct_weights_at(const ct_weights *w, ct_part part, size_t layer)
{
    return part < CT_FIRST_LAYER_PART ? &w->outer[part] : &w->layers[layer][part - CT_FIRST_LAYER_PART];
}
static inline const ct_matrix *ct_weights_matrix(const ct_weights *w, ct_part part, size_t layer)
{
    return &ct_weights_at(w, part, layer)->matrix;
}
static inline const float *ct_weights_norm(const ct_weights *w, ct_part part, size_t layer)
{
    return ct_weights_at(w, part, layer)->norm;
}

#endif
