/* The prefix index: which pages hold the positions after which keys.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "kv/kv_inside.h"

static uint32_t *head_of(ct_cache *c, uint32_t parent)
{
    return parent == CT_NONE ? &c->roots : &c->nodes[parent].child;
}

static void link_node(ct_cache *c, uint32_t origin, uint32_t node, uint32_t parent)
{
    uint32_t *head = head_of(c, parent);
    c->nodes[node].parent = parent;
    c->nodes[node].n_keys = 0;
    c->nodes[node].child = c->nodes[node].prev = c->nodes[node].local = CT_NONE;
    c->nodes[node].next = *head;
    if (*head != CT_NONE)
        c->nodes[*head].prev = node;
    *head = node;
    c->global.page[node].node = node;
    c->global.page[node].origin = origin;
}

static void unlink_node(ct_cache *c, uint32_t node)
{
    ct_node *n = &c->nodes[node];
    if (n->prev != CT_NONE)
        c->nodes[n->prev].next = n->next;
    else
        *head_of(c, n->parent) = n->next;
    if (n->next != CT_NONE)
        c->nodes[n->next].prev = n->prev;
    c->global.page[node].node = CT_NONE;
}

void ct_node_detach_local(ct_cache *c, uint32_t node)
{
    uint32_t local = c->nodes[node].local;
    if (local == CT_NONE)
        return;
    c->nodes[node].local = CT_NONE;
    c->local.page[local].node = CT_NONE;
    ct_page_keep(&c->local, local, false);
    if (c->local.page[local].refs == 0)
        ct_page_free(&c->local, local);
}

static void attach_local(ct_cache *c, uint32_t node, uint32_t local)
{
    assert(c->nodes[node].local == CT_NONE && c->local.page[local].node == CT_NONE);
    c->nodes[node].local = local;
    c->local.page[local].node = node;
    ct_page_rely(&c->local, local, c->nodes[node].n_keys);
}

static void remove_leaf(ct_cache *c, uint32_t node)
{
    ct_node_detach_local(c, node);
    unlink_node(c, node);
    if (c->global.page[node].refs == 0)
        ct_page_free(&c->global, node);
}

void ct_node_remove(ct_cache *c, uint32_t node)
{
    while (c->nodes[node].child != CT_NONE) { /* a sequence that holds a descendant also holds this one */
        uint32_t leaf = node;
        while (c->nodes[leaf].child != CT_NONE)
            leaf = c->nodes[leaf].child;
        assert(c->global.page[leaf].refs == 0);
        remove_leaf(c, leaf);
    }
    remove_leaf(c, node);
}

static size_t common_keys(const ct_node *n, const uint64_t *keys, size_t n_keys)
{
    size_t most = ct_kv_min(n->n_keys, n_keys), i = 0;
    while (i < most && n->keys[i] == keys[i])
        i++;
    return i;
}

uint32_t ct_node_match(const ct_cache *c, uint32_t origin, uint32_t parent, const uint64_t *keys, size_t n,
                       size_t *common)
{
    uint32_t best = CT_NONE;
    *common = 0;
    for (uint32_t i = parent == CT_NONE ? c->roots : c->nodes[parent].child; i != CT_NONE; i = c->nodes[i].next) {
        size_t m = c->global.page[i].origin == origin ? common_keys(&c->nodes[i], keys, n) : 0;
        if (m > *common || (m && m == *common && c->nodes[best].local == CT_NONE)) {
            *common = m;
            best = i;
        }
    }
    return best;
}

/* ---- origins ---- */

static bool is_taken(const ct_cache *c, uint32_t origin)
{
    for (const ct_kv *kv = c->seqs; kv; kv = kv->next)
        if (kv->origin == origin)
            return true;
    return false;
}

uint32_t ct_kv_new_origin(const ct_cache *c)
{
    uint32_t origin = CT_KV_MAX_VARIANT + 1;
    while (is_taken(c, origin))
        origin++;
    return origin;
}

void ct_kv_leave_origin(ct_kv *kv)
{
    ct_cache *c = kv->cache;
    uint32_t origin = kv->origin;
    assert(kv->end == 0);
    kv->origin = kv->variant;
    if (!ct_is_restored(origin) || is_taken(c, origin))
        return;
    for (uint32_t i = c->roots, next; i != CT_NONE; i = next) {
        next = c->nodes[i].next;
        if (c->global.page[i].origin == origin)
            ct_node_remove(c, i);
    }
}

/* ---- publishing ---- */

/* Page `own` of kv, whose positions have n keys, becomes a node, or a node of more keys, together with the local page
 * of the same tile. */
static void publish_own(ct_kv *kv, uint32_t parent, size_t tile, size_t n)
{
    ct_cache *c = kv->cache;
    uint32_t own = kv->global[tile].page, local = kv->local[tile].page;
    ct_node *node = &c->nodes[own];
    if (!ct_is_node(c, own))
        link_node(c, kv->origin, own, parent);
    if (node->n_keys < n) {
        memcpy(node->keys, kv->keys, n * sizeof *node->keys);
        node->n_keys = (uint32_t)n;
    }
    ct_page_rely(&c->global, own, n);
    if (node->local != CT_NONE)
        ct_page_rely(&c->local, node->local, n);
    else if (local != CT_NONE && c->local.page[local].node == CT_NONE)
        attach_local(c, own, local);
}

/* kv's local page of a tile is replaced by that of node `other`, whose positions are the same; if the index has none,
 * kv's becomes it. */
static void adopt_local(ct_kv *kv, size_t tile, uint32_t other)
{
    ct_cache *c = kv->cache;
    ct_page_ref *mine = &kv->local[tile];
    uint32_t theirs = c->nodes[other].local;
    if (mine->page == CT_NONE || mine->page == theirs)
        return;
    ct_page *page = &c->local.page[mine->page];
    bool kept = page->kept;
    if (theirs == CT_NONE) {
        if (page->node != CT_NONE) {
            c->nodes[page->node].local = CT_NONE;
            page->node = CT_NONE;
        }
        attach_local(c, other, mine->page);
        return;
    }
    if (kept && !c->local.page[theirs].kept) {
        ct_page_keep(&c->local, mine->page, false);
        ct_page_keep(&c->local, theirs, true);
    }
    ct_page_release(c, &c->local, kv, mine);
    *mine = ct_page_hold(c, &c->local, theirs);
}

/* The index has this full tile already: kv takes that one and gives its own back. */
static void adopt(ct_kv *kv, size_t tile, uint32_t other)
{
    ct_cache *c = kv->cache;
    uint32_t own = kv->global[tile].page;
    adopt_local(kv, tile, other);
    ct_page_release(c, &c->global, kv, &kv->global[tile]);
    kv->global[tile] = ct_page_hold(c, &c->global, other);
    /* A node of the index that has only a part of this tile adds nothing. */
    if (ct_is_node(c, own) && c->global.page[own].refs == 0)
        ct_node_remove(c, own);
}

static uint32_t parent_of(const ct_kv *kv, size_t tile)
{
    assert(tile == 0 || ct_is_node(kv->cache, kv->global[tile - 1].page));
    return tile ? kv->global[tile - 1].page : CT_NONE;
}

/* The tile that ends at `labelled` is complete. */
static void publish_full(ct_kv *kv)
{
    size_t tile = kv->labelled / CT_TILE - 1, common;
    uint32_t parent = parent_of(kv, tile), own = kv->global[tile].page;
    if (ct_is_node(kv->cache, own) && kv->cache->nodes[own].n_keys == CT_TILE)
        return; /* by a fork */
    uint32_t other = ct_node_match(kv->cache, kv->origin, parent, kv->keys, CT_TILE, &common);
    if (common == CT_TILE && other != own)
        adopt(kv, tile, other);
    else
        publish_own(kv, parent, tile, CT_TILE);
}

void ct_kv_label(ct_kv *kv, const uint64_t *keys, size_t n)
{
    assert(n <= kv->len - kv->labelled);
    kv->cache->clock++;
    for (size_t i = 0; i < n; i++) {
        kv->keys[kv->labelled++ % CT_TILE] = keys[i];
        if (kv->labelled % CT_TILE == 0)
            publish_full(kv);
    }
}

/* ---- boundaries ---- */

/* The node that holds the unfinished last tile: one of the index that has it, else kv's own page. */
static uint32_t publish_part(ct_kv *kv)
{
    ct_cache *c = kv->cache;
    size_t tile = kv->len / CT_TILE, n = kv->len % CT_TILE, common;
    uint32_t parent = parent_of(kv, tile), other = ct_node_match(c, kv->origin, parent, kv->keys, n, &common);
    if (common == n && (c->nodes[other].local != CT_NONE || !ct_has_local(c)))
        return other;
    publish_own(kv, parent, tile, n);
    return kv->global[tile].page;
}

static uint32_t local_of(const ct_kv *kv, size_t tile, uint32_t last)
{
    uint32_t node = (tile + 1) * CT_TILE > kv->len ? last : kv->global[tile].page;
    return kv->cache->nodes[node].local;
}

static void unkeep_oldest(ct_pages *p)
{
    uint32_t oldest = CT_NONE;
    for (uint32_t i = 0; i < p->n; i++)
        if (p->page[i].kept && (oldest == CT_NONE || p->page[i].used < p->page[oldest].used))
            oldest = i;
    ct_page_keep(p, oldest, false);
}

/* A resume is also possible this many positions before a boundary: an answer is often regenerated with the end of its
 * prompt changed, and a repeated prompt resumes one position before its end. */
#define MARGIN 128

/* First tile of the window that a resume `back` positions before the end needs. */
static size_t first_kept(const ct_kv *kv, size_t back)
{
    return ct_window_begin(kv->cache, kv->len > back ? kv->len - back : 0) / CT_TILE;
}

static void keep_window(ct_kv *kv, uint32_t last)
{
    ct_pages *p = &kv->cache->local;
    size_t end = ct_tiles_for(kv->len), begin = first_kept(kv, MARGIN);
    if (end - begin > p->n_keep)
        begin = first_kept(kv, 0);
    if (end - begin > p->n_keep)
        return; /* part of a window is useless */
    for (size_t t = begin; t < end; t++) {
        uint32_t local = local_of(kv, t, last);
        if (local == CT_NONE)
            continue;
        p->page[local].used = kv->cache->clock;
        ct_page_keep(p, local, true);
    }
    while (p->kept > p->n_keep)
        unkeep_oldest(p);
}

void ct_kv_mark(ct_kv *kv)
{
    if (kv->labelled != kv->len || kv->len == 0)
        return;
    ct_cache *c = kv->cache;
    c->clock++;
    uint32_t last = kv->len % CT_TILE ? publish_part(kv) : kv->global[kv->len / CT_TILE - 1].page;
    c->global.page[last].used = c->clock;
    if (ct_has_local(c))
        keep_window(kv, last);
}
