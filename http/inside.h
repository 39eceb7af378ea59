/* inside.h - what the files of this room share.
 *
 *     server.c       opening, listening, the run, time limits
 *     exchange.c     a request as libmicrohttpd brings it
 *     reply.c        whole replies and streams
 *     mhd.c          libmicrohttpd, loaded when it is needed
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_HTTP_INSIDE_H
#define CT_HTTP_INSIDE_H

#include "http/http.h"
#include "http/mhd.h"

#define CT_HTTP_MAX_WAITING ((size_t)4 << 20) /* bytes of a stream that its client has not taken */
#define CT_HTTP_MAX_HEADERS 24                /* of a reply */

/* What a connection is at. */
typedef enum ct_http_stage {
    CT_HTTP_FRESH, /* nothing has come yet, or not all headers of its first request */
    CT_HTTP_KEPT,  /* between two requests */
    CT_HTTP_BODY,  /* a request's body comes */
    CT_HTTP_WORK,  /* a request is whole; its reply is made or sent */
} ct_http_stage;

typedef struct ct_http_connection ct_http_connection;
struct ct_http_connection {
    ct_http *h;
    struct MHD_Connection *mhd;
    int fd, listener;
    ct_http_stage stage;
    double since;        /* ct_now() when the stage began; of a stream, when the client took something last */
    bool is_watched;     /* its descriptor is in h->epoll, for a client that leaves */
    ct_http_exchange *x; /* NULL: none now */
    ct_http_connection *before, *next;
    char peer[48];
};

typedef struct ct_http_field {
    char *name, *value;
} ct_http_field;

struct ct_http_exchange {
    ct_http *h;
    ct_http_connection *c;
    void *user;
    const char *method;
    char *path;
    ct_buf body;
    bool is_whole;     /* the request is */
    bool is_too_long;  /* its body was, or there are too many: what comes is thrown away */
    bool is_too_much;  /* there are too many */
    size_t counted;    /* bytes of h->body_bytes that are its own */
    bool is_suspended; /* libmicrohttpd leaves it alone until a reply has begun */
    bool is_cut;
    /* The reply. */
    ct_http_field fields[CT_HTTP_MAX_HEADERS];
    size_t n_fields;
    int status;                    /* 0: there is none */
    struct MHD_Response *response; /* not queued yet */
    bool is_queued, is_stream, is_finished;
    ct_buf out; /* of a stream: what the client has not taken, from out.data + taken */
    size_t taken;
};

struct ct_http {
    ct_http_options o;
    struct MHD_Daemon *mhd;
    int mhd_fd; /* MHD's own epoll descriptor */
    int epoll;
    int listeners[CT_HTTP_MAX_LISTEN], numbers[CT_HTTP_MAX_LISTEN];
    size_t n_listeners, n_connections;
    bool listens; /* its listening sockets are in epoll: not while there are too many connections */
    bool drains;
    int accepting;     /* the number of the listener whose connection is being added */
    size_t body_bytes; /* of all exchanges that have a body */
    double next_check;
    double paused_until; /* no connection is accepted before, or until one ends: there was no descriptor for one */
    ct_http_connection *connections;
    ct_buf cert, key;
};

/* exchange.c: libmicrohttpd's callbacks. */
enum MHD_Result ct_http_on_access(void *h, struct MHD_Connection *mhd, const char *url, const char *method,
                                  const char *version, const char *data, size_t *len, void **exchange);
void ct_http_on_complete(void *h, struct MHD_Connection *mhd, void **exchange, enum MHD_RequestTerminationCode why);
size_t ct_http_keep_escapes(void *arg, struct MHD_Connection *mhd, char *text);

/* server.c: the connection's descriptor tells when the client leaves, while libmicrohttpd does not look at it. */
void ct_http_watch(ct_http_connection *c, bool on);

/* exchange.c */
void ct_http_resume(ct_http_exchange *x);
/* reply.c: gives the reply that has begun to libmicrohttpd. */
enum MHD_Result ct_http_queue(ct_http_exchange *x);

#endif
