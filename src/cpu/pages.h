/* pages.h - the bytes of keys and values in the host's memory: what the page numbers of kv/ stand for.
 *
 * One block, taken at open; a page becomes resident when it is first written.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CPU_PAGES_H
#define CT_CPU_PAGES_H

#include "backend/backend.h"
#include "base/mem.h"

typedef struct ct_pages_of_kind {
    uint8_t *base; /* [n][page_bytes] */
    size_t n, page_bytes, n_layers;
} ct_pages_of_kind;

typedef struct ct_host_pages {
    ct_kv_elem elem;
    size_t n_kv_head, head_dim, tile_bytes;
    bool is_global[CT_MAX_LAYERS];
    uint32_t in_kind[CT_MAX_LAYERS]; /* the layer's place among its kind */
    ct_pages_of_kind kind[CT_N_PAGE_KINDS];
    size_t bytes;
    ct_arena arena;
} ct_host_pages;

/* Fills in all but the memory. Errors: CARAT_EARG (q8_0 with a head_dim that it does not fit), CARAT_ELIMIT. */
bool ct_host_pages_describe(ct_host_pages *p, const ct_config *c, ct_kv_elem elem, size_t n_global, size_t n_local,
                            carat_err *err);
bool ct_host_pages_take(ct_host_pages *p, carat_err *err); /* errors: CARAT_ENOMEM, with the figure */
void ct_host_pages_close(ct_host_pages *p);

void ct_host_pages_copy(ct_host_pages *p, ct_page_kind kind, uint32_t to, uint32_t from);
void ct_host_pages_clear(ct_host_pages *p, ct_page_kind kind, uint32_t page, size_t begin, size_t end);
void ct_host_pages_read(const ct_host_pages *p, ct_page_kind kind, uint32_t page, void *host);
void ct_host_pages_write(ct_host_pages *p, ct_page_kind kind, uint32_t page, const void *host);

/* The K and V block of one layer and KV head in a page of the layer's kind. */
static inline void ct_host_pages_tile(const ct_host_pages *p, size_t layer, size_t head, uint32_t page, void **k,
                                      void **v)
{
    const ct_pages_of_kind *kind = &p->kind[p->is_global[layer] ? CT_PAGE_GLOBAL : CT_PAGE_LOCAL];
    *k = kind->base + page * kind->page_bytes + (p->in_kind[layer] * p->n_kv_head + head) * 2 * p->tile_bytes;
    *v = (uint8_t *)*k + p->tile_bytes;
}

#endif
