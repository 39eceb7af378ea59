/* The server: sockets, one run of everything that is ready, and time limits.
 *
 * libmicrohttpd runs without threads of its own, in "external" mode: its epoll descriptor and the listening sockets are in
 * one epoll set, which is ct_http_fd. Connections are accepted here, so that any number of sockets feed one server.
 *
 * A connection that waits for its reply is suspended: libmicrohttpd does not look at it and would not see that its client
 * has left. So its descriptor is watched here meanwhile.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "http/inside.h"

#define HEADER_MEMORY ((size_t)32 << 10) /* of a connection: its request's headers */
#define CHECK_SECONDS 0.5                /* how exact time limits are */
#define PAUSE_SECONDS 0.5                /* without accepting, where no descriptor was left */
#define BODY_RATE     16384.0            /* bytes a second that a slow body must come at */
#define N_EVENTS      128
#define TLS_VERSIONS  "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2" /* the others are broken (RFC 8996) */

/* ---- connections ---- */

static void note_peer(ct_http_connection *c)
{
    const union MHD_ConnectionInfo *info = ct_mhd.connection_info(c->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *a = info ? info->client_addr : NULL;
    if (a && a->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)a)->sin_addr, c->peer, sizeof c->peer);
    else if (a && a->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr, c->peer, sizeof c->peer);
}

static void begin_connection(ct_http *h, struct MHD_Connection *mhd, void **at)
{
    ct_http_connection *c = calloc(1, sizeof *c);
    if (!c)
        return; /* its requests are refused for want of it */
    const union MHD_ConnectionInfo *fd = ct_mhd.connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    *c = (ct_http_connection){ .h = h,
                               .mhd = mhd,
                               .fd = fd ? fd->connect_fd : -1,
                               .listener = h->accepting,
                               .since = ct_now(),
                               .next = h->connections };
    note_peer(c);
    if (c->next)
        c->next->before = c;
    h->connections = c;
    h->n_connections++;
    *at = c;
}

static void end_connection(ct_http_connection *c)
{
    if (!c)
        return;
    ct_http_watch(c, false);
    *(c->before ? &c->before->next : &c->h->connections) = c->next;
    if (c->next)
        c->next->before = c->before;
    c->h->n_connections--;
    c->h->paused_until = 0; /* a descriptor becomes free */
    free(c);
}

static void on_connection(void *h, struct MHD_Connection *mhd, void **at, enum MHD_ConnectionNotificationCode what)
{
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        begin_connection(h, mhd, at);
        return;
    }
    end_connection(*at);
    *at = NULL;
}

void ct_http_watch(ct_http_connection *c, bool on)
{
    struct epoll_event e = { .events = EPOLLRDHUP, .data.ptr = c };
    if (on == c->is_watched || c->fd < 0)
        return;
    if (epoll_ctl(c->h->epoll, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, c->fd, &e) == 0 || !on)
        c->is_watched = on;
}

/* ---- opening ---- */

static bool keep_pem(ct_http *h, carat_err *err)
{
    ct_buf_init(&h->cert, (size_t)1 << 20);
    ct_buf_init(&h->key, (size_t)1 << 20);
    return !h->o.cert || (ct_buf_str(&h->cert, h->o.cert) && ct_buf_str(&h->key, h->o.key)) ||
           ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a certificate");
}

static bool start_mhd(ct_http *h, carat_err *err)
{
    const struct MHD_OptionItem tls[] = { { MHD_OPTION_HTTPS_MEM_CERT, 0, h->cert.data },
                                          { MHD_OPTION_HTTPS_MEM_KEY, 0, h->key.data },
                                          { MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_VERSIONS },
                                          { MHD_OPTION_END, 0, NULL } };
    unsigned flags =
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET | (h->o.cert ? MHD_USE_TLS : 0);
    h->mhd = ct_mhd.start(flags, 0, NULL, NULL, ct_http_on_access, h, MHD_OPTION_NOTIFY_COMPLETED, ct_http_on_complete,
                          h, MHD_OPTION_NOTIFY_CONNECTION, on_connection, h, MHD_OPTION_UNESCAPE_CALLBACK,
                          ct_http_keep_escapes, NULL, MHD_OPTION_CONNECTION_LIMIT, (unsigned)h->o.max_connections + 8,
                          MHD_OPTION_CONNECTION_MEMORY_LIMIT, HEADER_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT,
                          (unsigned)h->o.idle_seconds, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY,
                          h->o.cert ? tls : tls + 3, MHD_OPTION_END);
    const union MHD_DaemonInfo *fd = h->mhd ? ct_mhd.daemon_info(h->mhd, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (!fd)
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE,
                       h->o.cert ? "the server cannot start: do certificate and key belong together?"
                                 : "the server cannot start: %s",
                       strerror(errno));
    h->mhd_fd = fd->epoll_fd;
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = h };
    return epoll_ctl(h->epoll, EPOLL_CTL_ADD, h->mhd_fd, &e) == 0 ||
           ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "epoll: %s", strerror(errno));
}

bool ct_http_open(const ct_http_options *o, ct_http **out, carat_err *err)
{
    if (!ct_mhd_load(err))
        return false;
    ct_http *h = calloc(1, sizeof *h);
    if (!h)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a server");
    h->o = *o;
    h->listens = true;
    h->epoll = epoll_create1(EPOLL_CLOEXEC);
    if ((h->epoll >= 0 || ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "epoll: %s", strerror(errno))) && keep_pem(h, err) &&
        start_mhd(h, err)) {
        *out = h;
        return true;
    }
    ct_http_close(h);
    return false;
}

void ct_http_close(ct_http *h)
{
    if (!h)
        return;
    ct_http_stop_listening(h);
    for (ct_http_connection *c = h->connections; c; c = c->next)
        if (c->x)
            ct_http_cut(c->x);
    if (h->mhd)
        ct_mhd.stop(h->mhd); /* completes what is left, which calls on_gone */
    if (h->epoll >= 0)
        close(h->epoll);
    ct_buf_deinit(&h->cert);
    ct_buf_deinit(&h->key);
    free(h);
}

/* ---- listening ---- */

static bool watch_listener(ct_http *h, size_t i, bool on)
{
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = &h->listeners[i] };
    return epoll_ctl(h->epoll, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, h->listeners[i], &e) == 0;
}

bool ct_http_listen(ct_http *h, int fd, int n, carat_err *err)
{
    if (h->n_listeners == CT_HTTP_MAX_LISTEN)
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "more than %d addresses", CT_HTTP_MAX_LISTEN);
    h->listeners[h->n_listeners] = fd;
    h->numbers[h->n_listeners] = n;
    if (!watch_listener(h, h->n_listeners, true))
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "epoll: %s", strerror(errno));
    h->n_listeners++;
    return true;
}

void ct_http_stop_listening(ct_http *h)
{
    for (size_t i = 0; i < h->n_listeners; i++)
        close(h->listeners[i]);
    h->n_listeners = 0;
}

/* At the limit connections wait in the sockets' backlogs; so they do for a while where one could not be accepted, or the
 * sockets, which stay readable, would let nobody sleep. */
static void choose_listening(ct_http *h)
{
    bool listens = h->n_connections < h->o.max_connections && ct_now() >= h->paused_until;
    if (listens == h->listens)
        return;
    h->listens = listens;
    for (size_t i = 0; i < h->n_listeners; i++)
        watch_listener(h, i, listens);
}

static void accept_some(ct_http *h, const int *listener)
{
    h->accepting = h->numbers[listener - h->listeners];
    while (h->n_connections < h->o.max_connections) {
        struct sockaddr_storage a;
        socklen_t len = sizeof a;
        int fd = accept4(*listener, (struct sockaddr *)&a, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                h->paused_until = ct_now() + PAUSE_SECONDS;
            return; /* else none is left */
        }
        ct_mhd.add_connection(h->mhd, fd, (struct sockaddr *)&a, len); /* closes it where it fails */
    }
}

/* ---- time ---- */

static bool is_too_slow(const ct_http_connection *c, double now)
{
    const ct_http_options *o = &c->h->o;
    double age = now - c->since;
    switch (c->stage) {
    case CT_HTTP_FRESH:
        return age > o->head_seconds;
    case CT_HTTP_KEPT:
        return age > o->idle_seconds;
    case CT_HTTP_BODY:
        return age > o->body_seconds + (c->x ? (double)c->x->body.len / BODY_RATE : 0);
    case CT_HTTP_WORK:
        return c->x && c->x->is_queued && c->x->out.len > c->x->taken && age > o->idle_seconds;
    }
    return false;
}

static void check_times(ct_http *h)
{
    double now = ct_now();
    if (now < h->next_check)
        return;
    h->next_check = now + CHECK_SECONDS;
    for (ct_http_connection *c = h->connections, *next; c; c = next) {
        next = c->next;
        if (!is_too_slow(c, now))
            continue;
        shutdown(c->fd, SHUT_RDWR); /* libmicrohttpd finds it closed and ends it */
        if (c->x)
            ct_http_cut(c->x);
    }
}

double ct_http_timeout(const ct_http *h)
{
    MHD_UNSIGNED_LONG_LONG ms;
    double now = ct_now(), seconds = h->n_connections ? h->next_check - now : 3600;
    if (!h->listens && h->paused_until > now && h->paused_until - now < seconds)
        seconds = h->paused_until - now;
    if (ct_mhd.timeout(h->mhd, &ms) == MHD_YES && (double)ms / 1000 < seconds)
        seconds = (double)ms / 1000;
    return seconds > 0 ? seconds : 0;
}

/* ---- the run ---- */

int ct_http_fd(const ct_http *h)
{
    return h->epoll;
}

void ct_http_drain(ct_http *h)
{
    h->drains = true;
}

static bool is_listener(const ct_http *h, const void *p)
{
    return p >= (const void *)h->listeners && p < (const void *)(h->listeners + CT_HTTP_MAX_LISTEN);
}

/* The client of a reply that is being made has left. */
static void client_left(ct_http_connection *c)
{
    ct_http_watch(c, false);
    if (c->x)
        ct_http_cut(c->x);
}

void ct_http_run(ct_http *h)
{
    struct epoll_event events[N_EVENTS];
    int n = epoll_wait(h->epoll, events, N_EVENTS, 0);
    /* Clients that left first: nothing below frees a connection before libmicrohttpd runs. */
    for (int i = 0; i < n; i++)
        if (events[i].data.ptr != h && !is_listener(h, events[i].data.ptr))
            client_left(events[i].data.ptr);
    for (int i = 0; i < n; i++)
        if (is_listener(h, events[i].data.ptr))
            accept_some(h, events[i].data.ptr);
    ct_mhd.run(h->mhd);
    choose_listening(h);
    check_times(h);
}
