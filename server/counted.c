/* What of a request is counted, and GET /metrics.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/inside.h"

void ct_call_count(ct_call *c)
{
    const bool was_left = c->stage != CT_CALL_GONE && (!c->route || !c->route->state);
    ct_metrics_request(c->s->metrics, ct_http_method(c->x), c->route ? c->route->path : "other",
                       c->status ? c->status : 499, was_left);
}

void ct_call_count_token(ct_call *c, size_t ask, size_t answer, double now)
{
    double *last = answer < CT_OPENAI_MAX_ANSWERS ? &c->asks[ask].last_at[answer] : NULL;
    if (last && *last > 0)
        ct_metrics_gap(c->s->metrics, c->model->name, now - *last);
    if (last)
        *last = now;
}

/* When the first of its requests was given a place; 0: none was. */
static double placed_at(const ct_call *c)
{
    double first = 0;
    for (size_t i = 0; i < c->talk->n; i++) {
        carat_request_state s = { .struct_size = sizeof s };
        if (c->talk->requests[i] && carat_request_progress(c->talk->requests[i], &s, NULL) && s.started > 0 &&
            (first == 0 || s.started < first))
            first = s.started;
    }
    return first;
}

void ct_call_count_talk(ct_call *c)
{
    const double placed = placed_at(c);
    const ct_metrics_talk_facts facts = { .queue = placed > 0 ? placed - c->queued_at : -1,
                                          .first = c->first_at > 0 ? c->first_at - c->began : -1,
                                          .whole = ct_now() - c->began,
                                          .reading = c->first_at > 0 && placed > 0 ? c->first_at - placed : 0,
                                          .writing = c->last_at - c->first_at,
                                          .n_prompt = c->n_prompt,
                                          .n_cached = c->n_cached,
                                          .n_generated = c->n_generated };
    ct_metrics_talk(c->s->metrics, c->model->name, &facts);
}

/* ---- GET /metrics ---- */

static uint64_t resident_bytes(void)
{
    unsigned long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f)
        return 0;
    if (fscanf(f, "%*u %llu", &pages) != 1)
        pages = 0;
    fclose(f);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

typedef struct engines {
    ct_metrics_engine *v; /* [n] */
    carat_stats *stats;   /* [n] */
    size_t n;
} engines;

static bool find_engines(const ct_server *s, engines *to)
{
    size_t n = 0;
    for (const ct_model *m = ct_models_first(s->models); m; m = m->next)
        n++;
    *to = (engines){ .v = calloc(n + 1, sizeof *to->v), .stats = calloc(n + 1, sizeof *to->stats) };
    if (!to->v || !to->stats)
        return false;
    for (const ct_model *m = ct_models_first(s->models); m; m = m->next) {
        carat_stats *stats = &to->stats[to->n];
        stats->struct_size = sizeof *stats;
        if (m->state == CT_ENGINE_READY && carat_engine_stats(m->engine, stats, NULL))
            to->v[to->n++] = (ct_metrics_engine){ m->name, stats, carat_engine_memory(m->engine) };
    }
    return true;
}

/* Does an answer of it use the model's i-th adapter, or wait for a place to? */
static bool uses(const ct_call *c, const ct_model *m, size_t i, bool waiting)
{
    carat_request_state state = { .struct_size = sizeof state };
    const carat_adapter *a = m->adapters[i].is_later ? m->adapters[i].own : carat_engine_adapter(m->engine, i, NULL);
    if (c->model != m || c->stage != CT_CALL_RUN || !c->talk || !c->talk->requests[0] || !c->used ||
        !carat_request_progress(c->talk->requests[0], &state, NULL) || (state.stage == CARAT_REQUEST_QUEUED) != waiting)
        return false;
    for (size_t j = 0; j < c->adapters.n; j++)
        if (c->adapters.v[j].adapter == a)
            return c->used >> j & 1;
    return false;
}

/* Names of adapters that answers use, or that wait for a place. */
static bool name_adapters(const ct_server *s, bool waiting, ct_buf *out)
{
    for (const ct_model *m = ct_models_first(s->models); m; m = m->next)
        for (size_t i = 0; i < m->n_adapters && m->state == CT_ENGINE_READY; i++) {
            const ct_call *c = s->calls;
            while (c && !uses(c, m, i, waiting))
                c = c->next;
            if (c)
                ct_buf_fmt(out, "%s%s", out->len ? "," : "", m->adapters[i].name);
        }
    return ct_buf_str(out, "");
}

void ct_state_metrics(ct_call *c)
{
    ct_server *s = c->s;
    engines e;
    ct_buf text, running, waiting;
    ct_buf_init(&text, SIZE_MAX);
    ct_buf_init(&running, SIZE_MAX);
    ct_buf_init(&waiting, SIZE_MAX);
    bool ok = find_engines(s, &e) && name_adapters(s, false, &running) && name_adapters(s, true, &waiting);
    ct_metrics_facts facts = { .names = s->o.metric_names,
                               .engines = e.v,
                               .n_engines = e.n,
                               .isa = carat_best_isa(),
                               .started = (double)s->started,
                               .resident = resident_bytes(),
                               .running = running.data,
                               .waiting = waiting.data };
    for (const ct_model *m = ct_models_first(s->models); m; m = m->next)
        facts.n_adapters += m->n_adapters;
    for (const ct_model *m = ct_models_first(s->models); m; m = m->next)
        if (m->state == CT_ENGINE_READY)
            facts.isa = carat_engine_isa(m->engine);
    for (const ct_call *at = s->calls; at; at = at->next)
        facts.n_calls += at->x && at->stage != CT_CALL_GONE && at != c; /* this one is not counted */
    ok = ok && ct_metrics_write(s->metrics, &facts, &text);
    if (ok)
        ct_call_reply_text(c, 200, "text/plain; version=0.0.4; charset=utf-8", text.data);
    else
        ct_call_reply_json(c, 500, NULL);
    free(e.v);
    free(e.stats);
    ct_buf_deinit(&text);
    ct_buf_deinit(&running);
    ct_buf_deinit(&waiting);
}
