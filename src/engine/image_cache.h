/* image_cache.h - images to soft tokens, each only once: which slot of the backend holds which view.
 *
 * The rows themselves, and the tower that makes them, are the backend's (backend/backend.h); the books are here, by the
 * hash of the pixels. The least recently used view is evicted first. One thread at a time.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_ENGINE_IMAGE_CACHE_H
#define CT_ENGINE_IMAGE_CACHE_H

#include "backend/backend.h"
#include "engine/view.h"

typedef struct ct_image_cache ct_image_cache;

#define CT_NO_SLOT UINT32_MAX

/* How many slots a backend must have to hold `wanted` views and every image of a step of step_tokens: a step begins
 * with a whole image even if it is longer than the step should be. */
size_t ct_image_cache_slots(const ct_vision_config *c, size_t wanted, size_t step_tokens);

/* b, which is loaded with n_slots, and c are borrowed. Errors: CARAT_ENOMEM. */
bool ct_image_cache_open(const ct_backend *b, const ct_vision_config *c, size_t n_slots, ct_image_cache **out,
                         carat_err *err);
void ct_image_cache_close(ct_image_cache *s); /* accepts NULL */

const ct_vision_config *ct_image_cache_shape(const ct_image_cache *s);

/* A step begins: slots given out before may be overwritten from here on. */
void ct_image_cache_begin(ct_image_cache *s);

/* Is a view in the cache? It may still be evicted before this step ends. */
bool ct_image_cache_knows(const ct_image_cache *s, const ct_view *view);
/* The slot of a view if it is in the cache, valid until the next begin; else CT_NO_SLOT. */
uint32_t ct_image_cache_find(ct_image_cache *s, const ct_view *view);
/* Encodes a view that is not in the cache, a layer a call; *done layers are, the shape's n_layer at the end. Encoding
 * another view in between loses what was done. Errors, the cache stays whole: CARAT_ENUMERIC, CARAT_EARG (a view of
 * another size, more of them than a step holds). */
bool ct_image_cache_encode(ct_image_cache *s, const ct_view *view, size_t *done, carat_err *err);
void ct_image_cache_count_cached(ct_image_cache *s, size_t n); /* counts n views that were found in the cache */

typedef struct ct_image_cache_stats {
    uint64_t n_encoded, n_cached; /* views that were computed, and that were found */
    double seconds;               /* that computing them took, of unfinished ones too */
} ct_image_cache_stats;
ct_image_cache_stats ct_image_cache_counters(const ct_image_cache *s);

#endif
