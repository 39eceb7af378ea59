/* Forms of answers that requests ask for, by the names of every server.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <string.h>

#include "asked.h"

/* ---- the form of an answer ---- */

static void expect_form(const char *field, const char *text, const char *not_text)
{
    asked a;
    char rest[256];
    bool matches;
    snprintf(rest, sizeof rest, ", %s", field);
    for (int k = 0; k < 2; k++) {
        if (k)
            asked_accept(&a, ASKED_COMPL, rest);
        else
            asked_accept(&a, ASKED_CHAT, rest);
        const carat_format *form = a.r.generation.format;
        assert_non_null(form);
        assert_true(carat_format_matches(form, text, strlen(text), &matches, NULL));
        if (!matches)
            fail_msg("%s: %s is not of the form", field, text);
        assert_true(carat_format_matches(form, not_text, strlen(not_text), &matches, NULL));
        if (matches)
            fail_msg("%s: %s is of the form", field, not_text);
        asked_done(&a);
    }
}

static void test_forms_by_the_names_of_other_servers(void **state)
{
    (void)state;
    static const struct {
        const char *field, *text, *not_text;
    } good[] = {
        { "\"grammar\": \"root ::= \\\"a\\\"+\"", "aaa", "b" },
        { "\"guided_grammar\": \"root ::= \\\"a\\\"+\"", "aaa", "b" },
        { "\"json_schema\": {\"const\": 5}", "5", "6" },
        { "\"json_schema\": {}", "5", "x" }, /* any JSON */
        { "\"guided_json\": \"{\\\"const\\\": 5}\"", "5", "6" },
        { "\"guided_regex\": \"a[0-9]\"", "a7", "a" },
        { "\"regex\": \"a[0-9]\"", "a7", "a" },
        { "\"guided_choice\": [\"yes\", \"no\"]", "no", "maybe" },
        { "\"structured_outputs\": {\"json\": {\"const\": 5}}", "5", "6" },
        { "\"structured_outputs\": {\"regex\": \"a[0-9]\"}", "a7", "a" },
        { "\"structured_outputs\": {\"choice\": [\"yes\", \"no\"], \"regex\": null}", "yes", "maybe" },
        { "\"structured_outputs\": {\"grammar\": \"root ::= \\\"a\\\"+\"}", "aaa", "b" },
        { "\"structured_outputs\": {\"json_object\": true}", "{}", "[]" },
        { "\"grammar\": \"\", \"json_schema\": null, \"guided_choice\": [], \"guided_regex\": \"a\"", "a", "b" },
        { "\"response_format\": {\"type\": \"text\"}, \"regex\": \"a\"", "a", "b" },
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        expect_form(good[i].field, good[i].text, good[i].not_text);
    static const struct {
        const char *rest, *param;
    } bad[] = {
        { ", \"grammar\": \"root ::= (\"", "grammar" },
        { ", \"grammar\": \"root ::= \\\"\\u0000\\\"\"", "grammar" },
        { ", \"guided_json\": \"{\"", "guided_json" },
        { ", \"json_schema\": {\"unheard\": 1}", "json_schema" },
        { ", \"guided_choice\": [\"a\", 1]", "guided_choice" },
        { ", \"guided_regex\": \"(\"", "guided_regex" },
        { ", \"structured_outputs\": 5", "structured_outputs" },
        { ", \"structured_outputs\": {\"json_object\": 1}", "structured_outputs.json_object" },
        { ", \"structured_outputs\": {\"regex\": \"a\", \"choice\": [\"a\"]}", "structured_outputs.choice" },
        { ", \"grammar\": \"root ::= \\\"a\\\"\", \"json_schema\": {}", "json_schema" },
        { ", \"regex\": \"a\", \"response_format\": {\"type\": \"json_object\"}", "regex" },
        { ", \"regex\": \"a\", \"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"f\"}}]", "regex" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        asked a;
        asked_read(&a, ASKED_CHAT, bad[i].rest);
        if (a.ok || a.f.status != 400 || strcmp(a.f.param, bad[i].param) != 0)
            fail_msg("%s: %d, %d, '%s'", bad[i].rest, a.ok, a.f.status, a.f.param);
        asked_done(&a);
    }
}

#define SCHEMA "response_format.json_schema"

static void test_response_formats(void **state)
{
    (void)state;
    asked a, b;
    ct_openai_forms forms = { .n = 0 };
    static const char *const good[] = {
        ", \"response_format\": {\"type\": \"json_object\"}",
        ", \"response_format\": {\"type\": \"json_object\", \"json_schema\": null}",
        (", \"response_format\": {\"type\": \"json_schema\", \"json_schema\": {\"name\": \"n\", \"description\": "
         "\"d\", "
         "\"strict\": true, \"schema\": {\"type\": \"object\"}}}"),
        ", \"response_format\": {\"type\": \"json_schema\", \"json_schema\": {\"strict\": false, \"schema\": {}}}",
        ", \"response_format\": {\"type\": \"json_object\", \"schema\": {\"type\": \"object\"}}",
    };
    static const struct {
        const char *format, *param, *code, *why;
    } bad[] = {
        { "{\"type\": \"json_schema\"}", SCHEMA, "missing_required_parameter", "is missing" },
        { "{\"type\": \"json_schema\", \"json_schema\": \"x\"}", SCHEMA, "missing_required_parameter", "a string" },
        { "{\"type\": \"json_schema\", \"json_schema\": {\"name\": \"x\"}}", SCHEMA ".schema",
          "missing_required_parameter", "is missing" },
        { "{\"type\": \"json_schema\", \"json_schema\": {\"schema\": []}}", SCHEMA ".schema", "invalid_value",
          "an array" },
        { "{\"type\": \"json_schema\", \"json_schema\": {\"name\": 5, \"schema\": {}}}", SCHEMA ".name",
          "invalid_value", "name" },
        { "{\"type\": \"json_schema\", \"json_schema\": {\"strict\": 1, \"schema\": {}}}", SCHEMA ".strict",
          "invalid_value", "strict" },
        { "{\"type\": \"json_schema\", \"json_schema\": {\"schema\": {\"items\": {\"unevaluatedItems\": {}}}}}",
          SCHEMA ".schema", "invalid_value", "the JSON schema: '/items/unevaluatedItems': cannot be enforced" },
        { "{\"type\": \"json_schema\", \"json_schema\": {\"schema\": {\"items\": {\"unevaluatedItems\": {}}}}}",
          SCHEMA ".schema", "invalid_value", "cannot be enforced" },
        { "{\"type\": \"json_object\", \"json_schema\": {\"schema\": {}}}", SCHEMA, "invalid_value", "needs the type" },
        { "{\"type\": \"text\", \"json_schema\": {\"schema\": {}}}", SCHEMA, "invalid_value", "needs the type" },
        { "{\"type\": \"text\", \"schema\": {}}", "response_format.schema", "invalid_value", "needs the type" },
        { "{\"type\": \"json_object\", \"schema\": 5}", "response_format.schema", "invalid_value", "an integer" },
    };
    asked_defaults.forms = &forms;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        asked_accept(&a, ASKED_CHAT, good[i]);
        asked_accept(&b, ASKED_COMPL, good[i]);
        assert_non_null(a.r.generation.format);
        assert_ptr_equal(a.r.generation.format, b.r.generation.format); /* compiled once */
        asked_done(&a);
        asked_done(&b);
    }
    assert_int_equal(forms.n, 3);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char rest[512];
        snprintf(rest, sizeof rest, ", \"response_format\": %s", bad[i].format);
        asked_refuse(ASKED_CHAT, rest, bad[i].param, bad[i].code);
        asked_read(&a, ASKED_CHAT, rest);
        if (!strstr(a.f.err.msg, bad[i].why))
            fail_msg("%s: %s", bad[i].format, a.f.err.msg);
        asked_done(&a);
    }
    assert_int_equal(forms.n, 3);
    /* The oldest goes when there are too many; who has it keeps it. */
    asked_accept(&a, ASKED_CHAT, good[2]);
    for (int i = 0; i < 20; i++) {
        char rest[256];
        snprintf(rest, sizeof rest,
                 ", \"response_format\": {\"type\": \"json_schema\", \"json_schema\": {\"schema\": {\"const\": %d}}}",
                 i);
        asked_accept(&b, ASKED_CHAT, rest);
        asked_done(&b);
    }
    assert_int_equal(forms.n, CT_OPENAI_MAX_FORMS);
    asked_accept(&b, ASKED_CHAT, good[2]);
    assert_ptr_not_equal(a.r.generation.format, b.r.generation.format);
    asked_done(&b);
    asked_done(&a);
    ct_openai_forms_deinit(&forms);
    asked_defaults.forms = NULL;
    asked_accept(&a, ASKED_CHAT, good[0]);
    asked_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_response_formats),
        cmocka_unit_test(test_forms_by_the_names_of_other_servers),
    };
    return cmocka_run_group_tests(tests, asked_open, asked_close);
}
