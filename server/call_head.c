/* The beginning of a request: its headers, its id, what is refused before its body is read.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "anthropic/anthropic.h"
#include "base/clock.h"
#include "server/inside.h"

static bool is_word(const char *s)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/+=");
    return n > 0 && n < CT_CALL_ID && s[n] == '\0';
}

/* The client's own id where it brings one that fits into a line of a log. */
static void set_id(ct_call *c)
{
    const char *own = ct_http_header(c->x, "X-Request-Id");
    if (own && is_word(own))
        memcpy(c->id, own, strlen(own) + 1);
    else
        ct_openai_new_id("req_", c->id, sizeof c->id);
    ct_http_set(c->x, "x-request-id", c->id);
    if (ct_route_protocol(NULL, ct_http_path(c->x)) == &ct_anthropic_talk) /* where its clients look for it */
        ct_http_set(c->x, "request-id", c->id);
}

static ct_call *new_call(ct_server *s, ct_http_exchange *x)
{
    ct_call *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    *c = (ct_call){ .s = s, .x = x, .began = ct_now(), .next = s->calls };
    ct_buf_init(&c->body, 0);
    ct_buf_init(&c->out, SIZE_MAX);
    if (c->next)
        c->next->before = c;
    s->calls = c;
    *ct_http_user(x) = c;
    c->number = ++s->n_calls;
    set_id(c);
    return c;
}

/* Of Ollama's routes those that make models. */
static bool makes_models(const char *path)
{
    static const char *const all[] = { "/api/create", "/api/copy", "/api/push" };
    bool is_one = strncmp(path, "/api/blobs/", 11) == 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        is_one = is_one || strcmp(path, all[i]) == 0;
    return is_one;
}

static bool refuse_path(ct_openai_fault *f, const ct_call *c, const char *allow)
{
    const char *path = ct_http_path(c->x), *method = ct_http_method(c->x);
    if (makes_models(path))
        return ct_openai_refuse(f, 404, "not_found", "",
                                "'%.60s' is not offered: models are not made, copied or uploaded here, but pulled or "
                                "named by who runs 'carat serve'",
                                path);
    if (!*allow)
        return ct_openai_refuse(f, 404, "not_found", "",
                                "there is nothing at '%.100s'; GET /openapi.json lists what there is", path);
    ct_http_set(c->x, "Allow", allow);
    return ct_openai_refuse(f, 405, "method_not_allowed", "", "'%.100s' takes %.60s, not %.20s", path, allow, method);
}

static bool is_plain(const ct_http_exchange *x)
{
    const char *encoding = ct_http_header(x, "Content-Encoding");
    return !encoding || strcmp(encoding, "identity") == 0;
}

/* May it come in, and is there anything at its path? */
static bool admit(ct_call *c, ct_openai_fault *f)
{
    const char *allow = "", *strict = ct_http_header(c->x, "X-Strict");
    c->is_strict = strict && strcmp(strict, "1") == 0;
    if (!is_plain(c->x))
        return ct_openai_refuse(f, 415, "unsupported_encoding", "",
                                "bodies are taken as they are, without Content-Encoding");
    c->route = ct_route_find(ct_http_method(c->x), ct_http_path(c->x), c->tail, sizeof c->tail, &allow);
    if (!ct_guard_admits(c->s->guard, c->x, c->route && c->route->is_open, f))
        return false;
    if (strcmp(ct_http_method(c->x), "OPTIONS") == 0) {
        c->status = 204;
        ct_http_reply(c->x, 204, NULL, "", 0);
        return true;
    }
    return c->route || refuse_path(f, c, allow);
}

static bool refuse_draining(ct_call *c)
{
    ct_openai_fault f = { 0 };
    if (!c->s->drains || !c->route || c->route->state)
        return false;
    ct_http_set(c->x, "Retry-After", "5");
    ct_openai_refuse(&f, 503, "unavailable", "", "this server is about to stop and takes no new requests");
    ct_call_refuse(c, &f);
    return true;
}

void ct_call_on_head(void *arg, ct_http_exchange *x)
{
    ct_server *s = arg;
    ct_openai_fault f = { 0 };
    ct_call *c = new_call(s, x);
    if (!c) {
        ct_http_cut(x);
        return;
    }
    if (!admit(c, &f))
        ct_call_refuse(c, &f);
    else
        refuse_draining(c);
}

void ct_call_on_refused(void *arg, ct_http_exchange *x, ct_http_refusal why)
{
    ct_server *s = arg;
    void **own = ct_http_user(x);
    ct_call *c = *own ? *own : new_call(s, x);
    ct_openai_fault f = { 0 };
    if (!c) {
        ct_http_cut(x);
        return;
    }
    if (why == CT_HTTP_AMBIGUOUS)
        ct_openai_refuse(&f, 400, "invalid_headers", "",
                         "the request's headers contradict each other: Content-Length, Transfer-Encoding, Host");
    else if (why == CT_HTTP_TOO_LONG)
        ct_openai_refuse(&f, 413, "request_too_large", "",
                         "the request's body is longer than this server takes, %zu bytes (--max-body)", s->o.max_body);
    else
        ct_openai_refuse(&f, 503, "unavailable", "", "too many long requests at once; try again");
    if (why == CT_HTTP_TOO_MANY)
        ct_http_set(x, "Retry-After", "1");
    ct_call_refuse(c, &f);
}
