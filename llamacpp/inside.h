/* inside.h - what the files of this room share.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_LLAMACPP_INSIDE_H
#define CT_LLAMACPP_INSIDE_H

#include "llamacpp/llamacpp.h"
#include "openai/fields.h"

/* 500 "no memory for <what>"; false, always. */
bool ct_llamacpp_no_memory(ct_openai_fault *f, const char *what);

/* Is the body an object, and what becomes of fields that are not honoured? Unknown ones go to the scene's list. */
bool ct_llamacpp_check(const ct_talk_scene *s, const json_t *body, const ct_openai_rows *rows, ct_openai_fault *f);
/* A boolean of the body, left as it was where there is none. */
bool ct_llamacpp_bool(const json_t *body, const char *key, bool *to, ct_openai_fault *f);

/* tokens.c: the name, if it is a control token of the vocabulary; else otherwise, which is taken. NULL: no memory. */
json_t *ct_llamacpp_control(const carat_tokenizer *tok, const char *name, json_t *otherwise);

/* ids.c: a text, or a list of ids and texts, to ids: *ids, n of them, is the caller's (carat_free, free). has_bos: <bos> in
 * front of a text, and of a list that begins with one. has_control: names of control tokens become them. */
bool ct_llamacpp_ids(const carat_tokenizer *tok, const json_t *v, bool has_bos, bool has_control, const char *param,
                     int32_t **ids, size_t *n, ct_openai_fault *f);

/* settings.c: how answers are drawn, in llama-server's words. generation may be NULL: the defaults. */
json_t *ct_llamacpp_settings(const carat_sampling *s, const carat_generation *g, bool streams);
/* The adapters that a request is answered with. NULL: no memory. */
json_t *ct_llamacpp_lora(const ct_openai_request *r, const ct_openai_options *o, const char *model);
json_t *ct_llamacpp_num(float v); /* with the digits that it was given with: 0.95 */

/* template.c: a chat's prompt, made as /v1/chat/completions makes it. Deinitialise the request in either case. */
bool ct_llamacpp_read_chat(const ct_talk_scene *s, const json_t *body, const char *const *without, ct_openai_request *r,
                           ct_openai_fault *f);

#endif
