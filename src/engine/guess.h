/* guess.h - what an answer's next tokens are guessed to be, and how many guesses pay.
 *
 * A guess costs a row of a step and saves a step where it is right (draft.h says why it changes nothing else). Whether
 * that pays follows from two things that are measured while answers are generated:
 *
 *   ct_paces     what a step of so many rows takes on this machine, with this model: with weights in memory a second row
 *                is nearly free, and sixteen cost more than one
 *   ct_guesses   how often what was found in the text was right, by how long it agreed. What was found and not guessed is
 *                compared with what comes, too: so prose, in which it hardly pays, is watched at no cost
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_ENGINE_GUESS_H
#define CT_ENGINE_GUESS_H

#include "engine/lookup.h"

#include <stdbool.h>

/* ---- what a step takes ---- */

#define CT_PACES 64 /* rows of the steps that are told apart */

typedef struct ct_paces {
    double seconds[CT_PACES + 1], weight[CT_PACES + 1]; /* by rows: a mean, and how many steps it counts for */
    double slope;                                       /* what a row more takes, in steps of one row */
} ct_paces;

void ct_paces_init(ct_paces *p);
/* A step of nothing but `rows` tokens of answers took so long. */
void ct_paces_learn(ct_paces *p, size_t rows, double seconds);
/* What one would take; 0: nothing is known yet. */
double ct_paces_of(const ct_paces *p, size_t rows);

/* ---- what comes next ---- */

#define CT_MOST_GUESSES 15 /* in a step; with the token before them they fill CT_MAX_AHEAD */
#define CT_GUESS_KINDS  5  /* by how many tokens agree: 2, 3 to 4, 5 to 8, 9 to 16, more */

typedef struct ct_guesses {
    size_t most;        /* in a step, at most CT_MOST_GUESSES; 0: nothing is guessed */
    bool looks_up;      /* what prompt and answer said before */
    bool always;        /* so many wherever something is found; else as many as pay */
    int32_t *predicted; /* [n_predicted] what the answer is expected to be; NULL: nothing is. Owned */
    size_t n_predicted;
    /* The scheduler's: */
    ct_lookup_place place; /* of the answer in it */
    int32_t found[CT_MOST_GUESSES];
    size_t n_found, agree; /* of the last look */
    float right[CT_GUESS_KINDS], seen[CT_GUESS_KINDS];
} ct_guesses;

void ct_guesses_deinit(ct_guesses *g); /* accepts a zeroed one */

/* Guesses of what follows ids [n], of which the answer is [from, n) and the last n_new have come since the last call: at most
 * `most` into out. n_answers: how many answers there are in a step, this one among them. Returns how many. */
size_t ct_guesses_next(ct_guesses *g, const ct_paces *p, size_t n_answers, const int32_t *ids, size_t n, size_t from,
                       size_t n_new, int32_t *out, size_t most);

#endif
