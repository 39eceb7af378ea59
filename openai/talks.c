/* The routes of the OpenAI protocol that generate: one request of the engine for each prompt, a reply that is whole or comes in
 * chunks.
 *
 *     data: {"object": "chat.completion.chunk", "choices": [{"delta": {"role": "assistant", "content": ""}}]}    of each answer
 *     data: {... "choices": [{"delta": {"content": "Hel"}}]}                                                     of each part
 *     data: {... "choices": [{"delta": {}, "finish_reason": "stop"}]}                                            of each answer
 *     data: {... "choices": [], "usage": {...}}                                            with stream_options.include_usage
 *     data: [DONE]
 *
 * The last chunk of JSON has llama-server's "timings".
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "openai/talks.h"

#include <stdlib.h>

#include "openai/inside.h"

typedef struct talk {
    ct_talk base;
    ct_openai_request request;
    carat_request_options *asks; /* [base.n] */
    ct_openai_reply *replies;    /* [base.n], to one request; the first one's id and time are those of all */
    ct_openai_usage usage;
    size_t n_ended; /* answers */
} talk;

/* ---- the request ---- */

/* Of each prompt, and none of their events has come yet. */
static bool prepare(talk *t)
{
    const ct_openai_request *r = &t->request;
    const size_t n = 1 + r->n_others;
    t->asks = calloc(n, sizeof *t->asks);
    t->replies = calloc(n, sizeof *t->replies);
    if (!t->asks || !t->replies)
        return false;
    for (; t->base.n < n; t->base.n++) {
        const size_t i = t->base.n;
        t->asks[i] = r->submit;
        t->asks[i].prompt = i ? r->others[i - 1] : r->prompt;
        t->base.asks[i] = &t->asks[i];
        if (!ct_openai_reply_init(&t->replies[i], r)) {
            t->base.n++; /* a half-made one is deinitialised, too */
            return false;
        }
        t->replies[i].prompt = t->asks[i].prompt;
    }
    return true;
}

static bool read_body(ct_talk *base, ct_openai_endpoint endpoint, json_t *body, ct_openai_fault *f)
{
    talk *t = (talk *)base;
    const ct_talk_scene *s = base->scene;
    if (!ct_openai_request_read(&t->request, endpoint, body, s->engine, s->options, f))
        return false;
    base->streams = t->request.streams;
    base->ignored = t->request.unknown.n ? t->request.unknown.names.data : NULL;
    ct_openai_usage_begin(&t->usage);
    return prepare(t) || ct_openai_no_memory(f, "a reply");
}

static bool read_chat(ct_talk *base, json_t *body, ct_openai_fault *f)
{
    return read_body(base, CT_OPENAI_CHAT, body, f);
}

static bool read_completions(ct_talk *base, json_t *body, ct_openai_fault *f)
{
    return read_body(base, CT_OPENAI_COMPLETIONS, body, f);
}

static void deinit(ct_talk *base)
{
    talk *t = (talk *)base;
    for (size_t i = 0; t->replies && i < base->n; i++)
        ct_openai_reply_deinit(&t->replies[i]);
    free(t->replies);
    free(t->asks);
    ct_openai_request_deinit(&t->request);
}

/* ---- what both kinds of replies have ---- */

static size_t n_answers(const talk *t)
{
    return t->base.n * t->request.submit.n_answers;
}

static json_t *head(const talk *t, bool is_chunk)
{
    const ct_talk_scene *s = t->base.scene;
    const bool is_chat = t->request.endpoint == CT_OPENAI_CHAT;
    const char *object = is_chunk && is_chat ? "chat.completion.chunk" : ct_openai_object(t->request.endpoint);
    return ct_openai_head(&t->replies[0], object, s->model, s->fingerprint);
}

/* Once all answers have begun; again if asked again. */
static const ct_openai_usage *usage_of(talk *t)
{
    ct_openai_usage *u = &t->usage;
    u->n_prompt = u->n_cached = u->n_image = 0;
    for (size_t i = 0; i < t->base.n; i++)
        ct_openai_usage_prompt(u, t->base.scene->engine, t->asks[i].prompt, t->base.requests[i]);
    return u;
}

/* ---- chunks ---- */

static bool write_event(json_t *o, ct_buf *out)
{
    const bool ok = o && ct_buf_str(out, "data: ") && ct_json_write(o, out) && ct_buf_str(out, "\n\n");
    json_decref(o);
    return ok;
}

/* choice: NULL: none, but what the request has cost. */
static bool write_chunk(talk *t, json_t *choice, bool is_last, ct_buf *out)
{
    const ct_openai_request *r = &t->request;
    json_t *o = head(t, true);
    bool ok = json_object_set_new(o, "choices", choice ? json_pack("[o]", choice) : json_array()) == 0;
    if (r->wants_usage)
        ok = json_object_set_new(o, "usage", choice ? json_null() : ct_openai_usage_json(usage_of(t))) == 0 && ok;
    if (is_last)
        ok = json_object_set_new(o, "timings", ct_openai_usage_timings(usage_of(t))) == 0 && ok;
    if (ok)
        return write_event(o, out);
    json_decref(o);
    return false;
}

static bool begin(ct_talk *base, ct_buf *out)
{
    talk *t = (talk *)base;
    bool ok = true;
    for (size_t i = 0; ok && t->request.endpoint == CT_OPENAI_CHAT && i < n_answers(t); i++) {
        json_t *choice = ct_openai_chunk_begin(i);
        ok = choice && write_chunk(t, choice, false, out);
    }
    return ok;
}

static bool write_part(talk *t, size_t ask, const ct_openai_part *p, ct_buf *out)
{
    json_t *choice;
    const size_t index = ask * t->request.submit.n_answers + p->answer;
    if (!ct_openai_chunk_choice(&t->request, p, index, &choice))
        return false;
    t->n_ended += p->kind == CT_PART_END;
    const bool is_last = p->kind == CT_PART_END && t->n_ended == n_answers(t) && !t->request.wants_usage;
    return !choice || write_chunk(t, choice, is_last, out);
}

/* ---- events ---- */

/* An answer that was cancelled is no answer. */
static void look_for_fault(talk *t, const ct_openai_part *p)
{
    const bool is_cut = p->kind == CT_PART_END && p->result->finish == CARAT_FINISH_CANCELLED;
    if (t->base.has_failed || (p->kind != CT_PART_FAILED && !is_cut))
        return;
    t->base.has_failed = true;
    if (is_cut)
        ct_openai_refuse_cut(&t->base.fault);
    else
        t->base.fault = *p->fault;
}

static bool take_event(ct_talk *base, size_t ask, const carat_event *event, ct_buf *out)
{
    talk *t = (talk *)base;
    ct_openai_reply *reply = &t->replies[ask];
    size_t n;
    bool ok = true;
    ct_openai_usage_event(&t->usage, event);
    ct_openai_reply_add(reply, carat_engine_tokenizer(base->scene->engine), event);
    const ct_openai_part *parts = ct_openai_reply_parts(reply, &n);
    for (size_t i = 0; i < n; i++)
        look_for_fault(t, &parts[i]);
    for (size_t i = 0; ok && base->streams && !base->has_failed && i < n; i++)
        ok = write_part(t, ask, &parts[i], out);
    return ok;
}

static json_t *whole(talk *t)
{
    json_t *o = head(t, false), *choices = json_array();
    bool ok = choices != NULL;
    for (size_t i = 0; ok && i < t->base.n; i++)
        ok = ct_openai_add_choices(&t->replies[i], i * t->request.submit.n_answers, choices);
    ok = json_object_set_new(o, "choices", choices) == 0 && ok;
    ok = ok && ct_openai_add_prompt_logprobs(&t->replies[0], CT_OPENAI_CHAT, o);
    ok = ok && json_object_set_new(o, "usage", ct_openai_usage_json(usage_of(t))) == 0 &&
         json_object_set_new(o, "timings", ct_openai_usage_timings(&t->usage)) == 0;
    if (ok)
        return o;
    json_decref(o);
    return NULL;
}

static bool end(ct_talk *base, ct_buf *out)
{
    talk *t = (talk *)base;
    if (base->streams)
        return (!t->request.wants_usage || write_chunk(t, NULL, true, out)) && ct_buf_str(out, "data: [DONE]\n\n");
    json_t *o = whole(t);
    const bool ok = o && ct_json_write(o, out);
    json_decref(o);
    return ok;
}

static bool write_fault(const ct_talk *base, const ct_openai_fault *f, bool in_stream, ct_buf *out)
{
    (void)base;
    json_t *o = ct_openai_error(f);
    if (in_stream)
        return write_event(o, out);
    const bool ok = o && ct_json_write(o, out);
    json_decref(o);
    return ok;
}

#define KIND(reader)                                                                                                   \
    {                                                                                                                  \
        .size = sizeof(talk), .stream_type = "text/event-stream", .ping = ": ping\n\n", .read = (reader),              \
        .begin = begin, .event = take_event, .end = end, .fault = write_fault, .deinit = deinit                        \
    }

const ct_talk_kind ct_openai_talk_chat = KIND(read_chat);
const ct_talk_kind ct_openai_talk_completions = KIND(read_completions);
