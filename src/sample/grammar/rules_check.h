/* rules_check.h - which rules of a grammar can match, match the empty text, or begin with themselves.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SAMPLE_GRAMMAR_RULES_CHECK_H
#define CT_SAMPLE_GRAMMAR_RULES_CHECK_H

#include "sample/grammar/expr.h"

typedef struct ct_rule_facts {
    bool *matches;     /* [n]: there is a text that the rule matches */
    bool *is_nullable; /* [n]: it matches the empty text */
} ct_rule_facts;

/* The arrays live in the rules' heap. Errors: CARAT_EARG (a rule that can begin with itself, by name), CARAT_ENOMEM. */
bool ct_rules_check(const char *what, const ct_rules *rules, ct_rule_facts *f, carat_err *err);

bool ct_expr_matches(const ct_rule_facts *f, const ct_expr *e);
bool ct_expr_is_nullable(const ct_rule_facts *f, const ct_expr *e);

#endif
