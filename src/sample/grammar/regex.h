/* regex.h - regular expressions -> expressions of a grammar.
 *
 * The language of ECMA-262's regular expressions with the u flag, as JSON Schema's `pattern` means it, as far as it is
 * regular: characters, classes with \d \w \s, groups, alternatives, quantifiers (lazy ones match the same
 * texts), escapes, ^ and $ at the ends of an alternative. Refused by name: look-around, back-references, \b, ^ or $
 * where more must follow, \p.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SAMPLE_GRAMMAR_REGEX_H
#define CT_SAMPLE_GRAMMAR_REGEX_H

#include "sample/grammar/expr.h"

typedef enum ct_regex_extent {
    CT_REGEX_WHOLE, /* the text is what the pattern matches; ^ and $ change nothing */
    CT_REGEX_PART,  /* the text holds it somewhere, unless ^ and $ say where (JSON Schema) */
} ct_regex_extent;

/* Errors: CARAT_EARG with the byte position in the pattern, CARAT_ENOMEM. `what` names the pattern in messages. */
bool ct_regex_parse(const char *what, const char *pattern, size_t len, ct_regex_extent extent, ct_heap *a,
                    const ct_expr **out, carat_err *err);

#endif
