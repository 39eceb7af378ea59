/* POST /v1/embeddings: one request of the engine for each input.
 *
 * Source: https://platform.openai.com/docs/api-reference/embeddings
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "openai/fields.h"
#include "openai/inside.h"
#include "openai/talks.h"
#include "openai/vectors.h"

typedef struct talk {
    ct_talk base;
    ct_openai_list unknown;
    ct_vectors vectors;
} talk;

/* ---- the request ---- */

static bool read_encoding(ct_vectors_want *w, const json_t *body, ct_openai_fault *f)
{
    const char *word = NULL;
    if (!ct_json_text(body, "body", "encoding_format", &word, &f->err))
        return ct_openai_refuse_err(f, "encoding_format");
    word = word ? word : "float";
    w->as_base64 = strcmp(word, "base64") == 0;
    return w->as_base64 || strcmp(word, "float") == 0 ||
           ct_openai_refuse(f, 400, "invalid_value", "encoding_format",
                            "'encoding_format' is '%.40s', expected float or base64", word);
}

static bool read_want(ct_vectors_want *w, const json_t *body, const carat_engine *e, ct_openai_fault *f)
{
    const int64_t most = (int64_t)carat_engine_info(e)->hidden;
    int64_t n = most;
    bool is_normed = true;
    if (!ct_json_int(body, "body", "dimensions", 1, most, &n, &f->err))
        return ct_openai_refuse_err(f, "dimensions");
    if (!ct_openai_bool(body, "normalize", &is_normed, f))
        return false;
    w->n_dims = n == most ? 0 : (size_t)n;
    w->is_raw = !is_normed;
    return true;
}

/* "prompt_name" is sentence-transformers' word for it. */
static bool read_task(ct_vectors_want *w, const json_t *body, ct_openai_fault *f)
{
    const char *name = NULL;
    if (!ct_json_text(body, "body", "task", &w->task, &f->err))
        return ct_openai_refuse_err(f, "task");
    if (!ct_json_text(body, "body", "prompt_name", &name, &f->err))
        return ct_openai_refuse_err(f, "prompt_name");
    if (!ct_json_text(body, "body", "title", &w->title, &f->err))
        return ct_openai_refuse_err(f, "title");
    if (name && w->task && strcmp(name, w->task) != 0)
        return ct_openai_refuse(f, 400, "invalid_value", "prompt_name",
                                "'task' is '%.40s', but 'prompt_name' is '%.40s'", w->task, name);
    w->task = w->task ? w->task : name;
    return true;
}

static bool read_body(ct_talk *base, json_t *body, ct_openai_fault *f)
{
    talk *t = (talk *)base;
    const ct_talk_scene *s = base->scene;
    ct_vectors_want want = { .param = "input" };
    const char *model;
    t->unknown.mode = s->options->mode;
    ct_buf_init(&t->unknown.names, 2 * CT_OPENAI_MAX_LIST);
    if (!ct_openai_check_fields(body, CT_IN_EMBEDDINGS, "", &t->unknown, f))
        return false;
    if (!ct_json_text(body, "body", "model", &model, &f->err))
        return ct_openai_refuse_err(f, "model");
    if (!read_encoding(&want, body, f) || !read_want(&want, body, s->engine, f) || !read_task(&want, body, f) ||
        !ct_vectors_read(&t->vectors, json_object_get(body, "input"), &want, s->engine, f))
        return false;
    for (; base->n < t->vectors.n; base->n++)
        base->asks[base->n] = &t->vectors.asks[base->n];
    base->ignored = t->unknown.n ? t->unknown.names.data : NULL;
    return true;
}

static void deinit(ct_talk *base)
{
    talk *t = (talk *)base;
    ct_vectors_deinit(&t->vectors);
    ct_buf_deinit(&t->unknown.names);
}

/* ---- the reply ---- */

static bool take_event(ct_talk *base, size_t ask, const carat_event *event, ct_buf *out)
{
    talk *t = (talk *)base;
    (void)out;
    if (event->kind == CARAT_EVENT_FAILED && !base->has_failed) {
        base->has_failed = true;
        base->fault.err = *event->err;
        ct_openai_refuse_err(&base->fault, "");
    }
    return ct_vectors_take(&t->vectors, ask, event);
}

/* Vectors are JSON already. */
static bool end(ct_talk *base, ct_buf *out)
{
    const talk *t = (const talk *)base;
    bool ok = ct_buf_str(out, "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; ok && i < base->n; i++) {
        const ct_buf *text = ct_vectors_text(&t->vectors, i);
        ok = ct_buf_fmt(out, "%s{\"object\":\"embedding\",\"index\":%zu,\"embedding\":", i ? "," : "", i) &&
             ct_buf_add(out, text->data, text->len) && ct_buf_char(out, '}');
    }
    json_t *model = ct_json_from_str(base->scene->model);
    const json_int_t n = (json_int_t)t->vectors.n_tokens;
    json_t *usage = json_pack("{s:I, s:I}", "prompt_tokens", n, "total_tokens", n);
    ok = ok && model && usage && ct_buf_str(out, "],\"model\":") && ct_json_write(model, out) &&
         ct_buf_str(out, ",\"usage\":") && ct_json_write(usage, out) && ct_buf_char(out, '}');
    json_decref(model);
    json_decref(usage);
    return ok;
}

static bool write_fault(const ct_talk *base, const ct_openai_fault *f, bool in_stream, ct_buf *out)
{
    (void)base, (void)in_stream;
    json_t *o = ct_openai_error(f);
    const bool ok = o && ct_json_write(o, out);
    json_decref(o);
    return ok;
}

const ct_talk_kind ct_openai_talk_embeddings = {
    .size = sizeof(talk), .read = read_body, .event = take_event, .end = end, .fault = write_fault, .deinit = deinit
};
