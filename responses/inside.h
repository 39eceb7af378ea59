/* inside.h - what the files of this room share.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_RESPONSES_INSIDE_H
#define CT_RESPONSES_INSIDE_H

#include "openai/fields.h"
#include "openai/paths.h"
#include "responses/responses.h"

#define CT_RESPONSES_MAX_TEXT ((size_t)1 << 30)

/* Objects that have fields. */
typedef enum ct_responses_place {
    CT_RESPONSES_BODY = 1,
    CT_RESPONSES_MESSAGE = 2, /* items of "input" */
    CT_RESPONSES_CALL = 4,
    CT_RESPONSES_OUTPUT = 8,
    CT_RESPONSES_TEXT = 16, /* parts of a message's content */
    CT_RESPONSES_IMAGE = 32,
    CT_RESPONSES_TOOL = 64,
    CT_RESPONSES_FORM = 128,   /* "text" */
    CT_RESPONSES_FORMAT = 256, /* "format" in it */
} ct_responses_place;

extern const ct_openai_field ct_responses_fields[];
extern const size_t ct_responses_n_fields;
/* ct_openai_check_rows of that table. */
bool ct_responses_check(const json_t *object, ct_responses_place place, const char *where, ct_openai_list *ignored,
                        ct_openai_fault *f);

/* A request on its way into a body of ours, for ct_openai_request_read. */
typedef struct ct_responses_reading {
    const json_t *body;
    ct_responses_store *store; /* NULL: there is none */
    json_t *ours;
    json_t *items;    /* of the conversation: earlier ones, then those of "input" */
    size_t n_earlier; /* of them */
    bool trims;       /* "truncation" */
    ct_openai_list *ignored;
    ct_openai_paths *paths;
    ct_openai_fault *f;
} ct_responses_reading;

/* request.c: all of it. False: the fault says why. */
bool ct_responses_translate(ct_responses_reading *r);
/* items.c: the items, behind "instructions", as "messages". */
bool ct_responses_messages(ct_responses_reading *r);

/* body.c: a member of ours: takes v, which may be NULL: no memory. path: the client's name of it, where that is another; else NULL. */
bool ct_responses_set(ct_responses_reading *r, const char *key, json_t *v, const char *path);
bool ct_responses_no_memory(ct_openai_fault *f);

/* response.c: the object that is the reply, in progress, without output. NULL: no memory. */
json_t *ct_responses_new(const json_t *body, const ct_openai_request *r, const ct_openai_reply *reply,
                         const char *model);
/* {"input_tokens", ...} */
json_t *ct_responses_usage(const ct_openai_usage *u);

/* store.c: both texts are taken. False: it is not kept. */
bool ct_responses_put(ct_responses_store *s, const char *id, char *response, char *items);
/* The conversation that ends with that response, the caller's. */
bool ct_responses_items(ct_responses_store *s, const char *id, json_t **items, ct_openai_fault *f);

#endif
