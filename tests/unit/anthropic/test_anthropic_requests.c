/* Requests of Anthropic's Messages protocol: what each field does, what is passed by, and what is refused by name.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "anthropic/inside.h"
#include "talked_fields.h"

#define KIND &ct_anthropic_talk
#define USER "{'role': 'user', 'content': 'a red star'}"
#define ASK  "{'max_tokens': 9, 'messages': [" USER "]"
#define TOOLS                                                                                                          \
    ", 'tools': [{'name': 'warm', 'description': 'warms it', 'input_schema': {'type': 'object', 'properties': {'by': " \
    "{'type': 'integer'}}}}, {'type': 'custom', 'name': 'now', 'input_schema': {'type': 'object'}}]"

static const carat_generation *generation(const talked *o)
{
    return o->t->asks[0]->generation;
}

static const char *rendered(const talked *o)
{
    size_t len;
    return carat_prompt_rendered(o->t->asks[0]->prompt, &len);
}

static void expect_prompt(const char *body, const char *want)
{
    talked o;
    talked_accept(&o, KIND, body);
    if (strcmp(rendered(&o), want) != 0)
        fail_msg("%s: '%s', expected '%s'", body, rendered(&o), want);
    talked_done(&o);
}

#define TURN(text)  "<start_of_turn>user\n" text "<end_of_turn>\n"
#define MODEL(text) "<start_of_turn>model\n" text "<end_of_turn>\n"
#define BEGUN       "<start_of_turn>model\n"

/* ---- settings ---- */

static void test_settings_are_honoured(void **state)
{
    (void)state;
    talked o;
    talked_accept(&o, KIND,
                  ASK ", 'model': 'claude', 'stream': true, 'temperature': 0.5, 'top_p': 0.25, 'top_k': 7, "
                      "'stop_sequences': ['x', 'yy'], 'thinking': {'type': 'disabled'}, 'metadata': {'user_id': 'me'}, "
                      "'system': null}");
    const carat_sampling *s = generation(&o)->sampling;
    assert_true(s->temperature == 0.5f && s->top_p == 0.25f && s->top_k == 7);
    assert_int_equal(generation(&o)->max_tokens, 9);
    assert_int_equal(generation(&o)->n_stops, 2);
    assert_true(o.t->streams && o.t->n == 1 && !o.t->ignored);
    talked_done(&o);
    const carat_sampling deflt = CARAT_SAMPLING_DEFAULT;
    talked_accept(&o, KIND, ASK ", 'thinking': {'type': 'adaptive'}, 'output_config': {'effort': 'low'}}");
    assert_true(!o.t->streams && generation(&o)->sampling->temperature == deflt.temperature && !generation(&o)->format);
    talked_done(&o);
    static const char *const formats[] = {
        ASK ", 'output_config': {'format': {'type': 'json_schema', 'schema': {'type': 'object'}}}}",
        ASK ", 'output_format': {'type': 'json_schema', 'schema': {'type': 'object'}}}",
    };
    for (size_t i = 0; i < 2; i++) {
        talked_accept(&o, KIND, formats[i]);
        assert_non_null(generation(&o)->format);
        talked_done(&o);
    }
}

static void test_values_of_no_sense_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *body, *param, *says;
    } bad[] = {
        { "[]", "", "expected an object" },
        { "{'max_tokens': 9}", "messages", "'messages' is missing" },
        { "{'max_tokens': 9, 'messages': []}", "messages", "at least one" },
        { "{'max_tokens': 9, 'messages': {}}", "messages", "an object" },
        { "{'messages': [" USER "]}", "max_tokens", "'max_tokens' is missing" },
        { "{'max_tokens': 0, 'messages': [" USER "]}", "max_tokens", "'max_tokens' is 0" },
        { "{'max_tokens': '9', 'messages': [" USER "]}", "max_tokens", "a string" },
        { ASK ", 'temperature': 1.5}", "temperature", "expected 0 to 1" },
        { ASK ", 'temperature': -0.5}", "temperature", "expected 0 to 1" },
        { ASK ", 'temperature': '1'}", "temperature", "a string" },
        { ASK ", 'top_p': 2}", "top_p", "'top_p' is 2" },
        { ASK ", 'top_k': 1.5}", "top_k", "top_k" },
        { ASK ", 'stop_sequences': ['']}", "stop_sequences", "'stop_sequences' holds an empty text" },
        { ASK ", 'stream': 'yes'}", "stream", "stream" },
        { ASK ", 'thinking': {'type': 'enabled', 'budget_tokens': 1024}}", "thinking", "'enabled' is not supported" },
        { ASK ", 'thinking': true}", "thinking", "expected an object" },
        { ASK ", 'output_config': 5}", "output_config", "expected an object" },
        { ASK ", 'output_config': {'format': {'type': 'xml'}}}", "output_config.format", "json_schema" },
        { ASK ", 'output_config': {'format': {'type': 'json_schema'}}}", "output_config.format.schema", "expected" },
        { ASK ", 'output_format': {'type': 'json_schema', 'schema': {'pattern': 5}}}", "output_format.schema",
          "pattern" },
        { ASK ", 'system': 5}", "system", "expected a text" },
        { ASK ", 'system': [{'type': 'image'}]}", "system[0]", "of the type text" },
        { ASK ", 'system': [{'type': 'text', 'text': 5}]}", "system[0]", "not a string" },
        { ASK ", 'system': 'a\\u0000'}", "system", "NUL" },
        { ASK ", 'model': 5}", "model", "model" },
        { ASK ", 'tools': {}}", "tools", "expected an array" },
        { ASK ", 'tools': [5]}", "tools[0]", "expected an object" },
        { ASK ", 'tools': [{}]}", "tools", "name" },
        { ASK ", 'tools': [{'name': 5}]}", "tools[0]", "'name'" },
        { ASK ", 'tools': [{'name': 'a', 'input_schema': {'type': 'object', 'properties': {'b': {'pattern': 5}}}}]}",
          "tools", "pattern" },
        { ASK ", 'tools': [{'type': 'web_search_20250305', 'name': 'web_search'}]}", "tools[0]",
          "'web_search_20250305' is one of Anthropic's own" },
        { ASK TOOLS ", 'tool_choice': 'auto'}", "tool_choice", "expected an object" },
        { ASK TOOLS ", 'tool_choice': {'type': 'all'}}", "tool_choice.type", "'all', expected" },
        { ASK TOOLS ", 'tool_choice': {'type': 'tool'}}", "tool_choice", "names no function" },
        { ASK TOOLS ", 'tool_choice': {'type': 'tool', 'name': 'cool'}}", "tool_choice", "'cool'" },
        { ASK TOOLS ", 'tool_choice': {'type': 'auto', 'disable_parallel_tool_use': 1}}",
          "tool_choice.disable_parallel_tool_use", "disable_parallel_tool_use" },
        { ASK ", 'tool_choice': {'type': 'any'}}", "tool_choice", "needs 'tools'" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        talked_refuse(KIND, bad[i].body, bad[i].param, bad[i].says);
}

/* ---- messages ---- */

static void test_messages_are_turns(void **state)
{
    (void)state;
    expect_prompt(ASK "}", "<bos>" TURN("a red star") BEGUN);
    expect_prompt(ASK ", 'system': 'be short'}", "<bos>" TURN("be short\n\na red star") BEGUN);
    expect_prompt(ASK ", 'system': ''}", "<bos>" TURN("a red star") BEGUN);
    expect_prompt(ASK
                  ", 'system': [{'type': 'text', 'text': 'be short', 'cache_control': {'type': 'ephemeral'}}, {'type': "
                  "'text', 'text': 'and kind'}]}",
                  "<bos>" TURN("be short\n\nand kind\n\na red star") BEGUN);
    expect_prompt(
        "{'max_tokens': 9, 'messages': [{'role': 'user', 'content': [{'type': 'text', 'text': 'a'}, {'type': 'text', "
        "'text': ''}, {'type': 'text', 'text': 'b'}]}, {'role': 'assistant', 'content': [{'type': 'thinking', "
        "'thinking': 'hm', 'signature': 'x'}, {'type': 'text', 'text': 'c', 'citations': null}]}, {'role': "
        "'user', 'content': 'd'}]}",
        "<bos>" TURN("a\n\nb") MODEL("c") TURN("d") BEGUN); /* no text runs into the next */
    expect_prompt("{'max_tokens': 9, 'messages': [{'role': 'user', 'content': 'a'}, {'role': 'user', 'content': []}]}",
                  "<bos>" TURN("a") BEGUN);
}

static void test_an_answer_may_be_begun(void **state)
{
    (void)state;
    expect_prompt("{'max_tokens': 9, 'messages': [" USER ", {'role': 'assistant', 'content': 'It is '}]}",
                  "<bos>" TURN("a red star") BEGUN "It is ");
    expect_prompt("{'max_tokens': 9, 'messages': [" USER
                  ", {'role': 'assistant', 'content': [{'type': 'text', 'text': '{'}]}]}",
                  "<bos>" TURN("a red star") BEGUN "{");
}

#define CALL "{'type': 'tool_use', 'id': 'toolu_1', 'name': 'warm', 'input': {'by': 3}}"

static void test_calls_and_results(void **state)
{
    (void)state;
    talked o;
    static const char *const results[] = {
        "{'type': 'tool_result', 'tool_use_id': 'toolu_1', 'content': 'done'}",
        "{'type': 'tool_result', 'tool_use_id': 'toolu_1', 'content': [{'type': 'text', 'text': 'done'}]}, {'type': "
        "'text', "
        "'text': 'thanks'}",
        "{'type': 'tool_result', 'tool_use_id': 'toolu_1', 'content': 'too warm', 'is_error': true}",
        "{'type': 'tool_result', 'tool_use_id': 'toolu_1', 'content': 'Error: x', 'is_error': true}",
        "{'type': 'tool_result', 'tool_use_id': 'toolu_1', 'is_error': true}",
        "{'type': 'tool_result', 'tool_use_id': 'toolu_1'}",
    };
    static const char *const says[] = { "\"done\"",     "thanks",    "\"Error: too warm\"",
                                        "\"Error: x\"", "\"Error\"", "\"result\":null" };
    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        char body[1024];
        snprintf(body, sizeof body,
                 "{'max_tokens': 9, 'messages': [" USER
                 ", {'role': 'assistant', 'content': [{'type': 'text', 'text': 'I will'}, " CALL "]}, {'role': 'user', "
                 "'content': [%s]}]" TOOLS "}",
                 results[i]);
        talked_accept(&o, KIND, body);
        if (!strstr(rendered(&o), "{\"name\": \"warm\", \"parameters\": {\"by\": 3}}") ||
            !strstr(rendered(&o), says[i]))
            fail_msg("%s: %s", results[i], rendered(&o));
        assert_non_null(strstr(rendered(&o), "I will"));
        talked_done(&o);
    }
}

/* Several results of one message stay with their calls, whatever their order. */
static void test_results_of_several_calls(void **state)
{
    (void)state;
    talked a, b;
    static const char *const orders[] = {
        "'1', 'content': 'one'}, {'type': 'tool_result', 'tool_use_id': '2', 'content': 'two'}",
        "'2', 'content': 'two'}, {'type': 'tool_result', 'tool_use_id': '1', 'content': 'one'}"
    };
    char body[2][1024];
    for (size_t i = 0; i < 2; i++)
        snprintf(body[i], sizeof body[i],
                 "{'max_tokens': 9, 'messages': [" USER ", {'role': 'assistant', 'content': [{'type': 'tool_use', "
                 "'id': '1', 'name': 'warm', 'input': {}}, {'type': "
                 "'tool_use', 'id': '2', 'name': 'now'}]}, {'role': 'user', 'content': [{'type': 'tool_result', "
                 "'tool_use_id': %s]}]}",
                 orders[i]);
    talked_accept(&a, KIND, body[0]);
    talked_accept(&b, KIND, body[1]);
    assert_string_equal(rendered(&a), rendered(&b));
    talked_done(&a);
    talked_done(&b);
}

static void test_blocks_that_are_none(void **state)
{
    (void)state;
    static const struct {
        const char *role, *block, *param, *says;
    } bad[] = {
        { "user", "5", "messages[0].content[0]", "a block of the type ''" },
        { "user", "{'type': 'document', 'source': {}}", "messages[0].content[0]", "'document', expected text" },
        { "user", "{'type': 'text', 'text': 'a'}, {'type': 'text', 'text': 5}", "messages[0].content[1]",
          "not a string" },
        { "user", "{'type': 'text', 'text': 'a\\u0000'}", "messages[0].content[0]", "NUL" },
        { "user", "{'type': 'image'}", "messages[0].content[0]", "a source of the type ''" },
        { "user", "{'type': 'image', 'source': {'type': 'file', 'file_id': 'x'}}",
          "messages[0].content[0].source.file_id", "" },
        { "user", "{'type': 'image', 'source': {'type': 'base64'}}", "messages[0].content[0]", "the data are missing" },
        { "user", "{'type': 'image', 'source': {'type': 'base64', 'media_type': 'application/pdf', 'data': 'AAAA'}}",
          "messages[0].content[0]", "'application/pdf', expected an image" },
        { "user",
          "{'type': 'text', 'text': 'a'}, {'type': 'image', 'source': {'type': 'base64', 'media_type': 'image/png', "
          "'data': '!'}}",
          "messages[0].content[1]", "messages[0].content[1]" },
        { "user", "{'type': 'image', 'source': {'type': 'url', 'url': 'https://x.org/a.png'}}",
          "messages[0].content[0]", "is not fetched" },
        { "user", "{'type': 'tool_result', 'tool_use_id': 5}", "messages[0].content[0]", "not a string" },
        { "user", "{'type': 'tool_result', 'content': 5}", "messages[0].content[0]", "neither" },
        { "user", "{'type': 'tool_result', 'content': [{'type': 'tool_use'}]}", "messages[0].content[0].content[0]",
          "'tool_use', expected" },
        { "user", "{'type': 'tool_result', 'is_error': 'yes'}", "messages[0].content[0]", "is_error" },
        { "assistant", "{'type': 'tool_use', 'input': {}}", "messages[0].content[0]", "without the name" },
        { "assistant", "{'type': 'tool_use', 'name': 'a', 'input': 'b'}", "messages[0].content[0]", "not an object" },
        { "assistant", "{'type': 'tool_use', 'name': 5}", "messages[0].content[0]", "name" },
    };
    const ct_openai_options before = asked_defaults;
    asked_defaults.mode = CT_OPENAI_STRICT;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char body[512];
        snprintf(body, sizeof body, "{'max_tokens': 9, 'messages': [{'role': '%s', 'content': [%s]}]}", bad[i].role,
                 bad[i].block);
        talked_refuse(KIND, body, bad[i].param, bad[i].says);
    }
    asked_defaults = before;
    talked_refuse(KIND, "{'max_tokens': 9, 'messages': [5]}", "messages[0]", "expected an object");
    talked_refuse(KIND, "{'max_tokens': 9, 'messages': [{'content': 'a'}]}", "messages[0].role", "the role");
    talked_refuse(KIND, "{'max_tokens': 9, 'messages': [{'role': 'user'}]}", "messages[0].content", "neither");
    talked_refuse(KIND, "{'max_tokens': 9, 'system': 's', 'messages': [{'role': 'user', 'content': 'a\\u0000'}]}",
                  "messages[0].content", "messages[0].content: a text with a NUL"); /* the system text is not counted */
}

static void test_tools_and_choices(void **state)
{
    (void)state;
    talked o;
    static const char *const choices[] = { "{'type': 'auto'}", "{'type': 'any'}", "{'type': 'tool', 'name': 'now'}",
                                           "{'type': 'auto', 'disable_parallel_tool_use': true}" };
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
        char body[1024];
        snprintf(body, sizeof body, ASK TOOLS ", 'tool_choice': %s}", choices[i]);
        talked_accept(&o, KIND, body);
        assert_non_null(strstr(rendered(&o), "\"warm\""));
        assert_non_null(generation(&o)->format);
        talked_done(&o);
    }
    talked_accept(&o, KIND, ASK TOOLS ", 'tool_choice': {'type': 'none'}}");
    assert_null(strstr(rendered(&o), "\"warm\""));
    talked_done(&o);
}

/* ---- counting ---- */

static json_int_t count(const char *body)
{
    talked o; /* for its parsing of bodies */
    json_t *reply = NULL, *v;
    ct_openai_fault f = { 0 };
    char text[1024];
    carat_err err;
    snprintf(text, sizeof text, "%s", body);
    for (char *s = text; *s; s++)
        *s = *s == '\'' ? '"' : *s;
    assert_true(ct_json_parse("body", text, strlen(text), &v, &err));
    o.scene = (ct_talk_scene){ .engine = asked_engine, .model = "tiny", .options = &asked_defaults };
    const bool ok = ct_anthropic_count_tokens(&o.scene, v, &reply, &f);
    const json_int_t n = ok ? json_integer_value(json_object_get(reply, "input_tokens")) : -f.status;
    assert_true(!ok || json_object_size(reply) == 1);
    json_decref(v);
    json_decref(reply);
    return n;
}

static void test_a_count_is_the_prompts(void **state)
{
    (void)state;
    talked o;
    size_t n;
    static const char *const rest[] = { "", ", 'system': 'be short'", TOOLS,
                                        TOOLS ", 'tool_choice': {'type': 'none'}, 'stream': true" };
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) {
        char body[1024];
        snprintf(body, sizeof body, ASK "%s}", rest[i]);
        talked_accept(&o, KIND, body);
        carat_prompt_tokens(o.t->asks[0]->prompt, &n);
        assert_int_equal(count(body), n);
        talked_done(&o);
        snprintf(body, sizeof body, "{'messages': [" USER "]%s}", rest[i]);
        assert_int_equal(count(body), n);
    }
    assert_int_equal(count("{'messages': []}"), -400);
    assert_int_equal(count("{'messages': [" USER "], 'container': 'x'}"), -400);
}

/* ---- fields ---- */

#define BLOCK(role, block) "{'max_tokens': 9, 'messages': [{'role': '" role "', 'content': [" block

static const talked_place places[] = {
    { CT_ANTHROPIC_BODY, KIND, ASK, "}", "" },
    { CT_ANTHROPIC_MESSAGE, KIND, "{'max_tokens': 9, 'messages': [{'role': 'user', 'content': 'a'", "}]}",
      "messages[0]." },
    { CT_ANTHROPIC_TEXT, KIND, BLOCK("user", "{'type': 'text', 'text': 'a'"), "}]}]}", "messages[0].content[0]." },
    { CT_ANTHROPIC_USE, KIND, BLOCK("assistant", "{'type': 'tool_use', 'name': 'f'"), "}]}]}",
      "messages[0].content[0]." },
    { CT_ANTHROPIC_RESULT, KIND, BLOCK("user", "{'type': 'tool_result', 'content': 'a'"), "}]}]}",
      "messages[0].content[0]." },
    { CT_ANTHROPIC_THOUGHT, KIND, BLOCK("assistant", "{'type': 'thinking'"), "}, {'type': 'text', 'text': 'a'}]}]}",
      "messages[0].content[0]." },
    { CT_ANTHROPIC_TOOL, KIND, ASK ", 'tools': [{'name': 'f'", "}]}", "tools[0]." },
    { CT_ANTHROPIC_CHOICE, KIND, ASK TOOLS ", 'tool_choice': {'type': 'auto'", "}}", "tool_choice." },
    { CT_ANTHROPIC_OUTPUT, KIND, ASK ", 'output_config': {'format': null", "}}", "output_config." },
    { CT_ANTHROPIC_FORMAT, KIND, ASK ", 'output_format': {'type': 'json_schema', 'schema': {'type': 'object'}", "}}",
      "output_format." },
    { CT_ANTHROPIC_THINKING, KIND, ASK ", 'thinking': {'type': 'disabled'", "}}", "thinking." },
};

static talked_table table = { .places = places, .n_places = sizeof places / sizeof *places };

/* What the types of Anthropic's own clients have, of the current and older versions, as of November 2026. */
static void test_every_field_of_the_api_is_in_the_table(void **state)
{
    (void)state;
    static const talked_api api[] = {
        { CT_ANTHROPIC_BODY, "max_tokens messages model cache_control container diagnostics inference_geo metadata "
                             "output_config service_tier "
                             "speed stop_sequences stream system temperature thinking tool_choice tools top_k top_p "
                             "user_profile_id workspace_id "
                             "billing_policy compaction context_management fallback_credit_token fallbacks mcp_servers "
                             "thread output_format "
                             "betas anthropic_version anthropic_beta" },
        { CT_ANTHROPIC_COUNT, "messages model cache_control output_config speed system thinking tool_choice tools "
                              "context_management mcp_servers output_format betas" },
        { CT_ANTHROPIC_MESSAGE, "role content" },
        { CT_ANTHROPIC_TEXT, "type text cache_control citations" },
        { CT_ANTHROPIC_IMAGE, "type source cache_control transformations" },
        { CT_ANTHROPIC_SOURCE, "type media_type data url" },
        { CT_ANTHROPIC_USE, "type id name input cache_control caller toolset_name" },
        { CT_ANTHROPIC_RESULT, "type tool_use_id content is_error cache_control toolset_name" },
        { CT_ANTHROPIC_THOUGHT, "type thinking signature data" },
        { CT_ANTHROPIC_TOOL, "type name description input_schema cache_control strict allowed_callers defer_loading "
                             "eager_input_streaming input_examples" },
        { CT_ANTHROPIC_CHOICE, "type name disable_parallel_tool_use" },
        { CT_ANTHROPIC_OUTPUT, "effort format task_budget" },
        { CT_ANTHROPIC_FORMAT, "type schema" },
        { CT_ANTHROPIC_THINKING, "type budget_tokens display" },
    };
    talked_table_has(&table, api, sizeof api / sizeof *api);
}

static void test_every_row_is_kept(void **state)
{
    (void)state;
    talked_rows_are_kept(&table);
}

static bool is_there(const ct_openai_field *row, const talked_place *p)
{
    char quoted[64];
    snprintf(quoted, sizeof quoted, "'%s':", row->name);
    return strstr(p->before, quoted) || strcmp(row->name, "type") == 0 ||
           (p->place == CT_ANTHROPIC_CHOICE && strcmp(row->name, "name") == 0);
}

static void test_what_is_honoured_is_read(void **state)
{
    (void)state;
    talked_honoured_are_read(&table, is_there);
}

static void test_the_readme_names_every_field(void **state)
{
    (void)state;
    talked_fields_are_named(&table, "anthropic/README.md");
}

static int open_engine(void **state)
{
    asked_n_ctx = 1024;
    table.fields = ct_anthropic_fields;
    table.n = ct_anthropic_n_fields;
    const int rc = asked_open(state);
    asked_defaults.mode = CT_OPENAI_LENIENT;
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settings_are_honoured),
        cmocka_unit_test(test_values_of_no_sense_are_refused),
        cmocka_unit_test(test_messages_are_turns),
        cmocka_unit_test(test_an_answer_may_be_begun),
        cmocka_unit_test(test_calls_and_results),
        cmocka_unit_test(test_results_of_several_calls),
        cmocka_unit_test(test_blocks_that_are_none),
        cmocka_unit_test(test_tools_and_choices),
        cmocka_unit_test(test_a_count_is_the_prompts),
        cmocka_unit_test(test_every_field_of_the_api_is_in_the_table),
        cmocka_unit_test(test_every_row_is_kept),
        cmocka_unit_test(test_what_is_honoured_is_read),
        cmocka_unit_test(test_the_readme_names_every_field),
    };
    return cmocka_run_group_tests(tests, open_engine, asked_close);
}
