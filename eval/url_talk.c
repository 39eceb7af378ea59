/* Questions to OpenAI's requests, its replies to what model.h says.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "eval/url.h"

#define MOST_STOPS 4 /* that the protocol takes; answers are cut by all of them here */

/* ---- requests ---- */

static json_t *stops_of(const ct_eval_settings *s)
{
    json_t *stops = json_array();
    for (size_t i = 0; i < s->n_stops && i < MOST_STOPS; i++)
        json_array_append_new(stops, json_string(s->stops[i]));
    return stops;
}

static json_t *score_request(const ct_eval_ask *ask, const char *name)
{
    json_t *prompts = json_array();
    for (size_t k = 0; k < ask->n_choices; k++) {
        ct_buf b;
        ct_buf_init(&b, (size_t)64 << 20);
        ct_buf_str(&b, ask->text);
        ct_buf_str(&b, ask->choices[k]);
        json_array_append_new(prompts, b.failed ? NULL : json_string(b.data));
        ct_buf_deinit(&b);
    }
    if (json_array_size(prompts) != ask->n_choices) {
        json_decref(prompts);
        return NULL;
    }
    return json_pack("{s:s, s:o, s:i, s:b, s:i, s:i}", "model", name, "prompt", prompts, "max_tokens", 1, "echo", 1,
                     "logprobs", 1, "temperature", 0);
}

static json_t *data_url(const ct_eval_shown *s)
{
    const char *type = ct_eval_picture_type(s->bytes, s->len);
    const size_t n = ct_base64_length(s->len);
    char head[32], *url = NULL;
    const int begin = snprintf(head, sizeof head, "data:%s;base64,", type);
    json_t *o = NULL;
    url = malloc((size_t)begin + n + 1);
    if (url) {
        memcpy(url, head, (size_t)begin);
        ct_base64_encode(s->bytes, s->len, url + begin);
        o = json_pack("{s:s, s:{s:s#}}", "type", "image_url", "image_url", "url", url, (int)((size_t)begin + n));
    }
    free(url);
    return o;
}

static json_t *text_part(const char *text, size_t len)
{
    return json_pack("{s:s, s:s%}", "type", "text", "text", text, len);
}

/* The text, in pieces where there are pictures in it. */
static json_t *content_of(const ct_eval_ask *ask)
{
    size_t at = 0;
    const size_t len = strlen(ask->text);
    if (!ask->n_shown)
        return json_string(ask->text);
    json_t *parts = json_array();
    bool ok = parts != NULL;
    for (size_t i = 0; ok && i < ask->n_shown; at = ask->shown[i++].at) {
        const size_t to = ask->shown[i].at;
        ok = (to <= at || json_array_append_new(parts, text_part(ask->text + at, to - at)) == 0) &&
             json_array_append_new(parts, data_url(&ask->shown[i])) == 0;
    }
    ok = ok && (at >= len || json_array_append_new(parts, text_part(ask->text + at, len - at)) == 0);
    if (ok)
        return parts;
    json_decref(parts);
    return NULL;
}

static json_t *answer_request(const ct_eval_ask *ask, const char *name)
{
    const json_int_t most = (json_int_t)ask->settings->max_tokens;
    json_t *o;
    if (ask->messages)
        o = json_pack("{s:s, s:O, s:I, s:i}", "model", name, "messages", ask->messages, "max_tokens", most,
                      "temperature", 0);
    else if (ask->is_chat)
        o = json_pack("{s:s, s:[{s:s, s:o}], s:I, s:i}", "model", name, "messages", "role", "user", "content",
                      content_of(ask), "max_tokens", most, "temperature", 0);
    else
        o = json_pack("{s:s, s:s, s:I, s:i}", "model", name, "prompt", ask->text, "max_tokens", most, "temperature", 0);
    if (o && ask->settings->n_stops)
        json_object_set_new(o, "stop", stops_of(ask->settings));
    if (o && ask->functions)
        json_object_set(o, "tools", (json_t *)(uintptr_t)ask->functions);
    return o;
}

char *ct_eval_url_body(const ct_eval_ask *ask, const char *name, const char **path, carat_err *err)
{
    json_t *o = ask->n_choices ? score_request(ask, name) : answer_request(ask, name);
    *path = !ask->n_choices && ask->is_chat ? "/chat/completions" : "/completions";
    char *body = o ? ct_json_dump(o, JSON_COMPACT) : NULL;
    json_decref(o);
    if (!body)
        ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a request");
    return body;
}

void ct_eval_url_fault(const char *text, size_t len, char *out, size_t size)
{
    json_t *o = NULL;
    const char *message = NULL;
    if (ct_json_parse("reply", text, len, &o, NULL)) {
        const json_t *fault = json_object_get(o, "error");
        message = json_string_value(json_is_string(fault) ? fault : json_object_get(fault, "message"));
    }
    snprintf(out, size, "%.*s", message ? (int)size : len < 120 ? (int)len : 120, message ? message : text);
    json_decref(o);
}

/* ---- likelihoods ---- */

static bool take_scores(const ct_eval_ask *ask, const json_t *list, const ct_eval_work *work, size_t i, carat_err *err)
{
    double *sums = calloc(ask->n_choices, sizeof *sums);
    bool ok = sums || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for scores");
    if (ok && json_array_size(list) != ask->n_choices)
        ok = ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "the server gives %zu 'choices' for %zu prompts",
                     json_array_size(list), ask->n_choices);
    for (size_t k = 0; ok && k < ask->n_choices; k++)
        sums[k] = NAN; /* not given yet */
    for (size_t k = 0; ok && k < ask->n_choices; k++) {
        const json_t *choice = json_array_get(list, k), *index = json_object_get(choice, "index");
        const json_int_t at = json_is_integer(index) ? json_integer_value(index) : (json_int_t)k;
        if (at < 0 || (size_t)at >= ask->n_choices || !isnan(sums[at]))
            ok = ct_fail(err, CARAT_EFORMAT, k, "the server gives a choice with index %" JSON_INTEGER_FORMAT "%s", at,
                         at < 0 || (size_t)at >= ask->n_choices ? "" : " twice");
        ok = ok && ct_eval_url_sum(choice, ask->text, ask->choices[at], &sums[at], err);
    }
    const ct_eval_reply reply = { .logprobs = sums };
    ok = ok && work->take(work->arg, i, &reply, err);
    free(sums);
    return ok;
}

/* ---- answers ---- */

/* [{"function": {"name", "arguments": "{...}"}}] to [{"name", "arguments": {...}}]; arguments that are no JSON make a call that is wrong. */
static json_t *calls_of(const json_t *message)
{
    size_t i;
    json_t *call, *calls = json_array();
    json_array_foreach(json_object_get(message, "tool_calls"), i, call) {
        const json_t *f = json_object_get(call, "function");
        const char *text = json_string_value(json_object_get(f, "arguments"));
        json_t *arguments = NULL;
        if (!text || !ct_json_parse("arguments", text, strlen(text), &arguments, NULL))
            arguments = json_null();
        json_array_append_new(calls,
                              json_pack("{s:O?, s:o}", "name", json_object_get(f, "name"), "arguments", arguments));
    }
    return calls;
}

static size_t cut_at_stops(const ct_eval_settings *s, const char *text, size_t len)
{
    for (size_t i = 0; i < s->n_stops; i++) {
        const char *at = memmem(text, len, s->stops[i], strlen(s->stops[i]));
        if (at)
            len = (size_t)(at - text);
    }
    return len;
}

/* Its len bytes with a NUL behind them; NULL: no memory. */
static char *copy_of(const char *text, size_t len)
{
    char *copy = malloc(len + 1);
    if (copy) {
        memcpy(copy, text, len);
        copy[len] = '\0';
    }
    return copy;
}

static bool take_answer(const ct_eval_ask *ask, const json_t *whole, const json_t *choice, const ct_eval_work *work,
                        size_t i, carat_err *err)
{
    const json_t *message = json_object_get(choice, "message"),
                 *content = json_object_get(ask->is_chat ? message : choice, ask->is_chat ? "content" : "text");
    const char *text = json_string_value(content),
               *finish = json_string_value(json_object_get(choice, "finish_reason"));
    if (!choice || (ask->is_chat && !message) || (!text && content && !json_is_null(content)) ||
        (!text && !ask->is_chat))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "the server's reply has no answer");
    const size_t len = text ? cut_at_stops(ask->settings, text, json_string_length(content)) : 0;
    char *answer = copy_of(text ? text : "", len);
    const json_int_t n = json_integer_value(json_object_get(json_object_get(whole, "usage"), "completion_tokens"));
    const ct_eval_reply reply = { .text = answer,
                                  .len = len,
                                  .n_tokens = n > 0 ? (size_t)n : 0,
                                  .is_cut = finish && strcmp(finish, "length") == 0,
                                  .calls = ask->functions || json_object_get(message, "tool_calls") ? calls_of(message)
                                                                                                    : NULL };
    const bool ok = answer ? work->take(work->arg, i, &reply, err)
                           : ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for an answer");
    json_decref(reply.calls);
    free(answer);
    return ok;
}

bool ct_eval_url_take(const ct_eval_ask *ask, const char *text, size_t len, const ct_eval_work *work, size_t i,
                      carat_err *err)
{
    json_t *whole;
    if (!ct_json_parse("the server's reply", text, len, &whole, err))
        return false;
    const json_t *list = json_object_get(whole, "choices");
    const bool ok = ask->n_choices ? take_scores(ask, list, work, i, err)
                                   : take_answer(ask, whole, json_array_get(list, 0), work, i, err);
    json_decref(whole);
    return ok;
}
