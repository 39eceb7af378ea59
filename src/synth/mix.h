/* mix.h - which type each matrix has in a published quantisation: "q4_0", "q4_k_m", "bf16", ...
 *
 * The rules of llama.cpp's quantiser for this architecture, with which nearly every GGUF of Gemma 3 was made: the tied
 * embedding in Q6_K below eight bits (Q5_K with the smallest codebooks), some attn_v and ffn_down matrices at more
 * bits, and types of 32 columns where a row is no multiple of 256.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SYNTH_MIX_H
#define CT_SYNTH_MIX_H

#include "model/model.h"

typedef struct ct_mix {
    const char *name; /* "q4_k_m" */
    ct_type base;
    uint32_t file_type; /* general.file_type; UINT32_MAX: none */
    /* How it is made. Both false: as published files are, the codebook mixes with an importance matrix, the others without. */
    bool is_blind;   /* without an importance matrix, where that changes the mix */
    bool is_weighed; /* with one, where that changes it */
} ct_mix;

const ct_mix *ct_mix_at(size_t i); /* NULL past the end */
/* By mix name or plain type name, in any case; a plain type ("q4_k") is that type for every matrix, embedding too.
 * False if unknown. */
bool ct_mix_by_name(const char *name, ct_mix *out);

/* The type of one matrix of a model of this shape; norms are F32. */
ct_type ct_mix_type(const ct_mix *mix, const ct_config *c, ct_part part, size_t layer);
/* The same of a matrix whose rows are `cols` long: of c its layers and heads are read. A part past the last (CT_N_PARTS) is a
 * matrix that Gemma 3 does not have: it gets the mix's own type. */
ct_type ct_mix_type_of(const ct_mix *mix, const ct_config *c, ct_part part, size_t layer, size_t cols);

#endif
