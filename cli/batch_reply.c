/* The engine's events -> a line of output.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "batch.h"
#include "common.h"

#define MAX_TEXT ((size_t)1 << 30)

bool batch_reply_init(batch_reply *r, const batch_ask *a)
{
    r->n = a->request.n_answers;
    r->v = calloc(r->n, sizeof *r->v);
    for (size_t i = 0; r->v && i < r->n; i++) {
        ct_buf_init(&r->v[i].text, MAX_TEXT);
        ct_buf_str(&r->v[i].text, "");
        if (a->has_logprobs)
            r->v[i].logprobs = a->is_chat ? json_array()
                                          : json_pack("{s:[], s:[], s:[], s:[]}", "tokens", "token_logprobs",
                                                      "top_logprobs", "text_offset");
    }
    return r->v;
}

void batch_reply_deinit(batch_reply *r)
{
    for (size_t i = 0; r->v && i < r->n; i++) {
        ct_buf_deinit(&r->v[i].text);
        json_decref(r->v[i].logprobs);
    }
    free(r->v);
}

/* ---- log-probabilities ---- */

static void add_chat_entry(json_t *to, const carat_tokenizer *tok, const carat_token *t)
{
    json_t *e = cli_token_entry(tok, t->id, t->logprob), *top = json_array();
    for (size_t i = 0; i < t->n_top; i++)
        json_array_append_new(top, cli_token_entry(tok, t->top[i].id, t->top[i].logprob));
    json_object_set_new(e, "top_logprobs", top);
    json_array_append_new(to, e);
}

/* Two tokens may have one text (bytes of characters): the likelier one keeps it. */
static void add_if_new(json_t *top, const json_t *entry)
{
    const char *text = json_string_value(json_object_get(entry, "token"));
    if (text && !json_object_get(top, text))
        json_object_set(top, text, json_object_get(entry, "logprob"));
}

static void add_text_entry(json_t *to, const carat_tokenizer *tok, const carat_token *t, size_t offset)
{
    json_t *e = cli_token_entry(tok, t->id, t->logprob), *top = json_object();
    for (size_t i = 0; i < t->n_top; i++) {
        json_t *other = cli_token_entry(tok, t->top[i].id, t->top[i].logprob);
        add_if_new(top, other);
        json_decref(other);
    }
    if (t->n_top)
        add_if_new(top, e);
    json_array_append(json_object_get(to, "tokens"), json_object_get(e, "token"));
    json_array_append(json_object_get(to, "token_logprobs"), json_object_get(e, "logprob"));
    json_array_append_new(json_object_get(to, "top_logprobs"), t->n_top ? json_incref(top) : json_null());
    json_array_append_new(json_object_get(to, "text_offset"), json_integer((json_int_t)offset));
    json_decref(top);
    json_decref(e);
}

static size_t n_characters(const char *s, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++)
        n += (s[i] & 0xC0) != 0x80;
    return n;
}

void batch_reply_hear(batch_reply *r, const batch_ask *a, const carat_tokenizer *tok, const carat_event *event,
                      const carat_err *err)
{
    batch_answer *v = &r->v[event->answer];
    const carat_token *t = &event->token;
    if (event->kind == CARAT_EVENT_ANSWER)
        v->result = event->result;
    if (event->kind == CARAT_EVENT_FAILED && !r->has_failed) {
        r->has_failed = true;
        r->fault.err = *err;
        batch_refuse_err(&r->fault, "");
    }
    if (event->kind != CARAT_EVENT_TOKEN)
        return;
    if (v->logprobs && t->id >= 0 && a->is_chat)
        add_chat_entry(v->logprobs, tok, t);
    else if (v->logprobs && t->id >= 0)
        add_text_entry(v->logprobs, tok, t, v->n_chars);
    ct_buf_add(&v->text, t->text, t->len);
    v->n_chars += n_characters(t->text, t->len);
}

/* ---- lines ---- */

/* prefix and 24 hexadecimal digits nobody has seen before. */
static json_t *new_id(const char *prefix)
{
    unsigned char b[12];
    char text[64];
    if (getrandom(b, sizeof b, 0) != sizeof b)
        return NULL;
    int n = snprintf(text, sizeof text, "%s", prefix);
    for (size_t i = 0; i < sizeof b; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, "%02x", b[i]);
    return json_string(text);
}

/* The line as text, and the end of o (which may be NULL). */
static char *dump(json_t *o)
{
    /* Nine digits say a float32 exactly. */
    char *text = o ? json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(o);
    size_t n = text ? strlen(text) : 0;
    char *line = text ? realloc(text, n + 2) : NULL;
    if (!line) {
        free(text);
        return NULL;
    }
    memcpy(line + n, "\n", 2);
    return line;
}

static json_t *choice(const batch_answer *v, size_t i, bool is_chat)
{
    const char *finish = v->result.finish == CARAT_FINISH_STOP ? "stop" : "length";
    json_t *logprobs = v->logprobs ? json_incref(v->logprobs) : json_null();
    if (v->text.failed) {
        json_decref(logprobs);
        return NULL;
    }
    if (!is_chat)
        return json_pack("{s:I, s:s%, s:o, s:s}", "index", (json_int_t)i, "text", v->text.data, v->text.len, "logprobs",
                         logprobs, "finish_reason", finish);
    if (v->logprobs)
        logprobs = json_pack("{s:o, s:n}", "content", logprobs, "refusal");
    return json_pack("{s:I, s:{s:s, s:s%, s:n}, s:o, s:s}", "index", (json_int_t)i, "message", "role", "assistant",
                     "content", v->text.data, v->text.len, "refusal", "logprobs", logprobs, "finish_reason", finish);
}

char *batch_reply_line(const batch_reply *r, const batch_ask *a, const char *model, size_t n_prompt, size_t n_cached)
{
    size_t n_generated = 0;
    json_t *choices = json_array();
    for (size_t i = 0; i < r->n; i++) {
        n_generated += r->v[i].result.n_generated;
        if (json_array_append_new(choices, choice(&r->v[i], i, a->is_chat)) != 0) {
            json_decref(choices);
            return NULL;
        }
    }
    json_t *usage = json_pack("{s:I, s:I, s:I, s:{s:I}}", "prompt_tokens", (json_int_t)n_prompt, "completion_tokens",
                              (json_int_t)n_generated, "total_tokens", (json_int_t)(n_prompt + n_generated),
                              "prompt_tokens_details", "cached_tokens", (json_int_t)n_cached);
    json_t *body = json_pack("{s:o, s:s, s:I, s:o, s:o, s:o}", "id", new_id(a->is_chat ? "chatcmpl-" : "cmpl-"),
                             "object", a->is_chat ? "chat.completion" : "text_completion", "created",
                             (json_int_t)time(NULL), "model", cli_json_str(model), "choices", choices, "usage", usage);
    return dump(json_pack("{s:o, s:s, s:{s:i, s:o, s:o}, s:n}", "id", new_id("batch_req_"), "custom_id", a->custom_id,
                          "response", "status_code", 200, "request_id", new_id("req_"), "body", body, "error"));
}

/* A request that was refused has the server's answer to it; what is no request has none. */
char *batch_fault_line(const char *custom_id, const batch_fault *f)
{
    json_t *msg = cli_json_text(f->err.msg, strlen(f->err.msg)),
           *param = f->param[0] ? json_string(f->param) : json_null();
    if (f->status == 0)
        return dump(json_pack("{s:o, s:s, s:n, s:{s:s, s:o, s:o}}", "id", new_id("batch_req_"), "custom_id", custom_id,
                              "response", "error", "code", f->code, "message", msg, "param", param));
    json_t *error =
        json_pack("{s:o, s:s, s:o, s:s}", "message", msg, "type",
                  f->status >= 500 ? "server_error" : "invalid_request_error", "param", param, "code", f->code);
    return dump(json_pack("{s:o, s:s, s:{s:i, s:o, s:{s:o}}, s:n}", "id", new_id("batch_req_"), "custom_id", custom_id,
                          "response", "status_code", f->status, "request_id", new_id("req_"), "body", "error", error,
                          "error"));
}
