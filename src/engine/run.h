/* run.h - a step: which jobs take part, and their results. Inside engine/.
 *
 *   run.c       the step, and its memory
 *   prompts.c   tokens of prompts, and the images among them
 *   answers.c   tokens of answers: what is ahead of a sequence, sampling, what is kept
 *   drafts.c    guesses of what comes next in them
 *   scoring.c   continuations that are scored
 *   readout.c   what is reported of prompts
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_ENGINE_RUN_H
#define CT_ENGINE_RUN_H

#include "base/mem.h"
#include "engine/scheduler.h"
#include "sample/select.h"

/* Whose row it is: that of the prompt's token at pos. */
typedef struct ct_run_told {
    ct_job *job;
    size_t pos;
} ct_run_told;

/* The memory of a step, all of it taken at open. */
typedef struct ct_run {
    ct_scheduler_parts p;
    ct_scheduler_options o;
    ct_job **jobs; /* [max_jobs] of this step: those with a span first, then those that only sample */
    size_t n_jobs, n_spans, n_answers;
    size_t n_ahead;        /* tokens of answers in the step, beyond one each */
    ct_step_span *spans;   /* [max_jobs] */
    bool *failed;          /* [max_jobs] */
    ct_step_input *inputs; /* [batch + max_jobs]: of the step */
    ct_step_input *window; /* [chunk + batch]: a prompt's next tokens, from which a step's are cut */
    ct_step_input *part;   /* [batch]: those of part_job */
    /* Logits, a group of rows at a time: rows of jobs[group_first ..], of group_n of them. */
    size_t max_rows;
    float *logits;      /* [max_rows][n_vocab] */
    ct_head_row *rows;  /* [max_rows] */
    ct_candidate *tops; /* [max_rows][CT_MAX_TOP], for rows of prompts */
    ct_run_told *told;  /* [max_rows] */
    /* Of an encoder: means of final hidden states, and what the dense layers make of them. */
    float *means, *vectors; /* [max_jobs][hidden] */
    size_t n_rows, group_first, group_n;
    size_t turn;                /* which prompt, and which answer, goes first */
    const ct_job *encoding_job; /* the job whose image is being encoded; NULL: none */
    bool has_encoded;           /* a layer, in this step */
    ct_job *part_job;           /* the job of whose next image some layers are evaluated; NULL: none */
    /* Measured times, for the budget: seconds of a step that only decodes, and of a prompt's token. */
    double decode_seconds, token_seconds;
    ct_paces paces; /* of steps with nothing but tokens of answers */
    uint64_t read_tokens, decoded_tokens, drafted_tokens, accepted_tokens;
    ct_arena arena;
} ct_run;

bool ct_run_open(ct_run *r, const ct_scheduler_parts *p, const ct_scheduler_options *o, carat_err *err);
void ct_run_close(ct_run *r);
bool ct_run_bytes(const ct_config *c, const ct_scheduler_options *o, size_t *out);

/* Runs one step of these jobs, all READING, DECODING or CLOSING, at most max_jobs of them, each with n_most set:
 * afterwards each has failed (is_failed, err), or moved on: `at`, `chunk` and `verdict` say how. */
void ct_run_step(ct_run *r, ct_job *const *jobs, size_t n);

/* ---- run.c, for the other two ---- */

/* The job's next n inputs are in the step. */
void ct_run_join(ct_run *r, ct_job *j, ct_step_input *inputs, size_t n);
bool ct_run_fail(ct_job *j, const carat_err *err); /* false, always */
/* The output head over rows [0, n), n > 0, into logits. Errors: the backend's; rows that are not finite are none. */
bool ct_run_head(ct_run *r, size_t n, carat_err *err);
bool ct_run_is_finite(const ct_head_row *row, carat_err *err);

/* ---- prompts.c ---- */

/* Prompts take turns at being first, so that a short one does not wait for a long one. At most `want` tokens, more only
 * where an image is more: up to `batch`. They are the step's first inputs. Returns how many. */
size_t ct_run_add_prompts(ct_run *r, ct_job *const *jobs, size_t n, size_t want);
/* Some layers of an image that would take a step too long: as many as are worth `want` tokens, all where no answer waits; behind
 * the `used` inputs there are. The step's last span. Returns how many tokens all layers of would have taken as long. */
size_t ct_run_add_part(ct_run *r, size_t used, size_t want);
/* Its layers have been evaluated, or the step has failed. True: these were the last. */
bool ct_run_part_evaluated(ct_run *r, ct_job *j, bool is_good);
/* n tokens of a job's prompt have been evaluated, the first as this row of the step. */
void ct_run_prompt_evaluated(ct_run *r, ct_job *j, size_t row, size_t n);

/* ---- answers.c ---- */

/* How many of the jobs generate an answer. *n_ahead: how many tokens they have ahead in all, beyond one each. */
size_t ct_run_count_answers(ct_job *const *jobs, size_t n, size_t *n_ahead);
/* A token of each, and n_ahead more of whoever has more, in turn; behind the `used` inputs there are. */
void ct_run_add_answers(ct_run *r, ct_job *const *jobs, size_t n, size_t used, size_t n_ahead);
/* The span of an answer has been evaluated, its first token as this row of the step. */
void ct_run_answer_evaluated(ct_job *j, size_t row);
/* It could not be: it is tried again without guesses. False: there were none. */
bool ct_run_drop_guesses(ct_job *j);
/* Samples, or scores, for all that have rows. */
void ct_run_sample(ct_run *r);
/* The sequence keeps what has come true, and the job what is ahead of it. */
void ct_run_settle_answer(ct_run *r, ct_job *j);

/* Of its certain tokens, how many are in the step. */
static inline size_t ct_run_certain(const ct_job *j)
{
    return j->n_span < j->n_certain ? j->n_span : j->n_certain;
}

/* ---- drafts.c ---- */

/* Places in the context after the token that comes next. */
size_t ct_run_room_after(const ct_job *j);
/* Guesses of what follows what has been said, but for those of a smaller model. */
void ct_run_guess(const ct_run *r, ct_job *j);
/* These, of the step's answers that have no others. */
void ct_run_draft(ct_run *r);
/* The guesses of a step that has been evaluated. */
void ct_run_count_guesses(ct_run *r, ct_job *j);

/* ---- scoring.c ---- */

/* Rows [row_begin, row_end) of the job, which are in the group that was computed. */
void ct_run_score(ct_run *r, ct_job *j);
/* Where the job's stream has been evaluated: on to what it scores next. If there is nothing, all is known. */
void ct_run_settle_scores(ct_job *j);

/* ---- readout.c ---- */

/* What all prompts in the step report. */
void ct_run_read_out(ct_run *r);

#endif
