/* The engine's events -> lines of a reply, and the two tables of functions for servers.
 *
 *     {"model", "created_at", "message": {"role", "content", "tool_calls"}, "logprobs", "done": false}
 *     {"model", "created_at", "message": {"role", "content": ""}, "done": true, "done_reason", "total_duration" ...}
 *
 * of /api/generate with a "response" in place of the "message", and the "context" at its end. A reply that is not
 * streamed is the last line with all of the answer in it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_text.h"
#include "ollama/inside.h"
#include "openai/parts.h"

typedef struct talk {
    ct_talk t;
    bool is_chat;
    ct_openai_list ignored;
    ct_openai_paths paths;
    ct_ollama_extras extras;
    ct_openai_request request;
    ct_openai_reply reply;
    double first_token; /* ct_now(), 0: none has come */
    ct_buf ids, starts; /* int32_t, size_t: the tokens of the answer and where each begins, for the context */
    /* What has not been told yet: of a stream the call that is coming, else the whole answer. */
    ct_buf text, calls, arguments; /* calls: "{...},{...}" */
    json_t *logprobs;              /* NULL: none */
    bool is_in_call;
    char id[48], name[72]; /* of the call that is coming */
    const char *reason;    /* "stop", "length" */
    carat_result result;
    bool unloads; /* no answer is asked for: the model is unloaded, else loaded */
} talk;

static bool is_chat_talk(const ct_talk *t)
{
    return t->kind == &ct_ollama_talk_chat;
}

/* ---- requests ---- */

static bool no_memory(ct_openai_fault *f)
{
    ct_fail(&f->err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a request");
    return ct_openai_refuse_err(f, "");
}

/* The prompt is the whole text that the model is to read, control tokens by name. */
static bool read_raw(talk *o, json_t *ours, ct_openai_fault *f)
{
    const json_t *text = json_object_get(ours, "prompt");
    const carat_content content = { .struct_size = sizeof content,
                                    .text = json_string_value(text),
                                    .text_len = json_string_length(text) };
    const carat_prompt_options options = { .struct_size = sizeof options, .has_control = true };
    carat_prompt *prompt;
    if (!carat_prompt_text(o->t.scene->engine, &content, 1, &options, &prompt, &f->err))
        return ct_openai_refuse_err(f, "prompt");
    carat_prompt_free(o->request.prompt);
    o->request.prompt = prompt;
    o->request.submit.prompt = prompt;
    o->request.endpoint = CT_OPENAI_CHAT; /* log-probabilities are told as a chat's */
    if (!json_object_get(ours, "max_tokens"))
        o->request.generation.max_tokens = o->t.scene->options->max_tokens;
    return true;
}

/* What a body of ours could not say. */
static bool add_extras(talk *o, json_t *ours, ct_openai_fault *f)
{
    const ct_ollama_extras *x = &o->extras;
    if (x->is_raw && !read_raw(o, ours, f))
        return false;
    if (x->context && !ct_ollama_join_context(&o->request, o->t.scene->engine, x->context, f))
        return false;
    if (x->is_endless)
        o->request.generation.max_tokens = 0;
    if (x->penalty_window >= 0)
        o->request.sampling.penalty_window = x->penalty_window;
    o->request.submit.n_ctx = x->n_ctx;
    return true;
}

static bool read_body(talk *o, json_t *body, json_t *ours, ct_openai_fault *f)
{
    const ct_talk_scene *s = o->t.scene;
    ct_ollama_reading r = {
        .body = body, .engine = s->engine, .ours = ours, .ignored = &o->ignored, .paths = &o->paths, .f = f
    };
    bool is_only_load = false;
    double seconds = 1;
    o->t.streams = true;
    if (!ct_ollama_translate(&r, o->is_chat))
        return false;
    o->extras = r.extras;
    if (!ct_json_bool(body, "body", "stream", &o->t.streams, &f->err))
        return ct_openai_refuse_err(f, "stream");
    if (!ct_ollama_keep_alive(body, &seconds, &is_only_load, f))
        return false;
    o->unloads = seconds <= 0;
    if (is_only_load)
        return true; /* there is nothing to submit */
    const ct_openai_endpoint endpoint = r.extras.is_raw ? CT_OPENAI_COMPLETIONS : CT_OPENAI_CHAT;
    if (!ct_openai_request_read(&o->request, endpoint, ours, s->engine, s->options, f) || !add_extras(o, ours, f))
        return ct_openai_path_rename(&o->paths, f);
    o->t.asks[o->t.n++] = &o->request.submit;
    return (ct_openai_list_join(&o->ignored, &o->request.unknown) && ct_openai_reply_init(&o->reply, &o->request)) ||
           no_memory(f);
}

static bool read_talk(ct_talk *t, json_t *body, ct_openai_fault *f)
{
    talk *o = (talk *)t;
    json_t *ours = json_object();
    o->is_chat = is_chat_talk(t);
    ct_openai_list_init(&o->ignored, t->scene->options->mode);
    ct_buf_init(&o->ids, CT_OLLAMA_MAX_TEXT);
    ct_buf_init(&o->starts, CT_OLLAMA_MAX_TEXT);
    ct_buf_init(&o->text, CT_OLLAMA_MAX_TEXT);
    ct_buf_init(&o->calls, CT_OLLAMA_MAX_TEXT);
    ct_buf_init(&o->arguments, CT_OLLAMA_MAX_TEXT);
    const bool ok = (ours || no_memory(f)) && read_body(o, body, ours, f);
    json_decref(ours);
    o->extras.context = NULL; /* the body's, which is not kept */
    t->ignored = o->ignored.n ? o->ignored.names.data : NULL;
    return ok;
}

static void deinit_talk(ct_talk *t)
{
    talk *o = (talk *)t;
    ct_openai_reply_deinit(&o->reply);
    ct_openai_request_deinit(&o->request);
    ct_openai_paths_deinit(&o->paths);
    ct_buf_deinit(&o->ignored.names);
    ct_buf_deinit(&o->ids);
    ct_buf_deinit(&o->starts);
    ct_buf_deinit(&o->text);
    ct_buf_deinit(&o->calls);
    ct_buf_deinit(&o->arguments);
    json_decref(o->logprobs);
}

/* ---- lines ---- */

/* {"model", "created_at", and the text, as it stands in a message or a response; the message is open. */
static bool put_head(const talk *o, const char *text, size_t len, ct_buf *out)
{
    char now[CT_OLLAMA_TIME];
    const char *model = o->t.scene->model;
    ct_buf_str(out, "{\"model\":");
    ct_json_text_string(model, strlen(model), out);
    ct_buf_fmt(out, ",\"created_at\":\"%s\",", ct_ollama_now(now));
    ct_buf_str(out, o->is_chat ? "\"message\":{\"role\":\"assistant\",\"content\":" : "\"response\":");
    return ct_json_text_string(text, len, out);
}

static bool put_json(const char *key, const json_t *v, ct_buf *out)
{
    return ct_buf_fmt(out, ",\"%s\":", key) && ct_json_write(v, out);
}

static bool keep_logprobs(talk *o, const json_t *entries)
{
    if (!entries)
        return true;
    if (!o->logprobs)
        o->logprobs = json_array();
    return o->logprobs && json_array_extend(o->logprobs, (json_t *)entries) == 0;
}

/* Text, calls and entries that have not been told. */
static bool put_answer(talk *o, ct_buf *out)
{
    put_head(o, o->text.len ? o->text.data : "", o->text.len, out);
    if (o->calls.len)
        ct_buf_fmt(out, ",\"tool_calls\":[%s]", o->calls.data);
    ct_buf_str(out, o->is_chat ? "}" : "");
    if (json_array_size(o->logprobs) > 0)
        put_json("logprobs", o->logprobs, out);
    json_array_clear(o->logprobs);
    return !o->text.failed && !o->calls.failed && !out->failed;
}

/* The one that has come, to the calls. */
static bool put_call(talk *o, size_t index)
{
    ct_buf *out = &o->calls;
    o->is_in_call = false;
    ct_buf_str(out, out->len ? ",{\"id\":" : "{\"id\":");
    ct_json_text_string(o->id, strlen(o->id), out);
    ct_buf_fmt(out, ",\"function\":{\"index\":%zu,\"name\":", index);
    ct_json_text_string(o->name, strlen(o->name), out);
    ct_buf_str(out, ",\"arguments\":");
    return ct_json_text_put("arguments", o->arguments.data, o->arguments.len, false, out, NULL) &&
           ct_buf_str(out, "}}");
}

/* The line that is not the last: all that has not been told. */
static bool put_line(talk *o, ct_buf *out)
{
    bool ok = put_answer(o, out) && ct_buf_str(out, ",\"done\":false}\n");
    ct_buf_clear(&o->text);
    ct_buf_clear(&o->calls);
    return ok;
}

/* ---- the end ---- */

static long long ns(double seconds)
{
    return seconds > 0 ? (long long)(seconds * 1e9) : 0;
}

static bool put_figures(const talk *o, ct_buf *out)
{
    const double now = ct_now(), load = o->t.scene->load_seconds;
    const double first = o->first_token > 0 ? o->first_token : now;
    size_t n_prompt, n_cached;
    carat_request_prompt(o->t.requests[0], &n_prompt, &n_cached);
    ct_buf_fmt(out, ",\"done\":true,\"done_reason\":\"%s\",\"total_duration\":%lld,\"load_duration\":%lld", o->reason,
               ns(now - o->t.began), ns(load));
    return ct_buf_fmt(out,
                      ",\"prompt_eval_count\":%zu,\"prompt_eval_duration\":%lld,\"eval_count\":%zu,"
                      "\"eval_duration\":%lld",
                      n_prompt, ns(first - o->t.began - load), o->result.n_generated, ns(o->result.seconds));
}

/* Of an answer that a stop string ended, the tokens behind it are no part of the conversation. */
static bool put_context(const talk *o, ct_buf *out)
{
    if (o->is_chat || o->extras.is_raw)
        return true;
    const size_t n = ct_openai_n_in_text(&o->starts, o->reply.answers[0].text.len, &o->result);
    json_t *ids =
        ct_ollama_context(o->t.scene->engine, o->request.prompt, (const int32_t *)(const void *)o->ids.data, n);
    const bool ok = ids && put_json("context", ids, out);
    json_decref(ids);
    return ok;
}

static bool put_loaded(const talk *o, ct_buf *out)
{
    json_t *line =
        ct_ollama_loaded(o->is_chat ? &ct_ollama_talk_chat : &ct_ollama_talk_generate, o->t.scene->model, o->unloads);
    const bool ok = line && ct_json_write(line, out) && ct_buf_char(out, '\n');
    json_decref(line);
    return ok;
}

static bool end_talk(ct_talk *t, ct_buf *out)
{
    talk *o = (talk *)t;
    if (t->has_failed)
        return true;
    if (t->n == 0)
        return put_loaded(o, out);
    return put_answer(o, out) && put_figures(o, out) && put_context(o, out) && ct_buf_str(out, "}\n");
}

/* ---- events ---- */

static bool fail(talk *o, const ct_openai_fault *f)
{
    o->t.has_failed = true;
    o->t.fault = *f;
    return true;
}

static bool end_answer(talk *o, const ct_openai_part *p)
{
    o->result = *p->result;
    o->reason = strcmp(p->finish, "length") == 0 ? "length" : "stop";
    if (o->is_in_call) /* it was cut off, and a line has whole calls only */
        ct_buf_fmt(&o->text, "{\"name\": \"%s\", \"parameters\": %s", o->name,
                   o->arguments.len ? o->arguments.data : "");
    if (strcmp(p->finish, "cancelled") != 0)
        return true;
    ct_openai_fault f;
    ct_openai_refuse(&f, 503, "unavailable", "", "the answer was cut off: the server is shutting down");
    return fail(o, &f);
}

static bool begin_call(talk *o, const ct_openai_part *p)
{
    ct_buf_clear(&o->arguments);
    o->is_in_call = true;
    const int n_id = snprintf(o->id, sizeof o->id, "%s", p->id), n = snprintf(o->name, sizeof o->name, "%s", p->name);
    return n_id > 0 && (size_t)n_id < sizeof o->id && n > 0 && (size_t)n < sizeof o->name;
}

static bool take_part(talk *o, const ct_openai_part *p)
{
    switch (p->kind) {
    case CT_PART_TEXT:
        return keep_logprobs(o, p->logprobs) && ct_buf_add(&o->text, p->text, p->len);
    case CT_PART_CALL:
        return begin_call(o, p);
    case CT_PART_ARGUMENTS:
        return keep_logprobs(o, p->logprobs) && ct_buf_add(&o->arguments, p->text, p->len);
    case CT_PART_CALL_END:
        return put_call(o, p->call);
    case CT_PART_END:
        return keep_logprobs(o, p->logprobs) && end_answer(o, p);
    case CT_PART_FAILED:
        return fail(o, p->fault);
    }
    return true;
}

/* For the context: a token and where it begins. */
static bool keep_token(talk *o, const carat_token *token)
{
    if (o->first_token <= 0)
        o->first_token = ct_now();
    if (token->id < 0 || o->is_chat || o->extras.is_raw)
        return true;
    return ct_buf_add(&o->ids, &token->id, sizeof token->id) && ct_buf_add(&o->starts, &token->at, sizeof token->at);
}

static bool take_event(ct_talk *t, size_t ask, const carat_event *event, ct_buf *out)
{
    talk *o = (talk *)t;
    size_t n;
    (void)ask;
    if (event->kind == CARAT_EVENT_TOKEN && !keep_token(o, event->token))
        return false;
    ct_openai_reply_add(&o->reply, carat_engine_tokenizer(t->scene->engine), event);
    const ct_openai_part *parts = ct_openai_reply_parts(&o->reply, &n);
    for (size_t i = 0; i < n; i++)
        if (!take_part(o, &parts[i]))
            return false;
    const bool has_news = o->text.len || o->calls.len || json_array_size(o->logprobs);
    return !t->streams || t->has_failed || !has_news || put_line(o, out);
}

/* ---- errors ---- */

json_t *ct_ollama_error(const ct_openai_fault *f)
{
    return json_pack("{s:o}", "error", ct_json_from_str(f->err.msg));
}

static bool put_fault(const ct_talk *t, const ct_openai_fault *f, bool in_stream, ct_buf *out)
{
    (void)t;
    json_t *o = ct_ollama_error(f);
    const bool ok = o && ct_json_write(o, out) && (!in_stream || ct_buf_char(out, '\n'));
    json_decref(o);
    return ok;
}

const ct_talk_kind ct_ollama_talk_chat = { .size = sizeof(talk),
                                           .stream_type = "application/x-ndjson",
                                           .read = read_talk,
                                           .event = take_event,
                                           .end = end_talk,
                                           .fault = put_fault,
                                           .deinit = deinit_talk };
const ct_talk_kind ct_ollama_talk_generate = { .size = sizeof(talk),
                                               .stream_type = "application/x-ndjson",
                                               .read = read_talk,
                                               .event = take_event,
                                               .end = end_talk,
                                               .fault = put_fault,
                                               .deinit = deinit_talk };
