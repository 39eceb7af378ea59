/* A request as libmicrohttpd brings it: headers, pieces of the body, its end; and the end of the exchange.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/hex.h"
#include "base/utf8.h"
#include "http/inside.h"

#define SHORT_BODY ((size_t)256 << 10)

/* ---- beginning and end ---- */

static ct_http_connection *connection_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info = ct_mhd.connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static void enter(ct_http_connection *c, ct_http_stage stage)
{
    c->stage = stage;
    c->since = ct_now();
}

static void free_exchange(ct_http_exchange *x)
{
    for (size_t i = 0; i < x->n_fields; i++) {
        free(x->fields[i].name);
        free(x->fields[i].value);
    }
    if (x->response)
        ct_mhd.destroy(x->response);
    ct_buf_deinit(&x->body);
    ct_buf_deinit(&x->out);
    x->h->body_bytes -= x->counted;
    free(x->path);
    free(x);
}

static ct_http_exchange *begin(ct_http *h, ct_http_connection *c, const char *url, const char *method)
{
    ct_http_exchange *x = calloc(1, sizeof *x);
    char *path = strdup(url);
    if (!x || !path) {
        free(x);
        free(path);
        return NULL;
    }
    *x = (ct_http_exchange){ .h = h, .c = c, .method = method, .path = path };
    ct_buf_init(&x->body, h->o.max_body);
    ct_buf_init(&x->out, 2 * CT_HTTP_MAX_WAITING);
    c->x = x;
    enter(c, CT_HTTP_BODY);
    return x;
}

void ct_http_on_complete(void *arg, struct MHD_Connection *mhd, void **exchange, enum MHD_RequestTerminationCode why)
{
    ct_http *h = arg;
    ct_http_exchange *x = *exchange;
    (void)mhd, (void)why;
    if (!x)
        return;
    ct_http_watch(x->c, false);
    h->o.handler->on_gone(h->o.arg, x);
    x->c->x = NULL;
    enter(x->c, CT_HTTP_KEPT);
    free_exchange(x);
    *exchange = NULL;
}

/* Paths and queries stay as they were sent: ct_http_unescape reads them. */
size_t ct_http_keep_escapes(void *arg, struct MHD_Connection *mhd, char *text)
{
    (void)arg, (void)mhd;
    return strlen(text);
}

/* ---- the body ---- */

static void refuse(ct_http_exchange *x, ct_http_refusal why)
{
    if (!x->status)
        x->h->o.handler->on_refused(x->h->o.arg, x, why);
}

/* A body that says its length is refused before it comes. */
static bool says_too_much(const ct_http_exchange *x)
{
    const char *v = ct_http_header(x, "Content-Length");
    return v && strtoull(v, NULL, 10) > x->h->o.max_body;
}

/* Is it short enough to be read and thrown away, where it is refused? A connection that is closed while something comes may
 * lose its reply. */
static bool is_short(const ct_http_exchange *x)
{
    const char *v = ct_http_header(x, "Content-Length");
    return v && strtoull(v, NULL, 10) <= SHORT_BODY;
}

/* Its memory is the handler's affair once the request is whole; it still counts until the exchange is over. */
static bool add_to_body(ct_http_exchange *x, const char *data, size_t len)
{
    ct_http *h = x->h;
    x->is_too_much = h->body_bytes + len > h->o.max_bodies;
    if (x->is_too_much || !ct_buf_add(&x->body, data, len))
        return false;
    h->body_bytes += len;
    x->counted += len;
    return true;
}

static void give_back(ct_http_exchange *x)
{
    x->h->body_bytes -= x->counted;
    x->counted = 0;
}

static enum MHD_Result take(ct_http_exchange *x, const char *data, size_t *len)
{
    if (x->status) {
        *len = 0;
        return MHD_YES;
    }
    if (!x->is_too_long && !add_to_body(x, data, *len)) {
        x->is_too_long = true; /* libmicrohttpd takes no reply in the middle of a body */
        give_back(x);
        ct_buf_deinit(&x->body);
        ct_buf_init(&x->body, 0);
        enter(x->c, CT_HTTP_BODY); /* what comes now comes in vain, and only for so long */
    }
    *len = 0;
    return MHD_YES;
}

static enum MHD_Result wait_for_reply(ct_http_exchange *x)
{
    x->is_suspended = true;
    ct_http_watch(x->c, true);
    ct_mhd.suspend(x->c->mhd);
    return MHD_YES;
}

/* ---- headers that two servers might read differently ---- */

typedef struct framing {
    size_t n_length, n_encoding, n_host;
    bool is_odd; /* a name with white space, an encoding that is not known */
} framing;

static enum MHD_Result look_at(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
    framing *f = arg;
    (void)kind;
    f->n_length += strcasecmp(name, "Content-Length") == 0;
    f->n_host += strcasecmp(name, "Host") == 0;
    if (strcasecmp(name, "Transfer-Encoding") == 0) {
        f->n_encoding++;
        f->is_odd = f->is_odd || !value || strcasecmp(value, "chunked") != 0;
    }
    f->is_odd = f->is_odd || strpbrk(name, " \t") != NULL;
    return MHD_YES;
}

/* Where a proxy in front of this server could find another end of the request than libmicrohttpd does, what follows it would be
 * somebody else's request (RFC 9112, section 6.3). */
static bool is_ambiguous(const ct_http_exchange *x, const char *version)
{
    framing f = { 0 };
    ct_mhd.values(x->c->mhd, MHD_HEADER_KIND, look_at, &f);
    f.is_odd = f.is_odd || (f.n_encoding && strcmp(version, MHD_HTTP_VERSION_1_0) == 0); /* there was none then */
    return f.is_odd || f.n_length > 1 || f.n_encoding > 1 || f.n_host > 1 || (f.n_length && f.n_encoding);
}

static enum MHD_Result first_call(ct_http *h, struct MHD_Connection *mhd, const char *url, const char *method,
                                  const char *version, void **exchange)
{
    ct_http_connection *c = connection_of(mhd);
    ct_http_exchange *x = c ? begin(h, c, url, method) : NULL;
    if (!x)
        return MHD_NO;
    *exchange = x;
    if (is_ambiguous(x, version)) {
        ct_http_set(x, "Connection", "close");
        refuse(x, CT_HTTP_AMBIGUOUS);
        return x->is_cut ? MHD_NO : ct_http_queue(x);
    }
    h->o.handler->on_head(h->o.arg, x);
    if (!x->is_cut && says_too_much(x))
        refuse(x, CT_HTTP_TOO_LONG);
    return x->is_cut ? MHD_NO : x->status && !is_short(x) ? ct_http_queue(x) : MHD_YES;
}

enum MHD_Result ct_http_on_access(void *arg, struct MHD_Connection *mhd, const char *url, const char *method,
                                  const char *version, const char *data, size_t *len, void **exchange)
{
    ct_http *h = arg;
    ct_http_exchange *x = *exchange;
    if (!x)
        return first_call(h, mhd, url, method, version, exchange);
    if (x->is_cut)
        return MHD_NO;
    if (*len)
        return take(x, data, len);
    if (!x->is_whole) {
        x->is_whole = true;
        enter(x->c, CT_HTTP_WORK);
        if (x->is_too_long)
            refuse(x, x->is_too_much ? CT_HTTP_TOO_MANY : CT_HTTP_TOO_LONG);
        else if (!x->status)
            h->o.handler->on_request(h->o.arg, x);
    }
    if (x->is_cut)
        return MHD_NO;
    if (x->is_queued)
        return MHD_YES;
    return x->status ? ct_http_queue(x) : wait_for_reply(x);
}

void ct_http_resume(ct_http_exchange *x)
{
    if (!x->is_suspended)
        return;
    x->is_suspended = false;
    ct_mhd.resume(x->c->mhd);
}

void ct_http_cut(ct_http_exchange *x)
{
    x->is_cut = true;
    shutdown(x->c->fd, SHUT_RDWR);
    ct_http_watch(x->c, false);
    ct_http_resume(x);
}

/* ---- what a handler asks ---- */

void **ct_http_user(ct_http_exchange *x)
{
    return &x->user;
}

int ct_http_listener(const ct_http_exchange *x)
{
    return x->c->listener;
}

const char *ct_http_method(const ct_http_exchange *x)
{
    return x->method;
}

const char *ct_http_path(const ct_http_exchange *x)
{
    return x->path;
}

const char *ct_http_header(const ct_http_exchange *x, const char *name)
{
    return ct_mhd.value(x->c->mhd, MHD_HEADER_KIND, name);
}

const char *ct_http_query(const ct_http_exchange *x, const char *name)
{
    const char *v = NULL;
    size_t len;
    if (ct_mhd.value_n(x->c->mhd, MHD_GET_ARGUMENT_KIND, name, strlen(name), &v, &len) != MHD_YES)
        return NULL;
    return v ? v : "";
}

const char *ct_http_peer(const ct_http_exchange *x)
{
    return x->c->peer;
}

void ct_http_take_body(ct_http_exchange *x, ct_buf *body)
{
    *body = x->body;
    ct_buf_init(&x->body, 0);
}

bool ct_http_unescape(const char *text, size_t len, char *to, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++, n++) {
        int c = (unsigned char)text[i];
        if (c == '%') {
            int high = len - i >= 3 ? ct_hex_digit(text[i + 1]) : -1, low = high >= 0 ? ct_hex_digit(text[i + 2]) : -1;
            if (low < 0)
                return false;
            c = 16 * high + low;
            i += 2;
        }
        if (c == 0 || n + 1 >= size)
            return false;
        to[n] = (char)c;
    }
    to[n] = '\0';
    return ct_utf8_valid(to, n) == n;
}
