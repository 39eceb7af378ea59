/* mix.h - which type each matrix has in a published quantisation: "q4_0", "q4_k_m", "bf16", ...
 *
 * The rules of llama.cpp's quantiser for this architecture, with which nearly every GGUF of Gemma 3 was made: the tied
 * embedding in Q6_K below eight bits (Q5_K with the smallest codebooks), some attn_v and ffn_down matrices at more
 * bits, and types of 32 columns where a row is no multiple of 256.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_MODEL_MIX_H
#define CARAT_MODEL_MIX_H

#include "model/model.h"

typedef struct carat_mix {
    const char *name; /* "q4_k_m" */
    carat_type base;
    uint32_t file_type; /* general.file_type; UINT32_MAX: none */
} carat_mix;

const carat_mix *carat_mix_at(size_t i); /* NULL past the end */
/* By mix name or plain type name, in any case; a plain type ("q4_k") is that type for every matrix, embedding too.
 * False if unknown. */
bool carat_mix_by_name(const char *name, carat_mix *out);

/* The type of one matrix of a model of this shape; norms are F32. */
carat_type carat_mix_type(const carat_mix *mix, const carat_config *c, carat_part part, size_t layer);

#endif
