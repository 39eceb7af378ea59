/* A sequence: opened, stepped, forked, closed.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kv/kv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "kv/part.h"

/* ---- opening ---- */

static bool admit(const carat_cache *c, size_t context, size_t n_tiles, size_t n_ring, carat_err *err)
{
    size_t global = c->global.n_promise - c->global.promised, local = c->local.n_promise - c->local.promised;
    if (context < 1 || context > c->opt.context)
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "a sequence of %zu positions, the cache allows 1 to %zu",
                          context, c->opt.context);
    if (n_tiles > global || n_ring > local)
        return carat_fail(err, CARAT_ELIMIT, CARAT_NOWHERE,
                          "a sequence of %zu positions needs %zu + %zu pages, %zu + %zu of %zu + %zu are not promised",
                          context, n_tiles, n_ring, global, local, c->global.n_promise, c->local.n_promise);
    return true;
}

static void enlist(carat_cache *c, carat_kv *kv)
{
    kv->next = c->seqs;
    if (c->seqs)
        c->seqs->prev = kv;
    c->seqs = kv;
    c->n_seqs++;
    c->global.promised += kv->n_tiles;
    c->local.promised += kv->n_ring;
}

static void delist(carat_cache *c, carat_kv *kv)
{
    if (kv->next)
        kv->next->prev = kv->prev;
    if (kv->prev)
        kv->prev->next = kv->next;
    else
        c->seqs = kv->next;
    c->n_seqs--;
    c->global.promised -= kv->n_tiles;
    c->local.promised -= kv->n_ring;
}

static size_t ring_of(const carat_cache *c, size_t n_tiles)
{
    return carat_has_local(c) ? carat_min(n_tiles, c->local.n_promise / c->opt.n_seqs) : 0;
}

bool carat_kv_list_bytes(size_t context, size_t *out)
{
    return context <= SIZE_MAX - CARAT_TILE && carat_mul_size(carat_tiles_for(context), 2 * sizeof(carat_ref), out) &&
           carat_add_size(*out, sizeof(carat_kv), out);
}

bool carat_kv_open(carat_cache *c, size_t context, carat_kv **out, carat_err *err)
{
    *out = NULL;
    size_t n_tiles = carat_tiles_for(context < CARAT_MAX_CONTEXT ? context : CARAT_MAX_CONTEXT);
    size_t n_ring = ring_of(c, n_tiles);
    if (!admit(c, context, n_tiles, n_ring, err))
        return false;
    size_t bytes;
    carat_kv *kv = carat_kv_list_bytes(context, &bytes) ? calloc(1, bytes) : NULL;
    if (!kv)
        return carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the page lists of %zu positions", context);
    kv->cache = c;
    kv->context = context;
    kv->n_tiles = n_tiles;
    kv->n_ring = n_ring;
    kv->global = (carat_ref *)(kv + 1);
    kv->local = kv->global + n_tiles;
    for (size_t i = 0; i < 2 * n_tiles; i++)
        kv->global[i].page = CARAT_NONE;
    enlist(c, kv);
    *out = kv;
    return true;
}

void carat_kv_close(carat_kv *kv)
{
    if (!kv)
        return;
    carat_cache *c = kv->cache;
    c->clock++;
    carat_kv_drop_tail(kv, 0);
    delist(c, kv);
    if (kv->owns_cache)
        carat_cache_close(c);
    free(kv);
}

static carat_cache_options alone(const carat_kv_options *o)
{
    return (carat_cache_options){ .context = o->context, .n_seqs = 1, .max_batch = o->max_batch, .elem = o->elem };
}

bool carat_kv_bytes(const carat_config *c, const carat_kv_options *o, size_t *out)
{
    const carat_cache_options all = alone(o);
    return carat_cache_bytes(c, &all, out);
}

bool carat_kv_open_alone(const carat_config *c, const carat_kv_options *o, carat_kv **out, carat_err *err)
{
    const carat_cache_options all = alone(o);
    carat_cache *cache;
    *out = NULL;
    if (!carat_cache_open(c, &all, &cache, err))
        return false;
    if (!carat_kv_open(cache, o->context, out, err)) {
        carat_cache_close(cache);
        return false;
    }
    (*out)->owns_cache = true;
    return true;
}

/* ---- forking ---- */

static void share(const carat_cache *c, carat_pages *p, const carat_ref *from, carat_ref *to, size_t slots)
{
    if (from->page == CARAT_NONE)
        return;
    *to = carat_page_hold(c, p, from->page);
    carat_page_rely(p, from->page, slots);
}

bool carat_kv_fork(const carat_kv *kv, carat_kv **out, carat_err *err)
{
    carat_cache *c = kv->cache;
    if (!carat_kv_open(c, kv->context, out, err))
        return false;
    carat_kv *fork = *out;
    fork->len = kv->len;
    fork->labelled = kv->labelled;
    fork->end = carat_tiles_for(kv->len);
    fork->local_begin = kv->local_begin;
    memcpy(fork->keys, kv->keys, sizeof fork->keys);
    for (size_t t = 0; t < fork->end; t++) {
        size_t slots = carat_min(kv->len - t * CARAT_TILE, CARAT_TILE);
        share(c, &c->global, &kv->global[t], &fork->global[t], slots);
        share(c, &c->local, &kv->local[t], &fork->local[t], slots);
    }
    return true;
}

/* ---- looking ---- */

size_t carat_kv_len(const carat_kv *kv)
{
    return kv->len;
}

size_t carat_kv_context(const carat_kv *kv)
{
    return kv->context;
}

size_t carat_kv_max_batch(const carat_kv *kv)
{
    return kv->cache->opt.max_batch;
}

size_t carat_kv_labelled(const carat_kv *kv)
{
    return kv->labelled;
}

carat_kv_elem carat_kv_elem_of(const carat_kv *kv)
{
    return kv->cache->opt.elem;
}

/* ---- for text/ ---- */

void carat_kv_tile(const carat_kv *kv, size_t layer, size_t head, size_t tile, void **k, void **v)
{
    const carat_cache *c = kv->cache;
    bool is_global = c->is_global[layer];
    const carat_pages *p = is_global ? &c->global : &c->local;
    assert(tile < kv->n_tiles);
    const carat_ref *ref = is_global ? &kv->global[tile] : &kv->local[tile];
    /* Somebody else's page, or a page that has been somebody else's since, ends the program here. */
    assert(ref->page != CARAT_NONE && p->page[ref->page].gen == ref->gen && p->page[ref->page].tile == tile &&
           p->page[ref->page].refs > 0);
    *k = p->base + ref->page * p->page_bytes + (c->in_kind[layer] * c->n_kv_head + head) * 2 * c->tile_bytes;
    *v = (uint8_t *)*k + c->tile_bytes;
}

/* Local pages that the ring has moved past. */
static void drop_head(carat_kv *kv, size_t end)
{
    for (; kv->local_begin + kv->n_ring < end; kv->local_begin++)
        carat_page_release(kv->cache, &kv->cache->local, kv, &kv->local[kv->local_begin]);
}

void carat_kv_drop_tail(carat_kv *kv, size_t begin)
{
    for (; kv->end > begin; kv->end--) {
        carat_page_release(kv->cache, &kv->cache->local, kv, &kv->local[kv->end - 1]);
        carat_page_release(kv->cache, &kv->cache->global, kv, &kv->global[kv->end - 1]);
    }
    kv->local_begin = carat_min(kv->local_begin, begin);
}

bool carat_kv_begin(carat_kv *kv, size_t n)
{
    if (n > kv->cache->opt.max_batch || n > kv->context - kv->len)
        return false;
    size_t end = carat_tiles_for(kv->len + n);
    kv->cache->clock++;
    drop_head(kv, end);
    if (n > 0 && kv->len % CARAT_TILE)
        carat_page_own(kv, kv->len / CARAT_TILE, kv->len % CARAT_TILE);
    for (; kv->end < end; kv->end++)
        carat_page_own(kv, kv->end, 0);
    return true;
}

void carat_kv_commit(carat_kv *kv, size_t n)
{
    kv->len += n;
    assert(carat_tiles_for(kv->len) <= kv->end);
}

void carat_page_clear(const carat_cache *c, const carat_pages *p, uint8_t *page, size_t begin, size_t end)
{
    for (size_t i = 0; i < p->n_layers * c->n_kv_head; i++, page += 2 * c->tile_bytes)
        for (size_t s = begin; s < end; s++)
            carat_kv_clear_slot(c->opt.elem, page, page + c->tile_bytes, s, c->head_dim);
}

static void clear_slots(const carat_kv *kv, size_t tile, size_t begin, size_t end)
{
    const carat_cache *c = kv->cache;
    carat_page_clear(c, &c->global, carat_page_data(&c->global, kv->global[tile].page), begin, end);
    if (kv->local[tile].page != CARAT_NONE)
        carat_page_clear(c, &c->local, carat_page_data(&c->local, kv->local[tile].page), begin, end);
}

void carat_kv_scrub(carat_kv *kv, size_t n)
{
    size_t end = kv->len + n;
    for (size_t pos = kv->len; pos < end;) {
        size_t tile = pos / CARAT_TILE, stop = carat_min(end, (tile + 1) * CARAT_TILE);
        clear_slots(kv, tile, pos % CARAT_TILE, stop - tile * CARAT_TILE);
        pos = stop;
    }
    kv->cache->clock++;
    carat_kv_drop_tail(kv, carat_tiles_for(kv->len));
}
