/* cache.h - the memory of all keys and values: pools of pages, shared by sequences and by the prefix index.
 *
 * A page holds CT_TILE = 64 absolute positions of every layer of one kind, global or local (README.md). Here are only
 * the books, in which pages are numbers: their bytes belong to the backend (backend/backend.h), which is loaded with as
 * many as ct_cache_pages returns.
 *
 * The books are taken once, at open, by the walk that ct_cache_bytes counts with. Sequences (kv.h) are admitted by the
 * most they may ever hold: the sum of the pages promised never exceeds the sequences' share of the pools, so a sequence
 * that was admitted never runs out. Pages that no sequence holds stay in the prefix index until they are evicted.
 *
 * One thread at a time per cache and its sequences (the engine has a lock).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KV_CACHE_H
#define CT_KV_CACHE_H

#include "backend/backend.h"

typedef struct ct_cache ct_cache;

typedef struct ct_cache_options {
    size_t context;    /* positions of the longest sequence; 1..CT_MAX_CONTEXT */
    size_t n_seqs;     /* how many sequences may be promised a full context at once; >= 1 */
    size_t max_batch;  /* most tokens of one sequence in one step; local layers keep window + max_batch - 1 */
    ct_kv_elem elem;   /* f16, f32 for exact comparison, q8_0 (head_dim a multiple of 32) */
    size_t keep_bytes; /* on top of what the sequences need: three quarters for kept local windows (ct_kv_mark), one
                         * quarter for global pages of prefixes that no sequence uses; rounded down to whole pages */
} ct_cache_options;

/* Errors: CARAT_EARG (a size out of range, q8_0 with a head_dim that does not allow it, with the figure), CARAT_ELIMIT
 * (does not fit the address space), CARAT_ENOMEM (with the figure). */
bool ct_cache_open(const ct_config *c, const ct_cache_options *o, const ct_backend *b, ct_cache **out, carat_err *err);
/* Every sequence must have been closed. Accepts NULL. */
void ct_cache_close(ct_cache *cache);
/* How many pages of either kind the backend must have. False on overflow or options that open refuses. */
typedef struct ct_cache_size {
    size_t n[CT_N_PAGE_KINDS], page_bytes[CT_N_PAGE_KINDS];
} ct_cache_size;
bool ct_cache_pages(const ct_config *c, const ct_cache_options *o, ct_cache_size *out);
/* Bytes ct_cache_open takes, exactly, besides those pages. False as above. */
bool ct_cache_bytes(const ct_config *c, const ct_cache_options *o, size_t *out);

/* Pages of a sequence's local ring: min(pages of the context, pages that window + max_batch - 1 positions can touch);
 * 0 for a model without local layers. */
size_t ct_cache_ring_pages(const ct_config *c, size_t context, size_t max_batch);

typedef struct ct_pool_stats {
    size_t page_bytes;
    size_t total, free; /* pages; total = free + held + cached */
    size_t held;        /* by at least one sequence */
    size_t cached;      /* by the prefix index alone: evictable, unless kept */
    size_t kept;        /* marked windows (local only), held or cached; never more than may_keep */
    size_t may_keep;
    size_t promised; /* to the open sequences; never more than may_promise */
    size_t may_promise;
    size_t touched;   /* pages ever used: what is resident */
    size_t evictions; /* pages taken from the index, since open */
} ct_pool_stats;

typedef struct ct_cache_stats {
    ct_pool_stats global, local;
    size_t n_seqs;        /* open now */
    size_t hits, misses;  /* ct_kv_resume calls that found a prefix, or none */
    size_t reused_tokens; /* positions adopted by ct_kv_resume */
    size_t copies;        /* pages copied on a write */
} ct_cache_stats;

void ct_cache_get_stats(const ct_cache *cache, ct_cache_stats *out);

/* The figures that counters need, without a walk over the pages. */
typedef struct ct_cache_usage {
    uint64_t used_bytes, promised_bytes; /* of pages that are not free; of those promised */
    uint64_t evictions;
} ct_cache_usage;
ct_cache_usage ct_cache_get_usage(const ct_cache *cache);

#endif
