/* /api/embed and /api/embeddings: texts -> vectors, a request of the engine for each.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_text.h"
#include "ollama/inside.h"
#include "openai/vectors.h"

typedef struct talk {
    ct_talk t;
    bool is_older; /* /api/embeddings: one prompt, one vector of any length */
    ct_openai_list ignored;
    ct_vectors vectors;
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

/* Ids are no input here. */
static bool check_input(const talk *o, const json_t *input, const char *key, ct_openai_fault *f)
{
    char path[48];
    if (!json_is_string(input) && (o->is_older || !json_is_array(input)))
        return wrong(key, input, o->is_older ? "a text" : "a text or an array of texts", f);
    for (size_t i = 0; i < json_array_size(input); i++) {
        snprintf(path, sizeof path, "%s[%zu]", key, i);
        if (!json_is_string(json_array_get(input, i)))
            return wrong(path, json_array_get(input, i), "a text", f);
    }
    return true;
}

/* num_ctx; of the others none has a part in it. */
static bool read_options(talk *o, const json_t *body, size_t *n_ctx, ct_openai_fault *f)
{
    ct_openai_paths paths = { NULL };
    json_t *ours = json_object();
    ct_ollama_reading r = {
        .body = body, .engine = o->t.scene->engine, .ours = ours, .ignored = &o->ignored, .paths = &paths, .f = f
    };
    const bool ok = ours ? ct_ollama_options(&r) : no_memory(f);
    *n_ctx = r.extras.n_ctx;
    ct_openai_paths_deinit(&paths);
    json_decref(ours);
    return ok;
}

static bool read_settings(talk *o, const json_t *body, ct_vectors_want *want, ct_openai_fault *f)
{
    const char *model;
    int64_t n = 0;
    if (!ct_json_text(body, "body", "model", &model, &f->err))
        return ct_openai_refuse_err(f, "model");
    if (!ct_json_bool(body, "body", "truncate", &want->truncates, &f->err))
        return ct_openai_refuse_err(f, "truncate");
    if (!ct_json_int(body, "body", "dimensions", 0, (int64_t)carat_engine_info(o->t.scene->engine)->hidden, &n,
                     &f->err))
        return ct_openai_refuse_err(f, "dimensions");
    want->n_dims = n == (int64_t)carat_engine_info(o->t.scene->engine)->hidden ? 0 : (size_t)n;
    return read_options(o, body, &want->n_ctx, f);
}

static bool read_body(talk *o, const json_t *body, ct_openai_fault *f)
{
    const char *key = o->is_older ? "prompt" : "input";
    const json_t *input = json_object_get(body, key);
    ct_vectors_want want = { .param = key,
                             .is_raw = o->is_older &&
                                       !carat_engine_info(o->t.scene->engine)->is_embedding, /* whose last step it is */
                             .takes_empty = true };
    double seconds;
    bool is_only_load;
    if (!json_is_object(body))
        return ct_openai_refuse(f, 400, "invalid_value", "", "the request is %s, expected an object",
                                ct_json_kind(body));
    if (!ct_ollama_check(body, o->is_older ? CT_OLLAMA_EMBEDDINGS : CT_OLLAMA_EMBED, "", &o->ignored, f) ||
        !read_settings(o, body, &want, f) || !ct_ollama_keep_alive(body, &seconds, &is_only_load, f))
        return false;
    if (is_only_load) /* there are no vectors */
        return true;
    if (!check_input(o, input, key, f) || !ct_vectors_read(&o->vectors, input, &want, o->t.scene->engine, f))
        return false;
    for (; o->t.n < o->vectors.n; o->t.n++)
        o->t.asks[o->t.n] = &o->vectors.asks[o->t.n];
    return true;
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
    ct_vectors_deinit(&o->vectors);
    ct_buf_deinit(&o->ignored.names);
}

/* ---- replies ---- */

static bool take_event(ct_talk *t, size_t ask, const carat_event *event, ct_buf *out)
{
    talk *o = (talk *)t;
    (void)out;
    if (event->kind == CARAT_EVENT_FAILED && !t->has_failed) {
        t->has_failed = true;
        t->fault.err = *event->err;
        ct_openai_refuse_err(&t->fault, "");
    }
    return ct_vectors_take(&o->vectors, ask, event);
}

static bool put_vector(const talk *o, size_t i, ct_buf *out)
{
    const ct_buf *text = ct_vectors_text(&o->vectors, i);
    return text->len > 0 && ct_buf_add(out, text->data, text->len);
}

static long long ns(double seconds)
{
    return seconds > 0 ? (long long)(seconds * 1e9) : 0;
}

static bool put_older(const talk *o, ct_buf *out)
{
    ct_buf_str(out, "{\"embedding\":");
    return (o->t.n ? put_vector(o, 0, out) : ct_buf_str(out, "[]")) && ct_buf_char(out, '}');
}

static bool end_talk(ct_talk *t, ct_buf *out)
{
    const talk *o = (const talk *)t;
    if (t->has_failed)
        return true;
    if (o->is_older)
        return put_older(o, out);
    ct_buf_str(out, "{\"model\":");
    ct_json_text_string(t->scene->model, strlen(t->scene->model), out);
    ct_buf_str(out, ",\"embeddings\":[");
    for (size_t i = 0; i < t->n; i++)
        if ((i && !ct_buf_char(out, ',')) || !put_vector(o, i, out))
            return false;
    return ct_buf_fmt(out, "],\"total_duration\":%lld,\"load_duration\":%lld,\"prompt_eval_count\":%zu}",
                      ns(ct_now() - t->began), ns(t->scene->load_seconds), o->vectors.n_tokens);
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
