/* Schemas beyond the test suite: what is accepted, what is not, and what is refused. Most were once accepted wrongly, or came up in
 * a comparison with other implementations (docs/measured/schemas-2026-11.md).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "sample/grammar/automaton.h"
#include "sample/grammar/schema.h"

static const ct_json_style style = { ",", ":" };

typedef struct row {
    const char *schema;
    const char *accepted[8], *rejected[8];
} row;

typedef struct compiled {
    ct_heap heap;
    ct_program program;
    ct_automaton *a;
} compiled;

static bool compile(const char *schema, compiled *c, carat_err *err)
{
    json_t *v;
    uint32_t root;
    *c = (compiled){ .a = NULL };
    assert_true(ct_json_parse("a schema", schema, strlen(schema), &v, err));
    ct_heap_init(&c->heap, (size_t)64 << 20);
    ct_rules rules = { .heap = &c->heap };
    const bool ok = ct_schema_compile("the schema", v, false, &style, &rules, &root, err) &&
                    ct_program_build("the schema", &rules, root, &c->program, err) &&
                    ct_automaton_open(&c->program, (size_t)1 << 26, &c->a, err);
    json_decref(v);
    return ok;
}

static void discard(compiled *c)
{
    ct_automaton_close(c->a);
    ct_program_free(&c->program);
    ct_heap_deinit(&c->heap);
}

static bool accepts(ct_automaton *a, const char *text)
{
    uint32_t at = ct_automaton_start(a);
    for (const char *p = text; *p && at != CT_DEAD; p++)
        at = ct_automaton_step(a, at, (uint8_t)*p);
    return ct_automaton_may_end(a, at);
}

static void check(const row *r)
{
    compiled c;
    carat_err err;
    if (!compile(r->schema, &c, &err))
        fail_msg("%s: %s", r->schema, err.msg);
    for (size_t i = 0; i < 8 && r->accepted[i]; i++)
        if (!accepts(c.a, r->accepted[i]))
            fail_msg("%s rejects %s", r->schema, r->accepted[i]);
    for (size_t i = 0; i < 8 && r->rejected[i]; i++)
        if (accepts(c.a, r->rejected[i]))
            fail_msg("%s accepts %s", r->schema, r->rejected[i]);
    discard(&c);
}

static void check_all(const row *r, size_t n)
{
    for (size_t i = 0; i < n; i++)
        check(&r[i]);
}

static void check_refused(const char *schema, const char *why)
{
    compiled c;
    carat_err err;
    if (compile(schema, &c, &err))
        fail_msg("%s is not refused", schema);
    if (!strstr(err.msg, why))
        fail_msg("%s: '%s' has no '%s'", schema, err.msg, why);
    discard(&c);
}

#define CHECK(rows) check_all(rows, sizeof(rows) / sizeof *(rows))

/* A reader keeps a double: what is written has to be on the right side of a bound, and a multiple, once it is read. */
static void numbers_mean_what_is_read(void **state)
{
    (void)state;
    static const row rows[] = {
        { "{\"type\":\"number\",\"exclusiveMinimum\":0.3}",
          { "0.31", "0.300000000000001", "5" },
          { "0.3", "0.30000000000000000001", "0.3000000000000001" } },
        { "{\"type\":\"number\",\"exclusiveMaximum\":1}",
          { "0.999999999999999", "-3.5", "0.000000000000000000000123456789012345" },
          { "0.99999999999999999999", "1", "1.0" } },
        { "{\"type\":\"number\",\"exclusiveMaximum\":0}", { "-1", "-0.5", "-0.001" }, { "0", "-0", "-0.0", "-0.000" } },
        { "{\"type\":\"number\",\"multipleOf\":5}",
          { "6994340916938569590", "15.0", "-10" },
          { "6994340916938569590.0", "-5442822105103877250.00", "9007199254740995.0" } },
        { "{\"type\":\"number\",\"multipleOf\":0.01,\"minimum\":0}", { "1.23", "0.5", "99999999999.99" }, { "1.234" } },
    };
    CHECK(rows);
}

/* Bounds that are integers are compared as such, beyond 2^53 too. */
static void integers_have_their_own_bounds(void **state)
{
    (void)state;
    static const row rows[] = {
        { "{\"type\":\"integer\",\"minimum\":9007199254740993}", { "9007199254740993" }, { "9007199254740992" } },
        { "{\"type\":\"integer\",\"maximum\":1152921504606846976}",
          { "1152921504606846976" },
          { "1152921504606846977" } },
        { "{\"type\":\"integer\",\"maximum\":9223372036854775807}",
          { "9223372036854775807", "-1" },
          { "9223372036854775808" } },
        { "{\"type\":\"integer\",\"allOf\":[{\"exclusiveMinimum\":9007199254740992},{\"minimum\":9007199254740993}]}",
          { "9007199254740993" },
          { "9007199254740992" } },
        { "{\"oneOf\":[{\"type\":\"integer\",\"exclusiveMaximum\":9007199254740993},{\"type\":\"integer\",\"minimum\":"
          "9007199254740992}]}",
          { "5", "9007199254740991", "9007199254740993", "9007199254740999" },
          { "9007199254740992" } },
    };
    CHECK(rows);
}

/* Only canonical texts are generated, but a value that is written otherwise satisfies a branch as well. */
static void branches_are_not_apart_for_a_spelling(void **state)
{
    (void)state;
    check_refused(
        "{\"oneOf\":[{\"const\":{\"b\":1,\"a\":2}},{\"type\":\"object\",\"properties\":{\"a\":true,\"b\":true}}]}",
        "another branch of oneOf");
    check_refused("{\"oneOf\":[{\"const\":1e300},{\"type\":\"number\",\"minimum\":5}]}", "another branch of oneOf");
    static const row rows[] = {
        { "{\"oneOf\":[{\"const\":\"http://ex\xC3\xA4mple\"},{\"type\":\"string\",\"format\":\"uri\"}]}",
          { NULL },
          { NULL } },
        { "{\"oneOf\":[{\"const\":\"a\"},{\"type\":\"string\",\"minLength\":2}]}", { "\"a\"", "\"bc\"" }, { "\"b\"" } },
    };
    check_refused(rows[0].schema, "another branch of oneOf");
    check(&rows[1]);
    static const row lists = { "{\"oneOf\":[{\"enum\":[[\"a\",1],[]]},{\"enum\":[[\"a\"],[\"a\",2]]}]}",
                               { "[\"a\",1]", "[\"a\"]", "[]" },
                               { "[\"a\",3]" } };
    check(&lists);
    check_refused("{\"$defs\":{\"u\":{\"format\":\"uri\"}},\"oneOf\":[{\"const\":[\"http://ex\xC3\xA4mple\"]},"
                  "{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/u\"}}]}",
                  "another branch of oneOf");
}

static void keywords_are_those_of_the_draft(void **state)
{
    (void)state;
    check_refused("{\"$schema\":\"http://json-schema.org/draft-04/schema#\",\"not\":{\"const\":1}}",
                  "does not have it");
    check_refused("{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"dependentRequired\":{\"a\":[\"b\"]}}",
                  "does not have it");
    check_refused("{\"not\":{\"dependencies\":{\"a\":[\"b\"]}}}", "drafts after 7");
    check_refused("{\"properties\":{\"a\":{\"id\":\"http://x/y\"}}}", "no keyword");
    check_refused("{\"id\":{\"type\":\"string\"}}", "no keyword");
    static const row rows[] = {
        { "{\"$schema\":\"http://json-schema.org/draft-04/schema#\",\"id\":\"http://x/y\",\"x-kind\":{\"not\":1},"
          "\"properties\":{\"a\":{\"$ref\":\"http://x/y#/definitions/"
          "b\"}},\"definitions\":{\"b\":{\"type\":\"null\"}}}",
          { "{\"a\":null}", "{}" },
          { "{\"a\":1}" } },
    };
    CHECK(rows);
}

static void what_is_not(void **state)
{
    (void)state;
    static const row rows[] = {
        { "{\"not\":{\"type\":[\"string\",\"object\"]}}", { "1", "null", "[]", "true", "1.5" }, { "\"\"", "{}" } },
        { "{\"not\":{\"enum\":[\"ab\",\"a\",\"abc\",\"\xC3\xA9\",1,true,null,1.0]}}",
          { "\"\"", "\"b\"", "\"abcd\"", "\"ac\"", "false", "2", "1.5", "[]" },
          { "\"a\"", "\"ab\"", "\"abc\"", "\"\xC3\xA9\"", "1", "1.0", "true", "null" } },
        { "{\"type\":\"string\",\"minLength\":2,\"not\":{\"const\":\"no\"}}",
          { "\"yes\"", "\"non\"" },
          { "\"no\"", "\"n\"" } },
        { "{\"type\":\"string\",\"not\":{\"const\":\"\"}}", { "\"a\"", "\"\\n\"" }, { "\"\"", "1" } },
        { "{\"type\":\"object\",\"properties\":{\"a\":true,\"b\":true},\"not\":{\"required\":[\"a\",\"b\"]}}",
          { "{}", "{\"a\":1}", "{\"b\":1,\"c\":2}" },
          { "{\"a\":1,\"b\":1}", "{\"b\":1,\"a\":1}" } },
        { "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"}},\"required\":[\"a\"],\"not\":{"
          "\"properties\":"
          "{\"a\":{\"minimum\":3,\"maximum\":5}}}}",
          { "{\"a\":2}", "{\"a\":6}" },
          { "{\"a\":3}", "{\"a\":5}", "{}" } },
        { "{\"not\":{\"type\":[\"integer\",\"null\"]}}",
          { "1.5", "-0.25", "\"\"", "[]" },
          { "1", "1.0", "-3.00", "null" } },
        { "{\"type\":\"number\",\"minimum\":0,\"not\":{\"type\":\"integer\"}}",
          { "0.5", "3.25" },
          { "1", "2.0", "-1.5", "0.0" } },
        { "{\"enum\":[1,2.0,2.5,null],\"not\":{\"type\":\"integer\"}}", { "2.5", "null" }, { "1", "2", "2.0" } },
        { "{\"not\":{\"not\":{\"type\":\"null\"}}}", { "null" }, { "1" } },
        { "{\"type\":\"array\",\"not\":{\"items\":{\"type\":\"null\"}}}",
          { "[1]", "[null,1,null]" },
          { "[]", "[null]" } },
        { "{\"type\":\"array\",\"not\":{\"contains\":{\"type\":\"null\"}}}", { "[]", "[1]" }, { "[1,null]" } },
        { "{\"$defs\":{\"s\":{\"type\":\"string\"}},\"not\":{\"$ref\":\"#/$defs/s\"}}", { "1" }, { "\"\"" } },
        { "{\"type\":\"object\",\"properties\":{\"a\":true,\"b\":true},\"not\":{\"dependentRequired\":{\"a\":[\"b\"]}}"
          "}",
          { "{\"a\":1}" },
          { "{}", "{\"a\":1,\"b\":1}", "{\"b\":1}" } },
    };
    CHECK(rows);
    check_refused("{\"not\":{\"pattern\":\"a\"}}", "'/not/pattern'");
    check_refused("{\"not\":{\"format\":\"date\"}}", "'/not/format'");
    check_refused("{\"not\":{\"const\":{}}}", "'/not/const'");
    check_refused("{\"not\":{\"multipleOf\":2}}", "'/not/multipleOf'");
    check_refused("{\"not\":{\"unknown\":2}}", "'/not/unknown'");
    check_refused("{\"not\":{\"properties\":{\"a\":{\"propertyNames\":{\"maxLength\":2}}}}}", "propertyNames");
}

static void conditions(void **state)
{
    (void)state;
    static const row rows[] = {
        { "{\"type\":\"object\",\"properties\":{\"kind\":{\"enum\":[\"a\",\"b\"]},\"n\":{\"type\":\"integer\"}},\"if\":"
          "{"
          "\"properties\":{\"kind\":{\"const\":\"a\"}}},\"then\":{\"required\":[\"n\"]},\"additionalProperties\":"
          "false}",
          { "{\"kind\":\"a\",\"n\":1}", "{\"kind\":\"b\"}", "{\"n\":1}", "{\"kind\":\"b\",\"n\":2}" },
          { "{\"kind\":\"a\"}", "{}" } },
        { "{\"if\":{\"type\":\"string\"},\"then\":{\"maxLength\":2},\"else\":{\"type\":\"integer\"}}",
          { "\"ab\"", "7" },
          { "\"abc\"", "null", "1.5" } },
        { "{\"type\":\"object\",\"properties\":{\"a\":true,\"b\":true,\"c\":true},\"dependentRequired\":{\"a\":[\"b\"],"
          "\"b\":"
          "[\"c\"]},\"additionalProperties\":false}",
          { "{}", "{\"c\":1}", "{\"b\":1,\"c\":1}", "{\"a\":1,\"b\":1,\"c\":1}" },
          { "{\"a\":1}", "{\"b\":1}", "{\"a\":1,\"b\":1}", "{\"a\":1,\"c\":1}" } },
        { "{\"dependentSchemas\":{\"a\":{\"type\":\"object\",\"maxProperties\":1}}}",
          { "1", "[]", "{\"a\":1}", "{\"b\":1,\"c\":1}" },
          { "{\"a\":1,\"b\":1}", "{\"b\":1,\"a\":1}" } },
        { "{\"$schema\":\"http://json-schema.org/draft-07/"
          "schema#\",\"type\":\"object\",\"properties\":{\"a\":true,\"b\":true},"
          "\"dependencies\":{\"a\":[\"b\"],\"b\":{\"maxProperties\":2}}}",
          { "{}", "{\"a\":1,\"b\":1}", "{\"b\":1,\"c\":1}" },
          { "{\"a\":1}", "{\"a\":1,\"b\":1,\"c\":1}" } },
        { "{\"oneOf\":[{\"required\":[\"a\"]},{\"required\":[\"b\"]}],\"properties\":{\"a\":true,\"b\":true},\"type\":"
          "\"object\"}",
          { "{\"a\":1}", "{\"b\":1,\"c\":1}" },
          { "{}", "{\"a\":1,\"b\":1}" } },
        { "{\"oneOf\":[{\"type\":\"integer\"},{\"minimum\":2}],\"type\":\"integer\"}", { "1", "-4" }, { "2", "9" } },
    };
    CHECK(rows);
    check_refused("{\"oneOf\":[{\"type\":\"string\",\"pattern\":\"a\"},{\"type\":\"string\",\"pattern\":\"b\"}]}",
                  "another branch of oneOf");
}

static void arrays(void **state)
{
    (void)state;
    static const row rows[] = {
        { "{\"type\":\"array\",\"items\":{\"enum\":[\"a\",\"b\",\"c\",\"a\"]},\"uniqueItems\":true,\"minItems\":1}",
          { "[\"a\"]", "[\"c\",\"a\"]", "[\"b\",\"c\",\"a\"]" },
          { "[]", "[\"a\",\"a\"]", "[\"a\",\"b\",\"a\"]", "[\"d\"]" } },
        { "{\"type\":\"array\",\"items\":{\"enum\":[1,1.0,true]},\"uniqueItems\":true,\"maxItems\":2}",
          { "[]", "[1,true]" },
          { "[1,1]", "[true,true]", "[true,1,1]" } },
        { "{\"type\":\"array\",\"contains\":{\"type\":\"null\"}}",
          { "[null]", "[1,null,2]", "[null,null]" },
          { "[]", "[1]" } },
        { "{\"type\":\"array\",\"contains\":{\"const\":1},\"minContains\":2,\"maxItems\":3,\"items\":{\"type\":"
          "\"integer\"}}",
          { "[1,1]", "[1,2,1]", "[1,1,1]" },
          { "[1]", "[1,2]", "[1,2,3,1]", "[1,1,\"\"]" } },
        { "{\"type\":\"array\",\"contains\":{\"const\":1},\"minContains\":0}", { "[]", "[2]" }, { NULL } },
        { "{\"type\":\"array\",\"contains\":{\"const\":1},\"maxContains\":1,\"minItems\":2}",
          { "[1,2]", "[\"\",1]", "[3,1,4,5]" },
          { "[1]", "[2,3]", "[1,1]", "[1,2,1]" } },
        { "{\"type\":\"array\",\"contains\":{\"const\":1},\"minContains\":3,\"maxContains\":2}", { NULL }, { NULL } },
        { "{\"type\":\"array\",\"prefixItems\":[{\"type\":\"string\"}],\"contains\":{\"type\":\"integer\"}}",
          { "[\"\",1]", "[\"\",null,2]" },
          { "[1]", "[\"\"]", "[\"\",\"\"]" } },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (i != 6)
            check(&rows[i]);
    check_refused(rows[6].schema, "");
    check_refused("{\"type\":\"array\",\"uniqueItems\":true}", "uniqueItems");
    check_refused("{\"type\":\"array\",\"contains\":{\"const\":1},\"allOf\":[{\"contains\":{\"const\":2}}]}",
                  "beside another");
    check_refused("{\"type\":\"array\",\"contains\":{\"const\":1},\"minItems\":5000}", "would have to be counted");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_mean_what_is_read),
        cmocka_unit_test(integers_have_their_own_bounds),
        cmocka_unit_test(branches_are_not_apart_for_a_spelling),
        cmocka_unit_test(keywords_are_those_of_the_draft),
        cmocka_unit_test(what_is_not),
        cmocka_unit_test(conditions),
        cmocka_unit_test(arrays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
