/* score.h - many prompts with continuations, scored by the engine some at once.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_EVAL_SCORE_H
#define CT_EVAL_SCORE_H

#include "base/err.h"

typedef struct ct_eval_ask {
    carat_prompt *prompt;                    /* taken; NULL: there is nothing to do for this one */
    const carat_continuation *continuations; /* [n] read before the next call of make */
    size_t n;
} ct_eval_ask;

typedef struct ct_eval_work {
    size_t n; /* how many are asked for */
    void *arg;
    /* The i-th; called in order. */
    bool (*make)(void *arg, size_t i, ct_eval_ask *ask, carat_err *err);
    /* Its scores, in the order of its continuations; in any order of i. */
    bool (*take)(void *arg, size_t i, const carat_score *scores, carat_err *err);
    /* Now and then: false ends the work with CARAT_ECANCELLED. May be NULL. */
    bool (*goes_on)(void *arg);
} ct_eval_work;

/* All of them, n_at_once waiting or at work. Errors: of make, of take, of the engine (with the number of the item); CARAT_ECANCELLED.
 * What was taken until then was taken. */
bool ct_eval_score(carat_engine *e, size_t n_at_once, const ct_eval_work *w, carat_err *err);

#endif
