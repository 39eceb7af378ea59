/* task.h - questions of a user's file: a description (tasks/NAME.json) and the items that are read by it.
 *
 * A description says how an official file is laid out, how it is asked and how an answer is judged:
 *
 *   protocol, title      for people                         published     figures of the model's makers
 *   kind                 "choices" (the default): the likeliest of given answers; "answers": one is generated
 *   files                endings of a folder's files, each of which is a group named by its name without the ending; in_folders: a
 *                        file of each folder in it
 *   rows                 of a file that is one JSON object: the path of its rows. Its other fields are "file.NAME" then
 *   columns              of a CSV file without a header
 *   subject_suffix       what is taken off a file's name; what is left, "_" as " ", is {subject} of the description
 *   description          in front of all; may name {subject} (of a group: its name)
 *   separator            between shots, and between the last one and the question
 *   layouts              how rows look; the first whose field `has` is in the first row
 *     from, id, group    for people; the paths of an item's name and of its group's
 *     prompt, chat       "{a.b} {c|capitalize}": fields by path (fill.h), for bare text and for a chat (without it: the same)
 *     choices            the path of a list, or a list of templates; choice, label: the paths of text and label in its elements
 *     choices_are        "scores": the path is of an object, texts with their scores, of which the highest are right
 *     right, wrong       instead of choices: lists of paths; split: what parts several in one text
 *     answer, answer_is  the right one, as an index from 0, a number from 1, or a label (A B C ... where there are none)
 *     solution           of a shot, behind its prompt: a template (of choices: " " and the right one)
 *     target             what is to be answered: a path of a text, a number or a list of them; target_after: only what is behind this
 *                        in it. Of choices: the right one's letter
 *   option               "{letter}. {text}\n": how {listed} in a prompt has the choices; option_if: the path of a boolean; false: not
 *   with_shots           what {with_shots} in a prompt is where there are shots
 *   shots_files          endings of a folder's files of shots; shots_are_texts: such a file is a group's head as it stands
 *   passes_over          files of a folder that are of another kind are no error
 *   reader, made_up      instead of layouts: calls.h, formulas.h, mmmu.h, needle.h
 *   pictures             items have them; of a layout: picture, a template of a file's name under the folder of pictures, or
 *                        picture_at, the path of what picture.h reads; it stands in front of the text. No shots
 *   shuffle              choices are put into an order that is drawn, for each item its own
 *
 * Of choices:
 *   figure               "plain", "normalised" or "mass": which one is published
 *   clean                the text of prompt and choices is cleaned of WikiHow's marks, as lm-eval does for HellaSwag
 *   gap                  the prompt is a sentence: choices go into its gap, and what follows the gap is scored behind each
 *
 * Of answers:
 *   max_tokens, stops    of an answer; chat_max_tokens, chat_stops: of one in a chat, whose default is no stop; chat_only: it has no bare form
 *   extract, compare     answer.h; chat_extract: in a chat
 *   boxed                rows gain the fields of formulas.h
 *   rules                ifeval.h: an answer is judged by the instructions of its row
 *   program              instead: the program whose success is right, with {answer} in it (sandbox.h); chat_program: in a chat
 *
 * What is scored is " " and the choice.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_EVAL_TASK_H
#define CT_EVAL_TASK_H

#include "base/json.h"
#include "eval/picture.h"

#define CT_EVAL_MOST_CHOICES 512

typedef struct ct_eval_item {
    char *id;
    size_t group;
    char **contexts; /* [n_contexts]: 1, or one for each choice */
    char **choices;  /* [n] what is scored, without its space; the same text n times where contexts differ */
    bool *right;     /* [n] */
    size_t n, n_contexts, answer; /* answer: the first that is right */
    /* of answers */
    char *chat;                   /* NULL: as contexts[0] */
    char *solution;               /* of a shot */
    json_t *targets;              /* texts */
    char *program, *chat_program; /* with {answer}; NULL: none */
    json_t *messages;          /* instead of one user's: {"role", "content"}; contexts[0] is their texts; NULL: one */
    json_t *functions, *calls; /* that may be, and are to be, called; NULL: it is no question of calls */
    json_t *rules;             /* ifeval.h; NULL: none */
    ct_eval_picture *pictures; /* [n_pictures] of contexts[0] and of chat, in the order of their places */
    size_t n_pictures;
} ct_eval_item;

typedef struct ct_eval_group {
    char *name, *head; /* description and shots, with separators: in front of every prompt */
} ct_eval_group;

typedef struct ct_eval_task {
    json_t *about; /* the description */
    const char *name, *title, *protocol;
    bool is_generated; /* answers, not choices */
    bool has_pictures;
    char *folder;       /* of the pictures that are files; NULL: there are none */
    const char *figure; /* the one that is published */
    const char *from;   /* which layout */
    ct_eval_item *items;
    size_t n;
    ct_eval_group *groups;
    size_t n_groups;
    size_t n_shots;
    uint64_t seed;
    uint64_t hash; /* of all that is asked, and of how it is judged */
} ct_eval_task;

typedef struct ct_eval_source {
    const char *data, *shots; /* files, or folders of them. shots NULL: none */
    const char *images;       /* the folder of the pictures; NULL: the one that data is in, or is */
    size_t n_shots;
    uint64_t
        seed; /* which of the shots' file: 0: its first ones; the order of choices that are shuffled; what is made up */
    size_t limit; /* items; 0: all */
    /* Tasks that are made up: */
    size_t length;                    /* tokens of a prompt */
    const carat_tokenizer *tokenizer; /* whose tokens */
} ct_eval_source;

/* The names there are; NULL: no more. */
const char *ct_eval_task_name(size_t i);
/* Is it made up (needle.h), not read? */
bool ct_eval_task_is_made_up(const char *name);
/* Are its answers generated, or the likeliest of given ones? */
bool ct_eval_task_is_generated(const char *name);
/* Do its items have pictures? */
bool ct_eval_task_has_pictures(const char *name);
/* Errors: CARAT_EARG (no such task), CARAT_EIO, CARAT_EFORMAT (file, line and field), CARAT_ELIMIT, CARAT_ENOMEM. */
bool ct_eval_task_open(ct_eval_task *t, const char *name, const ct_eval_source *s, carat_err *err);
void ct_eval_task_close(ct_eval_task *t); /* accepts a zeroed one */

/* The text that is asked: the head and the context. The caller frees it. */
char *ct_eval_task_text(const ct_eval_task *t, const ct_eval_item *item, const char *context, carat_err *err);

/* ---- for the files of this room ---- */

/* A text of an object; otherwise: where it is missing. */
const char *ct_eval_text_of(const json_t *o, const char *key, const char *otherwise);
/* A new item behind all others, zeroed; it is freed with the task. NULL with CARAT_ENOMEM or CARAT_ELIMIT. */
ct_eval_item *ct_eval_task_add(ct_eval_task *t, carat_err *err);
/* The group of this name; a new one, without a head, if there is none. */
bool ct_eval_task_group(ct_eval_task *t, const char *name, size_t *group, carat_err *err);

#endif
