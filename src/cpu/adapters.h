/* adapters.h - LoRA adapters in this machine's memory: their factors, packed like any matrix, and the sums between them.
 *
 *   y += B (scale * (A x))        A: [rank, in], B: [out, rank]
 *
 * All in float32: x is the product's input before it is put into another form, A and B are widened exactly. Factors in F32,
 * F16 and BF16 keep their type, quantised ones become F32. Each sum runs in column order (kernels.h), first A's, then B's,
 * then the addition to y: whatever else is in the step, a token's numbers stay the same.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CPU_ADAPTERS_H
#define CT_CPU_ADAPTERS_H

#include "cpu/weights.h"

/* The factors of one matrix. */
typedef struct ct_adapted {
    ct_matrix a, b; /* a.packed NULL: this matrix is not adapted */
    float scale;    /* alpha by rank */
    float *sums;    /* A x of the rows of a step: [max_batch][sums_stride]; one user at a time */
} ct_adapted;

struct ct_adapter {
    ct_adapted (*layers)[CT_N_PARTS - CT_FIRST_LAYER_PART]; /* [n_layer] */
    size_t n_layer;
    size_t sums_stride; /* floats: the highest rank, rounded up to whole panels */
    size_t bytes;       /* of the block */
    ct_arena arena;
};

/* What an adapter takes for steps of at most max_batch rows. Errors: CARAT_ELIMIT. */
bool ct_adapter_bytes(const ct_lora *l, const ct_config *c, size_t max_batch, uint64_t *out, carat_err *err);
/* Reads and packs it on the calling thread, and checks that its numbers are finite; digest: SHA-256 of shapes, scales and
 * bytes. Errors: as of backend.h. */
bool ct_adapter_load(const ct_lora *l, const ct_config *c, size_t max_batch, ct_adapter **out, uint8_t digest[32],
                     carat_err *err);
void ct_adapter_free(ct_adapter *a); /* accepts NULL */

static inline const ct_adapted *ct_adapter_at(const ct_adapter *a, ct_part part, size_t layer)
{
    const ct_adapted *at = &a->layers[layer][part - CT_FIRST_LAYER_PART];
    return at->a.packed ? at : NULL;
}

#endif
