/* kv.h - keys and values of one sequence.
 *
 * Storage is cut into pages of CARAT_TILE = 64 absolute positions. There are two kinds, one for the global layers and
 * one for the local ones; a page holds, for every layer of its kind and every KV head, one tile (kernels.h,
 * "attention"):
 *
 *   page     [layers of the kind][n_kv_head][K tile | V tile]
 *   K tile   [64/16][head_dim][16]     V tile   [64][head_dim]
 *
 * The page of absolute positions [64 t, 64 t + 64) is pages[t] for global layers and pages[t mod n_ring] for local
 * ones: a local layer keeps only what its window can still see, and a position is absolute wherever it is stored. The
 * ring covers window + max_batch - 1 positions at any alignment, so a whole batch can be written before it attends.
 *
 * Only positions below `len` mean anything; slots beyond hold finite leftovers that no query sees.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_KV_KV_H
#define CARAT_KV_KV_H

#include "kernels/kernels.h"
#include "model/config.h"

typedef struct carat_kv carat_kv;

typedef struct carat_kv_options {
    size_t context;     /* positions promised; 1..CARAT_MAX_CONTEXT. Memory for all of it is taken at open */
    size_t max_batch;   /* most tokens of this sequence in one step */
    carat_kv_elem elem; /* f16, or f32 for exact comparison */
} carat_kv_options;

/* Errors: CARAT_EARG, CARAT_ENOMEM (with the figure). */
bool carat_kv_open(const carat_config *c, const carat_kv_options *o, carat_kv **out, carat_err *err);
void carat_kv_close(carat_kv *kv);
/* Bytes carat_kv_open takes, exactly. False on overflow. */
bool carat_kv_bytes(const carat_config *c, const carat_kv_options *o, size_t *out);
/* Pages of the local ring: min(pages of the context, pages that window + max_batch - 1 positions can touch). */
size_t carat_kv_ring_pages(const carat_config *c, const carat_kv_options *o);

size_t carat_kv_len(const carat_kv *kv);     /* positions held: the next token's position */
size_t carat_kv_context(const carat_kv *kv); /* as promised at open */
size_t carat_kv_max_batch(const carat_kv *kv);

/* Forgets positions >= pos, so that the next token is at pos. Only possible where the local layers' window before pos
 * is still held: pos == 0, pos == len, or pos >= carat_kv_rewind_limit. False (nothing changed) elsewhere. */
bool carat_kv_rewind(carat_kv *kv, size_t pos);
/* The lowest pos > 0 to which a rewind is possible now (1 while nothing has been overwritten). */
size_t carat_kv_rewind_limit(const carat_kv *kv);

/* ---- for text/ ---- */

/* The tile of absolute index `tile` of one layer and KV head. The caller knows that it is held. */
void carat_kv_tile(const carat_kv *kv, size_t layer, size_t head, size_t tile, void **k, void **v);
carat_kv_elem carat_kv_elem_of(const carat_kv *kv);
/* Before a step writes positions [len, len + n): false if they do not fit context or batch. */
bool carat_kv_begin(carat_kv *kv, size_t n);
/* After the step: the positions count. Or: they are zeroed and forgotten (a NaN must not stay in a tile). */
void carat_kv_commit(carat_kv *kv, size_t n);
void carat_kv_scrub(carat_kv *kv, size_t n);

#endif
