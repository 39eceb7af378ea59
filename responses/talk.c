/* /v1/responses as a server runs it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "responses/events.h"
#include "responses/inside.h"

typedef struct talk {
    ct_talk t;
    ct_openai_list ignored;
    ct_openai_paths paths;
    ct_openai_options options; /* of this request: how long its prompt may be */
    ct_openai_request request;
    ct_openai_reply reply;
    ct_openai_usage usage;
    ct_responses_output output;
    ct_buf beginning; /* of a stream: a server asks for it when there is more to say */
    json_t *items;    /* the conversation, to be stored; NULL: it is not */
} talk;

/* ---- requests ---- */

/* Of the context, where nothing else says what the answer takes. */
#define ROOM_FOR_ANSWER 1024

static size_t fit_of(const carat_engine *e, const json_t *body)
{
    const size_t n_ctx = carat_engine_n_ctx(e);
    const json_int_t most = json_integer_value(json_object_get(body, "max_output_tokens"));
    size_t room = most > 0 ? (size_t)most : ROOM_FOR_ANSWER;
    room = room < n_ctx / 2 ? room : n_ctx / 2;
    return n_ctx - room;
}

typedef struct translation {
    ct_responses_reading r;
    ct_openai_request *request;
    ct_openai_options *options;
} translation;

/* Into ours, and that into what the engine is asked. */
static bool read_request(translation *x, const ct_talk_scene *s)
{
    ct_responses_reading *r = &x->r;
    r->store = s->responses;
    r->ours = json_object();
    if (!r->ours)
        return ct_responses_no_memory(r->f);
    if (!ct_responses_translate(r))
        return ct_openai_path_rename(r->paths, r->f);
    *x->options = *s->options;
    x->options->fit = r->trims ? fit_of(s->engine, r->body) : 0;
    return ct_openai_request_read(x->request, CT_OPENAI_CHAT, r->ours, s->engine, x->options, r->f) ||
           ct_openai_path_rename(r->paths, r->f);
}

static bool check_metadata(const json_t *body, ct_openai_fault *f)
{
    const json_t *v = json_object_get(body, "metadata");
    return !v || json_is_null(v) || json_is_object(v) ||
           ct_openai_refuse(f, 400, "invalid_value", "metadata", "'metadata' is %s, expected an object",
                            ct_json_kind(v));
}

static bool read_own(talk *o, const json_t *body, bool *stores, ct_openai_fault *f)
{
    *stores = true;
    if (!ct_json_bool(body, "body", "stream", &o->t.streams, &f->err))
        return ct_openai_refuse_err(f, "stream");
    if (!ct_json_bool(body, "body", "store", stores, &f->err))
        return ct_openai_refuse_err(f, "store");
    return check_metadata(body, f);
}

static bool read_body(talk *o, const json_t *body, ct_openai_fault *f)
{
    const ct_talk_scene *s = o->t.scene;
    bool stores;
    translation x = { .r = { .body = body, .ignored = &o->ignored, .paths = &o->paths, .f = f },
                      .request = &o->request,
                      .options = &o->options };
    bool ok = read_request(&x, s) && read_own(o, body, &stores, f);
    if (ok) {
        ct_responses_output_init(&o->output, o->t.streams);
        o->items = stores && s->responses ? json_incref(x.r.items) : NULL;
        ok = ct_openai_reply_init(&o->reply, &o->request) && ct_openai_list_join(&o->ignored, &o->request.unknown) &&
             ct_openai_new_id("resp_", o->reply.id, sizeof o->reply.id) &&
             (o->output.response = ct_responses_new(body, &o->request, &o->reply, s->model)) &&
             json_object_set_new(o->output.response, "store", json_boolean(o->items != NULL)) == 0 &&
             ct_responses_begin(&o->output, &o->beginning);
        ok = ok || ct_responses_no_memory(f);
    }
    json_decref(x.r.ours);
    json_decref(x.r.items);
    return ok;
}

static bool read_talk(ct_talk *t, json_t *body, ct_openai_fault *f)
{
    talk *o = (talk *)t;
    ct_openai_list_init(&o->ignored, t->scene->options->mode);
    ct_buf_init(&o->beginning, CT_RESPONSES_MAX_TEXT);
    const bool ok = read_body(o, body, f);
    t->ignored = o->ignored.n ? o->ignored.names.data : NULL;
    if (!ok)
        return false;
    ct_openai_usage_begin(&o->usage);
    t->asks[t->n++] = &o->request.submit;
    return true;
}

static void deinit(ct_talk *t)
{
    talk *o = (talk *)t;
    ct_responses_output_deinit(&o->output);
    ct_openai_reply_deinit(&o->reply);
    ct_openai_request_deinit(&o->request);
    ct_openai_paths_deinit(&o->paths);
    ct_buf_deinit(&o->ignored.names);
    ct_buf_deinit(&o->beginning);
    json_decref(o->items);
}

bool ct_responses_count(const ct_talk_scene *s, const json_t *body, json_t **reply, ct_openai_fault *f)
{
    ct_openai_list ignored;
    ct_openai_paths paths = { .own = NULL };
    ct_openai_request request = { .n_others = 0 };
    ct_openai_options options;
    translation x = { .r = { .body = body, .ignored = &ignored, .paths = &paths, .f = f },
                      .request = &request,
                      .options = &options };
    size_t n;
    ct_openai_list_init(&ignored, s->options->mode);
    bool ok = read_request(&x, s);
    if (ok) {
        carat_prompt_tokens(request.prompt, &n);
        *reply = json_pack("{s:s, s:I}", "object", "response.input_tokens", "input_tokens", (json_int_t)n);
        ok = (!s->unknown ||
              (ct_openai_list_join(s->unknown, &ignored) && ct_openai_list_join(s->unknown, &request.unknown))) &&
             *reply;
        ok = ok || ct_responses_no_memory(f);
    }
    ct_openai_request_deinit(&request);
    ct_openai_paths_deinit(&paths);
    ct_buf_deinit(&ignored.names);
    json_decref(x.r.ours);
    json_decref(x.r.items);
    return ok;
}

/* ---- replies ---- */

static bool begin(ct_talk *t, ct_buf *out)
{
    const talk *o = (const talk *)t;
    return ct_buf_add(out, o->beginning.data, o->beginning.len);
}

static void fail(talk *o, const ct_openai_fault *f)
{
    if (o->t.has_failed)
        return;
    o->t.has_failed = true;
    o->t.fault = *f;
}

static bool set_end(talk *o, const ct_openai_part *p)
{
    json_t *r = o->output.response;
    const bool is_cut = strcmp(p->finish, "length") == 0;
    return json_object_set_new(r, "status", json_string(is_cut ? "incomplete" : "completed")) == 0 &&
           (!is_cut ||
            json_object_set_new(r, "incomplete_details", json_pack("{s:s}", "reason", "max_output_tokens")) == 0);
}

static bool take_part(talk *o, const ct_openai_part *p, ct_buf *out)
{
    if (p->kind == CT_PART_FAILED) {
        fail(o, p->fault);
        return true;
    }
    if (p->kind == CT_PART_END && strcmp(p->finish, "cancelled") == 0) {
        ct_openai_fault f;
        ct_openai_refuse_cut(&f);
        fail(o, &f);
        return true;
    }
    return ct_responses_take(&o->output, p, out) && (p->kind != CT_PART_END || set_end(o, p));
}

static bool take_event(ct_talk *t, size_t ask, const carat_event *event, ct_buf *out)
{
    talk *o = (talk *)t;
    size_t n;
    bool ok = true;
    (void)ask;
    ct_openai_usage_event(&o->usage, event);
    ct_openai_reply_add(&o->reply, carat_engine_tokenizer(t->scene->engine), event);
    const ct_openai_part *parts = ct_openai_reply_parts(&o->reply, &n);
    for (size_t i = 0; ok && !t->has_failed && i < n; i++)
        ok = take_part(o, &parts[i], out);
    return ok;
}

/* With its output behind the conversation; one that is too large for the store says so. */
static bool store(talk *o)
{
    json_t *response = o->output.response;
    ct_buf whole, items;
    if (!o->items)
        return true;
    ct_buf_init(&whole, CT_RESPONSES_MAX_TEXT);
    ct_buf_init(&items, CT_RESPONSES_MAX_TEXT);
    const bool ok = json_array_extend(o->items, json_object_get(response, "output")) == 0 &&
                    ct_json_write(response, &whole) && ct_json_write(o->items, &items) &&
                    ct_responses_put(o->t.scene->responses, o->reply.id, ct_buf_take(&whole), ct_buf_take(&items));
    ct_buf_deinit(&whole);
    ct_buf_deinit(&items);
    return ok || json_object_set_new(response, "store", json_false()) == 0;
}

static bool end(ct_talk *t, ct_buf *out)
{
    talk *o = (talk *)t;
    json_t *r = o->output.response;
    if (t->has_failed)
        return true;
    ct_openai_usage_prompt(&o->usage, t->scene->engine, o->request.prompt, t->requests[0]);
    if (json_object_set_new(r, "usage", ct_responses_usage(&o->usage)) != 0 || !store(o))
        return false;
    if (!t->streams)
        return ct_json_write(r, out);
    const char *status = json_string_value(json_object_get(r, "status"));
    return ct_responses_tell(&o->output,
                             strcmp(status, "completed") == 0 ? "response.completed" : "response.incomplete", out);
}

/* ---- faults ---- */

static bool write_failed(const talk *o, const ct_openai_fault *f, ct_buf *out)
{
    json_t *r = json_copy(o->output.response);
    bool ok = json_object_set_new(r, "status", json_string("failed")) == 0;
    ok = json_object_set_new(r, "store", json_false()) == 0 && ok;
    ok = json_object_set_new(r, "error",
                             json_pack("{s:s, s:o}", "code", f->code, "message", ct_json_from_str(f->err.msg))) == 0 &&
         ok;
    ct_responses_output last = { .response = r, .streams = true, .n_events = o->output.n_events };
    ok = ok && ct_responses_tell(&last, "response.failed", out);
    json_decref(r);
    return ok;
}

static bool write_fault(const ct_talk *t, const ct_openai_fault *f, bool in_stream, ct_buf *out)
{
    const talk *o = (const talk *)t;
    ct_openai_fault own = *f;
    if (in_stream && o && o->output.response)
        return write_failed(o, f, out);
    if (o)
        ct_openai_path_rename(&o->paths, &own); /* the engine's, when it was asked */
    json_t *e = ct_openai_error(&own);
    const bool ok = e && ct_json_write(e, out);
    json_decref(e);
    return ok;
}

const ct_talk_kind ct_responses_talk = { .size = sizeof(talk),
                                         .stream_type = "text/event-stream",
                                         .ping = ": ping\n\n",
                                         .read = read_talk,
                                         .begin = begin,
                                         .event = take_event,
                                         .end = end,
                                         .fault = write_fault,
                                         .deinit = deinit };
