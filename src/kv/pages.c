/* Pages: taken, shared, copied on a write, given back.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "kv/kv_inside.h"

void ct_page_free(ct_pages *p, uint32_t page)
{
    ct_page *g = &p->page[page];
    assert(!g->is_free && g->refs == 0 && g->node == CT_NONE && p->n_free < p->n);
    ct_page_keep(p, page, false);
    g->is_free = true;
    p->free[p->n_free++] = page;
}

void ct_page_keep(ct_pages *p, uint32_t page, bool keep)
{
    p->kept += keep;
    p->kept -= p->page[page].kept;
    p->page[page].kept = keep;
}

void ct_page_rely(ct_pages *p, uint32_t page, size_t n)
{
    if (p->page[page].floor < n)
        p->page[page].floor = (uint8_t)n;
}

/* ---- taking ---- */

/* Is a evicted before b? Pages without a kept window first, then the longest unused. */
static bool less_wanted(const ct_cache *c, const ct_pages *p, uint32_t a, uint32_t b)
{
    bool ka = p->page[a].kept, kb = p->page[b].kept;
    if (p == &c->global) {
        ka = c->nodes[a].local != CT_NONE && c->local.page[c->nodes[a].local].kept;
        kb = c->nodes[b].local != CT_NONE && c->local.page[c->nodes[b].local].kept;
    }
    return ka != kb ? kb : p->page[a].used < p->page[b].used;
}

/* The page of the index that is evicted first; a walk over all pages, once in 64 positions of a sequence. */
static uint32_t find_victim(const ct_cache *c, const ct_pages *p)
{
    uint32_t best = CT_NONE;
    for (uint32_t i = 0; i < p->n; i++) {
        if (p->page[i].refs || p->page[i].is_free || (p == &c->global && c->nodes[i].child != CT_NONE))
            continue;
        if (best == CT_NONE || less_wanted(c, p, i, best))
            best = i;
    }
    return best;
}

static bool evict(ct_cache *c, ct_pages *p)
{
    uint32_t victim = find_victim(c, p);
    if (victim == CT_NONE)
        return false;
    if (p == &c->global)
        ct_node_remove(c, victim);
    else
        ct_node_detach_local(c, p->page[victim].node);
    p->evictions++;
    return true;
}

/* A free page, else the first to be evicted from the index; CT_NONE if sequences hold all. refs is 0, its contents are
 * finite. */
static uint32_t take_page(ct_cache *c, ct_pages *p, size_t tile)
{
    if (p->n_free == 0 && !evict(c, p))
        return CT_NONE;
    uint32_t page = p->free[--p->n_free], gen = p->page[page].gen + 1;
    p->touched += gen == 1;
    p->page[page] = (ct_page){ .gen = gen, .tile = (uint32_t)tile, .node = CT_NONE };
    return page;
}

ct_page_ref ct_page_hold(const ct_cache *c, ct_pages *p, uint32_t page)
{
    assert(!p->page[page].is_free);
    p->page[page].refs++;
    p->page[page].used = c->clock;
    return (ct_page_ref){ page, p->page[page].gen };
}

void ct_page_release(ct_cache *c, ct_pages *p, const ct_kv *kv, ct_page_ref *ref)
{
    if (ref->page == CT_NONE)
        return;
    ct_page *g = &p->page[ref->page];
    assert(g->refs > 0 && g->gen == ref->gen);
    g->refs--;
    g->used = c->clock;
    if (g->writer == kv)
        g->writer = NULL;
    if (g->refs == 0 && g->node == CT_NONE)
        ct_page_free(p, ref->page);
    ref->page = CT_NONE;
}

/* ---- writing ---- */

static bool is_private(const ct_page *g)
{
    return g->refs == 1 && g->node == CT_NONE;
}

/* Sequences other than the writer rely on no slot from floor on, so the first that writes may become the writer. */
static bool may_write(const ct_kv *kv, const ct_page *g, size_t slot)
{
    return is_private(g) || ((!g->writer || g->writer == kv) && slot >= g->floor);
}

/* No page is left to copy into: then no page is shared (the promises add up to no more than there are pages), and the
 * index gives this one up. */
static void seize(ct_cache *c, ct_pages *p, uint32_t page)
{
    assert(p->page[page].refs == 1);
    if (p == &c->global)
        ct_node_remove(c, page);
    else
        ct_node_detach_local(c, p->page[page].node);
}

/* Makes a page of kv private: copies it, or takes it out of the index. */
static void make_private(ct_kv *kv, ct_pages *p, ct_page_ref *ref, size_t tile)
{
    ct_cache *c = kv->cache;
    if (!is_private(&p->page[ref->page])) {
        uint32_t copy = take_page(c, p, tile);
        if (copy == CT_NONE) {
            seize(c, p, ref->page);
        } else {
            c->b->page_copy(c->b->self, p->kind, copy, ref->page);
            ct_page_release(c, p, kv, ref);
            *ref = ct_page_hold(c, p, copy);
            c->copies++;
        }
    }
    p->page[ref->page].floor = 0;
    p->page[ref->page].writer = kv;
}

void ct_page_new(ct_kv *kv, ct_pages *p, ct_page_ref *ref, size_t tile)
{
    uint32_t page = take_page(kv->cache, p, tile);
    assert(page != CT_NONE); /* promised */
    *ref = ct_page_hold(kv->cache, p, page);
    p->page[page].writer = kv;
}

/* Both pages of a tile go together, so that the index can have them together. */
void ct_page_own(ct_kv *kv, size_t tile, size_t slot)
{
    ct_cache *c = kv->cache;
    ct_page_ref *g = &kv->global[tile], *l = &kv->local[tile];
    if (g->page == CT_NONE) {
        ct_page_new(kv, &c->global, g, tile);
    } else if (!may_write(kv, &c->global.page[g->page], slot) ||
               (l->page != CT_NONE && !may_write(kv, &c->local.page[l->page], slot))) {
        make_private(kv, &c->global, g, tile);
        if (l->page != CT_NONE)
            make_private(kv, &c->local, l, tile);
    }
    c->global.page[g->page].writer = kv;
    if (!ct_has_local(c))
        return;
    if (l->page == CT_NONE)
        ct_page_new(kv, &c->local, l, tile);
    c->local.page[l->page].writer = kv;
}
