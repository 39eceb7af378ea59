/* POST /v1/systemone: each question is a request of the engine.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "decisions/inside.h"
#include "openai/fields.h"

/* clang-format off */
static const ct_openai_field fields[] = {
#define X(field) { field, 0, CT_FIELD_HONOURED, NULL, NULL },
    X("model") X("state") X("images") X("questions")
#undef X
#define X(field) { field, 0, CT_FIELD_HARMLESS, NULL, NULL },
    X("user") X("metadata") X("safety_identifier") X("prompt_cache_key") X("request_id")
#undef X
    { "stream", 0, CT_FIELD_REFUSED, NULL, NULL },
};
/* clang-format on */
static const ct_openai_rows rows = { fields, sizeof fields / sizeof *fields, 0, "a request for decisions" };

typedef struct decisions {
    ct_talk talk;
    json_t *body; /* which names of questions are borrowed from */
    ct_state state;
    ct_question *questions; /* [talk.n] */
    size_t n_tokens;        /* of the state and the questions */
    ct_openai_list unknown;
} decisions;

/* ---- reading ---- */

static bool check(decisions *d, const json_t *body, ct_openai_fault *f)
{
    const char *model;
    if (!json_is_object(body))
        return ct_openai_refuse(f, 400, "invalid_value", "", "the body is %s, expected an object", ct_json_kind(body));
    if (!ct_openai_check_rows(body, &rows, "", &d->unknown, f))
        return false;
    return ct_json_text(body, "body", "model", &model, &f->err) || ct_openai_refuse_err(f, "model");
}

static bool check_count(const json_t *v, const ct_state *s, ct_openai_fault *f)
{
    const size_t n = json_object_size(v);
    if (!json_is_object(v))
        return ct_openai_refuse(f, 400, v ? "invalid_value" : "missing_required_parameter", "questions",
                                "'questions' is %s, expected an object", v ? ct_json_kind(v) : "missing");
    if (n == 0 || n > CT_DECISIONS_MAX_QUESTIONS)
        return ct_openai_refuse(f, 400, "invalid_value", "questions", "'questions' are %zu, expected 1 to %d", n,
                                CT_DECISIONS_MAX_QUESTIONS);
    return n * s->n_pictures <= CT_DECISIONS_MAX_PICTURES ||
           ct_openai_refuse(f, 400, "invalid_value", "images",
                            "%zu questions about %zu images: their product may be at most %d", n, s->n_pictures,
                            CT_DECISIONS_MAX_PICTURES);
}

static bool read_questions(decisions *d, ct_openai_fault *f)
{
    json_t *all = json_object_get(d->body, "questions"), *v;
    const char *id;
    d->questions = calloc(json_object_size(all), sizeof *d->questions);
    if (!d->questions)
        return ct_decisions_no_memory(f, "the questions");
    json_object_foreach(all, id, v) {
        ct_question *q = &d->questions[d->talk.n++];
        if (!ct_question_read(q, id, v, &d->unknown, f) ||
            !ct_question_prompt(q, &d->state, d->talk.scene, &d->unknown, f))
            return false;
        d->talk.asks[d->talk.n - 1] = &q->ask;
    }
    return true;
}

/* What all prompts begin with counts once. */
static size_t count_tokens(const decisions *d)
{
    size_t n_shared, sum = 0;
    const int32_t *first = carat_prompt_tokens(d->questions[0].prompt, &n_shared);
    for (size_t i = 0; i < d->talk.n; i++) {
        size_t n, k = 0;
        const int32_t *ids = carat_prompt_tokens(d->questions[i].prompt, &n);
        while (k < n && k < n_shared && ids[k] == first[k])
            k++;
        n_shared = k;
        sum += n;
    }
    return sum - (d->talk.n - 1) * n_shared;
}

static bool read_body(ct_talk *t, json_t *body, ct_openai_fault *f)
{
    decisions *d = (decisions *)t;
    d->body = json_incref(body);
    ct_openai_list_init(&d->unknown, t->scene->options->mode);
    if (!check(d, body, f) || !ct_state_read(&d->state, body, t->scene, f) ||
        !check_count(json_object_get(body, "questions"), &d->state, f) || !read_questions(d, f))
        return false;
    d->n_tokens = count_tokens(d);
    t->ignored = d->unknown.n ? d->unknown.names.data : NULL;
    return true;
}

static void deinit(ct_talk *t)
{
    decisions *d = (decisions *)t;
    for (size_t i = 0; i < t->n; i++)
        ct_question_deinit(&d->questions[i]);
    free(d->questions);
    ct_state_deinit(&d->state);
    ct_buf_deinit(&d->unknown.names);
    json_decref(d->body);
}

/* ---- answers ---- */

static bool on_event(ct_talk *t, size_t ask, const carat_event *event, ct_buf *out)
{
    ct_question *q = &((decisions *)t)->questions[ask];
    (void)out;
    if (event->kind == CARAT_EVENT_ANSWER && event->n_scores == q->n) {
        for (size_t i = 0; i < q->n; i++)
            q->probabilities[i] = event->scores[i].probability;
    } else if (event->kind == CARAT_EVENT_FAILED && !t->has_failed) {
        t->has_failed = true;
        t->fault.err = *event->err;
        ct_openai_refuse_err(&t->fault, "");
    }
    return true;
}

static json_t *answers_of(const decisions *d)
{
    json_t *all = json_object();
    bool ok = all != NULL;
    for (size_t i = 0; ok && i < d->talk.n; i++)
        ok = json_object_set_new_nocheck(all, d->questions[i].id, ct_question_answer(&d->questions[i])) == 0;
    if (ok)
        return all;
    json_decref(all);
    return NULL;
}

static bool on_end(ct_talk *t, ct_buf *out)
{
    const decisions *d = (const decisions *)t;
    char id[40];
    if (t->has_failed)
        return true;
    if (!ct_openai_new_id("dec_", id, sizeof id))
        return false;
    json_t *o =
        json_pack("{s:s, s:s, s:I, s:o, s:s, s:o, s:{s:I, s:I, s:I}}", "id", id, "object", "systemone", "created",
                  (json_int_t)time(NULL), "model", ct_json_from_str(t->scene->model), "system_fingerprint",
                  t->scene->fingerprint, "answers", answers_of(d), "usage", "input_tokens", (json_int_t)d->n_tokens,
                  "output_tokens", (json_int_t)0, "total_tokens", (json_int_t)d->n_tokens);
    const bool ok = o && ct_json_write(o, out);
    json_decref(o);
    return ok;
}

static bool on_fault(const ct_talk *t, const ct_openai_fault *f, bool in_stream, ct_buf *out)
{
    (void)t;
    (void)in_stream; /* there are none */
    json_t *o = ct_openai_error(f);
    const bool ok = o && ct_json_write(o, out);
    json_decref(o);
    return ok;
}

const ct_talk_kind ct_decisions_talk = {
    .size = sizeof(decisions),
    .read = read_body,
    .event = on_event,
    .end = on_end,
    .fault = on_fault,
    .deinit = deinit,
};
