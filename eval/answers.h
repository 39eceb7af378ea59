/* answers.h - a task whose answers are generated: asked, what they say taken out of them, judged.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_EVAL_ANSWERS_H
#define CT_EVAL_ANSWERS_H

#include "eval/choices.h"
#include "eval/ifeval.h"

typedef struct ct_eval_answers {
    size_t n, n_before;
    size_t n_cut, n_silent; /* answers that max_tokens ended; in which nothing was found to be judged */
    ct_eval_mean score;
    bool has_rules;
    ct_eval_ifeval rules; /* of IFEval */
} ct_eval_answers;

/* Errors: CARAT_EUNSUPPORTED (a task of chats asked bare; no sandbox), those of ct_eval_choices_run. */
bool ct_eval_answers_run(const ct_eval_items_job *job, ct_eval_answers *out, carat_err *err);

void ct_eval_answers_free(ct_eval_answers *a);

/* Most tokens of an answer in this form. */
size_t ct_eval_answers_most(const ct_eval_task *t, bool is_chat);

#endif
