/* part.h - what the files of kv/ share. README.md explains the rules; this is the bookkeeping.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_KV_PART_H
#define CARAT_KV_PART_H

#include "base/mem.h"
#include "kv/kv.h"

#define CARAT_NONE UINT32_MAX

/* One page of either kind. A page is free, or held by `refs` sequences, or in the index, or both of these. */
typedef struct carat_page {
    uint32_t refs;
    uint32_t gen;           /* how often it has been taken from the free list: a stale reference shows */
    uint32_t tile;          /* positions [64 tile, 64 tile + 64) */
    uint32_t node;          /* in the index: a global page's own number, a local page's node; else CARAT_NONE */
    const carat_kv *writer; /* the one sequence that may write slots >= floor in place; NULL: whoever comes first */
    uint64_t used;          /* the cache's clock when last released or resumed */
    uint8_t floor;          /* slots below are relied on by someone other than the writer */
    bool kept;              /* local pages of a marked window */
    bool is_free;
} carat_page;

typedef struct carat_pages {
    size_t n, page_bytes, n_layers;
    size_t n_promise, n_keep; /* shares of n: the sequences', and the rest */
    size_t promised, kept, touched, evictions;
    carat_page *page; /* [n] */
    uint32_t *free;   /* [n_free], a stack */
    size_t n_free;
    uint8_t *base; /* [n][page_bytes] */
} carat_pages;

/* The prefix index: a tree whose nodes are global pages (node i is page i). A node's keys are those of its tile, after
 * all keys of its ancestors; only a node with 64 keys has children. */
typedef struct carat_node {
    uint32_t parent, child, next, prev; /* siblings in no order */
    uint32_t local;                     /* the local page of the same positions, or CARAT_NONE */
    uint32_t n_keys;                    /* 1..64 */
    uint64_t keys[CARAT_TILE];
} carat_node;

struct carat_cache {
    carat_cache_options opt;
    size_t window, n_layer, n_kv_head, head_dim;
    size_t tile_bytes; /* of a K tile or a V tile */
    bool *is_global;   /* [n_layer] */
    uint32_t *in_kind; /* [n_layer]: the layer's place among its kind */
    carat_pages global, local;
    carat_node *nodes; /* [global.n] */
    uint32_t roots;    /* first node of tile 0 */
    uint64_t clock;
    carat_kv *seqs; /* all open ones */
    size_t n_seqs, hits, misses, reused, copies;
    carat_arena arena;
};

/* A page as a sequence holds it. */
typedef struct carat_ref {
    uint32_t page, gen; /* CARAT_NONE: not held */
} carat_ref;

struct carat_kv {
    carat_cache *cache;
    carat_kv *next, *prev;
    bool owns_cache;
    size_t context, n_tiles, n_ring; /* promised: n_tiles global pages and n_ring local ones */
    size_t len, labelled;
    size_t end;                /* tiles [0, end) of `global` are held; pages_for(len) but during a step */
    size_t local_begin;        /* tiles [local_begin, end) of `local` may be held */
    uint64_t keys[CARAT_TILE]; /* of the tile of position `labelled` */
    carat_ref *global, *local; /* [n_tiles] by absolute tile */
};

static inline size_t carat_tiles_for(size_t positions)
{
    return (positions + CARAT_TILE - 1) / CARAT_TILE;
}
static inline size_t carat_min(size_t a, size_t b)
{
    return a < b ? a : b;
}
static inline bool carat_has_local(const carat_cache *c)
{
    return c->local.n > 0;
}
static inline bool carat_is_node(const carat_cache *c, uint32_t page)
{
    return c->global.page[page].node != CARAT_NONE;
}
/* First position that the token at pos sees in a local layer, if it is before pos; else pos. */
static inline size_t carat_window_begin(const carat_cache *c, size_t pos)
{
    return pos > c->window - 1 ? pos - (c->window - 1) : 0;
}

/* ---- pages.c ---- */

/* A free page, else the index's least wanted; CARAT_NONE if sequences hold all. refs is 0, its contents are finite. */
uint32_t carat_page_take(carat_cache *c, carat_pages *p, size_t tile);
/* One sequence lets go. */
void carat_page_release(carat_cache *c, carat_pages *p, const carat_kv *kv, carat_ref *ref);
/* One more sequence holds it. */
carat_ref carat_page_hold(const carat_cache *c, carat_pages *p, uint32_t page);
void carat_page_free(carat_pages *p, uint32_t page);
/* Slots below n are relied on. */
void carat_page_rely(carat_pages *p, uint32_t page, size_t n);
void carat_page_keep(carat_pages *p, uint32_t page, bool keep);
/* A promised page for a tile of kv that has none. */
void carat_page_new(carat_kv *kv, carat_pages *p, carat_ref *ref, size_t tile);
static inline uint8_t *carat_page_data(const carat_pages *p, uint32_t page)
{
    return p->base + page * p->page_bytes;
}
/* Makes slots >= slot of the tile kv's own to write: in place if it may, else in a copy. */
void carat_page_own(carat_kv *kv, size_t tile, size_t slot);

/* ---- index.c ---- */

/* Takes a node that no sequence needs any more out of the tree; its descendants, held by nobody, are dropped. Its pages
 * become free unless held. */
void carat_node_remove(carat_cache *c, uint32_t node);
void carat_node_detach_local(carat_cache *c, uint32_t node);
/* The child of parent (CARAT_NONE: of the root) with the longest common prefix with keys[0..n); *common is its length.
 * Among equals one with a local page. */
uint32_t carat_node_match(const carat_cache *c, uint32_t parent, const uint64_t *keys, size_t n, size_t *common);

/* ---- kv.c ---- */

/* Releases all pages of tiles >= begin. */
void carat_kv_drop_tail(carat_kv *kv, size_t begin);

/* Zeroes slots [begin, end) of a page's bytes in every layer and head. */
void carat_page_clear(const carat_cache *c, const carat_pages *p, uint8_t *page, size_t begin, size_t end);

#endif
