/* vectors.h - texts to embeddings: inputs as JSON to requests of the engine, and their events to vectors. For any protocol
 * that has such a route.
 *
 *     ct_vectors_read ──> asks [n] ── submitted by the server ──> events ── ct_vectors_take ──> ct_vectors_text
 *
 * A vector is what carat_request_options.wants_embedding says: an embedding model's, or the mean of the final hidden states of its
 * input's tokens, <bos> among them; cut to n_dims and scaled to length 1.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_OPENAI_VECTORS_H
#define CT_OPENAI_VECTORS_H

#include "openai/openai.h"

typedef struct ct_vectors_want {
    const char *param;        /* the field that the inputs are: "input" */
    const char *task, *title; /* of texts, as in carat_embedding_text */
    size_t n_dims;            /* the first so many numbers of each; 0: all that the model has */
    size_t n_ctx;             /* an input may have so many tokens; 0: as many as the engine's context */
    bool is_raw;              /* the mean as it is, not of length 1 */
    bool truncates;           /* of an input that is longer its beginning is taken; else it is refused */
    bool takes_empty;         /* empty texts too, which are <bos> alone; else they are refused */
    bool as_base64; /* of little-endian floats; else a list of numbers with the digits that give each float back */
} ct_vectors_want;

typedef struct ct_vectors {      /* zero-initialised */
    carat_prompt **prompts;      /* [n] */
    carat_request_options *asks; /* [n] */
    ct_buf *texts;               /* [n] vectors as JSON, written as they come: many at once would take long */
    size_t n;
    size_t n_tokens; /* of all inputs */
    bool as_base64;
} ct_vectors;

/* input: a text (carat_prompt_embedding), token ids (taken as they are), or a list of these, at most CT_TALK_MAX_ASKS. On false f says
 * why; to be deinitialised in either case. */
bool ct_vectors_read(ct_vectors *to, const json_t *input, const ct_vectors_want *want, carat_engine *e,
                     ct_openai_fault *f);
void ct_vectors_deinit(ct_vectors *v);
/* Of request i: its ANSWER brings the vector. False: no memory. */
bool ct_vectors_take(ct_vectors *to, size_t i, const carat_event *event);
/* As JSON; empty: it has not come. */
const ct_buf *ct_vectors_text(const ct_vectors *v, size_t i);

#endif
