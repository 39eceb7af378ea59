/* types.h - every tensor type: its number, its block, its values.
 *
 * A tensor row is a whole number of blocks; a block holds `block` weights in `bytes` bytes. Type numbers are GGML's, as
 * written in GGUF files (GGUF specification, "Tensor infos"). Sizes and layouts: ggml-common.h of ggml, restated in
 * quant/README.md block by block.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_QUANT_TYPES_H
#define CT_QUANT_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "quant/type_list.h"

typedef enum ct_type {
#define CT_NUMBER_OF(T, t, number, ...) CT_##T = number,
    CT_PLAIN_TYPES(CT_NUMBER_OF) CT_BLOCK_TYPES(CT_NUMBER_OF)
#undef CT_NUMBER_OF
        CT_N_TYPE /* one past the largest; the numbers have holes */
} ct_type;

typedef struct ct_type_info {
    const char *name;  /* "Q4_K"; NULL in a hole of the numbering */
    uint16_t block;    /* weights in a block */
    uint16_t bytes;    /* bytes of a block */
    bool is_quantised; /* not F32, F16, BF16 */
    bool can_quantise; /* ct_quantise_row knows it */
} ct_type_info;

/* NULL for a number that is not a known type. */
const ct_type_info *ct_type_get(uint32_t type);

/* By name, in any case ("q4_k"). llama.cpp's names of file types ("q4_k_m") are not accepted. False if unknown. */
bool ct_type_by_name(const char *name, ct_type *out);

/* How many tensors of each type, for people: "Q4_K 12, Q6_K 3". Appended to out, which takes the error if there is one. */
void ct_type_counts(const uint32_t counts[CT_N_TYPE], ct_buf *out);

/* Bytes of a row of n weights. False if the type is unknown, n is not a multiple of the block, or the size
 * overflows. */
bool ct_row_bytes(uint32_t type, size_t n, size_t *out);

/* Exact float32 values of n weights (n a multiple of the block). src need not be aligned; NaN and infinite scales give
 * NaN and infinities, never undefined behaviour. The values equal ggml's dequantize_row_* to the bit. */
void ct_unpack_row(ct_type type, const void *src, float *dst, size_t n);

/* What the fits of a type look up, which codebook types need before anything is rounded into them: 840 KB at most, which
 * stay. False: no memory. */
bool ct_quantise_prepare(ct_type type);
/* Rounds n float32 weights into blocks. Only for types with can_quantise, and when they are prepared. Deterministic. Non-finite input is treated
 * as 0. */
void ct_quantise_row(ct_type type, const float *src, void *dst, size_t n);
/* The same with the least error where an error in column i counts importance[i] [n] times: the mean square of what that
 * column is multiplied by. Negative and non-finite ones count as 0; NULL, or a block of zeros: all count the same. */
void ct_quantise_row_for(ct_type type, const float *src, const float *importance, void *dst, size_t n);
/* Rows of cols weights that lie one after the other, importance [cols]. As if each came alone, but quicker. */
void ct_quantise_rows(ct_type type, const float *src, const float *importance, void *dst, size_t cols, size_t rows);

/* ---- half precision, exact and branch-light ---- */

float ct_f16_to_f32(uint16_t h);
uint16_t ct_f32_to_f16(float f); /* round to nearest even, overflow to infinity, NaN kept quiet */

static inline float ct_bf16_to_f32(uint16_t h)
{
    union {
        uint32_t u;
        float f;
    } v = { (uint32_t)h << 16 };
    return v.f;
}

uint16_t ct_f32_to_bf16(float f); /* round to nearest even, NaN kept quiet */

#endif
