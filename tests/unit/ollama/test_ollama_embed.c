/* Embeddings in Ollama's protocol.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ollama/inside.h"
#include "talked.h"

#define EMBED      &ct_ollama_talk_embed
#define EMBEDDINGS &ct_ollama_talk_embeddings

/* The reply; the caller's. */
static json_t *reply_of(const ct_talk_kind *kind, const char *body)
{
    talked o;
    json_t *v;
    carat_err err;
    talked_accept(&o, kind, body);
    assert_false(o.t->streams);
    talked_run(&o);
    if (!ct_json_parse("the reply", o.out.data, o.out.len, &v, &err))
        fail_msg("%s: %s", err.msg, o.out.data);
    talked_done(&o);
    return v;
}

static double length(const json_t *vector)
{
    double sum = 0;
    for (size_t i = 0; i < json_array_size(vector); i++) {
        assert_true(json_is_number(json_array_get(vector, i)));
        sum += json_number_value(json_array_get(vector, i)) * json_number_value(json_array_get(vector, i));
    }
    return sqrt(sum);
}

static void test_a_text_is_a_vector_of_length_1(void **state)
{
    (void)state;
    const size_t hidden = carat_engine_info(asked_engine)->hidden;
    json_t *two = reply_of(EMBED, "{'model': 'x', 'input': ['a red star', 'b']}");
    json_t *one = reply_of(EMBED, "{'input': 'a red star'}"), *list = json_object_get(two, "embeddings");
    assert_string_equal(json_string_value(json_object_get(two, "model")), "tiny");
    assert_int_equal(json_array_size(list), 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(json_array_size(json_array_get(list, i)), hidden);
        assert_true(fabs(length(json_array_get(list, i)) - 1) < 1e-6);
    }
    /* Bit for bit, whatever is asked beside it. */
    assert_true(json_equal(json_array_get(list, 0), json_array_get(json_object_get(one, "embeddings"), 0)));
    assert_false(json_equal(json_array_get(list, 0), json_array_get(list, 1)));
    const json_int_t n = json_integer_value(json_object_get(one, "prompt_eval_count"));
    assert_true(n > 1 && json_integer_value(json_object_get(two, "prompt_eval_count")) > n);
    assert_true(json_integer_value(json_object_get(one, "total_duration")) > 0);
    json_decref(two);
    json_decref(one);
}

/* The older route: the same direction, as long as it is. */
static void test_an_older_vector_is_not_scaled(void **state)
{
    (void)state;
    json_t *older = reply_of(EMBEDDINGS, "{'prompt': 'a red star'}"), *v = json_object_get(older, "embedding");
    json_t *newer = reply_of(EMBED, "{'input': 'a red star'}"),
           *w = json_array_get(json_object_get(newer, "embeddings"), 0);
    assert_int_equal(json_object_size(older), 1);
    const double l = length(v);
    assert_true(fabs(l - 1) > 1e-3);
    for (size_t i = 0; i < json_array_size(v); i++)
        assert_true(fabs(json_number_value(json_array_get(v, i)) / l - json_number_value(json_array_get(w, i))) < 1e-6);
    json_decref(older);
    json_decref(newer);
}

static void test_fewer_dimensions_have_length_1_again(void **state)
{
    (void)state;
    json_t *all = reply_of(EMBED, "{'input': 'a'}"), *few = reply_of(EMBED, "{'input': 'a', 'dimensions': 8}");
    const json_t *v = json_array_get(json_object_get(all, "embeddings"), 0),
                 *w = json_array_get(json_object_get(few, "embeddings"), 0);
    assert_int_equal(json_array_size(w), 8);
    assert_true(fabs(length(w) - 1) < 1e-6);
    const double ratio = json_number_value(json_array_get(v, 0)) / json_number_value(json_array_get(w, 0));
    for (size_t i = 1; i < 8; i++)
        assert_true(fabs(json_number_value(json_array_get(v, i)) - ratio * json_number_value(json_array_get(w, i))) <
                    1e-6);
    json_decref(all);
    json_decref(few);
}

/* What does not fit is refused, unless the client has asked for it to be cut. */
static void test_a_text_that_is_too_long(void **state)
{
    (void)state;
    char body[4096];
    for (int truncates = 0; truncates < 2; truncates++) {
        size_t n = (size_t)snprintf(body, sizeof body, "{'truncate': %s, 'options': {'num_ctx': 20}, 'input': ['a', '",
                                    truncates ? "true" : "false");
        for (int i = 0; i < 100; i++)
            n += (size_t)snprintf(body + n, sizeof body - n, "word %d ", i);
        snprintf(body + n, sizeof body - n, "']}");
        if (truncates) {
            json_t *v = reply_of(EMBED, body), *a = reply_of(EMBED, "{'input': 'a'}");
            assert_int_equal(json_integer_value(json_object_get(v, "prompt_eval_count")),
                             20 + json_integer_value(json_object_get(a, "prompt_eval_count")));
            json_decref(v);
            json_decref(a);
        } else {
            talked_refuse(EMBED, body, "input[1]", "tokens do not fit the context of 20");
        }
    }
}

static void test_nothing_to_embed_loads(void **state)
{
    (void)state;
    static const char *const none[] = { "{'input': []}", "{'input': ''}", "{}", "{'keep_alive': 5}" };
    for (size_t i = 0; i < 4; i++) {
        json_t *v = reply_of(EMBED, none[i]);
        assert_int_equal(json_array_size(json_object_get(v, "embeddings")), 0);
        assert_true(json_is_array(json_object_get(v, "embeddings")));
        json_decref(v);
    }
    json_t *v = reply_of(EMBEDDINGS, "{'prompt': ''}");
    assert_true(json_is_array(json_object_get(v, "embedding")));
    json_decref(v);
}

static void test_values_of_no_sense_are_refused(void **state)
{
    (void)state;
    talked_refuse(EMBED, "{'input': 5}", "input", "expected a text or an array");
    talked_refuse(EMBED, "{'input': ['a', 5]}", "input[1]", "expected a text");
    talked_refuse(EMBED, "{'input': 'a', 'dimensions': 97}", "dimensions", "97");
    talked_refuse(EMBED, "{'input': 'a', 'dimensions': -1}", "dimensions", "-1");
    talked_refuse(EMBED, "{'input': 'a', 'truncate': 'yes'}", "truncate", "truncate");
    talked_refuse(EMBED, "{'input': 'a', 'options': {'num_ctx': 1025}}", "options.num_ctx", "1024");
    talked_refuse(EMBED, "{'input': 'a', 'keep_alive': 'soon'}", "keep_alive", "soon");
    talked_refuse(EMBEDDINGS, "{'prompt': ['a']}", "prompt", "expected a text");
    talked_refuse(EMBED, "5", "", "expected an object");
    ct_buf many;
    ct_buf_init(&many, 1 << 20);
    ct_buf_str(&many, "{'input': ['a'");
    for (int i = 0; i < CT_TALK_MAX_ASKS; i++)
        ct_buf_str(&many, ", 'a'");
    ct_buf_str(&many, "]}");
    talked_refuse(EMBED, many.data, "input", "1025, expected");
    ct_buf_deinit(&many);
}

static void test_a_failure_is_the_reply(void **state)
{
    (void)state;
    talked o;
    talked_accept(&o, EMBED, "{'input': ['a', 'b']}");
    talked_fail(&o, CARAT_ENUMERIC, "not finite");
    assert_string_equal(o.out.data, "{\"error\":\"not finite\"}");
    assert_int_equal(o.t->fault.status, 500);
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
        cmocka_unit_test(test_a_text_is_a_vector_of_length_1),
        cmocka_unit_test(test_an_older_vector_is_not_scaled),
        cmocka_unit_test(test_fewer_dimensions_have_length_1_again),
        cmocka_unit_test(test_a_text_that_is_too_long),
        cmocka_unit_test(test_nothing_to_embed_loads),
        cmocka_unit_test(test_values_of_no_sense_are_refused),
        cmocka_unit_test(test_a_failure_is_the_reply),
    };
    return cmocka_run_group_tests(tests, open_engine, asked_close);
}
