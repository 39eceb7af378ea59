/* pairs.h - pairs of sentences and how alike people find them, against the cosine of an embedding model's vectors: STS-B, as MTEB has it.
 *
 *   JSON lines     {"sentence1", "sentence2", "score"}, as Hugging Face's copies have it
 *   sts-test.csv   the authors' file: genre, file, year, number, score, two sentences, and perhaps more, with tabs between and no quotes
 *
 * The figure is Spearman's rank correlation of cosines and scores, equal ones with the mean of their ranks. Its 95 % interval is Fisher's,
 * with Bonett and Wright's error for ranks, sqrt((1 + r^2 / 2) / (n - 3)) (Sample size requirements for estimating Pearson, Kendall and
 * Spearman correlations, 2000).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_EVAL_PAIRS_H
#define CT_EVAL_PAIRS_H

#include "eval/model.h"
#include "eval/stats.h"

typedef struct ct_eval_pair {
    char *id, *sentences[2];
    double score;
} ct_eval_pair;

typedef struct ct_eval_pairs {
    ct_eval_pair *list; /* [n] */
    size_t n;
    const char *from; /* which layout */
    uint64_t hash;
} ct_eval_pairs;

/* limit 0: all. Errors: CARAT_EIO, CARAT_EFORMAT (file, line and field), CARAT_ELIMIT, CARAT_ENOMEM. */
bool ct_eval_pairs_read(ct_eval_pairs *p, const char *path, size_t limit, carat_err *err);
void ct_eval_pairs_free(ct_eval_pairs *p); /* accepts a zeroed one */

typedef struct ct_eval_pairs_job {
    carat_engine *e; /* an embedding model */
    const ct_eval_pairs *pairs;
    size_t n_at_once;
    const char *record; /* NULL: none */
    bool (*progress)(void *arg, size_t done, size_t n, size_t n_before);
    void *arg;
} ct_eval_pairs_job;

typedef struct ct_eval_correlation {
    size_t n, n_before;
    double spearman, pearson;
    ct_eval_interval interval; /* of Spearman's; -1 to 1, which says nothing, where n < 4 or all ranks agree */
    const char *prompt;        /* in front of the sentences; NULL: nothing */
} ct_eval_correlation;

/* Sentences go behind the model's prompt for STS, if it has one. Errors: CARAT_EUNSUPPORTED (no embedding model), CARAT_EFORMAT (all
 * scores or cosines are the same), those of records and requests. */
bool ct_eval_pairs_run(const ct_eval_pairs_job *job, ct_eval_correlation *out, carat_err *err);

/* Spearman's of x and y [n]; NAN: one of them is the same everywhere, or no memory. */
double ct_eval_spearman(const double *x, const double *y, size_t n);

#endif
