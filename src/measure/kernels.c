/* Every kernel of the levels of this machine, level after level.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "measure/kernels.h"

#include <stdlib.h>
#include <string.h>

#include "cpu/products.h"
#include "measure/trial.h"

#define SECONDS 0.03 /* of a measurement */

#define ADD_ONE(name, feature, needs) +1
enum { MOST_LEVELS = 1 CT_X86_LEVELS(ADD_ONE) CT_ARM_LEVELS(ADD_ONE) };

/* The one of that name; without one, all that this machine has but tiles in plain C, which nobody runs for speed. */
static bool find_levels(const char *name, ct_kernels *levels, size_t *n, carat_err *err)
{
    unsigned mask;
    char msg[160];
    *n = 0;
    if (name && *name) {
        if (!ct_cpu_by_name(name, &mask, msg))
            return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s", msg);
        ct_kernels_for(&levels[(*n)++], mask);
        return true;
    }
#define TAKE(name, feature, needs)                                                                                     \
    if ((feature) != CT_CPU_AMX_PLAIN && ct_cpu_by_name(#name, &mask, msg))                                            \
        ct_kernels_for(&levels[(*n)++], mask);
    TAKE(generic, 0, 0)
    CT_X86_LEVELS(TAKE)
    CT_ARM_LEVELS(TAKE)
#undef TAKE
    return true;
}

static bool measure_levels(ct_trials *t, const ct_kernels *levels, size_t n, carat_err *err)
{
    for (size_t i = 0; i < n && !t->is_ended; i++) {
        t->k = &levels[i];
        if (!ct_trial_mul(t, err) || !ct_trial_attend(t, err) || !ct_trial_set(t, err) || !ct_trial_rows(t, err))
            return false;
    }
    return true;
}

bool ct_bench_kernels(const carat_kernel_query *q, carat_err *err)
{
    ct_kernels levels[MOST_LEVELS], generic;
    size_t n, scratch = 0;
    const char *name = q->cpu && *q->cpu ? q->cpu : getenv("CARAT_CPU");
    if (q->n_threads > CT_MAX_THREADS)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%zu threads, expected at most %d", q->n_threads,
                       CT_MAX_THREADS);
    if (!find_levels(name, levels, &n, err))
        return false;
    for (size_t i = 0; i < n; i++)
        scratch = scratch < ct_linear_scratch(&levels[i]) ? ct_linear_scratch(&levels[i]) : scratch;
    ct_kernels_for(&generic, 0);
    ct_trials *t = calloc(1, sizeof *t);
    if (!t)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for measuring kernels");
    t->report = q->report;
    t->report_arg = q->arg;
    t->filter = q->filter;
    t->seconds = q->seconds > 0 ? q->seconds : SECONDS;
    t->with_all_forms = q->all_forms;
    t->is_list = q->list;
    t->generic = &generic;
    bool ok = ct_trials_open(t, (int)q->n_threads, scratch, err) && measure_levels(t, levels, n, err);
    ct_trials_close(t);
    free(t);
    return ok;
}
