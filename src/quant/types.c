/* types.c - the data table behind types.h.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "quant/types.h"

#include <strings.h>

#include "base/size.h"

static const ct_type_info types[CT_N_TYPE] = {
    [CT_F32] = { "F32", 1, 4, false, true },
    [CT_F16] = { "F16", 1, 2, false, true },
    [CT_BF16] = { "BF16", 1, 2, false, true },
    [CT_Q4_0] = { "Q4_0", 32, 18, true, true },
    [CT_Q4_1] = { "Q4_1", 32, 20, true, true },
    [CT_Q5_0] = { "Q5_0", 32, 22, true, true },
    [CT_Q5_1] = { "Q5_1", 32, 24, true, true },
    [CT_Q8_0] = { "Q8_0", 32, 34, true, true },
    [CT_Q8_1] = { "Q8_1", 32, 36, true, false },
    [CT_Q2_K] = { "Q2_K", 256, 84, true, true },
    [CT_Q3_K] = { "Q3_K", 256, 110, true, true },
    [CT_Q4_K] = { "Q4_K", 256, 144, true, true },
    [CT_Q5_K] = { "Q5_K", 256, 176, true, true },
    [CT_Q6_K] = { "Q6_K", 256, 210, true, true },
    [CT_Q8_K] = { "Q8_K", 256, 292, true, false },
    [CT_IQ1_S] = { "IQ1_S", 256, 50, true, false },
    [CT_IQ1_M] = { "IQ1_M", 256, 56, true, false },
    [CT_IQ2_XXS] = { "IQ2_XXS", 256, 66, true, false },
    [CT_IQ2_XS] = { "IQ2_XS", 256, 74, true, false },
    [CT_IQ2_S] = { "IQ2_S", 256, 82, true, false },
    [CT_IQ3_XXS] = { "IQ3_XXS", 256, 98, true, false },
    [CT_IQ3_S] = { "IQ3_S", 256, 110, true, false },
    [CT_IQ4_NL] = { "IQ4_NL", 32, 18, true, true },
    [CT_IQ4_XS] = { "IQ4_XS", 256, 136, true, true },
    [CT_TQ1_0] = { "TQ1_0", 256, 54, true, false },
    [CT_TQ2_0] = { "TQ2_0", 256, 66, true, false },
    [CT_MXFP4] = { "MXFP4", 32, 17, true, false },
    [CT_NVFP4] = { "NVFP4", 64, 36, true, false },
    [CT_Q1_0] = { "Q1_0", 128, 18, true, false },
};

const ct_type_info *ct_type_get(uint32_t type)
{
    return type < CT_N_TYPE && types[type].name ? &types[type] : NULL;
}

bool ct_type_by_name(const char *name, ct_type *out)
{
    for (int t = 0; t < CT_N_TYPE; t++)
        if (types[t].name && strcasecmp(types[t].name, name) == 0) {
            *out = (ct_type)t;
            return true;
        }
    return false;
}

bool ct_row_bytes(uint32_t type, size_t n, size_t *out)
{
    const ct_type_info *info = ct_type_get(type);
    return info && n % info->block == 0 && ct_mul_size(n / info->block, info->bytes, out);
}
