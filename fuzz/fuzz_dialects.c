/* fuzz_dialects.c - a request of a protocol that generates, or of embeddings: its first byte says which, the rest is the
 * body. It is read against a tiny model and answered with tokens or numbers of our own; whatever it is, what is written is JSON.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "anthropic/anthropic.h"
#include "base/utf8.h"
#include "fuzz.h"
#include "ollama/ollama.h"
#include "openai/talks.h"
#include "responses/responses.h"

/* What a header may carry. */
#define PLAIN "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.[]%, "

/* Opened once: the limits of a request depend on its model. */
static carat_engine *engine(void)
{
    static carat_engine *e;
    carat_err err;
    const carat_options o = {
        .struct_size = sizeof o, .n_threads = 1, .n_ctx = 256, .n_sessions = 4, .vision = CARAT_VISION_REQUIRED
    };
    FUZZ_MUST(e || carat_engine_open(FUZZ_MODEL, &o, &e, &err));
    return e;
}

static void must_be_json(const char *text, size_t len)
{
    json_t *v;
    carat_err err;
    FUZZ_MUST(ct_json_parse("the reply", text, len, &v, &err));
    FUZZ_MUST(json_is_object(v));
    json_decref(v);
}

/* Lines, or events with a line of data. */
static void use_stream(const ct_buf *out)
{
    for (const char *s = out->data, *end; s && *s; s = end + 1) {
        end = strchr(s, '\n');
        FUZZ_MUST(end);
        if (strncmp(s, "data: [DONE]\n", 13) == 0)
            FUZZ_MUST(strcmp(s, "data: [DONE]\n\n") == 0);
        else if (strncmp(s, "data: ", 6) == 0)
            must_be_json(s + 6, (size_t)(end - s) - 6);
        else if (*s == '{')
            must_be_json(s, (size_t)(end - s));
        else
            FUZZ_MUST(s == end || strncmp(s, "event: ", 7) == 0);
    }
}

/* The answer is the body's own text, sixteen bytes a token; then it is cut off or complete. */
static void answer(ct_talk *t, const char *text, size_t len, ct_buf *out)
{
    carat_event e = { .kind = CARAT_EVENT_TOKEN };
    char *copy = malloc(len + 1), piece[32];
    FUZZ_MUST(copy);
    memcpy(copy, text, len);
    for (size_t at = 0, n; at < len; at += n) {
        n = len - at < 16 ? len - at : 16;
        n -= n > 4 ? ct_utf8_incomplete(copy + at, n) : 0;
        memcpy(piece, copy + at, n);
        piece[n] = '\0';
        const carat_token token = { .id = (int32_t)(20 + at % 100), .text = piece, .len = n, .at = at };
        e.token = &token;
        FUZZ_MUST(t->kind->event(t, 0, &e, out));
        if (t->has_failed)
            break;
    }
    const carat_result result = { .struct_size = sizeof result,
                                  .finish = len % 3 == 0   ? CARAT_FINISH_STOP
                                            : len % 3 == 1 ? CARAT_FINISH_LENGTH
                                                           : CARAT_FINISH_CANCELLED,
                                  .stop_id = -1 };
    e = (carat_event){ .kind = CARAT_EVENT_ANSWER, .result = &result };
    FUZZ_MUST(t->has_failed || t->kind->event(t, 0, &e, out));
    free(copy);
}

static void reply(ct_talk *t, const char *text, size_t len)
{
    ct_buf out;
    carat_err err;
    ct_buf_init(&out, SIZE_MAX);
    if (t->n && carat_request_submit(engine(), t->asks[0], &t->requests[0], &err)) {
        FUZZ_MUST(!t->streams || !t->kind->begin || t->kind->begin(t, &out));
        answer(t, text, len, &out);
    }
    if (t->n == 0 || t->requests[0]) {
        FUZZ_MUST(t->has_failed ? t->kind->fault(t, &t->fault, t->streams, &out) : t->kind->end(t, &out));
        if (t->streams)
            use_stream(&out);
        else
            must_be_json(out.data, out.len);
        carat_request_free(t->requests[0]);
    }
    ct_buf_deinit(&out);
}

static void use_talk(const ct_talk_kind *kind, const ct_talk_scene *s, json_t *body, const char *text, size_t len)
{
    ct_openai_fault f = { 0 };
    ct_buf out;
    size_t n;
    ct_talk *t = calloc(1, kind->size);
    FUZZ_MUST(t);
    t->kind = kind;
    t->scene = s;
    ct_buf_init(&out, SIZE_MAX);
    if (kind->read(t, body, &f)) {
        const char *names = t->ignored ? t->ignored : "";
        FUZZ_MUST(strspn(names, PLAIN) == strlen(names) && t->n <= CT_TALK_MAX_ASKS);
        if (kind->stream_type && t->n <= 1 && (t->n == 0 || t->asks[0]->n_answers <= 1))
            reply(t, text, len);
        for (size_t i = 0; i < t->n; i++) /* an empty list of ids is the engine's to refuse */
            FUZZ_MUST((carat_prompt_tokens(t->asks[i]->prompt, &n) && n > 0) || kind == &ct_openai_talk_completions);
    } else {
        FUZZ_MUST(f.status >= 400 && f.code && f.err.msg[0]);
        FUZZ_MUST(kind->fault(t, &f, false, &out));
        must_be_json(out.data, out.len);
    }
    kind->deinit(t);
    ct_buf_deinit(&out);
    free(t);
}

/* Inputs, each of which gets a vector of made-up numbers. */
static void use_inputs(const ct_talk_kind *kind, const ct_talk_scene *s, json_t *body)
{
    static float numbers[4096];
    const size_t n = carat_engine_info(s->engine)->hidden;
    const carat_result result = { .struct_size = sizeof result, .finish = CARAT_FINISH_LENGTH, .stop_id = -1 };
    const carat_event e = { .kind = CARAT_EVENT_ANSWER, .result = &result, .embedding = numbers, .n_embedding = n };
    ct_openai_fault f = { 0 };
    ct_buf out;
    ct_talk *t = calloc(1, kind->size);
    FUZZ_MUST(t && n <= sizeof numbers / sizeof *numbers);
    for (size_t i = 0; i < n; i++)
        numbers[i] = (float)(i % 7) / 3 - 1;
    t->kind = kind;
    t->scene = s;
    ct_buf_init(&out, SIZE_MAX);
    if (kind->read(t, body, &f)) {
        for (size_t i = 0; i < t->n; i++)
            FUZZ_MUST(t->asks[i]->prompt && kind->event(t, i, &e, &out));
        FUZZ_MUST(kind->end(t, &out));
    } else {
        FUZZ_MUST(f.status >= 400 && f.code && f.err.msg[0] && kind->fault(t, &f, false, &out));
    }
    must_be_json(out.data, out.len);
    kind->deinit(t);
    ct_buf_deinit(&out);
    free(t);
}

static void use_count(const ct_talk_scene *s, const json_t *body)
{
    ct_openai_fault f = { 0 };
    json_t *counted = NULL;
    if (ct_anthropic_count_tokens(s, body, &counted, &f))
        FUZZ_MUST(json_integer_value(json_object_get(counted, "input_tokens")) > 0);
    json_decref(counted);
}

static void use_responses(ct_talk_scene *s, json_t *body, const char *text, size_t len)
{
    ct_openai_fault f = { 0 };
    json_t *got = NULL;
    s->responses = ct_responses_store_open(&(ct_responses_limits){ 2, 1 << 16, 60 });
    FUZZ_MUST(s->responses);
    use_talk(&ct_responses_talk, s, body, text, len);
    FUZZ_MUST(!ct_responses_cancel(s->responses, "resp_1", &f));
    if (ct_responses_count(s, body, &got, &f))
        FUZZ_MUST(json_integer_value(json_object_get(got, "input_tokens")) > 0);
    json_decref(got);
    ct_responses_store_close(s->responses);
}

static void use_keep_alive(const json_t *body)
{
    double seconds = 0;
    bool is_only_load;
    ct_openai_fault f = { 0 };
    FUZZ_MUST(!ct_ollama_keep_alive(body, &seconds, &is_only_load, &f) || seconds >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *body;
    carat_err err;
    const carat_sampling sampling = CARAT_SAMPLING_DEFAULT;
    if (size == 0)
        return 0;
    const ct_openai_options o = { .sampling = sampling, .max_answers = 4, .mode = (ct_openai_mode)(size % 3) };
    ct_talk_scene s = { .engine = engine(), .model = "m", .options = &o };
    const char *text = (const char *)data + 1;
    if (!ct_json_parse("the body", text, size - 1, &body, &err))
        return 0;
    use_keep_alive(body);
    switch (data[0]) {
    case 'c':
        use_talk(&ct_ollama_talk_chat, &s, body, text, size - 1);
        break;
    case 'g':
        use_talk(&ct_ollama_talk_generate, &s, body, text, size - 1);
        break;
    case 'e':
        use_talk(&ct_ollama_talk_embed, &s, body, text, size - 1);
        break;
    case 'o':
        use_talk(&ct_ollama_talk_embeddings, &s, body, text, size - 1);
        break;
    case 'i':
        use_inputs(&ct_openai_talk_embeddings, &s, body);
        break;
    case 'h':
        use_talk(&ct_openai_talk_chat, &s, body, text, size - 1);
        break;
    case 'p':
        use_talk(&ct_openai_talk_completions, &s, body, text, size - 1);
        break;
    case 'r':
        use_responses(&s, body, text, size - 1);
        break;
    case 'n':
        use_count(&s, body);
        break;
    default:
        use_talk(&ct_anthropic_talk, &s, body, text, size - 1);
        break;
    }
    json_decref(body);
    return 0;
}
