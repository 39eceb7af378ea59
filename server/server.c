/* The server: opened, run by one loop, ended.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/map.h"
#include "responses/responses.h"
#include "server/inside.h"

#define N_WORKERS    4
#define MAX_PEM      ((size_t)1 << 20)
#define HEAD_SECONDS 10
#define BODY_SECONDS 60
#define IDLE_SECONDS 120
#define BODIES       8   /* as many of the longest requests may be there at once */
#define EVENTS_A_RUN 512 /* of the engine, before connections have their turn */

static void on_model(void *arg, ct_model *m);

/* ---- opening ---- */

static bool read_pem(const char *path, char **to, carat_err *err)
{
    size_t len;
    return !path || ct_read_file(path, MAX_PEM, to, &len, err);
}

static bool open_http(ct_server *s, carat_err *err)
{
    static const ct_http_handler handler = { ct_call_on_head, ct_call_on_request, ct_call_on_refused, ct_call_on_gone };
    char *cert = NULL, *key = NULL;
    bool ok = read_pem(s->o.cert, &cert, err) && read_pem(s->o.key, &key, err);
    const ct_http_options h = { .handler = &handler,
                                .arg = s,
                                .max_connections = s->o.max_connections,
                                .max_body = s->o.max_body,
                                .max_bodies = BODIES * s->o.max_body,
                                .head_seconds = HEAD_SECONDS,
                                .idle_seconds = IDLE_SECONDS,
                                .body_seconds = BODY_SECONDS,
                                .cert = cert,
                                .key = key };
    ok = ok && ct_http_open(&h, &s->http, err);
    if (key)
        explicit_bzero(key, strlen(key));
    free(cert);
    free(key);
    return ok;
}

static bool watch(ct_server *s, int fd, carat_err *err)
{
    struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };
    return (fd >= 0 && epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e) == 0) ||
           ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "epoll: %s", strerror(errno));
}

static bool open_loop(ct_server *s, carat_err *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return watch(s, s->signals, err) && watch(s, ct_http_fd(s->http), err) &&
           watch(s, ct_workers_fd(s->workers), err) && watch(s, carat_queue_fd(s->queue), err);
}

/* Responses that clients may go on from. */
static bool open_store(ct_server *s, carat_err *err)
{
    const ct_responses_limits limits = { .count = 1024, .bytes = (size_t)64 << 20, .seconds = 3600 };
    s->responses = ct_responses_store_open(&limits);
    return s->responses || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a server");
}

bool ct_server_open(const ct_server_options *o, ct_server **out, carat_err *err)
{
    ct_server *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a server");
    s->o = *o;
    s->epoll = s->signals = s->ollama_listener = -1;
    s->started = time(NULL);
    ct_server_want_descriptors(s);
    if (ct_guard_open(&s->o, &s->guard, err) && ct_workers_open(N_WORKERS, &s->workers, err) &&
        ct_metrics_open(&s->metrics, err) && ct_models_open(&s->o, s->workers, on_model, s, &s->models, err) &&
        carat_queue_open(&s->queue, err) && open_store(s, err) && open_http(s, err) && open_loop(s, err) &&
        ct_server_listen(s, err)) {
        *out = s;
        return true;
    }
    ct_server_close(s);
    return false;
}

void ct_server_close(ct_server *s)
{
    if (!s)
        return;
    ct_http_close(s->http); /* every call ends, but for those that a worker has */
    if (s->models)
        ct_models_give_up(s->models);
    ct_workers_close(s->workers);
    ct_responses_store_close(s->responses);
    ct_models_close(s->models);
    carat_queue_close(s->queue);
    ct_guard_close(s->guard);
    ct_metrics_close(s->metrics);
    if (s->signals >= 0)
        close(s->signals);
    if (s->epoll >= 0)
        close(s->epoll);
    for (size_t i = 0; i < s->n_urls; i++)
        free(s->urls[i]);
    free(s);
}

const char *ct_server_url(const ct_server *s, size_t i)
{
    return i < s->n_urls ? s->urls[i] : NULL;
}

/* ---- what happens ---- */

static void on_model(void *arg, ct_model *m)
{
    ct_server *s = arg;
    if (m->state == CT_ENGINE_READY)
        ct_server_log(s, "%s is loaded (%.1f s): %zu conversations of %zu tokens at once, %s kernels, %s", m->name,
                      m->load_seconds, m->requests.max_answers, carat_engine_n_ctx(m->engine),
                      carat_engine_isa(m->engine), m->fingerprint);
    else if (m->err.code == CARAT_ECANCELLED)
        ; /* the server ends */
    else if (m->err.code != CARAT_OK)
        ct_server_log(s, "%s could not be loaded: %s", m->name, m->err.msg);
    else
        ct_server_log(s, "%s is unloaded", m->name);
    if (m->state == CT_ENGINE_READY)
        ct_adapters_drop_lost(s, m);
    s->was_ready = s->was_ready || m->state == CT_ENGINE_READY;
    if (!s->was_ready && s->o.loads_first)
        s->failure = m->err;
    for (ct_call *c = s->calls, *next; c; c = next) {
        next = c->next;
        if (c->stage == CT_CALL_MODEL && c->model == m)
            ct_call_on_model(c);
    }
}

static void on_signals(ct_server *s)
{
    struct signalfd_siginfo info;
    while (read(s->signals, &info, sizeof info) == sizeof info) {
        carat_err err;
        if (info.ssi_signo != SIGHUP) {
            if (s->drains)
                s->drain_until = ct_now(); /* asked for twice */
            else
                ct_server_log(s, "stopping: running answers may take %.0f s more", s->o.grace_seconds);
            ct_server_drain(s);
        } else if (!s->o.keys) {
            ct_server_log(s, "there are no keys to read again");
        } else if (ct_guard_reload(s->guard, &err)) {
            ct_server_log(s, "keys were read again");
        } else {
            ct_server_log(s, "keys were not read again, the old ones count: %s", err.msg);
        }
    }
}

void ct_server_drain(ct_server *s)
{
    if (s->drains)
        return;
    s->drains = true;
    s->drain_until = ct_now() + s->o.grace_seconds;
    ct_models_give_up(s->models);
    ct_http_drain(s->http);
}

static bool take_events(ct_server *s)
{
    for (int i = 0; i < EVENTS_A_RUN; i++) {
        const carat_event *event = carat_queue_next(s->queue, 0);
        if (event->kind == CARAT_EVENT_NONE)
            return false;
        ct_call_on_event(event);
    }
    return true;
}

static void tick(ct_server *s)
{
    double now = ct_now();
    if (now < s->next_tick)
        return;
    s->next_tick = now + 1;
    for (ct_call *c = s->calls, *next; c; c = next) {
        next = c->next;
        ct_call_tick(c, now);
    }
    ct_models_tick(s->models, now);
    ct_adapters_tick(s);
}

/* Nothing runs any more, or what runs has had its time. */
static bool is_over(ct_server *s)
{
    if (!s->drains)
        return s->failure.code != CARAT_OK;
    bool runs = false;
    for (const ct_call *c = s->calls; c; c = c->next)
        runs = runs || (c->route && !c->route->state);
    return !runs || ct_now() >= s->drain_until;
}

static int timeout_of(const ct_server *s)
{
    double seconds = s->next_tick - ct_now(), http = ct_http_timeout(s->http);
    if (http < seconds)
        seconds = http;
    return seconds <= 0 ? 0 : (int)(seconds * 1000) + 1;
}

bool ct_server_run(ct_server *s, carat_err *err)
{
    if (s->o.loads_first)
        ct_model_want(ct_models_first(s->models));
    while (!is_over(s)) {
        struct epoll_event events[8];
        int n = epoll_wait(s->epoll, events, 8, timeout_of(s));
        for (int i = 0; i < n; i++)
            if (events[i].data.fd == s->signals)
                on_signals(s);
        ct_workers_done(s->workers);
        while (take_events(s))
            ct_http_run(s->http);
        ct_http_run(s->http);
        tick(s);
    }
    if (s->failure.code != CARAT_OK)
        *err = s->failure;
    return s->failure.code == CARAT_OK;
}
