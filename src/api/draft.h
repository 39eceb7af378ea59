/* draft.h - a smaller model beside the engine's, by which answers' tokens are guessed. Inside api/.
 *
 *     describe -> fit (its bytes are weighed with the engine's) -> plan -> load -> open -> close
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_API_DRAFT_H
#define CT_API_DRAFT_H

#include "base/pool.h"
#include "engine/drafter.h"
#include "model/checkpoint.h"

typedef struct ct_api_draft { /* zeroed: there is none */
    ct_checkpoint checkpoint;
    ct_backend backend;
    ct_draft_plan plan;
    ct_footprint footprint;
    ct_cache *cache;
    ct_drafter *drafter;
} ct_api_draft;

/* Its headers, and a backend for it on the engine's pool. Errors: CARAT_EUNSUPPORTED (either writes no text), those of ct_checkpoint_open and ct_api_open_backend. */
bool ct_api_draft_describe(ct_api_draft *d, const carat_options *o, const ct_model *of, ct_pool *pool, carat_err *err);
/* Sizes; of: the engine's plan. Errors: those of ct_draft_plan_make and of the backend's bytes. */
bool ct_api_draft_plan(ct_api_draft *d, const ct_cache_options *of, size_t chunk, carat_err *err);
/* Vocabulary and weights. Errors: CARAT_EUNSUPPORTED (another vocabulary than the model's, with the first token that is
 * different), those of reading either. */
bool ct_api_draft_load(ct_api_draft *d, const ct_model *of, const ct_load_progress *how, carat_err *err);
bool ct_api_draft_open(ct_api_draft *d, carat_err *err); /* errors: CARAT_ENOMEM */
void ct_api_draft_close(ct_api_draft *d);                /* after the scheduler; accepts a zeroed one */
/* Everything that it holds; 0: there is none. */
uint64_t ct_api_draft_bytes(const ct_api_draft *d);
uint64_t ct_api_draft_mapped(const ct_api_draft *d); /* of them, from a pack */

#endif
