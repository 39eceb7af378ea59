/* fill.h - templates over a row: "Question: {question.stem|strip}".
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_EVAL_FILL_H
#define CT_EVAL_FILL_H

#include "base/json.h"

/* The value at "a.b.c" of a row; NULL: there is none. */
const json_t *ct_eval_at(const json_t *row, const char *field_path);
/* Appends the template to out. Behind a field's path: "|strip" without white space at its ends, "|capitalize" with a large first letter,
 * "|without:TEXT" without this at its beginning, "|or:TEXT" what stands for one that is missing. Errors: CARAT_EFORMAT (a field that is missing or neither a text nor a number, by its path),
 * CARAT_ELIMIT. */
bool ct_eval_fill(const char *text, const json_t *row, ct_buf *out, carat_err *err);
/* A cleaned copy, as lm-eval's HellaSwag has it: ends trimmed, " [title]" to ". ", what is in brackets taken out, then every two
 * spaces made one, once. The caller frees it. NULL: no memory. */
char *ct_eval_clean(const char *text);

#endif
