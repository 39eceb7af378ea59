/* POST /completion: llama-server's own completions.
 *
 *     {"prompt", "n_predict", ...} ── wishes.c ──> a body of /v1/completions ──> ct_openai_request_read
 *                     └── prompts.c ──> a prompt ────────────────────────────> in its place, one request each
 *
 * A reply is one object, or a list where "prompt" is a list of prompts or more answers than one were asked for.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "llamacpp/completion.h"
#include "openai/usage.h"

#define MAX_TEXT ((size_t)1 << 30)

typedef struct answer {
    ct_buf text;
    ct_buf ids, starts; /* int32_t, size_t: of each token; where its text begins */
    json_t *probs;      /* of each token; NULL: not asked for */
    size_t n_sent;      /* tokens that chunks have brought */
    carat_result result;
    double first; /* when the first token came; 0: none has */
} answer;

typedef struct completion {
    ct_talk talk;
    ct_llamacpp_wishes wishes;
    ct_openai_request *requests; /* [talk.n] */
    answer *answers;             /* [talk.n * n_answers] */
    size_t n_answers;            /* of each prompt */
    bool is_list;                /* the reply is */
    ct_openai_list unknown;
    carat_continuation nothing; /* of requests that generate nothing: a token is scored and not looked at */
} completion;

static const int32_t any_token[] = { 0 };

/* ---- reading ---- */

/* The reader's prompt was an empty text. */
static bool put_prompt(completion *c, ct_openai_request *r, const json_t *v, ct_openai_fault *f)
{
    carat_prompt *p;
    if (!ct_llamacpp_prompt(c->talk.scene, v, &p, f))
        return false;
    carat_prompt_free(r->prompt);
    r->prompt = p;
    r->submit.prompt = p;
    return true;
}

static void set_wishes(completion *c, ct_openai_request *r)
{
    const ct_llamacpp_wishes *w = &c->wishes;
    r->generation.max_tokens = w->max_tokens;
    r->generation.n_top = w->n_probs;
    r->generation.wants_logprobs = w->n_probs > 0;
    if (w->has_window)
        r->sampling.penalty_window = w->window < 0 ? (int)carat_engine_n_ctx(c->talk.scene->engine) : w->window;
    if (w->has_order)
        r->sampling.order = w->order;
    if (!w->generates_nothing)
        return;
    c->nothing = (carat_continuation){ .struct_size = sizeof c->nothing, .ids = any_token, .n_ids = 1 };
    r->submit.generation = NULL;
    r->submit.continuations = &c->nothing;
    r->submit.n_continuations = 1;
    r->submit.ending = CARAT_ENDING_OPEN;
}

static bool read_one(completion *c, size_t i, const json_t *prompt, ct_openai_fault *f)
{
    ct_openai_request *r = &c->requests[i];
    const ct_talk_scene *s = c->talk.scene;
    if (!ct_openai_request_read(r, CT_OPENAI_COMPLETIONS, c->wishes.body, s->engine, s->options, f) ||
        !put_prompt(c, r, prompt, f))
        return false;
    set_wishes(c, r);
    c->talk.asks[i] = &r->submit;
    return (c->wishes.generates_nothing && r->submit.n_answers > 1)
               ? ct_openai_refuse(f, 400, "invalid_value", "n_cmpl", "'n_cmpl' needs 'n_predict' not to be 0")
               : true;
}

static bool make_answers(completion *c, ct_openai_fault *f)
{
    c->n_answers = c->requests[0].submit.n_answers;
    c->is_list = c->is_list || c->n_answers > 1;
    c->answers = calloc(c->talk.n * c->n_answers, sizeof *c->answers);
    bool ok = c->answers != NULL;
    for (size_t i = 0; ok && i < c->talk.n * c->n_answers; i++) {
        answer *a = &c->answers[i];
        ct_buf_init(&a->text, MAX_TEXT);
        ct_buf_init(&a->ids, MAX_TEXT);
        ct_buf_init(&a->starts, MAX_TEXT);
        ok = ct_buf_str(&a->text, "") && (c->wishes.n_probs == 0 || (a->probs = json_array()));
    }
    return ok || ct_llamacpp_no_memory(f, "the answers");
}

static bool read_prompts(completion *c, const json_t *prompt, ct_openai_fault *f)
{
    const size_t n_listed = ct_llamacpp_n_prompts(prompt);
    c->is_list = n_listed > 0;
    c->talk.n = n_listed ? n_listed : 1;
    if (json_is_array(prompt) && json_array_size(prompt) == 0)
        return ct_openai_refuse(f, 400, "invalid_value", "prompt", "'prompt' is an empty list");
    if (c->talk.n > CT_TALK_MAX_ASKS)
        return ct_openai_refuse(f, 400, "invalid_value", "prompt", "'prompt' has %zu prompts, expected at most %d",
                                c->talk.n, CT_TALK_MAX_ASKS);
    c->requests = calloc(c->talk.n, sizeof *c->requests);
    if (!c->requests)
        return ct_llamacpp_no_memory(f, "the request");
    for (size_t i = 0; i < c->talk.n; i++)
        if (!read_one(c, i, n_listed ? json_array_get(prompt, i) : prompt, f))
            return false;
    return make_answers(c, f);
}

static bool read_completion(ct_talk *t, json_t *body, ct_openai_fault *f)
{
    completion *c = (completion *)t;
    ct_talk_scene scene = *t->scene;
    ct_openai_list_init(&c->unknown, t->scene->options->mode);
    scene.unknown = &c->unknown;
    if (!ct_llamacpp_read_wishes(&scene, body, &c->wishes, f) || !read_prompts(c, json_object_get(body, "prompt"), f))
        return false;
    t->streams = c->wishes.streams;
    t->ignored = c->unknown.n ? c->unknown.names.data : NULL;
    return true;
}

static void deinit(ct_talk *t)
{
    completion *c = (completion *)t;
    for (size_t i = 0; c->answers && i < t->n * c->n_answers; i++) {
        ct_buf_deinit(&c->answers[i].text);
        ct_buf_deinit(&c->answers[i].ids);
        ct_buf_deinit(&c->answers[i].starts);
        json_decref(c->answers[i].probs);
    }
    for (size_t i = 0; c->requests && i < t->n; i++)
        ct_openai_request_deinit(&c->requests[i]);
    free(c->answers);
    free(c->requests);
    json_decref(c->wishes.body);
    ct_buf_deinit(&c->unknown.names);
}

/* ---- tokens ---- */

static size_t n_tokens(const answer *a)
{
    return a->ids.len / sizeof(int32_t);
}

/* {"id", "token", "logprob", "bytes", "top_logprobs"} */
static json_t *probs_of(const carat_tokenizer *tok, const carat_token *t)
{
    json_t *e = ct_openai_token(tok, t->id, t->logprob), *top = json_array();
    bool ok = e && top;
    for (size_t i = 0; ok && i < t->n_top; i++)
        ok = json_array_append_new(top, ct_openai_token(tok, t->top[i].id, t->top[i].logprob)) == 0;
    ok = json_object_set_new(e, "top_logprobs", top) == 0 && ok;
    if (ok)
        return e;
    json_decref(e);
    return NULL;
}

static bool take_token(completion *c, answer *a, const carat_token *t)
{
    const carat_tokenizer *tok = carat_engine_tokenizer(c->talk.scene->engine);
    if (a->first == 0)
        a->first = ct_now();
    if (t->id >= 0 && (!ct_buf_add(&a->ids, &t->id, sizeof t->id) || !ct_buf_add(&a->starts, &t->at, sizeof t->at) ||
                       (a->probs && json_array_append_new(a->probs, probs_of(tok, t)) != 0)))
        return false;
    return ct_buf_add(&a->text, t->text, t->len);
}

/* Tokens that are certainly part of the text: they begin before its end. */
static size_t n_certain(const answer *a)
{
    size_t n = a->n_sent, at;
    for (; n < n_tokens(a); n++) {
        memcpy(&at, a->starts.data + n * sizeof at, sizeof at);
        if (at >= a->text.len)
            break;
    }
    return n;
}

static json_t *ids_of(const answer *a, size_t from, size_t to)
{
    json_t *list = json_array();
    bool ok = list != NULL;
    for (size_t i = from; ok && i < to; i++) {
        int32_t id;
        memcpy(&id, a->ids.data + i * sizeof id, sizeof id);
        ok = json_array_append_new(list, json_integer(id)) == 0;
    }
    if (ok)
        return list;
    json_decref(list);
    return NULL;
}

static json_t *some_probs(const answer *a, size_t from, size_t to)
{
    json_t *list = json_array();
    bool ok = list != NULL;
    for (size_t i = from; ok && i < to; i++)
        ok = json_array_append(list, json_array_get(a->probs, i)) == 0;
    if (ok)
        return list;
    json_decref(list);
    return NULL;
}

/* ---- objects ---- */

static void count_prompt(const completion *c, size_t ask, size_t *n, size_t *n_cached)
{
    *n_cached = 0;
    if (c->talk.requests[ask])
        carat_request_prompt(c->talk.requests[ask], n, n_cached);
    else
        carat_prompt_tokens(c->requests[ask].prompt, n);
}

static json_t *timings(const completion *c, size_t ask, const answer *a, double now)
{
    ct_openai_usage u = { .began = c->talk.began, .first = a->first, .n_generated = n_tokens(a) };
    u.seconds = a->first > 0 ? now - a->first : 0;
    count_prompt(c, ask, &u.n_prompt, &u.n_cached);
    return ct_openai_usage_timings(&u);
}

static bool set(json_t *o, const char *key, json_t *v)
{
    return json_object_set_new(o, key, v) == 0;
}

/* What a chunk and the whole have in common. */
static json_t *object(const completion *c, size_t index, const char *text, size_t len, size_t from, size_t to)
{
    const answer *a = &c->answers[index];
    size_t n, n_cached;
    count_prompt(c, index / c->n_answers, &n, &n_cached);
    json_t *tokens = c->wishes.streams || c->wishes.has_tokens ? ids_of(a, from, to) : json_array();
    json_t *o = json_pack("{s:I, s:o, s:o, s:i, s:I, s:I}", "index", (json_int_t)index, "content",
                          json_stringn_nocheck(text, len), "tokens", tokens, "id_slot", -1, "tokens_predicted",
                          (json_int_t)n_tokens(a), "tokens_evaluated", (json_int_t)n);
    if (!a->probs || set(o, "completion_probabilities", some_probs(a, from, to)))
        return o;
    json_decref(o);
    return NULL;
}

static const char *stop_type(const carat_result *r)
{
    return r->finish != CARAT_FINISH_STOP ? r->finish == CARAT_FINISH_LENGTH ? "limit" : "none"
           : r->stop                      ? "word"
                                          : "eos";
}

static const char *stopping_word(const ct_openai_request *r, const carat_result *result)
{
    return result->stop && result->stop <= r->generation.n_stops ? r->generation.stops[result->stop - 1] : "";
}

static json_t *settings_of(const completion *c, const ct_openai_request *r)
{
    json_t *o = ct_llamacpp_settings(&r->sampling, &r->generation, c->wishes.streams);
    const bool ok = set(o, "lora", ct_llamacpp_lora(r, c->talk.scene->options, c->talk.scene->model));
    if (ok && (!c->wishes.generates_nothing ||
               (set(o, "n_predict", json_integer(0)) && set(o, "max_tokens", json_integer(0)))))
        return o;
    json_decref(o);
    return NULL;
}

/* The whole answer, or the last chunk of it. */
static json_t *last_object(const completion *c, size_t index)
{
    const size_t ask = index / c->n_answers;
    const answer *a = &c->answers[index];
    const ct_openai_request *r = &c->requests[ask];
    const bool is_cut = a->result.finish == CARAT_FINISH_STOP && a->result.stop;
    const size_t end = is_cut ? ct_openai_n_in_text(&a->starts, a->text.len, &a->result) : n_tokens(a);
    const size_t from = c->wishes.streams ? a->n_sent : 0;
    size_t n, n_cached, len;
    count_prompt(c, ask, &n, &n_cached);
    json_t *o = c->wishes.streams ? object(c, index, "", 0, from, end > from ? end : from)
                                  : object(c, index, a->text.data, a->text.len, 0, end);
    const char *prompt = carat_prompt_rendered(r->prompt, &len);
    const bool ok =
        set(o, "model", ct_json_from_str(c->talk.scene->model)) && set(o, "generation_settings", settings_of(c, r)) &&
        set(o, "prompt", ct_json_from_bytes(prompt, len)) &&
        set(o, "has_new_line", json_boolean(memchr(a->text.data, '\n', a->text.len) != NULL)) &&
        set(o, "truncated", json_false()) && set(o, "stop", json_true()) &&
        set(o, "stop_type", json_string(stop_type(&a->result))) &&
        set(o, "stopping_word", json_string_nocheck(stopping_word(r, &a->result))) &&
        set(o, "tokens_cached", json_integer((json_int_t)n_cached)) && set(o, "timings", timings(c, ask, a, ct_now()));
    if (ok)
        return o;
    json_decref(o);
    return NULL;
}

/* Takes o; NULL is no memory. */
static bool write_chunk(json_t *o, ct_buf *out)
{
    const bool ok = o && ct_buf_str(out, "data: ") && ct_json_write(o, out) && ct_buf_str(out, "\n\n");
    json_decref(o);
    return ok;
}

static bool write_token(completion *c, size_t index, const carat_token *t, ct_buf *out)
{
    answer *a = &c->answers[index];
    const size_t from = a->n_sent, to = n_certain(a);
    if (t->len == 0 && from == to)
        return true;
    json_t *o = object(c, index, t->text, t->len, from, to);
    a->n_sent = to;
    if (!set(o, "stop", json_false()) ||
        (c->wishes.has_timings && !set(o, "timings", timings(c, index / c->n_answers, a, ct_now())))) {
        json_decref(o);
        return false;
    }
    return write_chunk(o, out);
}

/* ---- events ---- */

static bool on_event(ct_talk *t, size_t ask, const carat_event *event, ct_buf *out)
{
    completion *c = (completion *)t;
    const size_t index = ask * c->n_answers + event->answer;
    switch (event->kind) {
    case CARAT_EVENT_TOKEN:
        if (!take_token(c, &c->answers[index], event->token))
            return false;
        return !t->streams || write_token(c, index, event->token, out);
    case CARAT_EVENT_ANSWER:
        c->answers[index].result = *event->result;
        if (c->wishes.generates_nothing)
            c->answers[index].result.finish = CARAT_FINISH_LENGTH;
        return !t->streams || write_chunk(last_object(c, index), out);
    case CARAT_EVENT_FAILED:
        if (!t->has_failed) {
            t->has_failed = true;
            t->fault.err = *event->err;
            ct_openai_refuse_err(&t->fault, "");
        }
        return true;
    default:
        return true;
    }
}

static bool on_end(ct_talk *t, ct_buf *out)
{
    completion *c = (completion *)t;
    if (t->streams)
        return true;
    bool ok = !c->is_list || ct_buf_char(out, '[');
    for (size_t i = 0; ok && i < t->n * c->n_answers; i++) {
        json_t *o = last_object(c, i);
        ok = o && (i == 0 || ct_buf_char(out, ',')) && ct_json_write(o, out);
        json_decref(o);
    }
    return ok && (!c->is_list || ct_buf_char(out, ']'));
}

static bool on_fault(const ct_talk *t, const ct_openai_fault *f, bool in_stream, ct_buf *out)
{
    (void)t;
    json_t *o = ct_openai_error(f);
    const bool ok = o && (!in_stream || ct_buf_str(out, "data: ")) && ct_json_write(o, out) &&
                    (!in_stream || ct_buf_str(out, "\n\n"));
    json_decref(o);
    return ok;
}

const ct_talk_kind ct_llamacpp_talk_completion = {
    .size = sizeof(completion),
    .stream_type = "text/event-stream",
    .ping = ": ping\n\n",
    .read = read_completion,
    .event = on_event,
    .end = on_end,
    .fault = on_fault,
    .deinit = deinit,
};
