/* A reply from its beginning to its end: a chat.completion or text_completion, made of what its parts have brought.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "openai/inside.h"

#define MAX_TEXT ((size_t)1 << 30)

static bool init_answer(ct_openai_answer *a, const ct_openai_request *r)
{
    const carat_tools *tools = r->calls.some ? r->calls.some : r->calls.tools;
    ct_buf_init(&a->text, MAX_TEXT);
    ct_buf_init(&a->starts, MAX_TEXT);
    ct_buf_init(&a->beside, MAX_TEXT);
    if (!ct_buf_str(&a->text, "") || !ct_buf_str(&a->beside, ""))
        return false;
    if (r->has_logprobs && (!(a->logprobs = ct_openai_logprobs(r->endpoint)) || !(a->waiting = json_array())))
        return false;
    if (r->streams) { /* its parts are all that is told */
        json_decref(a->logprobs);
        a->logprobs = NULL;
    }
    a->reading = tools ? CT_READING_CALLS : CT_READING_TEXT;
    return !tools || carat_call_reader_open(tools, &a->reader, NULL);
}

bool ct_openai_reply_init(ct_openai_reply *reply, const ct_openai_request *r)
{
    reply->request = r;
    reply->prompt = r->prompt;
    ct_buf_init(&reply->echo.text, MAX_TEXT);
    ct_buf_init(&reply->echo.starts, MAX_TEXT);
    reply->created = time(NULL);
    reply->n = r->submit.n_answers;
    reply->answers = calloc(reply->n, sizeof *reply->answers);
    bool ok = reply->answers &&
              ct_openai_new_id(r->endpoint == CT_OPENAI_CHAT ? "chatcmpl-" : "cmpl-", reply->id, sizeof reply->id);
    for (size_t i = 0; reply->answers && i < reply->n; i++)
        ok = init_answer(&reply->answers[i], r) && ok;
    return ok;
}

static void deinit_answer(ct_openai_answer *a)
{
    ct_openai_calls_drop(a);
    carat_call_reader_close(a->reader);
    ct_buf_deinit(&a->text);
    ct_buf_deinit(&a->starts);
    ct_buf_deinit(&a->beside);
    json_decref(a->logprobs);
    json_decref(a->waiting);
}

void ct_openai_reply_deinit(ct_openai_reply *reply)
{
    for (size_t i = 0; reply->answers && i < reply->n; i++)
        deinit_answer(&reply->answers[i]);
    ct_openai_told_deinit(reply);
    ct_openai_parts_clear(reply);
    free(reply->parts);
    free(reply->answers);
}

/* ---- the whole ---- */

/* "tool_calls"; NULL: no memory. */
static json_t *calls_of(const ct_openai_answer *a)
{
    json_t *to = json_array();
    bool ok = true;
    for (size_t i = 0; i < a->n_calls; i++) {
        const ct_openai_call *c = a->calls[i];
        ok = json_array_append_new(to, json_pack("{s:s, s:s, s:{s:s%, s:s%}}", "id", c->id, "type", "function",
                                                 "function", "name", c->name.data, c->name.len, "arguments",
                                                 c->arguments.data, c->arguments.len)) == 0 &&
             ok;
    }
    if (ok)
        return to;
    json_decref(to);
    return NULL;
}

/* NULL: no memory. */
static json_t *message(const ct_openai_answer *a, bool is_old_style)
{
    const ct_buf *text = a->n_calls ? &a->beside : &a->text;
    json_t *content = a->n_calls && text->len == 0 ? json_null() : json_stringn_nocheck(text->data, text->len);
    json_t *m = json_pack("{s:s, s:o, s:n}", "role", "assistant", "content", content, "refusal");
    if (!a->n_calls || !m)
        return m;
    json_t *calls = calls_of(a), *first = json_object_get(json_array_get(calls, 0), "function");
    const bool ok =
        is_old_style ? json_object_set(m, "function_call", first) == 0 : json_object_set(m, "tool_calls", calls) == 0;
    json_decref(calls);
    if (ok)
        return m;
    json_decref(m);
    return NULL;
}

const char *ct_openai_finish(const char *finish, bool is_old_style)
{
    if (strcmp(finish, "cancelled") == 0)
        return "length";
    return is_old_style && strcmp(finish, "tool_calls") == 0 ? "function_call" : finish;
}

static json_t *choice(const ct_openai_answer *a, size_t i, const ct_openai_request *r)
{
    if (a->text.failed || a->has_failed || !a->finish)
        return NULL;
    const char *finish = ct_openai_finish(a->finish, r->calls.is_old_style);
    json_t *logprobs = a->logprobs ? json_incref(a->logprobs) : json_null();
    if (r->endpoint != CT_OPENAI_CHAT)
        return json_pack("{s:I, s:s%, s:o, s:s}", "index", (json_int_t)i, "text", a->text.data, a->text.len, "logprobs",
                         logprobs, "finish_reason", finish);
    if (a->logprobs)
        logprobs = json_pack("{s:o, s:n}", "content", logprobs, "refusal");
    return json_pack("{s:I, s:o, s:o, s:s}", "index", (json_int_t)i, "message", message(a, r->calls.is_old_style),
                     "logprobs", logprobs, "finish_reason", finish);
}

bool ct_openai_add_prompt_logprobs(const ct_openai_reply *reply, ct_openai_endpoint place, json_t *to)
{
    return !reply->prompt_logprobs || reply->request->endpoint != place ||
           json_object_set(to, "prompt_logprobs", reply->prompt_logprobs) == 0;
}

bool ct_openai_add_choices(const ct_openai_reply *reply, size_t first, json_t *choices)
{
    bool ok = true;
    for (size_t i = 0; ok && i < reply->n; i++)
        ok = json_array_append_new(choices, choice(&reply->answers[i], first + i, reply->request)) == 0 &&
             ct_openai_add_prompt_logprobs(reply, CT_OPENAI_COMPLETIONS,
                                           json_array_get(choices, json_array_size(choices) - 1));
    return ok;
}

json_t *ct_openai_head(const ct_openai_reply *reply, const char *object, const char *model, const char *fingerprint)
{
    return json_pack("{s:s, s:s, s:I, s:o, s:s?}", "id", reply->id, "object", object, "created",
                     (json_int_t)reply->created, "model", ct_json_from_str(model), "system_fingerprint", fingerprint);
}

const char *ct_openai_object(ct_openai_endpoint endpoint)
{
    return endpoint == CT_OPENAI_CHAT ? "chat.completion" : "text_completion";
}

json_t *ct_openai_reply_body(const ct_openai_reply *reply, const char *model, const ct_openai_usage *usage)
{
    json_t *o = ct_openai_head(reply, ct_openai_object(reply->request->endpoint), model, NULL);
    json_t *choices = json_array();
    const bool ok = ct_openai_add_choices(reply, 0, choices) && ct_openai_add_prompt_logprobs(reply, CT_OPENAI_CHAT, o);
    if (json_object_set_new(o, "choices", choices) == 0 && ok &&
        json_object_set_new(o, "usage", ct_openai_usage_json(usage)) == 0)
        return o;
    json_decref(o);
    return NULL;
}
