/* choices.h - a task of items with answers to choose from, scored by likelihood.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_EVAL_CHOICES_H
#define CT_EVAL_CHOICES_H

#include "eval/groups.h"
#include "eval/model.h"
#include "eval/record.h"

typedef struct ct_eval_items_job {
    ct_eval_model *model;
    const ct_eval_task *task;
    bool is_chat;         /* of generated answers: as messages, not bare */
    const char *pictures; /* how they are shown; NULL: there are none */
    const char *record;   /* NULL: none */
    bool (*progress)(void *arg, size_t done, size_t n, size_t n_before); /* as in ct_eval_job */
    void *arg;
} ct_eval_items_job;

typedef struct ct_eval_choices {
    size_t n, n_before; /* items; of these, before this run */
    ct_eval_mean plain, normalised,
        mass; /* by log-likelihood; by log-likelihood over characters; the right ones' share of
                                           * the probability of all */
} ct_eval_choices;

/* Each item's prompt is <bos>, its group's head and its context as bare text, without a chat template; " " and a choice are its
 * continuations, with an open end. Equally likely choices: the first. Errors: CARAT_ECONTEXT (a prompt is longer than the engine's
 * context), CARAT_ENUMERIC, those of ct_eval_record_open and _add. */
bool ct_eval_choices_run(const ct_eval_items_job *job, ct_eval_choices *out, carat_err *err);
void ct_eval_choices_free(ct_eval_choices *c);

/* The head of a record of items. NULL: no memory. */
json_t *ct_eval_items_head(const ct_eval_items_job *job);

#endif
