/* image_cache.h - images to soft tokens, each only once: the vision tower behind a cache by pixel hash.
 *
 * All memory is taken at open: the tower's (vision/vision.h) and n_slots places for one image's rows, f32 [n_soft,
 * hidden], which the system makes resident as they are first used. The least recently used goes first. One thread at a
 * time.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_ENGINE_IMAGE_CACHE_H
#define CT_ENGINE_IMAGE_CACHE_H

#include "engine/view.h"
#include "vision/vision.h"

typedef struct ct_image_cache ct_image_cache;

typedef struct ct_image_cache_options {
    bool exact;
    size_t n_slots;     /* >= 1; more where that is needed for what follows */
    size_t step_tokens; /* of the longest step: every image in it has a slot */
} ct_image_cache_options;

/* Arguments and errors as ct_vision_open. */
bool ct_image_cache_open(const char *path, size_t text_width, const ct_kernels *k, ct_pool *pool,
                         const ct_image_cache_options *o, ct_image_cache **out, carat_err *err);
void ct_image_cache_close(ct_image_cache *s); /* accepts NULL */
/* Bytes of the slots, besides ct_vision_bytes. False on overflow. */
bool ct_image_cache_slot_bytes(const ct_vision_config *c, size_t text_width, const ct_image_cache_options *o,
                               size_t *out);

size_t ct_image_cache_memory(const ct_image_cache *s); /* bytes of its slots */
const ct_vision_config *ct_image_cache_shape(const ct_image_cache *s);

/* A step begins: rows given out before may be overwritten from here on. */
void ct_image_cache_begin(ct_image_cache *s);
/* The rows of a view, [n_soft, text_width], valid until the next begin: from the cache, or encoded now. progress (may
 * be NULL) hears layers done and all, and stops by false. NULL on error: CARAT_ENUMERIC, CARAT_ECANCELLED, CARAT_EARG
 * (a view of another size, more of them than a step holds); the cache stays whole. */
const float *ct_image_cache_rows(ct_image_cache *s, const ct_view *view,
                                 bool (*progress)(void *arg, size_t done, size_t total), void *arg, carat_err *err);

/* Is a view in the cache? It may still go before this step ends. */
bool ct_image_cache_knows(const ct_image_cache *s, const ct_view *view);
/* The rows of a view if they are in the cache, valid as above; else NULL. */
const float *ct_image_cache_find(ct_image_cache *s, const ct_view *view);
/* Encodes a view that is not in the cache, a layer a call; *done layers are, the shape's n_layer at the end. Another
 * view's, or a call of ct_image_cache_rows, in between loses what was done. Errors as ct_image_cache_rows. */
bool ct_image_cache_work(ct_image_cache *s, const ct_view *view, size_t *done, carat_err *err);
void ct_image_cache_count_cached(ct_image_cache *s, size_t n); /* n views were found that nobody had to wait for */

typedef struct ct_image_cache_stats {
    uint64_t n_encoded, n_cached; /* views that were computed, and that were found */
} ct_image_cache_stats;
ct_image_cache_stats ct_image_cache_counters(const ct_image_cache *s);

#endif
