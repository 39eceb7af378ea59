/* POST /completion: llama-server's names, prompts of every kind, replies whole and streamed.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "llamacpp/llamacpp.h"
#include "talk_to.h"

#define PNG "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="

static carat_engine *engine;
static ct_openai_options options;
static ct_talk_scene scene;

static int setup(void **state)
{
    (void)state;
    carat_err err;
    const carat_options o = { .struct_size = sizeof o, .n_threads = 1, .n_ctx = 256, .n_sessions = 4 };
    const carat_sampling s = CARAT_SAMPLING_DEFAULT;
    options = (ct_openai_options){ .sampling = s,
                                   .max_answers = 4,
                                   .mode = CT_OPENAI_LENIENT,
                                   .pan_scan = { .struct_size = sizeof(carat_pan_scan) } };
    if (!carat_engine_open(TEST_DATA "/models/tiny-sight", &o, &engine, &err))
        fail_msg("%s", err.msg);
    scene = (ct_talk_scene){ .engine = engine, .model = "star", .fingerprint = "f", .options = &options };
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    carat_engine_close(engine);
    return 0;
}

static void complete(talked *t, const char *body)
{
    talk_to(t, &ct_llamacpp_talk_completion, &scene, body);
    if (!t->ok)
        fail_msg("%s: %s", body, t->fault.err.msg);
}

static void refuse(const char *body, const char *param)
{
    talked t;
    talk_to(&t, &ct_llamacpp_talk_completion, &scene, body);
    if (t.ok || t.fault.status != 400 || strcmp(t.fault.param, param) != 0)
        fail_msg("%s: %d, %d, '%s' %s", body, t.ok, t.fault.status, t.fault.param, t.fault.err.msg);
    ct_buf_clear(&t.out);
    assert_true(ct_llamacpp_talk_completion.fault(NULL, &t.fault, false, &t.out));
    assert_non_null(strstr(t.out.data, "\"error\":{\"message\""));
    talk_done(&t);
}

static const char *text_at(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    if (!s)
        fail_msg("'%s' is missing", key);
    return s;
}

static json_int_t int_at(const json_t *o, const char *key)
{
    if (!json_is_integer(json_object_get(o, key)))
        fail_msg("'%s' is missing", key);
    return json_integer_value(json_object_get(o, key));
}

static void test_a_whole_reply(void **state)
{
    (void)state;
    static const char *const texts[] = { "content", "model", "prompt", "stop_type", "stopping_word" };
    static const char *const numbers[] = { "index", "id_slot", "tokens_predicted", "tokens_evaluated",
                                           "tokens_cached" };
    talked t;
    complete(&t,
             "{\"prompt\": \"a red star\", \"n_predict\": 5, \"temperature\": 0, \"ignore_eos\": true, \"mood\": 1}");
    for (size_t i = 0; i < 5; i++)
        text_at(t.body, texts[i]), int_at(t.body, numbers[i]);
    assert_string_equal(text_at(t.body, "model"), "star");
    assert_string_equal(text_at(t.body, "stop_type"), "limit");
    assert_string_equal(text_at(t.body, "prompt"), "<bos>a red star");
    assert_int_equal(int_at(t.body, "tokens_predicted"), 5);
    assert_true(json_is_true(json_object_get(t.body, "stop")) && json_is_false(json_object_get(t.body, "truncated")));
    assert_int_equal(json_array_size(json_object_get(t.body, "tokens")), 0); /* not asked for */
    assert_null(json_object_get(t.body, "completion_probabilities"));
    const json_t *settings = json_object_get(t.body, "generation_settings"),
                 *timings = json_object_get(t.body, "timings");
    assert_int_equal(int_at(settings, "n_predict"), 5);
    assert_true(json_is_true(json_object_get(settings, "ignore_eos")));
    assert_int_equal(int_at(timings, "predicted_n"), 5);
    assert_int_equal(int_at(timings, "prompt_n") + int_at(timings, "cache_n"), int_at(t.body, "tokens_evaluated"));
    assert_true(json_real_value(json_object_get(timings, "predicted_ms")) >= 0);
    assert_string_equal(t.ignored, "mood");
    talk_done(&t);
}

/* The chunks of a stream, joined, are the whole; the stream has no [DONE]. */
static void test_a_stream_is_the_whole(void **state)
{
    (void)state;
#define REQUEST                                                                                                        \
    "{\"prompt\": \"a red star\", \"n_predict\": 12, \"seed\": 5, \"return_tokens\": true, \"n_probs\": 2, "           \
    "\"grammar\": "                                                                                                    \
    "\"root ::= [a-z\u00fc\u2603 ]+\""
    talked whole, t;
    complete(&whole, REQUEST "}");
    complete(&t, REQUEST ", \"stream\": true, \"timings_per_token\": true}");
    char text[1024] = "";
    json_t *tokens = json_array(), *probs = json_array(), *last = NULL;
    size_t n = 0;
    for (const char *s = t.out.data; *s; n++) {
        const char *end = strstr(s, "\n\n");
        json_t *o;
        assert_true(strncmp(s, "data: {", 7) == 0 && end);
        assert_true(ct_json_parse("chunk", s + 6, (size_t)(end - s - 6), &o, NULL));
        strncat(text, text_at(o, "content"), sizeof text - strlen(text) - 1);
        json_array_extend(tokens, json_object_get(o, "tokens"));
        json_array_extend(probs, json_object_get(o, "completion_probabilities"));
        assert_true(json_is_object(json_object_get(o, "timings")));
        s = end + 2;
        assert_true(json_is_true(json_object_get(o, "stop")) == !*s);
        json_decref(last);
        last = o;
    }
    assert_true(n > 3);
    assert_string_equal(text, text_at(whole.body, "content"));
    assert_true(json_equal(tokens, json_object_get(whole.body, "tokens")) && json_array_size(tokens) == 12);
    assert_true(json_equal(probs, json_object_get(whole.body, "completion_probabilities")));
    const json_t *one = json_array_get(probs, 0), *top = json_object_get(one, "top_logprobs");
    assert_true(json_is_integer(json_object_get(one, "id")) && json_is_string(json_object_get(one, "token")) &&
                json_is_array(json_object_get(one, "bytes")) && json_is_number(json_object_get(one, "logprob")));
    assert_int_equal(json_array_size(top), 2);
    assert_string_equal(text_at(last, "stop_type"), "limit");
    assert_string_equal(text_at(last, "content"), "");
    json_decref(last);
    json_decref(tokens);
    json_decref(probs);
    talk_done(&t);
    talk_done(&whole);
}

static void test_why_it_ended(void **state)
{
    (void)state;
    talked t;
    complete(&t, "{\"prompt\": \"a\", \"n_predict\": 9, \"grammar\": \"root ::= \\\"a star\\\"\", \"temperature\": 0}");
    assert_string_equal(text_at(t.body, "stop_type"), "eos");
    assert_string_equal(text_at(t.body, "content"), "a star");
    talk_done(&t);
    complete(
        &t,
        "{\"prompt\": \"a\", \"n_predict\": 9, \"grammar\": \"root ::= \\\"a star\\\"\", \"stop\": [\"x\", \" st\"], "
        "\"return_tokens\": true, \"n_probs\": 1}");
    assert_string_equal(text_at(t.body, "stop_type"), "word");
    assert_string_equal(text_at(t.body, "stopping_word"), " st");
    assert_string_equal(text_at(t.body, "content"), "a");
    assert_int_equal(json_array_size(json_object_get(t.body, "tokens")),
                     json_array_size(json_object_get(t.body, "completion_probabilities")));
    talk_done(&t);
    complete(&t, "{\"prompt\": \"a\", \"json_schema\": {\"const\": 7}}");
    assert_string_equal(text_at(t.body, "content"), "7");
    talk_done(&t);
}

/* Names of control tokens are control tokens; <bos> is in front once, but not of ids. */
static void test_prompts(void **state)
{
    (void)state;
    static const struct {
        const char *prompt, *rendered;
        int n;
    } all[] = {
        { "\"<bos>a<eos>\"", "<bos>a<eos>", 3 }, { "\"\"", "<bos>", 1 },    { "[5, 6, 7]", NULL, 3 },
        { "[\"a\", 6, \"a\"]", NULL, 4 },        { "[6, \"a\"]", NULL, 2 },
    };
    char body[256];
    talked t;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        snprintf(body, sizeof body, "{\"n_predict\": 1, \"prompt\": %s}", all[i].prompt);
        complete(&t, body);
        assert_int_equal(int_at(t.body, "tokens_evaluated"), all[i].n);
        if (all[i].rendered)
            assert_string_equal(text_at(t.body, "prompt"), all[i].rendered);
        talk_done(&t);
    }
    complete(&t, "{\"n_predict\": 2, \"prompt\": [\"a red\", [5, 6, \"a\"], {\"prompt_string\": \"a <__media__> b\", "
                 "\"multimodal_data\": [\"" PNG "\"]}]}");
    assert_int_equal(json_array_size(t.body), 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(int_at(json_array_get(t.body, i), "index"), i);
    assert_true(int_at(json_array_get(t.body, 2), "tokens_evaluated") > 16);
    talk_done(&t);
    complete(&t, "{\"n_predict\": 2, \"prompt\": [\"a red\"], \"n_cmpl\": 3}");
    assert_int_equal(json_array_size(t.body), 3);
    talk_done(&t);
    refuse("{}", "prompt");
    refuse("{\"prompt\": 5}", "prompt");
    refuse("{\"prompt\": []}", "prompt");
    refuse("{\"prompt\": [[]]}", "prompt");
    refuse("{\"prompt\": [[\"a\", true]]}", "prompt");
    refuse("{\"prompt\": [5, 999999]}", "prompt");
    refuse("{\"prompt\": {\"multimodal_data\": []}}", "prompt.prompt_string");
    refuse("{\"prompt\": {\"prompt_string\": \"a\", \"multimodal_data\": [\"" PNG "\"]}}", "prompt.multimodal_data");
    refuse("{\"prompt\": {\"prompt_string\": \"<__media__>\", \"multimodal_data\": [\"????\"]}}",
           "prompt.multimodal_data");
    refuse("{\"prompt\": {\"prompt_string\": \"<__media__>\", \"multimodal_data\": [7]}}", "prompt.multimodal_data");
}

/* What each name does to what the engine is asked. */
static void test_settings(void **state)
{
    (void)state;
    carat_queue *q;
    talked t;
    assert_true(carat_queue_open(&q, NULL));
    options.sampling.seed = 99;
    talk_begin(
        &t, &ct_llamacpp_talk_completion, &scene,
        "{\"prompt\": \"a\", \"n_predict\": 4, \"min_tokens\": 2, \"temperature\": 0.5, \"top_k\": 7, \"top_p\": 0.25, "
        "\"min_p\": 0.125, \"repeat_penalty\": 1.25, \"repeat_last_n\": 33, \"presence_penalty\": 1.5, "
        "\"frequency_penalty\": -2, \"seed\": -1, \"logit_bias\": [[5, 1.5], [\"a\", false]], \"stop\": \"x\", "
        "\"samplers\": [\"penalties\", \"dry\", \"top_k\", \"top_p\", \"temperature\"], \"cache_prompt\": false, "
        "\"dry_base\": 1.75, \"xtc_threshold\": 0.1, \"mirostat\": 0, \"typical_p\": 1, \"t_max_predict_ms\": -1}",
        q);
    assert_true(t.ok);
    const carat_generation *g = t.talk->asks[0]->generation;
    const carat_sampling *s = g->sampling;
    assert_true(g->max_tokens == 4 && g->min_tokens == 2 && g->n_stops == 1);
    assert_true(s->temperature == 0.5f && s->top_k == 7 && s->top_p == 0.25f && s->min_p == 0);
    assert_true(s->repetition_penalty == 1.25f && s->presence_penalty == 1.5f && s->frequency_penalty == -2);
    assert_true(s->penalty_window == 33 && s->order == CARAT_TEMP_LAST && s->seed == 99);
    assert_int_equal(s->n_bias, 2);
    talked *const one[] = { &t };
    talk_finish(one, 1, q);
    const json_t *settings = json_object_get(t.body, "generation_settings"),
                 *list = json_object_get(settings, "samplers");
    assert_int_equal(int_at(settings, "repeat_last_n"), 33);
    assert_string_equal(json_string_value(json_array_get(list, json_array_size(list) - 1)), "temperature");
    assert_int_equal(json_array_size(json_object_get(settings, "logit_bias")), 2);
    talk_done(&t);
    talk_begin(&t, &ct_llamacpp_talk_completion, &scene,
               "{\"prompt\": \"a\", \"n_predict\": -1, \"seed\": 3, \"repeat_last_n\": -1, \"samplers\": [], "
               "\"temperature\": 0, "
               "\"logit_bias\": {\"6\": -1, \"a\": 2}}",
               q);
    g = t.talk->asks[0]->generation;
    s = g->sampling;
    assert_true(t.ok && g->max_tokens == 0 && s->seed == 3 && s->penalty_window == 256);
    assert_true(s->top_k == 0 && s->top_p == 1 && s->min_p == 0 && s->temperature == 1 && s->n_bias == 2);
    options.sampling.seed = 0;
    for (size_t i = 0; i < t.talk->n; i++)
        carat_request_cancel(t.talk->requests[i]);
    talk_finish(one, 1, q);
    talk_done(&t);
    carat_queue_close(q);
}

/* n_predict 0: the prompt is evaluated, and nothing is generated. */
static void test_nothing_is_generated(void **state)
{
    (void)state;
    talked t;
    complete(&t, "{\"prompt\": \"a long red star over the hill\", \"n_predict\": 0}");
    assert_string_equal(text_at(t.body, "content"), "");
    assert_string_equal(text_at(t.body, "stop_type"), "limit");
    assert_int_equal(int_at(t.body, "tokens_predicted"), 0);
    assert_int_equal(int_at(json_object_get(t.body, "generation_settings"), "n_predict"), 0);
    talk_done(&t);
    complete(&t, "{\"prompt\": \"a\", \"n_predict\": 0, \"stream\": true}");
    assert_non_null(strstr(t.out.data, "\"stop\":true"));
    talk_done(&t);
    refuse("{\"prompt\": \"a\", \"n_predict\": 0, \"n_cmpl\": 2}", "n_cmpl");
}

static void test_what_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *rest, *param;
    } all[] = {
        { "\"lora\": [{\"id\": 0, \"scale\": 1}]", "lora" },
        { "\"image_data\": [{\"data\": \"x\", \"id\": 1}]", "image_data" },
        { "\"mirostat\": 2", "mirostat" },
        { "\"dry_multiplier\": 0.8", "dry_multiplier" },
        { "\"xtc_probability\": 0.5", "xtc_probability" },
        { "\"typical_p\": 0.9", "typical_p" },
        { "\"t_max_predict_ms\": 100", "t_max_predict_ms" },
        { "\"post_sampling_probs\": true", "post_sampling_probs" },
        { "\"response_fields\": [\"content\"]", "response_fields" },
        { "\"n_predict\": \"5\"", "n_predict" },
        { "\"n_predict\": -3", "n_predict" },
        { "\"n_probs\": 21", "n_probs" },
        { "\"stream\": 1", "stream" },
        { "\"samplers\": \"kpt\"", "samplers" },
        { "\"samplers\": [\"top_p\", \"top_k\"]", "samplers" },
        { "\"samplers\": [\"top_k\", \"temperature\", \"top_p\"]", "samplers" },
        { "\"samplers\": [\"top_k\", \"top_k\"]", "samplers" },
        { "\"samplers\": [\"unheard\"]", "samplers" },
        { "\"logit_bias\": 5", "logit_bias" },
        { "\"logit_bias\": [[5]]", "logit_bias" },
        { "\"logit_bias\": {\"\": 1}", "logit_bias" },
        { "\"logit_bias\": [[5, 101]]", "logit_bias" },
        { "\"logit_bias\": [[99999, 1]]", "logit_bias" },
        { "\"logit_bias\": [[null, 1]]", "logit_bias" },
        { "\"grammar\": \"root ::= (\"", "grammar" },
        { "\"grammar\": \"root ::= \\\"a\\\"\", \"json_schema\": {}", "json_schema" },
        { "\"temperature\": \"hot\"", "temperature" },
    };
    char body[256];
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        snprintf(body, sizeof body, "{\"prompt\": \"a\", %s}", all[i].rest);
        refuse(body, all[i].param);
    }
    talked t; /* what asks for nothing is taken */
    complete(&t, "{\"prompt\": \"a\", \"n_predict\": 1, \"lora\": [], \"image_data\": [], \"xtc_probability\": 0, "
                 "\"min_keep\": 0}");
    talk_done(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_reply),   cmocka_unit_test(test_a_stream_is_the_whole),
        cmocka_unit_test(test_why_it_ended),    cmocka_unit_test(test_prompts),
        cmocka_unit_test(test_settings),        cmocka_unit_test(test_nothing_is_generated),
        cmocka_unit_test(test_what_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
