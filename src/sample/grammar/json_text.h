/* json_text.h - JSON as a grammar writes it: one canonical text for each value.
 *
 * No white space but the separators; strings with the fewest escapes (\" \\ \b \f \n \r \t, other control characters
 * \u00xx in lower case, everything else as itself); numbers as ct_json_number_text has them. So a value cannot be told
 * in endlessly many ways, and conditions on strings hold for the value, not for its spelling.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SAMPLE_GRAMMAR_JSON_TEXT_H
#define CT_SAMPLE_GRAMMAR_JSON_TEXT_H

#include "base/buf.h"
#include "base/json.h"
#include "sample/grammar/expr.h"

/* Between members, and between a key and its value: ", " and ": ", or "," and ":". */
typedef struct ct_json_style {
    const char *comma, *colon;
} ct_json_style;

/* Appends the canonical text of a value; false: the buffer is full, or a number is not finite. */
bool ct_json_canonical(const json_t *v, const ct_json_style *style, ct_buf *out);
/* A number: digits without an exponent up to 10^21 and down to 10^-7, as JavaScript writes it. */
bool ct_json_number_text(double x, ct_buf *out);

/* How a byte of a string's text is written: NULL for one that stands for itself (ct_written_fn of product.h). */
const ct_expr *ct_json_written(ct_heap *h, uint8_t byte);
/* An expression over a string's characters -> over what is written for them; without the quotes. e has no rules. */
const ct_expr *ct_json_escaped(ct_heap *h, const ct_expr *e);

/* Rules for any value, made when first asked for. */
typedef struct ct_json_rules {
    ct_rules *rules;
    const ct_json_style *style;
    uint32_t value, string, object; /* CT_NO_RULE: not yet */
} ct_json_rules;

void ct_json_rules_init(ct_json_rules *j, ct_rules *rules, const ct_json_style *style);
const ct_expr *ct_json_any_value(ct_json_rules *j);
const ct_expr *ct_json_any_string(ct_json_rules *j);
const ct_expr *ct_json_any_object(ct_json_rules *j);
const ct_expr *ct_json_any_array(ct_json_rules *j);
const ct_expr *
ct_json_any_number(ct_heap *h); /* an integer, up to 40 digits behind a point, an exponent up to 99: a double */
const ct_expr *ct_json_any_integer(ct_heap *h); /* -2^63 < i < 2^63 */

/* item comma item ...: at least min and at most max of them. */
const ct_expr *ct_json_list(ct_heap *h, const ct_expr *item, const char *comma, uint32_t min, uint32_t max);

#endif
