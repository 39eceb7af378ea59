/* types.h - one data table that describes every tensor type.
 *
 * A tensor row is a whole number of blocks; a block holds `block` weights in `bytes` bytes. Type numbers are GGML's, as
 * written in GGUF files (GGUF specification, "Tensor infos"). Sizes and layouts: ggml-common.h of ggml, restated in
 * quant/README.md block by block.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_QUANT_TYPES_H
#define CARAT_QUANT_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum carat_type {
    CARAT_F32 = 0,
    CARAT_F16 = 1,
    CARAT_Q4_0 = 2,
    CARAT_Q4_1 = 3,
    CARAT_Q5_0 = 6,
    CARAT_Q5_1 = 7,
    CARAT_Q8_0 = 8,
    CARAT_Q8_1 = 9,
    CARAT_Q2_K = 10,
    CARAT_Q3_K = 11,
    CARAT_Q4_K = 12,
    CARAT_Q5_K = 13,
    CARAT_Q6_K = 14,
    CARAT_Q8_K = 15,
    CARAT_IQ2_XXS = 16,
    CARAT_IQ2_XS = 17,
    CARAT_IQ3_XXS = 18,
    CARAT_IQ1_S = 19,
    CARAT_IQ4_NL = 20,
    CARAT_IQ3_S = 21,
    CARAT_IQ2_S = 22,
    CARAT_IQ4_XS = 23,
    CARAT_IQ1_M = 29,
    CARAT_BF16 = 30,
    CARAT_TQ1_0 = 34,
    CARAT_TQ2_0 = 35,
    CARAT_MXFP4 = 39,
    CARAT_NVFP4 = 40,
    CARAT_Q1_0 = 41,
    CARAT_N_TYPE = 42 /* one past the largest; the numbers have holes */
} carat_type;

typedef struct carat_type_info {
    const char *name;  /* "Q4_K"; NULL in a hole of the numbering */
    uint16_t block;    /* weights in a block */
    uint16_t bytes;    /* bytes of a block */
    bool is_quantised; /* not F32, F16, BF16 */
    bool can_quantise; /* carat_quantise_row knows it */
} carat_type_info;

/* NULL for a number that is no known type. */
const carat_type_info *carat_type_get(uint32_t type);

/* By name, in any case ("q4_k"); also llama.cpp's file-type spellings are NOT accepted here. Returns false if unknown.
 */
bool carat_type_by_name(const char *name, carat_type *out);

/* Bytes of a row of n weights. False if the type is unknown, n is no multiple of the block, or it overflows. */
bool carat_row_bytes(uint32_t type, size_t n, size_t *out);

/* Exact float32 values of n weights (n a multiple of the block). src need not be aligned; NaN and infinite scales give
 * NaN and infinities, never undefined behaviour. The values equal ggml's dequantize_row_* to the bit. */
void carat_unpack_row(carat_type type, const void *src, float *dst, size_t n);

/* Rounds n float32 weights into blocks. Only for types with can_quantise. Deterministic. Non-finite input is treated
 * as 0. */
void carat_quantise_row(carat_type type, const float *src, void *dst, size_t n);

/* --- half precision, exact and branch-light ----------------------------------------------------------------------- */

float carat_f16_to_f32(uint16_t h);
uint16_t carat_f32_to_f16(float f); /* round to nearest even, overflow to infinity, NaN kept quiet */

static inline float carat_bf16_to_f32(uint16_t h)
{
    union {
        uint32_t u;
        float f;
    } v = { (uint32_t)h << 16 };
    return v.f;
}

uint16_t carat_f32_to_bf16(float f); /* round to nearest even, NaN kept quiet */

#endif
