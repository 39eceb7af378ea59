/* responses.h - OpenAI's Responses API: JSON over openai/ and carat.h. No sockets.
 *
 *     POST /v1/responses                  a table of functions that a server calls (openai/talk.h)
 *     POST /v1/responses/input_tokens     a function of a body
 *     GET, DELETE /v1/responses/{id}      functions of the store, which the server owns
 *     POST /v1/responses/{id}/cancel
 *
 * A request becomes a body of /v1/chat/completions, its reply is made of the parts of the answer. What is honoured, ignored and
 * refused: README.md.
 *
 * Source: https://platform.openai.com/docs/api-reference/responses
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_RESPONSES_H
#define CT_RESPONSES_H

#include "openai/talk.h"

extern const ct_talk_kind ct_responses_talk;

/* {"object": "response.input_tokens", "input_tokens": n}: how many tokens the prompt of such a request has. Any thread. */
bool ct_responses_count(const ct_talk_scene *s, const json_t *body, json_t **reply, ct_openai_fault *f);

/* ---- the store ---- */

/* Responses that were given lately, each with the conversation that led to it: for GET and "previous_response_id". The oldest make
 * room for new ones. Any thread. */
typedef struct ct_responses_store ct_responses_store;

typedef struct ct_responses_limits {
    size_t count, bytes; /* that are kept at most */
    double seconds;      /* that one is kept */
} ct_responses_limits;

/* NULL: no memory. */
ct_responses_store *ct_responses_store_open(const ct_responses_limits *limits);
void ct_responses_store_close(ct_responses_store *s); /* accepts NULL */

/* Replies, the caller's. False: f says why; s may be NULL: nothing is stored, and every id is unknown (404). */
bool ct_responses_get(ct_responses_store *s, const char *id, json_t **reply, ct_openai_fault *f);
bool ct_responses_delete(ct_responses_store *s, const char *id, json_t **reply, ct_openai_fault *f);
/* Always false: only what runs in the background can be cancelled so. Whoever leaves ends a response. */
bool ct_responses_cancel(ct_responses_store *s, const char *id, ct_openai_fault *f);

#endif
