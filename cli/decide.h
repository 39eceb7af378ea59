/* decide.h - what the parts of `carat decide` share.
 *
 *     decide.c         options, one question
 *     decide_ask.c     asking, and waiting
 *     decide_lines.c   --jsonl: one a line
 *     decide_show.c    the table and the JSON
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_DECIDE_H
#define CT_CLI_DECIDE_H

#include <jansson.h>

#include "carat.h"

typedef struct decision { /* a question that is being decided; the first four are borrowed */
    const carat_engine *engine;
    const carat_prompt *prompt;
    const char *const *choices; /* [n] as they were given */
    size_t n;
    carat_ending ending;
    size_t n_spaces;     /* that a bare prompt ended with: in front of every choice */
    bool is_scale;       /* the choices are levels: from first_level on, in their order */
    int64_t first_level; /* the lowest level's number */
    /* What came, until decision_free: */
    carat_request *request;
    const carat_score *scores; /* [n] */
    double seconds;
} decision;

/* A bare text without the spaces at its end, which go to the front of every choice: a word has its space in front
 * (docs/DECISIONS.md, "Tokens"). Returns its length. */
size_t decision_take_spaces(decision *d, const char *text, size_t len);
/* Asks and waits. Ctrl-C: CARAT_ECANCELLED. */
bool decide(decision *d, carat_err *err);
void decision_free(decision *d);

/* The sum of exp(logprob): how much of what the model would say the choices are. */
double decision_total(const decision *d);
double decision_expected(const decision *d); /* of a scale: the mean of its levels */
size_t decision_best(const decision *d);

/* On stdout. */
void decision_show(const decision *d);
/* NULL: no memory. */
json_t *decision_json(const decision *d);

/* Lines of JSON in, lines of JSON out, in order; its exit code. system may be NULL. */
typedef struct decide_lines {
    const char *path; /* "-": stdin */
    const char *system;
    bool is_raw;
    carat_ending ending; /* of lines that do not say */
} decide_lines;
int decide_all(const char *model, const decide_lines *o);

#endif
