/* inside.h - what the files of this room share.
 *
 *     server.c        opening, the loop, signals, the end
 *     listen.c        addresses, sockets
 *     descriptors.c   as many as connections need
 *     call.c          the life of a request
 *     call_head.c     its headers
 *     call_run.c      its part with the engine
 *     call_reply.c    replies of JSON, faults, headers that every reply has
 *     routes.c        the table of paths
 *     page.c          the chat page
 *     digest.c        what identifies a model's files
 *     ollama.c        what is said of models in Ollama's words
 *     pull.c          pulling and deleting models
 *     plan.c          what the page asks before it sends: the crops of an image, what models need
 *     state.c         routes that the server's own state answers
 *     natives.c       of them those in llama-server's words
 *     stored.c        of them those of stored responses
 *     models*.c       models by name
 *     adapters.c      LoRA adapters that clients load and unload
 *     workers.c       threads for what takes long
 *     metrics*.c      what is counted, as text; counted.c: what of a request is
 *     guard.c         who may call: keys, origins, hosts
 *     log.c           a line a request
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SERVER_INSIDE_H
#define CT_SERVER_INSIDE_H

#include "server/call.h"
#include "server/guard.h"

struct ct_server {
    ct_server_options o;
    ct_http *http;
    ct_workers *workers;
    ct_models *models;
    ct_guard *guard;
    ct_metrics *metrics;
    carat_queue *queue;
    struct ct_responses_store *responses;
    ct_call *calls;
    int epoll, signals;
    int ollama_listener; /* where clients expect Ollama; -1: nowhere */
    bool drains;
    double drain_until; /* then what still runs is cut; 0: not draining */
    double next_tick;
    bool was_ready;    /* some model was loaded once */
    carat_err failure; /* of the first model, before any was */
    int64_t started;   /* seconds since 1970 */
    char *urls[CT_HTTP_MAX_LISTEN];
    size_t n_urls;
    uint64_t n_calls;
    size_t n_lost_lines; /* of the log: nobody took them */
};

/* listen.c: opens what the options name; urls for people. */
bool ct_server_listen(ct_server *s, carat_err *err);

/* descriptors.c: raises their limit for o.max_connections; where that is not allowed, lowers o.max_connections and says so. */
void ct_server_want_descriptors(ct_server *s);

/* log.c */
void ct_server_log_call(const ct_call *c);
void ct_server_log(ct_server *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* call.c: the name of the model that the body gives, as `model` or, in Ollama's older words, as `name`. NULL: none, or no text. */
const char *ct_call_wanted(const ct_call *c);

/* call_run.c: gives what read has prepared to the engine. */
void ct_call_submit(ct_call *c);
void ct_call_free_talk(ct_call *c);

/* page.c, pull.c */
ct_state_fn ct_state_page, ct_state_pull, ct_state_delete;
void ct_pulling_tick(ct_call *c);  /* tells how far it is */
void ct_pulling_leave(ct_call *c); /* its client has left */

/* counted.c: a request has ended; a token has come; all that the engine was asked has ended. */
void ct_call_count(ct_call *c);
void ct_call_count_token(ct_call *c, size_t ask, size_t answer, double now);
void ct_call_count_talk(ct_call *c);
ct_state_fn ct_state_metrics;

/* state.c */
ct_state_fn ct_state_openapi, ct_state_health, ct_state_ready, ct_state_load, ct_state_unload;
/* natives.c */
ct_state_fn ct_state_models, ct_state_model, ct_state_props, ct_state_slots, ct_state_adapters, ct_state_set_adapters;

/* ollama.c */
ct_state_fn ct_state_tags, ct_state_ps, ct_state_show, ct_state_ollama_version;
/* A request in Ollama's words says how long its model is to stay. False: it is replied to. */
bool ct_call_keep(ct_call *c);
/* stored.c */
ct_state_fn ct_state_response, ct_state_delete_response, ct_state_cancel_response;

/* adapters.c */
ct_ask_fn ct_ask_load_adapter;
ct_state_fn ct_state_loaded_adapter, ct_state_unload_adapter;
/* Those that were unloaded and no call has any more go; once a second, too. */
void ct_adapters_tick(ct_server *s);
/* A model has been loaded: those of its adapters that could not be are forgotten. */
void ct_adapters_drop_lost(ct_server *s, ct_model *m);

/* plan.c */
ct_ask_fn ct_ask_crops, ct_ask_weigh;

/* Requests are refused from now on, and the loop ends with the last of those that run. */
void ct_server_drain(ct_server *s);

#endif
