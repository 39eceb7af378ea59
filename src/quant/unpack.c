/* unpack.c - carat_unpack_row: picks the block function of a type and walks the row.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "quant/unpack.h"

#include <assert.h>
#include <string.h>

static void (*const block_of[CARAT_N_TYPE])(const uint8_t *b, float *y) = {
    [CARAT_Q4_0] = carat_unpack_q4_0,     [CARAT_Q4_1] = carat_unpack_q4_1,     [CARAT_Q5_0] = carat_unpack_q5_0,
    [CARAT_Q5_1] = carat_unpack_q5_1,     [CARAT_Q8_0] = carat_unpack_q8_0,     [CARAT_Q8_1] = carat_unpack_q8_1,
    [CARAT_Q2_K] = carat_unpack_q2_k,     [CARAT_Q3_K] = carat_unpack_q3_k,     [CARAT_Q4_K] = carat_unpack_q4_k,
    [CARAT_Q5_K] = carat_unpack_q5_k,     [CARAT_Q6_K] = carat_unpack_q6_k,     [CARAT_Q8_K] = carat_unpack_q8_k,
    [CARAT_IQ1_S] = carat_unpack_iq1_s,   [CARAT_IQ1_M] = carat_unpack_iq1_m,   [CARAT_IQ2_XXS] = carat_unpack_iq2_xxs,
    [CARAT_IQ2_XS] = carat_unpack_iq2_xs, [CARAT_IQ2_S] = carat_unpack_iq2_s,   [CARAT_IQ3_XXS] = carat_unpack_iq3_xxs,
    [CARAT_IQ3_S] = carat_unpack_iq3_s,   [CARAT_IQ4_NL] = carat_unpack_iq4_nl, [CARAT_IQ4_XS] = carat_unpack_iq4_xs,
    [CARAT_TQ1_0] = carat_unpack_tq1_0,   [CARAT_TQ2_0] = carat_unpack_tq2_0,   [CARAT_MXFP4] = carat_unpack_mxfp4,
    [CARAT_NVFP4] = carat_unpack_nvfp4,   [CARAT_Q1_0] = carat_unpack_q1_0,
};

void carat_unpack_row(carat_type type, const void *src, float *dst, size_t n)
{
    const carat_type_info *info = carat_type_get(type);
    const uint8_t *b = src;
    assert(info && n % info->block == 0);
    switch (type) {
    case CARAT_F32:
        if (n)
            memcpy(dst, src, n * sizeof *dst);
        return;
    case CARAT_F16:
        for (size_t i = 0; i < n; i++)
            dst[i] = read_f16(b + 2 * i);
        return;
    case CARAT_BF16:
        for (size_t i = 0; i < n; i++)
            dst[i] = carat_bf16_to_f32(read_u16(b + 2 * i));
        return;
    default:
        for (size_t i = 0; i < n; i += info->block, b += info->bytes)
            block_of[type](b, dst + i);
    }
}
