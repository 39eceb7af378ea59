/* kv.h - keys and values of one sequence, in pages of a ct_cache (cache.h).
 *
 * A sequence holds a global page for each 64 positions from 0 to its length, and local pages for the last tiles only:
 * its ring of ct_cache_ring_pages covers window + max_batch - 1 positions at any alignment, so a whole batch can be
 * written before it attends. Positions are absolute wherever they are stored. Only positions below `len` mean anything;
 * slots beyond hold finite leftovers that are not visible to any query.
 *
 * What can be shared is named by keys, one a position (ct_kv_label). A sequence that begins with the same keys adopts
 * the pages of the longest prefix that can be resumed (ct_kv_resume).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KV_KV_H
#define CT_KV_KV_H

#include "kv/cache.h"

typedef struct ct_kv ct_kv;

/* Keys. A text token's key is its id. A token of an image: CT_KEY_IMAGE plus bits of the hash of its pixels; all but
 * the image's first also CT_KEY_INSIDE: nothing resumes or is cut right before such a position. */
#define CT_KEY_IMAGE  ((uint64_t)1 << 63)
#define CT_KEY_INSIDE ((uint64_t)1 << 62)

/* Admits a sequence of at most `context` positions: no step of it will lack memory. The cache must outlive it. Errors:
 * CARAT_EARG (context 0 or more than the cache's), CARAT_ELIMIT (the pages it may need are promised to others; with the
 * figures; try again when one is closed), CARAT_ENOMEM (its own few KiB). */
bool ct_kv_open(ct_cache *cache, size_t context, ct_kv **out, carat_err *err);
/* Of an empty sequence: what its numbers depend on besides its keys, as one number; 0 at first. Sequences share pages with those
 * of their own variant alone. */
#define CT_KV_MAX_VARIANT ((uint32_t)INT32_MAX)
void ct_kv_set_variant(ct_kv *kv, uint32_t variant);
uint32_t ct_kv_variant(const ct_kv *kv);
/* What open takes itself, besides pages of the cache. False on overflow. */
bool ct_kv_list_bytes(size_t context, size_t *out);
/* Gives its pages back; those in the prefix index stay there until they are evicted. Accepts NULL. */
void ct_kv_close(ct_kv *kv);
/* A second sequence with the same contents and context; nothing is copied until one of them writes into a page that
 * both hold. Admitted as by ct_kv_open, with the same errors. */
bool ct_kv_fork(const ct_kv *kv, ct_kv **out, carat_err *err);

size_t ct_kv_len(const ct_kv *kv);     /* positions held: the next token's position */
size_t ct_kv_context(const ct_kv *kv); /* as promised at open */
size_t ct_kv_max_batch(const ct_kv *kv);
size_t ct_kv_labelled(const ct_kv *kv); /* positions named by ct_kv_label, <= len */

/* Names the next n committed positions, from ct_kv_labelled on; call it after each step. Full tiles enter the prefix
 * index; positions never labelled are never shared. */
void ct_kv_label(ct_kv *kv, const uint64_t *keys, size_t n);
/* Marks the end (all of it labelled, else nothing happens) as a boundary worth resuming from: the end of the system
 * prompt, of the prompt, of a turn, of an image. It enters the index, and the local pages that a resume there or up to
 * 128 positions earlier needs are kept; if keep_bytes is not enough, those of the least recently used boundaries are
 * released. */
void ct_kv_mark(ct_kv *kv);
/* On an empty sequence: adopts the longest prefix of keys that can be resumed, at most max positions, and returns its
 * length (0: none). Adopted positions are labelled, of the same variant, and were computed by this program. */
size_t ct_kv_resume(ct_kv *kv, const uint64_t *keys, size_t n, size_t max);
/* Drops positions >= pos; where that is not possible (the local window before pos is lost, pos is inside an image),
 * drops down to the largest possible length below, 0 at worst. Returns the length reached; recompute from there. */
size_t ct_kv_rewind(ct_kv *kv, size_t pos);

/* ---- on disk (file.h) ---- */

/* A sequence is written to a file in two parts, so that others may step meanwhile: its pages (of local layers those of
 * the window), its keys, and the caller's blob (for example the token ids).
 *
 * take: a snapshot of the sequence, which must not step, rewind or be closed until the snapshot is freed. save: from
 * any thread, at the same time as steps of others; model_hash names the weights. The file is written beside path and
 * renamed: it appears complete or not at all. Errors: CARAT_EIO, CARAT_EFORMAT (another file is there, neither empty nor a
 * session's), CARAT_ENOMEM. */
typedef struct ct_kv_still ct_kv_still;
bool ct_kv_still_take(const ct_kv *kv, ct_kv_still **out, carat_err *err);
bool ct_kv_still_save(const ct_kv_still *st, const char *path, const uint8_t model_hash[32], const void *blob,
                      size_t blob_len, carat_err *err);
void ct_kv_still_free(ct_kv_still *st); /* accepts NULL */
/* A sequence comes back in two parts, too, so that the caller sees its blob before a page enters the cache.
 *
 * open: what precedes the pages, checked against this sequence's cache and context; it reads no more of the sequence, so
 * that others may step. The path is borrowed. Errors: CARAT_EIO, CARAT_EFORMAT (no such file, damaged, cut, with bytes
 * after its end), CARAT_EUNSUPPORTED (another version, another model, other shapes or element type), CARAT_ECONTEXT
 * (longer than the sequence may be; both lengths), CARAT_ENOMEM.
 *
 * take, into the same sequence, which is empty: the saved one, bit for bit. The file's checksum detects damage, not
 * forgery, and whoever wrote it may have computed on another machine: so the pages, and all that is computed after them,
 * serve this sequence and its forks only. No other sequence resumes from them until it is rewound to 0. Errors, the
 * sequence still empty: CARAT_EFORMAT (the checksum, numbers that are not finite), CARAT_EIO, CARAT_ENOMEM. */
typedef struct ct_kv_saved ct_kv_saved;
bool ct_kv_saved_open(const ct_kv *kv, const char *path, const uint8_t model_hash[32], ct_kv_saved **out,
                      carat_err *err);
/* The same from memory, which is borrowed; `what` names it in messages. */
bool ct_kv_saved_open_memory(const ct_kv *kv, const char *what, const uint8_t *data, size_t size,
                             const uint8_t model_hash[32], ct_kv_saved **out, carat_err *err);
bool ct_kv_saved_take(const ct_kv_saved *f, ct_kv *kv, carat_err *err);
void ct_kv_saved_close(ct_kv_saved *f); /* accepts NULL */

/* What precedes the pages, until close. The checksum has not been looked at yet: anything may stand there. */
typedef struct ct_kv_contents {
    size_t n, n_keys;    /* positions; those of them that are labelled */
    const uint8_t *keys; /* u64[n_keys], little-endian */
    const uint8_t *blob; /* as it was given */
    size_t blob_len;
} ct_kv_contents;
ct_kv_contents ct_kv_saved_contents(const ct_kv_saved *f);

/* ---- for a step ---- */

/* The pages by tile, for a step that has begun: of global layers all, of local ones the ring. That each is held by this
 * sequence, for this tile, in this generation of the page, is asserted. Valid until the sequence changes. */
void ct_kv_pages(const ct_kv *kv, const ct_page_ref **global, const ct_page_ref **local);
const ct_backend *ct_kv_backend(const ct_kv *kv); /* of its cache */
/* Before a step writes positions [len, len + n): takes the pages they need and copies the last one if it is shared.
 * False (nothing changed) if they do not fit context or batch. */
bool ct_kv_begin(ct_kv *kv, size_t n);
/* After the step: commits the positions. Or: zeroes and drops them (a NaN must not stay in a tile). */
void ct_kv_commit(ct_kv *kv, size_t n);
void ct_kv_scrub(ct_kv *kv, size_t n);

#endif
