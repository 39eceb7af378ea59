/* answer.h - what a generated answer says, and whether that is right.
 *
 * A description's `extract` is a list of ways, tried in order:
 *
 *   {"regex": "answer is ([A-D])", "which": "last", "group": 1}   extended regular expressions (POSIX); the first match, or the last;
 *                                                                 group 1, or without a group all of it
 *   {"between": ["```python\n", "```"]}                           up to the end where the second does not come
 *   {"whole": true}                                               all of it
 *
 * `compare`: "exact", white space at the ends aside; "number", by value, without "," "$" and "%"; "all_of", how many of the targets the
 * answer has in it, large and small letters alike; "anls", "relaxed", "vqa": vqa.h; "mmmu": mmmu.h, "math":
 * formulas.h, which have their own way of taking something out.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_EVAL_ANSWER_H
#define CT_EVAL_ANSWER_H

#include "base/json.h"

/* NULL: none of the ways finds anything; the caller frees it. Errors (with *out NULL): CARAT_EFORMAT (a description that is wrong),
 * CARAT_ENOMEM. */
bool ct_eval_extract(const json_t *ways, const char *answer, char **out, carat_err *err);
/* 0 to 1. said NULL: nothing was found: 0. NAN: no memory. */
double ct_eval_compare(const char *how, const char *said, const json_t *targets);

#endif
