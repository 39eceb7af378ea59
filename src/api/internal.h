/* internal.h - what the public types are made of; seen by api/ alone.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_API_INTERNAL_H
#define CARAT_API_INTERNAL_H

#include "api/vision.h"
#include "weigh/plan.h"

struct carat_engine {
    carat_kernels kernels;
    carat_pool *pool;
    carat_model *model;
    carat_text *text;
    carat_sight *sight; /* NULL: text only */
    carat_cache *cache;
    carat_scheduler *scheduler; /* everything below the tokenizer goes through it */
    carat_plan plan;
    bool is_exact;
    carat_embed_scale embed_scale;
    carat_model_info *info;
    carat_memory memory;
    int32_t *banned; /* ids below n_pieces that are never sampled */
    size_t n_banned;
};

struct carat_session {
    carat_engine *engine; /* borrowed */
    carat_seq seq;
    float *logits; /* [n_vocab], after the last token; NULL until somebody asks for them */
    bool has_logits;
    atomic_bool cancel;
    bool (*progress)(void *arg, carat_phase phase, uint64_t done, uint64_t total);
    void *progress_arg;
};

struct carat_prompt {
    carat_stream stream;
    size_t n_dropped; /* messages */
};

/* The engine's vocabulary, for generators. */
carat_vocabulary carat_engine_vocabulary(const carat_engine *e);
/* A token as the public callbacks get it; borrows from said. */
carat_token carat_token_of(const carat_said *said);

/* Can this engine run that prompt? Errors: CARAT_EUNSUPPORTED, CARAT_EARG. */
bool carat_can_take(const carat_engine *e, const carat_prompt *p, carat_err *err);
/* Says why a picture cannot be taken. Returns false. */
bool carat_refuse_pictures(const carat_engine *e, carat_err *err);

/* Fills the description from a model opened or peeked at, and from its tower: vision_path "" is none. */
bool carat_info_new(const carat_model *m, size_t weight_bytes, const char *vision_path, const carat_kernels *k,
                    int n_threads, bool exact, carat_model_info **out, carat_err *err);

#endif
