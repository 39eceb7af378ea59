/* What translators of other protocols share: tables of fields, and the client's names in faults.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <string.h>

#include "openai/fields.h"
#include "openai/paths.h"

static const ct_openai_field rows[] = {
    { "to", 1, CT_FIELD_HONOURED, NULL, NULL },          { "price", 3, CT_FIELD_HARMLESS, NULL, NULL },
    { "scent", 1, CT_FIELD_PASSED_BY, "none", NULL },    { "seal", 1, CT_FIELD_REFUSED, "=plain", "a stamp" },
    { "colour", 2, CT_FIELD_PASSED_BY, "=white", NULL },
};
/* names NULL: refused, and then the field's path is param. */
static void check(ct_openai_mode mode, unsigned place, const char *text, const char *names, const char *param)
{
    json_t *o;
    carat_err err;
    ct_openai_list list;
    ct_openai_fault f = { 0 };
    const ct_openai_rows table = { rows, sizeof rows / sizeof *rows, place, "a letter" };
    ct_openai_list_init(&list, mode);
    if (!ct_json_parse("text", text, strlen(text), &o, &err))
        fail_msg("%s: %s", text, err.msg);
    const bool ok = ct_openai_check_rows(o, &table, "", &list, &f);
    const char *listed = list.names.len ? list.names.data : "";
    if (ok != !param || (names && strcmp(listed, names) != 0) || (param && strcmp(f.param, param) != 0))
        fail_msg("%s in mode %d: %d, listed '%s', '%s' %s", text, mode, ok, listed, f.param, f.err.msg);
    ct_buf_deinit(&list.names);
    json_decref(o);
}

static void test_a_field_is_what_its_row_says(void **state)
{
    (void)state;
    for (ct_openai_mode mode = CT_OPENAI_KNOWN; mode <= CT_OPENAI_STRICT; mode++) {
        const bool is_lenient = mode == CT_OPENAI_LENIENT;
        check(mode, 1, "{\"to\": 1, \"price\": 0, \"scent\": null, \"seal\": \"plain\"}", "", NULL);
        check(mode, 1, "{\"price\": 5}", "", mode == CT_OPENAI_STRICT ? "price" : NULL);
        check(mode, 1, "{\"scent\": \"none\"}", "", NULL);
        check(mode, 1, "{\"scent\": false}", "", NULL);
        check(mode, 1, "{\"scent\": \"rose\"}", is_lenient ? "scent" : NULL, is_lenient ? NULL : "scent");
        check(mode, 1, "{\"seal\": false}", NULL, "seal"); /* but "plain" alone asks for nothing */
        check(mode, 1, "{\"colour\": 1}", is_lenient ? "colour" : NULL, is_lenient ? NULL : "colour");
        check(mode, 2, "{\"colour\": false}", is_lenient ? "colour" : NULL, is_lenient ? NULL : "colour");
        check(mode, 2, "{\"colour\": \"white\"}", "", NULL);
        check(mode, 2, "{\"to\": 1}", is_lenient ? "to" : NULL, is_lenient ? NULL : "to"); /* of the other */
    }
}

static void test_lists_are_joined(void **state)
{
    (void)state;
    ct_openai_list a, b;
    ct_openai_list_init(&a, CT_OPENAI_LENIENT), ct_openai_list_init(&b, CT_OPENAI_LENIENT);
    assert_true(ct_openai_list_join(&a, &b) && a.names.len == 0);
    ct_buf_str(&b.names, "x, y"), b.n = 2;
    assert_true(ct_openai_list_join(&a, &b) && ct_openai_list_join(&a, &b));
    assert_string_equal(a.names.data, "x, y, x, y");
    assert_int_equal(a.n, 4);
    while (b.names.len < CT_OPENAI_MAX_LIST + 500) /* as long as one gets */
        ct_buf_str(&b.names, ", name");
    for (int i = 0; i < 5; i++)
        assert_true(ct_openai_list_join(&a, &b));
    assert_true(!a.names.failed && a.names.len <= 3 * CT_OPENAI_MAX_LIST);
    ct_buf_deinit(&a.names), ct_buf_deinit(&b.names);
}

static void test_faults_are_told_in_the_clients_words(void **state)
{
    (void)state;
    static const struct {
        const char *param, *msg, *own, *own_msg;
    } of[] = {
        { "max_tokens", "body: 'max_tokens' is 0, expected 1", "options.num_predict",
          "body: 'options.num_predict' is 0, expected 1" },
        { "messages[1].content[0]", "messages[1].content[0]: not an image; messages[1].content[01]",
          "messages[0].images[0]", "messages[0].images[0]: not an image; messages[1].content[01]" },
        { "messages[1].content[0].x", "'x' of messages[1].content[0].x", "messages[0].images[0].x",
          "'x' of messages[0].images[0].x" },
        { "messages[1].role", "messages[1].role: y", "messages[0].role", "messages[0].role: y" },
        { "messages[11].role", "messages[11].role: y", "messages[11].role", "messages[11].role: y" },
        { "max_tokens_2", "max_tokens_2", "max_tokens_2", "max_tokens_2" },
        { "", "no max_tokens", "", "no max_tokens" },
    };
    ct_openai_paths p = { NULL };
    ct_openai_fault f = { 0 };
    assert_true(ct_openai_path_add(&p, "max_tokens", "options.num_predict", &f));
    assert_true(ct_openai_path_add(&p, "messages[1]", "messages[0]", &f));
    assert_true(ct_openai_path_add(&p, "messages[1].content[0]", "messages[0].images[0]", &f));
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        ct_openai_refuse(&f, 400, "invalid_value", of[i].param, "%s", of[i].msg);
        assert_false(ct_openai_path_rename(&p, &f));
        assert_string_equal(f.param, of[i].own);
        assert_string_equal(f.err.msg, of[i].own_msg);
    }
    char longer[300] = "";
    for (size_t n = 0; n < 226;)
        n += (size_t)snprintf(longer + n, sizeof longer - n, "max_tokens \xc3\xbc");
    ct_openai_refuse(&f, 400, "invalid_value", "max_tokens", "%s", longer);
    ct_openai_path_rename(&p, &f);
    assert_true(strlen(f.err.msg) < sizeof f.err.msg && strncmp(f.err.msg, "options.num_predict \xc3\xbc", 22) == 0);
    ct_openai_paths_deinit(&p);
    assert_false(ct_openai_path_rename(&p, &f)); /* without any, all stays */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_field_is_what_its_row_says),
        cmocka_unit_test(test_lists_are_joined),
        cmocka_unit_test(test_faults_are_told_in_the_clients_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
