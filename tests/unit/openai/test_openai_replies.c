/* Replies of the OpenAI protocol: the error object, bodies made of events, lines of a batch.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "openai/batch.h"

static carat_tokenizer *tok;
static ct_openai_usage usage; /* of the latest reply */

static const char *text_at(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    assert_non_null(s);
    return s;
}

/* The keys of an object in their order, separated by spaces. */
static const char *keys(json_t *o, char to[256])
{
    const char *key;
    json_t *v;
    size_t n = 0;
    *to = '\0';
    json_object_foreach(o, key, v)
        n += (size_t)snprintf(to + n, 256 - n, "%s%s", n ? " " : "", key);
    return to;
}

/* ---- errors ---- */

static void check_error(const ct_openai_fault *f, const char *type, const char *code, const char *param)
{
    char buf[256];
    json_t *o = ct_openai_error(f);
    assert_non_null(o);
    assert_string_equal(keys(o, buf), "error");
    json_t *e = json_object_get(o, "error");
    assert_string_equal(keys(e, buf), "message type param code");
    assert_string_equal(text_at(e, "message"), f->err.msg);
    assert_string_equal(text_at(e, "type"), type);
    assert_string_equal(text_at(e, "code"), code);
    if (param)
        assert_string_equal(text_at(e, "param"), param);
    else
        assert_true(json_is_null(json_object_get(e, "param")));
    json_decref(o);
}

static void test_error_objects(void **state)
{
    (void)state;
    ct_openai_fault f = { 0 };
    assert_false(ct_openai_refuse(&f, 400, "invalid_value", "n", "'%s' is %d", "n", 9));
    assert_string_equal(f.err.msg, "'n' is 9");
    check_error(&f, "invalid_request_error", "invalid_value", "n");
    ct_openai_refuse(&f, 404, "model_not_found", "", "no such model");
    check_error(&f, "not_found_error", "model_not_found", NULL);
    static const struct {
        carat_code code;
        int status, when_submitted;
        const char *type, *word;
    } cases[] = {
        { CARAT_EARG, 400, 400, "invalid_request_error", "invalid_value" },
        { CARAT_EFORMAT, 400, 400, "invalid_request_error", "invalid_value" },
        { CARAT_EUNSUPPORTED, 400, 400, "invalid_request_error", "invalid_value" },
        { CARAT_ECONTEXT, 400, 400, "invalid_request_error", "context_length_exceeded" },
        { CARAT_ENOMEM, 500, 500, "server_error", "server_error" },
        { CARAT_ENUMERIC, 500, 500, "server_error", "server_error" },
        { CARAT_ETIME, 500, 500, "server_error", "server_error" },
        { CARAT_ECANCELLED, 500, 500, "server_error", "server_error" },
        { CARAT_ECLOSED, 503, 503, "unavailable_error", "unavailable" },
        { CARAT_ELIMIT, 400, 429, "invalid_request_error", "invalid_value" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        f = (ct_openai_fault){ .err = { .code = cases[i].code, .msg = "what it was" } };
        assert_false(ct_openai_refuse_err(&f, "messages"));
        assert_int_equal(f.status, cases[i].status);
        check_error(&f, cases[i].type, cases[i].word, f.status == 400 ? "messages" : NULL);
        assert_false(ct_openai_refuse_submit(&f, CT_OPENAI_COMPLETIONS));
        assert_int_equal(f.status, cases[i].when_submitted);
        if (f.status == 429)
            check_error(&f, "rate_limit_error", "rate_limit_exceeded", NULL);
        else
            check_error(&f, cases[i].type, cases[i].word, f.status == 400 ? "prompt" : NULL);
    }
}

/* A message is cut at a whole character, and what is no text is shown as such. */
static void test_messages_of_errors(void **state)
{
    (void)state;
    ct_openai_fault f = { 0 };
    char wide[600] = "";
    for (int i = 0; i < 290; i++)
        memcpy(wide + 2 * i, "\xc3\xbc", 2);
    ct_openai_refuse(&f, 400, "invalid_value", "x", "%s", wide);
    check_error(&f, "invalid_request_error", "invalid_value", "x");
    f = (ct_openai_fault){ .status = 400, .code = "invalid_value", .err = { .msg = "a\xff" } };
    json_t *o = ct_openai_error(&f);
    assert_string_equal(text_at(json_object_get(o, "error"), "message"), "a\xef\xbf\xbd");
    json_decref(o);
}

/* ---- bodies ---- */

static ct_openai_request request_of(ct_openai_endpoint endpoint, size_t n, bool logprobs)
{
    return (ct_openai_request){ .endpoint = endpoint, .has_logprobs = logprobs, .submit = { .n_answers = n } };
}

static void add_token(ct_openai_reply *r, size_t answer, int32_t id, const char *text, float logprob,
                      const carat_top *top, size_t n_top)
{
    const carat_token t = { .id = id,
                            .text = text,
                            .len = strlen(text),
                            .logprob = logprob,
                            .top = top,
                            .n_top = n_top,
                            .at = r->answers[answer].text.len };
    ct_openai_reply_add(r, tok, &(carat_event){ .kind = CARAT_EVENT_TOKEN, .answer = answer, .token = &t });
}

static void end(ct_openai_reply *r, size_t answer, carat_finish finish, size_t n)
{
    const carat_result result = { .struct_size = sizeof result, .finish = finish, .n_generated = n, .stop_id = -1 };
    const carat_event e = { .kind = CARAT_EVENT_ANSWER, .answer = answer, .result = &result };
    ct_openai_reply_add(r, tok, &e);
    ct_openai_usage_event(&usage, &e);
}

static void test_a_chat(void **state)
{
    (void)state;
    char buf[256];
    ct_openai_request q = request_of(CT_OPENAI_CHAT, 2, false);
    ct_openai_reply r = { 0 };
    usage = (ct_openai_usage){ .n_prompt = 7, .n_cached = 3, .n_image = 4 };
    assert_true(ct_openai_reply_init(&r, &q));
    assert_int_equal(strlen(r.id), strlen("chatcmpl-") + 24);
    add_token(&r, 1, 20, "x", 0, NULL, 0);
    add_token(&r, 0, 21, "he", 0, NULL, 0);
    add_token(&r, 0, 22, "llo", 0, NULL, 0);
    add_token(&r, 0, -1, "\xc3\xa9", 0, NULL, 0); /* what was held back */
    end(&r, 0, CARAT_FINISH_STOP, 2);
    end(&r, 1, CARAT_FINISH_LENGTH, 1);
    ct_openai_reply_add(&r, tok, &(carat_event){ .kind = CARAT_EVENT_END });
    json_t *o = ct_openai_reply_body(&r, "m", &usage), *choices = json_object_get(o, "choices");
    assert_string_equal(keys(o, buf), "id object created model system_fingerprint choices usage");
    assert_string_equal(text_at(o, "object"), "chat.completion");
    assert_string_equal(text_at(o, "id"), r.id);
    assert_int_equal(json_integer_value(json_object_get(o, "created")), r.created);
    assert_int_equal(json_array_size(choices), 2);
    json_t *first = json_array_get(choices, 0), *message = json_object_get(first, "message");
    assert_string_equal(keys(first, buf), "index message logprobs finish_reason");
    assert_string_equal(keys(message, buf), "role content refusal");
    assert_string_equal(text_at(message, "content"), "hello\xc3\xa9");
    assert_string_equal(text_at(first, "finish_reason"), "stop");
    assert_true(json_is_null(json_object_get(first, "logprobs")));
    assert_string_equal(text_at(json_array_get(choices, 1), "finish_reason"), "length");
    json_t *cost = json_object_get(o, "usage"), *of_prompt = json_object_get(cost, "prompt_tokens_details");
    assert_string_equal(keys(cost, buf), "prompt_tokens completion_tokens total_tokens prompt_tokens_details "
                                         "completion_tokens_details");
    assert_int_equal(json_integer_value(json_object_get(cost, "completion_tokens")), 3);
    assert_int_equal(json_integer_value(json_object_get(cost, "total_tokens")), 10);
    assert_int_equal(json_integer_value(json_object_get(of_prompt, "cached_tokens")), 3);
    assert_int_equal(json_integer_value(json_object_get(of_prompt, "image_tokens")), 4);
    assert_int_equal(json_integer_value(json_object_get(of_prompt, "text_tokens")), 3);
    assert_true(json_is_null(json_object_get(o, "system_fingerprint")));
    json_decref(o);
    ct_openai_reply_deinit(&r);
}

/* What becomes of an answer's text where functions may be called. */
static void test_calls(void **state)
{
    (void)state;
    char buf[256];
    carat_tools *tools;
    const carat_tool list[] = { { .struct_size = sizeof *list, .name = "now" },
                                { .struct_size = sizeof *list, .name = "warm" } };
    const carat_tools_options to = { .struct_size = sizeof to, .tools = list, .n_tools = 2 };
    assert_true(carat_tools_open(&to, &tools, NULL));
    static const struct {
        const char *text;
        carat_finish finish;
        bool is_old_style;
        const char *content, *keys, *reason;
        size_t n_calls;
    } of[] = {
        { "Hello.", CARAT_FINISH_STOP, false, "Hello.", "role content refusal", "stop", 0 },
        { "{\"name\": \"now\", \"parameters\": {}}", CARAT_FINISH_STOP, false, NULL, "role content refusal tool_calls",
          "tool_calls", 1 },
        { "[{\"name\": \"now\", \"parameters\": {}}, {\"name\": \"warm\", \"parameters\": {}}]", CARAT_FINISH_STOP,
          false, NULL, "role content refusal tool_calls", "tool_calls", 2 },
        { "{\"name\": \"now\", \"parameters\": {}}", CARAT_FINISH_STOP, true, NULL,
          "role content refusal function_call", "function_call", 1 },
        { "{\"name\": \"now\", \"parameters\": {\"zo", CARAT_FINISH_LENGTH, false,
          "{\"name\": \"now\", \"parameters\": {\"zo", "role content refusal", "length", 0 },
        { "{\"name\": \"then\", \"parameters\": {}}", CARAT_FINISH_STOP, false,
          "{\"name\": \"then\", \"parameters\": {}}", "role content refusal", "stop", 0 },
    };
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        ct_openai_request q = request_of(CT_OPENAI_CHAT, 1, false);
        ct_openai_reply r = { 0 };
        q.calls.tools = tools;
        q.calls.is_old_style = of[i].is_old_style;
        assert_true(ct_openai_reply_init(&r, &q));
        add_token(&r, 0, 20, of[i].text, 0, NULL, 0);
        end(&r, 0, of[i].finish, 1);
        json_t *o = ct_openai_reply_body(&r, "m", &usage), *c = json_array_get(json_object_get(o, "choices"), 0);
        json_t *m = json_object_get(c, "message"), *content = json_object_get(m, "content");
        assert_string_equal(keys(m, buf), of[i].keys);
        assert_string_equal(text_at(c, "finish_reason"), of[i].reason);
        if (of[i].content)
            assert_string_equal(json_string_value(content), of[i].content);
        else
            assert_true(json_is_null(content));
        json_t *calls = json_object_get(m, "tool_calls");
        assert_int_equal(json_array_size(calls), of[i].is_old_style ? 0 : of[i].n_calls);
        json_t *call = json_array_get(calls, 0),
               *function = call ? json_object_get(call, "function") : json_object_get(m, "function_call");
        if (call) {
            assert_string_equal(keys(call, buf), "id type function");
            assert_int_equal(strncmp(text_at(call, "id"), "call_", 5), 0);
        }
        if (of[i].n_calls) {
            assert_string_equal(text_at(function, "name"), "now");
            assert_string_equal(text_at(function, "arguments"), "{}");
        }
        json_decref(o);
        ct_openai_reply_deinit(&r);
    }
    carat_tools_close(tools);
}

/* An id whose bytes are no whole character, if the vocabulary has byte tokens; it has. */
static int32_t byte_token(void)
{
    int32_t *ids;
    size_t n;
    assert_true(carat_tokenizer_encode(tok, "\xff", 1, 0, &ids, &n, NULL));
    int32_t id = ids[n - 1];
    carat_free(ids);
    return id;
}

static void test_logprobs_of_a_chat(void **state)
{
    (void)state;
    char buf[256];
    int32_t byte = byte_token();
    const carat_top top[2] = { { 20, -0.5f }, { byte, -INFINITY } };
    ct_openai_request q = request_of(CT_OPENAI_CHAT, 1, true);
    ct_openai_reply r = { 0 };
    assert_true(ct_openai_reply_init(&r, &q));
    add_token(&r, 0, byte, "", -INFINITY, top, 2);
    add_token(&r, 0, -1, "rest", 0, NULL, 0); /* no entry of its own */
    end(&r, 0, CARAT_FINISH_STOP, 1);
    json_t *o = ct_openai_reply_body(&r, "m", &usage);
    json_t *logprobs = json_object_get(json_array_get(json_object_get(o, "choices"), 0), "logprobs");
    assert_string_equal(keys(logprobs, buf), "content refusal");
    json_t *content = json_object_get(logprobs, "content"), *e = json_array_get(content, 0);
    assert_int_equal(json_array_size(content), 1);
    assert_string_equal(text_at(e, "token"), "\xef\xbf\xbd");
    assert_true(json_real_value(json_object_get(e, "logprob")) == -9999);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(e, "bytes"), 0)), 0xff);
    json_t *tops = json_object_get(e, "top_logprobs");
    assert_int_equal(json_array_size(tops), 2);
    assert_true(json_real_value(json_object_get(json_array_get(tops, 0), "logprob")) == -0.5);
    json_decref(o);
    ct_openai_reply_deinit(&r);
}

static void test_logprobs_of_a_completion(void **state)
{
    (void)state;
    int32_t byte = byte_token();
    /* Two tokens whose text is a replacement character: the likelier one keeps the place in the dictionary. */
    const carat_top top[2] = { { byte, -0.25f }, { byte - 1, -2.0f } };
    ct_openai_request q = request_of(CT_OPENAI_COMPLETIONS, 1, true);
    ct_openai_reply r = { 0 };
    assert_true(ct_openai_reply_init(&r, &q));
    add_token(&r, 0, 20, "\xc3\xa9", -1.5f, top, 2);
    add_token(&r, 0, 21, "b", -1, NULL, 0);
    add_token(&r, 0, 22, "c", -1, NULL, 0);
    end(&r, 0, CARAT_FINISH_LENGTH, 3);
    json_t *o = ct_openai_reply_body(&r, "m", &usage);
    assert_string_equal(text_at(o, "object"), "text_completion");
    json_t *c = json_array_get(json_object_get(o, "choices"), 0), *l = json_object_get(c, "logprobs");
    assert_string_equal(text_at(c, "text"), "\xc3\xa9"
                                            "bc");
    static const char *const lists[] = { "tokens", "token_logprobs", "top_logprobs", "text_offset" };
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(json_array_size(json_object_get(l, lists[i])), 3);
    json_t *dictionary = json_array_get(json_object_get(l, "top_logprobs"), 0);
    assert_int_equal(json_object_size(dictionary), 2); /* that character, and the token itself */
    assert_true(json_real_value(json_object_get(dictionary, "\xef\xbf\xbd")) == -0.25);
    assert_true(json_is_null(json_array_get(json_object_get(l, "top_logprobs"), 1)));
    for (json_int_t i = 0; i < 3; i++) /* in characters, not in bytes */
        assert_int_equal(json_integer_value(json_array_get(json_object_get(l, "text_offset"), (size_t)i)), i);
    json_decref(o);
    ct_openai_reply_deinit(&r);
}

/* Tokens of two bytes each, of which the stop string left the first `len` bytes of text; all of it was held back. */
static json_t *cut_reply(ct_openai_endpoint endpoint, size_t len, carat_finish finish, int32_t stop_id)
{
    static const char whole[] = "\xc3\xa9"
                                "cdefgh";
    ct_openai_request q = request_of(endpoint, 1, true);
    ct_openai_reply r = { 0 };
    assert_true(ct_openai_reply_init(&r, &q));
    for (size_t i = 0; i < 4; i++) {
        const carat_token t = { .id = (int32_t)(20 + i), .text = "", .logprob = -1, .at = 2 * i };
        ct_openai_reply_add(&r, tok, &(carat_event){ .kind = CARAT_EVENT_TOKEN, .token = &t });
    }
    const carat_token last = { .id = -1, .text = whole, .len = len, .at = 0 };
    ct_openai_reply_add(&r, tok, &(carat_event){ .kind = CARAT_EVENT_TOKEN, .token = &last });
    const carat_result result = {
        .struct_size = sizeof result, .finish = finish, .n_generated = 4, .stop_id = stop_id
    };
    const carat_event e = { .kind = CARAT_EVENT_ANSWER, .result = &result };
    ct_openai_reply_add(&r, tok, &e);
    usage = (ct_openai_usage){ .n_prompt = 1 };
    ct_openai_usage_event(&usage, &e);
    json_t *o = ct_openai_reply_body(&r, "m", &usage);
    assert_non_null(o);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(o, "usage"), "completion_tokens")), 4);
    ct_openai_reply_deinit(&r);
    return o;
}

static void expect_entries(size_t len, carat_finish finish, int32_t stop_id, size_t n)
{
    static const json_int_t offsets[] = { 0, 1, 3, 5 }; /* in characters: the first token is one */
    json_t *chat = cut_reply(CT_OPENAI_CHAT, len, finish, stop_id);
    json_t *text = cut_reply(CT_OPENAI_COMPLETIONS, len, finish, stop_id), *list;
    json_t *of_chat = json_object_get(json_array_get(json_object_get(chat, "choices"), 0), "logprobs");
    json_t *of_text = json_object_get(json_array_get(json_object_get(text, "choices"), 0), "logprobs");
    assert_int_equal(json_array_size(json_object_get(of_chat, "content")), n);
    assert_int_equal(json_object_size(of_text), 4);
    const char *name;
    json_object_foreach(of_text, name, list)
        assert_int_equal(json_array_size(list), n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(json_integer_value(json_array_get(json_object_get(of_text, "text_offset"), i)), offsets[i]);
    json_decref(chat);
    json_decref(text);
}

static void test_logprobs_end_where_the_text_does(void **state)
{
    (void)state;
    expect_entries(0, CARAT_FINISH_STOP, -1, 0);
    expect_entries(2, CARAT_FINISH_STOP, -1, 1); /* at a token's border */
    expect_entries(3, CARAT_FINISH_STOP, -1, 2); /* inside one, which still has a part in the text */
    expect_entries(4, CARAT_FINISH_STOP, -1, 2);
    expect_entries(7, CARAT_FINISH_STOP, -1, 4);
    expect_entries(8, CARAT_FINISH_STOP, 1, 4); /* the model's own end */
    expect_entries(6, CARAT_FINISH_STOP, 1, 4); /* the last token has no text */
    expect_entries(6, CARAT_FINISH_LENGTH, -1, 4);
}

static void test_failures(void **state)
{
    (void)state;
    ct_openai_request q = request_of(CT_OPENAI_CHAT, 2, true);
    ct_openai_reply r = { 0 };
    const carat_err first = { .code = CARAT_ETIME, .msg = "first" }, second = { .code = CARAT_ENOMEM, .msg = "second" };
    assert_true(ct_openai_reply_init(&r, &q));
    ct_openai_reply_add(&r, tok, &(carat_event){ .kind = CARAT_EVENT_FAILED, .answer = 1, .err = &first });
    ct_openai_reply_add(&r, tok, &(carat_event){ .kind = CARAT_EVENT_FAILED, .answer = 0, .err = &second });
    assert_true(r.has_failed);
    assert_string_equal(r.fault.err.msg, "first");
    assert_int_equal(r.fault.status, 500);
    add_token(&r, 0, 1 << 30, "x", 0, NULL, 0); /* an entry that cannot be made */
    assert_null(ct_openai_reply_body(&r, "m", &usage));
    ct_openai_reply_deinit(&r);
    ct_openai_reply_deinit(&(ct_openai_reply){ 0 });
}

/* ---- lines ---- */

static json_t *parse_line(char *line)
{
    carat_err err;
    json_t *o;
    assert_non_null(line);
    size_t len = strlen(line);
    assert_true(len > 1 && line[len - 1] == '\n' && !memchr(line, '\n', len - 1));
    if (!ct_json_parse("line", line, len, &o, &err))
        fail_msg("%s: %s", line, err.msg);
    free(line);
    return o;
}

static void test_lines(void **state)
{
    (void)state;
    char buf[256];
    const float third = -1.0f / 3;
    json_t *o = parse_line(ct_openai_line_reply("a \"\n\xc3\xa9", json_pack("{s:f}", "x", (double)third)));
    assert_string_equal(keys(o, buf), "id custom_id response error");
    assert_string_equal(text_at(o, "custom_id"), "a \"\n\xc3\xa9");
    assert_true(json_is_null(json_object_get(o, "error")));
    json_t *response = json_object_get(o, "response");
    assert_string_equal(keys(response, buf), "status_code request_id body");
    assert_int_equal(json_integer_value(json_object_get(response, "status_code")), 200);
    double x = json_real_value(json_object_get(json_object_get(response, "body"), "x"));
    assert_true((float)x == third); /* nine digits give a float32 back */
    json_decref(o);

    ct_openai_fault f = { 0 };
    ct_openai_refuse(&f, 400, "invalid_value", "n", "no");
    o = parse_line(ct_openai_line_fault("a", &f));
    response = json_object_get(o, "response");
    assert_int_equal(json_integer_value(json_object_get(response, "status_code")), 400);
    assert_string_equal(text_at(json_object_get(json_object_get(response, "body"), "error"), "code"), "invalid_value");
    assert_true(json_is_null(json_object_get(o, "error")));
    json_decref(o);

    ct_openai_refuse(&f, 0, "invalid_url", "url", "no");
    o = parse_line(ct_openai_line_fault("a", &f));
    assert_true(json_is_null(json_object_get(o, "response")));
    assert_string_equal(keys(json_object_get(o, "error"), buf), "code message param");
    json_decref(o);
    assert_null(ct_openai_line_reply("a", NULL)); /* no body: no memory for it */
}

static void test_ids(void **state)
{
    (void)state;
    char a[40], b[40];
    assert_true(ct_openai_new_id("req_", a, sizeof a) && ct_openai_new_id("req_", b, sizeof b));
    assert_int_equal(strlen(a), 28);
    assert_int_equal(strspn(a + 4, "0123456789abcdef"), 24);
    assert_true(strcmp(a, b) != 0);
}

static int open_tokenizer(void **state)
{
    (void)state;
    return carat_tokenizer_open(TEST_DATA "/models/tiny-text", &tok, NULL) ? 0 : -1;
}

static int close_tokenizer(void **state)
{
    (void)state;
    carat_tokenizer_close(tok);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_objects),
        cmocka_unit_test(test_messages_of_errors),
        cmocka_unit_test(test_a_chat),
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_logprobs_of_a_chat),
        cmocka_unit_test(test_logprobs_of_a_completion),
        cmocka_unit_test(test_logprobs_end_where_the_text_does),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_ids),
    };
    return cmocka_run_group_tests(tests, open_tokenizer, close_tokenizer);
}
