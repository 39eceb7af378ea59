/* compile.h - what a program asks of an answer (carat_format_options) -> rules of a grammar.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SAMPLE_GRAMMAR_COMPILE_H
#define CT_SAMPLE_GRAMMAR_COMPILE_H

#include "sample/grammar/calls.h"

/* Bytes of a schema, an expression, a grammar, of all choices together. */
#define CT_FORMAT_MOST_TEXT ((size_t)1 << 20)
/* What the rules may take while they are made; they are thrown away when the grammar is open. */
#define CT_FORMAT_MOST_HEAP ((size_t)64 << 20)

/* "the JSON schema": what messages call it. Never NULL. */
const char *ct_format_what(carat_format_kind kind);
/* rules is empty and has a heap; *root becomes the rule that is the whole text. calls [n_calls]: the options' tools, of calls.
 * Errors: CARAT_EARG (with a position, or a path in the schema), CARAT_ELIMIT (too long), CARAT_ENOMEM. */
bool ct_format_rules(const carat_format_options *o, const ct_call_form *calls, size_t n_calls, ct_rules *rules,
                     uint32_t *root, carat_err *err);

#endif
