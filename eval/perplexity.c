/* A window is a request: what does not count is the prompt, what counts is its one continuation. So rows of logits are made of
 * counted tokens alone, windows share the engine's steps, and a token's figure is the same whatever stands beside its window.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/perplexity.h"

#include <math.h>
#include <stdlib.h>

#include "eval/score.h"
#include "eval/stats.h"

typedef struct run {
    const ct_eval_job *job;
    ct_eval_record record;
    int32_t *ids; /* [window] of the window that is being made */
    carat_continuation continuation;
} run;

json_t *ct_eval_windows_head(const char *task, const carat_engine *e, const ct_eval_windows *w)
{
    char hash[17];
    ct_eval_windows_hash(w, hash);
    return json_pack("{s:i, s:s, s:s, s:I, s:I, s:I, s:s, s:s}", "carat_eval", 1, "task", task, "protocol",
                     ct_eval_protocol_name(w->protocol), "window", (json_int_t)w->window, "stride",
                     (json_int_t)w->stride, "text_tokens", (json_int_t)w->n_tokens, "text", hash, "numerics",
                     carat_engine_numerics(e));
}

static bool make(void *arg, size_t i, ct_eval_request *ask, carat_err *err)
{
    run *r = arg;
    size_t n, first;
    if (r->record.rows[i])
        return true;
    ct_eval_windows_get(r->job->windows, i, r->ids, &n, &first);
    r->continuation =
        (carat_continuation){ .struct_size = sizeof r->continuation, .ids = r->ids + first, .n_ids = n - first };
    ask->continuations = &r->continuation;
    ask->n = 1;
    return carat_prompt_ids(r->job->e, r->ids, first, NULL, 0, NULL, &ask->prompt, err);
}

static bool take(void *arg, size_t i, const ct_eval_got *got, carat_err *err)
{
    run *r = arg;
    const carat_score *score = got->scores;
    double sum = 0, squares = 0;
    for (size_t k = 0; k < score->n_logprobs; k++) {
        const double x = -(double)score->logprobs[k];
        sum += x;
        squares += x * x;
    }
    return ct_eval_record_add(&r->record, i,
                              json_pack("{s:I, s:I, s:f, s:f}", "item", (json_int_t)i, "tokens",
                                        (json_int_t)score->n_logprobs, "nll", sum, "squares", squares),
                              err);
}

static bool goes_on(void *arg)
{
    const run *r = arg;
    const ct_eval_job *j = r->job;
    return !j->progress || j->progress(j->arg, r->record.n_rows, r->record.n, r->record.n_before);
}

/* A file may have been written to by others. */
static bool read_row(const ct_eval_record *r, size_t i, double *n, double *sum, double *squares, carat_err *err)
{
    int64_t count = 0;
    char what[48];
    snprintf(what, sizeof what, "window %zu of the results", i);
    *sum = *squares = NAN;
    if (!ct_json_int(r->rows[i], what, "tokens", 1, INT32_MAX, &count, err) ||
        !ct_json_num(r->rows[i], what, "nll", sum, err) || !ct_json_num(r->rows[i], what, "squares", squares, err))
        return false;
    *n = (double)count;
    return (count > 0 && isfinite(*sum) && isfinite(*squares)) ||
           ct_fail(err, CARAT_EFORMAT, i, "%s: expected 'tokens', 'nll' and 'squares'", what);
}

static bool add_up(const ct_eval_record *r, ct_eval_perplexity *out, carat_err *err)
{
    double *sums = calloc(2 * r->n + 1, sizeof *sums), *counts = sums + r->n;
    double sum = 0, squares = 0, count = 0, sq;
    bool ok = sums || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu windows", r->n);
    for (size_t i = 0; ok && i < r->n; i++) {
        ok = read_row(r, i, &counts[i], &sums[i], &sq, err);
        sum += sums[i];
        count += counts[i];
        squares += sq;
    }
    if (ok) {
        const bool by_windows = r->n >= CT_EVAL_FEW_WINDOWS;
        *out = (ct_eval_perplexity){ .n_windows = r->n,
                                     .n_before = r->n_before,
                                     .n_tokens = (size_t)count,
                                     .nll = sum / count,
                                     .is_from_windows = by_windows };
        out->error = by_windows  ? ct_eval_group_error(sums, counts, r->n)
                     : count > 1 ? ct_eval_value_error(sum, squares, count)
                                 : INFINITY;
    }
    free(sums);
    return ok;
}

bool ct_eval_perplexity_run(const ct_eval_job *job, ct_eval_perplexity *out, carat_err *err)
{
    const ct_eval_windows *w = job->windows;
    const size_t n = job->limit && job->limit < w->n ? job->limit : w->n;
    run r = { .job = job, .record.file.fd = -1, .ids = calloc(w->window, sizeof *r.ids) };
    const ct_eval_requests work = { .n = n, .arg = &r, .make = make, .take = take, .goes_on = goes_on };
    bool ok = r.ids || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a window of %zu tokens", w->window);
    ok = ok && ct_eval_record_open(&r.record, job->record, ct_eval_windows_head("perplexity", job->e, w), n, err) &&
         ct_eval_score(job->e, job->n_at_once, &work, err) && add_up(&r.record, out, err);
    free(r.ids);
    return ct_eval_record_close(&r.record, ok ? err : NULL) && ok;
}

void ct_eval_perplexity_interval(const ct_eval_perplexity *p, double *low, double *high)
{
    *low = exp(p->nll - CT_EVAL_Z * p->error);
    *high = exp(p->nll + CT_EVAL_Z * p->error);
}
