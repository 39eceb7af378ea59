/* readout.h - what a job reports of its prompt, beside or instead of answers: how likely each of its tokens was, and its
 * embedding, which is the mean of its final hidden states; of an encoder what its dense layers make of that.
 *
 *   prompt      p0    p1    p2    [image]    p7
 *   rows        L0    L1     -        L6      -        logits after a token whose next one has a figure
 *   figures      -    p1    p2     -  -  -   p7        p1 by L0, p2 by L1, p7 by L6; the first token and images have none
 *
 * Every position is evaluated: such a job resumes nothing from the prefix index. Rows are looked at as they are computed, as
 * many at a time as a step has room for; of each its figures are kept. Hidden states are added up in order of position, in
 * double precision, so that the sum does not depend on where the prompt was cut.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_ENGINE_READOUT_H
#define CT_ENGINE_READOUT_H

#include "engine/stream.h"

typedef struct ct_readout {
    size_t n;        /* tokens of the prompt */
    float *logprobs; /* [n]; NAN: it has none. NULL: no figures are wanted */
    uint32_t *ranks; /* [n]: 1 for the likeliest; 0: it has none */
    carat_top *tops; /* [n][n_top], best first; id -1: there are not so many */
    size_t n_top;
    float *embedding; /* [n_dims], once it is complete; NULL: none is wanted */
    size_t n_hidden, n_dims;
    bool is_normed;   /* its length is 1 */
    bool is_complete; /* written before the first event that follows it is sent */
    /* ---- the scheduler's: of the step at work ---- */
    size_t from, to, first_row; /* positions that were evaluated; the row of the first */
    double *sum;                /* [n_hidden] of hidden states so far */
} ct_readout;

/* What is wanted of a prompt of n tokens. */
typedef struct ct_readout_want {
    bool logprobs;
    size_t n_top;
    bool embedding, is_normed;
    size_t n_hidden; /* the model's width */
    size_t n_dims;   /* of the embedding: its first ones; 0: all */
} ct_readout_want;

/* Errors: CARAT_ENOMEM. */
bool ct_readout_open(size_t n, const ct_readout_want *want, ct_readout **out, carat_err *err);
void ct_readout_close(ct_readout *o); /* accepts NULL */

#endif
