/* The engine's events -> a chat.completion or text_completion.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <time.h>

#include "openai/inside.h"

#define MAX_TEXT ((size_t)1 << 30)

bool ct_openai_reply_init(ct_openai_reply *reply, const ct_openai_request *r)
{
    reply->request = r;
    reply->created = time(NULL);
    reply->n = r->submit.n_answers;
    reply->answers = calloc(reply->n, sizeof *reply->answers);
    bool ok = reply->answers &&
              ct_openai_new_id(r->endpoint == CT_OPENAI_CHAT ? "chatcmpl-" : "cmpl-", reply->id, sizeof reply->id);
    for (size_t i = 0; reply->answers && i < reply->n; i++) {
        ct_openai_answer *a = &reply->answers[i];
        ct_buf_init(&a->text, MAX_TEXT);
        ct_buf_init(&a->starts, MAX_TEXT);
        ct_buf_init(&a->beside, MAX_TEXT);
        ok = ct_buf_str(&a->text, "") && ok;
        a->logprobs = r->has_logprobs ? ct_openai_logprobs(r->endpoint) : NULL;
        ok = (a->logprobs || !r->has_logprobs) && ok;
    }
    return ok;
}

void ct_openai_reply_deinit(ct_openai_reply *reply)
{
    for (size_t i = 0; reply->answers && i < reply->n; i++) {
        ct_buf_deinit(&reply->answers[i].text);
        ct_buf_deinit(&reply->answers[i].starts);
        ct_buf_deinit(&reply->answers[i].beside);
        json_decref(reply->answers[i].logprobs);
        json_decref(reply->answers[i].calls);
    }
    free(reply->answers);
}

static void add_token(ct_openai_answer *a, ct_openai_endpoint endpoint, const carat_tokenizer *tok,
                      const carat_token *t)
{
    if (a->logprobs && t->id >= 0 &&
        (!ct_openai_logprobs_add(a->logprobs, endpoint, tok, t) || !ct_buf_add(&a->starts, &t->at, sizeof t->at)))
        a->has_failed = true;
    ct_buf_add(&a->text, t->text, t->len);
}

/* Calls that are not valid, or too many, are none: the whole answer is text. False: no memory. */
static bool read_calls(ct_openai_answer *a, const ct_openai_request *r)
{
    bool are_valid = true;
    if (!ct_openai_called(r->calls.some ? r->calls.some : r->calls.tools, &a->text, &a->calls, &a->beside) ||
        (a->calls && !ct_openai_calls_are_valid(r, a->calls, &are_valid)))
        return false;
    if (are_valid)
        return true;
    json_decref(a->calls);
    a->calls = NULL;
    return true;
}

static void end_answer(ct_openai_answer *a, const ct_openai_request *r, const carat_result *result)
{
    const ct_openai_endpoint endpoint = r->endpoint;
    a->result = *result;
    if (r->calls.tools && !a->text.failed && !read_calls(a, r))
        a->has_failed = true;
    size_t n = ct_openai_n_in_text(&a->starts, a->text.len, result);
    if (a->logprobs && !a->has_failed && !ct_openai_logprobs_end(a->logprobs, endpoint, &a->text, &a->starts, n))
        a->has_failed = true;
}

void ct_openai_reply_add(ct_openai_reply *reply, const carat_tokenizer *tok, const carat_event *event)
{
    switch (event->kind) {
    case CARAT_EVENT_TOKEN:
        add_token(&reply->answers[event->answer], reply->request->endpoint, tok, event->token);
        break;
    case CARAT_EVENT_ANSWER:
        end_answer(&reply->answers[event->answer], reply->request, event->result);
        break;
    case CARAT_EVENT_FAILED:
        if (!reply->has_failed) {
            reply->has_failed = true;
            reply->fault.err = *event->err;
            ct_openai_refuse_err(&reply->fault, "");
        }
        break;
    case CARAT_EVENT_END:
    case CARAT_EVENT_NONE:
        break;
    }
}

/* NULL: no memory. */
static json_t *message(const ct_openai_answer *a, bool is_old_style)
{
    const ct_buf *text = a->calls ? &a->beside : &a->text;
    json_t *content = a->calls && text->len == 0 ? json_null() : json_stringn_nocheck(text->data, text->len);
    json_t *m = json_pack("{s:s, s:o, s:n}", "role", "assistant", "content", content, "refusal");
    if (!a->calls || !m)
        return m;
    json_t *first = json_object_get(json_array_get(a->calls, 0), "function");
    if ((is_old_style ? json_object_set(m, "function_call", first) : json_object_set(m, "tool_calls", a->calls)) == 0)
        return m;
    json_decref(m);
    return NULL;
}

static const char *finish_of(const ct_openai_answer *a, bool is_old_style)
{
    if (a->result.finish != CARAT_FINISH_STOP)
        return "length";
    return !a->calls ? "stop" : is_old_style ? "function_call" : "tool_calls";
}

static json_t *choice(const ct_openai_answer *a, size_t i, const ct_openai_request *r)
{
    const char *finish = finish_of(a, r->calls.is_old_style);
    if (a->text.failed || a->has_failed)
        return NULL;
    json_t *logprobs = a->logprobs ? json_incref(a->logprobs) : json_null();
    if (r->endpoint != CT_OPENAI_CHAT)
        return json_pack("{s:I, s:s%, s:o, s:s}", "index", (json_int_t)i, "text", a->text.data, a->text.len, "logprobs",
                         logprobs, "finish_reason", finish);
    if (a->logprobs)
        logprobs = json_pack("{s:o, s:n}", "content", logprobs, "refusal");
    return json_pack("{s:I, s:o, s:o, s:s}", "index", (json_int_t)i, "message", message(a, r->calls.is_old_style),
                     "logprobs", logprobs, "finish_reason", finish);
}

json_t *ct_openai_reply_body(const ct_openai_reply *reply, const char *model, size_t n_prompt, size_t n_cached)
{
    bool is_chat = reply->request->endpoint == CT_OPENAI_CHAT;
    size_t n_generated = 0;
    json_t *choices = json_array();
    for (size_t i = 0; i < reply->n; i++) {
        n_generated += reply->answers[i].result.n_generated;
        if (json_array_append_new(choices, choice(&reply->answers[i], i, reply->request)) != 0) {
            json_decref(choices);
            return NULL;
        }
    }
    json_t *usage = json_pack("{s:I, s:I, s:I, s:{s:I}}", "prompt_tokens", (json_int_t)n_prompt, "completion_tokens",
                              (json_int_t)n_generated, "total_tokens", (json_int_t)(n_prompt + n_generated),
                              "prompt_tokens_details", "cached_tokens", (json_int_t)n_cached);
    return json_pack("{s:s, s:s, s:I, s:o, s:o, s:o}", "id", reply->id, "object",
                     is_chat ? "chat.completion" : "text_completion", "created", (json_int_t)reply->created, "model",
                     ct_json_from_str(model), "choices", choices, "usage", usage);
}
