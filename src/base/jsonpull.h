/* jsonpull.h - reads JSON piece by piece, without building it in memory.
 *
 * A tokenizer.json has 33 MB and a million strings; as a tree it takes 190 MB and two thirds of a second. Here the
 * caller walks the text in order, and a string is valid until the next one is read.
 *
 *   ct_jp_enter(r, '{');  for (bool first = true; ct_jp_more(r, '}', &first);) { ct_jp_key(r); value ... }
 *
 * The first error stays: every call after it returns false, so it is enough to check r->failed at the end. RFC 8259;
 * nesting deeper than 64 is refused; strings must be valid UTF-8, and escapes must form characters.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_BASE_JSONPULL_H
#define CT_BASE_JSONPULL_H

#include "base/err.h"

typedef struct ct_jp {
    const char *s; /* set these two, zero the rest */
    size_t len;
    size_t pos;
    size_t base;       /* offset of s in its file, for messages */
    bool takes_halves; /* half of a surrogate pair in an escape is U+FFFD, not an error */
    char *str;         /* the last string or key; not NUL-terminated */
    size_t str_len, str_cap;
    bool failed;
    carat_err err; /* when failed */
} ct_jp;

void ct_jp_deinit(ct_jp *r);

bool ct_jp_fail(ct_jp *r, const char *what); /* CARAT_EFORMAT at the current position; always false */
/* The same for what is no JSON at all: "not valid JSON at byte 7: expected a comma". CARAT_ENOMEM needs no words. */
bool ct_jp_stop(ct_jp *r, carat_code code, const char *what);

/* First character of the next value, white space skipped; '\0' at the end. */
char ct_jp_peek(ct_jp *r);
bool ct_jp_enter(ct_jp *r, char open);              /* '{' or '[' */
bool ct_jp_more(ct_jp *r, char close, bool *first); /* true: another member; false: the end, or failed */
bool ct_jp_string(ct_jp *r);                        /* into r->str */
bool ct_jp_key(ct_jp *r);                           /* a string and its colon */
bool ct_jp_int(ct_jp *r, int64_t min, int64_t max, int64_t *out);
/* Length of the number that begins at r->pos (RFC 8259, section 6); 0: none does. */
size_t ct_jp_number_len(const ct_jp *r, bool *is_whole);
bool ct_jp_skip(ct_jp *r); /* any value */

#endif
