/* groups.h - what items of several groups score: all of them together, and the mean over groups.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_EVAL_GROUPS_H
#define CT_EVAL_GROUPS_H

#include "eval/stats.h"
#include "eval/task.h"

typedef struct ct_eval_mean {
    size_t n, right; /* right: of items whose score is 1 */
    double share;    /* the mean of the scores */
    ct_eval_interval interval;
    bool is_whole; /* every score is 0 or 1: the interval is Wilson's; else it is from the scores' spread */
    /* over the groups, n_groups of which have items; as share and interval where there is one */
    size_t n_groups;
    double macro;
    ct_eval_interval macro_interval;
    double *group_share; /* [n_groups of the task]; NAN: without items; to be freed */
    size_t *group_n;
} ct_eval_mean;

/* scores [t->n]; NAN: it is left out. Errors: CARAT_EFORMAT (all are), CARAT_ENOMEM. */
bool ct_eval_mean_of(const ct_eval_task *t, const double *scores, ct_eval_mean *out, carat_err *err);
void ct_eval_mean_free(ct_eval_mean *m);

#endif
