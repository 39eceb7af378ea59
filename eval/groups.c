/* Means over items and over groups, with their intervals.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/groups.h"

#include <math.h>
#include <stdlib.h>

typedef struct sum {
    double sum, squares;
    size_t n;
} sum;

static double variance_of_mean(const sum *s)
{
    if (s->n < 2)
        return INFINITY;
    const double n = (double)s->n, mean = s->sum / n, spread = s->squares / n - mean * mean;
    if (spread > 1e-12)
        return spread / (n - 1);
    /* All alike: that another one would be, too, is not certain. As Agresti and Coull (Approximate is better than "exact" for interval
     * estimation of binomial proportions, 1998): two more of either kind. */
    const double p = (s->sum + 2) / (n + 4);
    return p * (1 - p) / (n + 4);
}

static ct_eval_interval around(double mean, double variance)
{
    const double half = CT_EVAL_Z * sqrt(variance);
    return (ct_eval_interval){ fmax(0, mean - half), fmin(1, mean + half) };
}

static void set_groups(const ct_eval_task *t, const sum *groups, ct_eval_mean *out)
{
    double variance = 0;
    for (size_t g = 0; g < t->n_groups; g++) {
        out->group_n[g] = groups[g].n;
        out->group_share[g] = groups[g].n ? groups[g].sum / (double)groups[g].n : NAN;
        if (!groups[g].n)
            continue;
        out->n_groups++;
        out->macro += out->group_share[g];
        variance += variance_of_mean(&groups[g]);
    }
    out->macro /= (double)out->n_groups;
    out->macro_interval = around(out->macro, variance / ((double)out->n_groups * (double)out->n_groups));
    if (out->n_groups == 1) {
        out->macro = out->share;
        out->macro_interval = out->interval;
    }
}

bool ct_eval_mean_of(const ct_eval_task *t, const double *scores, ct_eval_mean *out, carat_err *err)
{
    sum all = { 0 }, *groups = calloc(t->n_groups + 1, sizeof *groups);
    *out = (ct_eval_mean){ .n = t->n,
                           .is_whole = true,
                           .group_share = calloc(t->n_groups + 1, sizeof *out->group_share),
                           .group_n = calloc(t->n_groups + 1, sizeof *out->group_n) };
    bool ok = (groups && out->group_share && out->group_n) ||
              ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu groups", t->n_groups);
    for (size_t i = 0; ok && i < t->n; i++) {
        sum *g = &groups[t->items[i].group];
        const double x = scores[i];
        if (isnan(x))
            continue;
        all.sum += x, all.squares += x * x, all.n++;
        g->sum += x, g->squares += x * x, g->n++;
        out->right += x == 1;
        out->is_whole &= x == 0 || x == 1;
    }
    if (ok && !all.n)
        ok = ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "none of the %zu answers could be judged", t->n);
    if (ok) {
        out->n = all.n;
        out->share = all.sum / (double)all.n;
        out->interval = out->is_whole ? ct_eval_share(out->right, out->n) : around(out->share, variance_of_mean(&all));
        set_groups(t, groups, out);
    } else {
        ct_eval_mean_free(out);
    }
    free(groups);
    return ok;
}

void ct_eval_mean_free(ct_eval_mean *m)
{
    free(m->group_share);
    free(m->group_n);
    m->group_share = NULL;
    m->group_n = NULL;
}
