/* A request's body -> what the engine is asked.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "openai/fields.h"
#include "openai/inside.h"

#define COMPLETION_DEFAULT 16                 /* tokens, OpenAI's */
#define MAX_PREDICTION     ((size_t)64 << 20) /* bytes: as a body may be long */

/* ---- numbers ---- */

static bool read_int(const json_t *body, const char *key, int64_t min, int64_t max, int64_t *to, ct_openai_fault *f)
{
    return ct_json_int(body, "body", key, min, max, to, &f->err) || ct_openai_refuse_err(f, key);
}

static bool read_float(const json_t *body, const char *key, double min, double max, float *to, ct_openai_fault *f)
{
    const json_t *given = json_object_get(body, key);
    double v = 0;
    if (!given || json_is_null(given))
        return true;
    if (!ct_json_num(body, "body", key, &v, &f->err))
        return ct_openai_refuse_err(f, key);
    if (!(v >= min && v <= max))
        return ct_openai_refuse(f, 400, "invalid_value", key, "body: '%s' is %.16g, expected %.16g to %.16g", key, v,
                                min, max);
    *to = (float)v;
    return true;
}

static bool read_sampling(const json_t *body, carat_sampling *s, ct_openai_fault *f)
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
    if (given && !json_is_null(given))
        s->seed = (uint64_t)seed;
    return ok;
}

/* 0: the prompt alone, where it is echoed. */
static bool read_max_tokens(const json_t *body, ct_openai_request *r, size_t deflt, size_t *to, ct_openai_fault *f)
{
    const bool is_chat = r->endpoint == CT_OPENAI_CHAT;
    int64_t old = -1, v = 0;
    if (!read_int(body, "max_tokens", r->echoes ? 0 : 1, 1 << 30, &old, f) ||
        (is_chat && !read_int(body, "max_completion_tokens", 1, 1 << 30, &v, f)))
        return false;
    r->submit.omits_answers = old == 0;
    v = v ? v : old < 0 ? 0 : old;
    *to = v ? (size_t)v : deflt || is_chat ? deflt : COMPLETION_DEFAULT;
    return true;
}

static bool read_min_tokens(const json_t *body, size_t max, size_t *to, ct_openai_fault *f)
{
    int64_t v = 0;
    if (!read_int(body, "min_tokens", 0, 1 << 30, &v, f))
        return false;
    *to = (size_t)v;
    return max == 0 || *to <= max ||
           ct_openai_refuse(f, 400, "invalid_value", "min_tokens",
                            "body: 'min_tokens' is %zu, but the answer ends after %zu tokens", *to, max);
}

static bool read_answers(const json_t *body, size_t max, size_t *to, ct_openai_fault *f)
{
    int64_t n = 1, best_of;
    if (!read_int(body, "n", 1, CT_OPENAI_MAX_ANSWERS, &n, f))
        return false;
    best_of = n;
    if (!read_int(body, "best_of", 1, CT_OPENAI_MAX_ANSWERS, &best_of, f))
        return false;
    if (best_of != n)
        return ct_openai_refuse(f, 400, "unsupported_value", "best_of", "'best_of' must equal 'n'");
    *to = (size_t)n;
    return (size_t)n <= max ||
           ct_openai_refuse(f, 400, "invalid_value", "n",
                            "body: 'n' is %lld, but at most %zu answers are generated at once", (long long)n, max);
}

/* ---- log-probabilities, stop strings, biases ---- */

/* A chat has a switch and a number, a completion one field that is both. */
static bool read_logprobs(const json_t *body, ct_openai_request *r, ct_openai_fault *f)
{
    int64_t n = 0;
    if (r->endpoint == CT_OPENAI_CHAT) {
        if (!ct_openai_bool(body, "logprobs", &r->has_logprobs, f) ||
            !read_int(body, "top_logprobs", 0, CT_OPENAI_MAX_TOP, &n, f))
            return false;
        if (n && !r->has_logprobs)
            return ct_openai_refuse(f, 400, "invalid_value", "top_logprobs",
                                    "'top_logprobs' needs 'logprobs' to be true");
    } else {
        const json_t *v = json_object_get(body, "logprobs");
        r->has_logprobs = v && !json_is_null(v) && !json_is_false(v);
        if (r->has_logprobs && !read_int(body, "logprobs", 0, CT_OPENAI_MAX_TOP, &n, f))
            return false;
    }
    r->generation.wants_logprobs = r->has_logprobs;
    r->generation.n_top = (int)n;
    return true;
}

static bool add_stop(ct_openai_request *r, const json_t *v, ct_openai_fault *f)
{
    carat_generation *g = &r->generation;
    const char *s = json_string_value(v);
    if (!s || !*s || strlen(s) != json_string_length(v))
        return ct_openai_refuse(f, 400, "invalid_value", "stop",
                                "body: 'stop' holds %s, expected texts of one byte or more",
                                s ? (*s ? "a NUL character" : "an empty text") : ct_json_kind(v));
    r->stops[g->n_stops++] = s;
    return true;
}

static bool read_stops(const json_t *body, ct_openai_request *r, ct_openai_fault *f)
{
    const json_t *v = json_object_get(body, "stop");
    if (!v || json_is_null(v))
        return true;
    size_t n = json_is_array(v) ? json_array_size(v) : 1;
    if (n > CT_OPENAI_MAX_STOPS)
        return ct_openai_refuse(f, 400, "invalid_value", "stop", "body: 'stop' has %zu texts, expected at most %d", n,
                                CT_OPENAI_MAX_STOPS);
    r->stops = calloc(n + 1, sizeof *r->stops);
    if (!r->stops)
        return ct_openai_no_memory(f, "a request");
    r->generation.stops = r->stops;
    for (size_t i = 0; i < n; i++)
        if (!add_stop(r, json_is_array(v) ? json_array_get(v, i) : v, f))
            return false;
    return true;
}

/* "17": -100..100 of an entry of logit_bias; -100 bans. */
static bool read_one_bias(const char *key, const json_t *v, size_t n_vocab, carat_bias *to, ct_openai_fault *f)
{
    char *end;
    errno = 0;
    long id = strtol(key, &end, 10);
    double x = json_number_value(v);
    if (end == key || *end || errno || id < 0 || (size_t)id >= n_vocab || !json_is_number(v) || !(fabs(x) <= 100))
        return ct_openai_refuse(f, 400, "invalid_value", "logit_bias",
                                "body: 'logit_bias' of '%.20s', expected an id below %zu and a number of -100 to 100",
                                key, n_vocab);
    *to = (carat_bias){ (int32_t)id, x == -100 ? -INFINITY : (float)x };
    return true;
}

/* The options' biases stay for tokens that the request does not name. */
static size_t keep_other_biases(carat_bias *bias, size_t n_own, const carat_sampling *s)
{
    size_t n = n_own;
    for (size_t i = 0; i < s->n_bias; i++) {
        size_t k = 0;
        while (k < n_own && bias[k].id != s->bias[i].id)
            k++;
        if (k == n_own)
            bias[n++] = s->bias[i];
    }
    return n;
}

static bool read_bias(const json_t *body, const carat_engine *e, ct_openai_request *r, ct_openai_fault *f)
{
    json_t *all = json_object_get(body, "logit_bias"), *v;
    carat_sampling *s = &r->sampling;
    const char *key;
    size_t n = 0;
    if (!all || json_is_null(all))
        return true;
    if (!json_is_object(all))
        return ct_openai_refuse(f, 400, "invalid_value", "logit_bias", "body: 'logit_bias' is %s, expected an object",
                                ct_json_kind(all));
    r->bias = calloc(s->n_bias + json_object_size(all) + 1, sizeof *r->bias);
    if (!r->bias)
        return ct_openai_no_memory(f, "a request");
    json_object_foreach(all, key, v)
        if (!read_one_bias(key, v, carat_engine_info(e)->n_vocab, &r->bias[n++], f))
            return false;
    s->n_bias = keep_other_biases(r->bias, n, s);
    s->bias = r->bias;
    return true;
}

/* ---- fields of one value ---- */

static bool is_text(const json_t *v)
{
    return json_is_string(v) && strcmp(json_string_value(v), "text") == 0;
}

static bool is_absent(const json_t *v)
{
    return !v || json_is_null(v) || (json_is_array(v) && json_array_size(v) == 0) ||
           (json_is_object(v) && json_object_size(v) == 0);
}

/* What an answer is made of: text, and nothing but text, of a form. */
static bool read_format(const json_t *body, ct_openai_request *r, carat_engine *e, const ct_openai_options *o,
                        ct_openai_fault *f)
{
    const json_t *format = json_object_get(body, "response_format"), *modalities = json_object_get(body, "modalities");
    if (!is_absent(modalities) && !(json_array_size(modalities) == 1 && is_text(json_array_get(modalities, 0))))
        return ct_openai_refuse(f, 400, "unsupported_value", "modalities", "'modalities' can only be [\"text\"]");
    return ct_openai_read_form(r, is_absent(format) ? NULL : format, e, o, f);
}

/* Whatever its name, the one model that there is answers. */
static bool check_model(const json_t *body, ct_openai_fault *f)
{
    const char *name;
    return ct_json_text(body, "body", "model", &name, &f->err) || ct_openai_refuse_err(f, "model");
}

/* A batch has no streams. */
static bool read_stream(const json_t *body, ct_openai_request *r, ct_openai_mode mode, ct_openai_fault *f)
{
    const json_t *v = json_object_get(body, "stream"), *o = json_object_get(body, "stream_options");
    if (mode == CT_OPENAI_KNOWN && v && !json_is_null(v) && !json_is_false(v))
        return ct_openai_refuse(f, 400, "unsupported_parameter", "stream", "'stream' is not supported here");
    if (o && !json_is_null(o) && !json_is_object(o))
        return ct_openai_refuse(f, 400, "invalid_value", "stream_options",
                                "body: 'stream_options' is %s, expected an object", ct_json_kind(o));
    return ct_openai_bool(body, "stream", &r->streams, f) &&
           ct_openai_check_fields(o, CT_IN_STREAM, "stream_options", &r->unknown, f) &&
           (ct_json_bool(o, "stream_options", "include_usage", &r->wants_usage, &f->err) ||
            ct_openai_refuse_err(f, "stream_options.include_usage"));
}

/* What is told of the prompt. */
static bool read_prompt_logprobs(const json_t *body, ct_openai_request *r, ct_openai_fault *f)
{
    const json_t *v = json_object_get(body, "prompt_logprobs");
    carat_request_options *s = &r->submit;
    int64_t n = 0;
    r->has_prompt_logprobs = v && !json_is_null(v) && !json_is_false(v);
    if (r->has_prompt_logprobs && !read_int(body, "prompt_logprobs", 0, CT_OPENAI_MAX_TOP, &n, f))
        return false;
    if (r->has_prompt_logprobs && r->streams)
        return ct_openai_refuse(f, 400, "unsupported_value", "prompt_logprobs",
                                "'prompt_logprobs' cannot be had in a stream");
    r->n_prompt_top = (size_t)n;
    s->wants_prompt_logprobs = r->has_prompt_logprobs || (r->echoes && r->has_logprobs);
    s->n_prompt_top = r->echoes && r->generation.n_top > (int)n ? r->generation.n_top : (int)n;
    return true;
}

static bool has_text(const ct_openai_request *r, const carat_prompt *p, ct_openai_fault *f)
{
    const carat_tokenizer *tok = carat_engine_tokenizer(r->engine);
    size_t n, len;
    const int32_t *ids = carat_prompt_tokens(p, &n);
    for (size_t i = 0; i < n; i++)
        if (!tok || !carat_tokenizer_piece(tok, ids[i], &len))
            return ct_openai_refuse(f, 400, "invalid_value", "prompt",
                                    "'echo' of a prompt with id %d, which is no token of the vocabulary", ids[i]);
    return true;
}

static bool check_echo(ct_openai_request *r, ct_openai_fault *f)
{
    carat_request_options *s = &r->submit;
    bool ok = !r->echoes || has_text(r, r->prompt, f);
    for (size_t i = 0; ok && r->echoes && i < r->n_others; i++)
        ok = has_text(r, r->others[i], f);
    if (!ok || !s->omits_answers)
        return ok;
    s->generation = NULL;
    if (s->n_answers > 1)
        return ct_openai_refuse(f, 400, "unsupported_value", "n", "'n' must be 1 where 'max_tokens' is 0");
    return r->generation.min_tokens == 0 ||
           ct_openai_refuse(f, 400, "invalid_value", "min_tokens", "'min_tokens' is %zu, but 'max_tokens' is 0",
                            r->generation.min_tokens);
}

/* ---- all of it ---- */

bool ct_openai_request_read(ct_openai_request *r, ct_openai_endpoint endpoint, json_t *body, carat_engine *e,
                            const ct_openai_options *o, ct_openai_fault *f)
{
    bool is_chat = endpoint == CT_OPENAI_CHAT;
    carat_generation *g = &r->generation;
    r->endpoint = endpoint;
    r->engine = e;
    r->body = json_incref(body);
    r->sampling = o->sampling;
    *g = (carat_generation){ .struct_size = sizeof *g, .sampling = &r->sampling };
    r->submit = (carat_request_options){ .struct_size = sizeof r->submit, .generation = g };
    r->unknown.mode = o->mode;
    ct_buf_init(&r->unknown.names, 2 * CT_OPENAI_MAX_LIST);
    ct_buf_init(&r->prediction, MAX_PREDICTION);
    if (!ct_openai_check_fields(body, is_chat ? CT_IN_CHAT : CT_IN_COMPLETIONS, "", &r->unknown, f) ||
        !check_model(body, f) || !ct_openai_read_adapters(r, body, o, f) || !read_stream(body, r, o->mode, f) ||
        (is_chat && !ct_openai_read_tools(r, f)) || !read_format(body, r, e, o, f) ||
        !read_sampling(body, &r->sampling, f) || (!is_chat && !ct_openai_bool(body, "echo", &r->echoes, f)) ||
        !read_max_tokens(body, r, o->max_tokens, &g->max_tokens, f) ||
        !read_min_tokens(body, g->max_tokens, &g->min_tokens, f) ||
        !read_answers(body, o->max_answers, &r->submit.n_answers, f) || !read_logprobs(body, r, f) ||
        !read_stops(body, r, f) || !read_bias(body, e, r, f) || !ct_openai_bool(body, "ignore_eos", &g->ignores_eos, f))
        return false;
    if (is_chat && !ct_openai_read_prediction(r, f))
        return false;
    if (!(is_chat ? ct_openai_chat_prompt(r, e, o, f) : ct_openai_text_prompts(r, e, f)))
        return false;
    r->submit.prompt = r->prompt;
    return read_prompt_logprobs(body, r, f) && check_echo(r, f);
}

void ct_openai_request_deinit(ct_openai_request *r)
{
    ct_openai_form_release(r);
    ct_openai_tools_release(r);
    carat_prompt_free(r->prompt);
    for (size_t i = 0; i < r->n_others; i++)
        carat_prompt_free(r->others[i]);
    free(r->others);
    free(r->bias);
    free(r->stops);
    ct_buf_deinit(&r->prediction);
    ct_buf_deinit(&r->unknown.names);
    json_decref(r->body);
}
