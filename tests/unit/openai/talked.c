/* Talks without a server.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "talked.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "unit.h"

ct_talk_scene talked_scene = { .model = "tiny" };

static json_t *parse(const char *body)
{
    carat_err err;
    json_t *v;
    char *text = strdup(body);
    for (char *s = text; *s; s++)
        *s = *s == '\'' ? '"' : *s;
    if (!ct_json_parse("body", text, strlen(text), &v, &err))
        fail_msg("%s: %s", text, err.msg);
    free(text);
    return v;
}

void talked_read(talked *o, const ct_talk_kind *kind, const char *body)
{
    json_t *v = parse(body);
    *o = (talked){ .ok = false };
    o->scene = talked_scene;
    o->scene.engine = asked_engine;
    o->scene.options = &asked_defaults;
    ct_buf_init(&o->out, SIZE_MAX);
    o->t = calloc(1, kind->size);
    assert_non_null(o->t);
    o->t->kind = kind;
    o->t->scene = &o->scene;
    o->t->began = ct_now();
    o->ok = kind->read(o->t, v, &o->f);
    json_decref(v); /* the talk keeps what it needs */
}

void talked_accept(talked *o, const ct_talk_kind *kind, const char *body)
{
    talked_read(o, kind, body);
    if (!o->ok)
        fail_msg("%s: %s", body, o->f.err.msg);
}

void talked_refuse(const ct_talk_kind *kind, const char *body, const char *param, const char *says)
{
    talked o;
    talked_read(&o, kind, body);
    if (o.ok || o.f.status != 400 || strcmp(o.f.param, param) != 0 || !strstr(o.f.err.msg, says))
        fail_msg("%s: %d, status %d, '%s', '%s'; expected '%s', '%s'", body, o.ok, o.f.status, o.f.param, o.f.err.msg,
                 param, says);
    talked_done(&o);
}

void talked_done(talked *o)
{
    for (size_t i = 0; i < o->t->n; i++)
        carat_request_free(o->t->requests[i]);
    o->t->kind->deinit(o->t);
    free(o->t);
    ct_buf_deinit(&o->out);
}

/* ---- as a server does it ---- */

static void submit(talked *o)
{
    carat_err err;
    for (size_t i = 0; i < o->t->n; i++)
        if (!carat_request_submit(asked_engine, o->t->asks[i], &o->t->requests[i], &err))
            fail_msg("%s", err.msg);
}

static void add(talked *o, const ct_buf *more, bool *has_begun)
{
    if (!o->t->streams || more->len == 0)
        return;
    if (!*has_begun && o->t->kind->begin)
        assert_true(o->t->kind->begin(o->t, &o->out));
    *has_begun = true;
    assert_true(ct_buf_add(&o->out, more->data, more->len));
}

static void take(talked *o, size_t i, const carat_event *event, bool *has_begun)
{
    ct_buf more;
    ct_buf_init(&more, SIZE_MAX);
    assert_true(o->t->kind->event(o->t, i, event, &more));
    add(o, &more, has_begun);
    ct_buf_deinit(&more);
}

static void finish(talked *o, bool *has_begun)
{
    ct_buf more;
    ct_buf_init(&more, SIZE_MAX);
    if (!o->t->has_failed)
        assert_true(o->t->kind->end(o->t, &more));
    else
        assert_true(o->t->kind->fault(o->t, &o->t->fault, o->t->streams, &more));
    if (o->t->streams)
        add(o, &more, has_begun);
    else
        ct_buf_add(&o->out, more.data, more.len);
    ct_buf_deinit(&more);
}

void talked_run(talked *o)
{
    bool has_begun = false;
    submit(o);
    for (size_t i = 0; i < o->t->n; i++)
        for (const carat_event *e; (e = carat_request_next(o->t->requests[i], -1))->kind != CARAT_EVENT_END;)
            take(o, i, e, &has_begun);
    finish(o, &has_begun);
}

void talked_say(talked *o, const char *const *texts, carat_finish end, unsigned stop)
{
    bool has_begun = false;
    size_t at = 0, n = 0;
    submit(o); /* for the prompt's figures */
    for (; texts[n]; n++) {
        const carat_token token = { .id = (int32_t)(20 + n), .text = texts[n], .len = strlen(texts[n]), .at = at };
        at += token.len;
        take(o, 0, &(carat_event){ .kind = CARAT_EVENT_TOKEN, .token = &token }, &has_begun);
    }
    const carat_result result = {
        .struct_size = sizeof result, .finish = end, .stop_id = -1, .n_generated = n, .stop = stop, .seconds = 0.5
    };
    take(o, 0, &(carat_event){ .kind = CARAT_EVENT_ANSWER, .result = &result }, &has_begun);
    finish(o, &has_begun);
}

void talked_fail(talked *o, carat_code code, const char *msg)
{
    bool has_begun = false;
    carat_err err = { .code = code };
    snprintf(err.msg, sizeof err.msg, "%s", msg);
    submit(o);
    take(o, 0, &(carat_event){ .kind = CARAT_EVENT_FAILED, .err = &err }, &has_begun);
    finish(o, &has_begun);
}
