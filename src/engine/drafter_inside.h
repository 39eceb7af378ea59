/* drafter_inside.h - what the files of the drafter share. Inside engine/.
 *
 *   drafter.c         its sizes, opening, closing
 *   drafter_text.c    where texts are read, and reading them
 *   drafter_guess.c   guessing, and whether it pays
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_ENGINE_DRAFTER_INSIDE_H
#define CT_ENGINE_DRAFTER_INSIDE_H

#include "base/mem.h"
#include "engine/drafter.h"

#define CT_DRAFT_SURE 6 /* classes of how probable a guess is to the smaller model */

/* Where a text is read. */
typedef struct ct_draft_place {
    ct_kv *kv;                     /* NULL: could not be had */
    uint64_t who;                  /* 0: nobody yet */
    int32_t *ids;                  /* [n_ctx] of what kv holds; without what the model has no row for */
    size_t n;                      /* tokens that it holds */
    size_t n_sure;                 /* of them, those that are known to be the text's ... */
    size_t n_text;                 /* ... which are its first so many */
    uint64_t used;                 /* when, in calls */
    int32_t said[CT_MOST_GUESSES]; /* [n_said] guesses of the last call, behind at_said tokens of the text */
    size_t sure[CT_MOST_GUESSES];
    size_t n_said, at_said;
} ct_draft_place;

/* A place at work on an ask. */
typedef struct ct_draft_work {
    ct_draft_place *p;
    ct_draft_ask *ask;
    size_t n_in;           /* tokens in this step */
    size_t row;            /* of its last one */
    bool is_done;          /* nothing more in this call */
    double tokens, likely; /* that the next step brings; that the guesses so far are all right */
} ct_draft_work;

struct ct_drafter {
    ct_drafter_parts p;
    ct_draft_plan plan;
    ct_draft_place places[CT_DRAFT_PLACES];
    ct_step_input *inputs; /* [chunk + n_places] */
    float *logits;         /* [n_places][n_vocab] */
    uint64_t n_calls;
    double token_seconds, guess_seconds; /* measured: of a token that is read; of a guess */
    float right[CT_DRAFT_SURE], seen[CT_DRAFT_SURE];
    ct_arena arena;
};

/* ---- drafter_text.c ---- */

/* The place for an ask, one of n in this call; NULL: others have them all. */
ct_draft_place *ct_drafter_find(ct_drafter *d, const ct_draft_ask *asks, size_t n, const ct_draft_ask *a);
/* What it holds of the text; what it holds beyond is dropped. */
void ct_drafter_compare(const ct_drafter *d, ct_draft_place *p, const ct_draft_ask *a);
/* Brings the places up to their texts; who does not get there guesses nothing. seconds: what it may take. */
void ct_drafter_read(ct_drafter *d, ct_draft_work *works, size_t n, double seconds);
/* One more token for a place in the next step, of whose inputs `used` are taken. */
void ct_drafter_add(ct_drafter *d, ct_draft_work *w, size_t *used, int32_t id);
/* Runs what the places have in this step; what fails is done. False: they have nothing. */
bool ct_drafter_run(ct_drafter *d, ct_draft_work *works, size_t n);

#endif
