/* run.h - a step: who takes part, and what comes of it. Inside engine/.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_ENGINE_RUN_H
#define CARAT_ENGINE_RUN_H

#include "engine/scheduler.h"

/* What one step works with. Everything is taken at open. */
typedef struct carat_run {
    carat_scheduler_parts p;
    carat_scheduler_options o;
    carat_job **jobs; /* [max_jobs] of this step: those with a span, of these first the answers; then those
                       * that only sample */
    size_t n_jobs, n_spans, n_decoding;
    carat_span *spans;   /* [max_jobs] */
    bool *failed;        /* [max_jobs] */
    carat_input *inputs; /* [batch + max_jobs]: of the step */
    carat_input *window; /* [chunk + batch]: a prompt's next tokens, from which a step's are cut */
    float *logits;       /* [max_jobs][n_vocab] */
    const float **rows;  /* [max_jobs]: the final hidden states that logits are wanted of */
    size_t n_rows;
    size_t turn;             /* which prompt goes first */
    const carat_job *looker; /* whose images the tower is at; NULL: nobody's */
    bool has_looked;         /* in this step */
    /* What steps have taken, for the budget: seconds of one that only decodes, and of a prompt's token. */
    double decode_seconds, token_seconds;
    uint64_t read_tokens, decoded_tokens;
    carat_arena arena;
} carat_run;

bool carat_run_open(carat_run *r, const carat_scheduler_parts *p, const carat_scheduler_options *o, carat_err *err);
void carat_run_close(carat_run *r);
bool carat_run_bytes(const carat_config *c, const carat_scheduler_options *o, size_t *out);

/* Runs one step of these jobs, all READING or DECODING and with room for two events: afterwards each has failed
 * (is_failed, err), or moved on: `at`, `said` and `verdict` tell. */
void carat_run_step(carat_run *r, carat_job *const *jobs, size_t n);

#endif
