/* host_cache.h - a cache with the CPU backend's pages behind it and nothing that computes, for tests of the books.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_HOST_CACHE_H
#define CT_TESTS_HOST_CACHE_H

#include "kv/kv.h"

/* As ct_cache_open, and pages for it. */
bool host_cache_open(const ct_config *c, const ct_cache_options *o, ct_cache **out, carat_err *err);
void host_cache_close(ct_cache *cache);
/* Books and pages together. */
bool host_cache_bytes(const ct_config *c, const ct_cache_options *o, size_t *out);

typedef struct host_kv_options {
    size_t context, max_batch;
    ct_kv_elem elem;
} host_kv_options;

/* One sequence with a cache of its own, closed with it. */
bool host_kv_open(const ct_config *c, const host_kv_options *o, ct_kv **out, carat_err *err);
void host_kv_close(ct_kv *kv);

/* The K and V block of one layer and KV head; that the sequence holds the page is asserted. */
void host_kv_tile(const ct_kv *kv, size_t layer, size_t head, size_t tile, void **k, void **v);

/* The lowest length > 0 that a rewind reaches with the pages that the sequence itself holds (1 while none has been
 * dropped). */
size_t host_kv_rewind_limit(const ct_kv *kv);

/* Takes and writes a still in one go. */
bool host_kv_save(const ct_kv *kv, const char *path, const uint8_t model_hash[32], const void *blob, size_t blob_len,
                  carat_err *err);

/* Opens a saved sequence and takes it in; *blob is malloc'd. */
bool host_kv_restore(ct_kv *kv, const char *path, const uint8_t model_hash[32], uint8_t **blob, size_t *blob_len,
                     carat_err *err);
bool host_kv_restore_memory(ct_kv *kv, const char *what, const uint8_t *data, size_t size, const uint8_t model_hash[32],
                            uint8_t **blob, size_t *blob_len, carat_err *err);

/* ---- kv_check.c ---- */

/* Is everything consistent: each page in one place, reference counts, tree, promises? Walks all pages. */
bool ct_cache_check(const ct_cache *cache, carat_err *err);
/* Forgets every prefix that no sequence holds. */
void ct_cache_clear(ct_cache *cache);

#endif
