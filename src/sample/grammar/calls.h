/* calls.h - answers that call functions -> rules of a grammar.
 *
 *   calls           {"name": "get_time", "parameters": {"city": "Oslo"}}, or a list of 1 to 16 of them
 *   text or calls   any text; but where at the beginning of a line a call of a function that exists has begun, from the
 *                   quote that closes its name on it is completed as a valid one, and nothing follows it
 *
 * A call begins with `{"name": "NAME"`, in a list behind `[`, with at most eight bytes of white space wherever JSON has any;
 * at the answer's beginning behind as many; perhaps behind a line "```json" or "```", and then it ends with "```". What
 * leaves this on the way, by another name or key, is text. It is completed with or without the canonical blanks, and its
 * arguments stand under "parameters" or "arguments".
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SAMPLE_GRAMMAR_CALLS_H
#define CT_SAMPLE_GRAMMAR_CALLS_H

#include "sample/grammar/expr.h"

#define CT_MOST_CALLS 16 /* in a list */

/* A function that exists. */
typedef struct ct_call_form {
    const char *name;   /* what JSON need not escape */
    const char *schema; /* of its arguments, which are an object, as JSON; NULL: it takes none */
    size_t schema_len;
    bool may_be_called; /* else no call of it can come about */
} ct_call_form;

/* rules is empty and has a heap; *root becomes the rule that is the whole text; a list has at most `most` calls (1: in
 * calls, none is a list). `what` names it all in messages. Errors: CARAT_EARG (none may be called; a schema that cannot be
 * enforced, or that no object satisfies, with the function's name), CARAT_EFORMAT (a schema that is not JSON),
 * CARAT_ELIMIT, CARAT_ENOMEM. */
bool ct_call_rules(const char *what, const ct_call_form *v, size_t n, uint32_t most, ct_rules *rules, uint32_t *root,
                   carat_err *err);
bool ct_text_or_call_rules(const char *what, const ct_call_form *v, size_t n, uint32_t most, ct_rules *rules,
                           uint32_t *root, carat_err *err);

#endif
