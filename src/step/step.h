/* step.h - one step of a backend over sequences of the cache: checked, its pages taken, the books brought up to date.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_STEP_STEP_H
#define CT_STEP_STEP_H

#include "kv/kv.h"

/* How large a step may be. */
typedef struct ct_step_limits {
    size_t max_batch, max_context; /* as the backend was loaded for (ct_sizes) */
    size_t n_vocab;                /* ids below it have a row in the table */
    size_t n_layer;
    size_t n_slots, n_soft; /* encoded images and the tokens of each; 0 without a tower */
} ct_step_limits;

/* How many of the next n tokens a step of at most `want` should take: the images among them stay whole. More than want
 * only where an image of more begins at once: max_batch must be that of the longest image. 0 if n is 0. */
size_t ct_step_cut(const ct_step_input *tokens, size_t n, size_t want);

/* Runs one step, of the spans' kv, tokens and n. Rows are numbered through the spans in order: span 0's tokens first.
 * Each span needs another kv, all of one cache, whose backend computes.
 *
 * On success every kv has grown by its span. A span whose hidden states are not finite is not kept: its kv is as before
 * and its place in failed [n_spans] is true; the others stand, and the call returns false with CARAT_ENUMERIC. Other
 * errors change nothing: CARAT_EARG (an id outside the table, an empty span, ...), CARAT_ELIMIT (more tokens than
 * max_batch), CARAT_ECONTEXT (past a kv's context; both counts), those of the backend.
 *
 * The last span may be a part (backend.h): its kv grows with its last layer. Whoever gives up before scrubs it. */
bool ct_step_run(const ct_step_limits *l, ct_step_span *spans, size_t n_spans, bool *failed, carat_err *err);

#endif
