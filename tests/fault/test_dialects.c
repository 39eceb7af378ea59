/* test_dialects.c - requests and replies of Ollama's and Anthropic's protocols, each allocation refused in turn: what comes
 * is the whole reply, or a fault that says that memory is short, and nothing leaks.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "anthropic/anthropic.h"
#include "base/clock.h"
#include "fail.h"
#include "ollama/ollama.h"
#include "unit.h"

#define GIF "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"

static carat_engine *engine;
static carat_request *request; /* has ended; for the prompt's figures */
static ct_openai_options options;

typedef struct ask {
    const ct_talk_kind *kind;
    const char *body;
    const char *tokens[4];
    json_t *json;
    char *whole; /* the reply where no memory is refused, without what differs from one to the next */
} ask;

#define CALL "{\"name\": \"warm\", \"parameters\": {\"by\": 3}}"

static ask asks[] = {
    { &ct_ollama_talk_chat,
      "{\"messages\": [{\"role\": \"system\", \"content\": \"s\"}, {\"role\": \"user\", \"content\": \"a\", "
      "\"images\": "
      "[\"" GIF
      "\"]}], \"options\": {\"stop\": [\"x\"], \"top_k\": 3, \"mood\": 1}, \"format\": {\"type\": \"object\"}, "
      "\"think\": true, \"logprobs\": true}",
      { "{", "}" },
      NULL,
      NULL },
    { &ct_ollama_talk_chat,
      "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", \"tool_calls\": "
      "[{\"function\": "
      "{\"name\": \"warm\", \"arguments\": {\"by\": 3}}}]}, {\"role\": \"tool\", \"content\": \"ok\"}], \"tools\": "
      "[{\"function\": {\"name\": \"warm\", \"parameters\": {\"type\": \"object\"}}}], \"stream\": false}",
      { CALL, "" },
      NULL,
      NULL },
    { &ct_ollama_talk_generate,
      "{\"prompt\": \"a\", \"system\": \"s\", \"context\": [2, 80]}",
      { "a", "b" },
      NULL,
      NULL },
    { &ct_ollama_talk_generate, "{\"prompt\": \"a\", \"raw\": true, \"stream\": false}", { "a", "b" }, NULL, NULL },
    { &ct_ollama_talk_generate, "{\"prompt\": \"\", \"keep_alive\": 0}", { NULL }, NULL, NULL },
    { &ct_ollama_talk_generate,
      "{\"prompt\": \"a\", \"options\": {\"top_k\": -7}}",
      { NULL },
      NULL,
      NULL }, /* refused */
    { &ct_ollama_talk_embed, "{\"input\": [\"a\", \"b\"], \"mood\": 1}", { NULL }, NULL, NULL },
    { &ct_anthropic_talk,
      "{\"max_tokens\": 9, \"system\": [{\"type\": \"text\", \"text\": \"s\"}, {\"type\": \"text\", \"text\": \"t\"}], "
      "\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"image\", \"source\": {\"type\": \"base64\", "
      "\"data\": \"" GIF "\"}}, {\"type\": \"text\", \"text\": \"a\"}, {\"type\": \"text\", \"text\": \"b\"}]}], "
      "\"stream\": true, \"mood\": 1}",
      { "a", "b" },
      NULL,
      NULL },
    { &ct_anthropic_talk,
      "{\"max_tokens\": 9, \"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", "
      "\"content\": "
      "[{\"type\": \"tool_use\", \"id\": \"t\", \"name\": \"warm\", \"input\": {\"by\": 3}}]}, {\"role\": \"user\", "
      "\"content\": "
      "[{\"type\": \"tool_result\", \"tool_use_id\": \"t\", \"content\": \"no\", \"is_error\": true}]}], \"tools\": "
      "[{\"name\": "
      "\"warm\", \"input_schema\": {\"type\": \"object\"}}], \"tool_choice\": {\"type\": \"any\"}}",
      { CALL, "" },
      NULL,
      NULL },
    { &ct_anthropic_talk,
      "{\"max_tokens\": 9, \"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"text\"}]}]}",
      { NULL },
      NULL,
      NULL }, /* refused */
};
#define N_ASKS (sizeof asks / sizeof *asks)

/* Ids, times and durations. */
static void blank(char *s)
{
    for (; *s; s++)
        if ((*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'f'))
            *s = '0';
}

/* A reply of the same shape, however many digits its figures have. */
static bool is_alike(const char *a, const char *b)
{
    while (*a || *b) {
        while (*a == '0' || *a == '.')
            a++;
        while (*b == '0' || *b == '.')
            b++;
        if (*a != *b)
            return false;
        a += *a != '\0', b += *b != '\0';
    }
    return true;
}

/* As a server does it. False: no reply; *f says why if the request was not read. */
static bool answer(const ask *q, ct_talk *t, ct_buf *out, ct_openai_fault *f)
{
    carat_event e = { .kind = CARAT_EVENT_TOKEN };
    size_t at = 0;
    if (!q->kind->read(t, q->json, f))
        return false;
    f->status = 0;
    for (size_t i = 0; i < t->n; i++)
        t->requests[i] = request;
    if (t->streams && q->kind->begin && !q->kind->begin(t, out))
        return false;
    for (size_t i = 0; q->tokens[0] && i < 2; i++) {
        const carat_token token = {
            .id = (int32_t)(20 + i), .text = q->tokens[i], .len = strlen(q->tokens[i]), .at = at
        };
        at += token.len;
        e.token = &token;
        if (!q->kind->event(t, 0, &e, out) || t->has_failed)
            return false;
    }
    static const float vector[4096] = { 1 };
    const carat_result result = { .struct_size = sizeof result, .stop_id = 1, .n_generated = 2 };
    for (size_t i = 0; i < t->n; i++) {
        e = (carat_event){ .kind = CARAT_EVENT_ANSWER,
                           .result = &result,
                           .embedding = vector,
                           .n_embedding = carat_engine_info(engine)->hidden };
        if (!q->kind->event(t, i, &e, out) || t->has_failed)
            return false;
    }
    return q->kind->end(t, out) && !t->has_failed && !out->failed;
}

/* The reply or the fault, the caller's; NULL: there was no memory. */
static char *run(const ask *q, ct_openai_fault *f)
{
    const ct_talk_scene scene = { .engine = engine, .model = "m", .options = &options };
    ct_talk *t = calloc(1, q->kind->size);
    ct_buf out;
    ct_buf_init(&out, SIZE_MAX);
    *f = (ct_openai_fault){ 0 };
    if (!t)
        return NULL;
    t->kind = q->kind;
    t->scene = &scene;
    t->began = ct_now();
    if (!answer(q, t, &out, f)) {
        if (f->status == 0 && t->has_failed)
            *f = t->fault;
        ct_buf_deinit(&out);
        ct_buf_init(&out, SIZE_MAX);
        if (f->status != 400 || !q->kind->fault(t, f, false, &out))
            ct_buf_deinit(&out);
    }
    char *reply = out.len ? ct_buf_take(&out) : NULL;
    ct_buf_deinit(&out);
    q->kind->deinit(t);
    free(t);
    if (reply)
        blank(reply);
    return reply;
}

static void try_one(const ask *q, long n, bool onwards)
{
    ct_openai_fault f;
    const fail_live before = fail_now();
    fail_at(n, onwards);
    char *reply = run(q, &f);
    const long refused = fail_stop();
    const bool is_memory = f.status == 0 || (f.status == 500 && f.err.code == CARAT_ENOMEM);
    const bool is_own = strstr(q->whole, "rror") && f.status == 400; /* and there was none to write it down */
    if (!reply && (refused == 0 || !(is_memory || is_own)))
        fail_msg("%s: allocation %ld refused (%ld): status %d, '%s'", q->body, n, refused, f.status, f.err.msg);
    if (reply && !is_alike(reply, q->whole))
        fail_msg("%s: allocation %ld refused: %s instead of %s", q->body, n, reply, q->whole);
    free(reply);
    const fail_live after = fail_now();
    if (after.blocks > before.blocks)
        fail_msg("%s: allocation %ld%s refused: %ld blocks are not given back", q->body, n,
                 onwards ? " and all later" : "", after.blocks - before.blocks);
}

static void test_every_allocation(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_ASKS; i++) {
        carat_err err;
        ct_openai_fault f;
        assert_true(ct_json_parse("body", asks[i].body, strlen(asks[i].body), &asks[i].json, &err));
        asks[i].whole = run(&asks[i], &f);
        if (!asks[i].whole)
            fail_msg("%s: %s", asks[i].body, f.err.msg);
        fail_at(0, false);
        free(run(&asks[i], &f));
        const long n = fail_calls();
        fail_stop();
        for (long k = 1; k <= n; k++) {
            try_one(&asks[i], k, false);
            try_one(&asks[i], k, true);
        }
        free(asks[i].whole);
        json_decref(asks[i].json);
    }
}

/* What is said of a model is all of it, or nothing. */
static void test_models(void **state)
{
    (void)state;
    const ct_ollama_model m = {
        .name = "m", .path = "/m", .info = carat_engine_info(engine), .tokenizer = carat_engine_tokenizer(engine)
    };
    json_t *(*const of[])(const ct_ollama_model *, size_t) = { ct_ollama_tags, ct_ollama_ps };
    for (int i = 0; i < 3; i++) {
        json_t *whole = i < 2 ? of[i](&m, 1) : ct_ollama_show(&m, false), *o;
        const fail_live before = fail_now();
        for (long n = 1, refused = 1; refused; n++) {
            fail_at(n, false);
            o = i < 2 ? of[i](&m, 1) : ct_ollama_show(&m, false);
            refused = fail_stop();
            assert_true(o ? json_equal(o, whole) : refused > 0);
            json_decref(o);
            assert_true(fail_now().blocks <= before.blocks);
        }
        json_decref(whole);
    }
}

static int open_engine(void **state)
{
    (void)state;
    carat_err err;
    carat_prompt *prompt;
    static const int32_t ids[] = { 2, 80 };
    const carat_options o = { .struct_size = sizeof o, .n_threads = 1, .n_ctx = 512, .n_sessions = 2 };
    options = (ct_openai_options){ .sampling = CARAT_SAMPLING_DEFAULT,
                                   .pan_scan = { .struct_size = sizeof(carat_pan_scan) },
                                   .max_answers = 2,
                                   .mode = CT_OPENAI_LENIENT };
    if (!carat_engine_open(TEST_DATA "/models/tiny-sight", &o, &engine, &err) ||
        !carat_prompt_ids(engine, ids, 2, NULL, 0, NULL, &prompt, &err))
        return -1;
    const carat_generation g = { .struct_size = sizeof g, .max_tokens = 1 };
    const carat_request_options ro = { .struct_size = sizeof ro, .prompt = prompt, .generation = &g };
    const bool ok = carat_request_submit(engine, &ro, &request, &err);
    carat_prompt_free(prompt);
    while (ok && carat_request_next(request, -1)->kind != CARAT_EVENT_END) {
    }
    return ok ? 0 : -1;
}

static int close_engine(void **state)
{
    (void)state;
    carat_request_free(request);
    carat_engine_close(engine);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_every_allocation), cmocka_unit_test(test_models) };
    return cmocka_run_group_tests(tests, open_engine, close_engine);
}
