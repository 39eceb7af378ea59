/* stops.h - the text of an answer as it becomes certain: held back while it may turn out to be the start of a string
 * that ends the answer.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_ENGINE_STOPS_H
#define CT_ENGINE_STOPS_H

#include "base/buf.h"
#include "base/err.h"

typedef struct ct_stops {
    struct ct_stop_string {
        char *bytes; /* an own copy; NUL may be among them */
        size_t len;
    } * strings; /* [n] */
    size_t n;
    ct_buf held; /* the caller adds new text to it */
    bool is_met; /* one of the strings: what is held begins with it */
    size_t met;  /* which, from 0; of several that begin there the first */
} ct_stops;

/* At most 64 strings of 1 to 4096 bytes; lens NULL: they are NUL-terminated. Errors: CARAT_EARG, CARAT_ENOMEM. Deinit in
 * any case. */
bool ct_stops_init(ct_stops *s, const char *const *strings, const size_t *lens, size_t n, carat_err *err);
/* One more, at most once. Errors: CARAT_ENOMEM. */
bool ct_stops_add(ct_stops *s, const char *string, carat_err *err);
void ct_stops_deinit(ct_stops *s); /* accepts a zeroed one */

/* Moves the certain part of the held text to out: what comes before a stop string; else all of it except an end that
 * may become one, and at the end of the answer that too. */
void ct_stops_release(ct_stops *s, bool is_end, ct_buf *out);

#endif
