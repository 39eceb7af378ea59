/* seq.h - one conversation's tokens, their keys and values, and the hidden state of the last one.
 *
 * Of the last token the final hidden state is kept, not its logits: 2560 floats with the 4B, not 262144. The output
 * head computes the same logits from it at any time (backend/backend.h).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_ENGINE_SEQ_H
#define CT_ENGINE_SEQ_H

#include "engine/blend.h"
#include "engine/stream.h"

typedef struct ct_seq {
    ct_kv *kv;
    size_t n_ctx;   /* promised */
    int32_t *ids;   /* [n_ctx], of the n evaluated tokens */
    uint64_t *keys; /* [n_ctx], of the same */
    size_t n;
    float *hidden;         /* [n_hidden], after the last token */
    size_t n_hidden;       /* the model's width */
    bool has_hidden;       /* false: of no token, or of one that is no longer the last */
    const ct_blend *blend; /* adapters that it is computed with, borrowed; NULL: none */
} ct_seq;

/* Admits a sequence (kv.h: the same errors). Close it even after a failure. */
bool ct_seq_open(ct_seq *s, ct_cache *cache, size_t n_ctx, size_t n_hidden, carat_err *err);
void ct_seq_close(ct_seq *s); /* accepts a zeroed one */
/* From now on an empty sequence is computed with these; NULL: none. */
void ct_seq_set_blend(ct_seq *s, const ct_blend *blend);
/* The same contents and adapters, without copying keys and values. */
bool ct_seq_fork(const ct_seq *s, ct_seq *out, carat_err *err);
/* Bytes that open takes besides the cache's pages. False on overflow. */
bool ct_seq_bytes(size_t n_ctx, size_t n_hidden, size_t *out);

/* Rewinds to n tokens or fewer, whole images only; returns how many are left. */
size_t ct_seq_rewind(ct_seq *s, size_t n);
/* An empty sequence adopts the longest prefix of the stream that is in the cache, at most `max` tokens. */
void ct_seq_resume(ct_seq *s, const ct_stream *stream, size_t max);
/* n >= 1 tokens have been evaluated; `row` of the last step is the last one. */
void ct_seq_grow(ct_seq *s, const int32_t *ids, const uint64_t *keys, size_t n, size_t row);
/* The same, but other sequences will not find them. What follows can only be grown so, until they are rewound. */
void ct_seq_grow_unshared(ct_seq *s, const int32_t *ids, const uint64_t *keys, size_t n, size_t row);

#endif
