/* Replies of Ollama's protocol: lines that put together are the answer, its figures, and errors.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "ollama/inside.h"
#include "talked.h"

#define CHAT     &ct_ollama_talk_chat
#define GENERATE &ct_ollama_talk_generate
#define MESSAGES "'messages': [{'role': 'user', 'content': 'a red star'}]"
#define TOOLS                                                                                                          \
    ", 'tools': [{'function': {'name': 'warm', 'parameters': {'type': 'object', 'properties': {'by': {'type': "        \
    "'integer'}, 'why': {'type': 'string'}}}}}, {'function': {'name': 'now'}}]"

static json_t *lines[64];
static size_t n_lines;

/* Every line is one object, of these keys. */
static void split(const talked *o)
{
    carat_err err;
    n_lines = 0;
    for (const char *s = o->out.data, *end; s && *s; s = end + 1) {
        end = strchr(s, '\n');
        assert_non_null(end);
        assert_true(n_lines < 64);
        if (!ct_json_parse("a line", s, (size_t)(end - s), &lines[n_lines], &err))
            fail_msg("%s: %s", err.msg, s);
        n_lines++;
    }
}

static void forget(void)
{
    while (n_lines)
        json_decref(lines[--n_lines]);
}

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

static long long number_at(const json_t *o, const char *key)
{
    assert_true(json_is_integer(at(o, key)));
    return json_integer_value(at(o, key));
}

static const char *said(const json_t *line, bool is_chat)
{
    if (!is_chat)
        return text_at(line, "response");
    assert_string_equal(text_at(at(line, "message"), "role"), "assistant");
    return text_at(at(line, "message"), "content");
}

/* What the lines say together. */
static void join(bool is_chat, char to[512])
{
    size_t n = 0;
    *to = '\0';
    for (size_t i = 0; i < n_lines; i++) {
        n += (size_t)snprintf(to + n, 512 - n, "%s", said(lines[i], is_chat));
        assert_true(n < 512);
        assert_string_equal(text_at(lines[i], "model"), "tiny");
        const char *t = text_at(lines[i], "created_at"); /* 2026-11-30T00:12:42.123456Z */
        assert_true(strlen(t) == 27 && t[10] == 'T' && t[19] == '.' && t[26] == 'Z');
        assert_true(json_is_boolean(at(lines[i], "done")) && json_is_true(at(lines[i], "done")) == (i + 1 == n_lines));
        assert_true(i + 1 == n_lines || !json_object_get(lines[i], "done_reason"));
    }
}

static void say(talked *o, const ct_talk_kind *kind, const char *body, const char *const *texts, carat_finish end)
{
    talked_accept(o, kind, body);
    talked_say(o, texts, end, 0);
    split(o);
}

static void done(talked *o)
{
    forget();
    talked_done(o);
}

/* ---- text ---- */

static const char *const hello[] = { "he", "llo \xc3\xa9", "", "\n\"x\"", NULL };
#define HELLO "hello \xc3\xa9\n\"x\""

static void expect_figures(const json_t *last, size_t n_prompt)
{
    assert_int_equal(number_at(last, "eval_count"), 4);
    assert_int_equal(number_at(last, "prompt_eval_count"), n_prompt);
    assert_int_equal(number_at(last, "eval_duration"), 500000000);
    assert_int_equal(number_at(last, "load_duration"), 0);
    assert_true(number_at(last, "total_duration") > 0 && number_at(last, "prompt_eval_duration") > 0);
    assert_true(number_at(last, "total_duration") >= number_at(last, "prompt_eval_duration"));
}

static void test_lines_together_are_the_answer(void **state)
{
    (void)state;
    talked o;
    char text[512];
    static const struct {
        const ct_talk_kind *kind;
        const char *body;
        size_t n_lines;
    } of[] = {
        { CHAT, "{" MESSAGES "}", 4 },
        { CHAT, "{" MESSAGES ", 'stream': false}", 1 },
        { GENERATE, "{'prompt': 'a red star'}", 4 },
        { GENERATE, "{'prompt': 'a red star', 'stream': false}", 1 },
    };
    for (size_t i = 0; i < 4; i++) {
        size_t n;
        say(&o, of[i].kind, of[i].body, hello, i % 2 ? CARAT_FINISH_LENGTH : CARAT_FINISH_STOP);
        join(i < 2, text);
        assert_string_equal(text, HELLO);
        assert_int_equal(n_lines, of[i].n_lines);
        const json_t *last = lines[n_lines - 1];
        assert_string_equal(text_at(last, "done_reason"), i % 2 ? "length" : "stop");
        carat_prompt_tokens(o.t->asks[0]->prompt, &n);
        expect_figures(last, n);
        assert_true((json_object_get(last, "context") != NULL) == (i >= 2));
        done(&o);
    }
}

static void test_what_a_load_takes_is_told(void **state)
{
    (void)state;
    talked o;
    talked_accept(&o, CHAT, "{" MESSAGES "}");
    o.scene.load_seconds = 2;
    o.t->began -= 3;
    talked_say(&o, hello, CARAT_FINISH_STOP, 0);
    split(&o);
    const json_t *last = lines[n_lines - 1];
    assert_int_equal(number_at(last, "load_duration"), 2000000000);
    assert_in_range(number_at(last, "total_duration"), 3000000000, 60000000000);
    assert_in_range(number_at(last, "prompt_eval_duration"), 1000000000, 58000000000);
    done(&o);
}

/* The model's own words, streamed and whole, are the same. */
static void test_a_model_answers(void **state)
{
    (void)state;
    talked o;
    char streamed[512], whole[512];
    static const char *const options = "'options': {'temperature': 0, 'num_predict': 12}";
    char body[256];
    for (int is_chat = 0; is_chat < 2; is_chat++)
        for (int i = 0; i < 2; i++) {
            snprintf(body, sizeof body, "{%s, %s, 'stream': %s, 'logprobs': true, 'top_logprobs': 2}",
                     is_chat ? MESSAGES : "'prompt': 'a red star'", options, i ? "false" : "true");
            talked_accept(&o, is_chat ? CHAT : GENERATE, body);
            talked_run(&o);
            split(&o);
            join(is_chat, i ? whole : streamed);
            size_t n = 0;
            for (size_t k = 0; k < n_lines; k++)
                n += json_array_size(json_object_get(lines[k], "logprobs"));
            assert_int_equal(n, number_at(lines[n_lines - 1], "eval_count"));
            assert_true(n > 0 && (i ? n_lines == 1 : n_lines > 1));
            const json_t *e = json_array_get(json_object_get(lines[0], "logprobs"), 0);
            assert_true(json_is_string(at(e, "token")) && json_is_real(at(e, "logprob")));
            assert_int_equal(json_array_size(at(e, "top_logprobs")), 2);
            done(&o);
            if (i)
                assert_string_equal(streamed, whole);
        }
}

static void test_log_probabilities_of_a_raw_prompt(void **state)
{
    (void)state;
    talked o;
    talked_accept(
        &o, GENERATE,
        "{'prompt': 'a red star', 'raw': true, 'stream': false, 'logprobs': true, 'top_logprobs': 1, 'options': "
        "{'num_predict': 3}}");
    talked_run(&o);
    split(&o);
    const json_t *entries = at(lines[0], "logprobs");
    assert_int_equal(json_array_size(entries), number_at(lines[0], "eval_count"));
    assert_int_equal(json_array_size(at(json_array_get(entries, 0), "top_logprobs")), 1);
    assert_null(json_object_get(lines[0], "context"));
    done(&o);
}

/* ---- context ---- */

/* The next request with it is the conversation as it was. */
static void test_a_context_goes_on(void **state)
{
    (void)state;
    talked o, next;
    size_t len, n;
    talked_accept(&o, GENERATE, "{'prompt': 'a red star', 'stream': false, 'options': {'num_predict': 5}}");
    talked_run(&o);
    split(&o);
    char *ids = ct_json_dump(at(lines[0], "context"), JSON_COMPACT), *body;
    assert_non_null(ids);
    assert_true(asprintf(&body, "{'prompt': 'and?', 'context': %s}", ids) > 0);
    talked_accept(&next, GENERATE, body);
    const int32_t *all = carat_prompt_tokens(next.t->asks[0]->prompt, &n);
    const json_t *context = at(lines[0], "context");
    assert_true(n > json_array_size(context));
    for (size_t i = 0; i < json_array_size(context); i++)
        assert_int_equal(json_integer_value(json_array_get(context, i)), all[i]);
    const char *rendered = carat_prompt_rendered(next.t->asks[0]->prompt, &len);
    static const char begin[] = "<bos><start_of_turn>user\na red star<end_of_turn>\n<start_of_turn>model\n",
                      end[] = "<end_of_turn>\n<start_of_turn>user\nand?<end_of_turn>\n<start_of_turn>model\n";
    assert_memory_equal(rendered, begin, sizeof begin - 1);
    assert_string_equal(rendered + len - (sizeof end - 1), end);
    free(ids), free(body);
    talked_done(&next);
    done(&o);
}

static void test_tokens_behind_a_stop_string_are_not_in_the_context(void **state)
{
    (void)state;
    talked o;
    size_t n_prompt, n[2];
    for (size_t i = 0; i < 2; i++) {
        talked_accept(&o, GENERATE, "{'prompt': 'a', 'stream': false, 'options': {'stop': ['ef']}}");
        carat_prompt_tokens(o.t->asks[0]->prompt, &n_prompt);
        const carat_token tokens[] = { { .id = 20, .text = "ab", .len = 2, .at = 0 },
                                       { .id = 21, .text = i ? "" : "cd", .len = i ? 0 : 2, .at = 2 } };
        static const char *const none[] = { NULL };
        ct_buf out;
        ct_buf_init(&out, SIZE_MAX);
        for (size_t k = 0; k < 2; k++)
            assert_true(
                o.t->kind->event(o.t, 0, &(carat_event){ .kind = CARAT_EVENT_TOKEN, .token = &tokens[k] }, &out));
        ct_buf_deinit(&out);
        talked_say(&o, none, CARAT_FINISH_STOP, 1);
        split(&o);
        n[i] = json_array_size(at(lines[0], "context")) - n_prompt;
        assert_string_equal(text_at(lines[0], "done_reason"), "stop");
        done(&o);
    }
    assert_int_equal(n[0], n[1] + 1);
}

/* ---- calls ---- */

static size_t n_calls_in(const json_t *line)
{
    return json_array_size(json_object_get(json_object_get(line, "message"), "tool_calls"));
}

static void expect_call(const json_t *call, const char *name, const char *arguments)
{
    const json_t *f = at(call, "function");
    assert_string_equal(text_at(f, "name"), name);
    assert_true(json_is_object(at(f, "arguments")));
    char *text = ct_json_dump(at(f, "arguments"), JSON_COMPACT);
    assert_string_equal(text, arguments);
    free(text);
    assert_int_equal(strncmp(text_at(call, "id"), "call_", 5), 0);
}

static void test_calls_come_whole(void **state)
{
    (void)state;
    talked o;
    char text[512];
    static const char *const two[] = { "[{\"name\": \"warm\", \"para",
                                       "meters\": {\"by\": 3, \"why\": \"a\\n\xc3\xa9\"",
                                       "}}",
                                       ", {\"name\": \"now\", \"parameters\": {}",
                                       "}]",
                                       NULL };
    for (int i = 0; i < 2; i++) {
        say(&o, CHAT, i ? "{" MESSAGES TOOLS ", 'stream': false}" : "{" MESSAGES TOOLS "}", two, CARAT_FINISH_STOP);
        join(true, text);
        assert_string_equal(text, "");
        const json_t *calls[4];
        size_t n = 0;
        for (size_t k = 0; k < n_lines; k++)
            for (size_t c = 0; c < n_calls_in(lines[k]); c++)
                calls[n++] = json_array_get(at(at(lines[k], "message"), "tool_calls"), c);
        assert_int_equal(n, 2);
        expect_call(calls[0], "warm", "{\"by\":3,\"why\":\"a\\n\xc3\xa9\"}");
        expect_call(calls[1], "now", "{}");
        assert_int_equal(number_at(at(calls[1], "function"), "index"), 1);
        assert_string_equal(text_at(lines[n_lines - 1], "done_reason"), "stop");
        assert_int_equal(n_lines, i ? 1 : 3);
        done(&o);
    }
}

/* Of a call that is cut off nothing is lost: it is text. */
static void test_half_a_call_is_text(void **state)
{
    (void)state;
    talked o;
    char text[512];
    static const char *const half[] = { "{\"name\": \"warm\", \"parameters\": {", "\"by\": 3", NULL };
    for (int i = 0; i < 2; i++) {
        say(&o, CHAT, i ? "{" MESSAGES TOOLS ", 'stream': false}" : "{" MESSAGES TOOLS "}", half, CARAT_FINISH_LENGTH);
        join(true, text);
        assert_non_null(strstr(text, "\"warm\""));
        if (!strstr(text, "{\"by\":3"))
            fail_msg("%s", text);
        assert_string_equal(text_at(lines[n_lines - 1], "done_reason"), "length");
        for (size_t k = 0; k < n_lines; k++)
            assert_int_equal(n_calls_in(lines[k]), 0);
        done(&o);
    }
}

/* ---- no answer ---- */

static void test_loading_is_a_line(void **state)
{
    (void)state;
    static const struct {
        const ct_talk_kind *kind;
        const char *body, *reason;
    } of[] = {
        { CHAT, "{'messages': []}", "load" },
        { CHAT, "{'keep_alive': 0}", "unload" },
        { GENERATE, "{'prompt': '', 'keep_alive': '5m', 'stream': false}", "load" },
        { GENERATE, "{'keep_alive': '0s'}", "unload" },
    };
    for (size_t i = 0; i < 4; i++) {
        talked o;
        char text[512];
        talked_accept(&o, of[i].kind, of[i].body);
        assert_int_equal(o.t->n, 0);
        talked_run(&o);
        split(&o);
        join(i < 2, text);
        assert_int_equal(n_lines, 1);
        assert_string_equal(text_at(lines[0], "done_reason"), of[i].reason);
        done(&o);
    }
}

static void test_errors_are_one_text(void **state)
{
    (void)state;
    talked o;
    for (int i = 0; i < 2; i++) {
        talked_accept(&o, CHAT, i ? "{" MESSAGES "}" : "{" MESSAGES ", 'stream': false}");
        talked_fail(&o, CARAT_ETIME, "too \"slow\"\n\xff");
        assert_string_equal(o.out.data, i ? "{\"error\":\"too \\\"slow\\\"\\n\xef\xbf\xbd\"}\n"
                                          : "{\"error\":\"too \\\"slow\\\"\\n\xef\xbf\xbd\"}");
        assert_int_equal(o.t->fault.status, 500);
        talked_done(&o);
    }
    ct_buf out;
    ct_openai_fault f = { 0 };
    ct_openai_refuse(&f, 404, "model_not_found", "model", "there is no model 'x' here");
    ct_buf_init(&out, SIZE_MAX);
    assert_true((CHAT)->fault(NULL, &f, false, &out)); /* of a request that was never read */
    assert_string_equal(out.data, "{\"error\":\"there is no model 'x' here\"}");
    ct_buf_deinit(&out);
}

/* Half an answer is not passed off as one. */
static void test_what_is_cut_off_is_an_error(void **state)
{
    (void)state;
    talked o;
    talked_accept(&o, CHAT, "{" MESSAGES "}");
    talked_say(&o, hello, CARAT_FINISH_CANCELLED, 0);
    assert_true(o.t->has_failed && o.t->fault.status == 503);
    const char *last = strrchr(o.out.data, '{');
    assert_int_equal(strncmp(last, "{\"error\":", 9), 0);
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
        cmocka_unit_test(test_lines_together_are_the_answer),
        cmocka_unit_test(test_what_a_load_takes_is_told),
        cmocka_unit_test(test_a_model_answers),
        cmocka_unit_test(test_log_probabilities_of_a_raw_prompt),
        cmocka_unit_test(test_a_context_goes_on),
        cmocka_unit_test(test_tokens_behind_a_stop_string_are_not_in_the_context),
        cmocka_unit_test(test_calls_come_whole),
        cmocka_unit_test(test_half_a_call_is_text),
        cmocka_unit_test(test_loading_is_a_line),
        cmocka_unit_test(test_errors_are_one_text),
        cmocka_unit_test(test_what_is_cut_off_is_an_error),
    };
    return cmocka_run_group_tests(tests, open_engine, asked_close);
}
