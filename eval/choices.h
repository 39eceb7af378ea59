/* choices.h - a task of items with answers to choose from, scored by likelihood.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_EVAL_CHOICES_H
#define CT_EVAL_CHOICES_H

#include "eval/perplexity.h"
#include "eval/stats.h"
#include "eval/task.h"

typedef struct ct_eval_score_of {
    size_t right;
    double share;
    ct_eval_interval interval; /* 95 % */
} ct_eval_score_of;

typedef struct ct_eval_choices {
    size_t n, n_before;                 /* items; of these, before this run */
    ct_eval_score_of plain, normalised; /* by log-likelihood; by log-likelihood over characters */
} ct_eval_choices;

typedef struct ct_eval_choices_job {
    carat_engine *e;
    const ct_eval_task *task;
    size_t n_at_once;
    const char *record;                                                  /* NULL: none */
    bool (*progress)(void *arg, size_t done, size_t n, size_t n_before); /* as in ct_eval_job */
    void *arg;
} ct_eval_choices_job;

/* Each item's prompt is <bos>, the task's head and its context as bare text, without a chat template; " " and a choice are its
 * continuations, with an open end. Equally likely choices: the first. Errors: CARAT_ECONTEXT (a prompt is longer than the engine's
 * context), CARAT_ENUMERIC, those of ct_eval_record_open and _add. */
bool ct_eval_choices_run(const ct_eval_choices_job *job, ct_eval_choices *out, carat_err *err);

#endif
