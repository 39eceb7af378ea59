/* mmmu.h - MMMU: questions with up to seven pictures and given answers, or open ones.
 *
 *   Hugging Face's rows as JSON lines: {"id": "validation_Accounting_1", "question": "... <image 1> ...", "options": "['a', 'b']",
 *   "answer": "B", "question_type": "multiple-choice" or "open", "image_1": picture.h, ... "image_7"}
 *
 * Options are a list or, as there, Python's way of writing one; so may the answer of an open question be. The subject in the id is the group.
 *
 * Asked in the authors' words. A picture stands where the text first names it; if none is named, image_1 stands in front. Answers are read
 * as the authors' evaluation does (eval_utils.py): of choices the last letter in brackets, else that stands alone, else in an answer of
 * more than five words the choice whose text is in it, else one that is drawn; of open questions every piece of text and every number
 * behind a word like "is" or "so", of which one must be, or have in it, the answer.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_EVAL_MMMU_H
#define CT_EVAL_MMMU_H

#include "eval/task.h"

/* A file, or all of a folder's that end in .jsonl. Errors: CARAT_EIO, CARAT_EFORMAT (file, line and field), CARAT_ENOMEM. */
bool ct_eval_mmmu_read(ct_eval_task *t, const char *path, carat_err *err);
/* *said: what was read out of the answer; NULL: nothing, and of choices one was drawn, by seed and nth. Errors: CARAT_ENOMEM. */
bool ct_eval_mmmu_judge(const ct_eval_item *item, const char *answer, uint64_t seed, size_t nth, char **said,
                        double *score, const char **how, carat_err *err);
/* A list of texts as Python writes it: ['a', "it's"]. NULL: it is none. */
json_t *ct_eval_python_list(const char *text);

#endif
