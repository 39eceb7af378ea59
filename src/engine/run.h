/* run.h - a step: who takes part, and what comes of it. Inside engine/.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_ENGINE_RUN_H
#define CT_ENGINE_RUN_H

#include "base/mem.h"
#include "engine/scheduler.h"

/* What one step works with. Everything is taken at open. */
typedef struct ct_run {
    ct_scheduler_parts p;
    ct_scheduler_options o;
    ct_job **jobs; /* [max_jobs] of this step: those with a span, of these first the answers; then those
                       * that only sample */
    size_t n_jobs, n_spans, n_decoding;
    ct_step_span *spans;   /* [max_jobs] */
    bool *failed;          /* [max_jobs] */
    ct_step_input *inputs; /* [batch + max_jobs]: of the step */
    ct_step_input *window; /* [chunk + batch]: a prompt's next tokens, from which a step's are cut */
    float *logits;         /* [max_jobs][n_vocab] */
    ct_head_row *rows;     /* [max_jobs]: the final hidden states that logits are wanted of */
    size_t n_rows;
    size_t turn;          /* which prompt goes first */
    const ct_job *looker; /* whose images the tower is at; NULL: nobody's */
    bool has_looked;      /* in this step */
    /* What steps have taken, for the budget: seconds of one that only decodes, and of a prompt's token. */
    double decode_seconds, token_seconds;
    uint64_t read_tokens, decoded_tokens;
    ct_arena arena;
} ct_run;

bool ct_run_open(ct_run *r, const ct_scheduler_parts *p, const ct_scheduler_options *o, carat_err *err);
void ct_run_close(ct_run *r);
bool ct_run_bytes(const ct_config *c, const ct_scheduler_options *o, size_t *out);

/* Runs one step of these jobs, all READING or DECODING and with room for two events: afterwards each has failed
 * (is_failed, err), or moved on: `at`, `said` and `verdict` tell. */
void ct_run_step(ct_run *r, ct_job *const *jobs, size_t n);

#endif
