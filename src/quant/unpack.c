/* unpack.c - ct_unpack_row: picks the block function of a type and walks the row.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "quant/unpack.h"

#include <assert.h>
#include <string.h>

#define UNPACK(T, t, ...) [CT_##T] = ct_unpack_##t,
static void (*const block_of[CT_N_TYPE])(const uint8_t *b, float *y) = { CT_BLOCK_TYPES(UNPACK) };

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
            dst[i] = ct_bf16_to_f32(ct_le16(b + 2 * i));
        return;
    default:
        for (size_t i = 0; i < n; i += info->block, b += info->bytes)
            block_of[type](b, dst + i);
    }
}
