/* The routes that generate, as a server calls them: whole replies and streams of the same requests say the same.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "asked.h"
#include "openai/talks.h"
#include "talked.h"

#define TOOL                                                                                                           \
    "{\"name\": \"warm\", \"parameters\": {\"type\": \"object\", \"properties\": {\"by\": {\"type\": \"integer\", "    \
    "\"maximum\": 9}}, \"required\": [\"by\"], \"additionalProperties\": false}}"
#define TOOLS ", \"tools\": [{\"type\": \"function\", \"function\": " TOOL "}]"

static json_t *whole(const ct_talk_kind *kind, const char *text)
{
    talked s;
    json_t *o;
    carat_err err;
    talked_accept(&s, kind, text);
    talked_run(&s);
    assert_false(s.t->streams);
    if (!ct_json_parse("reply", s.out.data, s.out.len, &o, &err))
        fail_msg("%s: %s", s.out.data, err.msg);
    talked_done(&s);
    return o;
}

/* The JSON of a stream's events, which end with [DONE]. */
static json_t *chunks_of(const ct_buf *out)
{
    json_t *all = json_array(), *o;
    carat_err err;
    const char *at = out->data, *end = out->data + out->len;
    for (bool is_done = false; at < end;) {
        const char *stop = strstr(at, "\n\n");
        assert_false(is_done);
        assert_true(stop && strncmp(at, "data: ", 6) == 0 && !memchr(at, '\n', (size_t)(stop - at)));
        at += 6;
        is_done = stop - at == 6 && memcmp(at, "[DONE]", 6) == 0;
        if (!is_done && !ct_json_parse("chunk", at, (size_t)(stop - at), &o, &err))
            fail_msg("%.80s: %s", at, err.msg);
        assert_int_equal(is_done ? 0 : json_array_append_new(all, o), 0);
        at = stop + 2;
        assert_true(is_done == (at == end));
    }
    return all;
}

static json_t *streamed(const ct_talk_kind *kind, const char *text)
{
    talked s;
    talked_accept(&s, kind, text);
    talked_run(&s);
    assert_true(s.t->streams);
    json_t *all = chunks_of(&s.out);
    talked_done(&s);
    return all;
}

/* ---- chunks put together, as a client does ---- */

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static void append(json_t *to, const char *key, const json_t *more)
{
    char text[1 << 15];
    if (!json_is_string(more))
        return;
    snprintf(text, sizeof text, "%s%s", text_of(to, key), json_string_value(more));
    json_object_set_new(to, key, json_string(text));
}

static void merge_function(json_t *to, const json_t *from)
{
    if (json_object_get(from, "name"))
        json_object_set(to, "name", json_object_get(from, "name"));
    append(to, "arguments", json_object_get(from, "arguments"));
}

static void merge_call(json_t *calls, const json_t *delta)
{
    const size_t i = (size_t)json_integer_value(json_object_get(delta, "index"));
    assert_true(i <= json_array_size(calls));
    if (i == json_array_size(calls)) {
        assert_true(*text_of(delta, "id") && *text_of(json_object_get(delta, "function"), "name"));
        json_array_append_new(calls, json_pack("{s:s, s:s, s:{}}", "id", text_of(delta, "id"), "type",
                                               text_of(delta, "type"), "function"));
    }
    merge_function(json_object_get(json_array_get(calls, i), "function"), json_object_get(delta, "function"));
}

static void merge_delta(json_t *message, const json_t *delta)
{
    const json_t *calls = json_object_get(delta, "tool_calls"), *one = json_object_get(delta, "function_call");
    if (json_object_get(delta, "role"))
        json_object_set(message, "role", json_object_get(delta, "role"));
    append(message, "content", json_object_get(delta, "content"));
    if (calls && !json_object_get(message, "tool_calls"))
        json_object_set_new(message, "tool_calls", json_array());
    for (size_t i = 0; i < json_array_size(calls); i++)
        merge_call(json_object_get(message, "tool_calls"), json_array_get(calls, i));
    if (one && !json_object_get(message, "function_call"))
        json_object_set_new(message, "function_call", json_object());
    if (one)
        merge_function(json_object_get(message, "function_call"), one);
}

static void merge_logprobs(json_t *choice, json_t *more)
{
    const char *key;
    json_t *list, *own = json_object_get(choice, "logprobs");
    if (json_is_null(more))
        return;
    if (json_is_null(own)) {
        json_object_set_new(choice, "logprobs", json_deep_copy(more));
        return;
    }
    json_object_foreach(more, key, list)
        if (json_is_array(list))
            json_array_extend(json_object_get(own, key), list);
}

static void merge_choice(json_t *choices, const json_t *c)
{
    const size_t i = (size_t)json_integer_value(json_object_get(c, "index"));
    while (i >= json_array_size(choices))
        json_array_append_new(choices, json_pack("{s:I, s:{}, s:s, s:n}", "index", (json_int_t)json_array_size(choices),
                                                 "message", "text", "", "logprobs"));
    json_t *to = json_array_get(choices, i);
    assert_null(json_object_get(to, "finish_reason")); /* nothing comes behind the end */
    merge_delta(json_object_get(to, "message"), json_object_get(c, "delta"));
    append(to, "text", json_object_get(c, "text"));
    merge_logprobs(to, json_object_get(c, "logprobs"));
    if (!json_is_null(json_object_get(c, "finish_reason")))
        json_object_set(to, "finish_reason", json_object_get(c, "finish_reason"));
}

static json_t *merged(const json_t *chunks)
{
    json_t *choices = json_array();
    for (size_t i = 0; i < json_array_size(chunks); i++) {
        const json_t *list = json_object_get(json_array_get(chunks, i), "choices");
        assert_true(json_is_array(list) && json_array_size(list) <= 1);
        if (json_array_size(list))
            merge_choice(choices, json_array_get(list, 0));
    }
    return choices;
}

/* ---- do they say the same? ---- */

/* A whole message as deltas make it: content is a text, ids are the reply's own. */
static void expect_message(const json_t *a, json_t *b, const char *what)
{
    if (strcmp(text_of(a, "content"), text_of(b, "content")) != 0)
        fail_msg("%s: '%s', streamed '%s'", what, text_of(a, "content"), text_of(b, "content"));
    assert_string_equal(text_of(b, "role"), "assistant");
    const json_t *calls = json_object_get(a, "tool_calls"), *streamed_calls = json_object_get(b, "tool_calls");
    assert_int_equal(json_array_size(calls), json_array_size(streamed_calls));
    for (size_t i = 0; i < json_array_size(calls); i++) {
        const json_t *x = json_array_get(calls, i), *y = json_array_get(streamed_calls, i);
        assert_true(json_equal(json_object_get(x, "function"), json_object_get(y, "function")));
        assert_string_equal(text_of(y, "type"), "function");
    }
    const json_t *one = json_object_get(a, "function_call");
    assert_true(!one == !json_object_get(b, "function_call"));
    assert_true(!one || json_equal(one, json_object_get(b, "function_call")));
}

static void expect_choice(json_t *a, json_t *b, const char *what)
{
    assert_true(json_equal(json_object_get(a, "index"), json_object_get(b, "index")));
    assert_string_equal(text_of(a, "finish_reason"), text_of(b, "finish_reason"));
    if (json_object_get(a, "message"))
        expect_message(json_object_get(a, "message"), json_object_get(b, "message"), what);
    else
        assert_string_equal(text_of(a, "text"), text_of(b, "text"));
    json_t *x = json_object_get(a, "logprobs"), *y = json_object_get(b, "logprobs");
    if (json_is_null(y) && !json_is_null(x)) /* no token came */
        y = json_object_get(a, "message")
                ? json_pack("{s:[], s:n}", "content", "refusal")
                : json_pack("{s:[], s:[], s:[], s:[]}", "tokens", "token_logprobs", "top_logprobs", "text_offset");
    else
        json_incref(y);
    if (!json_equal(x, y))
        fail_msg("%s: other log-probabilities in a stream", what);
    json_decref(y);
}

static void expect_heads(const json_t *chunks, const char *object)
{
    const json_t *first = json_array_get(chunks, 0);
    for (size_t i = 0; i < json_array_size(chunks); i++) {
        const json_t *c = json_array_get(chunks, i);
        assert_string_equal(text_of(c, "object"), object);
        assert_string_equal(text_of(c, "id"), text_of(first, "id"));
        assert_true(json_equal(json_object_get(c, "created"), json_object_get(first, "created")));
        assert_string_equal(text_of(c, "model"), "tiny");
        assert_string_equal(text_of(c, "system_fingerprint"), "fp_1");
        assert_true(!json_object_get(c, "timings") == (i + 1 < json_array_size(chunks)));
    }
}

static void expect_same(const ct_talk_kind *kind, const char *body)
{
    char text[8192];
    snprintf(text, sizeof text, "%s}", body);
    json_t *a = whole(kind, text), *choices = json_object_get(a, "choices");
    snprintf(text, sizeof text, "%s, \"stream\": true}", body);
    json_t *chunks = streamed(kind, text), *b = merged(chunks);
    expect_heads(chunks, kind == &ct_openai_talk_chat ? "chat.completion.chunk" : "text_completion");
    assert_int_equal(json_array_size(choices), json_array_size(b));
    for (size_t i = 0; i < json_array_size(b); i++)
        expect_choice(json_array_get(choices, i), json_array_get(b, i), body);
    assert_string_equal(text_of(a, "system_fingerprint"), "fp_1");
    assert_non_null(json_object_get(a, "timings"));
    json_decref(a);
    json_decref(b);
    json_decref(chunks);
}

#define CHAT  "{\"messages\": [{\"role\": \"user\", \"content\": \"a red star\"}], \"max_tokens\": 24, \"seed\": 5"
#define COMPL "{\"prompt\": \"a red star\", \"max_tokens\": 24, \"seed\": 5"

static void test_streams_say_what_whole_replies_say(void **state)
{
    (void)state;
    static const char *const chats[] = {
        CHAT,
        CHAT ", \"n\": 3, \"logprobs\": true, \"top_logprobs\": 2",
        CHAT ", \"logprobs\": true, \"stop\": [\"e\", \"a\"]",
        CHAT ", \"logprobs\": true" TOOLS,
        CHAT ", \"logprobs\": true, \"n\": 2, \"tool_choice\": \"required\"" TOOLS,
        CHAT ", \"functions\": [" TOOL "], \"function_call\": {\"name\": \"warm\"}",
        CHAT ", \"response_format\": {\"type\": \"json_object\"}",
        CHAT ", \"guided_choice\": [\"yes\", \"no\"]",
    };
    static const char *const completions[] = {
        COMPL,
        COMPL ", \"n\": 2, \"logprobs\": 2",
        COMPL ", \"logprobs\": 0, \"stop\": \"s\", \"temperature\": 0",
        "{\"prompt\": [\"a red star\", [2, 5, 9], \"b\"], \"n\": 2, \"logprobs\": 1, \"max_tokens\": 9, \"seed\": 5",
    };
    for (size_t i = 0; i < sizeof chats / sizeof *chats; i++)
        expect_same(&ct_openai_talk_chat, chats[i]);
    for (size_t i = 0; i < sizeof completions / sizeof *completions; i++)
        expect_same(&ct_openai_talk_completions, completions[i]);
}

/* ---- what chunks look like ---- */

static const json_t *choice_at(const json_t *chunks, size_t i)
{
    return json_array_get(json_object_get(json_array_get(chunks, i), "choices"), 0);
}

static void test_chunks_of_a_chat(void **state)
{
    (void)state;
    json_t *all =
        streamed(&ct_openai_talk_chat, CHAT ", \"stream\": true, \"stream_options\": {\"include_usage\": true, "
                                            "\"include_obfuscation\": false}}");
    const size_t n = json_array_size(all);
    assert_true(n >= 4);
    const json_t *first = json_object_get(choice_at(all, 0), "delta");
    assert_string_equal(text_of(first, "role"), "assistant");
    assert_true(json_is_string(json_object_get(first, "content")) && !*text_of(first, "content"));
    for (size_t i = 0; i + 1 < n; i++) {
        assert_true(json_is_null(json_object_get(json_array_get(all, i), "usage")));
        assert_true(json_is_null(json_object_get(choice_at(all, i), "finish_reason")) == (i + 2 < n));
    }
    assert_int_equal(json_object_size(json_object_get(choice_at(all, n - 2), "delta")), 0);
    const json_t *last = json_array_get(all, n - 1), *usage = json_object_get(last, "usage");
    assert_int_equal(json_array_size(json_object_get(last, "choices")), 0);
    assert_true(json_is_array(json_object_get(last, "choices")));
    assert_int_equal(json_integer_value(json_object_get(usage, "completion_tokens")), 24);
    assert_true(json_integer_value(json_object_get(usage, "prompt_tokens")) > 3);
    json_decref(all);
    all = streamed(&ct_openai_talk_chat, CHAT ", \"stream\": true}");
    for (size_t i = 0; i < json_array_size(all); i++)
        assert_null(json_object_get(json_array_get(all, i), "usage"));
    json_decref(all);
}

/* What it is expected to be, it comes in fewer steps, and is the same. */
static void test_a_prediction_is_counted(void **state)
{
    (void)state;
#define SAID                                                                                                           \
    "{\"messages\": [{\"role\": \"user\", \"content\": \"a red star\"}], \"max_tokens\": 24, \"temperature\": 0, "     \
    "\"ignore_eos\": true"
    json_t *plain = whole(&ct_openai_talk_chat, SAID "}");
    const char *said =
        text_of(json_object_get(json_array_get(json_object_get(plain, "choices"), 0), "message"), "content");
    json_t *body = json_loads(SAID "}", 0, NULL),
           *prediction = json_pack("{s:s, s:s}", "type", "content", "content", said);
    json_object_set_new(body, "prediction", prediction);
    char *text = json_dumps(body, 0);
    json_t *o = whole(&ct_openai_talk_chat, text), *t = json_object_get(o, "timings");
    const json_t *details = json_object_get(json_object_get(o, "usage"), "completion_tokens_details");
    assert_string_equal(
        text_of(json_object_get(json_array_get(json_object_get(o, "choices"), 0), "message"), "content"), said);
    const json_int_t right = json_integer_value(json_object_get(details, "accepted_prediction_tokens")),
                     wrong = json_integer_value(json_object_get(details, "rejected_prediction_tokens"));
    assert_true(json_is_integer(json_object_get(details, "rejected_prediction_tokens")));
    assert_int_equal(json_integer_value(json_object_get(t, "draft_n")), right + wrong);
    assert_int_equal(json_integer_value(json_object_get(t, "draft_n_accepted")), right);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(o, "usage"), "completion_tokens")), 24);
    free(text);
    json_decref(body), json_decref(o), json_decref(plain);
}

static void test_timings(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "prompt_n",    "prompt_ms",    "prompt_per_token_ms",    "prompt_per_second",
        "predicted_n", "predicted_ms", "predicted_per_token_ms", "predicted_per_second"
    };
    json_t *o = whole(&ct_openai_talk_completions, COMPL ", \"n\": 2}"), *t = json_object_get(o, "timings");
    const json_t *usage = json_object_get(o, "usage");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        assert_true(json_number_value(json_object_get(t, keys[i])) > 0);
    assert_int_equal(json_integer_value(json_object_get(t, "predicted_n")), 48);
    assert_int_equal(json_integer_value(json_object_get(t, "prompt_n")) +
                         json_integer_value(json_object_get(t, "cache_n")),
                     json_integer_value(json_object_get(usage, "prompt_tokens")));
    json_decref(o);
}

/* Choices stand in the order of the prompts, then of n; a prompt is answered as if it were alone. */
static void test_a_list_of_prompts(void **state)
{
    (void)state;
    static const char *const one[] = { "\"a red star\"", "[2, 5, 9]", "\"b\"" };
    json_t *all = whole(&ct_openai_talk_completions,
                        "{\"prompt\": [\"a red star\", [2, 5, 9], \"b\"], \"n\": 2, \"max_tokens\": 9, \"seed\": 5}");
    size_t n_prompt = 0;
    assert_int_equal(json_array_size(json_object_get(all, "choices")), 6);
    for (size_t i = 0; i < 3; i++) {
        char body[256];
        snprintf(body, sizeof body, "{\"prompt\": %s, \"n\": 2, \"max_tokens\": 9, \"seed\": 5}", one[i]);
        json_t *own = whole(&ct_openai_talk_completions, body);
        for (size_t k = 0; k < 2; k++) {
            const json_t *c = json_array_get(json_object_get(all, "choices"), 2 * i + k);
            assert_int_equal(json_integer_value(json_object_get(c, "index")), 2 * i + k);
            assert_string_equal(text_of(c, "text"),
                                text_of(json_array_get(json_object_get(own, "choices"), k), "text"));
        }
        n_prompt += (size_t)json_integer_value(json_object_get(json_object_get(own, "usage"), "prompt_tokens"));
        json_decref(own);
    }
    const json_t *usage = json_object_get(all, "usage");
    assert_int_equal(json_integer_value(json_object_get(usage, "prompt_tokens")), n_prompt);
    assert_int_equal(json_integer_value(json_object_get(usage, "completion_tokens")), 54);
    json_decref(all);
    ct_buf many;
    talked s;
    ct_buf_init(&many, 1 << 20);
    ct_buf_str(&many, "{\"prompt\": [[2]");
    for (size_t i = 0; i < CT_TALK_MAX_ASKS; i++)
        ct_buf_str(&many, ", [2]");
    ct_buf_str(&many, "]}");
    talked_read(&s, &ct_openai_talk_completions, many.data);
    assert_true(!s.ok && s.f.status == 400 && strcmp(s.f.param, "prompt") == 0);
    talked_done(&s);
    ct_buf_deinit(&many);
}

/* ---- what is refused, and what fails ---- */

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *rest, *param;
    } of[] = {
        { ", \"stream\": 1}", "stream" },
        { ", \"stream_options\": true}", "stream_options" },
        { ", \"stream_options\": {\"include_usage\": \"yes\"}}", "stream_options.include_usage" },
        { ", \"stream_options\": {\"continuous_usage_stats\": true}}", "stream_options.continuous_usage_stats" },
        { ", \"best_of\": 2}", "best_of" },
    };
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        char body[512];
        talked s;
        snprintf(body, sizeof body, "%s%s", CHAT, of[i].rest);
        talked_read(&s, &ct_openai_talk_chat, body);
        assert_true(!s.ok && s.f.status == 400);
        assert_string_equal(s.f.param, of[i].param);
        talked_done(&s);
    }
    talked s;
    talked_read(&s, &ct_openai_talk_chat, CHAT ", \"mood\": 1, \"stream_options\": {\"x\": 1}}");
    assert_true(s.ok);
    assert_string_equal(s.t->ignored, "mood, stream_options.x");
    talked_done(&s);
}

/* A stream that fails has one more event, and no [DONE]. */
static void test_faults(void **state)
{
    (void)state;
    talked s;
    json_t *o;
    ct_buf out;
    const carat_err late = { .code = CARAT_ETIME, .msg = "late" };
    ct_buf_init(&out, 1 << 16);
    talked_read(&s, &ct_openai_talk_chat, CHAT ", \"stream\": true}");
    assert_true(s.ok && s.t->kind->begin(s.t, &s.out));
    assert_true(s.t->kind->event(s.t, 0, &(carat_event){ .kind = CARAT_EVENT_FAILED, .err = &late }, &s.out));
    assert_true(s.t->has_failed && s.t->fault.status == 500);
    assert_true(s.t->kind->fault(s.t, &s.t->fault, true, &out));
    assert_true(strncmp(out.data, "data: {\"error\":{", 16) == 0 && strcmp(out.data + out.len - 4, "}}\n\n") == 0);
    talked_done(&s);
    ct_buf_clear(&out);
    assert_true(ct_openai_talk_chat.fault(NULL, &(ct_openai_fault){ .status = 404, .code = "x" }, false, &out));
    assert_true(ct_json_parse("fault", out.data, out.len, &o, NULL));
    json_decref(o);
    ct_buf_deinit(&out);
}

/* ---- forms are shared by the workers of a server ---- */

static void *read_many(void *arg)
{
    const size_t which = (size_t)(uintptr_t)arg;
    for (size_t i = 0; i < 40; i++) {
        char body[512];
        talked s;
        snprintf(body, sizeof body,
                 "%s, \"response_format\": {\"type\": \"json_schema\", \"json_schema\": {\"name\": \"x\", \"schema\": "
                 "{\"type\": \"integer\", \"maximum\": %zu}}}}",
                 CHAT, (i + which) % (CT_OPENAI_MAX_FORMS + 4));
        talked_read(&s, &ct_openai_talk_chat, body);
        if (!s.ok)
            return NULL;
        talked_done(&s);
    }
    return arg;
}

static void test_workers_share_forms(void **state)
{
    (void)state;
    ct_openai_forms forms = { .n = 0 };
    pthread_t threads[4];
    asked_defaults.forms = &forms;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_many, (void *)(uintptr_t)(i + 1)), 0);
    for (size_t i = 0; i < 4; i++) {
        void *got;
        assert_int_equal(pthread_join(threads[i], &got), 0);
        assert_int_equal((uintptr_t)got, i + 1);
    }
    assert_int_equal(forms.n, CT_OPENAI_MAX_FORMS);
    ct_openai_forms_deinit(&forms);
    asked_defaults.forms = NULL;
}

static int open_scene(void **state)
{
    const int rc = asked_open(state);
    asked_defaults.mode = CT_OPENAI_LENIENT;
    talked_scene.fingerprint = "fp_1";
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams_say_what_whole_replies_say),
        cmocka_unit_test(test_chunks_of_a_chat),
        cmocka_unit_test(test_timings),
        cmocka_unit_test(test_a_prediction_is_counted),
        cmocka_unit_test(test_a_list_of_prompts),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_workers_share_forms),
    };
    asked_n_ctx = 1024;
    return cmocka_run_group_tests(tests, open_scene, asked_close);
}
