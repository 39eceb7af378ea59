/* internal.h - the structs behind the public types. Inside api/.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_API_INTERNAL_H
#define CT_API_INTERNAL_H

#include <pthread.h>

#include "api/draft.h"
#include "api/ids.h"
#include "api/turn_format.h"
#include "engine/plan.h"
#include "model/checkpoint.h"
#include "model/fingerprint.h"
#include "sample/grammar/trie.h"

#define CT_MAX_ADAPTERS 64 /* that an engine is opened with */

struct carat_engine {
    ct_pool *pool;      /* shared with other engines of as many threads */
    ct_backend backend; /* weights, keys and values, arithmetic */
    ct_checkpoint checkpoint;
    const ct_model *model;  /* of the checkpoint */
    ct_image_cache *images; /* NULL: text only */
    ct_cache *cache;
    ct_scheduler *scheduler; /* everything below the tokenizer goes through it */
    ct_plan plan;
    ct_footprint footprint;
    uint8_t fingerprint[CT_FINGERPRINT]; /* of weights and settings that saved sessions depend on */
    carat_model_info *info;
    char numerics[17];    /* carat_engine_numerics */
    ct_turn_format turns; /* of chats */
    carat_memory memory;
    ct_api_draft draft;
    ct_imatrix importance; /* sums that the backend adds to */
    bool notes_inputs;
    bool looks_up, guesses_always; /* as ct_guesses has them */
    int n_guesses;                 /* 0: as many as may be */
    int32_t *banned;               /* ids below n_pieces that are never sampled */
    size_t n_banned;
    /* The vocabulary by its bytes, for response formats: built for the first of them. */
    pthread_mutex_t trie_lock;
    bool has_trie;
    ct_trie trie;
    ct_blends blends;
    carat_adapter *adapters[CT_MAX_ADAPTERS]; /* [n_adapters] of its options */
    double scales[CT_MAX_ADAPTERS];
    size_t n_adapters;
    ct_blend *blend; /* of sessions and requests that say nothing; NULL: none */
    atomic_uint_least64_t n_adapters_ever;
    uint64_t max_memory; /* as of the options */
};

struct carat_session {
    carat_engine *engine; /* borrowed */
    ct_seq seq;
    ct_blend *blend; /* a reference; seq borrows it */
    float *logits;   /* [n_vocab], after the last token; NULL until they are asked for */
    bool has_logits;
    atomic_bool cancel;
    carat_phase_fn *progress;
    void *progress_arg;
};

struct carat_prompt {
    atomic_size_t n_refs; /* the caller's, and one a request */
    ct_stream stream;
    char *text; /* as it was rendered; NUL-terminated */
    size_t text_len;
    size_t n_dropped; /* messages */
    size_t n_cut;     /* tokens of a text to embed */
    unsigned repairs;
    bool opens_answer; /* of a chat: it ends where the model's answer begins */
};

/* The engine's vocabulary, for generators. */
ct_vocabulary ct_engine_vocabulary(const carat_engine *e);
/* Can the model look up this id, the at-th of several? Errors: CARAT_EARG, with the name of a token that was added to the
 * tokenizer and not to the model. */
bool ct_api_check_row(const ct_model *m, int32_t id, size_t at, carat_err *err);
/* From now on sums are added to e->importance, on top of those of a file ("": from zero). Errors: those of ct_imatrix_read,
 * CARAT_EUNSUPPORTED, CARAT_EARG (of another model), CARAT_ENOMEM. */
bool ct_api_note_inputs(carat_engine *e, const char *from, carat_err *err);
/* An engine's options as the caller gave them, NULL included; prefix_cache says it all. Errors: CARAT_EARG. */
bool ct_api_options(const carat_options *from, carat_options *to, carat_err *err);
/* What the caller gave, NULL included, as a struct of this library's; to->sampling is the other one, the model's where the
 * caller gave none. Errors: CARAT_EARG (sizes). */
bool ct_api_generation(const carat_engine *e, const carat_generation *from, carat_generation *to,
                       carat_sampling *sampling, carat_err *err);
/* A mask of this form, at the beginning of an answer. Errors: CARAT_EARG (another engine's), CARAT_ENOMEM. */
bool ct_api_format_mask(const carat_engine *e, const carat_format *f, ct_mask *out, carat_err *err);
/* From now on the generator keeps to the form or the mask of g, if there is one. answer: which of several. Errors:
 * CARAT_EARG (both of them; of another engine; of a mask's size), CARAT_ENOMEM. */
bool ct_api_limit(const carat_engine *e, const carat_generation *g, size_t answer, ct_generator *gen, carat_err *err);
/* Is this a number of guesses that can be asked for? Errors: CARAT_EARG. */
bool ct_api_check_guesses(int n, carat_err *err);
/* What an answer's guesses come from; *to is zeroed, and deinited even after a failure. Errors: CARAT_ELIMIT, CARAT_ENOMEM. */
bool ct_api_guesses(const carat_engine *e, const carat_generation *g, ct_guesses *to, carat_err *err);
/* A token as the public callbacks get it; borrows from chunk. */
carat_token ct_api_token(const ct_chunk *chunk);
/* An event that was handed out, and what it points to. */
typedef struct ct_public_event {
    carat_event event;
    carat_token token;
    carat_result result;
    carat_err err;
} ct_public_event;
/* A request's event as the caller gets it: &to->event. The token borrows as *e does. */
const carat_event *ct_api_event(const ct_event *e, ct_public_event *to);
ct_queue *ct_api_queue(carat_queue *q); /* borrowed */
/* One reference more; carat_prompt_free gives it back. From any thread. */
carat_prompt *ct_api_prompt_hold(const carat_prompt *p);

/* Is it a model that writes text? Errors: CARAT_EUNSUPPORTED, with what an embedding model is used by instead. */
bool ct_api_writes_text(const carat_engine *e, carat_err *err);
/* Can its embeddings be cut to so many numbers? Errors: CARAT_EARG, with those that they can. */
bool ct_api_check_dims(const carat_engine *e, size_t n_dims, carat_err *err);
/* Can this engine run that prompt? Errors: CARAT_EUNSUPPORTED, CARAT_EARG. */
bool ct_api_can_take(const carat_engine *e, const carat_prompt *p, carat_err *err);
/* Sets the error for a picture that cannot be used. Returns false. */
bool ct_api_refuse_pictures(const carat_engine *e, carat_err *err);

/* An engine over a description and a backend that is not loaded yet, both of which become its own; carat_engine_open
 * goes on like this when it has them. Errors as carat_engine_open; what was given stays the caller's then only if there
 * was no memory for the engine. */
bool ct_api_open_on(const ct_checkpoint *c, const ct_backend *b, const carat_options *opt, carat_engine **out,
                    carat_err *err);
/* Opens the CPU backend for these options: the level by name or $CARAT_CPU. pool: as ct_cpu_open. */
bool ct_api_open_backend(const carat_options *o, ct_pool *pool, ct_backend *out, carat_err *err);
/* What the model recommends, of which *fields are its files' (carat_sampling_field); what is out of range is noted. */
void ct_api_advice(ct_model *m, carat_sampling *s, unsigned *fields);
/* Fills the description of a checkpoint; bytes is what its weights and its tower take. */
bool ct_info_new(const ct_checkpoint *c, const ct_turn_format *turns, const ct_footprint *bytes, carat_model_info **out,
                 carat_err *err);

#endif
