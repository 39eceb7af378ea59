/* Tiles of keys and values: the one thing that is done to them without arithmetic.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "quant/kv_tile.h"

#include <string.h>

#define LANES 16 /* keys that are interleaved */

/* Zero is all bits zero in every element type. */
static void clear_elements(size_t bytes, void *k_tile, void *v_tile, size_t slot, size_t head_dim)
{
    uint8_t *k = k_tile, *v = v_tile;
    size_t k0 = slot / LANES * head_dim * LANES + slot % LANES;
    for (size_t i = 0; i < head_dim; i++)
        memset(k + (k0 + i * LANES) * bytes, 0, bytes);
    memset(v + slot * head_dim * bytes, 0, head_dim * bytes);
}

void ct_kv_clear_slot(ct_kv_elem elem, void *k_tile, void *v_tile, size_t slot, size_t head_dim)
{
    clear_elements(elem == CT_KV_F32 ? 4 : elem == CT_KV_F16 ? 2 : 1, k_tile, v_tile, slot, head_dim);
    if (elem != CT_KV_Q8_0)
        return;
    uint16_t *kd = ct_kv_scales(k_tile, head_dim), *vd = ct_kv_scales(v_tile, head_dim);
    size_t groups = head_dim / CT_KV_GROUP;
    for (size_t g = 0; g < groups; g++) {
        kd[(slot / LANES * groups + g) * LANES + slot % LANES] = 0;
        vd[g * CT_TILE + slot] = 0;
    }
}
