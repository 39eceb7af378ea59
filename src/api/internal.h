/* internal.h - what the public types are made of; seen by api/ alone.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_API_INTERNAL_H
#define CARAT_API_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "text/text.h"

struct carat_engine {
    carat_kernels kernels;
    carat_pool *pool;
    carat_model *model;
    carat_text *text; /* one stream of steps: sessions take turns under `lock` */
    pthread_mutex_t lock;
    bool has_lock;
    size_t chunk;
    bool is_exact;
    carat_model_info *info;
    int32_t *banned; /* ids below n_pieces that are never sampled */
    size_t n_banned;
};

struct carat_session {
    carat_engine *engine; /* borrowed */
    carat_kv *kv;
    size_t n_ctx;
    int32_t *ids; /* [n_ctx], of the evaluated tokens */
    size_t n_tokens;
    float *logits; /* [n_vocab], after the last token */
    bool has_logits;
    carat_input *inputs; /* [chunk] */
    atomic_bool cancel;
};

typedef bool carat_on_logits(void *arg, size_t pos, const float *logits, size_t n_vocab);

/* What the public appends do, but a cancel that came stays set: a caller that goes on looks at it itself. */
bool carat_session_extend(carat_session *s, const int32_t *ids, size_t n, carat_on_logits *on_logits, void *arg,
                          carat_err *err);

/* Fills the description from a model opened or peeked at. */
bool carat_info_new(const carat_model *m, size_t weight_bytes, carat_model_info **out, carat_err *err);

#endif
