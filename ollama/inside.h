/* inside.h - what the files of this room share.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_OLLAMA_INSIDE_H
#define CT_OLLAMA_INSIDE_H

#include "ollama/ollama.h"
#include "openai/fields.h"
#include "openai/paths.h"

#define CT_OLLAMA_MAX_TEXT ((size_t)1 << 30)

/* Objects that have fields. */
typedef enum ct_ollama_place {
    CT_OLLAMA_CHAT = 1,     /* the body of /api/chat */
    CT_OLLAMA_GENERATE = 2, /* of /api/generate */
    CT_OLLAMA_OPTIONS = 4,
    CT_OLLAMA_MESSAGE = 8,
    CT_OLLAMA_TOOL = 16,
    CT_OLLAMA_CALL = 32,   /* one of a message's "tool_calls" */
    CT_OLLAMA_CALLED = 64, /* "function" in it */
    CT_OLLAMA_EMBED = 128,
    CT_OLLAMA_EMBEDDINGS = 256,
} ct_ollama_place;

extern const ct_openai_field ct_ollama_fields[];
extern const size_t ct_ollama_n_fields;
/* ct_openai_check_rows of that table. */
bool ct_ollama_check(const json_t *object, ct_ollama_place place, const char *where, ct_openai_list *ignored,
                     ct_openai_fault *f);

/* What is asked that a body of ours cannot say. */
typedef struct ct_ollama_extras {
    size_t n_ctx;          /* num_ctx; 0: the engine's */
    int penalty_window;    /* repeat_last_n; -1: the operator's */
    bool is_endless;       /* num_predict below 1 */
    bool is_raw;           /* the prompt is no message */
    const json_t *context; /* ids before it; NULL: none */
} ct_ollama_extras;

/* A request on its way into a body of ours, for ct_openai_request_read. */
typedef struct ct_ollama_reading {
    const json_t *body;
    const carat_engine *engine;
    json_t *ours;
    ct_openai_list *ignored;
    ct_openai_paths *paths;
    ct_ollama_extras extras;
    ct_openai_fault *f;
} ct_ollama_reading;

/* request.c: all of it. False: the fault says why. */
bool ct_ollama_translate(ct_ollama_reading *r, bool is_chat);
/* options.c */
bool ct_ollama_options(ct_ollama_reading *r);
/* messages.c: "messages" and "tools" of a chat; a generate's system text, prompt and images as messages. */
bool ct_ollama_messages(ct_ollama_reading *r);
bool ct_ollama_prompt(ct_ollama_reading *r);
bool ct_ollama_tools(ct_ollama_reading *r);

/* body.c: a member of ours: takes v; NULL: no memory. path: the client's name of it, where that is another; else NULL. */
bool ct_ollama_set(ct_ollama_reading *r, const char *key, json_t *v, const char *path);
/* 400 for a value of the wrong type; false, always. */
bool ct_ollama_wrong(ct_ollama_reading *r, const char *path, const json_t *v, const char *expected);

/* context.c: the prompt behind the ids of an earlier reply, in place of the one that the request has. */
bool ct_ollama_join_context(ct_openai_request *request, const carat_engine *e, const json_t *ids, ct_openai_fault *f);
/* The ids of a conversation up to its end: prompt, answer, end of turn. NULL: no memory. */
json_t *ct_ollama_context(const carat_engine *e, const carat_prompt *prompt, const int32_t *ids, size_t n);

/* models.c: "details" of a model, NULL: no memory. */
json_t *ct_ollama_details(const carat_model_info *info);

/* time.c: RFC 3339 with microseconds, of UTC: "2026-11-30T00:12:42.123456Z". A time that is
 * not within the years of four digits is 1970. */
#define CT_OLLAMA_TIME 40
const char *ct_ollama_time(double seconds, char to[CT_OLLAMA_TIME]);
const char *ct_ollama_now(char to[CT_OLLAMA_TIME]);

#endif
