/* number_text.h - which texts of numbers lie between bounds, or are multiples, digit by digit.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SAMPLE_GRAMMAR_NUMBER_TEXT_H
#define CT_SAMPLE_GRAMMAR_NUMBER_TEXT_H

#include "sample/grammar/product.h"

typedef struct ct_bound {
    bool is_there, is_exclusive;
    bool is_whole; /* written as an integer, which a double may not keep */
    double value;
    int64_t whole;
} ct_bound;

/* Below 0: a's value is smaller. */
int ct_bounds_compare(const ct_bound *a, const ct_bound *b);

typedef struct ct_number_rule {
    bool is_integer, is_fraction; /* is_fraction: none that is an integer */
    ct_bound min, max;
    double multiple_of[8]; /* each above 0 */
    size_t n_multiples;
} ct_number_rule;

/* The canonical texts of the numbers that n allows, as a call of rules; CT_EXPR_NOTHING if there are none. With a bound
 * or a multiple numbers have no exponent, and with a point at most 15 digits from the first that is not 0, which a double
 * keeps; the whole part is an integer (json_text.h). Errors: CARAT_EARG (a multipleOf with too many digits), CARAT_ENOMEM. */
bool ct_number_text(const char *what, const ct_number_rule *n, ct_rules *rules, const ct_expr **out, carat_err *err);

#endif
