/* steer.h - answers under a mask, or with guesses: a mask that is told what to do, a source of guesses that is right or
 * wrong on purpose, and jobs of an engine that have them. What the public header cannot ask for yet.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_STEER_H
#define CT_TESTS_STEER_H

#include "api/internal.h"
#include "ask.h"

/* ---- a mask ---- */

/* Ids that are multiples of `every`; and where a run stands, that and nothing else. All but the first fields are zero
 * at first. */
typedef struct rule {
    size_t n_vocab;
    uint32_t every;   /* 0: no id */
    size_t end_from;  /* the answer may end after so many tokens */
    int32_t run[24];  /* forced ... */
    size_t run_from;  /* ... after so many tokens */
    size_t n_run;     /* so long */
    size_t period;    /* and again after so many; 0: once */
    bool says_forced; /* else runs are only what is allowed */
    bool fill_fails;
    int32_t never[2]; /* ids that must not be asked about: those that end a turn; 0: none */
    size_t n;         /* accepted */
    size_t n_fills, n_forced;
    bool is_closed;
} rule;

ct_mask rule_mask(rule *r);
void rule_restart(rule *r);
bool rule_allows(const rule *r, int32_t id); /* after r->n tokens */

/* ---- guesses ---- */

typedef enum guessing {
    GUESS_RIGHT,
    GUESS_WRONG,
    GUESS_MIXED,   /* right for some tokens, then wrong: how many changes */
    GUESS_OUTSIDE, /* right, then ids that are none */
    GUESS_ONE,     /* the same id always */
    N_GUESSINGS
} guessing;

typedef struct guesser {
    guessing kind;
    const int32_t *answer; /* [n_answer]: what will come */
    size_t n_answer, n_prompt;
    int32_t one;
    size_t n_calls;
    bool is_closed;
} guesser;

ct_draft guesser_draft(guesser *g);

/* ---- jobs ---- */

#define STEER_ANSWERS 3

typedef struct steered {
    carat_engine *engine;
    ct_group group;
    ct_job jobs[STEER_ANSWERS];
    atomic_bool cancel;
} steered;

/* Answers to a prompt, or of a session as it stands (p NULL, one answer). rules and guessers [n], or NULL. The i-th
 * draws with seed + i. Errors of submitting fail the test. */
void steer_begin(steered *s, carat_engine *e, const carat_prompt *p, carat_session *session, const carat_generation *g,
                 rule *rules, guesser *guessers, size_t n);
bool steer_next(steered *s, answer *answers); /* false: all have ended */
void steer_cancel(steered *s);
/* Takes the rest, if any, and ends it. */
void steer_end(steered *s, answer *answers);
/* All of these. */
void steer(carat_engine *e, const carat_prompt *p, carat_session *session, const carat_generation *g, rule *rules,
           guesser *guessers, size_t n, answer *answers);

#endif
