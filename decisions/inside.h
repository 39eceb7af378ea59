/* inside.h - what the files of this room share.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_DECISIONS_INSIDE_H
#define CT_DECISIONS_INSIDE_H

#include "decisions/decisions.h"

typedef enum ct_question_type {
    CT_QUESTION_CHOICE,
    CT_QUESTION_SCORE,
    CT_QUESTION_NOUL,
    CT_QUESTION_POLICY
} ct_question_type;

typedef struct ct_question {
    const char *id; /* borrowed from the body */
    char where[64]; /* "questions.urgent": for faults */
    ct_question_type type;
    char *instructions;       /* NULL: none */
    const char *policy;       /* borrowed from the body */
    char **names, **meanings; /* [n]: options, levels "0" ..., or Yes and No; what each means, NULL: nothing is said */
    size_t n;
    carat_continuation *continuations; /* [n] */
    char **texts;                      /* [n]: of the continuations */
    carat_prompt *prompt;
    carat_request_options ask;
    double *probabilities; /* [n], once it is answered */
} ct_question;

/* question.c: one of "questions". False: deinit follows all the same. */
bool ct_question_read(ct_question *q, const char *id, const json_t *v, ct_openai_list *unknown, ct_openai_fault *f);
void ct_question_deinit(ct_question *q);
/* {"type", ...} of one that is answered. NULL: no memory. */
json_t *ct_question_answer(const ct_question *q);

/* A text without NUL characters, an object or a list. */
bool ct_is_content(const json_t *v);
/* A text, or JSON as text; the caller's. NULL: no memory. */
char *ct_content_text(const json_t *v);

/* prompt.c: what all prompts begin with. */
typedef struct ct_state {
    char *text;               /* of a state that is no chat */
    const json_t *messages;   /* of one that is; borrowed from the body */
    carat_picture **pictures; /* [n_pictures] */
    size_t n_pictures;
} ct_state;

bool ct_state_read(ct_state *s, const json_t *body, const ct_talk_scene *scene, ct_openai_fault *f);
void ct_state_deinit(ct_state *s);
/* The state, and the question behind it -> q->prompt, q->ask. */
bool ct_question_prompt(ct_question *q, const ct_state *s, const ct_talk_scene *scene, ct_openai_list *unknown,
                        ct_openai_fault *f);

bool ct_decisions_no_memory(ct_openai_fault *f, const char *what);

#endif
