/* formulas.h - MATH: problems whose answer is a formula in \boxed{...} (Hendrycks et al., arXiv:2103.03874).
 *
 *   MATH/test/algebra/1.json ...   {"problem", "level", "type", "solution"}, a folder of subjects, or one subject's
 *   test.jsonl of MATH-500         {"problem", "solution", "answer", "subject", "level", "unique_id"}
 *
 * An answer says what stands in "Final Answer: The final answer is ... I hope it is correct.", as Minerva's examples end (Lewkowycz et al.,
 * arXiv:2206.14858, appendix D), or else in its last \boxed{...}. It is right where it is the target's letters after either of the two
 * published normalisations: Minerva's, or that of MATH's authors. Formulas are not computed: what is equal and written in another way than
 * these know is wrong, so that a score is never too high for it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_EVAL_FORMULAS_H
#define CT_EVAL_FORMULAS_H

#include "eval/task.h"

/* A file, or a folder of subjects or of problems. Errors: CARAT_EIO, CARAT_EFORMAT (file and field), CARAT_ENOMEM. */
bool ct_eval_math_read(ct_eval_task *t, const char *path, carat_err *err);

/* What templates need besides a row's own fields: "boxed", the answer; "ending", of a solution as an example, if it has none; "box". Errors:
 * CARAT_EFORMAT (nothing is boxed), CARAT_ENOMEM. */
bool ct_eval_math_add_fields(json_t *row, carat_err *err);

/* What is in the last \boxed{...} or \fbox{...}, or behind "\boxed "; NULL: there is none, or no memory. The caller's. */
char *ct_eval_math_boxed(const char *text);
/* What an answer says; NULL: nothing, or no memory. The caller's. */
char *ct_eval_math_said(const char *answer);
/* Normalised copies. NULL: no memory. */
char *ct_eval_math_minerva(const char *answer);
char *ct_eval_math_hendrycks(const char *answer);
/* 1 or 0; NAN: no memory. */
double ct_eval_math_same(const char *said, const json_t *targets);

#endif
