/* The engine's events -> a message, or the events of its stream; the table of functions for servers.
 *
 *     message_start  (content_block_start  content_block_delta ...  content_block_stop) ...  message_delta  message_stop
 *
 * Blocks are texts and calls, in the order in which the model writes them. A reply that is not streamed has the same
 * blocks.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "anthropic/inside.h"
#include "base/json_text.h"
#include "openai/parts.h"

typedef enum block_kind { BLOCK_NONE, BLOCK_TEXT, BLOCK_CALL } block_kind;

typedef struct talk {
    ct_talk t;
    ct_openai_list ignored;
    ct_openai_paths paths;
    ct_openai_request request;
    ct_openai_reply reply;
    char id[40];             /* "msg_..." */
    block_kind open;         /* the block that is coming */
    size_t n_blocks;         /* that have begun */
    char call[48], name[72]; /* the call that is coming: "toolu_...", its function */
    ct_buf text;             /* not streamed: of the block that is coming */
    ct_buf content;          /* and those that are whole: "{...},{...}" */
    const char *reason;      /* NULL: the answer has not ended */
    const char *stop;        /* the stop string that ended it; NULL: none */
    carat_result result;
} talk;

/* ---- requests ---- */

static bool read_body(talk *o, json_t *body, json_t *ours, ct_openai_fault *f)
{
    const ct_talk_scene *s = o->t.scene;
    ct_anthropic_reading r = { .body = body, .ours = ours, .ignored = &o->ignored, .paths = &o->paths, .f = f };
    if (!ct_anthropic_translate(&r, false))
        return false;
    if (!ct_json_bool(body, "body", "stream", &o->t.streams, &f->err))
        return ct_openai_refuse_err(f, "stream");
    if (!ct_openai_request_read(&o->request, CT_OPENAI_CHAT, ours, s->engine, s->options, f))
        return ct_openai_path_rename(&o->paths, f);
    o->t.asks[o->t.n++] = &o->request.submit;
    return (ct_openai_list_join(&o->ignored, &o->request.unknown) && ct_openai_reply_init(&o->reply, &o->request) &&
            ct_openai_new_id("msg_", o->id, sizeof o->id)) ||
           ct_anthropic_no_memory(f);
}

static bool read_talk(ct_talk *t, json_t *body, ct_openai_fault *f)
{
    talk *o = (talk *)t;
    json_t *ours = json_object();
    ct_openai_list_init(&o->ignored, t->scene->options->mode);
    ct_buf_init(&o->text, CT_ANTHROPIC_MAX_TEXT);
    ct_buf_init(&o->content, CT_ANTHROPIC_MAX_TEXT);
    const bool ok = (ours || ct_anthropic_no_memory(f)) && read_body(o, body, ours, f);
    json_decref(ours);
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
    ct_buf_deinit(&o->text);
    ct_buf_deinit(&o->content);
}

/* ---- texts of replies ---- */

static bool put_string(const char *s, ct_buf *out)
{
    return s ? ct_json_text_string(s, strlen(s), out) : ct_buf_str(out, "null");
}

/* Tokens from the prefix cache are counted apart; together they are the prompt's. */
static bool put_usage(const talk *o, ct_buf *out)
{
    size_t n_prompt, n_cached;
    carat_request_prompt(o->t.requests[0], &n_prompt, &n_cached);
    return ct_buf_fmt(
        out,
        "\"usage\":{\"input_tokens\":%zu,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":%zu,"
        "\"output_tokens\":%zu}",
        n_prompt - n_cached, n_cached, o->result.n_generated);
}

/* The message; of a stream's beginning nothing is known but its id. */
static bool put_message(const talk *o, ct_buf *out)
{
    ct_buf_fmt(out, "{\"id\":\"%s\",\"type\":\"message\",\"role\":\"assistant\",\"model\":", o->id);
    put_string(o->t.scene->model, out);
    ct_buf_fmt(out, ",\"content\":[%s],\"stop_reason\":", o->content.len ? o->content.data : "");
    put_string(o->reason, out);
    ct_buf_str(out, ",\"stop_sequence\":");
    put_string(o->stop, out);
    ct_buf_char(out, ',');
    return !o->content.failed && put_usage(o, out) && ct_buf_char(out, '}');
}

/* Data of an event, up to its other members. */
static void put_event(const char *name, ct_buf *out)
{
    ct_buf_fmt(out, "event: %s\ndata: {\"type\":\"%s\"", name, name);
}

static bool end_event(ct_buf *out)
{
    return ct_buf_str(out, "}\n\n");
}

/* ---- blocks of a stream ---- */

static bool stop_block(talk *o, ct_buf *out)
{
    if (o->open == BLOCK_NONE)
        return true;
    o->open = BLOCK_NONE;
    put_event("content_block_stop", out);
    ct_buf_fmt(out, ",\"index\":%zu", o->n_blocks - 1);
    return end_event(out);
}

static bool start_block(talk *o, block_kind kind, ct_buf *out)
{
    if (!stop_block(o, out))
        return false;
    o->open = kind;
    put_event("content_block_start", out);
    ct_buf_fmt(out, ",\"index\":%zu,\"content_block\":", o->n_blocks++);
    if (kind == BLOCK_TEXT) {
        ct_buf_str(out, "{\"type\":\"text\",\"text\":\"\"}");
    } else {
        ct_buf_str(out, "{\"type\":\"tool_use\",\"id\":");
        put_string(o->call, out);
        ct_buf_str(out, ",\"name\":");
        put_string(o->name, out);
        ct_buf_str(out, ",\"input\":{}}");
    }
    return end_event(out);
}

static bool put_delta(const talk *o, const char *type, const char *member, const ct_openai_part *p, ct_buf *out)
{
    if (p->len == 0)
        return true;
    put_event("content_block_delta", out);
    ct_buf_fmt(out, ",\"index\":%zu,\"delta\":{\"type\":\"%s\",\"%s\":", o->n_blocks - 1, type, member);
    return ct_json_text_string(p->text, p->len, out) && ct_buf_char(out, '}') && end_event(out);
}

/* ---- blocks of a whole reply ---- */

static bool end_text(talk *o)
{
    ct_buf *to = &o->content;
    if (o->text.len == 0)
        return !o->text.failed;
    ct_buf_str(to, to->len ? "," : "");
    ct_buf_str(to, "{\"type\":\"text\",\"text\":");
    const bool ok = ct_json_text_string(o->text.data, o->text.len, to) && ct_buf_char(to, '}');
    ct_buf_clear(&o->text);
    return ok;
}

static bool end_call(talk *o)
{
    ct_buf *to = &o->content;
    ct_buf_str(to, to->len ? "," : "");
    ct_buf_str(to, "{\"type\":\"tool_use\",\"id\":");
    put_string(o->call, to);
    ct_buf_str(to, ",\"name\":");
    put_string(o->name, to);
    ct_buf_str(to, ",\"input\":");
    const bool ok = ct_json_text_put("input", o->text.data, o->text.len, false, to, NULL) && ct_buf_char(to, '}');
    ct_buf_clear(&o->text);
    o->open = BLOCK_NONE;
    return ok;
}

/* A call that was cut off has no input that could be said as JSON: it is text. */
static bool end_half_call(talk *o)
{
    ct_buf text = o->text;
    ct_buf_init(&o->text, CT_ANTHROPIC_MAX_TEXT);
    ct_buf_fmt(&o->text, "{\"name\": \"%s\", \"parameters\": %s", o->name, text.len ? text.data : "");
    ct_buf_deinit(&text);
    return end_text(o);
}

/* ---- parts ---- */

static bool fail(talk *o, const ct_openai_fault *f)
{
    o->t.has_failed = true;
    o->t.fault = *f;
    return true;
}

/* Is the answer as long as it may be, or is the context full before? */
static const char *reason_of(const talk *o, const ct_openai_part *p)
{
    if (strcmp(p->finish, "length") == 0)
        return p->result->n_generated < o->request.generation.max_tokens ? "model_context_window_exceeded"
                                                                         : "max_tokens";
    return p->stop ? "stop_sequence" : strcmp(p->finish, "tool_calls") == 0 ? "tool_use" : "end_turn";
}

static bool take_end(talk *o, const ct_openai_part *p, ct_buf *out)
{
    const bool is_half = o->open == BLOCK_CALL;
    ct_openai_fault f;
    o->result = *p->result;
    o->reason = reason_of(o, p);
    o->stop = p->stop;
    if (strcmp(p->finish, "cancelled") == 0) {
        ct_openai_refuse(&f, 503, "unavailable", "", "the answer was cut off: the server is shutting down");
        return fail(o, &f);
    }
    return o->t.streams ? stop_block(o, out) : is_half ? end_half_call(o) : end_text(o);
}

static bool take_text(talk *o, const ct_openai_part *p, ct_buf *out)
{
    if (!o->t.streams)
        return ct_buf_add(&o->text, p->text, p->len);
    return p->len == 0 ||
           ((o->open == BLOCK_TEXT || start_block(o, BLOCK_TEXT, out)) && put_delta(o, "text_delta", "text", p, out));
}

/* Ids of calls begin as Anthropic's do. */
static bool take_call(talk *o, const ct_openai_part *p, ct_buf *out)
{
    const char *digits = strncmp(p->id, "call_", 5) == 0 ? p->id + 5 : p->id;
    const int n_id = snprintf(o->call, sizeof o->call, "toolu_%s", digits),
              n = snprintf(o->name, sizeof o->name, "%s", p->name);
    if (n_id < 0 || (size_t)n_id >= sizeof o->call || n < 0 || (size_t)n >= sizeof o->name)
        return false;
    if (o->t.streams)
        return start_block(o, BLOCK_CALL, out);
    if (!end_text(o))
        return false;
    o->open = BLOCK_CALL;
    return true;
}

static bool take_part(talk *o, const ct_openai_part *p, ct_buf *out)
{
    switch (p->kind) {
    case CT_PART_TEXT:
        return take_text(o, p, out);
    case CT_PART_CALL:
        return take_call(o, p, out);
    case CT_PART_ARGUMENTS:
        return o->t.streams ? put_delta(o, "input_json_delta", "partial_json", p, out)
                            : ct_buf_add(&o->text, p->text, p->len);
    case CT_PART_CALL_END:
        return o->t.streams ? stop_block(o, out) : end_call(o);
    case CT_PART_END:
        return take_end(o, p, out);
    case CT_PART_FAILED:
        return fail(o, p->fault);
    }
    return true;
}

/* ---- for the server ---- */

#define PING "event: ping\ndata: {\"type\":\"ping\"}\n\n"

static bool begin_talk(ct_talk *t, ct_buf *out)
{
    talk *o = (talk *)t;
    talk first = { .t.scene = t->scene }; /* nothing of the answer is in its first event */
    memcpy(first.id, o->id, sizeof first.id);
    first.t.requests[0] = t->requests[0];
    put_event("message_start", out);
    ct_buf_str(out, ",\"message\":");
    return put_message(&first, out) && end_event(out) && ct_buf_str(out, PING);
}

static bool take_event(ct_talk *t, size_t ask, const carat_event *event, ct_buf *out)
{
    talk *o = (talk *)t;
    size_t n;
    (void)ask;
    ct_openai_reply_add(&o->reply, carat_engine_tokenizer(t->scene->engine), event);
    const ct_openai_part *parts = ct_openai_reply_parts(&o->reply, &n);
    for (size_t i = 0; i < n; i++)
        if (!take_part(o, &parts[i], out))
            return false;
    return true;
}

static bool end_talk(ct_talk *t, ct_buf *out)
{
    talk *o = (talk *)t;
    if (t->has_failed)
        return true;
    if (!t->streams)
        return put_message(o, out);
    put_event("message_delta", out);
    ct_buf_str(out, ",\"delta\":{\"stop_reason\":");
    put_string(o->reason, out);
    ct_buf_str(out, ",\"stop_sequence\":");
    put_string(o->stop, out);
    ct_buf_str(out, "},");
    if (!put_usage(o, out) || !end_event(out))
        return false;
    put_event("message_stop", out);
    return end_event(out);
}

static bool put_fault(const ct_talk *t, const ct_openai_fault *f, bool in_stream, ct_buf *out)
{
    json_t *error = ct_anthropic_error(f, t ? t->scene->request_id : NULL);
    const bool ok = error && ct_buf_str(out, in_stream ? "event: error\ndata: " : "") && ct_json_write(error, out) &&
                    ct_buf_str(out, in_stream ? "\n\n" : "");
    json_decref(error);
    return ok;
}

const ct_talk_kind ct_anthropic_talk = { .size = sizeof(talk),
                                         .stream_type = "text/event-stream",
                                         .ping = PING,
                                         .read = read_talk,
                                         .begin = begin_talk,
                                         .event = take_event,
                                         .end = end_talk,
                                         .fault = put_fault,
                                         .deinit = deinit_talk };
