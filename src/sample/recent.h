/* recent.h - the last tokens of a text, and how often each of them is among them: what penalties count.
 *
 * Memory grows with the tokens taken in, not with the vocabulary.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_SAMPLE_RECENT_H
#define CARAT_SAMPLE_RECENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct carat_recent_token {
    int32_t id; /* -1: a free place */
    uint32_t n; /* 0: not among them any more */
    float was;  /* the caller's */
} carat_recent_token;

typedef struct carat_recent {
    int32_t *ring; /* [window] */
    size_t window, n, next;
    carat_recent_token *table; /* [1 << bits], open addressing; at most half of it is taken */
    int bits;
    size_t n_taken;
    bool failed; /* no memory for a token: the counts are not to be used */
} carat_recent;

/* window > 0. False: no memory. Deinit in any case; it accepts zeros. */
bool carat_recent_init(carat_recent *r, size_t window);
void carat_recent_deinit(carat_recent *r);

/* Takes in a token (>= 0); the oldest leaves a full window. */
void carat_recent_add(carat_recent *r, int32_t id);

/* NULL if it is not among them. */
carat_recent_token *carat_recent_find(const carat_recent *r, int32_t id);
/* Every token once, in no order: *at is 0 before the first. NULL past the last. */
carat_recent_token *carat_recent_next(const carat_recent *r, size_t *at);

#endif
