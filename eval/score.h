/* score.h - many prompts with continuations to be scored, or with answers to be generated, some at once in one engine.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_EVAL_SCORE_H
#define CT_EVAL_SCORE_H

#include "base/err.h"

typedef struct ct_eval_request {
    carat_prompt *prompt;                    /* taken; NULL: there is nothing to do for this one */
    const carat_continuation *continuations; /* [n] read before the next call of make */
    size_t n;                                /* 0: an answer is generated */
    const carat_generation *generation;
    bool wants_embedding; /* instead: the prompt's vector */
} ct_eval_request;

typedef struct ct_eval_got {
    const carat_score *scores; /* in the order of the continuations; NULL: an answer was generated */
    const char *text;          /* [len] of the answer */
    size_t len;
    const carat_result *result; /* NULL: scores */
    const float *embedding;     /* [n_embedding], where it was wanted */
    size_t n_embedding;
} ct_eval_got;

typedef struct ct_eval_requests {
    size_t n; /* how many are asked for */
    void *arg;
    /* The i-th; called in order. */
    bool (*make)(void *arg, size_t i, ct_eval_request *r, carat_err *err);
    /* What came of it; in any order of i. */
    bool (*take)(void *arg, size_t i, const ct_eval_got *got, carat_err *err);
    /* Now and then: false ends the work with CARAT_ECANCELLED. May be NULL. */
    bool (*goes_on)(void *arg);
} ct_eval_requests;

/* All of them, n_at_once waiting or at work. Errors: of make, of take, of the engine (with the number of the item); CARAT_ECANCELLED.
 * What was taken until then was taken. */
bool ct_eval_score(carat_engine *e, size_t n_at_once, const ct_eval_requests *w, carat_err *err);

#endif
