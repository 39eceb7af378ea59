/* json_span.h - walks JSON as the text that it is, without a tree and without memory.
 *
 * The text must be what ct_json_text_put wrote compactly: known to be JSON, no white space, each character of a string spelt
 * in one way. So keys are compared as they are written, and nothing can fail.
 *
 *   for (ct_walk w = ct_walk_begin(object); ct_walk_step(&w);)  w.key, w.value ...
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_BASE_JSON_SPAN_H
#define CT_BASE_JSON_SPAN_H

#include "base/buf.h"

typedef struct ct_span { /* a JSON value; of a key what is between its quotes */
    const char *s;
    size_t len;
} ct_span;

/* Members of an object, elements of an array; none of anything else. */
typedef struct ct_walk {
    const char *at, *end; /* at: of what comes next; end: the closing bracket */
    bool is_object;
    ct_span key, value;
} ct_walk;

ct_walk ct_walk_begin(ct_span v);
bool ct_walk_step(ct_walk *w); /* false: there are no more */

bool ct_span_is(ct_span v, const char *text);
bool ct_span_get(ct_span object, const char *key, ct_span *value); /* false: it has no such key */
size_t ct_span_string_len(const char *s);                          /* of the string that begins at s, quotes included */

/* The text between the quotes of a string, or of a key. False: out is full. */
bool ct_span_text(ct_span inner, ct_buf *out);

#endif
