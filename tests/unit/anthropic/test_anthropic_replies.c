/* Replies of Anthropic's Messages protocol: events that put together are the message, usage, and errors.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "anthropic/inside.h"
#include "talked.h"

#define KIND &ct_anthropic_talk
#define ASK  "{'max_tokens': 9, 'messages': [{'role': 'user', 'content': 'a red star'}]"
#define TOOLS                                                                                                          \
    ", 'tools': [{'name': 'warm', 'input_schema': {'type': 'object', 'properties': {'by': {'type': 'integer', "        \
    "'maximum': 9}, 'why': {'type': 'string', 'maxLength': 4}}, 'required': ['by'], 'additionalProperties': false}}, " \
    "{'name': 'now', 'input_schema': {'type': 'object', 'properties': {}, 'additionalProperties': false}}]"

static json_t *at(const json_t *o, const char *key)
{
    json_t *v = json_object_get(o, key);
    if (!v)
        fail_msg("no '%s'", key);
    return v;
}

static const char *text_at(const json_t *o, const char *key)
{
    assert_true(json_is_string(at(o, key)));
    return json_string_value(at(o, key));
}

static json_int_t number_at(const json_t *o, const char *key)
{
    assert_true(json_is_integer(at(o, key)));
    return json_integer_value(at(o, key));
}

static json_t *parse(const char *text, size_t len)
{
    carat_err err;
    json_t *v;
    if (!ct_json_parse("data", text, len, &v, &err))
        fail_msg("%s: %.*s", err.msg, (int)len, text);
    return v;
}

/* ---- a client, as strict as one may be ---- */

typedef struct joined {
    json_t *message; /* what a reply that is not streamed would be */
    json_t *open;    /* the block that is coming */
    ct_buf text;     /* its text or input */
    size_t n_events, n_pings, n_deltas;
    bool has_stopped;
} joined;

static void start(joined *j, const json_t *data)
{
    assert_null(j->open);
    assert_int_equal(number_at(data, "index"), json_array_size(at(j->message, "content")));
    j->open = json_deep_copy(at(data, "content_block"));
    assert_int_equal(json_array_append_new(at(j->message, "content"), j->open), 0);
    ct_buf_clear(&j->text);
    ct_buf_str(&j->text, "");
}

static void delta(joined *j, const json_t *data)
{
    const json_t *d = at(data, "delta");
    const bool is_text = strcmp(text_at(d, "type"), "text_delta") == 0;
    assert_non_null(j->open);
    assert_string_equal(text_at(j->open, "type"), is_text ? "text" : "tool_use");
    assert_int_equal(number_at(data, "index") + 1, json_array_size(at(j->message, "content")));
    assert_string_equal(text_at(d, "type"), is_text ? "text_delta" : "input_json_delta");
    ct_buf_str(&j->text, text_at(d, is_text ? "text" : "partial_json"));
    j->n_deltas++;
}

static void stop(joined *j, const json_t *data)
{
    assert_non_null(j->open);
    assert_int_equal(number_at(data, "index") + 1, json_array_size(at(j->message, "content")));
    if (strcmp(text_at(j->open, "type"), "text") == 0) {
        assert_string_equal(text_at(j->open, "text"), "");
        json_object_set_new(j->open, "text", json_string(j->text.data));
    } else {
        assert_int_equal(json_object_size(at(j->open, "input")), 0);
        json_object_set_new(j->open, "input", j->text.len ? parse(j->text.data, j->text.len) : json_object());
    }
    j->open = NULL;
}

static void end(joined *j, const json_t *data)
{
    assert_null(j->open);
    json_object_update(j->message, at(data, "delta"));
    json_object_update(at(j->message, "usage"), at(data, "usage"));
}

static void take(joined *j, const char *name, const json_t *data)
{
    assert_string_equal(text_at(data, "type"), name);
    assert_false(j->has_stopped);
    if (strcmp(name, "ping") == 0) {
        j->n_pings++;
        return;
    }
    assert_true((strcmp(name, "message_start") == 0) == (j->n_events == 0));
    j->n_events++;
    if (strcmp(name, "message_start") == 0)
        j->message = json_deep_copy(at(data, "message"));
    else if (strcmp(name, "content_block_start") == 0)
        start(j, data);
    else if (strcmp(name, "content_block_delta") == 0)
        delta(j, data);
    else if (strcmp(name, "content_block_stop") == 0)
        stop(j, data);
    else if (strcmp(name, "message_delta") == 0)
        end(j, data);
    else if (strcmp(name, "message_stop") == 0)
        j->has_stopped = true;
    else
        fail_msg("an event '%s'", name);
}

/* Lines "event: NAME", "data: {...}", and an empty one. */
static void join(joined *j, const char *s)
{
    *j = (joined){ .message = NULL };
    ct_buf_init(&j->text, SIZE_MAX);
    while (*s) {
        char name[32];
        const char *data, *after;
        assert_int_equal(strncmp(s, "event: ", 7), 0);
        const size_t n = strcspn(s + 7, "\n");
        assert_true(n < sizeof name);
        snprintf(name, sizeof name, "%.*s", (int)n, s + 7);
        data = s + 7 + n + 1;
        assert_int_equal(strncmp(data, "data: ", 6), 0);
        after = strstr(data, "\n\n");
        assert_non_null(after);
        json_t *v = parse(data + 6, (size_t)(after - data - 6));
        take(j, name, v);
        json_decref(v);
        s = after + 2;
    }
}

static void join_done(joined *j)
{
    json_decref(j->message);
    ct_buf_deinit(&j->text);
}

/* ---- answers ---- */

/* A number, or a text of hexadecimal digits behind its prefix: what differs between two replies. */
static void forget_ids(json_t *message)
{
    assert_int_equal(strncmp(text_at(message, "id"), "msg_", 4), 0);
    json_object_set_new(message, "id", json_string("msg"));
    for (size_t i = 0; i < json_array_size(at(message, "content")); i++) {
        json_t *block = json_array_get(at(message, "content"), i);
        if (strcmp(text_at(block, "type"), "tool_use") == 0) {
            assert_int_equal(strncmp(text_at(block, "id"), "toolu_", 6), 0);
            json_object_set_new(block, "id", json_string("toolu"));
        }
    }
}

/* How much of the prompt the prefix cache had depends on when it got it: all counts as input. */
static void forget_cache(json_t *message)
{
    json_t *usage = at(message, "usage");
    const json_int_t n = number_at(usage, "input_tokens") + number_at(usage, "cache_read_input_tokens");
    json_object_set_new(usage, "input_tokens", json_integer(n));
    json_object_set_new(usage, "cache_read_input_tokens", json_integer(0));
}

/* What the answer with these tokens is, streamed and whole; the caller's. Both are the same. */
static json_t *said(const char *rest, const char *const *texts, carat_finish finish, unsigned stop_n, size_t *n_deltas)
{
    char body[1024];
    talked o;
    joined j;
    snprintf(body, sizeof body, ASK "%s, 'stream': false}", rest);
    talked_accept(&o, KIND, body);
    talked_say(&o, texts, finish, stop_n);
    json_t *whole = parse(o.out.data, o.out.len);
    talked_done(&o);
    snprintf(body, sizeof body, ASK "%s, 'stream': true}", rest);
    talked_accept(&o, KIND, body);
    talked_say(&o, texts, finish, stop_n);
    join(&j, o.out.data);
    assert_true(j.has_stopped && j.n_pings > 0);
    if (n_deltas)
        *n_deltas = j.n_deltas;
    forget_ids(whole), forget_ids(j.message);
    forget_cache(whole), forget_cache(j.message);
    char *a = ct_json_dump(whole, JSON_COMPACT | JSON_SORT_KEYS),
         *b = ct_json_dump(j.message, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(a, b);
    free(a), free(b);
    talked_done(&o);
    join_done(&j);
    return whole;
}

static void expect(json_t *message, const char *key, const char *want)
{
    char *got = ct_json_dump(at(message, key), JSON_COMPACT | JSON_ENCODE_ANY);
    if (!got || strcmp(got, want) != 0)
        fail_msg("'%s' is %s, expected %s", key, got, want);
    free(got);
}

static void test_a_text(void **state)
{
    (void)state;
    static const char *const hello[] = { "he", "llo \xc3\xa9", "", "\n\n\"x\"", NULL }, *const none[] = { "", NULL };
    size_t n;
    json_t *m = said("", hello, CARAT_FINISH_STOP, 0, &n);
    assert_int_equal(n, 3);
    expect(m, "content", "[{\"type\":\"text\",\"text\":\"hello \xc3\xa9\\n\\n\\\"x\\\"\"}]");
    expect(m, "type", "\"message\"");
    expect(m, "role", "\"assistant\"");
    expect(m, "model", "\"tiny\"");
    expect(m, "stop_reason", "\"end_turn\"");
    expect(m, "stop_sequence", "null");
    expect(at(m, "usage"), "output_tokens", "4");
    expect(at(m, "usage"), "cache_creation_input_tokens", "0");
    assert_true(number_at(at(m, "usage"), "input_tokens") > 0);
    json_decref(m);
    m = said("", none, CARAT_FINISH_STOP, 0, &n);
    expect(m, "content", "[]");
    json_decref(m);
}

static void test_why_an_answer_ended(void **state)
{
    (void)state;
    static const char *const text[] = { "a", NULL }, *const nine[] = {
        "a", "b", "c", "d", "e", "f", "g", "h", "i", NULL
    };
    json_t *m = said(", 'stop_sequences': ['x', 'yy']", text, CARAT_FINISH_STOP, 2, NULL);
    expect(m, "stop_reason", "\"stop_sequence\"");
    expect(m, "stop_sequence", "\"yy\"");
    json_decref(m);
    m = said("", nine, CARAT_FINISH_LENGTH, 0, NULL);
    expect(m, "stop_reason", "\"max_tokens\"");
    json_decref(m);
    m = said("", text, CARAT_FINISH_LENGTH, 0, NULL); /* of nine that it might have had */
    expect(m, "stop_reason", "\"model_context_window_exceeded\"");
    json_decref(m);
}

static void test_calls_are_blocks(void **state)
{
    (void)state;
    static const char *const two[] = { "Let me see.\n",
                                       "[{\"name\": \"warm\", \"para",
                                       "meters\": {\"by\": 3, \"why\": \"a\\n\"",
                                       "}}",
                                       ", {\"name\": \"now\", \"parameters\": {}",
                                       "}]",
                                       NULL };
    json_t *m = said(TOOLS, two, CARAT_FINISH_STOP, 0, NULL);
    expect(m, "stop_reason", "\"tool_use\"");
    const json_t *content = at(m, "content");
    assert_int_equal(json_array_size(content), 3);
    assert_non_null(strstr(text_at(json_array_get(content, 0), "text"), "Let me see."));
    expect(json_array_get(content, 1), "name", "\"warm\"");
    expect(json_array_get(content, 1), "input", "{\"by\":3,\"why\":\"a\\n\"}");
    expect(json_array_get(content, 2), "name", "\"now\"");
    expect(json_array_get(content, 2), "input", "{}");
    json_decref(m);
}

/* Half an input is no JSON: whole, it is text; streamed, a block that ends early. */
static void test_half_a_call(void **state)
{
    (void)state;
    static const char *const half[] = { "{\"name\": \"warm\", \"parameters\": {", "\"by\": 3", NULL };
    talked o;
    talked_accept(&o, KIND, ASK TOOLS "}");
    talked_say(&o, half, CARAT_FINISH_LENGTH, 0);
    json_t *m = parse(o.out.data, o.out.len);
    const json_t *block = json_array_get(at(m, "content"), 0);
    assert_string_equal(text_at(block, "type"), "text");
    assert_non_null(strstr(text_at(block, "text"), "{\"by\":3"));
    assert_non_null(strstr(text_at(block, "text"), "\"warm\""));
    json_decref(m);
    talked_done(&o);
    talked_accept(&o, KIND, ASK TOOLS ", 'stream': true}");
    talked_say(&o, half, CARAT_FINISH_LENGTH, 0);
    assert_non_null(strstr(o.out.data, "\"type\":\"tool_use\""));
    assert_non_null(strstr(o.out.data, "event: content_block_stop\n"));
    assert_null(strstr(o.out.data, "\"stop_reason\":\"tool_use\""));
    talked_done(&o);
}

/* The model's own words: streamed and whole the same, and any call that must come satisfies its schema. */
static void test_a_model_answers(void **state)
{
    (void)state;
    static const char *const rest[] = {
        ", 'top_k': 1", ", 'top_k': 1", TOOLS ", 'top_k': 1, 'tool_choice': {'type': 'tool', 'name': 'now'}",
        TOOLS ", 'top_k': 1, 'tool_choice': {'type': 'any', 'disable_parallel_tool_use': true}"
    };
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) {
        char body[1024], *text[2];
        for (int streams = 0; streams < 2; streams++) {
            talked o;
            joined j;
            snprintf(body, sizeof body,
                     "{'max_tokens': 60, 'messages': [{'role': 'user', 'content': 'a red star'}]%s, 'stream': %s}",
                     rest[i], streams ? "true" : "false");
            talked_accept(&o, KIND, body);
            talked_run(&o);
            json_t *m;
            if (streams) {
                join(&j, o.out.data);
                m = json_incref(j.message);
                join_done(&j);
            } else {
                m = parse(o.out.data, o.out.len);
            }
            const json_t *usage = at(m, "usage");
            size_t n;
            carat_prompt_tokens(o.t->asks[0]->prompt, &n);
            assert_int_equal(number_at(usage, "input_tokens") + number_at(usage, "cache_read_input_tokens"), n);
            json_object_del(m, "usage"); /* the second prompt is cached */
            forget_ids(m);
            if (i == 2)
                expect(json_array_get(at(m, "content"), 0), "name", "\"now\"");
            text[streams] = ct_json_dump(m, JSON_COMPACT | JSON_SORT_KEYS);
            json_decref(m);
            talked_done(&o);
        }
        if (strstr(text[0], "\"stop_reason\":\"tool_use\"") || i < 2)
            assert_string_equal(text[0], text[1]);
        free(text[0]), free(text[1]);
    }
}

/* ---- errors ---- */

static void test_errors_have_anthropics_types(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *type;
    } of[] = {
        { 400, "invalid_request_error" }, { 401, "authentication_error" },
        { 403, "permission_error" },      { 404, "not_found_error" },
        { 405, "invalid_request_error" }, { 413, "request_too_large" },
        { 429, "rate_limit_error" },      { 500, "api_error" },
        { 503, "overloaded_error" },      { 504, "timeout_error" },
        { 529, "overloaded_error" },
    };
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        ct_openai_fault f = { 0 };
        ct_buf out;
        ct_openai_refuse(&f, of[i].status, "x", "", "what it was");
        ct_buf_init(&out, SIZE_MAX);
        assert_true((KIND)->fault(NULL, &f, false, &out)); /* of a request that was never read */
        json_t *o = parse(out.data, out.len);
        expect(o, "type", "\"error\"");
        assert_string_equal(text_at(at(o, "error"), "type"), of[i].type);
        assert_string_equal(text_at(at(o, "error"), "message"), "what it was");
        expect(o, "request_id", "null");
        json_decref(o);
        ct_buf_deinit(&out);
    }
}

static void test_an_error_ends_a_stream(void **state)
{
    (void)state;
    talked o;
    talked_accept(&o, KIND, ASK ", 'stream': true}");
    o.scene.request_id = "req_1";
    talked_fail(&o, CARAT_ETIME, "too slow");
    const char *last = strstr(o.out.data, "event: error\n");
    assert_non_null(last);
    assert_string_equal(last,
                        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"too "
                        "slow\"},\"request_id\":\"req_1\"}\n\n");
    talked_done(&o);
    static const char *const hello[] = { "hello", NULL };
    talked_accept(&o, KIND, ASK "}");
    talked_say(&o, hello, CARAT_FINISH_CANCELLED, 0); /* half an answer is not passed off as one */
    assert_true(o.t->has_failed && o.t->fault.status == 503);
    assert_non_null(strstr(o.out.data, "\"overloaded_error\""));
    talked_done(&o);
}

static int open_engine(void **state)
{
    asked_n_ctx = 1024;
    const int rc = asked_open(state);
    asked_defaults.mode = CT_OPENAI_LENIENT;
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_text),
        cmocka_unit_test(test_why_an_answer_ended),
        cmocka_unit_test(test_calls_are_blocks),
        cmocka_unit_test(test_half_a_call),
        cmocka_unit_test(test_a_model_answers),
        cmocka_unit_test(test_errors_have_anthropics_types),
        cmocka_unit_test(test_an_error_ends_a_stream),
    };
    return cmocka_run_group_tests(tests, open_engine, asked_close);
}
