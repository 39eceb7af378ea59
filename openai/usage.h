/* usage.h - what a request has cost: its tokens, and how long they took.
 *
 *     begin ── event, each of its events ── prompt, of each request of the engine ──> "usage", "timings"
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_OPENAI_USAGE_H
#define CT_OPENAI_USAGE_H

#include <jansson.h>

#include "carat.h"

typedef struct ct_openai_usage {
    double began, first; /* ct_now(): when it had been read, when its first token came; 0: none has */
    size_t n_generated, n_drafted, n_accepted; /* of answers; guessed; guessed right (carat_result) */
    double seconds;                            /* of the answer that took longest, from its first token to its end */
    size_t n_prompt, n_cached, n_image;        /* tokens of prompts; of them cached, of images */
} ct_openai_usage;

void ct_openai_usage_begin(ct_openai_usage *u);
void ct_openai_usage_event(ct_openai_usage *u, const carat_event *event);
/* Once its first token has come, or it has ended. r may be NULL: nothing was submitted. */
void ct_openai_usage_prompt(ct_openai_usage *u, const carat_engine *e, const carat_prompt *p, const carat_request *r);

/* The caller's; NULL: no memory. timings are llama-server's; reading the prompt includes waiting for a place. */
json_t *ct_openai_usage_json(const ct_openai_usage *u);
json_t *ct_openai_usage_timings(const ct_openai_usage *u);

#endif
