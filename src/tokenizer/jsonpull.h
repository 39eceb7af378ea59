/* jsonpull.h - reads JSON piece by piece, without building it in memory.
 *
 * A tokenizer.json has 33 MB and a million strings; as a tree it costs 190 MB and two thirds of a second. Here the
 * caller walks the text in order, and a string lives until the next one is read.
 *
 *   carat_jp_enter(r, '{');  for (bool first = true; carat_jp_more(r, '}', &first);) { carat_jp_key(r); value ... }
 *
 * The first error stays: every call after it returns false, so look at the end (r->failed). RFC 8259; nesting deeper
 * than 64 is refused; strings are checked to be valid UTF-8 and escapes to make characters.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_TOKENIZER_JSONPULL_H
#define CARAT_TOKENIZER_JSONPULL_H

#include "base/err.h"

typedef struct carat_jp {
    const char *s; /* set these two, zero the rest */
    size_t len;
    size_t pos;
    size_t base; /* offset of s in its file, for messages */
    char *str;   /* the last string or key; not NUL-terminated */
    size_t str_len, str_cap;
    bool failed;
    carat_err err; /* when failed */
} carat_jp;

void carat_jp_deinit(carat_jp *r);

bool carat_jp_fail(carat_jp *r, const char *what); /* CARAT_EFORMAT at the present place; always false */

/* First character of the next value, white space skipped; '\0' at the end. */
char carat_jp_peek(carat_jp *r);
bool carat_jp_enter(carat_jp *r, char open);              /* '{' or '[' */
bool carat_jp_more(carat_jp *r, char close, bool *first); /* true: another member; false: closed, or failed */
bool carat_jp_string(carat_jp *r);                        /* into r->str */
bool carat_jp_key(carat_jp *r);                           /* a string and its colon */
bool carat_jp_int(carat_jp *r, int64_t min, int64_t max, int64_t *out);
bool carat_jp_skip(carat_jp *r); /* any value */

#endif
