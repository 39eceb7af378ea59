/* The life of a request, as far as no engine is asked: body, model, and the end.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "ollama/ollama.h"
#include "openai/fields.h"
#include "server/inside.h"

#define WHAT       "the request's body"
#define LONG_BODY  ((size_t)32 << 10)
#define MAX_VALUES (2 << 20)

static void free_call(ct_call *c)
{
    ct_call_free_talk(c);
    carat_adapter_free(c->loaded);
    if (c->holds_model)
        ct_model_release(c->model);
    *(c->before ? &c->before->next : &c->s->calls) = c->next;
    if (c->next)
        c->next->before = c->before;
    json_decref(c->json);
    json_decref(c->reply);
    ct_buf_deinit(&c->unknown.names);
    ct_buf_deinit(&c->body);
    ct_buf_deinit(&c->out);
    free(c);
}

/* ---- the body, on a worker ---- */

static ct_call *call_of(ct_task *t)
{
    return (ct_call *)((char *)t - offsetof(ct_call, task));
}

/* A value takes tens of bytes of memory for the two that it has as text. Commas in strings count too: no text that a model
 * could read has so many. */
static bool has_too_many_values(const ct_buf *body)
{
    size_t n = 0;
    for (const char *p = body->data, *end = body->data + body->len; p && (p = memchr(p, ',', (size_t)(end - p))); p++)
        n++;
    return n > MAX_VALUES;
}

static void parse(ct_task *t)
{
    ct_call *c = call_of(t);
    if (c->has_left)
        return;
    if (has_too_many_values(&c->body)) {
        ct_openai_refuse(&c->fault, 413, "request_too_large", "", "the request's body has more than %d values",
                         MAX_VALUES);
        c->has_failed = true;
    } else if (c->body.len == 0 && strcmp(c->route->method, "GET") != 0) {
        ct_openai_refuse(&c->fault, 400, "invalid_value", "", "the request has no body, expected JSON");
        c->has_failed = true;
    } else if (c->body.len == 0) {
        c->json = json_object();
        c->has_failed = !c->json && !ct_openai_refuse(&c->fault, 500, "server_error", "", "no memory for a request");
    } else if (!ct_json_parse(WHAT, c->body.data, c->body.len, &c->json, &c->fault.err)) {
        ct_openai_refuse_err(&c->fault, "");
        c->has_failed = true;
    }
    ct_buf_deinit(&c->body); /* images are in it: their bytes need not be there twice */
    ct_buf_init(&c->body, 0);
}

/* ---- the model ---- */

static void read_on_worker(ct_task *t)
{
    ct_call *c = call_of(t);
    if (c->has_left)
        c->has_failed = true; /* nobody is told */
    else if (c->route->ask)
        c->has_failed = !c->route->ask(&c->scene, c->json, &c->reply, &c->fault);
    else
        c->has_failed = !c->route->talk->read(c->talk, c->json, &c->fault);
}

/* A worker has given the call back: has its client left meanwhile? */
static bool is_gone(ct_call *c)
{
    c->task = (ct_task){ 0 };
    if (c->x)
        return false;
    free_call(c);
    return true;
}

static void has_read(ct_task *t)
{
    ct_call *c = call_of(t);
    if (is_gone(c))
        return;
    const char *ignored = c->talk ? c->talk->ignored : c->unknown.n ? c->unknown.names.data : NULL;
    if (ignored && *ignored)
        ct_http_set(c->x, "x-carat-ignored", ignored);
    if (c->has_failed)
        ct_call_refuse(c, &c->fault);
    else if (c->route->did)
        c->route->did(c);
    else if (c->route->ask)
        ct_call_reply_json(c, 200, json_incref(c->reply));
    else
        ct_call_submit(c);
}

static bool make_talk(ct_call *c)
{
    if (c->route->ask)
        return true;
    c->talk = calloc(1, c->route->talk->size);
    if (!c->talk)
        return false;
    c->talk->kind = c->route->talk;
    c->talk->scene = &c->scene;
    c->talk->began = c->began;
    return true;
}

/* What a route has that answers, with a model or without. */
static void set_scene(ct_call *c)
{
    c->options.mode = c->is_strict ? CT_OPENAI_STRICT : CT_OPENAI_LENIENT;
    ct_openai_list_init(&c->unknown, c->options.mode);
    c->scene.request_id = c->id;
    c->scene.options = &c->options;
    c->scene.unknown = &c->unknown;
    c->scene.loaded = &c->loaded;
    c->options.adapter_files = c->s->o.adapter_files;
}

static void begin_ask(ct_call *c)
{
    c->stage = CT_CALL_READ;
    c->task = (ct_task){ .work = read_on_worker, .done = has_read, .is_long = c->is_long };
    ct_workers_give(c->s->workers, &c->task);
}

/* As they are now: what the operator sets later is of later requests. */
static void take_adapters(ct_call *c)
{
    const ct_model *m = c->model;
    c->adapters.n = 0;
    for (size_t i = 0; i < m->n_adapters; i++) {
        c->adapters.v[i].adapter =
            m->adapters[i].is_later ? m->adapters[i].own : carat_engine_adapter(m->engine, i, NULL);
        c->adapters.v[i].scale = m->adapters[i].scale;
        c->adapters.n++;
    }
    c->options.adapters = &c->adapters;
}

static void begin_read(ct_call *c)
{
    ct_model *m = c->model;
    if (c->wants_adapter && !ct_model_adapter_of(m, c->scene.model)) { /* unloaded while this waited for the model */
        ct_openai_refuse(&c->fault, 404, "model_not_found", "model", "there is no model '%.100s' here any more",
                         c->scene.model);
        ct_call_refuse(c, &c->fault);
        return;
    }
    ct_model_hold(m);
    c->holds_model = true;
    c->options = m->requests;
    set_scene(c);
    take_adapters(c);
    if (!c->s->o.has_seed)
        getrandom(&c->options.sampling.seed, sizeof c->options.sampling.seed, 0);
    c->scene.engine = m->engine;
    memcpy(c->fingerprint, m->fingerprint, sizeof c->fingerprint);
    c->scene.fingerprint = c->fingerprint;
    c->scene.responses = c->s->responses;
    c->stage = CT_CALL_READ;
    if (!make_talk(c)) {
        ct_openai_refuse(&c->fault, 500, "server_error", "", "no memory for a request");
        ct_call_refuse(c, &c->fault);
        return;
    }
    if (!c->talk)
        ct_http_set(c->x, "x-carat-numerics", c->fingerprint);
    begin_ask(c);
}

void ct_call_on_model(ct_call *c)
{
    ct_model *m = c->model;
    if (!c->x)
        return;
    if (m->state == CT_ENGINE_AWAY && m->err.code == CARAT_OK) /* it was being unloaded when it was asked for */
        ct_model_want(m);
    if (m->state == CT_ENGINE_LOADING || m->state == CT_ENGINE_LEAVING)
        return;
    if (m->state == CT_ENGINE_READY) {
        c->scene.load_seconds = ct_now() - c->queued_at;
        begin_read(c);
        return;
    }
    ct_openai_refuse(&c->fault, m->err.code == CARAT_ENOMEM ? 503 : 500, "model_not_loaded", "",
                     "'%.60s' could not be loaded: %.160s", m->name, m->err.msg);
    ct_call_refuse(c, &c->fault);
}

static bool is_ollamas(const ct_call *c)
{
    return c->route->protocol == &ct_ollama_talk_chat;
}

const char *ct_call_wanted(const ct_call *c)
{
    const char *name = json_string_value(json_object_get(c->json, "model"));
    return name || !is_ollamas(c) ? name : json_string_value(json_object_get(c->json, "name"));
}

/* Texts, without a NUL character in them: cut there they would be other names. */
static bool check_names(ct_call *c)
{
    static const char *const keys[] = { "model", "name" };
    const char *unused;
    for (size_t i = 0; i < (is_ollamas(c) ? 2 : 1); i++)
        if (!ct_json_text(c->json, "body", keys[i], &unused, &c->fault.err))
            return ct_openai_refuse_err(&c->fault, keys[i]);
    return true;
}

static bool find_model(ct_call *c)
{
    const char *name = ct_call_wanted(c);
    c->model = ct_models_find(c->s->models, name);
    if (!c->model)
        return ct_openai_refuse(&c->fault, 404, "model_not_found", "model",
                                "there is no model '%.100s' here; GET /v1/models lists what there is",
                                name ? name : "");
    c->scene.path = c->model->path;
    c->scene.model = name && *name ? name : c->model->name;
    c->wants_adapter = ct_model_adapter_of(c->model, c->scene.model) != NULL;
    return true;
}

static void has_parsed(ct_task *t)
{
    ct_call *c = call_of(t);
    if (is_gone(c))
        return;
    if (c->has_failed || !check_names(c)) {
        ct_call_refuse(c, &c->fault);
        return;
    }
    if (c->route->state) {
        c->route->state(c);
        return;
    }
    if (c->route->needs_no_model) {
        const ct_model *m =
            ct_call_wanted(c) && *ct_call_wanted(c) ? ct_models_find(c->s->models, ct_call_wanted(c)) : NULL;
        c->scene.path = m && strcmp(m->name, ct_call_wanted(c)) == 0 ? m->path : NULL;
        set_scene(c);
        begin_ask(c);
        return;
    }
    if (!find_model(c)) {
        ct_call_refuse(c, &c->fault);
        return;
    }
    if (!ct_call_keep(c))
        return;
    c->stage = CT_CALL_MODEL;
    c->queued_at = ct_now();
    if (c->model->state == CT_ENGINE_READY && !c->model->must_leave)
        begin_read(c);
    else
        ct_model_want(c->model); /* ct_call_on_model follows */
}

void ct_call_on_request(void *arg, ct_http_exchange *x)
{
    ct_call *c = *ct_http_user(x);
    (void)arg;
    if (c->route->state && !c->route->has_body) {
        c->route->state(c);
        return;
    }
    ct_buf_deinit(&c->body);
    ct_http_take_body(x, &c->body);
    c->is_long = c->body.len > LONG_BODY;
    c->stage = CT_CALL_PARSE;
    c->task = (ct_task){ .work = parse, .done = has_parsed, .is_long = c->is_long };
    ct_workers_give(c->s->workers, &c->task);
}

/* ---- the end ---- */

void ct_call_on_gone(void *arg, ct_http_exchange *x)
{
    ct_call *c = *ct_http_user(x);
    (void)arg;
    if (!c)
        return;
    ct_server_log_call(c);
    ct_call_count(c);
    if (c->pulling)
        ct_pulling_leave(c);
    c->x = NULL;
    c->has_left = true;
    if (!c->task.work) /* else a worker has it, and gives it back */
        free_call(c);
}
