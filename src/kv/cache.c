/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/cache.h"

#include <assert.h>
#include <stdlib.h>

#include "base/size.h"
#include "kv/part.h"

size_t carat_cache_ring_pages(const carat_config *c, size_t context, size_t max_batch)
{
    bool has_local = false;
    for (uint32_t i = 0; i < c->n_layer; i++)
        has_local |= !c->is_global[i];
    if (!has_local)
        return 0;
    /* The oldest position that the first token of a batch sees lies window - 1 before it. A stretch of s >= 1 positions
     * touches at most (s - 2) / 64 + 2 tiles, when it begins at the last slot of one. */
    size_t stretch = (size_t)c->window + max_batch - 1;
    size_t ring = stretch < 2 ? stretch : (stretch - 2) / CARAT_TILE + 2;
    return carat_min(ring, carat_tiles_for(context));
}

/* ---- sizes ---- */

static bool plan_kind(carat_pages *p, size_t head_bytes, size_t pages_each, size_t n_seqs, size_t keep_bytes)
{
    if (!carat_mul_size(head_bytes, p->n_layers, &p->page_bytes) || !carat_mul_size(pages_each, n_seqs, &p->n_promise))
        return false;
    p->n_keep = p->page_bytes && pages_each ? keep_bytes / p->page_bytes : 0;
    return carat_add_size(p->n_promise, p->n_keep, &p->n) && p->n < CARAT_NONE;
}

/* Fills in all but the memory. False: does not fit the address space. */
static bool plan(const carat_config *c, const carat_cache_options *o, carat_cache *k)
{
    size_t head, local_keep = o->keep_bytes - o->keep_bytes / 4;
    *k = (carat_cache){ .opt = *o,
                        .window = c->window,
                        .n_layer = c->n_layer,
                        .n_kv_head = c->n_kv_head,
                        .head_dim = c->head_dim,
                        .tile_bytes = carat_kv_tile_bytes(o->elem, c->head_dim),
                        .roots = CARAT_NONE };
    if (!carat_mul_size(2 * k->tile_bytes, c->n_kv_head, &head))
        return false;
    for (uint32_t i = 0; i < c->n_layer; i++)
        k->global.n_layers += c->is_global[i];
    k->local.n_layers = c->n_layer - k->global.n_layers;
    /* Without global layers their pages have no bytes, but still carry the index. */
    if (k->global.n_layers == 0)
        local_keep = o->keep_bytes;
    if (k->local.n_layers == 0)
        local_keep = 0;
    return plan_kind(&k->global, head, carat_tiles_for(o->context), o->n_seqs, o->keep_bytes - local_keep) &&
           plan_kind(&k->local, head, carat_cache_ring_pages(c, o->context, o->max_batch), o->n_seqs, local_keep);
}

static void take_pool(carat_arena *a, carat_pages *p)
{
    p->page = carat_arena_take(a, p->n, sizeof *p->page);
    p->free = carat_arena_take(a, p->n, sizeof *p->free);
    p->base = carat_arena_take(a, p->n, p->page_bytes);
}

/* One walk for the size and for the real thing. */
static void take_all(carat_cache *k, carat_arena *a)
{
    k->is_global = carat_arena_take(a, k->n_layer, sizeof *k->is_global);
    k->in_kind = carat_arena_take(a, k->n_layer, sizeof *k->in_kind);
    k->nodes = carat_arena_take(a, k->global.n, sizeof *k->nodes);
    take_pool(a, &k->global);
    take_pool(a, &k->local);
}

static bool check_options(const carat_config *c, const carat_cache_options *o, carat_err *err)
{
    if (o->context < 1 || o->context > CARAT_MAX_CONTEXT || o->max_batch < 1 || o->max_batch > CARAT_MAX_CONTEXT)
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "a cache of %zu positions for steps of %zu, expected 1 to %d",
                          o->context, o->max_batch, CARAT_MAX_CONTEXT);
    if (o->n_seqs < 1)
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "a cache for no sequences, expected at least 1");
    if (o->elem != CARAT_KV_F16 && o->elem != CARAT_KV_F32 && o->elem != CARAT_KV_Q8_0)
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "cache element type %d is unknown", (int)o->elem);
    if (!carat_kv_elem_fits(o->elem, c->head_dim))
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE,
                          "a q8_0 cache needs a head_dim that is a multiple of %d, this model's is %u", CARAT_KV_GROUP,
                          c->head_dim);
    return true;
}

bool carat_cache_bytes(const carat_config *c, const carat_cache_options *o, size_t *out)
{
    carat_cache k;
    carat_arena count;
    carat_arena_count(&count);
    if (!check_options(c, o, NULL) || !plan(c, o, &k))
        return false;
    take_all(&k, &count);
    *out = count.used;
    return !count.overflow;
}

/* ---- opening ---- */

static void fill_pool(carat_pages *p)
{
    /* A stack whose top is page 0: the memory of the last pages is touched last. */
    for (size_t i = 0; i < p->n; i++) {
        p->free[i] = (uint32_t)(p->n - 1 - i);
        p->page[i] = (carat_page){ .node = CARAT_NONE, .is_free = true };
    }
    p->n_free = p->n;
}

bool carat_cache_open(const carat_config *c, const carat_cache_options *o, carat_cache **out, carat_err *err)
{
    *out = NULL;
    size_t bytes;
    if (!check_options(c, o, err))
        return false;
    if (!carat_cache_bytes(c, o, &bytes))
        return carat_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "a cache of %zu x %zu positions is too large", o->n_seqs,
                          o->context);
    carat_cache *k = calloc(1, sizeof *k);
    if (!k || !plan(c, o, k) || !carat_arena_init(&k->arena, bytes)) {
        free(k);
        return carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a cache of %zu x %zu positions (%zu MiB)",
                          o->n_seqs, o->context, (bytes >> 20) + 1);
    }
    take_all(k, &k->arena);
    uint32_t seen[2] = { 0, 0 };
    for (uint32_t i = 0; i < c->n_layer; i++) {
        k->is_global[i] = c->is_global[i];
        k->in_kind[i] = seen[c->is_global[i]]++;
    }
    fill_pool(&k->global);
    fill_pool(&k->local);
    *out = k;
    return true;
}

void carat_cache_close(carat_cache *k)
{
    if (!k)
        return;
    assert(!k->seqs);
    carat_arena_deinit(&k->arena);
    free(k);
}

/* ---- figures ---- */

static void count_pool(const carat_pages *p, carat_pool_stats *s)
{
    *s = (carat_pool_stats){ .page_bytes = p->page_bytes,
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

void carat_cache_get_stats(const carat_cache *k, carat_cache_stats *out)
{
    *out = (carat_cache_stats){
        .n_seqs = k->n_seqs, .hits = k->hits, .misses = k->misses, .reused_tokens = k->reused, .copies = k->copies
    };
    count_pool(&k->global, &out->global);
    count_pool(&k->local, &out->local);
}

carat_cache_usage carat_cache_get_usage(const carat_cache *k)
{
    const carat_pages *g = &k->global, *l = &k->local;
    return (carat_cache_usage){
        .used_bytes = (uint64_t)(g->n - g->n_free) * g->page_bytes + (uint64_t)(l->n - l->n_free) * l->page_bytes,
        .promised_bytes = (uint64_t)g->promised * g->page_bytes + (uint64_t)l->promised * l->page_bytes,
        .evictions = g->evictions + l->evictions,
    };
}
