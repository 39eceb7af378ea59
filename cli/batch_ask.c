/* A line of the input -> a request: every field is honoured, known to mean nothing here, or refused by name.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "batch.h"

#define MAX_STOPS          16
#define COMPLETION_DEFAULT 16 /* tokens, OpenAI's */

/* ---- faults ---- */

bool batch_refuse(batch_fault *f, int status, const char *code, const char *param, const char *fmt, ...)
{
    char msg[sizeof f->err.msg];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    ct_fail(&f->err, CARAT_EARG, CARAT_NOWHERE, "%s", msg);
    f->status = status;
    f->code = code;
    snprintf(f->param, sizeof f->param, "%s", param);
    return false;
}

bool batch_refuse_err(batch_fault *f, const char *param)
{
    carat_code c = f->err.code;
    bool is_ours = c == CARAT_ENOMEM || c == CARAT_ENUMERIC || c == CARAT_ETIME || c == CARAT_ECANCELLED;
    f->status = is_ours ? 500 : 400;
    f->code = is_ours ? "server_error" : c == CARAT_ECONTEXT ? "context_length_exceeded" : "invalid_value";
    snprintf(f->param, sizeof f->param, "%s", is_ours ? "" : param);
    return false;
}

static bool no_memory(batch_fault *f)
{
    ct_fail(&f->err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a request");
    return batch_refuse_err(f, "");
}

/* ---- fields that cannot be honoured ---- */

/* null, false, 0, "", [] and {} ask for nothing. */
static bool asks(const json_t *v)
{
    switch (v ? json_typeof(v) : JSON_NULL) {
    case JSON_NULL:
    case JSON_FALSE:
        return false;
    case JSON_STRING:
        return json_string_length(v) > 0;
    case JSON_ARRAY:
        return json_array_size(v) > 0;
    case JSON_OBJECT:
        return json_object_size(v) > 0;
    case JSON_INTEGER:
    case JSON_REAL:
        return json_number_value(v) != 0;
    default:
        return true;
    }
}

static const char *text_of(const json_t *v)
{
    const char *s = json_string_value(v);
    return s ? s : "";
}

static bool is_text_only(const json_t *modalities)
{
    return json_array_size(modalities) == 1 && strcmp(text_of(json_array_get(modalities, 0)), "text") == 0;
}

/* A choice of tools where there are none changes nothing, unless it asks for a call. */
static bool is_no_choice(const json_t *v)
{
    return strcmp(text_of(v), "none") == 0 || strcmp(text_of(v), "auto") == 0;
}

static bool refuse_unknown_wishes(const json_t *body, batch_fault *f)
{
    static const char *const never[] = {
        "tools",
        "functions",
        "grammar",
        "json_schema",
        "guided_json",
        "guided_regex",
        "guided_choice",
        "guided_grammar",
        "structured_outputs",
        "audio",
        "suffix",
        "min_tokens",
        "echo",
        "stream",
        "bad_words",
        "prompt_logprobs",
    };
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        if (asks(json_object_get(body, never[i])))
            return batch_refuse(f, 400, "unsupported_parameter", never[i], "'%s' cannot be honoured in a batch",
                                never[i]);
    const json_t *format = json_object_get(body, "response_format");
    if (asks(format) && strcmp(text_of(json_object_get(format, "type")), "text") != 0)
        return batch_refuse(f, 400, "unsupported_value", "response_format",
                            "'response_format' can only be of type text in a batch");
    const json_t *modalities = json_object_get(body, "modalities");
    if (asks(modalities) && !is_text_only(modalities))
        return batch_refuse(f, 400, "unsupported_value", "modalities", "'modalities' can only be [\"text\"]");
    for (int i = 0; i < 2; i++) {
        const char *name = i ? "function_call" : "tool_choice";
        const json_t *choice = json_object_get(body, name);
        if (asks(choice) && !is_no_choice(choice))
            return batch_refuse(f, 400, "unsupported_parameter", name,
                                "'%s' cannot be honoured: there are no tools here", name);
    }
    return true;
}

/* ---- numbers ---- */

static bool read_int(const json_t *body, const char *key, int64_t min, int64_t max, int64_t *to, batch_fault *f)
{
    return ct_json_int(body, "body", key, min, max, to, &f->err) || batch_refuse_err(f, key);
}

static bool read_float(const json_t *body, const char *key, double min, double max, float *to, batch_fault *f)
{
    double v = (double)*to;
    if (!ct_json_num(body, "body", key, &v, &f->err))
        return batch_refuse_err(f, key);
    if (!(v >= min && v <= max))
        return batch_refuse(f, 400, "invalid_value", key, "body: '%s' is %g, expected %g to %g", key, v, min, max);
    *to = (float)v;
    return true;
}

/* A batch that is given again draws the same, whatever the order of its lines: each has its own seed, from the batch's
 * and its custom_id (FNV-1a). */
static uint64_t seed_of_line(uint64_t seed, const char *id)
{
    uint64_t h = 0xcbf29ce484222325u ^ seed;
    for (; *id; id++)
        h = (h ^ (unsigned char)*id) * 0x100000001b3u;
    return h;
}

static bool read_sampling(const json_t *body, const batch_ask *a, carat_sampling *s, batch_fault *f)
{
    int64_t top_k = s->top_k, seed = 0;
    bool ok = read_float(body, "temperature", 0, 100, &s->temperature, f) &&
              read_float(body, "top_p", 0, 1, &s->top_p, f) && read_float(body, "min_p", 0, 1, &s->min_p, f) &&
              read_float(body, "repeat_penalty", 0.01, 100, &s->repetition_penalty, f) &&
              read_float(body, "repetition_penalty", 0.01, 100, &s->repetition_penalty, f) &&
              read_float(body, "presence_penalty", -100, 100, &s->presence_penalty, f) &&
              read_float(body, "frequency_penalty", -100, 100, &s->frequency_penalty, f) &&
              read_int(body, "top_k", -1, 1 << 30, &top_k, f) && read_int(body, "seed", INT64_MIN, INT64_MAX, &seed, f);
    s->top_k = top_k < 0 ? 0 : (int)top_k; /* -1 is another word for off */
    const json_t *given = json_object_get(body, "seed");
    s->seed = given && !json_is_null(given) ? (uint64_t)seed : seed_of_line(s->seed, a->custom_id);
    return ok;
}

static bool read_max_tokens(const json_t *body, bool is_chat, size_t deflt, size_t *to, batch_fault *f)
{
    int64_t old = 0, v = 0;
    if (!read_int(body, "max_tokens", 1, 1 << 30, &old, f) ||
        (is_chat && !read_int(body, "max_completion_tokens", 1, 1 << 30, &v, f)))
        return false;
    v = v ? v : old;
    *to = v ? (size_t)v : deflt || is_chat ? deflt : COMPLETION_DEFAULT;
    return true;
}

static bool read_answers(const json_t *body, size_t n_sessions, size_t *to, batch_fault *f)
{
    int64_t n = 1, best_of;
    if (!read_int(body, "n", 1, BATCH_MAX_ANSWERS, &n, f))
        return false;
    best_of = n;
    if (!read_int(body, "best_of", 1, BATCH_MAX_ANSWERS, &best_of, f))
        return false;
    if (best_of != n)
        return batch_refuse(f, 400, "unsupported_value", "best_of", "'best_of' other than 'n' cannot be honoured");
    *to = (size_t)n;
    return (size_t)n <= n_sessions ||
           batch_refuse(f, 400, "invalid_value", "n", "body: 'n' is %lld, --parallel is %zu", (long long)n, n_sessions);
}

/* ---- the rest ---- */

static bool read_logprobs(const json_t *body, batch_ask *a, batch_fault *f)
{
    int64_t n = 0;
    const json_t *v = json_object_get(body, "logprobs");
    if (a->is_chat) {
        if (!ct_json_bool(body, "body", "logprobs", &a->has_logprobs, &f->err))
            return batch_refuse_err(f, "logprobs");
        if (!read_int(body, "top_logprobs", 0, 20, &n, f))
            return false;
        if (n && !a->has_logprobs)
            return batch_refuse(f, 400, "invalid_value", "top_logprobs", "'top_logprobs' needs 'logprobs' to be true");
    } else {
        a->has_logprobs = v && !json_is_null(v) && !json_is_false(v);
        if (a->has_logprobs && !read_int(body, "logprobs", 0, 20, &n, f))
            return false;
    }
    a->request.generation.logprobs = a->has_logprobs;
    a->request.generation.n_top = (int)n;
    return true;
}

static bool add_stop(batch_ask *a, const json_t *v, batch_fault *f)
{
    carat_generation *g = &a->request.generation;
    const char *s = json_string_value(v);
    if (!s || !*s || strlen(s) != json_string_length(v))
        return batch_refuse(f, 400, "invalid_value", "stop",
                            "body: 'stop' holds %s, expected texts of one byte or more",
                            s ? (*s ? "a NUL character" : "an empty text") : ct_json_kind(v));
    a->stops[g->n_stops++] = s;
    return true;
}

static bool read_stops(const json_t *body, batch_ask *a, batch_fault *f)
{
    const json_t *v = json_object_get(body, "stop");
    if (!v || json_is_null(v))
        return true;
    size_t n = json_is_array(v) ? json_array_size(v) : 1;
    if (n > MAX_STOPS)
        return batch_refuse(f, 400, "invalid_value", "stop", "body: 'stop' has %zu texts, expected at most %d", n,
                            MAX_STOPS);
    a->stops = calloc(n + 1, sizeof *a->stops);
    if (!a->stops)
        return no_memory(f);
    a->request.generation.stops = a->stops;
    for (size_t i = 0; i < n; i++)
        if (!add_stop(a, json_is_array(v) ? json_array_get(v, i) : v, f))
            return false;
    return true;
}

/* {"token id": -100..100}; -100 bans. Those of the command line stay where the line does not speak of the token. */
static bool read_bias(const json_t *body, const carat_engine *e, batch_ask *a, batch_fault *f)
{
    json_t *all = json_object_get(body, "logit_bias"), *v;
    carat_sampling *s = &a->request.generation.sampling;
    const char *key;
    if (!all || json_is_null(all))
        return true;
    if (!json_is_object(all))
        return batch_refuse(f, 400, "invalid_value", "logit_bias", "body: 'logit_bias' is %s, expected an object",
                            ct_json_kind(all));
    a->bias = calloc(s->n_bias + json_object_size(all) + 1, sizeof *a->bias);
    if (!a->bias)
        return no_memory(f);
    size_t n = 0, n_vocab = carat_engine_info(e)->n_vocab;
    json_object_foreach(all, key, v) {
        char *end;
        errno = 0;
        long id = strtol(key, &end, 10);
        double x = json_number_value(v);
        if (end == key || *end || errno || id < 0 || (size_t)id >= n_vocab || !json_is_number(v) || !(fabs(x) <= 100))
            return batch_refuse(f, 400, "invalid_value", "logit_bias",
                                "body: 'logit_bias' of '%.20s', expected an id below %zu and a number of -100 to 100",
                                key, n_vocab);
        a->bias[n++] = (carat_bias){ (int32_t)id, x == -100 ? -INFINITY : (float)x };
    }
    for (size_t i = 0, n_own = n; i < s->n_bias; i++) {
        size_t k = 0;
        while (k < n_own && a->bias[k].id != s->bias[i].id)
            k++;
        if (k == n_own)
            a->bias[n++] = s->bias[i];
    }
    s->bias = a->bias;
    s->n_bias = n;
    return true;
}

/* ---- the line ---- */

bool batch_ask_parse(batch_ask *a, const char *line, size_t len, batch_fault *f)
{
    if (!ct_json_parse("the line", line, len, &a->line, &f->err))
        return batch_refuse_err(f, "");
    if (!json_is_object(a->line))
        return batch_refuse(f, 0, "invalid_json_line", "", "the line is %s, expected an object", ct_json_kind(a->line));
    const json_t *id = json_object_get(a->line, "custom_id");
    const char *s = json_string_value(id);
    if (!s || !*s || strlen(s) != json_string_length(id))
        return batch_refuse(f, 0, "missing_required_parameter", "custom_id", "'custom_id' is %s, expected a text",
                            !id ? "missing"
                            : s ? (*s ? "a text with a NUL character" : "empty")
                                : ct_json_kind(id));
    a->custom_id = s;
    return true;
}

static bool check_envelope(batch_ask *a, batch_fault *f)
{
    const char *method = text_of(json_object_get(a->line, "method")), *url = text_of(json_object_get(a->line, "url"));
    if (strcmp(method, "POST") != 0)
        return batch_refuse(f, 0, "invalid_method", "method", "'method' is '%.40s', expected POST", method);
    a->is_chat = strcmp(url, "/v1/chat/completions") == 0;
    if (!a->is_chat && strcmp(url, "/v1/completions") != 0)
        return batch_refuse(f, 0, "invalid_url", "url",
                            "'url' is '%.80s', expected /v1/chat/completions or /v1/completions", url);
    return json_is_object(json_object_get(a->line, "body")) ||
           batch_refuse(f, 0, "missing_required_parameter", "body", "'body' is missing or no object");
}

bool batch_ask_fill(batch_ask *a, carat_engine *e, const batch_options *o, size_t n_sessions, batch_fault *f)
{
    if (!check_envelope(a, f))
        return false;
    const json_t *body = json_object_get(a->line, "body");
    carat_generation *g = &a->request.generation;
    g->sampling = o->sampling;
    if (!refuse_unknown_wishes(body, f) || !read_sampling(body, a, &g->sampling, f) ||
        !read_max_tokens(body, a->is_chat, o->max_tokens, &g->max_tokens, f) ||
        !read_answers(body, n_sessions, &a->request.n_answers, f) || !read_logprobs(body, a, f) ||
        !read_stops(body, a, f) || !read_bias(body, e, a, f))
        return false;
    if (!ct_json_bool(body, "body", "ignore_eos", &g->ignore_eos, &f->err))
        return batch_refuse_err(f, "ignore_eos");
    if (!(a->is_chat ? batch_prompt_chat(body, e, o, &a->prompt, f) : batch_prompt_text(body, e, &a->prompt, f)))
        return false;
    a->request.prompt = a->prompt;
    return true;
}

void batch_ask_deinit(batch_ask *a)
{
    carat_prompt_free(a->prompt);
    free(a->bias);
    free(a->stops);
    json_decref(a->line);
}
