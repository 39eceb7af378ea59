/* completion.h - a request of POST /completion, read: what the files of it share.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_LLAMACPP_COMPLETION_H
#define CT_LLAMACPP_COMPLETION_H

#include "llamacpp/inside.h"

/* What llama-server's words say that OpenAI's have no word for. */
typedef struct ct_llamacpp_wishes {
    json_t *body;                          /* the rest, as the body of /v1/completions has it; owned */
    size_t max_tokens;                     /* 0: until the model stops */
    bool generates_nothing;                /* n_predict 0: the prompt is only evaluated */
    int n_probs;                           /* alternatives of each token; 0: no probabilities */
    bool streams, has_tokens, has_timings; /* stream, return_tokens, timings_per_token */
    bool has_window;
    int window; /* repeat_last_n; -1: the context */
    bool has_order;
    carat_sampling_order order;
} ct_llamacpp_wishes;

/* wishes.c: the fields. body may be freed afterwards. False: w->body is to be freed all the same. */
bool ct_llamacpp_read_wishes(const ct_talk_scene *s, const json_t *body, ct_llamacpp_wishes *w, ct_openai_fault *f);

/* prompts.c: how many prompts are in "prompt"? 0: it is a single one, and not in a list. */
size_t ct_llamacpp_n_prompts(const json_t *prompt);
/* The prompt of a text, ids, a mixed list, or a text with pictures. */
bool ct_llamacpp_prompt(const ct_talk_scene *s, const json_t *v, carat_prompt **out, ct_openai_fault *f);

#endif
