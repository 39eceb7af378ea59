/* A talk as a server has it, in one thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "talk_to.h"

static void submit(talked *t, carat_queue *q)
{
    ct_talk *talk = t->talk;
    t->places = calloc(talk->n, sizeof *t->places);
    assert_non_null(t->places);
    for (size_t i = 0; i < talk->n; i++) {
        carat_request_options o = *talk->asks[i];
        t->places[i] = (talk_place){ t, i };
        o.queue = q;
        o.user = &t->places[i];
        if (!carat_request_submit(talk->scene->engine, &o, &talk->requests[i], &t->fault.err))
            fail_msg("%s", t->fault.err.msg);
    }
}

void talk_begin(talked *t, const ct_talk_kind *kind, const ct_talk_scene *scene, const char *text, carat_queue *q)
{
    json_t *body;
    carat_err err;
    *t = (talked){ .talk = calloc(1, kind->size) };
    assert_non_null(t->talk);
    ct_buf_init(&t->out, (size_t)64 << 20);
    if (!ct_json_parse("the body", text, strlen(text), &body, &err))
        fail_msg("%s: %s", text, err.msg);
    t->talk->kind = kind;
    t->talk->scene = scene;
    t->talk->began = ct_now();
    t->ok = kind->read(t->talk, body, &t->fault);
    json_decref(body);
    snprintf(t->ignored, sizeof t->ignored, "%s", t->talk->ignored ? t->talk->ignored : "");
    if (!t->ok)
        return;
    assert_true(t->talk->n > 0);
    submit(t, q);
    assert_true(!t->talk->streams || (kind->stream_type && (!kind->begin || kind->begin(t->talk, &t->out))));
}

static void end(talked *t)
{
    assert_true(t->talk->kind->end(t->talk, &t->out));
    t->ok = !t->talk->has_failed;
    if (t->talk->has_failed)
        t->fault = t->talk->fault;
    if (t->ok && !t->talk->streams)
        assert_true(ct_json_parse("the reply", t->out.data, t->out.len, &t->body, NULL));
}

void talk_finish(talked *const *talks, size_t n, carat_queue *q)
{
    size_t n_left = 0, left[64] = { 0 };
    assert_true(n <= 64);
    for (size_t i = 0; i < n; i++)
        n_left += left[i] = talks[i]->ok ? talks[i]->talk->n : 0;
    while (n_left) {
        const carat_event *e = carat_queue_next(q, 60);
        assert_true(e->kind != CARAT_EVENT_NONE);
        const talk_place *at = e->user;
        assert_true(at->of->talk->kind->event(at->of->talk, at->ask, e, &at->of->out));
        if (e->kind != CARAT_EVENT_END)
            continue;
        n_left--;
        for (size_t i = 0; i < n; i++)
            if (talks[i] == at->of && --left[i] == 0)
                end(talks[i]);
    }
}

void talk_to(talked *t, const ct_talk_kind *kind, const ct_talk_scene *scene, const char *body)
{
    carat_queue *q;
    talked *const one[] = { t };
    assert_true(carat_queue_open(&q, NULL));
    talk_begin(t, kind, scene, body, q);
    talk_finish(one, 1, q);
    carat_queue_close(q);
}

void talk_done(talked *t)
{
    for (size_t i = 0; i < t->talk->n; i++)
        carat_request_free(t->talk->requests[i]);
    t->talk->kind->deinit(t->talk);
    json_decref(t->body);
    ct_buf_deinit(&t->out);
    free(t->places);
    free(t->talk);
}
