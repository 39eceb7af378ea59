/* recent.h - the last tokens of a text, and how often each occurs: what penalties count.
 *
 * Memory grows with the tokens taken in, not with the vocabulary.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SAMPLE_RECENT_H
#define CT_SAMPLE_RECENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ct_recent_token {
    int32_t id; /* -1: a free place */
    uint32_t n; /* 0: not among them any more */
} ct_recent_token;

typedef struct ct_recent {
    int32_t *ring; /* [window] */
    size_t window, n, next;
    ct_recent_token *table; /* [1 << bits], open addressing; at most half of it is taken */
    int bits;
    size_t n_taken;
    bool failed; /* no memory for a token: the counts are not to be used */
} ct_recent;

/* window > 0. False: no memory. Deinit in any case; it accepts zeros. */
bool ct_recent_init(ct_recent *r, size_t window);
void ct_recent_deinit(ct_recent *r);

/* Takes in a token (>= 0); the oldest leaves a full window. */
void ct_recent_add(ct_recent *r, int32_t id);

/* Every token once, in no order: *at is 0 before the first. NULL past the last. */
ct_recent_token *ct_recent_next(const ct_recent *r, size_t *at);

#endif
