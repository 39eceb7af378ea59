/* Requests of the OpenAI protocol: what each setting does, and what is out of range.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <math.h>

#include "asked.h"

static void test_every_field_is_honoured(void **state)
{
    (void)state;
    asked a;
    asked_accept(
        &a, ASKED_CHAT,
        ", \"temperature\": 0.5, \"top_p\": 0.25, \"min_p\": 0.125, \"top_k\": 7, \"seed\": -3, "
        "\"presence_penalty\": 1.5, \"frequency_penalty\": -2, \"repeat_penalty\": 1.25, \"max_tokens\": 9, "
        "\"max_completion_tokens\": 5, \"min_tokens\": 2, \"n\": 3, \"stop\": [\"\\u00e9\", \"b\"], \"logprobs\": "
        "true, "
        "\"top_logprobs\": 4, \"ignore_eos\": true, \"logit_bias\": {\"5\": -100, \"6\": 1.5}");
    const carat_sampling *s = &a.r.sampling;
    const carat_generation *g = &a.r.generation;
    assert_ptr_equal(a.r.submit.generation, g);
    assert_ptr_equal(g->sampling, s);
    assert_true(s->temperature == 0.5f && s->top_p == 0.25f && s->min_p == 0.125f && s->top_k == 7);
    assert_true(s->presence_penalty == 1.5f && s->frequency_penalty == -2 && s->repetition_penalty == 1.25f);
    assert_true(s->seed == (uint64_t)-3);
    assert_int_equal(s->n_bias, 2);
    for (size_t i = 0; i < 2; i++)
        assert_true(s->bias[i].id == 5 ? s->bias[i].bias == -INFINITY : s->bias[i].id == 6 && s->bias[i].bias == 1.5f);
    assert_int_equal(g->max_tokens, 5); /* the newer name wins */
    assert_int_equal(g->min_tokens, 2);
    assert_true(g->wants_logprobs && g->n_top == 4 && g->ignores_eos && a.r.has_logprobs);
    assert_int_equal(g->n_stops, 2);
    assert_string_equal(g->stops[0], "\xc3\xa9");
    assert_int_equal(a.r.submit.n_answers, 3);
    assert_non_null(a.r.submit.prompt);
    asked_done(&a);
}

static void test_predictions(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        { "\"text\"", "prediction" },
        { "[]", "prediction" },
        { "{}", "prediction.type" },
        { "{\"type\": \"image\", \"content\": \"a\"}", "prediction.type" },
        { "{\"type\": \"content\"}", "prediction.content" },
        { "{\"type\": \"content\", \"content\": 3}", "prediction.content" },
        { "{\"type\": \"content\", \"content\": [\"a\"]}", "prediction.content" },
        { "{\"type\": \"content\", \"content\": [{\"type\": \"image_url\"}]}", "prediction.content" },
        { "{\"type\": \"content\", \"content\": [{\"type\": \"text\", \"text\": 3}]}", "prediction.content.text" },
    };
    asked a;
    asked_accept(&a, ASKED_CHAT, ", \"prediction\": {\"type\": \"content\", \"content\": \"a\\u0000b\"}");
    assert_int_equal(a.r.generation.prediction_len, 3);
    assert_memory_equal(a.r.generation.prediction, "a\0b", 3);
    asked_done(&a);
    asked_accept(&a, ASKED_CHAT,
                 ", \"prediction\": {\"type\": \"content\", \"content\": [{\"type\": \"text\", \"text\": \"a \"}, "
                 "{\"type\": \"text\", \"text\": \"b\"}]}");
    assert_int_equal(a.r.generation.prediction_len, 3);
    assert_memory_equal(a.r.generation.prediction, "a b", 3);
    asked_done(&a);
    asked_accept(&a, ASKED_CHAT, ", \"prediction\": {\"type\": \"content\", \"content\": \"\"}");
    assert_null(a.r.generation.prediction);
    asked_done(&a);
    asked_accept(&a, ASKED_CHAT, ", \"prediction\": null");
    assert_null(a.r.generation.prediction);
    asked_done(&a);
    asked_accept(&a, ASKED_COMPL, ", \"prediction\": {\"type\": \"content\", \"content\": \"a\"}");
    assert_null(a.r.generation.prediction); /* OpenAI has it for chats alone */
    asked_done(&a);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char rest[160];
        snprintf(rest, sizeof rest, ", \"prediction\": %s", bad[i][0]);
        asked_refuse(ASKED_CHAT, rest, bad[i][1], "invalid_value");
    }
}

static void test_what_is_not_given_is_the_operators(void **state)
{
    (void)state;
    static const carat_bias ban = { 6, -INFINITY };
    const ct_openai_options before = asked_defaults;
    asked a;
    asked_defaults.sampling.temperature = 0.75f, asked_defaults.sampling.seed = 11;
    asked_defaults.sampling.bias = &ban, asked_defaults.sampling.n_bias = 1;
    asked_accept(&a, ASKED_CHAT, ", \"temperature\": null, \"stop\": null, \"logit_bias\": {\"7\": 1}");
    assert_true(a.r.sampling.temperature == 0.75f && a.r.sampling.seed == 11);
    assert_int_equal(a.r.generation.max_tokens, 0);
    assert_int_equal(a.r.sampling.n_bias, 2); /* for tokens that the request does not name */
    asked_done(&a);
    asked_accept(&a, ASKED_CHAT, ", \"logit_bias\": {\"6\": 2}");
    assert_int_equal(a.r.sampling.n_bias, 1);
    assert_true(a.r.sampling.bias[0].bias == 2);
    asked_done(&a);
    asked_accept(&a, ASKED_COMPL, "");
    assert_int_equal(a.r.generation.max_tokens, 16); /* OpenAI's */
    asked_done(&a);
    asked_defaults.max_tokens = 40;
    asked_accept(&a, ASKED_COMPL, "");
    assert_int_equal(a.r.generation.max_tokens, 40);
    asked_done(&a);
    asked_accept(&a, ASKED_COMPL, ", \"max_tokens\": 3, \"top_k\": -1, \"logprobs\": 2, \"stop\": \"x\"");
    assert_int_equal(a.r.generation.max_tokens, 3);
    assert_int_equal(a.r.sampling.top_k, 0);
    assert_int_equal(a.r.generation.n_top, 2);
    assert_int_equal(a.r.generation.n_stops, 1);
    asked_done(&a);
    asked_defaults = before;
}

/* The lowest that one of two names allows is not refused by the other. */
static void test_the_ends_of_ranges(void **state)
{
    (void)state;
    asked a;
    asked_accept(&a, ASKED_CHAT, ", \"repeat_penalty\": 0.01, \"top_p\": 0, \"temperature\": 100");
    assert_true(a.r.sampling.repetition_penalty == 0.01f);
    asked_done(&a);
}

static void test_a_nul_character_cuts_no_name(void **state)
{
    (void)state;
    asked_refuse(ASKED_CHAT, ", \"model\": \"tiny\\u0000evil\"", "model", "invalid_value");
}

static void test_wrong_types_and_ranges(void **state)
{
    (void)state;
    static const struct {
        const char *param, *value;
    } bad[] = {
        { "temperature", "\"hot\"" },
        { "temperature", "-0.1" },
        { "temperature", "1e300" },
        { "temperature", "true" },
        { "top_p", "1.5" },
        { "min_p", "[0]" },
        { "top_k", "1.5" },
        { "top_k", "-2" },
        { "top_k", "\"7\"" },
        { "seed", "{}" },
        { "seed", "0.5" },
        { "presence_penalty", "101" },
        { "frequency_penalty", "\"x\"" },
        { "repeat_penalty", "0" },
        { "repetition_penalty", "-1" },
        { "max_tokens", "0" },
        { "max_tokens", "-1" },
        { "max_tokens", "99999999999" },
        { "max_tokens", "\"5\"" },
        { "max_completion_tokens", "false" },
        { "min_tokens", "-1" },
        { "min_tokens", "\"1\"" },
        { "n", "0" },
        { "n", "17" },
        { "n", "5" }, /* the operator allows 4 */
        { "n", "1.5" },
        { "best_of", "\"1\"" },
        { "logprobs", "3" },
        { "logprobs", "\"yes\"" },
        { "top_logprobs", "3" }, /* without logprobs */
        { "top_logprobs", "21" },
        { "top_logprobs", "-1" },
        { "stop", "3" },
        { "stop", "[\"a\", 3]" },
        { "stop", "\"\"" },
        { "stop", "[\"\"]" },
        { "stop", "\"a\\u0000\"" },
        { "stop", "{\"a\": 1}" },
        { "stop", "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17]" },
        { "ignore_eos", "1" },
        { "logit_bias", "[]" },
        { "logit_bias", "\"x\"" },
        { "logit_bias", "{\"x\": 1}" },
        { "logit_bias", "{\"\": 1}" },
        { "logit_bias", "{\"1x\": 1}" },
        { "logit_bias", "{\"-1\": 1}" },
        { "logit_bias", "{\"99999999999999999999\": 1}" },
        { "logit_bias", "{\"99999999\": 1}" },
        { "logit_bias", "{\"1\": \"x\"}" },
        { "logit_bias", "{\"1\": 100.5}" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char rest[160];
        snprintf(rest, sizeof rest, ", \"%s\": %s", bad[i].param, bad[i].value);
        asked_refuse(ASKED_CHAT, rest, bad[i].param, "invalid_value");
    }
    asked_refuse(ASKED_COMPL, ", \"logprobs\": 21", "logprobs", "invalid_value");
    asked_refuse(ASKED_COMPL, ", \"logprobs\": true", "logprobs", "invalid_value");
    asked_refuse(ASKED_CHAT, ", \"max_tokens\": 3, \"min_tokens\": 4", "min_tokens", "invalid_value");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_field_is_honoured), cmocka_unit_test(test_what_is_not_given_is_the_operators),
        cmocka_unit_test(test_the_ends_of_ranges),      cmocka_unit_test(test_a_nul_character_cuts_no_name),
        cmocka_unit_test(test_wrong_types_and_ranges),  cmocka_unit_test(test_predictions),
    };
    return cmocka_run_group_tests(tests, asked_open, asked_close);
}
