/* kv_inside.h - what the files of kv/ share. README.md explains the rules; this is the bookkeeping.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KV_INSIDE_H
#define CT_KV_INSIDE_H

#include "base/mem.h"
#include "kv/kv.h"

#define CT_NONE CT_NO_PAGE

/* One page of either kind. A page is free, or held by `refs` sequences, or in the index, or both of these. */
typedef struct ct_page {
    uint32_t refs;
    uint32_t gen;        /* how often it has been taken from the free list: detects stale references */
    uint32_t tile;       /* positions [64 tile, 64 tile + 64) */
    uint32_t node;       /* in the index: a global page's own number, a local page's node; else CT_NONE */
    const ct_kv *writer; /* the one sequence that may write slots >= floor in place; NULL: the first that does */
    uint64_t used;       /* the cache's clock when last released or resumed */
    uint8_t floor;       /* sequences other than the writer, or the index, rely on the slots below */
    bool kept;           /* local pages of a marked window */
    bool is_free;
    uint32_t origin; /* of a node: as its sequence's was when it entered the index */
} ct_page;

typedef struct ct_pages {
    ct_page_kind kind;
    size_t n, page_bytes;
    size_t n_promise, n_keep; /* shares of n: the sequences', and the rest */
    size_t promised, kept, touched, evictions;
    ct_page *page;  /* [n] */
    uint32_t *free; /* [n_free], a stack */
    size_t n_free;
} ct_pages;

/* The prefix index: a tree whose nodes are global pages (node i is page i). A node's keys are those of its tile, after
 * all keys of its ancestors; only a node with 64 keys has children. A node and its parent are of the same origin: each
 * variant and each restored sequence has a tree of its own beside the common one. */
typedef struct ct_node {
    uint32_t parent, child, next, prev; /* siblings in no order */
    uint32_t local;                     /* the local page of the same positions, or CT_NONE */
    uint32_t n_keys;                    /* 1..64 */
    uint64_t keys[CT_TILE];
} ct_node;

struct ct_cache {
    ct_cache_options opt;
    const ct_backend *b; /* has the bytes of the pages */
    size_t window, n_layer, n_kv_head, head_dim;
    size_t tile_bytes; /* of a K block or a V block */
    bool *is_global;   /* [n_layer] */
    ct_pages global, local;
    ct_node *nodes; /* [global.n] */
    uint32_t roots; /* first node of tile 0 */
    uint64_t clock;
    ct_kv *seqs; /* all open ones */
    size_t n_seqs, hits, misses, reused, copies;
    ct_arena arena;
};

struct ct_kv {
    ct_cache *cache;
    ct_kv *next, *prev;
    size_t context, n_tiles, n_ring; /* promised: n_tiles global pages and n_ring local ones */
    size_t len, labelled;
    uint32_t variant;            /* ct_kv_set_variant */
    uint32_t origin;             /* its variant: all was computed here; else which restored sequence it descends from */
    size_t end;                  /* tiles [0, end) of `global` are held; pages_for(len) but during a step */
    size_t local_begin;          /* tiles [local_begin, end) of `local` may be held */
    uint64_t keys[CT_TILE];      /* of the tile of position `labelled` */
    ct_page_ref *global, *local; /* [n_tiles] by absolute tile */
};

/* Origins of restored sequences are above those of variants. */
static inline bool ct_is_restored(uint32_t origin)
{
    return origin > CT_KV_MAX_VARIANT;
}

static inline size_t ct_tiles_for(size_t positions)
{
    return (positions + CT_TILE - 1) / CT_TILE;
}
static inline size_t ct_kv_min(size_t a, size_t b)
{
    return a < b ? a : b;
}
static inline bool ct_has_local(const ct_cache *c)
{
    return c->local.n > 0;
}
static inline bool ct_is_node(const ct_cache *c, uint32_t page)
{
    return c->global.page[page].node != CT_NONE;
}
/* First position that the token at pos attends to in a local layer, if it is before pos; else pos. */
static inline size_t ct_window_begin(const ct_cache *c, size_t pos)
{
    return pos > c->window - 1 ? pos - (c->window - 1) : 0;
}

/* ---- pages.c ---- */

/* One sequence lets go. */
void ct_page_release(ct_cache *c, ct_pages *p, const ct_kv *kv, ct_page_ref *ref);
/* One more sequence holds it. */
ct_page_ref ct_page_hold(const ct_cache *c, ct_pages *p, uint32_t page);
void ct_page_free(ct_pages *p, uint32_t page);
/* Others rely on the slots below n from now on. */
void ct_page_rely(ct_pages *p, uint32_t page, size_t n);
void ct_page_keep(ct_pages *p, uint32_t page, bool keep);
/* A promised page for a tile of kv that has none. */
void ct_page_new(ct_kv *kv, ct_pages *p, ct_page_ref *ref, size_t tile);
/* Makes slots >= slot of the tile writable for kv: in place if it may, else in a copy. */
void ct_page_own(ct_kv *kv, size_t tile, size_t slot);

/* ---- index.c ---- */

/* Takes a node that no sequence needs any more out of the tree; its descendants, which no sequence holds, are dropped.
 * Its pages become free unless held. */
void ct_node_remove(ct_cache *c, uint32_t node);
void ct_node_detach_local(ct_cache *c, uint32_t node);
/* The child of parent (CT_NONE: of the root) of this origin with the longest common prefix with keys[0..n); *common is
 * its length. Among equals one with a local page. */
uint32_t ct_node_match(const ct_cache *c, uint32_t origin, uint32_t parent, const uint64_t *keys, size_t n,
                       size_t *common);
/* One that no sequence has. */
uint32_t ct_kv_new_origin(const ct_cache *c);
/* kv holds nothing any more: its origin is its variant again, and if it was the last of its restored sequence, that one's
 * tree goes, because nothing could find it. */
void ct_kv_leave_origin(ct_kv *kv);

/* ---- kv.c ---- */

/* Asserts that the sequence that has this reference holds the page, for this tile, in this generation of the page. */
void ct_kv_check_page(const ct_pages *p, const ct_page_ref *ref, size_t tile);
/* Releases all pages of tiles >= begin. */
void ct_kv_drop_tail(ct_kv *kv, size_t begin);

#endif
