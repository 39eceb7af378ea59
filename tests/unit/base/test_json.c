/* test_json.c - JSON to a tree: what RFC 8259 allows, what we refuse beyond it, and the same as jansson's own reader makes
 * of thousands of damaged texts.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/json_text.h"
#include "json_halves.h"
#include "unit.h"

static const char *const samples[] = {
    "{\"a\": [1, -2, 3.5e-3, 0.25, 1E+2, 0, -0, 9223372036854775807, -9223372036854775808], \"b\": {\"c\": null}}",
    "[true, false, null, \"\", \"x\", [], {}, [[]], {\"\": 1}, \"\\u00e9\\ud83d\\ude00\\n\\/\\\"\", \"h\xc3\xa9llo\"]",
    " {\"model_type\" :\t\"gemma3\",\r\n\"rope\": {\"factor\": 8.0}, \"n\": 18446744073709551615, \"e\": 1e999} ",
    "\"\\u0000\\b\\f\\t\\r\\\\\"",
    "{\"\\u0061\\u0000\": 1}",
    "[\"a\\ud83d\", \"\\ude00\\uD83Db\", \"\\ud83d\\ud83d\\ude00\", \"\\ud83d\\u0041\\udbff\\n\", {\"\\udfff\": 1}]",
    "-12.5",
};

static uint64_t seed = 1;

static uint32_t dice(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((seed >> 33) % n);
}

/* Rewritten in either spacing, a text is the same value, and a rewritten one the same text. */
static void rewrite(const char *text, size_t len, const json_t *want)
{
    for (int is_spaced = 0; is_spaced < 2; is_spaced++) {
        ct_buf once, twice;
        json_t *got;
        carat_err err;
        ct_buf_init(&once, 1 << 20);
        ct_buf_init(&twice, 1 << 20);
        if (!ct_json_text_put("it", text, len, is_spaced, &once, &err) ||
            !ct_json_text_put("it", once.data, once.len, is_spaced, &twice, &err) ||
            !ct_json_parse("it", once.data, once.len, &got, &err))
            fail_msg("'%.*s': %s", (int)len, text, err.msg);
        assert_true(json_equal(want, got));
        assert_string_equal(once.data, twice.data);
        json_decref(got);
        ct_buf_deinit(&once);
        ct_buf_deinit(&twice);
    }
}

static void compare(const char *text, size_t len)
{
    json_t *ours;
    json_error_t je;
    carat_err err;
    char whole[512];
    memcpy(whole, text, len);
    mend_halves(whole, len);
    json_t *theirs = json_loadb(whole, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &je);
    bool ok = ct_json_parse("it", text, len, &ours, &err);
    if (ok != (theirs != NULL))
        fail_msg("'%.*s': %s, and jansson's reader %s", (int)len, text, ok ? "accepted" : err.msg,
                 theirs ? "accepts it" : je.text);
    if (ok && !json_equal(ours, theirs))
        fail_msg("'%.*s': another value than jansson's reader gives", (int)len, text);
    assert_true(ok || (err.code == CARAT_EFORMAT && err.at <= len));
    if (ok)
        rewrite(text, len, ours);
    json_decref(ours);
    json_decref(theirs);
}

/* As Python's json.dumps writes strings; what is no JSON leaves nothing behind. */
static void json_is_rewritten_as_text(void **state)
{
    (void)state;
    static const char *const no_json[] = { "",   " ",   "{",        "[1,]",   "{\"a\":1,}", "[1 2]", "01",
                                           "1.", "nul", "\"\xff\"", "\"\n\"", "{} {}",      "[\"a\"" };
    ct_buf b;
    carat_err err;
    ct_buf_init(&b, 1 << 20);
    static const char text[] = " [ 1.50 ,-0,1E+2, 18446744073709551616,\"\\u00e9\\/\\u001f\\b\x7f\\\"\\\\\\ud83d\",{ "
                               "}, [ ],{\"a\" : null,\"a\":true}]";
    assert_true(ct_json_text_put("it", text, strlen(text), false, &b, &err));
    assert_string_equal(b.data, "[1.50,-0,1E+2,18446744073709551616,\"\xc3\xa9/"
                                "\\u001f\\b\x7f\\\"\\\\\xef\xbf\xbd\",{},[],{\"a\":null,\"a\":true}]");
    ct_buf_clear(&b);
    assert_true(ct_json_text_put("it", text, strlen(text), true, &b, &err));
    assert_non_null(strstr(b.data, "{}, [], {\"a\": null, \"a\": true}]"));
    const size_t len = b.len;
    for (size_t i = 0; i < sizeof no_json / sizeof *no_json; i++) {
        if (ct_json_text_put("it", no_json[i], strlen(no_json[i]), false, &b, &err))
            fail_msg("'%s' is taken", no_json[i]);
        assert_int_equal(err.code, CARAT_EFORMAT);
        assert_int_equal(b.len, len);
        assert_int_equal(b.data[len], '\0');
    }
    ct_buf_clear(&b);
    assert_true(ct_json_text_string("a\xff\0\"", 4, &b));
    assert_string_equal(b.data, "\"a\xef\xbf\xbd\\u0000\\\"\"");
    ct_buf_deinit(&b);
    char deep[1026];
    for (int depth = 512; depth <= 513; depth++) {
        memset(deep, '[', (size_t)depth);
        memset(deep + depth, ']', (size_t)depth);
        ct_buf_init(&b, 1 << 20);
        assert_int_equal(ct_json_text_put("it", deep, 2 * (size_t)depth, false, &b, &err), depth == 512);
        ct_buf_deinit(&b);
    }
    ct_buf_init(&b, 8);
    assert_false(ct_json_text_put("it", "[1,2,3,4,5,6]", 13, false, &b, &err));
    assert_int_equal(err.code, CARAT_ELIMIT);
    ct_buf_deinit(&b);
}

static void the_same_as_jansson(void **state)
{
    (void)state;
    static const char bytes[] = "{}[]:,\"\\u0e+-.1truefalsnl \x80\xc3\xa9\n\x01";
    size_t n_samples = sizeof samples / sizeof *samples;
    for (size_t i = 0; i < n_samples; i++)
        for (size_t len = 0; len <= strlen(samples[i]); len++)
            compare(samples[i], len);
    for (size_t round = 0; round < 40000; round++) {
        char text[256];
        const char *from = samples[dice((uint32_t)n_samples)];
        size_t len = strlen(from);
        memcpy(text, from, len);
        for (uint32_t k = 0; k <= dice(3); k++) {
            size_t at = dice((uint32_t)len);
            if (dice(2)) { /* another byte, but no NUL: the end to jansson */
                text[at] = bytes[dice(sizeof bytes - 1)];
            } else { /* one less */
                memmove(text + at, text + at + 1, len - at - 1);
                len--;
            }
        }
        compare(text, len);
    }
}

static void refused(const char *text, const char *says)
{
    json_t *v;
    carat_err err;
    assert_false(ct_json_parse("it", text, strlen(text), &v, &err));
    assert_int_equal(err.code, CARAT_EFORMAT);
    if (!strstr(err.msg, says))
        fail_msg("'%s' does not say '%s'", err.msg, says);
}

static void errors_say_what_and_where(void **state)
{
    (void)state;
    refused("", "it: not valid JSON at byte 0: expected a value");
    refused("{\"a\": 1,}", "byte 8: expected a string");
    refused("{\n\"a\":\n 01}", "it, line 3: not valid JSON at byte 8: expected a value");
    refused("[1 2]", "byte 3: expected a comma");
    refused("[1] 2", "byte 4: expected one value, and more follows");
    refused("{\"a\":1,\"a\":2}", "a duplicate key");
    refused("[9223372036854775808]", "an integer beyond 64 bits");
    refused("[1e400]", "a number beyond a double's");
    refused("[nul]", "expected a value");
}

static void nesting_ends(void **state)
{
    (void)state;
    enum { N = 2048 };
    char text[2 * N + 3];
    json_t *v;
    carat_err err;
    memset(text, '[', N), memset(text + N, ']', N);
    assert_true(ct_json_parse("it", text, 2 * N, &v, &err));
    json_decref(v);
    memset(text, '[', N + 1), memset(text + N + 1, ']', N + 1);
    assert_false(ct_json_parse("it", text, 2 * N + 2, &v, &err));
    assert_non_null(strstr(err.msg, "a depth beyond 2048"));
}

/* A program that writes 3,5 for three and a half reads the same numbers. */
static void numbers_in_any_locale(void **state)
{
    (void)state;
    json_t *v;
    carat_err err;
    const char *comma = setlocale(LC_NUMERIC, "de_DE.UTF-8"); /* where it is installed */
    assert_true(ct_json_parse("it", "3.5", 3, &v, &err));
    assert_true(json_real_value(v) == 3.5);
    ct_buf out;
    ct_buf_init(&out, 100);
    assert_true(ct_json_write(v, &out));
    assert_string_equal(out.data, "3.5");
    ct_buf_deinit(&out);
    json_decref(v);
    setlocale(LC_NUMERIC, "C");
    printf("locale: %s\n", comma ? comma : "none with a comma here");
}

/* Text that was cut at so many UTF-16 units: Python writes and reads it so. */
static void halves_of_pairs_are_replaced(void **state)
{
    (void)state;
    static const char *const of[][2] = {
        { "\"cut \\ud83d\"", "cut \xef\xbf\xbd" },
        { "\"\\ude00 cut\"", "\xef\xbf\xbd cut" },
        { "\"\\uD83D\\uDE00\"", "\xf0\x9f\x98\x80" },
        { "\"\\ud83d\\ud83d\\ude00\"", "\xef\xbf\xbd\xf0\x9f\x98\x80" },
        { "\"\\ude00\\ud83d\"", "\xef\xbf\xbd\xef\xbf\xbd" },
        { "\"\\ud83d\\u0041\"", "\xef\xbf\xbd"
                                "A" },
        { "\"\\ud83d\\n\"", "\xef\xbf\xbd\n" },
        { "\"\\ud83du\"", "\xef\xbf\xbdu" },
    };
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        json_t *v;
        carat_err err;
        if (!ct_json_parse("it", of[i][0], strlen(of[i][0]), &v, &err))
            fail_msg("%s: %s", of[i][0], err.msg);
        assert_string_equal(json_string_value(v), of[i][1]);
        json_decref(v);
    }
    refused("\"\\ud83d\\u00\"", "four hexadecimal digits");
    refused("\"\\ud83d\\", "an unknown escape");
    refused("\"\xed\xa0\xbd\"", "a byte that is not UTF-8"); /* the bytes of one are no text */
}

static void *little(size_t n)
{
    return n > 1 << 16 ? NULL : malloc(n);
}

/* A string that its tree has no memory for, with its end and without: the reader of jansson 2.14 walks out of its buffer. */
static void no_memory_is_no_bad_json(void **state)
{
    (void)state;
    enum { N = 100000 };
    static const char *const around[] = { "", "[", "{\"a\":" };
    json_set_alloc_funcs(little, free);
    for (size_t i = 0; i < 3; i++)
        for (int is_whole = 0; is_whole < 2; is_whole++) {
            size_t n = strlen(around[i]);
            char *text = malloc(n + N); /* of the exact size, for a sanitizer */
            assert_non_null(text);
            memcpy(text, around[i], n);
            memset(text + n, 'y', N);
            text[n] = '"';
            if (is_whole)
                text[n + N - 1] = '"';
            json_t *v;
            carat_err err;
            assert_false(ct_json_parse("it", text, n + N, &v, &err));
            assert_null(v);
            assert_int_equal(err.code, is_whole ? CARAT_ENOMEM : CARAT_EFORMAT);
            if (!strstr(err.msg, is_whole ? "no memory" : "a string is cut off"))
                fail_msg("%s", err.msg);
            free(text);
        }
    json_set_alloc_funcs(malloc, free);
}

static void written_numbers_are_the_shortest(void **state)
{
    (void)state;
    static const char *const same[] = {
        "[0.1,3.14,1.0,-0.0,100000.0,1e+16,1e-07,0.0001,123456789.125,5e-324,1.7976931348623157e+308]",
        "[0.30000000000000004]",
        "{\"b\":[1,-9223372036854775808,true,false,null],\"a\":{\"\":\"\\u0001\\n\\\"\xc3\xa9\"}}",
        "[9007199254740993,2.5e-10,1234567890123456.0,12345.678]",
        "[]",
        "{}",
        "\"x\"",
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        json_t *v;
        ct_buf out;
        ct_buf_init(&out, 1000);
        assert_true(ct_json_parse("it", same[i], strlen(same[i]), &v, NULL));
        assert_true(ct_json_write(v, &out));
        assert_string_equal(out.data, same[i]);
        ct_buf_deinit(&out);
        ct_buf_init(&out, 1);
        assert_false(ct_json_write(v, &out));
        ct_buf_deinit(&out);
        json_decref(v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_rewritten_as_text),    cmocka_unit_test(the_same_as_jansson),
        cmocka_unit_test(errors_say_what_and_where),    cmocka_unit_test(nesting_ends),
        cmocka_unit_test(halves_of_pairs_are_replaced), cmocka_unit_test(no_memory_is_no_bad_json),
        cmocka_unit_test(numbers_in_any_locale),        cmocka_unit_test(written_numbers_are_the_shortest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
