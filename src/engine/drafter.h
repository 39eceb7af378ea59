/* drafter.h - guesses by a smaller model of the same vocabulary, which reads what the answer's own model has read and said.
 *
 *     text of an answer   t0 .. tn            the ids of its sequence and what was said since
 *     here                t0 .. tn  g0 g1     keys and values of another model; the guesses go when the answer says otherwise
 *
 * Each answer that drafts has one of a few places, which it keeps as long as no other needs it; the next answer of a session
 * finds what it needs there. A place reads the text in pieces, a piece a step, and guesses nothing until it is through.
 * Pictures are left out. Tokens are guessed one after the other, the likeliest each time, those of several answers together;
 * it goes on as long as that pays, by the measured times of the two models and by how often guesses of such a probability
 * were right.
 *
 * Used between two steps, by the scheduler's thread alone.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_ENGINE_DRAFTER_H
#define CT_ENGINE_DRAFTER_H

#include "engine/guess.h"
#include "step/step.h"

#define CT_DRAFT_PLACES 3 /* answers that draft at once: with more there are no guesses */

/* The sizes of a model that drafts. */
typedef struct ct_draft_plan {
    size_t n_ctx, n_places;
    size_t chunk; /* tokens of a text that are read in a step */
    ct_cache_options cache;
    ct_sizes sizes; /* its backend's */
} ct_draft_plan;

/* of: the engine's cache and sessions. A text that is longer than the smaller model's context is not drafted for. Errors:
 * CARAT_EARG (a cache type that its heads do not fit), CARAT_ELIMIT. */
bool ct_draft_plan_make(const ct_config *c, const ct_cache_options *of, size_t chunk, ct_draft_plan *out,
                        carat_err *err);

typedef struct ct_drafter_parts { /* borrowed */
    const ct_model *model;
    const ct_backend *backend; /* loaded for the plan's sizes */
    ct_cache *cache;           /* of this backend */
} ct_drafter_parts;

typedef struct ct_drafter ct_drafter;

/* Errors: CARAT_ENOMEM. */
bool ct_drafter_open(const ct_drafter_parts *p, const ct_draft_plan *plan, ct_drafter **out, carat_err *err);
void ct_drafter_close(ct_drafter *d); /* before the cache; accepts NULL */
/* Bytes that open takes, the lists of its sequences' pages included. False on overflow. */
bool ct_drafter_bytes(const ct_config *c, const ct_draft_plan *plan, size_t *out);

typedef struct ct_draft_ask {
    uint64_t who;       /* whose text it is; not 0 */
    const int32_t *ids; /* [n] the text, longer than at the last call for the same one and otherwise the same */
    size_t n, most;     /* guesses wanted at most, 1 to CT_MOST_GUESSES */
    bool always;        /* as many as that, whether it pays or not */
    int32_t out[CT_MOST_GUESSES];
    size_t n_out; /* filled: how many there are */
} ct_draft_ask;

/* n at most CT_DRAFT_PLACES, of different texts. n_answers: of a step. seconds: what reading texts may take. Whatever goes
 * wrong gives fewer guesses. */
void ct_drafter_guess(ct_drafter *d, ct_draft_ask *asks, size_t n, const ct_paces *paces, size_t n_answers,
                      double seconds);

#endif
