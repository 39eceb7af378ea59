/* types.c - the data table behind types.h.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "quant/types.h"

#include <strings.h>

#include "base/size.h"

#define PLAIN(T, t, number, bytes)               [CT_##T] = { #T, 1, bytes, false, true },
#define BLOCKS(T, t, number, block, bytes, fits) [CT_##T] = { #T, block, bytes, true, fits },
static const ct_type_info types[CT_N_TYPE] = { CT_PLAIN_TYPES(PLAIN) CT_BLOCK_TYPES(BLOCKS) };

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

void ct_type_counts(const uint32_t counts[CT_N_TYPE], ct_buf *out)
{
    const char *before = "";
    for (uint32_t t = 0; t < CT_N_TYPE; t++)
        if (counts[t]) {
            ct_buf_fmt(out, "%s%s %u", before, ct_type_get(t)->name, counts[t]);
            before = ", ";
        }
}

bool ct_row_bytes(uint32_t type, size_t n, size_t *out)
{
    const ct_type_info *info = ct_type_get(type);
    return info && n % info->block == 0 && ct_mul_size(n / info->block, info->bytes, out);
}
