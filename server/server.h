/* server.h - `carat serve`: models by name, answered over HTTP in the protocols that programs speak.
 *
 *     http/  ──exchange──>  call  ──worker: parse, read──>  carat_request_submit  ──events──>  call  ──>  http/
 *
 * One thread, the loop's, runs all connections, takes all events and owns all state; whatever takes long is done by workers
 * (workers.h) and loaders (models.h), which tell the loop when they have finished. So nothing here has a lock, and no
 * handler waits for another.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SERVER_H
#define CT_SERVER_H

#include "openai/openai.h"
#include "server/metrics.h"

typedef struct ct_server ct_server;

typedef struct ct_server_model {
    const char *name; /* NULL: by its path */
    const char *path;
} ct_server_model;

/* Texts and lists are borrowed until the server is closed. */
typedef struct ct_server_options {
    const char *const *addresses; /* [n]: "127.0.0.1:8080", "[::1]:8080", "*:8080", "unix:/run/carat.sock" */
    size_t n_addresses;
    unsigned port;      /* of addresses that give none */
    const int *sockets; /* [n]: listen already: of systemd */
    size_t n_sockets;
    const ct_server_model *models; /* [n]; the first answers requests that name none */
    size_t n_models;
    bool is_ollama;            /* also listens where Ollama does, 127.0.0.1:11434 */
    bool allows_pull;          /* clients may pull and delete models */
    const char *adapter_files; /* the folder whose LoRA adapters clients may load; NULL: none */
    bool loads_first;          /* at once; it ends the server if it cannot be loaded */
    bool answers_any_name;     /* the first model answers to every name */
    carat_options engine;      /* of every model; n_sessions 0: 16, or what fits */
    ct_openai_options requests;
    bool has_seed; /* of requests.sampling: every request without one draws with it; else each with one of its own */
    unsigned sampling_given; /* carat_sampling_field: which of requests.sampling the operator gave; else the model's */
    const char *keys;        /* a file of keys, one a line; NULL: none is asked for */
    const char *const *origins; /* that pages may come from, besides this machine's; "*" */
    size_t n_origins;
    const char *const *hosts; /* names by which clients may call this server, besides this machine's; "*" */
    size_t n_hosts;
    const char *cert, *key; /* files; NULL: no TLS */
    size_t max_connections, max_body;
    double grace_seconds; /* running answers may take so long at the end */
    double idle_seconds;  /* a model that was not asked for so long is unloaded; INFINITY: never */
    size_t max_loaded;    /* engines at once; 0: as many as memory allows */
    ct_metric_names metric_names;
    bool logs_json, is_quiet;
} ct_server_options;

/* Listens, and begins to load the first model. Errors: CARAT_EARG (an address, a name twice), CARAT_EIO (an address that is
 * taken, a file), CARAT_ENOMEM. */
bool ct_server_open(const ct_server_options *o, ct_server **out, carat_err *err);
/* Until SIGTERM or SIGINT, which must be blocked in every thread; a second one ends it at once. Errors: of the first
 * model that could not be loaded. */
bool ct_server_run(ct_server *s, carat_err *err);
void ct_server_close(ct_server *s); /* accepts NULL */

/* Its i-th address as a URL, "http://127.0.0.1:8080", for people. NULL: past the last. */
const char *ct_server_url(const ct_server *s, size_t i);

#endif
