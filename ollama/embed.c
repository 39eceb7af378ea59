/* /api/embed and /api/embeddings: texts -> vectors, a request of the engine for each.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_text.h"
#include "ollama/inside.h"

typedef struct talk {
    ct_talk t;
    bool is_older; /* /api/embeddings: one prompt, one vector of any length */
    ct_openai_list ignored;
    size_t n_ctx;                /* 0: the engine's */
    bool truncates;              /* a text that is too long is cut at its end */
    size_t dimensions;           /* the first so many of a vector; 0: all */
    carat_request_options *asks; /* [t.n] */
    carat_prompt **prompts;      /* [t.n] */
    const float **vectors;       /* [t.n], of the requests */
    size_t n_hidden;
} talk;

static bool no_memory(ct_openai_fault *f)
{
    ct_fail(&f->err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a request");
    return ct_openai_refuse_err(f, "");
}

/* ---- requests ---- */

static bool wrong(const char *path, const json_t *v, const char *expected, ct_openai_fault *f)
{
    return ct_openai_refuse(f, 400, v ? "invalid_value" : "missing_required_parameter", path, "'%s' is %s, expected %s",
                            path, v ? ct_json_kind(v) : "missing", expected);
}

/* The first n tokens of a prompt that has more. */
static bool cut(const talk *o, carat_prompt **prompt, ct_openai_fault *f)
{
    const size_t most = o->n_ctx ? o->n_ctx : carat_engine_n_ctx(o->t.scene->engine);
    size_t n;
    const int32_t *ids = carat_prompt_tokens(*prompt, &n);
    carat_prompt *shorter;
    if (!o->truncates || n <= most)
        return true;
    if (!carat_prompt_ids(o->t.scene->engine, ids, most, NULL, 0, NULL, &shorter, &f->err))
        return ct_openai_refuse_err(f, "input");
    carat_prompt_free(*prompt);
    *prompt = shorter;
    return true;
}

static bool add_text(talk *o, const json_t *v, const char *path, ct_openai_fault *f)
{
    const carat_content text = { .struct_size = sizeof text,
                                 .text = json_string_value(v),
                                 .text_len = json_string_length(v) };
    const size_t i = o->t.n;
    if (!json_is_string(v))
        return wrong(path, v, "a text", f);
    if (!carat_prompt_text(o->t.scene->engine, &text, 1, NULL, &o->prompts[i], &f->err))
        return ct_openai_refuse_err(f, path);
    o->t.n++;
    if (!cut(o, &o->prompts[i], f))
        return false;
    o->asks[i] = (carat_request_options){ .struct_size = sizeof *o->asks,
                                          .prompt = o->prompts[i],
                                          .n_ctx = o->n_ctx,
                                          .wants_embedding = true,
                                          .omits_norm = o->is_older,
                                          .omits_answers = true };
    o->t.asks[i] = &o->asks[i];
    return true;
}

static bool add_all(talk *o, const json_t *input, const char *key, ct_openai_fault *f)
{
    const bool is_list = json_is_array(input);
    const size_t n = is_list ? json_array_size(input) : 1;
    char path[48];
    if (n > CT_TALK_MAX_ASKS)
        return ct_openai_refuse(f, 400, "invalid_value", key, "'%s' has %zu texts, expected at most %d", key, n,
                                CT_TALK_MAX_ASKS);
    o->asks = calloc(n + 1, sizeof *o->asks);
    o->prompts = calloc(n + 1, sizeof *o->prompts);
    o->vectors = calloc(n + 1, sizeof *o->vectors);
    if (!o->asks || !o->prompts || !o->vectors)
        return no_memory(f);
    for (size_t i = 0; i < n; i++) {
        snprintf(path, sizeof path, is_list ? "%s[%zu]" : "%s", key, i);
        if (!add_text(o, is_list ? json_array_get(input, i) : input, path, f))
            return false;
    }
    return true;
}

/* num_ctx; of the others none has a part in it. */
static bool read_options(talk *o, const json_t *body, ct_openai_fault *f)
{
    ct_openai_paths paths = { NULL };
    json_t *ours = json_object();
    ct_ollama_reading r = {
        .body = body, .engine = o->t.scene->engine, .ours = ours, .ignored = &o->ignored, .paths = &paths, .f = f
    };
    const bool ok = ours ? ct_ollama_options(&r) : no_memory(f);
    o->n_ctx = r.extras.n_ctx;
    ct_openai_paths_deinit(&paths);
    json_decref(ours);
    return ok;
}

static bool read_settings(talk *o, const json_t *body, ct_openai_fault *f)
{
    const char *model;
    int64_t n = 0;
    o->n_hidden = carat_engine_info(o->t.scene->engine)->hidden;
    if (!ct_json_text(body, "body", "model", &model, &f->err))
        return ct_openai_refuse_err(f, "model");
    if (!ct_json_bool(body, "body", "truncate", &o->truncates, &f->err))
        return ct_openai_refuse_err(f, "truncate");
    if (!ct_json_int(body, "body", "dimensions", 0, (int64_t)o->n_hidden, &n, &f->err))
        return ct_openai_refuse_err(f, "dimensions");
    o->dimensions = (size_t)n;
    return read_options(o, body, f);
}

static bool read_body(talk *o, const json_t *body, ct_openai_fault *f)
{
    const char *key = o->is_older ? "prompt" : "input";
    const json_t *input = json_object_get(body, key);
    double seconds;
    bool is_only_load;
    if (!json_is_object(body))
        return ct_openai_refuse(f, 400, "invalid_value", "", "the request is %s, expected an object",
                                ct_json_kind(body));
    if (!ct_ollama_check(body, o->is_older ? CT_OLLAMA_EMBEDDINGS : CT_OLLAMA_EMBED, "", &o->ignored, f) ||
        !read_settings(o, body, f) || !ct_ollama_keep_alive(body, &seconds, &is_only_load, f))
        return false;
    if (is_only_load) /* there are no vectors */
        return true;
    if (!json_is_string(input) && (o->is_older || !json_is_array(input)))
        return wrong(key, input, o->is_older ? "a text" : "a text or an array of texts", f);
    return add_all(o, input, key, f);
}

static bool read_talk(ct_talk *t, json_t *body, ct_openai_fault *f)
{
    talk *o = (talk *)t;
    o->is_older = t->kind == &ct_ollama_talk_embeddings;
    ct_openai_list_init(&o->ignored, t->scene->options->mode);
    const bool ok = read_body(o, body, f);
    t->ignored = o->ignored.n ? o->ignored.names.data : NULL;
    return ok;
}

static void deinit_talk(ct_talk *t)
{
    talk *o = (talk *)t;
    for (size_t i = 0; i < t->n; i++)
        carat_prompt_free(o->prompts[i]);
    free(o->prompts);
    free(o->asks);
    free(o->vectors);
    ct_buf_deinit(&o->ignored.names);
}

/* ---- replies ---- */

static bool take_event(ct_talk *t, size_t ask, const carat_event *event, ct_buf *out)
{
    talk *o = (talk *)t;
    (void)out;
    if (event->kind == CARAT_EVENT_ANSWER) {
        o->vectors[ask] = event->embedding;
    } else if (event->kind == CARAT_EVENT_FAILED && !t->has_failed) {
        t->has_failed = true;
        t->fault.err = *event->err;
        ct_openai_refuse_err(&t->fault, "");
    }
    return true;
}

/* Nine digits give the float32 back. */
static bool put_vector(const talk *o, size_t i, ct_buf *out)
{
    const size_t n = o->dimensions ? o->dimensions : o->n_hidden;
    double sum = 0, scale = 1;
    for (size_t k = 0; k < n; k++)
        sum += (double)o->vectors[i][k] * (double)o->vectors[i][k];
    if (n < o->n_hidden && !o->is_older && sum > 0) /* what is left has the length 1 again */
        scale = 1 / sqrt(sum);
    for (size_t k = 0; k < n; k++)
        ct_buf_fmt(out, "%s%.9g", k ? "," : "[", (double)(float)((double)o->vectors[i][k] * scale));
    return ct_buf_char(out, ']');
}

static long long ns(double seconds)
{
    return seconds > 0 ? (long long)(seconds * 1e9) : 0;
}

static bool put_figures(const talk *o, ct_buf *out)
{
    size_t n_prompt = 0;
    for (size_t i = 0; i < o->t.n; i++) {
        size_t n;
        carat_prompt_tokens(o->prompts[i], &n);
        n_prompt += n;
    }
    return ct_buf_fmt(out, ",\"total_duration\":%lld,\"load_duration\":%lld,\"prompt_eval_count\":%zu",
                      ns(ct_now() - o->t.began), ns(o->t.scene->load_seconds), n_prompt);
}

static bool end_talk(ct_talk *t, ct_buf *out)
{
    talk *o = (talk *)t;
    for (size_t i = 0; i < t->n && !t->has_failed; i++)
        if (!o->vectors[i]) {
            t->has_failed = true;
            ct_openai_refuse(&t->fault, 503, "unavailable", "", "the embedding was cut off");
        }
    if (t->has_failed)
        return true;
    if (o->is_older) {
        ct_buf_str(out, "{\"embedding\":");
        return (t->n ? put_vector(o, 0, out) : ct_buf_str(out, "[]")) && ct_buf_char(out, '}');
    }
    ct_buf_str(out, "{\"model\":");
    ct_json_text_string(t->scene->model, strlen(t->scene->model), out);
    ct_buf_str(out, ",\"embeddings\":[");
    for (size_t i = 0; i < t->n; i++)
        if ((i && !ct_buf_char(out, ',')) || !put_vector(o, i, out))
            return false;
    return ct_buf_char(out, ']') && put_figures(o, out) && ct_buf_char(out, '}');
}

static bool put_fault(const ct_talk *t, const ct_openai_fault *f, bool in_stream, ct_buf *out)
{
    return ct_ollama_talk_chat.fault(t, f, in_stream, out);
}

const ct_talk_kind ct_ollama_talk_embed = { .size = sizeof(talk),
                                            .read = read_talk,
                                            .event = take_event,
                                            .end = end_talk,
                                            .fault = put_fault,
                                            .deinit = deinit_talk };
const ct_talk_kind ct_ollama_talk_embeddings = { .size = sizeof(talk),
                                                 .read = read_talk,
                                                 .event = take_event,
                                                 .end = end_talk,
                                                 .fault = put_fault,
                                                 .deinit = deinit_talk };
