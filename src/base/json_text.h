/* json_text.h - JSON rewritten as text, without a tree: members keep their order, numbers their spelling.
 *
 *   compact   {"a":[1,2.50],"b":"é"}
 *   spaced    {"a": [1, 2.50], "b": "é"}
 *
 * Strings are written as Python's json.dumps(ensure_ascii=False) does: escaped are quotes, backslashes and what is below
 * U+0020, everything else stands for itself. RFC 8259; nesting deeper than 512 is refused, half of a surrogate pair in an
 * escape is U+FFFD. Keys that come twice stay.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_BASE_JSON_TEXT_H
#define CT_BASE_JSON_TEXT_H

#include "base/buf.h"
#include "base/err.h"

/* Appends one value. `what` names it in messages. Errors, after which out is as long as before: CARAT_EFORMAT with the byte
 * position, CARAT_ENOMEM, CARAT_ELIMIT (out's ceiling). */
bool ct_json_text_put(const char *what, const char *text, size_t len, bool is_spaced, ct_buf *out, carat_err *err);

/* Appends a string of any bytes, U+FFFD for what is no whole character. False: out has failed. */
bool ct_json_text_string(const char *s, size_t len, ct_buf *out);

/* Appends a list of numbers, each with the digits that give the float back; all are finite. False: out has failed. */
bool ct_json_text_floats(const float *v, size_t n, ct_buf *out);

#endif
