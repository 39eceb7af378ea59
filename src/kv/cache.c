/* Plans, opens and counts the pools of pages.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kv/cache.h"

#include <assert.h>
#include <stdlib.h>

#include "base/size.h"
#include "kv/kv_inside.h"

size_t ct_cache_ring_pages(const ct_config *c, size_t context, size_t max_batch)
{
    bool has_local = false;
    for (uint32_t i = 0; i < c->n_layer; i++)
        has_local |= !c->is_global[i];
    if (!has_local)
        return 0;
    /* The oldest position that the first token of a batch attends to lies window - 1 before it. A stretch of s >= 1
     * positions touches at most (s - 2) / 64 + 2 tiles, when it begins at the last slot of one. */
    size_t stretch = (size_t)c->window + max_batch - 1;
    size_t ring = stretch < 2 ? stretch : (stretch - 2) / CT_TILE + 2;
    return ct_kv_min(ring, ct_tiles_for(context));
}

/* ---- sizes ---- */

static bool plan_kind(ct_pages *p, size_t page_bytes, size_t pages_each, size_t n_seqs, size_t keep_bytes)
{
    p->page_bytes = page_bytes;
    if (!ct_mul_size(pages_each, n_seqs, &p->n_promise))
        return false;
    p->n_keep = page_bytes && pages_each ? keep_bytes / page_bytes : 0;
    return ct_add_size(p->n_promise, p->n_keep, &p->n) && p->n < CT_NONE;
}

/* Fills in all but the memory. False: does not fit the address space. */
static bool plan(const ct_config *c, const ct_cache_options *o, ct_cache *k)
{
    size_t local_keep = o->keep_bytes - o->keep_bytes / 4;
    size_t global = ct_page_bytes(c, o->elem, CT_PAGE_GLOBAL), local = ct_page_bytes(c, o->elem, CT_PAGE_LOCAL);
    *k = (ct_cache){ .opt = *o,
                     .window = c->window,
                     .n_layer = c->n_layer,
                     .n_kv_head = c->n_kv_head,
                     .head_dim = c->head_dim,
                     .tile_bytes = ct_kv_tile_bytes(o->elem, c->head_dim),
                     .global.kind = CT_PAGE_GLOBAL,
                     .local.kind = CT_PAGE_LOCAL,
                     .roots = CT_NONE };
    /* Without global layers their pages have no bytes, but still carry the index. */
    if (!global)
        local_keep = o->keep_bytes;
    if (!local)
        local_keep = 0;
    return plan_kind(&k->global, global, ct_tiles_for(o->context), o->n_seqs, o->keep_bytes - local_keep) &&
           plan_kind(&k->local, local, ct_cache_ring_pages(c, o->context, o->max_batch), o->n_seqs, local_keep);
}

static void take_pool(ct_arena *a, ct_pages *p)
{
    p->page = ct_arena_take(a, p->n, sizeof *p->page);
    p->free = ct_arena_take(a, p->n, sizeof *p->free);
}

/* One walk for counting and for allocating. */
static void take_all(ct_cache *k, ct_arena *a)
{
    k->is_global = ct_arena_take(a, k->n_layer, sizeof *k->is_global);
    k->nodes = ct_arena_take(a, k->global.n, sizeof *k->nodes);
    take_pool(a, &k->global);
    take_pool(a, &k->local);
}

static bool check_options(const ct_config *c, const ct_cache_options *o, carat_err *err)
{
    if (o->context < 1 || o->context > CT_MAX_CONTEXT || o->max_batch < 1 || o->max_batch > CT_MAX_CONTEXT)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "a cache of %zu positions for steps of %zu, expected 1 to %d",
                       o->context, o->max_batch, CT_MAX_CONTEXT);
    if (o->n_seqs < 1)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "a cache for 0 sequences, expected at least 1");
    if (o->elem != CT_KV_F16 && o->elem != CT_KV_F32 && o->elem != CT_KV_Q8_0)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "cache element type %d is unknown", (int)o->elem);
    if (!ct_kv_elem_fits(o->elem, c->head_dim))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                       "a q8_0 cache needs a head_dim that is a multiple of %d, this model's is %u", CT_KV_GROUP,
                       c->head_dim);
    return true;
}

bool ct_cache_bytes(const ct_config *c, const ct_cache_options *o, size_t *out)
{
    ct_cache k;
    ct_arena count;
    ct_arena_count(&count);
    if (!check_options(c, o, NULL) || !plan(c, o, &k))
        return false;
    take_all(&k, &count);
    *out = count.used;
    return !count.overflow;
}

bool ct_cache_pages(const ct_config *c, const ct_cache_options *o, ct_cache_size *out)
{
    ct_cache k;
    size_t bytes;
    if (!check_options(c, o, NULL) || !plan(c, o, &k) || !ct_mul_size(k.global.n, k.global.page_bytes, &bytes) ||
        !ct_mul_size(k.local.n, k.local.page_bytes, &bytes))
        return false;
    *out = (ct_cache_size){ .n = { k.global.n, k.local.n }, .page_bytes = { k.global.page_bytes, k.local.page_bytes } };
    return true;
}

/* ---- opening ---- */

static void fill_pool(ct_pages *p)
{
    /* A stack whose top is page 0: the memory of the last pages is touched last. */
    for (size_t i = 0; i < p->n; i++) {
        p->free[i] = (uint32_t)(p->n - 1 - i);
        p->page[i] = (ct_page){ .node = CT_NONE, .is_free = true };
    }
    p->n_free = p->n;
}

bool ct_cache_open(const ct_config *c, const ct_cache_options *o, const ct_backend *b, ct_cache **out, carat_err *err)
{
    *out = NULL;
    size_t bytes;
    if (!check_options(c, o, err))
        return false;
    if (!ct_cache_bytes(c, o, &bytes))
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "a cache of %zu x %zu positions is too large", o->n_seqs,
                       o->context);
    ct_cache *k = calloc(1, sizeof *k);
    if (!k || !plan(c, o, k) || !ct_arena_init(&k->arena, bytes)) {
        free(k);
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a cache of %zu x %zu positions (%zu MiB)",
                       o->n_seqs, o->context, (bytes >> 20) + 1);
    }
    k->b = b;
    take_all(k, &k->arena);
    for (uint32_t i = 0; i < c->n_layer; i++)
        k->is_global[i] = c->is_global[i];
    fill_pool(&k->global);
    fill_pool(&k->local);
    *out = k;
    return true;
}

void ct_cache_close(ct_cache *k)
{
    if (!k)
        return;
    assert(!k->seqs);
    ct_arena_deinit(&k->arena);
    free(k);
}

/* ---- figures ---- */

static void count_pool(const ct_pages *p, ct_pool_stats *s)
{
    *s = (ct_pool_stats){ .page_bytes = p->page_bytes,
                          .total = p->n,
                          .free = p->n_free,
                          .kept = p->kept,
                          .may_keep = p->n_keep,
                          .promised = p->promised,
                          .may_promise = p->n_promise,
                          .touched = p->touched,
                          .evictions = p->evictions };
    for (size_t i = 0; i < p->n; i++) {
        s->held += p->page[i].refs > 0;
        s->cached += p->page[i].refs == 0 && !p->page[i].is_free;
    }
}

void ct_cache_get_stats(const ct_cache *k, ct_cache_stats *out)
{
    *out = (ct_cache_stats){
        .n_seqs = k->n_seqs, .hits = k->hits, .misses = k->misses, .reused_tokens = k->reused, .copies = k->copies
    };
    count_pool(&k->global, &out->global);
    count_pool(&k->local, &out->local);
}

ct_cache_usage ct_cache_get_usage(const ct_cache *k)
{
    const ct_pages *g = &k->global, *l = &k->local;
    return (ct_cache_usage){
        .used_bytes = (uint64_t)(g->n - g->n_free) * g->page_bytes + (uint64_t)(l->n - l->n_free) * l->page_bytes,
        .promised_bytes = (uint64_t)g->promised * g->page_bytes + (uint64_t)l->promised * l->page_bytes,
        .evictions = g->evictions + l->evictions,
    };
}
