/* vectors.h - texts to embeddings: inputs as JSON to requests of the engine, and their events to vectors. For any protocol
 * that has such a route.
 *
 *     ct_vectors_read ──> asks [n] ── submitted by the server ──> events ── ct_vectors_take ──> ct_vectors_at
 *
 * A vector is the mean of the final hidden states of its input's tokens, <bos> among them, cut to n_dims and scaled to length 1.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_OPENAI_VECTORS_H
#define CT_OPENAI_VECTORS_H

#include "openai/openai.h"

typedef struct ct_vectors_want {
    const char *param; /* the field that the inputs are: "input" */
    size_t n_dims;     /* the first so many numbers of each; 0: all that the model has */
    bool is_raw;       /* the mean as it is, not of length 1 */
    bool truncates;    /* of an input that is longer than the context its beginning is taken; else it is refused */
    bool takes_empty;  /* empty texts too, which are <bos> alone; else they are refused */
} ct_vectors_want;

typedef struct ct_vectors {      /* zero-initialised */
    carat_prompt **prompts;      /* [n] */
    carat_request_options *asks; /* [n] */
    size_t n, n_dims;
    size_t n_tokens; /* of all inputs */
    float *v;        /* [n][n_dims] */
    bool *is_known;  /* [n] */
    bool is_raw;
} ct_vectors;

/* input: a text (<bos> is added), token ids (taken as they are), or a list of these, at most CT_TALK_MAX_ASKS. On false f says
 * why; to be deinitialised in either case. */
bool ct_vectors_read(ct_vectors *to, const json_t *input, const ct_vectors_want *want, carat_engine *e,
                     ct_openai_fault *f);
void ct_vectors_deinit(ct_vectors *v);
/* Of request i: its ANSWER brings the vector. */
void ct_vectors_take(ct_vectors *to, size_t i, const carat_event *event);
/* [n_dims]; NULL: it has not come. */
const float *ct_vectors_at(const ct_vectors *v, size_t i);

/* As a list of numbers with the digits that give each float back; as base64 of little-endian floats, in quotes. False: no memory. */
bool ct_vectors_write(const ct_vectors *v, size_t i, bool as_base64, ct_buf *out);

#endif
