/* generator.h - logits to an answer: samples, turns tokens into text, decides when it ends.
 *
 * A generator has no engine and no thread: it is given the logits after the last token and returns the next token, the
 * text that has become certain, and whether that was the end. Several may work at once on different threads.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_ENGINE_GENERATOR_H
#define CT_ENGINE_GENERATOR_H

#include "base/buf.h"
#include "model/model.h"
#include "sample/mask.h"

#define CT_MAX_TOP 20

/* What a generator needs of the model; borrowed. */
typedef struct ct_vocabulary {
    const ct_model *model;
    const int32_t *banned; /* ids below n_pieces that are never sampled */
    size_t n_banned;
    const char *end_text; /* ends an answer as a stop string does, unless ends are ignored; NULL: ids alone do */
} ct_vocabulary;

typedef struct ct_generator ct_generator;

/* One step of an answer. */
typedef struct ct_chunk {
    int32_t id; /* the sampled token, evaluated next unless it is the end; -1: only text that had been held back */
    ct_buf text;
    float logprob;
    carat_top top[CT_MAX_TOP];
    size_t n_top;
    size_t at; /* bytes of the answer before the token's own text, whether or not they were held back */
} ct_chunk;

void ct_chunk_init(ct_chunk *s);
void ct_chunk_deinit(ct_chunk *s);

/* Copies what it needs of g (settings, biases, stop strings). Errors: CARAT_EARG (settings out of range, by name),
 * CARAT_ENOMEM. */
bool ct_generator_open(const ct_vocabulary *v, const carat_generation *g, ct_generator **out, carat_err *err);
/* Before the first token: from now on the mask decides what may come. The generator owns and closes it, even if this
 * fails (CARAT_ENOMEM). */
bool ct_generator_take_mask(ct_generator *g, const ct_mask *mask, carat_err *err);
void ct_generator_close(ct_generator *g); /* accepts NULL */

/* A token of the prompt, which penalties count. */
void ct_generator_accept(ct_generator *g, int32_t id);

typedef enum ct_verdict {
    CT_GO_ON,    /* evaluate chunk->id and call again */
    CT_LAST,     /* chunk->id is the answer's last token; the text ended with it (max_tokens, a stop string) */
    CT_END_TURN, /* the model ended its text: there is no token */
} ct_verdict;

/* Does it report log-probabilities? Then ct_generator_next needs lse. */
bool ct_generator_wants_lse(const ct_generator *g);

/* The next token from logits [n_vocab], which are changed. lse: log of the sum of exp over the vocabulary. room: how
 * many more tokens the context can take; with 0 this token is the last. Where a mask forces a token the logits give its
 * probability and nothing else. Where it leaves nothing but the end, and no stop id, the answer ends with stop_id -1.
 * Errors: CARAT_ENUMERIC, CARAT_ENOMEM, CARAT_EARG (nothing may come and the answer may not end), those of the mask's
 * fill. */
bool ct_generator_next(ct_generator *g, float *logits, float lse, size_t room, ct_chunk *chunk, ct_verdict *verdict,
                       carat_err *err);
/* Ids that the mask forces next, at most `most` of them: without one, or where it leaves a choice, none. Changes
 * nothing. */
size_t ct_generator_forced(const ct_generator *g, int32_t *ids, size_t most);
/* The next token is this one, which the mask forces: as ct_generator_next, but without logits, and so without a
 * probability. Errors: CARAT_ENOMEM. */
bool ct_generator_give(ct_generator *g, int32_t id, size_t room, ct_chunk *chunk, ct_verdict *verdict, carat_err *err);
/* The text that was held back at the end of an answer that no stop string ended: true if there is any. */
bool ct_generator_flush(ct_generator *g, ct_chunk *chunk);
/* finish, n_generated, stop_id, stop; seconds is the caller's. */
carat_result ct_generator_result(const ct_generator *g);
/* Did its last token end the answer, by a stop string or as the last one allowed that completes what a mask wants? Else
 * the end came after it. */
bool ct_generator_is_ended_by_token(const ct_generator *g);
/* Of one that reports log-probabilities: the token that ended its turn, without text; NULL: none has. */
const ct_chunk *ct_generator_stop(const ct_generator *g);

#endif
