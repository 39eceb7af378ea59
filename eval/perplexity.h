/* perplexity.h - how well a model foresees a text.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_EVAL_PERPLEXITY_H
#define CT_EVAL_PERPLEXITY_H

#include "eval/record.h"
#include "eval/windows.h"

#define CT_EVAL_FEW_WINDOWS 20 /* with fewer the error is taken from tokens */

typedef struct ct_eval_job {
    carat_engine *e;
    const ct_eval_windows *windows;
    size_t limit;       /* windows; 0: all */
    size_t n_at_once;   /* windows in the engine */
    const char *record; /* the file of windows' figures; NULL: none */
    /* done of n, of which n_before were known from the start. False ends the work with CARAT_ECANCELLED. May be NULL. */
    bool (*progress)(void *arg, size_t done, size_t n, size_t n_before);
    void *arg;
} ct_eval_job;

typedef struct ct_eval_perplexity {
    size_t n_windows, n_before; /* evaluated; of these, before this run */
    size_t n_tokens;            /* that counted */
    double nll, error;          /* mean negative log-likelihood of a token, in nats; its standard error */
    bool is_from_windows;       /* the error: else from tokens, as if they were independent */
} ct_eval_perplexity;

/* Errors: CARAT_ECONTEXT (a window is longer than the engine's context), CARAT_ENUMERIC, those of ct_eval_record_open and _add. */
bool ct_eval_perplexity_run(const ct_eval_job *job, ct_eval_perplexity *out, carat_err *err);
/* The head of a record: what the figures of windows depend on. NULL: no memory. */
json_t *ct_eval_windows_head(const char *task, const carat_engine *e, const ct_eval_windows *w);
/* The interval of exp(nll). */
void ct_eval_perplexity_interval(const ct_eval_perplexity *p, double *low, double *high);

#endif
