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

typedef struct run {
    const ct_eval_items_job *job;
    ct_eval_record record;
    size_t per_item; /* prompts of an item */
    double *gaps;    /* [n][per_item] where contexts differ: what is known of an item; NAN: nothing */
} run;

static char *behind_space(const char *text)
{
    const size_t len = strlen(text) + 2;
    char *s = malloc(len);
    if (s)
        snprintf(s, len, " %s", text);
    return s;
}

static bool make(void *arg, size_t i, ct_eval_ask *ask, carat_err *err)
{
    run *r = arg;
    const ct_eval_task *t = r->job->task;
    const ct_eval_item *item = &t->items[i / r->per_item];
    const size_t which = i % r->per_item;
    if (r->record.rows[i / r->per_item])
        return true;
    ask->n_choices = r->per_item == 1 ? item->n : 1;
    ask->choices = calloc(ask->n_choices, sizeof *ask->choices);
    for (size_t k = 0; k < ask->n_choices; k++)
        if (!ask->choices || !(ask->choices[k] = behind_space(item->choices[which + k])))
            return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a choice");
    ask->text = ct_eval_task_text(t, item, item->contexts[r->per_item == 1 ? 0 : which], err);
    return ask->text != NULL;
}

/* ---- results ---- */

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
    const ct_eval_task *t = r->job->task;
    const ct_eval_item *item = &t->items[i];
    double by_length[CT_EVAL_MOST_CHOICES], all_mass = 0, mass = 0;
    json_t *all = json_array();
    const size_t top = best_of(logprobs, item->n);
    for (size_t k = 0; k < item->n; k++) {
        const size_t n = ct_utf8_count(item->choices[k]);
        by_length[k] = logprobs[k] / (double)(n ? n : 1);
        json_array_append_new(all, json_real(logprobs[k]));
        const double p = exp(logprobs[k] - logprobs[top]);
        all_mass += p;
        mass += item->right[k] ? p : 0;
    }
    const size_t plain = top, normalised = best_of(by_length, item->n);
    json_t *row = json_pack("{s:I, s:o*, s:o*, s:I, s:I, s:I, s:b, s:b, s:f, s:o}", "item", (json_int_t)i, "id",
                            item->id ? ct_json_from_str(item->id) : NULL, "group",
                            t->n_groups > 1 ? ct_json_from_str(t->groups[item->group].name) : NULL, "answer",
                            (json_int_t)item->answer, "plain", (json_int_t)plain, "normalised", (json_int_t)normalised,
                            "plain_right", item->right[plain], "normalised_right", item->right[normalised], "mass",
                            mass / all_mass, "logprobs", all);
    return ct_eval_record_add(&r->record, i, row, err);
}

static bool take(void *arg, size_t i, const ct_eval_reply *reply, carat_err *err)
{
    run *r = arg;
    const size_t at = i / r->per_item;
    if (r->per_item == 1)
        return record(r, at, reply->logprobs, err);
    double *known = r->gaps + at * r->per_item;
    known[i % r->per_item] = reply->logprobs[0];
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
    const ct_eval_task *t = r->job->task;
    double *scores = calloc(3 * t->n, sizeof *scores);
    *out = (ct_eval_choices){ .n = r->record.n, .n_before = r->record.n_before };
    bool ok = scores || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu scores", t->n);
    for (size_t i = 0; ok && i < t->n; i++) {
        const json_t *plain = json_object_get(r->record.rows[i], "plain_right");
        const json_t *normalised = json_object_get(r->record.rows[i], "normalised_right");
        const json_t *mass = json_object_get(r->record.rows[i], "mass");
        ok = (json_is_boolean(plain) && json_is_boolean(normalised) && json_is_number(mass)) ||
             ct_fail(err, CARAT_EFORMAT, i, "%s: item %zu lacks 'plain_right', 'normalised_right' or 'mass'",
                     r->record.file.path, i);
        scores[i] = json_is_true(plain);
        scores[t->n + i] = json_is_true(normalised);
        scores[2 * t->n + i] = json_number_value(mass);
    }
    ok = ok && ct_eval_mean_of(t, scores, &out->plain, err) &&
         ct_eval_mean_of(t, scores + t->n, &out->normalised, err) &&
         ct_eval_mean_of(t, scores + 2 * t->n, &out->mass, err);
    if (!ok)
        ct_eval_choices_free(out);
    free(scores);
    return ok;
}

void ct_eval_choices_free(ct_eval_choices *c)
{
    ct_eval_mean_free(&c->plain);
    ct_eval_mean_free(&c->normalised);
    ct_eval_mean_free(&c->mass);
}

json_t *ct_eval_items_head(const ct_eval_items_job *job)
{
    char hash[17];
    const ct_eval_task *t = job->task;
    snprintf(hash, sizeof hash, "%016" PRIx64, t->hash);
    return json_pack("{s:i, s:s, s:I, s:s, s:s, s:s*, s:s*}", "carat_eval", 1, "task", t->name, "shots",
                     (json_int_t)t->n_shots, "questions", hash, "numerics", job->model->numerics, "form",
                     !t->is_generated ? NULL
                     : job->is_chat   ? "chat"
                                      : "bare",
                     "pan_scan", job->pictures);
}

bool ct_eval_choices_run(const ct_eval_items_job *job, ct_eval_choices *out, carat_err *err)
{
    const ct_eval_task *t = job->task;
    const size_t per_item = t->items[0].n_contexts;
    run r = { .job = job, .record.file.fd = -1, .per_item = per_item, .gaps = calloc(t->n * per_item, sizeof *r.gaps) };
    bool ok = r.gaps || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu items", t->n);
    for (size_t i = 0; r.gaps && i < t->n * per_item; i++)
        r.gaps[i] = NAN;
    const ct_eval_work work = { .n = t->n * per_item, .arg = &r, .make = make, .take = take, .goes_on = goes_on };
    ok = ok && ct_eval_record_open(&r.record, job->record, ct_eval_items_head(job), t->n, err) &&
         job->model->run(job->model, &work, err) && add_up(&r, out, err);
    free(r.gaps);
    return ct_eval_record_close(&r.record, ok ? err : NULL) && ok;
}
