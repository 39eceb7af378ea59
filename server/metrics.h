/* metrics.h - what operators' dashboards read: counts and times of requests, and figures of the engines.
 *
 *     a request ends ──> ct_metrics_request        GET /metrics ──> ct_metrics_write ──> text of Prometheus, 0.0.4
 *     an answer     ──> ct_metrics_talk, ct_metrics_gap                  └ engines' own figures (carat_engine_stats)
 *
 * Counters only grow, a model's as long as the server runs: they are the server's own, so an engine that was unloaded takes
 * none along. One thread; nothing waits.
 *
 * Source: https://prometheus.io/docs/instrumenting/exposition_formats/, "Text-based format"
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SERVER_METRICS_H
#define CT_SERVER_METRICS_H

#include "base/buf.h"
#include "carat.h"

typedef struct ct_metrics ct_metrics;

/* Besides our own, which are there in any case: the names of another server. */
typedef enum ct_metric_names { CT_METRICS_CARAT, CT_METRICS_LLAMACPP, CT_METRICS_VLLM } ct_metric_names;

bool ct_metrics_open(ct_metrics **out, carat_err *err);
void ct_metrics_close(ct_metrics *m); /* accepts NULL */

/* A request has ended. route: the pattern of its path, "other" where there is none; status 499: its client left before there
 * was a reply. was_left: its client left before it was whole. No memory: it is counted under no route. */
void ct_metrics_request(ct_metrics *m, const char *method, const char *route, int status, bool was_left);

/* A request that was answered by a model. */
typedef struct ct_metrics_talk_facts {
    double queue, first,
        whole; /* seconds: waiting for a place, until the first token, until the end; < 0: there is none */
    double reading, writing; /* seconds: of these, from the place to the first token, from there to the last */
    uint64_t n_prompt, n_cached, n_generated; /* tokens */
} ct_metrics_talk_facts;
void ct_metrics_talk(ct_metrics *m, const char *model, const ct_metrics_talk_facts *facts);
/* Between two tokens of one answer. */
void ct_metrics_gap(ct_metrics *m, const char *model, double seconds);

typedef struct ct_metrics_engine { /* that is loaded now */
    const char *model;
    const carat_stats *stats;
    const carat_memory *memory;
} ct_metrics_engine;

typedef struct ct_metrics_facts {
    ct_metric_names names;
    const ct_metrics_engine *engines; /* [n_engines], no two of one model */
    size_t n_engines;
    size_t n_calls; /* requests that are open now */
    const char *isa;
    double started;    /* seconds since 1970 */
    uint64_t resident; /* bytes; 0: unknown */
    size_t n_adapters;
    const char *running, *waiting; /* names of adapters that answers use, and those that wait for a place: "a,b" */
} ct_metrics_facts;

/* False: no memory. */
bool ct_metrics_write(const ct_metrics *m, const ct_metrics_facts *facts, ct_buf *out);

#endif
