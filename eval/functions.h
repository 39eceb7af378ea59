/* functions.h - functions as OpenAI's "tools" declare them, for an engine; the calls of an answer.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_EVAL_FUNCTIONS_H
#define CT_EVAL_FUNCTIONS_H

#include "base/json.h"

/* tools: [{"type": "function", "function": {"name", "description", "parameters"}}]. Errors: those of carat_tools_open. */
bool ct_eval_functions_open(const json_t *tools, carat_tools **out, carat_err *err);
/* What of an answer is text (the caller frees it), and its calls that are whole: [{"name": "f", "arguments": {...}}]. Errors:
 * CARAT_ENOMEM. */
bool ct_eval_functions_read(const carat_tools *t, const char *answer, size_t len, char **text, json_t **calls,
                            carat_err *err);

#endif
