/* "options" of a request -> settings of ours.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "ollama/inside.h"

/* Those that have another name with us, or the same. */
static const struct {
    const char *own, *ours;
} names[] = {
    { "seed", "seed" },
    { "temperature", "temperature" },
    { "top_k", "top_k" },
    { "top_p", "top_p" },
    { "min_p", "min_p" },
    { "repeat_penalty", "repeat_penalty" },
    { "presence_penalty", "presence_penalty" },
    { "frequency_penalty", "frequency_penalty" },
    { "stop", "stop" },
};

static bool copy(ct_ollama_reading *r, const json_t *options, const char *own, const char *ours)
{
    char path[64];
    json_t *v = json_object_get(options, own);
    snprintf(path, sizeof path, "options.%s", own);
    return !v || ct_ollama_set(r, ours, json_incref(v), path);
}

static bool read_int(ct_ollama_reading *r, const json_t *options, const char *key, int64_t min, int64_t max,
                     int64_t *to)
{
    char path[64];
    snprintf(path, sizeof path, "options.%s", key);
    return ct_json_int(options, "options", key, min, max, to, &r->f->err) || ct_openai_refuse_err(r->f, path);
}

/* Below 1 there is no limit: -1 is "endless", -2 "until the context is full", which is the same. */
static bool read_num_predict(ct_ollama_reading *r, const json_t *options)
{
    int64_t n = INT64_MAX;
    if (!read_int(r, options, "num_predict", -2, 1 << 30, &n))
        return false;
    r->extras.is_endless = n < 1;
    return n < 1 || n == INT64_MAX || ct_ollama_set(r, "max_tokens", json_integer(n), "options.num_predict");
}

static bool read_num_ctx(ct_ollama_reading *r, const json_t *options)
{
    const size_t most = carat_engine_n_ctx(r->engine);
    int64_t n = 0;
    if (!read_int(r, options, "num_ctx", 0, INT64_MAX, &n))
        return false;
    r->extras.n_ctx = (size_t)n;
    return r->extras.n_ctx <= most ||
           ct_openai_refuse(r->f, 400, "invalid_value", "options.num_ctx",
                            "options: 'num_ctx' is %lld, but the model was loaded with a context of %zu tokens",
                            (long long)n, most);
}

static bool read_repeat_last_n(ct_ollama_reading *r, const json_t *options)
{
    const size_t all = carat_engine_n_ctx(r->engine);
    int64_t n = INT64_MAX;
    if (!read_int(r, options, "repeat_last_n", -1, 1 << 20, &n))
        return false;
    n = n == -1 ? (int64_t)(all < 1 << 20 ? all : 1 << 20) : n; /* the whole context */
    r->extras.penalty_window = n == INT64_MAX ? -1 : (int)n;
    return true;
}

bool ct_ollama_options(ct_ollama_reading *r)
{
    const json_t *options = json_object_get(r->body, "options");
    r->extras.penalty_window = -1;
    if (!options || json_is_null(options))
        return true;
    if (!json_is_object(options))
        return ct_ollama_wrong(r, "options", options, "an object");
    if (!ct_ollama_check(options, CT_OLLAMA_OPTIONS, "options", r->ignored, r->f))
        return false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!copy(r, options, names[i].own, names[i].ours))
            return false;
    return read_num_predict(r, options) && read_num_ctx(r, options) && read_repeat_last_n(r, options);
}
