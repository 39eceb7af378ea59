/* internal.h - what the public types are made of; seen by api/ alone.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_API_INTERNAL_H
#define CARAT_API_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "api/vision.h"
#include "engine/sight.h"
#include "engine/stream.h"
#include "text/text.h"

struct carat_engine {
    carat_kernels kernels;
    carat_pool *pool;
    carat_model *model;
    carat_text *text;   /* one stream of steps: sessions take turns under `lock` */
    carat_sight *sight; /* NULL: text only */
    pthread_mutex_t lock;
    bool has_lock;
    size_t chunk;     /* tokens of a prefill step */
    size_t max_batch; /* the same, or an image's tokens if they are more */
    bool is_exact;
    carat_model_info *info;
    int32_t *banned; /* ids below n_pieces that are never sampled */
    size_t n_banned;
};

struct carat_session {
    carat_engine *engine; /* borrowed */
    carat_kv *kv;
    size_t n_ctx;
    int32_t *ids;   /* [n_ctx], of the evaluated tokens */
    uint64_t *keys; /* [n_ctx], of the same */
    size_t n_tokens;
    float *logits; /* [n_vocab], after the last token */
    bool has_logits;
    carat_input *inputs; /* [chunk + an image's tokens] */
    atomic_bool cancel;
    bool (*progress)(void *arg, carat_phase phase, uint64_t done, uint64_t total);
    void *progress_arg;
    bool is_generating; /* then nobody wants to hear of one token's progress */
};

struct carat_prompt {
    carat_stream stream;
};

typedef bool carat_on_logits(void *arg, size_t pos, const float *logits, size_t n_vocab);

/* What the public appends do, but a cancel that came stays set: a caller that goes on looks at it itself. */
bool carat_session_extend(carat_session *s, const carat_stream *stream, size_t from, carat_on_logits *on_logits,
                          void *arg, carat_err *err);

/* Says why a picture cannot be taken. Returns false. */
bool carat_refuse_pictures(const carat_engine *e, carat_err *err);

/* Fills the description from a model opened or peeked at, and from its tower: vision_path "" is none. */
bool carat_info_new(const carat_model *m, size_t weight_bytes, const char *vision_path, const carat_kernels *k,
                    int n_threads, bool exact, carat_model_info **out, carat_err *err);

#endif
