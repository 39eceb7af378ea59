/* unpack.c - ct_unpack_row: picks the block function of a type and walks the row.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "quant/unpack.h"

#include <assert.h>
#include <string.h>

static void (*const block_of[CT_N_TYPE])(const uint8_t *b, float *y) = {
    [CT_Q4_0] = ct_unpack_q4_0,     [CT_Q4_1] = ct_unpack_q4_1,     [CT_Q5_0] = ct_unpack_q5_0,
    [CT_Q5_1] = ct_unpack_q5_1,     [CT_Q8_0] = ct_unpack_q8_0,     [CT_Q8_1] = ct_unpack_q8_1,
    [CT_Q2_K] = ct_unpack_q2_k,     [CT_Q3_K] = ct_unpack_q3_k,     [CT_Q4_K] = ct_unpack_q4_k,
    [CT_Q5_K] = ct_unpack_q5_k,     [CT_Q6_K] = ct_unpack_q6_k,     [CT_Q8_K] = ct_unpack_q8_k,
    [CT_IQ1_S] = ct_unpack_iq1_s,   [CT_IQ1_M] = ct_unpack_iq1_m,   [CT_IQ2_XXS] = ct_unpack_iq2_xxs,
    [CT_IQ2_XS] = ct_unpack_iq2_xs, [CT_IQ2_S] = ct_unpack_iq2_s,   [CT_IQ3_XXS] = ct_unpack_iq3_xxs,
    [CT_IQ3_S] = ct_unpack_iq3_s,   [CT_IQ4_NL] = ct_unpack_iq4_nl, [CT_IQ4_XS] = ct_unpack_iq4_xs,
    [CT_TQ1_0] = ct_unpack_tq1_0,   [CT_TQ2_0] = ct_unpack_tq2_0,   [CT_MXFP4] = ct_unpack_mxfp4,
    [CT_NVFP4] = ct_unpack_nvfp4,   [CT_Q1_0] = ct_unpack_q1_0,
};

void ct_unpack_row(ct_type type, const void *src, float *dst, size_t n)
{
    const ct_type_info *info = ct_type_get(type);
    const uint8_t *b = src;
    assert(info && n % info->block == 0);
    switch (type) {
    case CT_F32:
        if (n)
            memcpy(dst, src, n * sizeof *dst);
        return;
    case CT_F16:
        for (size_t i = 0; i < n; i++)
            dst[i] = read_f16(b + 2 * i);
        return;
    case CT_BF16:
        for (size_t i = 0; i < n; i++)
            dst[i] = ct_bf16_to_f32(read_u16(b + 2 * i));
        return;
    default:
        for (size_t i = 0; i < n; i += info->block, b += info->bytes)
            block_of[type](b, dst + i);
    }
}
