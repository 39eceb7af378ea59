/* task.h - questions with answers to choose from: a description (tasks/NAME.json) and the items of a user's file.
 *
 * A description says how an official file is laid out and how it is asked:
 *
 *   protocol, title      for people                         figure      "plain" or "normalised": which one is published
 *   layouts              how rows look; the first whose field `has` is in the first row
 *     prompt             "{a.b} {c|capitalize}": fields by path; filters capitalize and strip
 *     choices            the path of a list, or a list of templates; choice, label: the paths of text and label in its elements
 *     answer, answer_is  the right one, as an index from 0, a number from 1, or a label (A B C ... where there are none)
 *   clean                the text of prompt and choices is cleaned of WikiHow's marks, as lm-eval does for HellaSwag
 *   gap                  the prompt is a sentence: choices go into its gap, and what follows the gap is scored behind each
 *   columns              of a CSV file, which has no header
 *   description          in front of all; {subject} is the file's name without its ending and subject_suffix, "_" as " "
 *   separator            between shots, and between the last one and the question
 *   published            figures of the model's makers: by scoring
 *
 * What is scored is " " and the choice.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_EVAL_TASK_H
#define CT_EVAL_TASK_H

#include "base/json.h"

#define CT_EVAL_MOST_CHOICES 64

typedef struct ct_eval_item {
    char *id;
    char *contexts[CT_EVAL_MOST_CHOICES]; /* [n_contexts]: 1, or one for each choice */
    char *choices
        [CT_EVAL_MOST_CHOICES]; /* [n] what is scored, without its space; the same text n times where contexts differ */
    size_t n, n_contexts, answer;
} ct_eval_item;

typedef struct ct_eval_task {
    json_t *about; /* the description */
    const char *name, *title, *protocol;
    bool is_normalised; /* the figure that is published */
    const char *from;   /* which layout */
    ct_eval_item *items;
    size_t n;
    char *head; /* description and shots, with separators: in front of every prompt */
    size_t n_shots;
    uint64_t hash; /* of all that is asked */
} ct_eval_task;

typedef struct ct_eval_source {
    const char *data, *shots; /* files: JSON lines, or CSV where the description says columns. shots NULL: none */
    size_t n_shots;
    uint64_t seed; /* which of the shots' file: 0: its first ones */
    size_t limit;  /* items; 0: all */
} ct_eval_source;

/* The names there are; NULL: no more. */
const char *ct_eval_task_name(size_t i);
/* Errors: CARAT_EARG (no such task), CARAT_EIO, CARAT_EFORMAT (file, line and field), CARAT_ELIMIT, CARAT_ENOMEM. */
bool ct_eval_task_open(ct_eval_task *t, const char *name, const ct_eval_source *s, carat_err *err);
void ct_eval_task_close(ct_eval_task *t); /* accepts a zeroed one */

#endif
