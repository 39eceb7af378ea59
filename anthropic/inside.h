/* inside.h - what the files of this room share.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_ANTHROPIC_INSIDE_H
#define CT_ANTHROPIC_INSIDE_H

#include "anthropic/anthropic.h"
#include "openai/fields.h"
#include "openai/paths.h"

#define CT_ANTHROPIC_MAX_TEXT ((size_t)1 << 30)

/* Objects that have fields. */
typedef enum ct_anthropic_place {
    CT_ANTHROPIC_BODY = 1,  /* of /v1/messages */
    CT_ANTHROPIC_COUNT = 2, /* of /v1/messages/count_tokens */
    CT_ANTHROPIC_MESSAGE = 4,
    CT_ANTHROPIC_TEXT = 8, /* blocks: {"type": "text"} and so on */
    CT_ANTHROPIC_IMAGE = 16,
    CT_ANTHROPIC_USE = 32,
    CT_ANTHROPIC_RESULT = 64,
    CT_ANTHROPIC_THOUGHT = 128, /* "thinking", "redacted_thinking" */
    CT_ANTHROPIC_SOURCE = 256,  /* of an image */
    CT_ANTHROPIC_TOOL = 512,
    CT_ANTHROPIC_CHOICE = 1024,   /* "tool_choice" */
    CT_ANTHROPIC_OUTPUT = 2048,   /* "output_config" */
    CT_ANTHROPIC_FORMAT = 4096,   /* "format" in it, "output_format" */
    CT_ANTHROPIC_THINKING = 8192, /* "thinking" of a body */
} ct_anthropic_place;

extern const ct_openai_field ct_anthropic_fields[];
extern const size_t ct_anthropic_n_fields;

/* A request on its way into a body of ours, for ct_openai_request_read. */
typedef struct ct_anthropic_reading {
    const json_t *body;
    json_t *ours;
    ct_openai_list *ignored;
    ct_openai_paths *paths;
    ct_openai_fault *f;
} ct_anthropic_reading;

/* ct_openai_check_rows of the table. */
bool ct_anthropic_check(const ct_anthropic_reading *r, const json_t *object, ct_anthropic_place place,
                        const char *where);

/* request.c: all of it. False: the fault says why. */
bool ct_anthropic_translate(ct_anthropic_reading *r, bool is_count);
/* messages.c: "system" and "messages"; goes_on: an answer is begun in the last one. */
bool ct_anthropic_messages(ct_anthropic_reading *r, bool *goes_on);
/* tools.c: "tools" and "tool_choice" */
bool ct_anthropic_tools(ct_anthropic_reading *r);

/* body.c: a member of ours: takes v; NULL: no memory. path: the client's name of it, where that is another; else NULL. */
bool ct_anthropic_set(ct_anthropic_reading *r, const char *key, json_t *v, const char *path);
/* 400 for a value of the wrong type, or of one that is missing (v NULL); false, always. */
bool ct_anthropic_wrong(ct_anthropic_reading *r, const char *path, const json_t *v, const char *expected);
/* 500; false, always. */
bool ct_anthropic_no_memory(ct_openai_fault *f);
/* The "type" of an object; "": it has none. */
const char *ct_anthropic_type(const json_t *v);

#endif
