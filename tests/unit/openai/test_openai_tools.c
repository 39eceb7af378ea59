/* Functions in requests, calls in messages and in answers.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <string.h>

#include "asked.h"

/* ---- tools ---- */

#define F(name, parameters)                                                                                            \
    "{\"type\": \"function\", \"function\": {\"name\": \"" name                                                        \
    "\", \"description\": \"d\", \"parameters\": " parameters "}}"
#define TWO_TOOLS                                                                                                      \
    ", \"tools\": [" F("now", "{\"type\": \"object\", \"properties\": {\"zone\": {\"type\": \"string\"}}}") ", " F(    \
        "warm", "{\"type\": \"object\", \"properties\": {\"by\": {\"type\": \"number\", \"minimum\": 0.1}}}") "]"
#define CHOICE(choice) TWO_TOOLS ", \"tool_choice\": " choice

static void test_tools(void **state)
{
    (void)state;
    static const struct {
        const char *rest;
        size_t n_forms; /* that there are afterwards */
        bool is_declared;
    } good[] = {
        { TWO_TOOLS, 1, true },
        { CHOICE("\"auto\""), 1, true },
        { CHOICE("null"), 1, true },
        { CHOICE("\"none\""), 1, false },
        { CHOICE("\"none\"") ", \"response_format\": {\"type\": \"json_object\"}", 2, false },
        { CHOICE("\"required\""), 3, true },
        { CHOICE("\"any\""), 3, true },
        { CHOICE("\"required\"") ", \"parallel_tool_calls\": false", 4, true },
        { CHOICE("{\"type\": \"function\", \"function\": {\"name\": \"warm\"}}"), 5, true },
        { CHOICE("{\"type\": \"function\", \"name\": \"warm\"}"), 5, true },
        { CHOICE("{\"type\": \"allowed_tools\", \"allowed_tools\": {\"mode\": \"auto\", \"tools\": [{\"type\": "
                 "\"function\", \"function\": {\"name\": \"now\"}}]}}"),
          6, true },
        { CHOICE("{\"type\": \"allowed_tools\", \"mode\": \"required\", \"tools\": [{\"type\": \"function\", \"name\": "
                 "\"now\"}]}"),
          7, true },
        { ", \"functions\": [{\"name\": \"now\"}]", 8, true },
        { ", \"functions\": [{\"name\": \"now\"}], \"function_call\": {\"name\": \"now\"}", 9, true },
        { ", \"tools\": [], \"tool_choice\": \"auto\", \"functions\": null, \"parallel_tool_calls\": true", 9, false },
        { TWO_TOOLS ", \"response_format\": {\"type\": \"json_object\"}", 10, true },
        { TWO_TOOLS
          ", \"response_format\": {\"type\": \"json_schema\", \"json_schema\": {\"schema\": {\"type\": \"integer\"}}}",
          11, true },
        { TWO_TOOLS ", \"response_format\": {\"type\": \"text\"}", 11, true },
        { CHOICE("\"required\"") ", \"response_format\": {\"type\": \"json_object\"}", 11, true },
    };
    ct_openai_forms forms = { .n = 0 };
    asked_defaults.forms = &forms;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        asked a;
        size_t len;
        asked_accept(&a, ASKED_CHAT, good[i].rest);
        const char *rendered = carat_prompt_rendered(a.r.prompt, &len);
        bool is_declared = strstr(rendered, "Functions:") && strstr(rendered, "\"name\":\"now\"");
        if (forms.n != good[i].n_forms || is_declared != good[i].is_declared ||
            is_declared != (a.r.calls.tools != NULL))
            fail_msg("%s: %zu forms, declared %d: %s", good[i].rest, forms.n, is_declared, rendered);
        if (strstr(good[i].rest, "0.1")) /* not 0.10000000000000001 */
            assert_true(!is_declared || strstr(rendered, "\"minimum\":0.1}"));
        asked_done(&a);
    }
    asked_defaults.forms = NULL;
    ct_openai_forms_deinit(&forms);
}

static void test_tools_that_are_none(void **state)
{
    (void)state;
    static const struct {
        const char *rest, *param, *code, *why;
    } bad[] = {
        { ", \"tools\": {}, \"tool_choice\": \"required\"", "tools", "invalid_value", "expected an array" },
        { ", \"tools\": \"x\"", "tools", "invalid_value", "a string" },
        { ", \"tools\": [5]", "tools[0]", "invalid_value", "not an object" },
        { ", \"tools\": [{}]", "tools[0]", "unsupported_value", "type function" },
        { ", \"tools\": [{\"type\": \"web_search\"}]", "tools[0]", "unsupported_value", "type function" },
        { ", \"tools\": [{\"type\": \"function\"}]", "tools[0].function", "invalid_value", "missing" },
        { ", \"tools\": [" F("a b", "{}") "]", "tools", "invalid_value", "a b" },
        { ", \"tools\": [" F("a", "{}") ", " F("a", "{}") "]", "tools", "invalid_value", "a" },
        { ", \"tools\": [" F("a", "[]") "]", "tools", "invalid_value", "a" },
        { ", \"tools\": [" F("a", "{\"properties\": {\"x\": {\"unevaluatedItems\": {}}}}") "]", "tools",
          "invalid_value", "/unevaluatedItems" },
        { ", \"tools\": [{\"type\": \"function\", \"function\": {\"name\": 5}}]", "tools[0].function", "invalid_value",
          "name" },
        { ", \"tool_choice\": \"required\"", "tool_choice", "invalid_value", "needs 'tools'" },
        { ", \"function_call\": {\"name\": \"f\"}", "function_call", "invalid_value", "needs 'functions'" },
        { ", \"parallel_tool_calls\": 1", "parallel_tool_calls", "invalid_value", "parallel_tool_calls" },
        { TWO_TOOLS ", \"functions\": [{\"name\": \"f\"}]", "functions", "invalid_value", "older name" },
        { TWO_TOOLS ", \"function_call\": {\"name\": \"now\"}", "function_call", "invalid_value", "needs 'functions'" },
        { CHOICE("\"all\""), "tool_choice", "invalid_value", "none, auto, required" },
        { CHOICE("{\"type\": \"function\"}"), "tool_choice", "invalid_value", "no function" },
        { CHOICE("{\"type\": \"function\", \"function\": {\"name\": \"cold\"}}"), "tool_choice", "invalid_value",
          "'cold'" },
        { CHOICE("{\"type\": \"allowed_tools\", \"mode\": \"auto\", \"tools\": []}"), "tool_choice", "invalid_value",
          "some of those" },
        { CHOICE("{\"type\": \"allowed_tools\", \"mode\": \"all\", \"tools\": [{\"name\": \"now\"}]}"), "tool_choice",
          "invalid_value", "auto or required" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        asked a;
        asked_refuse(ASKED_CHAT, bad[i].rest, bad[i].param, bad[i].code);
        asked_read(&a, ASKED_CHAT, bad[i].rest);
        if (!strstr(a.f.err.msg, bad[i].why))
            fail_msg("%s: %s", bad[i].rest, a.f.err.msg);
        asked_done(&a);
    }
}

#define CALLING CT_OPENAI_CHAT, "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}, "

static void test_calls_in_messages(void **state)
{
    (void)state;
    static const struct {
        const char *rest, *rendered;
    } good[] = {
        { "{\"role\": \"assistant\", \"content\": null, \"tool_calls\": [{\"id\": \"c1\", \"type\": \"function\", "
          "\"function\": {\"name\": \"now\", \"arguments\": \"{\\\"zone\\\":\\\"CET\\\"}\"}}]}, {\"role\": \"tool\", "
          "\"tool_call_id\": \"c1\", \"content\": \"noon\"}]",
          "{\"name\": \"now\", \"parameters\": {\"zone\": \"CET\"}}" },
        { "{\"role\": \"assistant\", \"tool_calls\": [{\"function\": {\"name\": \"warm\", \"arguments\": {\"by\": "
          "0.1}}}]}, {\"role\": \"tool\", \"content\": \"1\"}]",
          "{\"name\": \"warm\", \"parameters\": {\"by\": 0.1}}" },
        { "{\"role\": \"assistant\", \"function_call\": {\"name\": \"now\", \"arguments\": \"{}\"}}, {\"role\": "
          "\"function\", \"name\": \"now\", \"content\": \"noon\"}]",
          "[{\"name\":\"now\",\"result\":\"noon\"}]" },
        { "{\"role\": \"assistant\", \"content\": null, \"refusal\": \"I cannot.\", \"audio\": null, "
          "\"function_call\": null, "
          "\"tool_calls\": null, \"parsed\": null, \"reasoning_content\": \"hm\"}, {\"role\": \"user\", \"content\": "
          "\"why\"}]",
          "model\nI cannot.<end_of_turn>" },
        { "{\"role\": \"assistant\", \"content\": [{\"type\": \"refusal\", \"refusal\": \"No.\"}]}, {\"role\": "
          "\"user\", "
          "\"content\": \"why\"}]",
          "model\nNo.<end_of_turn>" },
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        asked a;
        size_t len;
        asked_accept(&a, CALLING, good[i].rest);
        const char *rendered = carat_prompt_rendered(a.r.prompt, &len);
        if (!strstr(rendered, good[i].rendered))
            fail_msg("%s: %s", good[i].rest, rendered);
        asked_done(&a);
    }
    asked_refuse(CALLING, "{\"role\": \"assistant\", \"tool_calls\": {}}]", "messages[1].tool_calls", "invalid_value");
    asked_refuse(CALLING, "{\"role\": \"assistant\", \"tool_calls\": [1]}]", "messages[1].tool_calls[0]",
                 "invalid_value");
    asked_refuse(CALLING, "{\"role\": \"assistant\", \"tool_calls\": [{}]}]", "messages[1].tool_calls[0]",
                 "invalid_value");
    asked_refuse(CALLING, "{\"role\": \"assistant\", \"tool_calls\": [{\"function\": {\"arguments\": \"{}\"}}]}]",
                 "messages[1].tool_calls[0]", "invalid_value");
    asked_refuse(CALLING, "{\"role\": \"assistant\", \"function_call\": {\"name\": \"f\", \"arguments\": []}}]",
                 "messages[1].function_call", "invalid_value");
    asked_refuse(CALLING, "{\"role\": \"user\", \"tool_calls\": [{\"function\": {\"name\": \"f\"}}]}]", "messages",
                 "invalid_value");
}

/* Calls in other shapes than the canonical one are looked at when they have come. */
static void test_calls_that_are_not_valid(void **state)
{
    (void)state;
    static const char tools[] =
        ", \"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"warm\", \"parameters\": {\"type\": "
        "\"object\", "
        "\"properties\": {\"by\": {\"type\": \"integer\", \"maximum\": 9}, \"to\": {\"type\": \"object\", "
        "\"properties\": "
        "{\"a\": {\"type\": \"number\"}, \"b\": {\"enum\": [\"x\"]}}}}, \"required\": [\"by\"], "
        "\"additionalProperties\": false}}}, {\"type\": \"function\", \"function\": {\"name\": \"now\"}}]";
    static const struct {
        const char *more, *text;
        size_t n_calls;
    } of[] = {
        { "", "[warm(by=3)]", 1 },
        { "", "[warm(to={'b': 'x', 'a': 2.0}, by=3)]", 1 },
        { "", "[warm(by=10)]", 0 },
        { "", "[warm(much=3)]", 0 },
        { "", "[warm()]", 0 },
        { "", "[now()]", 1 },
        { "", "[now(zone='CET')]", 0 },
        { "", "[now(), warm(by=1)]", 2 },
        { "", "[now(), warm(by='1')]", 0 },
        { ", \"parallel_tool_calls\": false", "[now(), warm(by=1)]", 0 },
        { ", \"parallel_tool_calls\": false", "[now()]", 1 },
        { "", "{\"function\": {\"name\": \"warm\", \"arguments\": {\"by\": 2}}}", 1 },
        { "", "{\"function\": {\"name\": \"warm\", \"arguments\": {\"by\": 2.5}}}", 0 },
    };
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        asked a;
        ct_openai_reply reply = { 0 };
        char rest[2048];
        snprintf(rest, sizeof rest, "%s%s", tools, of[i].more);
        asked_accept(&a, ASKED_CHAT, rest);
        assert_true(ct_openai_reply_init(&reply, &a.r));
        const carat_token t = { .id = -1, .text = of[i].text, .len = strlen(of[i].text) };
        const carat_result result = { .struct_size = sizeof result, .finish = CARAT_FINISH_STOP, .n_generated = 1 };
        ct_openai_reply_add(&reply, carat_engine_tokenizer(asked_engine),
                            &(carat_event){ .kind = CARAT_EVENT_TOKEN, .token = &t });
        ct_openai_reply_add(&reply, carat_engine_tokenizer(asked_engine),
                            &(carat_event){ .kind = CARAT_EVENT_ANSWER, .result = &result });
        json_t *o = ct_openai_reply_body(&reply, "m", &(ct_openai_usage){ .n_prompt = 1 });
        json_t *c = json_array_get(json_object_get(o, "choices"), 0), *m = json_object_get(c, "message");
        const char *content = json_string_value(json_object_get(m, "content"));
        const char *finish = json_string_value(json_object_get(c, "finish_reason"));
        if (json_array_size(json_object_get(m, "tool_calls")) != of[i].n_calls ||
            strcmp(finish, of[i].n_calls ? "tool_calls" : "stop") != 0 ||
            (!of[i].n_calls && strcmp(content, of[i].text) != 0))
            fail_msg("%s: %zu calls, %s", of[i].text, json_array_size(json_object_get(m, "tool_calls")), finish);
        json_decref(o);
        ct_openai_reply_deinit(&reply);
        asked_done(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tools),
        cmocka_unit_test(test_tools_that_are_none),
        cmocka_unit_test(test_calls_in_messages),
        cmocka_unit_test(test_calls_that_are_not_valid),
    };
    return cmocka_run_group_tests(tests, asked_open, asked_close);
}
