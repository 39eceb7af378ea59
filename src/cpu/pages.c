/* Pages of keys and values in the host's memory.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "cpu/pages.h"

#include <string.h>

#include "kernels/kernels.h"

static void take_all(ct_host_pages *p, ct_arena *a)
{
    for (int k = 0; k < CT_N_PAGE_KINDS; k++)
        p->kind[k].base = ct_arena_take(a, p->kind[k].n, p->kind[k].page_bytes);
}

bool ct_host_pages_describe(ct_host_pages *p, const ct_config *c, ct_kv_elem elem, size_t n_global, size_t n_local,
                            carat_err *err)
{
    const size_t n[CT_N_PAGE_KINDS] = { n_global, n_local };
    uint32_t seen[2] = { 0, 0 };
    ct_arena count;
    *p = (ct_host_pages){ .elem = elem, .n_kv_head = c->n_kv_head, .head_dim = c->head_dim };
    if (!ct_kv_elem_fits(elem, c->head_dim))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                       "keys and values of %u dimensions cannot be of type q8_0, expected a multiple of %d",
                       c->head_dim, CT_KV_GROUP);
    p->tile_bytes = ct_kv_tile_bytes(elem, c->head_dim);
    for (uint32_t i = 0; i < c->n_layer; i++) {
        p->is_global[i] = c->is_global[i];
        p->in_kind[i] = c->is_encoder ? 0 : seen[c->is_global[i]]++;
    }
    for (int k = 0; k < CT_N_PAGE_KINDS; k++)
        p->kind[k] = (ct_pages_of_kind){ .n = n[k],
                                         .page_bytes = ct_page_bytes(c, elem, (ct_page_kind)k),
                                         .n_layers = ct_page_layers(c, (ct_page_kind)k) };
    ct_arena_count(&count);
    take_all(p, &count);
    p->bytes = count.used;
    return !count.overflow ||
           ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "a cache of %zu + %zu pages is too large", n_global, n_local);
}

bool ct_host_pages_take(ct_host_pages *p, carat_err *err)
{
    if (!ct_arena_init(&p->arena, p->bytes))
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a cache of %zu MiB", (p->bytes >> 20) + 1);
    take_all(p, &p->arena);
    return true;
}

void ct_host_pages_close(ct_host_pages *p)
{
    ct_arena_deinit(&p->arena);
}

static uint8_t *page_at(const ct_host_pages *p, ct_page_kind kind, uint32_t page)
{
    return p->kind[kind].base + page * p->kind[kind].page_bytes;
}

void ct_host_pages_copy(ct_host_pages *p, ct_page_kind kind, uint32_t to, uint32_t from)
{
    if (p->kind[kind].page_bytes)
        memcpy(page_at(p, kind, to), page_at(p, kind, from), p->kind[kind].page_bytes);
}

void ct_host_pages_clear(ct_host_pages *p, ct_page_kind kind, uint32_t page, size_t begin, size_t end)
{
    uint8_t *tile = page_at(p, kind, page);
    for (size_t i = 0; i < p->kind[kind].n_layers * p->n_kv_head; i++, tile += 2 * p->tile_bytes)
        for (size_t s = begin; s < end; s++)
            ct_kv_clear_slot(p->elem, tile, tile + p->tile_bytes, s, p->head_dim);
}

void ct_host_pages_read(const ct_host_pages *p, ct_page_kind kind, uint32_t page, void *host)
{
    if (p->kind[kind].page_bytes)
        memcpy(host, page_at(p, kind, page), p->kind[kind].page_bytes);
}

void ct_host_pages_write(ct_host_pages *p, ct_page_kind kind, uint32_t page, const void *host)
{
    if (p->kind[kind].page_bytes)
        memcpy(page_at(p, kind, page), host, p->kind[kind].page_bytes);
}
