/* call.h - one request of a client, from its headers to the last byte of its reply.
 *
 *     HEAD ──> BODY ──> PARSE ──> MODEL ──> READ ──> RUN ──> GONE
 *               │      (worker)     │     (worker)    │
 *               └ state routes      └ waits until     └ events of the engine
 *                 reply here          it is loaded
 *
 * A client may leave at any stage. While a worker has the call it is kept until the worker gives it back.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SERVER_CALL_H
#define CT_SERVER_CALL_H

#include "http/http.h"
#include "server/models.h"
#include "server/routes.h"

#define CT_CALL_ID 64

typedef enum ct_call_stage {
    CT_CALL_BODY,
    CT_CALL_PARSE,
    CT_CALL_MODEL,
    CT_CALL_READ,
    CT_CALL_RUN,
    CT_CALL_GONE
} ct_call_stage;

typedef struct ct_call_ask { /* what comes with an event */
    ct_call *call;
    size_t i;
    double last_at[CT_OPENAI_MAX_ANSWERS]; /* the latest token of each answer; 0: none has come */
} ct_call_ask;

struct ct_call {
    ct_server *s;
    ct_http_exchange *x; /* NULL: its client has left, or has been replied to */
    const ct_route *route;
    ct_call_stage stage;
    char id[CT_CALL_ID];
    char tail[CT_MODEL_NAME];
    uint64_t number;      /* of the server's calls, from 1 */
    bool is_long;         /* its body is: reading it may take seconds */
    atomic_bool has_left; /* its client has: a worker need not read it */
    bool is_strict;       /* X-Strict: 1 */
    double began;         /* ct_now() when its headers had come */
    double woke;          /* of a stream: when something was sent last */
    ct_buf body;
    json_t *json, *reply;
    ct_model *model;
    bool holds_model;   /* while it is read and answered */
    bool wants_adapter; /* its model's name is an adapter's */
    ct_openai_options options;
    ct_openai_adapters adapters; /* that the options have */
    char fingerprint[40];        /* of the model, and of the adapters that answer */
    uint64_t used;               /* adapters that answer: bit i is the i-th of `adapters` */
    carat_adapter *loaded;       /* by a worker for it, until it is the model's */
    ct_talk_scene scene;
    ct_openai_list unknown; /* of a route that does not generate: fields that nobody knows */
    ct_talk *talk;
    ct_call_ask *asks;
    struct ct_pulling *pulling; /* Ollama's /api/pull: a thread that works for it; else NULL */
    size_t n_submitted;         /* requests of the engine; the others follow when it has room for them */
    size_t n_open;              /* of these, those that have not ended */
    ct_buf out;
    bool has_failed; /* a worker has found a fault */
    ct_openai_fault fault;
    ct_task task;
    ct_call *before, *next;
    /* What is logged and counted. */
    int status;
    double queued_at, first_at, last_at; /* submitted; first and latest token */
    size_t n_prompt, n_cached, n_generated;
};

/* Of http/. */
void ct_call_on_head(void *s, ct_http_exchange *x);
void ct_call_on_request(void *s, ct_http_exchange *x);
void ct_call_on_refused(void *s, ct_http_exchange *x, ct_http_refusal why);
void ct_call_on_gone(void *s, ct_http_exchange *x);
/* Of the engine's queue. */
void ct_call_on_event(const carat_event *event);
/* Its model has been loaded, or could not be. */
void ct_call_on_model(ct_call *c);
/* Once a second: keeps a silent stream alive. */
void ct_call_tick(ct_call *c, double now);

/* Replies in the words of the route's protocol. */
void ct_call_refuse(ct_call *c, const ct_openai_fault *f);
/* A reply in JSON, which is taken; NULL: there was no memory for it. */
void ct_call_reply_json(ct_call *c, int status, json_t *body);
void ct_call_reply_text(ct_call *c, int status, const char *type, const char *text);

#endif
