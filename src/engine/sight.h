/* sight.h - images to soft tokens, each only once: the vision tower behind a cache by pixel hash.
 *
 * All memory is taken at open: the tower's (vision/vision.h) and n_slots places for one image's rows, f32 [n_soft,
 * hidden], which the system makes resident as they are first used. The least recently used goes first. One thread at a
 * time.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_ENGINE_SIGHT_H
#define CARAT_ENGINE_SIGHT_H

#include "engine/view.h"
#include "vision/vision.h"

typedef struct carat_sight carat_sight;

typedef struct carat_sight_options {
    bool exact;
    size_t n_slots;     /* >= 1; more where that is needed for what follows */
    size_t step_tokens; /* of the longest step: every image in it has a slot */
} carat_sight_options;

/* Arguments and errors as carat_vision_open. */
bool carat_sight_open(const char *path, size_t text_width, const carat_kernels *k, carat_pool *pool,
                      const carat_sight_options *o, carat_sight **out, carat_err *err);
void carat_sight_close(carat_sight *s); /* accepts NULL */
/* Bytes of the slots, besides carat_vision_bytes. False on overflow. */
bool carat_sight_slot_bytes(const carat_vision_config *c, size_t text_width, const carat_sight_options *o, size_t *out);

size_t carat_sight_memory(const carat_sight *s); /* bytes of its slots */
const carat_vision_config *carat_sight_shape(const carat_sight *s);

/* A step begins: rows given out before may be overwritten from here on. */
void carat_sight_begin(carat_sight *s);
/* The rows of a view, [n_soft, text_width], valid until the next begin: from the cache, or encoded now. progress (may
 * be NULL) hears layers done and all, and stops by false. NULL on error: CARAT_ENUMERIC, CARAT_ECANCELLED, CARAT_EARG
 * (a view of another size, more of them than a step holds); the cache stays whole. */
const float *carat_sight_rows(carat_sight *s, const carat_view *view,
                              bool (*progress)(void *arg, size_t done, size_t total), void *arg, carat_err *err);

/* Is a view in the cache? It may still go before this step ends. */
bool carat_sight_knows(const carat_sight *s, const carat_view *view);
/* The rows of a view if they are in the cache, valid as above; else NULL. */
const float *carat_sight_find(carat_sight *s, const carat_view *view);
/* Encodes a view that is not in the cache, a layer a call; *done layers are, the shape's n_layer at the end. Another
 * view's, or a call of carat_sight_rows, in between loses what was done. Errors as carat_sight_rows. */
bool carat_sight_work(carat_sight *s, const carat_view *view, size_t *done, carat_err *err);
void carat_sight_count_cached(carat_sight *s, size_t n); /* n views were found that nobody had to wait for */

typedef struct carat_sight_stats {
    uint64_t n_encoded, n_cached; /* views that were computed, and that were found */
} carat_sight_stats;
carat_sight_stats carat_sight_counters(const carat_sight *s);

#endif
