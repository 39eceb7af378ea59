/* kl.h - how far a model's predictions are from a better one's, place by place of a text.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_EVAL_KL_H
#define CT_EVAL_KL_H

#include "eval/perplexity.h"
#include "eval/reference.h"
#include "eval/stats.h"

/* Writes what the engine foresees into a reference; one that was begun is written on. job->record is its path. Errors: those of
 * ct_eval_reference_create, of the engine. *n_bytes: of its blocks; *n_places: in them. */
bool ct_eval_kl_save(const ct_eval_job *job, uint64_t *n_bytes, size_t *n_windows, carat_err *err);

#define CT_EVAL_KL_PARTS 6 /* of the values, at 50, 90, 95, 99, 99.9 and 100 % */
extern const double ct_eval_kl_parts[CT_EVAL_KL_PARTS];

typedef struct ct_eval_kl {
    size_t n_windows, n_before, n_tokens;
    double mean, error; /* nats; its standard error */
    bool is_from_windows;
    double parts[CT_EVAL_KL_PARTS];
    size_t n_same_top;
    ct_eval_interval same_top;
    double rest; /* mean probability of what the reference has together */
    double nll, reference, difference,
        nll_error;     /* of the text: the model's, the reference's; their difference and its error */
    double dp, dp_rms; /* by how much the probability of the text's tokens differs: mean, root of the mean square */
} ct_eval_kl;

/* Compares the engine with a reference that is open; job->windows is the reference's. Errors: CARAT_EUNSUPPORTED (another
 * vocabulary), those of ct_eval_record_open and of the engine, CARAT_ECONTEXT. */
bool ct_eval_kl_run(const ct_eval_job *job, ct_eval_reference *r, ct_eval_kl *out, carat_err *err);

#endif
