/* inside.h - what the files of this room share.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_OPENAI_INSIDE_H
#define CT_OPENAI_INSIDE_H

#include "openai/parts.h"

/* 500 "no memory for <what>"; false, always. */
bool ct_openai_no_memory(ct_openai_fault *f, const char *what);

/* messages.c and prompt.c: "messages" of a chat, "prompt" of a completion, into r->prompt. */
bool ct_openai_chat_prompt(ct_openai_request *r, const carat_engine *e, const ct_openai_options *o, ct_openai_fault *f);
/* A text, or ids, by the name of its field. */
bool ct_openai_prompt_of(const json_t *v, const char *where, const carat_engine *e, carat_prompt **out,
                         ct_openai_fault *f);
bool ct_openai_text_prompts(ct_openai_request *r, const carat_engine *e, ct_openai_fault *f);

/* wanted.c: the form of an answer by the names that llama.cpp's server and vLLM have for it. */
typedef struct ct_openai_wanted {
    const char *param; /* the field that asks for it; NULL: none does */
    carat_format_kind kind;
    const char *text;      /* of a grammar, an expression; of a schema that came as a text */
    const json_t *schema;  /* of a schema that came as JSON */
    const json_t *choices; /* a list of texts */
} ct_openai_wanted;
/* Everything in it is borrowed from the body. */
bool ct_openai_read_wanted(const json_t *body, ct_openai_list *unknown, ct_openai_wanted *to, ct_openai_fault *f);

/* format.c: "response_format", which may be NULL, and what may be called -> r->form. After tools.c. */
bool ct_openai_read_form(ct_openai_request *r, const json_t *format, carat_engine *e, const ct_openai_options *o,
                         ct_openai_fault *f);
void ct_openai_form_release(ct_openai_request *r);
/* Of which kind it is; -1: there is none. */
int ct_openai_form_kind(const ct_openai_request *r);

/* adapters.c: "lora", or an adapter's name as "model", into r->submit. */
bool ct_openai_read_adapters(ct_openai_request *r, const json_t *body, const ct_openai_options *o, ct_openai_fault *f);

/* tools.c: "tools", "tool_choice" and their older names, into r->calls. */
bool ct_openai_read_tools(ct_openai_request *r, ct_openai_fault *f);
void ct_openai_tools_release(ct_openai_request *r);
/* prediction.c: "prediction" of a chat, into r->generation. */
bool ct_openai_read_prediction(ct_openai_request *r, ct_openai_fault *f);

/* valid.c: do these arguments satisfy the function's schema? False: no memory. */
bool ct_openai_call_is_valid(const ct_openai_request *r, const char *name, const char *arguments, bool *is_valid);

/* parts.c: a part of the latest event. It brings the entries of tokens that begin before byte `to` of the answer's text and that
 * no part has brought. False: no memory. */
bool ct_openai_part_add(ct_openai_reply *reply, const ct_openai_part *part, size_t to);
/* The same with the first n of those entries. */
bool ct_openai_part_add_n(ct_openai_reply *reply, const ct_openai_part *part, size_t n);
void ct_openai_parts_clear(ct_openai_reply *reply);

/* called.c: text of an answer that may make calls, as it comes, and its end, which is no part of its own. False: no memory. */
bool ct_openai_calls_read(ct_openai_reply *reply, size_t answer, const char *text, size_t len);
bool ct_openai_calls_end(ct_openai_reply *reply, size_t answer);
void ct_openai_calls_drop(ct_openai_answer *a);

/* echo.c: what is told of the prompt, before anything else of an answer. False: no memory. */
bool ct_openai_tell_prompt(ct_openai_reply *reply, size_t answer, const carat_tokenizer *tok, const carat_event *event);
void ct_openai_told_deinit(ct_openai_reply *reply);

/* prompt.c: could a text of so many bytes have few enough tokens? Tells in no time, where tokenising a long text takes seconds. */
bool ct_openai_may_fit(const carat_engine *e, size_t n_bytes, const char *where, ct_openai_fault *f);

/* A text as C has it, borrowed; refuses anything else, and a NUL character in it. */
bool ct_openai_text(const json_t *v, const char *where, const char **to, ct_openai_fault *f);
/* A boolean of a body, left as it was where there is none. */
bool ct_openai_bool(const json_t *body, const char *key, bool *to, ct_openai_fault *f);

/* reply.c: a part's finish as "finish_reason". */
const char *ct_openai_finish(const char *finish, bool is_old_style);
/* The choices of a reply that is complete, from index `first` on. False: no memory. */
bool ct_openai_add_choices(const ct_openai_reply *reply, size_t first, json_t *choices);
const char *ct_openai_object(ct_openai_endpoint endpoint); /* "chat.completion" */
/* vLLM's "prompt_logprobs", into what is of this endpoint: a choice of a completion, the whole of a chat. False: no memory. */
bool ct_openai_add_prompt_logprobs(const ct_openai_reply *reply, ct_openai_endpoint endpoint, json_t *to);
/* What replies and chunks begin with; model and fingerprint may be NULL. NULL: no memory. */
json_t *ct_openai_head(const ct_openai_reply *reply, const char *object, const char *model, const char *fingerprint);

/* chunks.c: a part as the choice of a chunk; *choice is NULL where it is none. False: no memory. */
bool ct_openai_chunk_choice(const ct_openai_request *r, const ct_openai_part *part, size_t index, json_t **choice);
/* How the answers of a stream begin. */
json_t *ct_openai_chunk_begin(size_t index);

/* entry.c: the log-probabilities of tokens as the endpoint has them: of none, of one, and one more. offset: where its text
 * begins, in characters; takes the entry, which may be NULL. NULL, false: no memory. */
json_t *ct_openai_logprobs(ct_openai_endpoint endpoint);
json_t *ct_openai_entry(ct_openai_endpoint endpoint, const carat_tokenizer *tok, const carat_token *t);
bool ct_openai_logprobs_add(json_t *to, ct_openai_endpoint endpoint, json_t *entry, size_t offset);

#endif
