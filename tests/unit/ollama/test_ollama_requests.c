/* Requests of Ollama's protocol: what each field does, what is passed by, and what is refused by name.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ollama/inside.h"
#include "talked_fields.h"

#define CHAT     &ct_ollama_talk_chat
#define GENERATE &ct_ollama_talk_generate
#define ASK      "{'messages': [{'role': 'user', 'content': 'a red star'}]"

static const carat_generation *generation(const talked *o)
{
    return o->t->asks[0]->generation;
}

static const carat_sampling *sampling(const talked *o)
{
    return generation(o)->sampling;
}

static void expect_prompt(const ct_talk_kind *kind, const char *body, const char *want)
{
    talked o;
    size_t len;
    talked_accept(&o, kind, body);
    const char *got = carat_prompt_rendered(o.t->asks[0]->prompt, &len);
    if (strcmp(got, want) != 0)
        fail_msg("%s: '%s', expected '%s'", body, got, want);
    talked_done(&o);
}

/* ---- settings ---- */

static void test_options_are_honoured(void **state)
{
    (void)state;
    talked o;
    talked_accept(&o, CHAT,
                  ASK
                  ", 'stream': false, 'logprobs': true, 'top_logprobs': 3, 'options': {'num_ctx': 100, 'num_predict': "
                  "9, 'seed': 7, 'temperature': 0.5, 'top_k': 11, 'top_p': 0.25, 'min_p': 0.125, 'repeat_last_n': 5, "
                  "'repeat_penalty': 1.25, 'presence_penalty': 1.5, 'frequency_penalty': -2, 'stop': ['x', 'yy'], "
                  "'num_keep': 4, 'num_thread': 2, 'num_batch': 8, 'typical_p': 1.0}}");
    const carat_sampling *s = sampling(&o);
    assert_true(s->temperature == 0.5f && s->top_k == 11 && s->top_p == 0.25f && s->min_p == 0.125f && s->seed == 7);
    assert_true(s->repetition_penalty == 1.25f && s->presence_penalty == 1.5f && s->frequency_penalty == -2);
    assert_int_equal(s->penalty_window, 5);
    assert_int_equal(generation(&o)->max_tokens, 9);
    assert_int_equal(generation(&o)->n_stops, 2);
    assert_true(generation(&o)->wants_logprobs && generation(&o)->n_top == 3);
    assert_int_equal(o.t->asks[0]->n_ctx, 100);
    assert_true(!o.t->streams && !o.t->ignored && o.t->n == 1);
    talked_done(&o);
}

static void test_what_is_not_given(void **state)
{
    (void)state;
    talked o;
    const carat_sampling deflt = CARAT_SAMPLING_DEFAULT;
    asked_defaults.max_tokens = 40;
    talked_accept(&o, CHAT, ASK "}");
    assert_true(o.t->streams); /* unless it says otherwise */
    assert_true(sampling(&o)->temperature == deflt.temperature && sampling(&o)->top_k == deflt.top_k);
    assert_int_equal(sampling(&o)->penalty_window, deflt.penalty_window);
    assert_int_equal(generation(&o)->max_tokens, 40);
    assert_int_equal(o.t->asks[0]->n_ctx, 0);
    talked_done(&o);
    static const char *const endless[] = { "-1", "-2", "0" };
    for (size_t i = 0; i < 3; i++)
        for (int is_raw = 0; is_raw < 2; is_raw++) {
            char body[160];
            snprintf(body, sizeof body, "{'prompt': 'a', 'raw': %s, 'options': {'num_predict': %s}}",
                     is_raw ? "true" : "false", endless[i]);
            talked_accept(&o, GENERATE, body);
            assert_int_equal(generation(&o)->max_tokens, 0);
            talked_done(&o);
        }
    talked_accept(&o, GENERATE, "{'prompt': 'a', 'raw': true}");
    assert_int_equal(generation(&o)->max_tokens, 40);
    talked_done(&o);
    asked_defaults.max_tokens = 0;
    talked_accept(&o, GENERATE, "{'prompt': 'a', 'raw': true}"); /* no 16, as OpenAI's completions have */
    assert_int_equal(generation(&o)->max_tokens, 0);
    talked_done(&o);
    talked_accept(&o, CHAT, ASK ", 'options': {'repeat_last_n': -1}}");
    assert_int_equal(sampling(&o)->penalty_window, asked_n_ctx);
    talked_done(&o);
    talked_accept(&o, CHAT, ASK ", 'stream': null, 'options': null, 'format': '', 'tools': null, 'think': false}");
    talked_done(&o);
}

/* In the client's words, whatever they are called with us. */
static void test_values_of_no_sense_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *rest, *param, *says;
    } bad[] = {
        { ", 'options': []}", "options", "expected an object" },
        { ", 'options': {'num_predict': 'x'}}", "options.num_predict", "'num_predict' is a string" },
        { ", 'options': {'num_predict': -3}}", "options.num_predict", "'num_predict' is -3" },
        { ", 'options': {'num_ctx': 1025}}", "options.num_ctx", "a context of 1024 tokens" },
        { ", 'options': {'num_ctx': -1}}", "options.num_ctx", "'num_ctx' is -1" },
        { ", 'options': {'temperature': -1}}", "options.temperature", "'options.temperature' is -1" },
        { ", 'options': {'temperature': '1'}}", "options.temperature", "'options.temperature' is a string" },
        { ", 'options': {'top_p': 2}}", "options.top_p", "'options.top_p' is 2" },
        { ", 'options': {'top_k': 1.5}}", "options.top_k", "options.top_k" },
        { ", 'options': {'repeat_penalty': 0}}", "options.repeat_penalty", "options.repeat_penalty" },
        { ", 'options': {'repeat_last_n': -2}}", "options.repeat_last_n", "'repeat_last_n' is -2" },
        { ", 'options': {'stop': ['']}}", "options.stop", "'options.stop' holds an empty text" },
        { ", 'options': {'typical_p': 0.5}}", "options.typical_p", "'typical_p' is not supported" },
        { ", 'options': {'seed': 'x'}}", "options.seed", "options.seed" },
        { ", 'stream': 1}", "stream", "'stream'" },
        { ", 'format': 'xml'}", "format", "'xml', expected 'json' or a schema" },
        { ", 'format': 5}", "format", "an integer" },
        { ", 'format': {'type': 'object', 'properties': {'a': {'pattern': 5}}}}", "format", "pattern" },
        { ", 'logprobs': 1}", "logprobs", "logprobs" },
        { ", 'logprobs': true, 'top_logprobs': 21}", "top_logprobs", "21" },
        { ", 'top_logprobs': 2}", "top_logprobs", "needs 'logprobs'" },
        { ", 'tools': {}}", "tools", "expected an array" },
        { ", 'tools': [5]}", "tools[0]", "expected an object" },
        { ", 'tools': [{'function': {}}]}", "tools", "name" },
        { ", 'tools': [{'type': 'search', 'function': {'name': 'a'}}]}", "tools[0]", "of the type function" },
        { ", 'tools': [{'function': {'name': 'a', 'parameters': {'type': 'object', 'properties': {'b': {'pattern': "
          "5}}}}}]}",
          "tools", "pattern" },
        { ", 'keep_alive': 'soon'}", "keep_alive", "'soon', expected seconds" },
        { ", 'model': 5}", "model", "'model'" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char body[400];
        snprintf(body, sizeof body, "{'messages': [{'role': 'user', 'content': 'a'}]%s", bad[i].rest);
        talked_refuse(CHAT, body, bad[i].param, bad[i].says);
    }
    talked_refuse(CHAT, "[]", "", "expected an object");
}

/* ---- messages ---- */

static void test_messages_are_a_chats(void **state)
{
    (void)state;
    expect_prompt(CHAT, ASK "}", "<bos><start_of_turn>user\na red star<end_of_turn>\n<start_of_turn>model\n");
    expect_prompt(
        CHAT,
        "{'messages': [{'role': 'system', 'content': 'be short'}, {'role': 'user', 'content': 'a', 'images': []}, "
        "{'role': 'assistant', 'content': 'b', 'thinking': 'hm'}, {'role': 'user', 'content': 'c'}]}",
        "<bos><start_of_turn>user\nbe short\n\na<end_of_turn>\n<start_of_turn>model\nb<end_of_turn>\n"
        "<start_of_turn>user\nc<end_of_turn>\n<start_of_turn>model\n");
    talked_refuse(CHAT, "{'messages': 5}", "messages", "expected an array");
    talked_refuse(CHAT, "{'messages': [5]}", "messages[0]", "expected an object");
    talked_refuse(CHAT, "{'messages': [{'content': 'a'}]}", "messages[0].role", "the text is missing");
    talked_refuse(CHAT, "{'messages': [{'role': 'user', 'content': 5}]}", "messages[0].content", "not a string");
    talked_refuse(CHAT, "{'messages': [{'role': 'user', 'content': 'a', 'images': 'b'}]}", "messages[0].images",
                  "expected an array");
}

/* A call's arguments are an object; its result has the function's name, or answers the first call without one. */
static void test_calls_in_messages(void **state)
{
    (void)state;
    talked a, b;
    size_t len;
    const char *head = "{'messages': [{'role': 'user', 'content': 'a'}, {'role': 'assistant', 'content': '', "
                       "'tool_calls': [{%s'function': {%s'name': 'warm', 'arguments': {'by': 3}}}]}, "
                       "{'role': 'tool', 'content': 'ok'%s}]}";
    char body[512];
    snprintf(body, sizeof body, head, "", "'index': 0, ", "");
    talked_accept(&a, CHAT, body);
    snprintf(body, sizeof body, head, "'id': 'call_1', 'type': 'function', ", "", ", 'tool_name': 'warm'");
    talked_accept(&b, CHAT, body);
    const char *rendered = carat_prompt_rendered(a.t->asks[0]->prompt, &len);
    assert_string_equal(rendered, carat_prompt_rendered(b.t->asks[0]->prompt, &len));
    assert_non_null(strstr(rendered, "{\"name\": \"warm\", \"parameters\": {\"by\": 3}}"));
    talked_done(&a);
    talked_done(&b);
    talked_refuse(CHAT, "{'messages': [{'role': 'assistant', 'tool_calls': [5]}]}", "messages[0].tool_calls[0]",
                  "expected an object");
    talked_refuse(CHAT, "{'messages': [{'role': 'assistant', 'tool_calls': [{'function': 5}]}]}",
                  "messages[0].tool_calls[0]", "a call");
    talked_refuse(CHAT, "{'messages': [{'role': 'assistant', 'tool_calls': [{'function': {'arguments': {}}}]}]}",
                  "messages[0].tool_calls[0]", "without the name");
}

static void test_tools_are_declared(void **state)
{
    (void)state;
    talked o;
    size_t len;
    talked_accept(&o, CHAT,
                  ASK ", 'tools': [{'type': 'function', 'function': {'name': 'warm', 'description': 'warms it', "
                      "'parameters': {'type': 'object', 'properties': {'by': {'type': 'integer'}}}}}, "
                      "{'function': {'name': 'now'}}]}");
    const char *rendered = carat_prompt_rendered(o.t->asks[0]->prompt, &len);
    assert_non_null(strstr(rendered, "\"warm\""));
    assert_non_null(strstr(rendered, "\"now\""));
    assert_non_null(generation(&o)->format);
    talked_done(&o);
}

/* ---- generate ---- */

static void test_a_prompt_is_a_message(void **state)
{
    (void)state;
    expect_prompt(GENERATE, "{'prompt': 'a <end_of_turn>', 'system': 'be short'}",
                  "<bos><start_of_turn>user\nbe short\n\na <end_of_turn><end_of_turn>\n<start_of_turn>model\n");
    expect_prompt(GENERATE, "{'prompt': 'a', 'system': '', 'template': '', 'suffix': null}",
                  "<bos><start_of_turn>user\na<end_of_turn>\n<start_of_turn>model\n");
    talked_refuse(GENERATE, "{'prompt': 5}", "prompt", "expected a string");
    talked_refuse(GENERATE, "{'prompt': 'a', 'system': 5}", "system", "expected a string");
    talked_refuse(GENERATE, "{'prompt': 'a\\u0000'}", "prompt", "NUL");
    talked_refuse(GENERATE, "{'prompt': 'a', 'system': 'b\\u0000'}", "system", "NUL");
    talked_refuse(GENERATE, "{'prompt': 'a', 'template': '{{ .Prompt }}'}", "template", "use raw");
    talked_refuse(GENERATE, "{'prompt': 'a', 'suffix': 'b'}", "suffix", "not supported");
    talked_refuse(GENERATE, "{'prompt': 'a', 'images': {}}", "images", "expected an array");
}

static size_t n_tokens(const talked *o)
{
    size_t n;
    carat_prompt_tokens(o->t->asks[0]->prompt, &n);
    return n;
}

/* What the client has templated itself: the same tokens as if we had. */
static void test_a_raw_prompt_stands_as_it_is(void **state)
{
    (void)state;
    talked a, b;
    size_t n;
    static const char *const raw[] = {
        "{'raw': true, 'prompt': '<start_of_turn>user\\na red star<end_of_turn>\\n<start_of_turn>model\\n'}",
        "{'raw': true, 'prompt': '<bos><start_of_turn>user\\na red star<end_of_turn>\\n<start_of_turn>model\\n'}",
    };
    talked_accept(&b, CHAT, ASK "}");
    for (size_t i = 0; i < 2; i++) {
        talked_accept(&a, GENERATE, raw[i]);
        assert_int_equal(n_tokens(&a), n_tokens(&b));
        assert_memory_equal(carat_prompt_tokens(a.t->asks[0]->prompt, &n),
                            carat_prompt_tokens(b.t->asks[0]->prompt, &n), n_tokens(&a) * sizeof(int32_t));
        talked_done(&a);
    }
    talked_done(&b);
    talked_accept(&a, GENERATE, "{'raw': true, 'prompt': 'a', 'logprobs': true, 'top_logprobs': 2}");
    assert_true(generation(&a)->wants_logprobs && generation(&a)->n_top == 2);
    talked_done(&a);
    talked_refuse(GENERATE, "{'raw': true, 'prompt': 'a', 'top_logprobs': 2}", "top_logprobs", "needs");
    talked_refuse(GENERATE, "{'raw': true, 'prompt': 'a', 'logprobs': 2}", "logprobs", "logprobs");
    talked_refuse(GENERATE, "{'raw': 1, 'prompt': 'a'}", "raw", "raw");
    talked_refuse(GENERATE, "{'raw': true, 'prompt': ['a']}", "prompt", "expected a string");
    talked_refuse(GENERATE, "{'raw': true, 'prompt': 'a', 'system': 'b'}", "system", "beside 'raw'");
    talked_refuse(GENERATE, "{'raw': true, 'prompt': 'a', 'images': ['AAAA']}", "images", "beside 'raw'");
    talked_refuse(GENERATE, "{'raw': true, 'prompt': 'a', 'context': [2]}", "context", "beside 'raw'");
}

static void test_a_context_goes_before(void **state)
{
    (void)state;
    expect_prompt(GENERATE, "{'prompt': 'b', 'context': [2, 105, 106]}",
                  "<bos>PQ<start_of_turn>user\nb<end_of_turn>\n<start_of_turn>model\n");
    expect_prompt(GENERATE, "{'prompt': 'b', 'context': []}",
                  "<bos><start_of_turn>user\nb<end_of_turn>\n<start_of_turn>model\n");
    talked_refuse(GENERATE, "{'prompt': 'b', 'context': 'a'}", "context", "expected an array");
    talked_refuse(GENERATE, "{'prompt': 'b', 'context': [2, 'a']}", "context", "context[1] is not a token id");
    talked_refuse(GENERATE, "{'prompt': 'b', 'context': [2, -1]}", "context", "context[1] is not a token id");
    talked_refuse(GENERATE, "{'prompt': 'b', 'context': [2, 99999999]}", "context", "id");
    talked_refuse(GENERATE, "{'prompt': 'b', 'context': [2], 'images': ['AAAA']}", "images", "beside 'context'");
}

/* ---- fields ---- */

static const talked_place places[] = {
    { CT_OLLAMA_CHAT, CHAT, ASK, "}", "" },
    { CT_OLLAMA_GENERATE, GENERATE, "{'prompt': 'a'", "}", "" },
    { CT_OLLAMA_EMBED, &ct_ollama_talk_embed, "{'input': 'a'", "}", "" },
    { CT_OLLAMA_EMBEDDINGS, &ct_ollama_talk_embeddings, "{'prompt': 'a'", "}", "" },
    { CT_OLLAMA_OPTIONS, CHAT, ASK ", 'options': {'seed': 1", "}}", "options." },
    { CT_OLLAMA_OPTIONS, GENERATE, "{'prompt': 'a', 'raw': true, 'options': {'seed': 1", "}}", "options." },
    { CT_OLLAMA_MESSAGE, CHAT, "{'messages': [{'role': 'user', 'content': 'a'", "}]}", "messages[0]." },
    { CT_OLLAMA_TOOL, CHAT, ASK ", 'tools': [{'function': {'name': 'f'}", "}]}", "tools[0]." },
    { CT_OLLAMA_CALL, CHAT, "{'messages': [{'role': 'assistant', 'tool_calls': [{'function': {'name': 'f'}", "}]}]}",
      "messages[0].tool_calls[0]." },
    { CT_OLLAMA_CALLED, CHAT, "{'messages': [{'role': 'assistant', 'tool_calls': [{'function': {'name': 'f'", "}}]}]}",
      "messages[0].tool_calls[0].function." },
};

static talked_table table = { .places = places, .n_places = sizeof places / sizeof *places };

/* What the types of Ollama's clients and its server's request structures have, as of November 2026. */
static void test_every_field_of_the_api_is_in_the_table(void **state)
{
    (void)state;
    static const talked_api api[] = {
        { CT_OLLAMA_CHAT, "model messages stream format keep_alive tools options think truncate shift logprobs "
                          "top_logprobs _debug_render_only" },
        { CT_OLLAMA_GENERATE, "model prompt suffix system template context stream raw format keep_alive images options "
                              "think truncate shift logprobs top_logprobs width height steps _debug_render_only" },
        { CT_OLLAMA_EMBED, "model input truncate options keep_alive dimensions" },
        { CT_OLLAMA_EMBEDDINGS, "model prompt options keep_alive" },
        { CT_OLLAMA_OPTIONS,
          "numa num_ctx num_batch num_gpu main_gpu low_vram f16_kv logits_all vocab_only use_mmap use_mlock "
          "embedding_only "
          "num_thread num_keep seed num_predict top_k top_p min_p tfs_z typical_p repeat_last_n temperature "
          "repeat_penalty "
          "presence_penalty frequency_penalty mirostat mirostat_tau mirostat_eta penalize_newline stop" },
        { CT_OLLAMA_MESSAGE, "role content thinking images tool_name tool_calls tool_call_id" },
        { CT_OLLAMA_TOOL, "type function items" },
        { CT_OLLAMA_CALL, "id function" },
        { CT_OLLAMA_CALLED, "index name arguments" },
    };
    talked_table_has(&table, api, sizeof api / sizeof *api);
}

static void test_every_row_is_kept(void **state)
{
    (void)state;
    talked_rows_are_kept(&table);
}

/* Those that are in the bodies already, or of other roles. */
static bool is_there(const ct_openai_field *row, const talked_place *p)
{
    static const char *const there[] = { "messages", "input",    "prompt", "role",      "content",
                                         "seed",     "function", "name",   "tool_name", "tool_call_id" };
    bool is = false;
    (void)p;
    for (size_t n = 0; n < sizeof there / sizeof *there; n++)
        is = is || strcmp(there[n], row->name) == 0;
    return is;
}

static void test_what_is_honoured_is_read(void **state)
{
    (void)state;
    talked_honoured_are_read(&table, is_there);
}

static void test_the_readme_names_every_field(void **state)
{
    (void)state;
    talked_fields_are_named(&table, "ollama/README.md");
}

/* ---- keep_alive ---- */

static void expect_keep(const char *body, bool is_ok, double want, bool is_only_load)
{
    json_t *v;
    carat_err err;
    ct_openai_fault f = { 0 };
    double seconds = 17;
    bool only = !is_only_load;
    assert_true(ct_json_parse("body", body, strlen(body), &v, &err));
    const bool ok = ct_ollama_keep_alive(v, &seconds, &only, &f);
    if (ok != is_ok || (ok && (seconds != want || only != is_only_load)) || (!ok && strcmp(f.param, "keep_alive") != 0))
        fail_msg("%s: %d, %g, %d, %s", body, ok, seconds, only, f.err.msg);
    json_decref(v);
}

static void test_keep_alive(void **state)
{
    (void)state;
    expect_keep("{}", true, 17, true);
    expect_keep("{\"keep_alive\": null}", true, 17, true);
    expect_keep("{\"keep_alive\": \"5m\", \"prompt\": \"\", \"messages\": []}", true, 300, true);
    expect_keep("{\"keep_alive\": \"1h30m\", \"prompt\": \"a\"}", true, 5400, false);
    expect_keep("{\"keep_alive\": 0, \"messages\": [{}]}", true, 0, false);
    expect_keep("{\"keep_alive\": 10.5, \"input\": \"a\"}", true, 10.5, false);
    expect_keep("{\"keep_alive\": -1, \"input\": []}", true, INFINITY, true);
    expect_keep("{\"keep_alive\": \"-1\"}", true, INFINITY, true);
    expect_keep("{\"keep_alive\": \"-1m\"}", true, INFINITY, true);
    expect_keep("{\"keep_alive\": \"300\"}", true, 300, true);
    expect_keep("{\"keep_alive\": \"1.5s\"}", true, 1.5, true);
    expect_keep("{\"keep_alive\": \"250ms\"}", true, 0.25, true);
    expect_keep("{\"keep_alive\": \"0\"}", true, 0, true);
    expect_keep("{\"keep_alive\": \"\"}", true, 17, true);
    expect_keep("{\"images\": [\"AAAA\"]}", true, 17, false);
    static const char *const bad[] = { "\"m\"",   "\"5\\u0000m\"", "\"1m 5s\"", "\"1..5s\"", "\"1m5\"",
                                       "\"--1\"", "\".\"",         "\"5d\"",    "true",      "[]",
                                       "{}",      "\"1e3s\"",      "\"soon\"" };
    char body[64];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(body, sizeof body, "{\"keep_alive\": %s}", bad[i]);
        expect_keep(body, false, 0, false);
    }
    static char many[800] = "{\"keep_alive\": \"";
    size_t n = strlen(many);
    memset(many + n, '9', 700);
    memcpy(many + n + 700, "h\"}", 4);
    expect_keep(many, false, 0, false); /* no number of seconds */
}

static int open_engine(void **state)
{
    asked_n_ctx = 1024;
    table.fields = ct_ollama_fields;
    table.n = ct_ollama_n_fields;
    const int rc = asked_open(state);
    asked_defaults.mode = CT_OPENAI_LENIENT;
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_are_honoured),
        cmocka_unit_test(test_what_is_not_given),
        cmocka_unit_test(test_values_of_no_sense_are_refused),
        cmocka_unit_test(test_messages_are_a_chats),
        cmocka_unit_test(test_calls_in_messages),
        cmocka_unit_test(test_tools_are_declared),
        cmocka_unit_test(test_a_prompt_is_a_message),
        cmocka_unit_test(test_a_raw_prompt_stands_as_it_is),
        cmocka_unit_test(test_a_context_goes_before),
        cmocka_unit_test(test_every_field_of_the_api_is_in_the_table),
        cmocka_unit_test(test_every_row_is_kept),
        cmocka_unit_test(test_what_is_honoured_is_read),
        cmocka_unit_test(test_the_readme_names_every_field),
        cmocka_unit_test(test_keep_alive),
    };
    return cmocka_run_group_tests(tests, open_engine, asked_close);
}
