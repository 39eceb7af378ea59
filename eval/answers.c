/* Answers are asked for some at once; each is judged when it comes, and its line is written.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/answers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/answer.h"
#include "eval/calls.h"
#include "eval/formulas.h"
#include "eval/mmmu.h"
#include "eval/sandbox.h"

#define PROGRAM_SECONDS 10
#define MOST_PROGRAM    ((size_t)1 << 20)

typedef struct run {
    const ct_eval_items_job *job;
    ct_eval_record record;
    ct_eval_settings settings;
} run;

size_t ct_eval_answers_most(const ct_eval_task *t, bool is_chat)
{
    return (size_t)json_integer_value(json_object_get(t->about, is_chat ? "chat_max_tokens" : "max_tokens"));
}

static void set(run *r)
{
    size_t i;
    json_t *stop;
    const ct_eval_task *t = r->job->task;
    r->settings.max_tokens = ct_eval_answers_most(t, r->job->is_chat);
    json_array_foreach(json_object_get(t->about, r->job->is_chat ? "chat_stops" : "stops"), i, stop)
        if (r->settings.n_stops < CT_EVAL_MOST_STOPS && json_is_string(stop))
            r->settings.stops[r->settings.n_stops++] = json_string_value(stop);
}

static bool show(const ct_eval_task *t, const ct_eval_item *item, ct_eval_ask *ask, carat_err *err)
{
    const char *head = t->groups[item->group].head;
    if (!item->n_pictures)
        return true;
    ask->shown = calloc(item->n_pictures, sizeof *ask->shown);
    if (!ask->shown)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for pictures");
    for (; ask->n_shown < item->n_pictures; ask->n_shown++) {
        ct_eval_shown *s = &ask->shown[ask->n_shown];
        if (!ct_eval_picture_read(&item->pictures[ask->n_shown], t->folder, s, err))
            return false;
        s->at += head ? strlen(head) : 0;
    }
    return true;
}

static bool make(void *arg, size_t i, ct_eval_ask *ask, carat_err *err)
{
    run *r = arg;
    const ct_eval_item *item = &r->job->task->items[i];
    if (r->record.rows[i])
        return true;
    const bool is_chat = r->job->is_chat;
    ask->is_chat = is_chat;
    ask->settings = &r->settings;
    ask->messages = is_chat ? item->messages : NULL;
    ask->functions = json_array_size(item->functions) ? item->functions : NULL;
    ask->text = ct_eval_task_text(r->job->task, item, is_chat && item->chat ? item->chat : item->contexts[0], err);
    return ask->text && show(r->job->task, item, ask, err);
}

/* ---- judging ---- */

/* A program with the answer in the place of {answer}. */
static char *with_answer(const char *program, const char *answer)
{
    const char *at = strstr(program, "{answer}");
    ct_buf b;
    ct_buf_init(&b, MOST_PROGRAM);
    ct_buf_add(&b, program, at ? (size_t)(at - program) : strlen(program));
    ct_buf_str(&b, answer);
    ct_buf_str(&b, at ? at + strlen("{answer}") : "");
    char *s = b.failed ? NULL : ct_buf_take(&b);
    ct_buf_deinit(&b);
    return s;
}

static bool judge_program(const run *r, const ct_eval_item *item, const char *said, double *score, const char **how,
                          carat_err *err)
{
    const char *template = r->job->is_chat && item->chat_program ? item->chat_program : item->program;
    char *program = with_answer(template, said ? said : "");
    ct_eval_end end = CT_EVAL_FAILED_TEST;
    bool ok =
        program || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a program, or it is longer than 1 MiB");
    ok = ok && ct_eval_sandbox_run(program, PROGRAM_SECONDS, &end, err);
    *score = end == CT_EVAL_PASSED;
    *how = end == CT_EVAL_PASSED ? "passed" : end == CT_EVAL_TOO_LONG ? "too long" : "failed";
    free(program);
    return ok;
}

static bool judge(const run *r, size_t nth, const ct_eval_reply *reply, char **said, double *score, const char **how,
                  carat_err *err)
{
    const ct_eval_task *t = r->job->task;
    const ct_eval_item *item = &t->items[nth];
    const char *compare = ct_eval_text_of(t->about, "compare", "exact");
    const json_t *ways = r->job->is_chat ? json_object_get(t->about, "chat_extract") : NULL;
    ways = ways ? ways : json_object_get(t->about, "extract");
    if (item->functions) {
        *score = ct_eval_calls_right(item->calls, reply->calls, how);
        return true;
    }
    if (strcmp(compare, "mmmu") == 0)
        return ct_eval_mmmu_judge(item, reply->text, t->seed, nth, said, score, how, err);
    if (strcmp(compare, "math") == 0)
        *said = ct_eval_math_said(reply->text);
    else if (!ct_eval_extract(ways, reply->text, said, err))
        return false;
    if (item->program)
        return judge_program(r, item, *said, score, how, err);
    *score = ct_eval_compare(compare, *said, item->targets);
    return !isnan(*score) || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for an answer that is compared");
}

/* The answer as it is judged: U+FFFD in place of NUL characters, which would end it there. NULL: no memory. */
static char *judged_text(const ct_eval_reply *reply)
{
    ct_buf b;
    ct_buf_init(&b, (size_t)1 << 30);
    bool ok = true;
    for (size_t i = 0; ok && i < reply->len; i++)
        ok = reply->text[i] ? ct_buf_char(&b, reply->text[i]) : ct_buf_str(&b, "\xef\xbf\xbd");
    char *text = ok ? ct_buf_take(&b) : NULL;
    ct_buf_deinit(&b);
    return text;
}

/* An answer under instructions: its line has what was found of each; the score is null where not all could be judged. */
static bool take_rules(run *r, size_t i, const ct_eval_reply *reply, const char *text, carat_err *err)
{
    const ct_eval_item *item = &r->job->task->items[i];
    json_t *rules = ct_eval_ifeval_judge(item, text);
    if (!rules)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for what is judged of an answer");
    const ct_eval_verdict v = ct_eval_ifeval_whole(rules, "strict");
    json_t *row = json_pack("{s:I, s:o*, s:o, s:o, s:b, s:I, s:o}", "item", (json_int_t)i, "id",
                            item->id ? ct_json_from_str(item->id) : NULL, "score",
                            v == CT_EVAL_NOT_JUDGED ? json_null() : json_real(v == CT_EVAL_FOLLOWED), "rules", rules,
                            "cut", reply->is_cut, "tokens", (json_int_t)reply->n_tokens, "answer",
                            ct_json_from_bytes(reply->text, reply->len));
    return ct_eval_record_add(&r->record, i, row, err);
}

static bool take_score(run *r, size_t i, const ct_eval_reply *reply, const char *text, carat_err *err)
{
    const ct_eval_task *t = r->job->task;
    const ct_eval_item *item = &t->items[i];
    char *said = NULL;
    const char *how = NULL;
    double score = 0;
    ct_eval_reply judged = *reply;
    judged.text = text;
    if (!judge(r, i, &judged, &said, &score, &how, err)) {
        free(said);
        return false;
    }
    json_t *row = json_pack(
        "{s:I, s:o*, s:o*, s:f, s:s*, s:o, s:O*, s:O*, s:O*, s:b, s:I, s:o}", "item", (json_int_t)i, "id",
        item->id ? ct_json_from_str(item->id) : NULL, "group",
        t->n_groups > 1 ? ct_json_from_str(t->groups[item->group].name) : NULL, "score", score, "outcome", how, "said",
        item->program ? json_null()
        : said        ? ct_json_from_str(said)
                      : json_null(),
        "targets", item->targets, "calls", reply->calls, "expected_calls", item->calls, "cut", reply->is_cut, "tokens",
        (json_int_t)reply->n_tokens, "answer", ct_json_from_bytes(reply->text, reply->len));
    free(said);
    return ct_eval_record_add(&r->record, i, row, err);
}

static bool take(void *arg, size_t i, const ct_eval_reply *reply, carat_err *err)
{
    run *r = arg;
    char *text = judged_text(reply);
    const bool ok = text ? (r->job->task->items[i].rules ? take_rules : take_score)(r, i, reply, text, err)
                         : ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for an answer that is judged");
    free(text);
    return ok;
}

static bool goes_on(void *arg)
{
    const run *r = arg;
    return !r->job->progress || r->job->progress(r->job->arg, r->record.n_rows, r->record.n, r->record.n_before);
}

/* A line's score; NAN: it could not be judged. */
static bool score_of(const run *r, size_t i, double *score, carat_err *err)
{
    const json_t *x = json_object_get(r->record.rows[i], "score");
    *score = json_is_null(x) && r->job->task->items[i].rules ? NAN : json_number_value(x);
    return isnan(*score) || (json_is_number(x) && *score >= 0 && *score <= 1) ||
           ct_fail(err, CARAT_EFORMAT, i, "%s: item %zu has no 'score' from 0 to 1", r->record.file.path, i);
}

static bool add_rules(const run *r, size_t i, ct_eval_answers *out, carat_err *err)
{
    if (!out->has_rules)
        return true;
    return ct_eval_ifeval_add(&out->rules, json_object_get(r->record.rows[i], "rules")) ||
           ct_fail(err, CARAT_EFORMAT, i, "%s: item %zu has no 'rules'", r->record.file.path, i);
}

static bool add_up(const run *r, ct_eval_answers *out, carat_err *err)
{
    const ct_eval_task *t = r->job->task;
    double *scores = calloc(t->n + 1, sizeof *scores);
    *out = (ct_eval_answers){ .n = t->n, .n_before = r->record.n_before, .has_rules = t->items[0].rules != NULL };
    out->rules.not_judged = out->has_rules ? json_object() : NULL;
    bool ok = scores || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu scores", t->n);
    for (size_t i = 0; ok && i < t->n; i++) {
        const json_t *row = r->record.rows[i];
        ok = score_of(r, i, &scores[i], err) && add_rules(r, i, out, err);
        out->n_cut += json_is_true(json_object_get(row, "cut"));
        out->n_silent += !t->items[i].program && !t->items[i].functions && json_is_null(json_object_get(row, "said"));
    }
    ok = ok && ct_eval_mean_of(t, scores, &out->score, err);
    if (!ok)
        ct_eval_answers_free(out);
    free(scores);
    return ok;
}

void ct_eval_answers_free(ct_eval_answers *a)
{
    ct_eval_mean_free(&a->score);
    json_decref(a->rules.not_judged);
    a->rules.not_judged = NULL;
}

bool ct_eval_answers_run(const ct_eval_items_job *job, ct_eval_answers *out, carat_err *err)
{
    const ct_eval_task *t = job->task;
    run r = { .job = job, .record.file.fd = -1 };
    const ct_eval_work work = { .n = t->n, .arg = &r, .make = make, .take = take, .goes_on = goes_on };
    if (!job->is_chat && json_is_true(json_object_get(t->about, "chat_only")))
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                       "%s: is asked in a chat, and the model has no template of one", t->title);
    if (t->has_pictures && !job->is_chat && !job->model->e)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                       "%s: a server is shown pictures in a chat, not by bare text", t->title);
    if (t->items[0].program && !ct_eval_sandbox_check(err))
        return false;
    set(&r);
    const bool ok = ct_eval_record_open(&r.record, job->record, ct_eval_items_head(job), t->n, err) &&
                    job->model->run(job->model, &work, err) && add_up(&r, out, err);
    return ct_eval_record_close(&r.record, ok ? err : NULL) && ok;
}
