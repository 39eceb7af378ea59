/* talk.h - a request of any protocol and its reply, for a server that knows no protocol.
 *
 *     the server                                the protocol's table of functions (ct_talk_kind)
 *     a worker's thread:  body (JSON) ────────> read: what the engine is asked, n requests; or a fault
 *     the loop's thread:  submits them ───────> begin: first bytes of a stream
 *                         each event ─────────> event: bytes of a stream, perhaps none
 *                         all have ended ─────> end: last bytes of a stream, or the whole reply
 *                         anything failed ────> fault: the error, as a body or in a stream
 *
 * A protocol's own struct begins with a ct_talk. Functions of one talk are never called from two threads at once. None of
 * them waits for anything; what takes long (images, schemas, long prompts) is done in `read`.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_OPENAI_TALK_H
#define CT_OPENAI_TALK_H

#include "openai/openai.h"

#define CT_TALK_MAX_ASKS 1024 /* requests of the engine for one of a client */

typedef struct ct_talk ct_talk;

/* What a reply says of the server, and what the operator allows. Lives as long as the talk. */
typedef struct ct_talk_scene {
    carat_engine *engine;
    const char *model;       /* the name that the client asked for */
    const char *path;        /* of that model's files; NULL: it is none of this server's */
    const char *fingerprint; /* numerics id: model, kernels, cache, version */
    const ct_openai_options *options;
    double load_seconds;    /* this request has waited so long for its model to be loaded; 0: it was */
    const char *request_id; /* "x-request-id"; NULL: none */
    /* Where routes that do not generate list the fields that nobody knows, for "x-carat-ignored"; NULL: nowhere. */
    ct_openai_list *unknown;
    carat_adapter **loaded;               /* where a route that loads an adapter puts it; the server's */
    struct ct_responses_store *responses; /* those that were given lately; NULL: none is kept */
} ct_talk_scene;

typedef struct ct_talk_kind {
    size_t size;             /* of the protocol's struct */
    const char *stream_type; /* "text/event-stream", "application/x-ndjson"; NULL: it never streams */
    const char *ping;        /* bytes that keep a silent stream alive; NULL: none may be sent */
    /* Body (any JSON) -> t->asks, t->n, t->streams, t->ignored. Takes a reference to what it keeps of the body. False: f says
     * why; deinit follows in either case. */
    bool (*read)(ct_talk *t, json_t *body, ct_openai_fault *f);
    /* False, here and below: no memory, or a reply that must be cut; the server ends it. begin may be NULL. */
    bool (*begin)(ct_talk *t, ct_buf *out);
    bool (*event)(ct_talk *t, size_t ask, const carat_event *event, ct_buf *out);
    /* Where t->fault is set by then, and nothing was streamed, the server replies with it instead. */
    bool (*end)(ct_talk *t, ct_buf *out);
    /* Also of requests that were never read: then t is NULL. */
    bool (*fault)(const ct_talk *t, const ct_openai_fault *f, bool in_stream, ct_buf *out);
    void (*deinit)(ct_talk *t);
} ct_talk_kind;

struct ct_talk { /* zero-initialised, then kind and scene are set by the server */
    const ct_talk_kind *kind;
    const ct_talk_scene *scene;
    /* By read: */
    const carat_request_options *asks[CT_TALK_MAX_ASKS]; /* [n]; without queue and user, which the server adds */
    size_t n;
    bool streams;
    const char *ignored; /* names of fields that nobody knows, for "x-carat-ignored"; NULL: none */
    /* By the server, before begin: */
    carat_request *requests[CT_TALK_MAX_ASKS]; /* [n], until deinit: for carat_request_prompt */
    double began;                              /* ct_now() when the request had arrived */
    /* By event or end: why there is no whole reply. */
    bool has_failed;
    ct_openai_fault fault;
};

#endif
