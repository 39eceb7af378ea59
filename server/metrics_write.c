/* Metrics as text: a family's samples stand together, behind its HELP and TYPE.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <string.h>

#include "server/metrics_inside.h"

/* ---- lines ---- */

static void put_head(ct_buf *out, const char *name, const char *type, const char *help)
{
    ct_buf_fmt(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type); /* helps are ours: nothing to escape */
}

static void put_label(ct_buf *out, const char *key, const char *value)
{
    ct_buf_fmt(out, "%s=\"", key);
    for (const char *s = value; *s; s++)
        if (*s == '\\' || *s == '"')
            ct_buf_fmt(out, "\\%c", *s);
        else if (*s == '\n')
            ct_buf_str(out, "\\n");
        else
            ct_buf_char(out, *s);
    ct_buf_char(out, '"');
}

static void put_value(ct_buf *out, double v)
{
    ct_buf_fmt(out, " %.15g\n", v);
}

/* A sample with one label, or (NULL) none. */
static void put(ct_buf *out, const char *name, const char *key, const char *value, double v)
{
    ct_buf_str(out, name);
    if (key) {
        ct_buf_char(out, '{');
        put_label(out, key, value);
        ct_buf_char(out, '}');
    }
    put_value(out, v);
}

static void put_one(ct_buf *out, const char *name, const char *type, const char *help, double v)
{
    put_head(out, name, type, help);
    put(out, name, NULL, NULL, v);
}

/* ---- figures of models ---- */

static void put_histogram(ct_buf *out, const char *name, const char *key, const char *model, const ct_histogram *h)
{
    uint64_t sum = 0;
    for (size_t i = 0; i <= h->buckets->n; i++) {
        sum += h->n[i];
        ct_buf_fmt(out, "%s_bucket{", name);
        put_label(out, key, model);
        if (i < h->buckets->n)
            ct_buf_fmt(out, ",le=\"%g\"}", h->buckets->le[i]);
        else
            ct_buf_str(out, ",le=\"+Inf\"}");
        ct_buf_fmt(out, " %llu\n", (unsigned long long)sum);
    }
    ct_buf_fmt(out, "%s_sum{", name);
    put_label(out, key, model);
    ct_buf_fmt(out, "} %.9g\n%s_count{", h->sum, name);
    put_label(out, key, model);
    ct_buf_fmt(out, "} %llu\n", (unsigned long long)h->count);
}

typedef struct histogram_name {
    const char *name, *vllm, *help;
    size_t at; /* in ct_metrics_of */
} histogram_name;

static const histogram_name histograms[] = {
    { "carat_time_to_first_token_seconds", "vllm:time_to_first_token_seconds",
      "From a request's arrival to its first token.", offsetof(ct_metrics_of, first) },
    { "carat_time_between_tokens_seconds", "vllm:inter_token_latency_seconds", "Between two tokens of an answer.",
      offsetof(ct_metrics_of, gap) },
    { "carat_request_seconds", "vllm:e2e_request_latency_seconds", "From a request's arrival to the end of its reply.",
      offsetof(ct_metrics_of, whole) },
    { "carat_queue_seconds", "vllm:request_queue_time_seconds",
      "How long a request has waited for a place in the engine.", offsetof(ct_metrics_of, queue) },
};

static void put_histograms(ct_buf *out, const ct_metrics *m, bool is_vllm)
{
    for (size_t i = 0; i < sizeof histograms / sizeof *histograms; i++) {
        const histogram_name *h = &histograms[i];
        const char *name = is_vllm ? h->vllm : h->name;
        put_head(out, name, "histogram", h->help);
        for (const ct_metrics_of *of = m->models; of; of = of->next)
            put_histogram(out, name, is_vllm ? "model_name" : "model", of->model,
                          (const ct_histogram *)((const char *)of + h->at));
    }
}

typedef struct counter_name {
    const char *name, *vllm, *help;
    size_t at; /* a uint64_t in ct_metrics_of */
} counter_name;

static const counter_name counters[] = {
    { "carat_prompt_tokens_total", "vllm:prompt_tokens_total", "Tokens of prompts, cached ones too.",
      offsetof(ct_metrics_of, n_prompt) },
    { "carat_generated_tokens_total", "vllm:generation_tokens_total", "Tokens of answers.",
      offsetof(ct_metrics_of, n_generated) },
    { "carat_prefix_cache_hit_tokens_total", "vllm:prefix_cache_hits_total",
      "Tokens of prompts that the prefix cache held.", offsetof(ct_metrics_of, n_cached) },
    { NULL, "vllm:prefix_cache_queries_total", "Tokens of prompts that the prefix cache was asked for.",
      offsetof(ct_metrics_of, n_prompt) },
};

static void put_counters(ct_buf *out, const ct_metrics *m, bool is_vllm)
{
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++) {
        const char *name = is_vllm ? counters[i].vllm : counters[i].name;
        if (!name)
            continue;
        put_head(out, name, "counter", counters[i].help);
        for (const ct_metrics_of *of = m->models; of; of = of->next) {
            uint64_t v;
            memcpy(&v, (const char *)of + counters[i].at, sizeof v);
            put(out, name, is_vllm ? "model_name" : "model", of->model, (double)v);
        }
    }
}

/* ---- figures of engines ---- */

typedef struct engine_name {
    const char *name, *type, *help;
    size_t at; /* in carat_stats, or in carat_memory */
    enum { OF_STATS, OF_STATS_SIZE, OF_STATS_REAL, OF_MEMORY } of;
} engine_name;

#define STATS(field) offsetof(carat_stats, field)
static const engine_name engine_names[] = {
    { "carat_answers_running", "gauge", "Answers that are generated or read for now.", STATS(running), OF_STATS_SIZE },
    { "carat_answers_waiting", "gauge", "Answers that wait for a place.", STATS(queued), OF_STATS_SIZE },
    { "carat_kv_used_bytes", "gauge", "Keys and values in use, those of the prefix cache too.", STATS(kv_bytes_used),
      OF_STATS },
    { "carat_kv_promised_bytes", "gauge", "Keys and values that running answers may come to need.",
      STATS(kv_bytes_promised), OF_STATS },
    { "carat_kv_reserved_bytes", "gauge", "Memory for keys and values.", 0, OF_MEMORY },
    { "carat_engine_steps_total", "counter", "Steps of the engine since it was loaded.", STATS(steps), OF_STATS },
    { "carat_engine_busy_seconds_total", "counter", "Time within steps.", STATS(busy_seconds), OF_STATS_REAL },
    { "carat_drafted_tokens_total", "counter", "Tokens of answers that were guessed and evaluated.",
      STATS(drafted_tokens), OF_STATS },
    { "carat_accepted_tokens_total", "counter", "Tokens that were guessed right.", STATS(accepted_tokens), OF_STATS },
    { "carat_images_encoded_total", "counter", "Views of pictures that were encoded.", STATS(images_encoded),
      OF_STATS },
    { "carat_images_cached_total", "counter", "Views of pictures that were found encoded.", STATS(images_cached),
      OF_STATS },
    { "carat_image_encode_seconds_total", "counter", "Time of encoding pictures.", STATS(image_seconds),
      OF_STATS_REAL },
    { "carat_answers_done_total", "counter", "Answers that came to their end.", STATS(requests_done), OF_STATS },
    { "carat_answers_failed_total", "counter", "Answers that failed.", STATS(requests_failed), OF_STATS },
    { "carat_answers_cancelled_total", "counter", "Answers that were cancelled.", STATS(requests_cancelled), OF_STATS },
    { "carat_prefix_cache_evictions_total", "counter", "Pages of the prefix cache that were given to others.",
      STATS(evictions), OF_STATS },
};

static uint64_t kv_reserved(const carat_memory *memory)
{
    return memory->kv_global + memory->kv_local + memory->kv_index;
}

static double figure_of(const engine_name *n, const ct_metrics_engine *e)
{
    const char *at = (const char *)e->stats + n->at;
    uint64_t whole;
    double real;
    size_t size;
    switch (n->of) {
    case OF_STATS:
        memcpy(&whole, at, sizeof whole);
        return (double)whole;
    case OF_STATS_SIZE:
        memcpy(&size, at, sizeof size);
        return (double)size;
    case OF_STATS_REAL:
        memcpy(&real, at, sizeof real);
        return real;
    case OF_MEMORY:
    default:
        return (double)kv_reserved(e->memory);
    }
}

static void put_engines(ct_buf *out, const ct_metrics_facts *facts)
{
    for (size_t i = 0; i < sizeof engine_names / sizeof *engine_names; i++) {
        const engine_name *n = &engine_names[i];
        put_head(out, n->name, n->type, n->help);
        for (size_t k = 0; k < facts->n_engines; k++)
            put(out, n->name, "model", facts->engines[k].model, figure_of(n, &facts->engines[k]));
    }
}

/* ---- the server ---- */

static void put_requests(ct_buf *out, const ct_metrics *m)
{
    put_head(out, "carat_requests_total", "counter",
             "Requests by the pattern of their path and the status of the reply.");
    for (size_t i = 0; i < m->n_counts; i++) {
        const ct_metrics_count *c = &m->counts[i];
        ct_buf_str(out, "carat_requests_total{");
        put_label(out, "method", c->method);
        ct_buf_char(out, ',');
        put_label(out, "route", c->route);
        ct_buf_fmt(out, ",status=\"%d\"} %llu\n", c->status, (unsigned long long)c->n);
    }
    put_one(out, "carat_requests_cancelled_total", "counter", "Requests whose clients left before the reply was whole.",
            (double)m->n_left);
}

static void put_server(ct_buf *out, const ct_metrics *m, const ct_metrics_facts *facts)
{
    put_head(out, "carat_build_info", "gauge", "The version that runs, and its kernels.");
    ct_buf_str(out, "carat_build_info{");
    put_label(out, "version", carat_version());
    ct_buf_char(out, ',');
    put_label(out, "isa", facts->isa);
    ct_buf_str(out, "} 1\n");
    put_one(out, "carat_start_time_seconds", "gauge", "When the server was started, in seconds since 1970.",
            facts->started);
    if (facts->resident)
        put_one(out, "carat_resident_memory_bytes", "gauge", "Memory of the process that is resident.",
                (double)facts->resident);
    put_one(out, "carat_requests_open", "gauge", "Requests that have come and have no whole reply yet.",
            (double)facts->n_calls);
    put_requests(out, m);
}

/* ---- the names of other servers ---- */

typedef struct sums {
    double prompt, computed, generated, reading, writing, steps, running, waiting, used, reserved, decoded;
} sums;

static sums sum_up(const ct_metrics *m, const ct_metrics_facts *facts)
{
    sums s = { 0 };
    for (const ct_metrics_of *of = m->models; of; of = of->next) {
        s.prompt += (double)of->n_prompt;
        s.computed += (double)(of->n_prompt - of->n_cached);
        s.generated += (double)of->n_generated;
        s.reading += of->reading;
        s.writing += of->writing;
    }
    for (size_t i = 0; i < facts->n_engines; i++) {
        const carat_stats *e = facts->engines[i].stats;
        s.steps += (double)e->steps;
        s.decoded += (double)e->generated_tokens;
        s.running += (double)e->running;
        s.waiting += (double)e->queued;
        s.used += (double)e->kv_bytes_used;
        s.reserved += (double)kv_reserved(facts->engines[i].memory);
    }
    return s;
}

static double share(double a, double b)
{
    return b > 0 ? a / b : 0;
}

static void put_llamacpp(ct_buf *out, const sums *s)
{
    put_one(out, "llamacpp:prompt_tokens_total", "counter", "Tokens of prompts that were computed.", s->computed);
    put_one(out, "llamacpp:prompt_seconds_total", "counter", "Time of reading prompts.", s->reading);
    put_one(out, "llamacpp:tokens_predicted_total", "counter", "Tokens of answers.", s->generated);
    put_one(out, "llamacpp:tokens_predicted_seconds_total", "counter", "Time of generating answers.", s->writing);
    put_one(out, "llamacpp:n_decode_total", "counter", "Steps of the engines.", s->steps);
    put_one(out, "llamacpp:n_busy_slots_per_decode", "gauge", "Answers in a step, on average.",
            share(s->decoded, s->steps));
    put_one(out, "llamacpp:prompt_tokens_seconds", "gauge", "Tokens of prompts a second, on average.",
            share(s->computed, s->reading));
    put_one(out, "llamacpp:predicted_tokens_seconds", "gauge", "Tokens of an answer a second, on average.",
            share(s->generated, s->writing));
    put_one(out, "llamacpp:kv_cache_usage_ratio", "gauge", "Keys and values in use, of the memory for them.",
            share(s->used, s->reserved));
    put_one(out, "llamacpp:requests_processing", "gauge", "Answers that are generated or read for now.", s->running);
    put_one(out, "llamacpp:requests_deferred", "gauge", "Answers that wait for a place.", s->waiting);
}

static void put_vllm_gauge(ct_buf *out, const ct_metrics_facts *facts, const char *name, const char *help,
                           double (*figure)(const ct_metrics_engine *e))
{
    put_head(out, name, "gauge", help);
    for (size_t i = 0; i < facts->n_engines; i++)
        put(out, name, "model_name", facts->engines[i].model, figure(&facts->engines[i]));
}

static double running(const ct_metrics_engine *e)
{
    return (double)e->stats->running;
}

static double waiting(const ct_metrics_engine *e)
{
    return (double)e->stats->queued;
}

static double kv_share(const ct_metrics_engine *e)
{
    return share((double)e->stats->kv_bytes_used, (double)kv_reserved(e->memory));
}

static void put_adapters(ct_buf *out, const ct_metrics_facts *facts)
{
    put_head(out, "vllm:lora_requests_info", "gauge", "Adapters that answers use.");
    ct_buf_fmt(out, "vllm:lora_requests_info{max_lora=\"%zu\",", facts->n_adapters);
    put_label(out, "running_lora_adapters", facts->running);
    ct_buf_str(out, ",");
    put_label(out, "waiting_lora_adapters", facts->waiting);
    ct_buf_str(out, "} 1\n");
}

static void put_vllm(ct_buf *out, const ct_metrics *m, const ct_metrics_facts *facts)
{
    put_vllm_gauge(out, facts, "vllm:num_requests_running", "Answers that are generated or read for now.", running);
    put_vllm_gauge(out, facts, "vllm:num_requests_waiting", "Answers that wait for a place.", waiting);
    put_vllm_gauge(out, facts, "vllm:kv_cache_usage_perc", "Keys and values in use, of the memory for them: 1 is all.",
                   kv_share);
    put_adapters(out, facts);
    put_counters(out, m, true);
    put_histograms(out, m, true);
}

bool ct_metrics_write(const ct_metrics *m, const ct_metrics_facts *facts, ct_buf *out)
{
    const sums s = sum_up(m, facts);
    put_server(out, m, facts);
    put_counters(out, m, false);
    put_histograms(out, m, false);
    put_engines(out, facts);
    if (facts->names == CT_METRICS_LLAMACPP)
        put_llamacpp(out, &s);
    if (facts->names == CT_METRICS_VLLM)
        put_vllm(out, m, facts);
    return !out->failed;
}
