/* needle.h - questions about long texts that are made up: needles in a haystack, variables, common words; by RULER's descriptions
 * (arXiv:2404.06654, section 3), with texts and words of our own. What item i is depends on the seed, on i, on the length and on the
 * tokenizer alone.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_EVAL_NEEDLE_H
#define CT_EVAL_NEEDLE_H

#include "eval/task.h"

#define CT_EVAL_NEEDLES_EACH 20 /* items of each kind, unless a limit says otherwise */

/* Of the description's kinds, in turn; a group each. Errors: CARAT_EARG (no length; one that is too short), CARAT_ENOMEM. */
bool ct_eval_needles_make(ct_eval_task *t, const ct_eval_source *s, carat_err *err);

#endif
