/* A request's part with the engine: what it asks, the events that come, the reply that they make.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "server/inside.h"

#define SILENCE       5.0 /* seconds without an event: a stream begins all the same, so that the client sees that it will */
#define PREFIX_TOKENS 256
#define PING          15.0 /* seconds without a byte: something that keeps it alive */

static void free_requests(ct_call *c)
{
    for (size_t i = 0; c->talk && i < c->talk->n; i++) {
        carat_request_free(c->talk->requests[i]);
        c->talk->requests[i] = NULL;
    }
    c->n_open = 0;
}

void ct_call_free_talk(ct_call *c)
{
    if (!c->talk)
        return;
    free_requests(c);
    free(c->asks);
    c->talk->kind->deinit(c->talk);
    free(c->talk);
    c->talk = NULL;
}

/* ---- a stream's bytes ---- */

static void give_up(ct_call *c)
{
    free_requests(c);
    ct_http_cut(c->x);
}

static bool begin_stream(ct_call *c)
{
    if (ct_http_has_reply(c->x))
        return true;
    ct_http_set(c->x, "Cache-Control", "no-cache");
    ct_http_set(c->x, "X-Accel-Buffering", "no"); /* nginx passes it on as it comes */
    c->status = 200;
    ct_http_stream(c->x, 200, c->talk->kind->stream_type);
    ct_buf first;
    ct_buf_init(&first, SIZE_MAX);
    bool ok = !c->talk->kind->begin || c->talk->kind->begin(c->talk, &first);
    ok = ok && (first.len == 0 || ct_http_write(c->x, first.data, first.len));
    ct_buf_deinit(&first);
    return ok;
}

/* What is in c->out goes to the client. */
static bool flush(ct_call *c)
{
    bool ok = !c->out.failed && (c->out.len == 0 || (begin_stream(c) && ct_http_write(c->x, c->out.data, c->out.len)));
    if (c->out.len)
        c->woke = ct_now();
    ct_buf_clear(&c->out);
    return ok;
}

void ct_call_tick(ct_call *c, double now)
{
    if (c->pulling)
        ct_pulling_tick(c);
    if (!c->x || c->stage != CT_CALL_RUN || !c->talk || !c->talk->streams)
        return;
    bool ok = true;
    if (!ct_http_has_reply(c->x) && now - c->queued_at > SILENCE) {
        ok = begin_stream(c);
        c->woke = now;
    } else if (ct_http_has_reply(c->x) && c->talk->kind->ping && now - c->woke > PING) {
        ok = ct_http_write(c->x, c->talk->kind->ping, strlen(c->talk->kind->ping));
        c->woke = now;
    }
    if (!ok)
        give_up(c);
}

/* ---- the end ---- */

static void fail(ct_call *c)
{
    free_requests(c);
    c->stage = CT_CALL_GONE;
    if (!ct_http_has_reply(c->x)) {
        ct_call_refuse(c, &c->talk->fault);
        return;
    }
    ct_buf_clear(&c->out);
    if (!c->talk->kind->fault(c->talk, &c->talk->fault, true, &c->out) || !flush(c))
        ct_http_cut(c->x);
    else
        ct_http_finish(c->x);
}

static void finish(ct_call *c)
{
    ct_talk *t = c->talk;
    if (!t->kind->end(t, &c->out) && !t->has_failed) {
        t->has_failed = true;
        ct_openai_refuse(&t->fault, 500, "server_error", "", "no memory for the reply");
    }
    if (t->has_failed) {
        fail(c);
        return;
    }
    c->stage = CT_CALL_GONE;
    if (!t->streams) {
        c->status = 200;
        ct_http_reply(c->x, 200, "application/json", c->out.data ? c->out.data : "", c->out.len);
    } else if (flush(c) && begin_stream(c)) {
        ct_http_finish(c->x);
    } else {
        ct_http_cut(c->x);
    }
    free_requests(c); /* what they hold of the engine need not wait for a slow client */
}

/* ---- submitting ---- */

/* Of a request that does not say by what adapters it is to be answered, those that its model's name says, or the operator. */
static void choose_adapters(const ct_call *c, carat_request_options *o, carat_adapter_use uses[CT_OPENAI_MAX_ADAPTERS])
{
    if (o->adapters || o->n_adapters || c->adapters.n == 0)
        return;
    const size_t n = ct_openai_adapters_of(c->scene.engine, &c->options, c->scene.model, uses);
    o->adapters = n ? uses : NULL;
    o->n_adapters = n ? n : CARAT_NO_ADAPTERS;
}

static bool submit_one(ct_call *c, size_t i)
{
    ct_talk *t = c->talk;
    carat_request_options o = *t->asks[i];
    carat_adapter_use uses[CT_OPENAI_MAX_ADAPTERS];
    choose_adapters(c, &o, uses);
    c->asks[i] = (ct_call_ask){ .call = c, .i = i };
    o.queue = c->s->queue;
    o.user = &c->asks[i];
    return carat_request_submit(t->scene->engine, &o, &t->requests[i], &c->fault.err) ||
           ct_openai_refuse_submit(&c->fault, CT_OPENAI_CHAT);
}

/* As many as the engine's queue takes: a list may be longer than it. False: the fault says why, and waiting does not help. */
static bool submit_more(ct_call *c)
{
    for (; c->n_submitted < c->talk->n; c->n_submitted++) {
        if (!submit_one(c, c->n_submitted))
            return c->fault.status == 429 && c->n_open > 0;
        c->n_open++;
    }
    return true;
}

/* ---- events ---- */

static void count(ct_call *c, const carat_event *event)
{
    if (event->kind != CARAT_EVENT_TOKEN)
        return;
    double now = ct_now();
    if (c->first_at == 0)
        c->first_at = now;
    c->last_at = now;
    c->n_generated += event->token->id >= 0;
    if (event->token->id >= 0)
        ct_call_count_token(c, ((const ct_call_ask *)event->user)->i, event->answer, now);
}

static void count_prompts(ct_call *c)
{
    for (size_t i = 0; i < c->talk->n; i++) {
        size_t n = 0, cached = 0;
        carat_request_prompt(c->talk->requests[i], &n, &cached);
        c->n_prompt += n;
        c->n_cached += cached;
    }
}

void ct_call_on_event(const carat_event *event)
{
    const ct_call_ask *ask = event->user;
    ct_call *c = ask->call;
    ct_talk *t = c->talk;
    count(c, event);
    if (event->kind == CARAT_EVENT_END) {
        c->n_open--;
        if (!submit_more(c)) {
            t->has_failed = true;
            t->fault = c->fault;
            fail(c);
        } else if (c->n_open == 0) {
            count_prompts(c);
            ct_call_count_talk(c);
            finish(c);
        }
        return;
    }
    bool ok = t->kind->event(t, ask->i, event, &c->out);
    if (t->has_failed)
        fail(c); /* its other answers are of no use */
    else if (!ok || (t->streams && !flush(c)))
        give_up(c);
}

static uint64_t bit_of(const ct_call *c, const carat_adapter *a)
{
    for (size_t i = 0; i < c->adapters.n; i++)
        if (c->adapters.v[i].adapter == a)
            return (uint64_t)1 << i;
    return 0;
}

/* What tells answers of one list of adapters from those of another: 0 for none. */
static uint64_t hash_adapters(ct_call *c, carat_request_options o)
{
    carat_adapter_use uses[CT_OPENAI_MAX_ADAPTERS];
    uint64_t h = 0;
    choose_adapters(c, &o, uses);
    for (size_t i = 0; o.adapters && i < o.n_adapters; i++) {
        char text[128];
        snprintf(text, sizeof text, "%s %a", carat_adapter_describe(o.adapters[i].adapter)->digest,
                 o.adapters[i].scale);
        uint64_t one = 0xcbf29ce484222325u; /* FNV-1a; their order means nothing */
        for (const char *s = text; *s && o.adapters[i].scale != 0; s++)
            one = (one ^ (unsigned char)*s) * 0x100000001b3u;
        h += o.adapters[i].scale != 0 ? one : 0;
        c->used |= o.adapters[i].scale != 0 ? bit_of(c, o.adapters[i].adapter) : 0;
    }
    return h;
}

/* Requests that begin alike say so, for balancers that send them to the same replica, which has their beginning cached. What
 * an answer's figures depend on has the adapters in it, too. */
static void set_headers(ct_call *c)
{
    char text[32];
    const uint64_t adapters = c->talk->n ? hash_adapters(c, *c->talk->asks[0]) : 0;
    if (adapters) {
        snprintf(text, sizeof text, "-%08llx", (unsigned long long)(adapters ^ adapters >> 32) & 0xffffffff);
        strncat(c->fingerprint, text, sizeof c->fingerprint - 1 - strlen(c->fingerprint));
    }
    ct_http_set(c->x, "x-carat-numerics", c->fingerprint);
    if (c->talk->n == 0 || !c->talk->asks[0]->prompt)
        return;
    snprintf(text, sizeof text, "%016llx",
             (unsigned long long)(carat_prompt_hash(c->talk->asks[0]->prompt, PREFIX_TOKENS) ^ adapters));
    ct_http_set(c->x, "x-carat-prefix", text);
}

void ct_call_submit(ct_call *c)
{
    ct_talk *t = c->talk;
    c->stage = CT_CALL_RUN;
    c->queued_at = c->woke = ct_now();
    set_headers(c);
    c->asks = calloc(t->n + 1, sizeof *c->asks);
    bool ok = c->asks != NULL;
    if (!ok)
        ct_openai_refuse(&c->fault, 500, "server_error", "", "no memory for a request");
    ok = ok && submit_more(c);
    if (ok && t->n)
        return;
    if (c->fault.status == 429)
        ct_http_set(c->x, "Retry-After", "1");
    free_requests(c);
    if (ok)
        finish(c);
    else
        ct_call_refuse(c, &c->fault);
}
