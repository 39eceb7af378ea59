/* http.h - an HTTP server in one thread: whole requests come in, replies go out whole or as streams, at any later time.
 *
 * Over libmicrohttpd, with what it leaves to its users: time limits that a slow sender cannot stretch, bodies with a
 * ceiling, clients that leave while their reply is being made, and a stream that waits without a thread. It knows paths
 * and headers, no protocol.
 *
 *     ct_http_fd is readable, or ct_http_timeout is over  ──>  ct_http_run  ──>  on_head, on_request, on_gone
 *     ct_http_reply, or ct_http_stream, _write ... _finish at once or later, from the same thread
 *
 * Everything here is called from one thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_HTTP_H
#define CT_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define CT_HTTP_MAX_LISTEN 16

typedef struct ct_http ct_http;
typedef struct ct_http_exchange ct_http_exchange; /* a request and its reply */

/* Why a request is not taken. */
typedef enum ct_http_refusal {
    CT_HTTP_AMBIGUOUS, /* its headers do not say where it ends, or where it goes, in one way alone: 400 */
    CT_HTTP_TOO_LONG,  /* its body is, or says so: 413 */
    CT_HTTP_TOO_MANY,  /* there are too many long ones at once: 503 */
} ct_http_refusal;

/* What is called for a server's exchanges. arg is ct_http_options.arg; ct_http_user(x) is the handler's own. */
typedef struct ct_http_handler {
    /* The headers have come, the body has not. A reply now refuses the request without reading it. */
    void (*on_head)(void *arg, ct_http_exchange *x);
    /* The request is whole. It has a reply, now or later. */
    void (*on_request)(void *arg, ct_http_exchange *x);
    /* Instead of on_request, and of an ambiguous one instead of on_head too. It has a reply now. */
    void (*on_refused)(void *arg, ct_http_exchange *x, ct_http_refusal why);
    /* The last call for x, in any case, even where there was none before: it was replied to, or its client has left. */
    void (*on_gone)(void *arg, ct_http_exchange *x);
} ct_http_handler;

typedef struct ct_http_options {
    const ct_http_handler *handler;
    void *arg;
    size_t max_connections;
    size_t max_bodies;      /* bytes of all bodies that are there at once; what is more is refused */
    size_t max_body;        /* bytes of a request's body; longer ones are refused */
    double head_seconds;    /* from the connection to the end of the headers */
    double idle_seconds;    /* a kept connection without a request; a reply of which nothing is taken */
    double body_seconds;    /* a body may take so long, and longer as long as it comes at 16 KiB a second */
    const char *cert, *key; /* PEM texts; NULL: no TLS */
} ct_http_options;

/* Errors: CARAT_EUNSUPPORTED (no libmicrohttpd), CARAT_EIO (no descriptor, certificate and key that do not fit), CARAT_ENOMEM. */
bool ct_http_open(const ct_http_options *o, ct_http **out, carat_err *err);
/* Cuts what is still open; on_gone is called for it. Accepts NULL. */
void ct_http_close(ct_http *h);

/* A socket that is bound and listens, from now on the server's; n tells exchanges through which they came. */
bool ct_http_listen(ct_http *h, int fd, int n, carat_err *err);
/* Takes no more connections: closes the listening sockets. */
void ct_http_stop_listening(ct_http *h);
/* Kept connections end with their next reply. */
void ct_http_drain(ct_http *h);

int ct_http_fd(const ct_http *h);         /* readable when there is something to do */
double ct_http_timeout(const ct_http *h); /* seconds until ct_http_run must be called all the same */
void ct_http_run(ct_http *h);

/* ---- the request ---- */

void **ct_http_user(ct_http_exchange *x); /* NULL at first */
int ct_http_listener(const ct_http_exchange *x);
const char *ct_http_method(const ct_http_exchange *x);
/* The path as it was sent, with its %XX, without the query. */
const char *ct_http_path(const ct_http_exchange *x);
const char *ct_http_header(const ct_http_exchange *x, const char *name); /* NULL: none. Any case */
const char *ct_http_query(const ct_http_exchange *x, const char *name);  /* NULL: none; "" without a value */
const char *ct_http_peer(const ct_http_exchange *x);                     /* "127.0.0.1", "::1", "" (a Unix socket) */
/* The body, of a whole request: the caller's from now on. */
void ct_http_take_body(ct_http_exchange *x, ct_buf *body);
/* %XX of a path's part into to[size]; false: too long, not UTF-8, a NUL character, half an escape. */
bool ct_http_unescape(const char *text, size_t len, char *to, size_t size);

/* ---- the reply ---- */

/* A header of the reply that follows; both are copied. Values with control characters are left out. */
void ct_http_set(ct_http_exchange *x, const char *name, const char *value);
/* The whole reply; data is copied. type NULL: no body. */
void ct_http_reply(ct_http_exchange *x, int status, const char *type, const void *data, size_t len);
/* The same where data lives as long as the server. */
void ct_http_reply_static(ct_http_exchange *x, int status, const char *type, const void *data, size_t len);
/* A reply whose body comes bit by bit. */
void ct_http_stream(ct_http_exchange *x, int status, const char *type);
/* False: no memory, or more waits than a client may leave waiting (4 MiB): cut it. */
bool ct_http_write(ct_http_exchange *x, const void *data, size_t len);
void ct_http_finish(ct_http_exchange *x);
/* Ends the connection where it stands: the client sees that the reply is not whole. */
void ct_http_cut(ct_http_exchange *x);
bool ct_http_has_reply(const ct_http_exchange *x); /* one has begun */

#endif
