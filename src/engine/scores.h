/* scores.h - how likely given continuations of a prompt are: what a job computes instead of an answer.
 *
 *   prompt      p0 .. pk                     evaluated once; rows:  Lk
 *   continuations        a0 a1 a2                                   L(a0) L(a1)
 *                        b0 b1 | end                                L(b0) L(b1)
 *
 * Lk has the first token of every continuation, L(a0) the token a1, L(b1) the end. So of a continuation all is evaluated
 * but what comes last, and of one that is a single token nothing. They are evaluated one after the other in the one
 * sequence of the job, which goes back to the prompt's end after each; by batch invariance a figure is the same whichever
 * came before. What a continuation brings into the sequence is not labelled: it never enters the prefix index.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_ENGINE_SCORES_H
#define CT_ENGINE_SCORES_H

#include "engine/stream.h"
#include "model/model.h"

typedef struct ct_continuation {
    int32_t *ids;    /* [n] */
    float *logprobs; /* [n + ends]: of each token, then of the end */
    size_t n;
} ct_continuation;

typedef struct ct_scores {
    /* ---- set by whoever opens it; then only read, but for the figures ---- */
    const ct_model *model; /* borrowed: its stop ids are the end */
    bool has_end;          /* each continuation is a whole answer: the end comes after it */
    ct_continuation *v;    /* [n], each with something to score */
    size_t n;
    /* ---- the scheduler's ---- */
    const ct_stream *prompt; /* the job's, while a continuation is its stream */
    ct_stream stream;        /* tokens of v[at] that are evaluated; ids are borrowed from it, keys are [longest] */
    size_t at;               /* continuations that are complete; of the first n */
    bool has_read;           /* the prompt has been evaluated */
} ct_scores;

/* Room for n continuations, whose ids and n are to be set; ct_scores_ready then takes the rest. Errors: CARAT_ENOMEM. */
bool ct_scores_open(const ct_model *m, size_t n, bool has_end, ct_scores **out, carat_err *err);
bool ct_scores_ready(ct_scores *s, carat_err *err);
void ct_scores_close(ct_scores *s); /* accepts NULL */

/* How many figures a continuation has, one at least; as many less one of its tokens are evaluated. */
size_t ct_scores_n(const ct_scores *s, const ct_continuation *c);
/* The most tokens that one brings into the sequence. */
size_t ct_scores_longest(const ct_scores *s);

/* Logits [n_vocab] after the prompt; lse: log of the sum of exp over the vocabulary. */
void ct_scores_take_first(ct_scores *s, const float *logits, float lse);
/* The same after token i of the continuation at work. */
void ct_scores_take(ct_scores *s, size_t i, const float *logits, float lse);

#endif
