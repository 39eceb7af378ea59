/* What is counted: requests, and the times and tokens of answers, by model.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "server/metrics_inside.h"

/* An image takes seconds, a long answer minutes; a token a small part of a second. */
const ct_buckets ct_buckets_requests = {
    16, { 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900 }
};
const ct_buckets ct_buckets_gaps = { 12, { 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5 } };

bool ct_metrics_open(ct_metrics **out, carat_err *err)
{
    *out = calloc(1, sizeof **out);
    return *out || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the metrics");
}

void ct_metrics_close(ct_metrics *m)
{
    if (!m)
        return;
    while (m->models) {
        ct_metrics_of *of = m->models;
        m->models = of->next;
        free(of->model);
        free(of);
    }
    free(m->counts);
    free(m);
}

/* ---- requests ---- */

/* method and route are static texts, or the table's. */
static ct_metrics_count *count_of(ct_metrics *m, const char *method, const char *route, int status)
{
    for (size_t i = 0; i < m->n_counts; i++) {
        ct_metrics_count *c = &m->counts[i];
        if (c->status == status && strcmp(c->method, method) == 0 && strcmp(c->route, route) == 0)
            return c;
    }
    if (m->n_counts == m->cap_counts) {
        const size_t cap = m->cap_counts ? 2 * m->cap_counts : 32;
        ct_metrics_count *counts = realloc(m->counts, cap * sizeof *counts);
        if (!counts)
            return NULL;
        m->counts = counts;
        m->cap_counts = cap;
    }
    m->counts[m->n_counts] = (ct_metrics_count){ method, route, status, 0 };
    return &m->counts[m->n_counts++];
}

/* Others than these are one: a client chooses the text. */
static const char *known_method(const char *method)
{
    static const char *const known[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS" };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(method, known[i]) == 0)
            return known[i];
    return "other";
}

void ct_metrics_request(ct_metrics *m, const char *method, const char *route, int status, bool was_left)
{
    ct_metrics_count *c = count_of(m, known_method(method), route, status);
    m->n_left += was_left;
    if (c)
        c->n++;
    else
        m->n_lost++;
}

/* ---- models ---- */

static void observe(ct_histogram *h, const ct_buckets *buckets, double seconds)
{
    size_t i = 0;
    if (!(seconds >= 0) || isinf(seconds))
        return;
    h->buckets = buckets;
    while (i < buckets->n && seconds > buckets->le[i])
        i++;
    h->n[i]++;
    h->count++;
    h->sum += seconds;
}

static ct_metrics_of *find(ct_metrics *m, const char *model)
{
    ct_metrics_of *of = m->models;
    while (of && strcmp(of->model, model) != 0)
        of = of->next;
    if (of)
        return of;
    of = calloc(1, sizeof *of);
    if (!of || !(of->model = strdup(model))) {
        free(of);
        return NULL;
    }
    of->queue.buckets = of->first.buckets = of->whole.buckets = &ct_buckets_requests;
    of->gap.buckets = &ct_buckets_gaps;
    of->next = m->models;
    m->models = of;
    return of;
}

void ct_metrics_talk(ct_metrics *m, const char *model, const ct_metrics_talk_facts *facts)
{
    ct_metrics_of *of = find(m, model);
    if (!of)
        return;
    observe(&of->queue, &ct_buckets_requests, facts->queue);
    observe(&of->first, &ct_buckets_requests, facts->first);
    observe(&of->whole, &ct_buckets_requests, facts->whole);
    of->n_prompt += facts->n_prompt;
    of->n_cached += facts->n_cached;
    of->n_generated += facts->n_generated;
    of->reading += facts->reading > 0 ? facts->reading : 0;
    of->writing += facts->writing > 0 ? facts->writing : 0;
}

void ct_metrics_gap(ct_metrics *m, const char *model, double seconds)
{
    ct_metrics_of *of = find(m, model);
    if (of)
        observe(&of->gap, &ct_buckets_gaps, seconds);
}
