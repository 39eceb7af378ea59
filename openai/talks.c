/* The routes that generate, for a server: whole replies.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "openai/talks.h"

typedef struct talk {
    ct_talk base;
    ct_openai_request request;
    ct_openai_reply reply;
} talk;

static bool read_body(ct_talk *t, json_t *body, ct_openai_endpoint endpoint, ct_openai_fault *f)
{
    talk *own = (talk *)t;
    if (!ct_openai_request_read(&own->request, endpoint, body, t->scene->engine, t->scene->options, f))
        return false;
    t->asks[t->n++] = &own->request.submit;
    t->ignored = own->request.unknown.names.data;
    return ct_openai_reply_init(&own->reply, &own->request) ||
           ct_openai_refuse(f, 500, "server_error", "", "no memory for a reply");
}

static bool read_chat(ct_talk *t, json_t *body, ct_openai_fault *f)
{
    return read_body(t, body, CT_OPENAI_CHAT, f);
}

static bool read_completion(ct_talk *t, json_t *body, ct_openai_fault *f)
{
    return read_body(t, body, CT_OPENAI_COMPLETIONS, f);
}

static bool add_event(ct_talk *t, size_t ask, const carat_event *event, ct_buf *out)
{
    talk *own = (talk *)t;
    (void)ask, (void)out;
    ct_openai_reply_add(&own->reply, carat_engine_tokenizer(t->scene->engine), event);
    t->has_failed = own->reply.has_failed;
    t->fault = own->reply.fault;
    return true;
}

static bool end(ct_talk *t, ct_buf *out)
{
    const talk *own = (const talk *)t;
    size_t n, n_cached;
    carat_request_prompt(t->requests[0], &n, &n_cached);
    json_t *body = ct_openai_reply_body(&own->reply, t->scene->model, n, n_cached);
    bool ok = body && ct_json_write(body, out);
    json_decref(body);
    return ok;
}

static bool write_fault(const ct_talk *t, const ct_openai_fault *f, bool in_stream, ct_buf *out)
{
    json_t *body = ct_openai_error(f);
    (void)t, (void)in_stream;
    bool ok = body && ct_json_write(body, out);
    json_decref(body);
    return ok;
}

static void deinit(ct_talk *t)
{
    talk *own = (talk *)t;
    ct_openai_reply_deinit(&own->reply);
    ct_openai_request_deinit(&own->request);
}

const ct_talk_kind ct_openai_talk_chat = {
    .size = sizeof(talk), .read = read_chat, .event = add_event, .end = end, .fault = write_fault, .deinit = deinit
};
const ct_talk_kind ct_openai_talk_completions = { .size = sizeof(talk),
                                                  .read = read_completion,
                                                  .event = add_event,
                                                  .end = end,
                                                  .fault = write_fault,
                                                  .deinit = deinit };
