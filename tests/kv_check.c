/* Is the bookkeeping consistent? For tests; walks everything.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "host_cache.h"
#include "kv/kv_inside.h"

static bool wrong(carat_err *err, const char *what, size_t which)
{
    return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "cache: %s (%zu)", what, which);
}

static bool check_free(const ct_pages *p, carat_err *err)
{
    size_t n = 0, kept = 0;
    for (size_t i = 0; i < p->n; i++) {
        n += p->page[i].is_free;
        kept += p->page[i].kept;
        if (p->page[i].is_free == (p->page[i].refs > 0 || p->page[i].node != CT_NONE))
            return wrong(err, "a page is free and used, or neither", i);
        if (p->page[i].kept && p->page[i].node == CT_NONE)
            return wrong(err, "a page outside the index is kept", i);
    }
    for (size_t i = 0; i < p->n_free; i++)
        if (p->free[i] >= p->n || !p->page[p->free[i]].is_free)
            return wrong(err, "the free list has a used page", p->free[i]);
    if (n != p->n_free)
        return wrong(err, "pages are lost", n);
    if (kept != p->kept || kept > p->n_keep)
        return wrong(err, "kept pages are miscounted", kept);
    return true;
}

static bool check_node(const ct_cache *c, uint32_t i, carat_err *err)
{
    const ct_node *n = &c->nodes[i];
    size_t tile = c->global.page[i].tile;
    if (c->global.page[i].node != i || n->n_keys < 1 || n->n_keys > CT_TILE)
        return wrong(err, "a node is none", i);
    if ((tile == 0) != (n->parent == CT_NONE))
        return wrong(err, "a node has no parent", i);
    if (n->parent != CT_NONE &&
        (!ct_is_node(c, n->parent) || c->global.page[n->parent].tile + 1 != tile ||
         c->nodes[n->parent].n_keys != CT_TILE || (c->global.page[i].refs && !c->global.page[n->parent].refs)))
        return wrong(err, "a node's parent cannot be one", i);
    if (n->parent != CT_NONE && c->global.page[n->parent].origin != c->global.page[i].origin)
        return wrong(err, "a node's parent is of another origin", i);
    if (n->prev != CT_NONE ? c->nodes[n->prev].next != i
                           : (n->parent == CT_NONE ? c->roots : c->nodes[n->parent].child) != i)
        return wrong(err, "siblings are not linked", i);
    if (c->global.page[i].floor < n->n_keys)
        return wrong(err, "keys of a node are not protected", i);
    if (n->local != CT_NONE && (c->local.page[n->local].node != i || c->local.page[n->local].tile != tile ||
                                c->local.page[n->local].floor < n->n_keys))
        return wrong(err, "a node's local page is another's", i);
    return true;
}

/* A restored sequence's tree goes with the last sequence that could use it. */
static bool is_open(const ct_cache *c, uint32_t origin)
{
    for (const ct_kv *kv = c->seqs; kv; kv = kv->next)
        if (kv->origin == origin)
            return true;
    return !ct_is_restored(origin);
}

static bool check_index(const ct_cache *c, carat_err *err)
{
    for (uint32_t i = 0; i < c->global.n; i++) {
        if (ct_is_node(c, i) && !check_node(c, i, err))
            return false;
        if (ct_is_node(c, i) && !is_open(c, c->global.page[i].origin))
            return wrong(err, "a node is of a restored sequence that is gone", i);
    }
    for (uint32_t i = 0; i < c->local.n; i++) {
        uint32_t node = c->local.page[i].node;
        if (node != CT_NONE && (!ct_is_node(c, node) || c->nodes[node].local != i))
            return wrong(err, "a local page is in no node", i);
    }
    return true;
}

static bool check_ref(const ct_pages *p, const ct_page_ref *ref, size_t tile, size_t claim, const ct_kv *kv,
                      uint32_t *refs, carat_err *err)
{
    const ct_page *g = &p->page[ref->page];
    if (g->is_free || g->gen != ref->gen || g->tile != tile)
        return wrong(err, "a sequence holds a foreign page", ref->page);
    if (g->writer != kv && g->floor < claim && (g->refs > 1 || g->node != CT_NONE))
        return wrong(err, "slots of a sequence are not protected", ref->page);
    refs[ref->page]++;
    return true;
}

static bool check_seq(const ct_kv *kv, uint32_t *global, uint32_t *local, carat_err *err)
{
    const ct_cache *c = kv->cache;
    size_t n_local = 0;
    if (kv->labelled > kv->len || kv->len > kv->context || kv->end < ct_tiles_for(kv->len))
        return wrong(err, "a sequence is longer than it is", kv->len);
    for (size_t t = 0; t < kv->n_tiles; t++) {
        size_t claim = kv->len > t * CT_TILE ? ct_kv_min(kv->len - t * CT_TILE, CT_TILE) : 0;
        if ((t < kv->end) != (kv->global[t].page != CT_NONE))
            return wrong(err, "a sequence lacks a global page", t);
        if (t < kv->end && !check_ref(&c->global, &kv->global[t], t, claim, kv, global, err))
            return false;
        if (t < kv->labelled / CT_TILE && !ct_is_node(c, kv->global[t].page))
            return wrong(err, "a labelled tile is not in the index", t);
        if (t < kv->end && ct_is_node(c, kv->global[t].page) && c->global.page[kv->global[t].page].origin != kv->origin)
            return wrong(err, "a sequence holds a page of another origin", t);
        if (kv->local[t].page == CT_NONE)
            continue;
        n_local++;
        if (t < kv->local_begin || t >= kv->end)
            return wrong(err, "a local page is outside the ring", t);
        if (!check_ref(&c->local, &kv->local[t], t, claim, kv, local, err))
            return false;
    }
    if (ct_is_restored(kv->origin) ? kv->len == 0 : kv->origin != kv->variant)
        return wrong(err, "a sequence has another's origin", kv->origin);
    if (n_local > kv->n_ring)
        return wrong(err, "a sequence holds more than its ring", n_local);
    if (ct_has_local(c))
        for (size_t pos = ct_window_begin(c, kv->len); pos < kv->len; pos++)
            if (kv->local[pos / CT_TILE].page == CT_NONE)
                return wrong(err, "a page of the window is missing", pos / CT_TILE);
    return true;
}

static bool check_counts(const ct_cache *c, uint32_t *global, uint32_t *local, carat_err *err)
{
    size_t n = 0, pages = 0, ring = 0;
    for (const ct_kv *kv = c->seqs; kv; kv = kv->next, n++) {
        pages += kv->n_tiles;
        ring += kv->n_ring;
        if (!check_seq(kv, global, local, err))
            return false;
    }
    if (n != c->n_seqs || pages != c->global.promised || ring != c->local.promised)
        return wrong(err, "promises are miscounted", n);
    if (pages > c->global.n_promise || ring > c->local.n_promise)
        return wrong(err, "more is promised than there is", n);
    for (size_t i = 0; i < c->global.n; i++)
        if (global[i] != c->global.page[i].refs)
            return wrong(err, "references to a global page are miscounted", i);
    for (size_t i = 0; i < c->local.n; i++)
        if (local[i] != c->local.page[i].refs)
            return wrong(err, "references to a local page are miscounted", i);
    return true;
}

bool ct_cache_check(const ct_cache *c, carat_err *err)
{
    uint32_t *global = calloc(c->global.n + 1, sizeof *global), *local = calloc(c->local.n + 1, sizeof *local);
    bool ok = global && local ? check_free(&c->global, err) && check_free(&c->local, err) && check_index(c, err) &&
                                    check_counts(c, global, local, err)
                              : ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory to check the cache");
    free(global);
    free(local);
    return ok;
}

void ct_cache_clear(ct_cache *c)
{
    for (uint32_t i = 0; i < c->global.n; i++)
        if (ct_is_node(c, i) && c->global.page[i].refs == 0)
            ct_node_remove(c, i);
    for (uint32_t i = 0; i < c->local.n; i++)
        if (c->local.page[i].node != CT_NONE && c->local.page[i].refs == 0)
            ct_node_detach_local(c, c->local.page[i].node);
}
