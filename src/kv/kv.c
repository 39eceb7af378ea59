/* A sequence: opened, stepped, forked, closed.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kv/kv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "kv/kv_inside.h"

/* ---- opening ---- */

static bool admit(const ct_cache *c, size_t context, size_t n_tiles, size_t n_ring, carat_err *err)
{
    size_t global = c->global.n_promise - c->global.promised, local = c->local.n_promise - c->local.promised;
    if (context < 1 || context > c->opt.context)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "a sequence of %zu positions, the cache allows 1 to %zu",
                       context, c->opt.context);
    if (n_tiles > global || n_ring > local)
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE,
                       "a sequence of %zu positions needs %zu + %zu pages (global + local), but %zu + %zu of %zu + %zu "
                       "are not promised yet",
                       context, n_tiles, n_ring, global, local, c->global.n_promise, c->local.n_promise);
    return true;
}

static void enlist(ct_cache *c, ct_kv *kv)
{
    kv->next = c->seqs;
    if (c->seqs)
        c->seqs->prev = kv;
    c->seqs = kv;
    c->n_seqs++;
    c->global.promised += kv->n_tiles;
    c->local.promised += kv->n_ring;
}

static void delist(ct_cache *c, ct_kv *kv)
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

static size_t ring_of(const ct_cache *c, size_t n_tiles)
{
    return ct_has_local(c) ? ct_kv_min(n_tiles, c->local.n_promise / c->opt.n_seqs) : 0;
}

bool ct_kv_list_bytes(size_t context, size_t *out)
{
    return context <= SIZE_MAX - CT_TILE && ct_mul_size(ct_tiles_for(context), 2 * sizeof(ct_page_ref), out) &&
           ct_add_size(*out, sizeof(ct_kv), out);
}

bool ct_kv_open(ct_cache *c, size_t context, ct_kv **out, carat_err *err)
{
    *out = NULL;
    size_t n_tiles = ct_tiles_for(context < CT_MAX_CONTEXT ? context : CT_MAX_CONTEXT);
    size_t n_ring = ring_of(c, n_tiles);
    if (!admit(c, context, n_tiles, n_ring, err))
        return false;
    size_t bytes;
    ct_kv *kv = ct_kv_list_bytes(context, &bytes) ? calloc(1, bytes) : NULL;
    if (!kv)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the page lists of %zu positions", context);
    kv->cache = c;
    kv->context = context;
    kv->n_tiles = n_tiles;
    kv->n_ring = n_ring;
    kv->global = (ct_page_ref *)(kv + 1);
    kv->local = kv->global + n_tiles;
    for (size_t i = 0; i < 2 * n_tiles; i++)
        kv->global[i].page = CT_NONE;
    enlist(c, kv);
    *out = kv;
    return true;
}

void ct_kv_close(ct_kv *kv)
{
    if (!kv)
        return;
    ct_cache *c = kv->cache;
    c->clock++;
    ct_kv_drop_tail(kv, 0);
    ct_kv_leave_origin(kv);
    delist(c, kv);
    free(kv);
}

/* ---- forking ---- */

static void share(const ct_cache *c, ct_pages *p, const ct_page_ref *from, ct_page_ref *to, size_t slots)
{
    if (from->page == CT_NONE)
        return;
    *to = ct_page_hold(c, p, from->page);
    ct_page_rely(p, from->page, slots);
}

bool ct_kv_fork(const ct_kv *kv, ct_kv **out, carat_err *err)
{
    ct_cache *c = kv->cache;
    if (!ct_kv_open(c, kv->context, out, err))
        return false;
    ct_kv *fork = *out;
    fork->len = kv->len;
    fork->labelled = kv->labelled;
    fork->variant = kv->variant;
    fork->origin = kv->origin;
    fork->end = ct_tiles_for(kv->len);
    fork->local_begin = kv->local_begin;
    memcpy(fork->keys, kv->keys, sizeof fork->keys);
    for (size_t t = 0; t < fork->end; t++) {
        size_t slots = ct_kv_min(kv->len - t * CT_TILE, CT_TILE);
        share(c, &c->global, &kv->global[t], &fork->global[t], slots);
        share(c, &c->local, &kv->local[t], &fork->local[t], slots);
    }
    return true;
}

/* ---- looking ---- */

void ct_kv_set_variant(ct_kv *kv, uint32_t variant)
{
    assert(kv->len == 0 && variant <= CT_KV_MAX_VARIANT);
    ct_kv_drop_tail(kv, 0);
    ct_kv_leave_origin(kv);
    kv->origin = kv->variant = variant;
}

uint32_t ct_kv_variant(const ct_kv *kv)
{
    return kv->variant;
}

size_t ct_kv_len(const ct_kv *kv)
{
    return kv->len;
}

size_t ct_kv_context(const ct_kv *kv)
{
    return kv->context;
}

size_t ct_kv_max_batch(const ct_kv *kv)
{
    return kv->cache->opt.max_batch;
}

size_t ct_kv_labelled(const ct_kv *kv)
{
    return kv->labelled;
}

const ct_backend *ct_kv_backend(const ct_kv *kv)
{
    return kv->cache->b;
}

/* ---- for a step ---- */

/* A page that belongs to another sequence, or has belonged to one since, ends the program here. */
void ct_kv_check_page(const ct_pages *p, const ct_page_ref *ref, size_t tile)
{
    (void)p, (void)ref, (void)tile;
    assert(ref->page != CT_NONE && p->page[ref->page].gen == ref->gen && p->page[ref->page].tile == tile &&
           p->page[ref->page].refs > 0);
}

void ct_kv_pages(const ct_kv *kv, const ct_page_ref **global, const ct_page_ref **local)
{
    const ct_cache *c = kv->cache;
    for (size_t t = 0; t < kv->end; t++)
        ct_kv_check_page(&c->global, &kv->global[t], t);
    if (ct_has_local(c))
        for (size_t t = ct_window_begin(c, kv->len) / CT_TILE; t < kv->end; t++)
            ct_kv_check_page(&c->local, &kv->local[t], t);
    *global = kv->global;
    *local = kv->local;
}

/* Local pages that the ring has moved past. */
static void drop_head(ct_kv *kv, size_t end)
{
    for (; kv->local_begin + kv->n_ring < end; kv->local_begin++)
        ct_page_release(kv->cache, &kv->cache->local, kv, &kv->local[kv->local_begin]);
}

void ct_kv_drop_tail(ct_kv *kv, size_t begin)
{
    for (; kv->end > begin; kv->end--) {
        ct_page_release(kv->cache, &kv->cache->local, kv, &kv->local[kv->end - 1]);
        ct_page_release(kv->cache, &kv->cache->global, kv, &kv->global[kv->end - 1]);
    }
    kv->local_begin = ct_kv_min(kv->local_begin, begin);
}

bool ct_kv_begin(ct_kv *kv, size_t n)
{
    if (n > kv->cache->opt.max_batch || n > kv->context - kv->len)
        return false;
    size_t end = ct_tiles_for(kv->len + n);
    kv->cache->clock++;
    drop_head(kv, end);
    if (n > 0 && kv->len % CT_TILE)
        ct_page_own(kv, kv->len / CT_TILE, kv->len % CT_TILE);
    for (; kv->end < end; kv->end++)
        ct_page_own(kv, kv->end, 0);
    return true;
}

void ct_kv_commit(ct_kv *kv, size_t n)
{
    kv->len += n;
    assert(ct_tiles_for(kv->len) <= kv->end);
}

static void clear_slots(const ct_kv *kv, size_t tile, size_t begin, size_t end)
{
    const ct_backend *b = kv->cache->b;
    b->page_clear(b->self, CT_PAGE_GLOBAL, kv->global[tile].page, begin, end);
    if (kv->local[tile].page != CT_NONE)
        b->page_clear(b->self, CT_PAGE_LOCAL, kv->local[tile].page, begin, end);
}

void ct_kv_scrub(ct_kv *kv, size_t n)
{
    size_t end = kv->len + n;
    for (size_t pos = kv->len; pos < end;) {
        size_t tile = pos / CT_TILE, stop = ct_kv_min(end, (tile + 1) * CT_TILE);
        clear_slots(kv, tile, pos % CT_TILE, stop - tile * CT_TILE);
        pos = stop;
    }
    kv->cache->clock++;
    ct_kv_drop_tail(kv, ct_tiles_for(kv->len));
}
