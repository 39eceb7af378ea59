/* Lines of a batch: any bytes, envelopes, seeds.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <string.h>

#include "asked.h"
#include "openai/batch.h"

/* ---- lines of a batch: any bytes ---- */

static void test_lines_that_are_none(void **state)
{
    (void)state;
    static char deep[6000], longer[300];
    memset(deep, '[', sizeof deep - 1);
    memset(longer, 'x', sizeof longer - 1);
    const struct {
        const char *text, *code, *says;
    } bad[] = {
        { "", "invalid_value", "not valid JSON" },
        { "{", "invalid_value", "not valid JSON" },
        { deep, "invalid_value", "not valid JSON" },
        { "\xff\xfe", "invalid_value", "not valid JSON" },
        { "{\"custom_id\": \"\xc3\"}", "invalid_value", "not valid JSON" },
        { "{\"custom_id\": \"\\ud800\", \"custom_id\": \"\\udfff\"}", "invalid_value", "duplicate" },
        { "{\"custom_id\": \"\\ud800\\u00\"}", "invalid_value", "not valid JSON" },
        { "{\"custom_id\": \"a\"} {}", "invalid_value", "not valid JSON" },
        { "{\"custom_id\": \"a\", \"custom_id\": \"b\"}", "invalid_value", "duplicate" },
        { "[]", "invalid_json_line", "an array" },
        { "null", "invalid_json_line", "null" },
        { "{}", "missing_required_parameter", "missing" },
        { "{\"custom_id\": 7}", "missing_required_parameter", "an integer" },
        { "{\"custom_id\": \"\"}", "missing_required_parameter", "empty" },
        { "{\"custom_id\": \"a\\u0000b\"}", "missing_required_parameter", "NUL" },
        { longer, "invalid_value", "not valid JSON" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ct_openai_line l = { 0 };
        ct_openai_fault f = { 0 };
        if (ct_openai_line_parse(&l, bad[i].text, strlen(bad[i].text), &f) || strcmp(f.code, bad[i].code) != 0 ||
            !strstr(f.err.msg, bad[i].says))
            fail_msg("%.40s: %s '%s'", bad[i].text, f.code, f.err.msg);
        ct_openai_line_deinit(&l);
    }
}

static void test_envelopes(void **state)
{
    (void)state;
    static const struct {
        const char *text, *param, *code;
    } bad[] = {
        { "{\"custom_id\": \"a\"}", "method", "invalid_method" },
        { "{\"custom_id\": \"a\", \"method\": \"GET\"}", "method", "invalid_method" },
        { "{\"custom_id\": \"a\", \"method\": \"POST\"}", "url", "invalid_url" },
        { "{\"custom_id\": \"a\", \"method\": \"POST\", \"url\": \"/v1/embeddings\", \"body\": {}}", "url",
          "invalid_url" },
        { "{\"custom_id\": \"a\", \"method\": \"POST\", \"url\": \"/v1/completions\"}", "body",
          "missing_required_parameter" },
        { "{\"custom_id\": \"a\", \"method\": \"POST\", \"url\": \"/v1/completions\", \"body\": [1]}", "body",
          "missing_required_parameter" },
        { "{\"custom_id\": \"a\", \"method\": \"POST\", \"url\": \"/v1/completions\", \"body\": {\"prompt\": \"x\"}, "
          "\"temperature\": 0}",
          "temperature", "unknown_parameter" }, /* beside the body, where it would do nothing */
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ct_openai_line l = { 0 };
        ct_openai_fault f = { 0 };
        assert_true(ct_openai_line_parse(&l, bad[i].text, strlen(bad[i].text), &f));
        assert_false(ct_openai_line_read(&l, asked_engine, &asked_defaults, &f));
        assert_int_equal(f.status, 0); /* no request, so no response */
        assert_string_equal(f.param, bad[i].param);
        assert_string_equal(f.code, bad[i].code);
        ct_openai_line_deinit(&l);
    }
}

static uint64_t seed_of(const char *custom_id, const char *body)
{
    char text[256];
    ct_openai_line l = { 0 };
    ct_openai_fault f = { 0 };
    int len = snprintf(text, sizeof text,
                       "{\"custom_id\": \"%s\", \"method\": \"POST\", \"url\": \"/v1/completions\", \"body\": %s}",
                       custom_id, body);
    if (!ct_openai_line_parse(&l, text, (size_t)len, &f) || !ct_openai_line_read(&l, asked_engine, &asked_defaults, &f))
        fail_msg("%s: %s", text, f.err.msg);
    uint64_t seed = l.request.sampling.seed;
    ct_openai_line_deinit(&l);
    return seed;
}

static void test_seeds_of_lines(void **state)
{
    (void)state;
    const char *body = "{\"prompt\": \"a\"}";
    assert_true(seed_of("a", body) == seed_of("a", body));
    assert_true(seed_of("a", body) != seed_of("b", body));
    assert_true(seed_of("\\ud83d\\ude00", body) == seed_of("\xf0\x9f\x98\x80", body)); /* a pair is one character */
    assert_true(seed_of("a\\ud83d", body) == seed_of("a\xef\xbf\xbd", body));          /* half of one is U+FFFD */
    assert_true(seed_of("\\ude00\\ud83d", body) == seed_of("\xef\xbf\xbd\xef\xbf\xbd", body));
    assert_int_equal(seed_of("a", "{\"prompt\": \"a\", \"seed\": 9}"), 9);
    uint64_t before = seed_of("a", body);
    asked_defaults.sampling.seed++;
    assert_true(seed_of("a", body) != before);
    asked_defaults.sampling.seed--;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_that_are_none),
        cmocka_unit_test(test_envelopes),
        cmocka_unit_test(test_seeds_of_lines),
    };
    return cmocka_run_group_tests(tests, asked_open, asked_close);
}
