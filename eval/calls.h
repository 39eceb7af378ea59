/* calls.h - BFCL: questions with functions, and the calls that are right.
 *
 *   BFCL_v4_CATEGORY.json                   {"id", "question": [[{"role", "content"}]], "function": [{"name", "description", "parameters"}]}
 *   possible_answer/BFCL_v4_CATEGORY.json   {"id", "ground_truth": [{"name": {"parameter": [values that are right]}}]}
 *
 * Categories of one turn: simple_python, multiple, parallel, parallel_multiple, the same of "live", irrelevance, in which a call is wrong, and
 * live_relevance, in which one is right, whichever. live_irrelevance has questions without any function, which are asked without, and longer
 * conversations, which are asked as they are. Other categories are refused.
 *
 * A call is right where its function is the expected one, each of its arguments has one of the values given for it, and each parameter
 * that it leaves out may be: "" is among its values. Texts are compared without large letters, spaces and ",./-_*^"; a whole number is right
 * for the same number with a point, never the other way round where a whole number is declared. Of several calls the order does not count.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_EVAL_CALLS_H
#define CT_EVAL_CALLS_H

#include "eval/task.h"

/* The items of a file, or of those of a folder that are of these categories; a group each. Errors: CARAT_EIO, CARAT_EFORMAT,
 * CARAT_EUNSUPPORTED (another category, by its name), CARAT_ENOMEM. */
bool ct_eval_calls_read(ct_eval_task *t, const char *path, carat_err *err);
/* 1 or 0; *how says what was wrong. expected empty: no call is right; true: any is. */
double ct_eval_calls_right(const json_t *expected, const json_t *calls, const char **how);

#endif
