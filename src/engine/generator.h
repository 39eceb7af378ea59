/* generator.h - logits to an answer: samples, turns tokens into text, knows when it ends.
 *
 * A generator has no engine and no thread: it is given the logits after the last token and says which token comes next,
 * what text has become certain, and whether that was the end. Several may work at once on different threads.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_ENGINE_GENERATOR_H
#define CARAT_ENGINE_GENERATOR_H

#include "base/buf.h"
#include "kernels/kernels.h"
#include "model/model.h"

#define CARAT_MAX_TOP 20

/* What a generator needs to know of the model; borrowed. */
typedef struct carat_vocabulary {
    const carat_model *model;
    const carat_kernels *kernels;
    const int32_t *banned; /* ids below n_pieces that are never sampled */
    size_t n_banned;
} carat_vocabulary;

typedef struct carat_generator carat_generator;

/* One step of an answer. */
typedef struct carat_said {
    int32_t id; /* the sampled token, evaluated next unless it is the end; -1: only text that had been held back */
    carat_buf text;
    float logprob;
    carat_top top[CARAT_MAX_TOP];
    size_t n_top;
} carat_said;

void carat_said_init(carat_said *s);
void carat_said_deinit(carat_said *s);

/* Copies what it needs of g (settings, biases, stop strings). Errors: CARAT_EARG (settings out of range, by name),
 * CARAT_ENOMEM. */
bool carat_generator_open(const carat_vocabulary *v, const carat_generation *g, carat_generator **out, carat_err *err);
void carat_generator_close(carat_generator *g); /* accepts NULL */

/* A token of the prompt, which penalties count. */
void carat_generator_accept(carat_generator *g, int32_t id);

typedef enum carat_verdict {
    CARAT_GO_ON,    /* evaluate said->id and come again */
    CARAT_LAST,     /* said->id is the answer's last token; the text ended with it (max_tokens, a stop string) */
    CARAT_END_TURN, /* the model ended its text: said has no token */
} carat_verdict;

/* The next token from logits [n_vocab], which are changed. room: how many more tokens the context can take; with 0 the
 * token said is the last. Errors: CARAT_ENUMERIC, CARAT_ENOMEM. */
bool carat_generator_next(carat_generator *g, float *logits, size_t room, carat_said *said, carat_verdict *verdict,
                          carat_err *err);
/* What was held back at the end of an answer that was not ended by a stop string: true if there is such text. */
bool carat_generator_flush(carat_generator *g, carat_said *said);
/* finish, n_generated, stop_id; seconds is the caller's. */
carat_result carat_generator_result(const carat_generator *g);

#endif
