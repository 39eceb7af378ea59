/* Items are asked in order, some at once. Prompts of one task begin alike, so the engine's prefix cache has the shots; the choices
 * of an item are continuations of one prompt, or, of a sentence with a gap, one continuation behind several.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/choices.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "eval/score.h"

typedef struct run {
    const ct_eval_choices_job *job;
    ct_eval_record record;
    size_t per_item; /* prompts of an item */
    double *gaps;    /* [n][per_item] where contexts differ: what is known of an item; NAN: nothing */
    char *texts[CT_EVAL_MOST_CHOICES];
    carat_continuation continuations[CT_EVAL_MOST_CHOICES];
} run;

static void drop_texts(run *r)
{
    for (size_t i = 0; i < CT_EVAL_MOST_CHOICES; i++) {
        free(r->texts[i]);
        r->texts[i] = NULL;
    }
}

static char *behind_space(const char *text)
{
    const size_t len = strlen(text) + 2;
    char *s = malloc(len);
    if (s)
        snprintf(s, len, " %s", text);
    return s;
}

static bool make_prompt(const run *r, const char *context, carat_prompt **out, carat_err *err)
{
    ct_buf b; /* in one piece: a token may cross the border */
    ct_buf_init(&b, (size_t)64 << 20);
    ct_buf_str(&b, r->job->task->head);
    ct_buf_str(&b, context);
    const carat_content whole = { .struct_size = sizeof whole, .text = b.data, .text_len = b.len };
    const bool ok = b.failed ? ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a prompt")
                             : carat_prompt_text(r->job->e, &whole, 1, NULL, out, err);
    ct_buf_deinit(&b);
    return ok;
}

static bool make(void *arg, size_t i, ct_eval_ask *ask, carat_err *err)
{
    run *r = arg;
    const ct_eval_item *item = &r->job->task->items[i / r->per_item];
    const size_t which = i % r->per_item;
    if (r->record.rows[i / r->per_item])
        return true;
    drop_texts(r);
    ask->n = r->per_item == 1 ? item->n : 1;
    for (size_t k = 0; k < ask->n; k++) {
        r->texts[k] = behind_space(item->choices[which + k]);
        if (!r->texts[k])
            return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a choice");
        r->continuations[k] = (carat_continuation){ .struct_size = sizeof *r->continuations, .text = r->texts[k] };
    }
    ask->continuations = r->continuations;
    return make_prompt(r, item->contexts[r->per_item == 1 ? 0 : which], &ask->prompt, err) ||
           ct_fail_in(err, "item %s", item->id ? item->id : "");
}

/* ---- results ---- */

static double characters(const char *s)
{
    size_t n = 0;
    uint32_t cp;
    for (size_t len = strlen(s); len; n++) {
        const size_t k = ct_utf8_next(s, len, &cp);
        s += k;
        len -= k;
    }
    return n ? (double)n : 1;
}

static size_t best_of(const double *x, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return best;
}

static bool record(run *r, size_t i, const double *logprobs, carat_err *err)
{
    const ct_eval_item *item = &r->job->task->items[i];
    double by_length[CT_EVAL_MOST_CHOICES];
    json_t *all = json_array();
    for (size_t k = 0; k < item->n; k++) {
        by_length[k] = logprobs[k] / characters(item->choices[k]);
        json_array_append_new(all, json_real(logprobs[k]));
    }
    const size_t plain = best_of(logprobs, item->n), normalised = best_of(by_length, item->n);
    json_t *row = json_pack("{s:I, s:o*, s:I, s:I, s:I, s:b, s:b, s:o}", "item", (json_int_t)i, "id",
                            item->id ? ct_json_from_str(item->id) : NULL, "answer", (json_int_t)item->answer, "plain",
                            (json_int_t)plain, "normalised", (json_int_t)normalised, "plain_right",
                            plain == item->answer, "normalised_right", normalised == item->answer, "logprobs", all);
    return ct_eval_record_add(&r->record, i, row, err);
}

static bool take(void *arg, size_t i, const carat_score *scores, carat_err *err)
{
    run *r = arg;
    const size_t at = i / r->per_item;
    const ct_eval_item *item = &r->job->task->items[at];
    double logprobs[CT_EVAL_MOST_CHOICES];
    if (r->per_item == 1) {
        for (size_t k = 0; k < item->n; k++)
            logprobs[k] = scores[k].logprob;
        return record(r, at, logprobs, err);
    }
    double *known = r->gaps + at * r->per_item;
    known[i % r->per_item] = scores[0].logprob;
    for (size_t k = 0; k < r->per_item; k++)
        if (isnan(known[k]))
            return true;
    return record(r, at, known, err);
}

static bool goes_on(void *arg)
{
    const run *r = arg;
    return !r->job->progress || r->job->progress(r->job->arg, r->record.n_rows, r->record.n, r->record.n_before);
}

static bool add_up(const run *r, ct_eval_choices *out, carat_err *err)
{
    *out = (ct_eval_choices){ .n = r->record.n, .n_before = r->record.n_before };
    for (size_t i = 0; i < r->record.n; i++) {
        const json_t *plain = json_object_get(r->record.rows[i], "plain_right");
        const json_t *normalised = json_object_get(r->record.rows[i], "normalised_right");
        if (!json_is_boolean(plain) || !json_is_boolean(normalised))
            return ct_fail(err, CARAT_EFORMAT, i, "%s: item %zu has no 'plain_right' and 'normalised_right'",
                           r->record.path, i);
        out->plain.right += json_is_true(plain);
        out->normalised.right += json_is_true(normalised);
    }
    for (int k = 0; k < 2; k++) {
        ct_eval_score_of *s = k ? &out->normalised : &out->plain;
        s->share = (double)s->right / (double)out->n;
        s->interval = ct_eval_share(s->right, out->n);
    }
    return true;
}

static json_t *head_of(const ct_eval_choices_job *job)
{
    char hash[17];
    snprintf(hash, sizeof hash, "%016" PRIx64, job->task->hash);
    return json_pack("{s:i, s:s, s:I, s:s, s:s}", "carat_eval", 1, "task", job->task->name, "shots",
                     (json_int_t)job->task->n_shots, "questions", hash, "numerics", carat_engine_numerics(job->e));
}

bool ct_eval_choices_run(const ct_eval_choices_job *job, ct_eval_choices *out, carat_err *err)
{
    const ct_eval_task *t = job->task;
    const size_t per_item = t->items[0].n_contexts;
    run r = { .job = job, .record.fd = -1, .per_item = per_item, .gaps = calloc(t->n * per_item, sizeof *r.gaps) };
    bool ok = r.gaps || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu items", t->n);
    for (size_t i = 0; r.gaps && i < t->n * per_item; i++)
        r.gaps[i] = NAN;
    const ct_eval_work work = { .n = t->n * per_item, .arg = &r, .make = make, .take = take, .goes_on = goes_on };
    ok = ok && ct_eval_record_open(&r.record, job->record, head_of(job), t->n, err) &&
         ct_eval_score(job->e, job->n_at_once, &work, err) && add_up(&r, out, err);
    drop_texts(&r);
    free(r.gaps);
    return ct_eval_record_close(&r.record, ok ? err : NULL) && ok;
}
