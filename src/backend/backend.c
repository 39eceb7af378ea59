/* What every backend agrees on: the size of a page.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "backend/backend.h"

size_t ct_page_layers(const ct_config *c, ct_page_kind kind)
{
    size_t n_global = 0;
    for (uint32_t i = 0; i < c->n_layer; i++)
        n_global += c->is_global[i];
    if (c->is_encoder) /* one layer after the other: a text's keys and values are needed within a step alone */
        return kind == CT_PAGE_GLOBAL ? n_global > 0 : n_global < c->n_layer;
    return kind == CT_PAGE_GLOBAL ? n_global : c->n_layer - n_global;
}

size_t ct_page_bytes(const ct_config *c, ct_kv_elem elem, ct_page_kind kind)
{
    return 2 * ct_kv_tile_bytes(elem, c->head_dim) * c->n_kv_head * ct_page_layers(c, kind);
}
