/* Texts that are made to break or to hold up who compiles them: each ends within a second or two of processor time, accepted or
 * refused with the reason.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "sample/grammar/automaton.h"
#include "sample/grammar/compile.h"
#include "sample/grammar/program.h"

/* Far more than any takes here (0.6 s), so that a slow machine under a sanitizer passes. */
#define MOST_SECONDS 20

enum { SCHEMA = CARAT_FORMAT_JSON_SCHEMA, REGEX = CARAT_FORMAT_REGEX, GBNF = CARAT_FORMAT_GBNF };

static ct_buf text;

static void begin(void)
{
    ct_buf_deinit(&text);
    ct_buf_init(&text, (size_t)4 << 20);
}

static void add(const char *fmt, ...)
{
    char piece[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(piece, sizeof piece, fmt, ap);
    va_end(ap);
    assert_true(ct_buf_str(&text, piece));
}

static void repeat(const char *s, size_t n)
{
    while (n--)
        add("%s", s);
}

static bool compile(int kind, carat_err *err)
{
    const carat_format_options o = {
        .struct_size = sizeof o, .kind = (carat_format_kind)kind, .text = text.data, .text_len = text.len
    };
    ct_heap heap;
    ct_heap_init(&heap, CT_FORMAT_MOST_HEAP);
    ct_rules rules = { .heap = &heap };
    uint32_t root;
    ct_program p = { 0 };
    ct_automaton *a = NULL;
    const clock_t start = clock();
    bool ok = ct_format_rules(&o, NULL, 0, &rules, &root, err) && ct_program_build("it", &rules, root, &p, err) &&
              ct_automaton_open(&p, (size_t)16 << 20, &a, err);
    if (ok) {
        ct_automaton_start(a);
        ok = !ct_automaton_failed(a, err);
    }
    const double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    if (getenv("CARAT_TEST_TELL"))
        printf("%7.3f s, %8zu bytes: %.60s: %s\n", seconds, text.len, text.data, ok ? "ok" : err->msg);
    assert_true(seconds < MOST_SECONDS);
    ct_automaton_close(a);
    ct_program_free(&p);
    ct_heap_deinit(&heap);
    return ok;
}

static void is_fine(int kind)
{
    carat_err err;
    if (!compile(kind, &err))
        fail_msg("%s", err.msg);
}

static void is_refused(int kind, carat_code code, const char *why)
{
    carat_err err;
    assert_false(compile(kind, &err));
    if (err.code != code || !strstr(err.msg, why))
        fail_msg("%.80s: %s: %s", text.data, carat_code_name(err.code), err.msg);
}

static void what_is_deep(void **state)
{
    (void)state;
    begin(), repeat("(", 50000), add("a"), repeat(")", 50000);
    is_refused(REGEX, CARAT_EARG, "nested");
    begin(), repeat("(a|", 150), add("b"), repeat(")*", 150);
    is_fine(REGEX);
    begin(), add("root ::= "), repeat("(", 50000), add("\"a\""), repeat(")", 50000);
    is_refused(GBNF, CARAT_EARG, "nested");
    begin(), add("root ::= \"a\""), repeat("*?", 100000);
    is_refused(GBNF, CARAT_ELIMIT, "too large");
    begin(), repeat("{\"items\":", 1000), add("{}"), repeat("}", 1000);
    is_refused(SCHEMA, CARAT_EARG, "nested");
    begin(), repeat("{\"allOf\":[", 500), add("{}"), repeat("]}", 500);
    is_refused(SCHEMA, CARAT_EARG, "64 schemas");
    begin(), repeat("{\"anyOf\":[", 1000), add("{}"), repeat("]}", 1000);
    is_refused(SCHEMA, CARAT_EARG, "");
    begin(), add("{\"enum\":["), repeat("[", 2000), repeat("]", 2000), add("]}");
    is_fine(SCHEMA);
    begin(), repeat("[", 100000);
    is_refused(SCHEMA, CARAT_EFORMAT, "");
}

static void what_goes_round(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"$ref\":\"#\"}",
        ("{\"$schema\":\"draft-07\",\"$ref\":\"#/definitions/a\",\"definitions\":{\"a\":{\"$ref\":\"#/definitions/b\"},"
         "\"b\":{\"$ref\":\"#/definitions/a\"}}}"),
        "{\"$ref\":\"#\",\"not\":1}",
        "{\"allOf\":[{\"$ref\":\"#\"}],\"not\":1}",
        "{\"items\":{\"$ref\":\"#\"},\"minItems\":1,\"type\":\"array\"}",
        "{\"properties\":{\"a\":{\"$ref\":\"#\"}},\"required\":[\"a\"],\"type\":\"object\"}",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin(), add("%s", cases[i]);
        is_refused(SCHEMA, CARAT_EARG, "");
    }
    begin(), add("{\"$ref\":\"#\"}");
    is_fine(SCHEMA);
    begin(), add("{\"anyOf\":[{\"$ref\":\"#\"}],\"type\":\"object\"}");
    is_fine(SCHEMA);
    begin(), add("root ::= a\na ::= b | \"x\"\nb ::= a \"y\"");
    is_refused(GBNF, CARAT_EARG, "begin with itself");
}

/* The same part in more and more places, without taking memory. */
static void what_doubles(void **state)
{
    (void)state;
    begin(), add("(a|$)"), repeat("(|$)", 2000);
    is_refused(REGEX, CARAT_ELIMIT, "too large");
    begin(), add("(^|a)"), repeat("(^|$|)", 500);
    carat_err err;
    compile(REGEX, &err);
    begin(), add("root ::= a0\n");
    for (int i = 0; i < 200; i++)
        add("a%d ::= a%d a%d | \"x\"\n", i, i + 1, i + 1);
    add("a200 ::= \"y\"");
    is_fine(GBNF);
    begin();
    for (int i = 0; i < 14; i++)
        add("{\"enum\":[{\"a\":1},{\"a\":2},{\"a\":3}],\"properties\":{\"a\":");
    add("{\"type\":\"integer\"}"), repeat("}}", 14);
    compile(SCHEMA, &err);
}

static void what_is_large(void **state)
{
    (void)state;
    /* Rules whose facts come about one after the other, each behind the last one's back. */
    begin(), add("root ::= r0\n");
    for (int i = 0; i < 20000; i++)
        add("r%d ::= \"x\" r%d\n", i * 7919 % 20000, (i + 1) * 7919 % 20000);
    is_refused(GBNF, CARAT_EARG, "no text can match");
    begin(), add("root ::= r0\norder ::="); /* r0, r19999, r1, r19998, ... r10000: two more in each round */
    for (int i = 0; i < 20000; i++)
        add(" r%d", i);
    add("\n");
    for (int i = 0; i < 20000; i++)
        if (i == 10000)
            add("r10000 ::= \"y\"\n");
        else
            add("r%d ::= \"x\" r%d\n", i, i < 10000 ? 19999 - i : 20000 - i);
    is_refused(GBNF, CARAT_ELIMIT, "too large or too complex");
    begin(), add("root ::= \"x\"");
    for (int i = 0; i < 40000; i++)
        add("\nr%d ::= \"a\"", i);
    is_fine(GBNF);
    begin(), add("[");
    for (int i = 0; i < 20000; i++)
        add("\\u{%x}-\\u{%x}", 0x10000 + 3 * i, 0x10001 + 3 * i);
    add("]");
    is_refused(REGEX, CARAT_EARG, "a class of characters is too large");
    begin(), add("{\"enum\":[\"\"");
    for (int i = 0; i < 20000; i++)
        add(",\"value %d\"", i * 7919);
    add("]}");
    is_fine(SCHEMA);
    begin(), add("{\"type\":\"object\",\"properties\":{\"\":{}");
    for (int i = 0; i < 1900; i++)
        add(",\"property %d\":{\"type\":\"string\"}", i);
    add("},\"required\":[\"\"");
    for (int i = 0; i < 1900; i++)
        add(",\"property %d\"", i);
    add("],\"additionalProperties\":false}");
    is_fine(SCHEMA);
    begin(), add("{\"prefixItems\":[{\"const\":0}");
    for (int i = 1; i < 900; i++)
        add(",{\"const\":%d}", i);
    add("],\"minItems\":900,\"type\":\"array\"}");
    is_fine(SCHEMA);
}

static void what_asks_for_much(void **state)
{
    (void)state;
    carat_err err;
    /* Branches told apart by a constant: what people write. */
    begin(), add("{\"oneOf\":[{\"type\":\"null\"}");
    for (int i = 0; i < 150; i++)
        add(",{\"type\":\"object\",\"properties\":{\"kind\":{\"const\":\"k%d\"},\"a\":{\"type\":\"string\"}},"
            "\"required\":[\"kind\"]}",
            i);
    add("]}");
    is_fine(SCHEMA);
    /* Branches that are hard to tell apart. */
    begin(), add("{\"oneOf\":[{\"type\":\"null\"}");
    for (int i = 0; i < 300; i++)
        add(",{\"enum\":[%d,\"a\",{\"b\":1}],\"minimum\":%d,\"pattern\":\"^c{%d}\",\"required\":[\"z%d\"]}", i, i,
            i + 1, i);
    add("]}");
    compile(SCHEMA, &err);
    begin(), add("{\"type\":\"object\",\"patternProperties\":{\"^a.{30}b\":{}");
    for (int i = 0; i < 5; i++)
        add(",\"a.{%d}%d\":{}", 7 + i, i);
    add("}}");
    compile(SCHEMA, &err);
    begin(), add("{\"type\":\"string\",\"pattern\":\"(a|b)*a(a|b){16}\",\"minLength\":3,\"maxLength\":1000000000}");
    is_refused(SCHEMA, CARAT_EARG, "too complex together");
    begin(), add("{\"type\":\"string\",\"minLength\":1000000000}");
    is_fine(SCHEMA);
    begin(), add("{\"type\":\"number\",\"minimum\":-1.7976931348623157e308,\"exclusiveMaximum\":4.9e-324}");
    is_fine(SCHEMA);
    begin(), add("{\"type\":\"number\",\"multipleOf\":3e-300,\"maximum\":1e300}");
    compile(SCHEMA, &err);
    begin(), add("{\"type\":\"number\",\"multipleOf\":0.123456789}");
    is_refused(SCHEMA, CARAT_EARG, "too many digits");
    begin(), add("{\"type\":\"object\",\"minProperties\":60,\"maxProperties\":64,\"additionalProperties\":false,"
                 "\"properties\":{\"\":{}");
    for (int i = 0; i < 500; i++)
        add(",\"p%d\":{}", i);
    add("}}");
    compile(SCHEMA, &err);
    begin(), add("{\"allOf\":[{}");
    for (int i = 0; i < 60; i++)
        add(",{\"type\":\"string\",\"pattern\":\"x{%d}\"}", i + 1);
    add("]}");
    is_refused(SCHEMA, CARAT_EARG, "too many conditions");
    begin(), repeat("(a{1,90}a{1,90}){1,90}", 3);
    compile(REGEX, &err);
    begin(), repeat("(a?|b?){1,60}", 50);
    compile(REGEX, &err);
}

/* 10 KB of what people write. */
static void an_ordinary_schema(void **state)
{
    (void)state;
    begin(), add("{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"integer\"}");
    for (int i = 0; i < 40; i++)
        add(",\"field_%d\":{\"type\":\"array\",\"description\":\"what is in "
            "it\",\"items\":{\"type\":\"object\",\"properties\":{"
            "\"name\":{\"type\":\"string\",\"maxLength\":80},\"count\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":"
            "%d},"
            "\"when\":{\"type\":\"string\",\"format\":\"date-time\"}},\"required\":[\"name\"],\"additionalProperties\":"
            "false}}",
            i, 100 + i);
    add("},\"required\":[\"id\"],\"additionalProperties\":false}");
    is_fine(SCHEMA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_deep),  cmocka_unit_test(what_goes_round),    cmocka_unit_test(what_doubles),
        cmocka_unit_test(what_is_large), cmocka_unit_test(what_asks_for_much), cmocka_unit_test(an_ordinary_schema),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ct_buf_deinit(&text);
    return failed;
}
