/* fields.h - every field that a request may have, and what becomes of it: one table, fields.c.
 *
 *     honoured   it does what it says; a value of the wrong type is refused
 *     harmless   it changes nothing here, and no answer would be another one for it: taken and ignored
 *     passed by  it would change something and cannot be honoured, but every server of its protocol takes it: listed like
 *                an unknown one where it asks for something
 *     refused    it would change the answer and cannot be honoured: refused by name where it asks for something
 *     unknown    in no row: refused by name, or listed (ct_openai_unknown)
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_OPENAI_FIELDS_H
#define CT_OPENAI_FIELDS_H

#include "openai/openai.h"

/* Objects that have fields; a row may be of several. */
typedef enum ct_openai_place {
    CT_IN_CHAT = 1,        /* the body of /v1/chat/completions */
    CT_IN_COMPLETIONS = 2, /* the body of /v1/completions */
    CT_IN_BODY = CT_IN_CHAT | CT_IN_COMPLETIONS,
    CT_IN_MESSAGE = 4,
    CT_IN_TEXT = 8,   /* a part {"type": "text"} */
    CT_IN_IMAGE = 16, /* a part {"type": "image_url"} */
    CT_IN_PART = CT_IN_TEXT | CT_IN_IMAGE,
    CT_IN_IMAGE_URL = 32,
    CT_IN_FORMAT = 64,        /* "response_format" */
    CT_IN_SCHEMA = 128,       /* "json_schema" in it */
    CT_IN_LINE = 256,         /* the line of a batch, around the body */
    CT_IN_TOOL = 512,         /* one of "tools" */
    CT_IN_FUNCTION = 1024,    /* "function" in it; one of "functions" */
    CT_IN_CALL = 2048,        /* one of a message's "tool_calls" */
    CT_IN_CALLED = 4096,      /* "function" in it; "function_call" */
    CT_IN_STRUCTURED = 8192,  /* "structured_outputs" */
    CT_IN_STREAM = 16384,     /* "stream_options" */
    CT_IN_EMBEDDINGS = 32768, /* the body of /v1/embeddings */
    CT_IN_PREDICTION = 65536, /* "prediction" */
} ct_openai_place;

typedef enum ct_openai_class {
    CT_FIELD_UNKNOWN,
    CT_FIELD_HONOURED,
    CT_FIELD_HARMLESS,
    CT_FIELD_REFUSED,
    CT_FIELD_PASSED_BY,
} ct_openai_class;

typedef struct ct_openai_field {
    const char *name;
    unsigned in; /* ct_openai_place, added up */
    ct_openai_class class;
    /* Of one that is not honoured: which values ask for nothing. null never does. NULL: nor do false, 0, "", [] and {}. Else words
     * that do not either; after "=" they alone. */
    const char *unless;
    const char *instead; /* of a refused one: what does the same, or NULL */
} ct_openai_field;

extern const ct_openai_field ct_openai_fields[];
extern const size_t ct_openai_n_fields;

/* The rows of one object: all of a table, or those of a place in it. */
typedef struct ct_openai_rows {
    const ct_openai_field *rows; /* [n] */
    size_t n;
    unsigned in;      /* ct_openai_place, added up; 0: every row, whatever it says */
    const char *what; /* the object, for messages: "a chat request" */
} ct_openai_rows;

/* The row of that name in that place; NULL: none. */
const ct_openai_field *ct_openai_field_of(const char *name, ct_openai_place place);

/* Looks at the names of an object's fields (of anything else there are none). where: its path, "" for the body. What is
 * unknown is refused or added to the list, as the list's mode says. */
bool ct_openai_check_fields(const json_t *object, ct_openai_place place, const char *where, ct_openai_list *unknown,
                            ct_openai_fault *f);
/* The same by the rows of another protocol. */
bool ct_openai_check_rows(const json_t *object, const ct_openai_rows *rows, const char *where, ct_openai_list *unknown,
                          ct_openai_fault *f);

/* An empty list of that mode; its names are freed with ct_buf_deinit. */
void ct_openai_list_init(ct_openai_list *list, ct_openai_mode mode);
/* The names of one list behind those of another. False: no memory. */
bool ct_openai_list_join(ct_openai_list *to, const ct_openai_list *from);

#endif
