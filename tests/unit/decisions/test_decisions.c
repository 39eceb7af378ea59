/* POST /v1/systemone: what is asked, what is computed, and that figures are the same alone and in company.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "decisions/decisions.h"
#include "llamacpp/llamacpp.h"
#include "talk_to.h"

#define DATA_URL                                                                                                       \
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5Er"  \
    "kJggg=="
#define STATE "\"state\": \"a red star over the hill\""
#define THREE                                                                                                          \
    "\"questions\": {\"is\": {\"type\": \"noul\", \"instructions\": \"Is it red?\"}, \"what\": {\"type\": "            \
    "\"choice\", "                                                                                                     \
    "\"instructions\": \"What is it?\", \"criteria\": {\"a star\": \"it shines\", \"hill\": null, \"tree\": {\"a\": "  \
    "1}}}, "                                                                                                           \
    "\"much\": {\"type\": \"score\", \"instructions\": [\"How\", \"red\"], \"criteria\": [\"not\", \"a bit\", "        \
    "\"very\"]}}"

static carat_engine *engine, *blind;
static ct_openai_options options;
static ct_talk_scene scene;

static carat_engine *open_engine(const char *path, const char *template)
{
    carat_engine *e;
    carat_err err;
    const carat_options o = {
        .struct_size = sizeof o, .n_threads = 1, .n_ctx = 1024, .n_sessions = 4, .chat_template = template
    };
    if (!carat_engine_open(path, &o, &e, &err))
        fail_msg("%s", err.msg);
    return e;
}

static int setup(void **state)
{
    (void)state;
    const carat_sampling s = CARAT_SAMPLING_DEFAULT;
    options = (ct_openai_options){ .sampling = s,
                                   .max_answers = 4,
                                   .mode = CT_OPENAI_LENIENT,
                                   .pan_scan = { .struct_size = sizeof(carat_pan_scan) } };
    engine = open_engine(TEST_DATA "/models/tiny-sight", NULL);
    blind = open_engine(TEST_DATA "/models/tiny-text", NULL);
    scene = (ct_talk_scene){ .engine = engine, .model = "star", .fingerprint = "f", .options = &options };
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    carat_engine_close(engine);
    carat_engine_close(blind);
    return 0;
}

static void decide(talked *t, const char *body)
{
    talk_to(t, &ct_decisions_talk, &scene, body);
    if (!t->ok)
        fail_msg("%s: %s", body, t->fault.err.msg);
}

static double number(const json_t *o, const char *key)
{
    if (!json_is_number(json_object_get(o, key)))
        fail_msg("'%s' is missing", key);
    return json_number_value(json_object_get(o, key));
}

static const json_t *answer(const talked *t, const char *id)
{
    const json_t *a = json_object_get(json_object_get(t->body, "answers"), id);
    if (!a)
        fail_msg("no answer '%s'", id);
    return a;
}

/* ---- the same as the engine's own figures ---- */

static void score(carat_engine *e, const carat_prompt *p, const char *const *texts, size_t n, double *to)
{
    carat_continuation c[8];
    carat_request *r;
    carat_err err;
    for (size_t i = 0; i < n; i++)
        c[i] = (carat_continuation){ .struct_size = sizeof *c, .text = texts[i] };
    const carat_request_options o = { .struct_size = sizeof o, .prompt = p, .continuations = c, .n_continuations = n };
    if (!carat_request_submit(e, &o, &r, &err))
        fail_msg("%s", err.msg);
    const carat_event *ev = carat_request_next(r, -1);
    assert_int_equal(ev->kind, CARAT_EVENT_ANSWER);
    for (size_t i = 0; i < n; i++)
        to[i] = ev->scores[i].probability;
    carat_request_free(r);
}

static void score_turn(const char *text, const char *const *texts, size_t n, double *to)
{
    const carat_message m = { .struct_size = sizeof m, .role = "user", .text = text };
    carat_prompt *p;
    assert_true(carat_prompt_chat(engine, &m, 1, NULL, &p, NULL));
    score(engine, p, texts, n, to);
    carat_prompt_free(p);
}

static void test_each_kind_of_question(void **state)
{
    (void)state;
    static const char *const yes_no[] = { "Yes", "No" }, *const names[] = { "a star", "hill", "tree" },
                             *const levels[] = { "0", "1", "2" };
    double p[3];
    talked t;
    decide(&t, "{" STATE ", \"model\": \"any\", \"mood\": 1, " THREE "}");
    score_turn("a red star over the hill\n\nIs it red?\n\nAnswer with Yes or No and nothing else.", yes_no, 2, p);
    assert_true(number(answer(&t, "is"), "noul") == p[0]);
    assert_int_equal(json_object_size(answer(&t, "is")), 2);

    score_turn("a red star over the hill\n\nWhat is it?\n\nOptions:\n- a star: it shines\n- hill\n- tree: "
               "{\"a\":1}\nAnswer with "
               "the name of one option and nothing else.",
               names, 3, p);
    const json_t *a = answer(&t, "what"), *all = json_object_get(a, "probabilities");
    size_t best = p[0] >= p[1] && p[0] >= p[2] ? 0 : p[1] >= p[2] ? 1 : 2;
    for (size_t i = 0; i < 3; i++)
        assert_true(number(all, names[i]) == p[i]);
    assert_string_equal(json_string_value(json_object_get(a, "choice")), names[best]);
    assert_true(fabs(number(a, "confidence") - (3 * p[best] - 1) / 2) < 1e-12);

    score_turn("a red star over the hill\n\n[\"How\",\"red\"]\n\nLevels, lowest first:\n0: not\n1: a bit\n2: "
               "very\nAnswer with the "
               "number of one level and nothing else.",
               levels, 3, p);
    a = answer(&t, "much");
    assert_true(fabs(number(a, "score") - (p[1] + 2 * p[2])) < 1e-12);
    assert_true(number(json_object_get(a, "probabilities"), "2") == p[2]);
    assert_string_equal(json_string_value(json_object_get(json_object_get(a, "legend"), "1")), "a bit");
    assert_true(number(a, "confidence") >= 0 && number(a, "confidence") <= 1);

    const json_t *usage = json_object_get(t.body, "usage");
    assert_true(number(usage, "output_tokens") == 0 && number(usage, "input_tokens") > 0);
    assert_string_equal(json_string_value(json_object_get(t.body, "model")), "star");
    assert_string_equal(t.ignored, "mood");
    talk_done(&t);
}

/* The state counts once. */
static void test_what_is_counted(void **state)
{
    (void)state;
#define QUESTION "{\"type\": \"noul\", \"instructions\": \"Is it red?\"}"
    talked one, two;
    decide(&one, "{" STATE ", \"questions\": {\"a\": " QUESTION "}}");
    decide(&two, "{" STATE ", \"questions\": {\"a\": " QUESTION ", \"b\": " QUESTION "}}");
    assert_true(number(json_object_get(one.body, "usage"), "input_tokens") ==
                number(json_object_get(two.body, "usage"), "input_tokens"));
    assert_true(json_equal(answer(&two, "a"), answer(&two, "b")) && json_equal(answer(&one, "a"), answer(&two, "b")));
    talk_done(&one);
    talk_done(&two);
}

/* Bit for bit: alone, again out of the cache, and while other requests run. */
static void test_alone_and_in_company(void **state)
{
    (void)state;
    static const char body[] = "{" STATE ", " THREE "}";
    talked alone, again, t[5];
    carat_queue *q;
    decide(&alone, body);
    decide(&again, body);
    assert_true(json_equal(json_object_get(alone.body, "answers"), json_object_get(again.body, "answers")));
    assert_true(carat_queue_open(&q, NULL));
    for (size_t i = 0; i < 5; i++)
        if (i % 2)
            talk_begin(&t[i], &ct_llamacpp_talk_completion, &scene,
                       "{\"prompt\": \"a red star and more of it\", \"n_predict\": 40, \"ignore_eos\": true}", q);
        else
            talk_begin(&t[i], &ct_decisions_talk, &scene, i == 2 ? "{\"state\": \"a hill\", " THREE "}" : body, q);
    talked *const all[] = { &t[0], &t[1], &t[2], &t[3], &t[4] };
    talk_finish(all, 5, q);
    for (size_t i = 0; i < 5; i++) {
        assert_true(t[i].ok);
        if (i % 2 == 0)
            assert_true(json_equal(json_object_get(alone.body, "answers"), json_object_get(t[i].body, "answers")) ==
                        (i != 2));
        talk_done(&t[i]);
    }
    talk_done(&alone);
    talk_done(&again);
    carat_queue_close(q);
}

static void test_states(void **state)
{
    (void)state;
    static const char *const good[] = {
        "{\"a\": 1}",
        "[1, 2]",
        "\"\"",
        "[]",
        "[{\"role\": 5}]",
        "[{\"role\": \"user\", \"content\": \"hi\"}, {\"role\": \"assistant\", \"content\": \"a star\"}]",
        "[{\"role\": \"user\", \"content\": [{\"type\": \"image_url\", \"image_url\": \"" DATA_URL "\"}]}]",
    };
    char body[1024];
    double last = -1;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        talked t;
        snprintf(body, sizeof body, "{\"state\": %s, \"questions\": {\"a\": " QUESTION "}}", good[i]);
        decide(&t, body);
        assert_true(number(answer(&t, "a"), "noul") != last);
        last = number(answer(&t, "a"), "noul");
        talk_done(&t);
    }
}

static void test_pictures(void **state)
{
    (void)state;
    talked t, none;
    decide(&none, "{" STATE ", \"questions\": {\"a\": " QUESTION "}}");
    decide(&t, "{" STATE ", \"images\": [\"" DATA_URL "\"], \"questions\": {\"a\": " QUESTION "}}");
    assert_true(number(json_object_get(t.body, "usage"), "input_tokens") >
                16 + number(json_object_get(none.body, "usage"), "input_tokens") - 1);
    assert_false(json_equal(answer(&t, "a"), answer(&none, "a")));
    talk_done(&t);
    talk_done(&none);
}

/* A model without turns reads bare text; what it answers begins with a space. */
static void test_without_a_template(void **state)
{
    (void)state;
    static const char *const texts[] = { " Yes", " No" };
    carat_engine *bare = open_engine(TEST_DATA "/models/tiny-text", "none");
    const ct_talk_scene before = scene;
    const carat_content c = { .struct_size = sizeof c,
                              .text = "a red star over the hill\n\nIs it red?\n\nAnswer with Yes or No and nothing "
                                      "else.\nAnswer:" };
    carat_prompt *prompt;
    double p[2];
    talked t;
    scene.engine = bare;
    decide(&t, "{" STATE ", \"questions\": {\"a\": " QUESTION "}}");
    assert_true(carat_prompt_text(bare, &c, 1, NULL, &prompt, NULL));
    score(bare, prompt, texts, 2, p);
    assert_true(number(answer(&t, "a"), "noul") == p[0]);
    carat_prompt_free(prompt);
    talk_done(&t);
    scene = before;
    carat_engine_close(bare);
}

/* ---- what is refused ---- */

static void refuse(const char *body, int status, const char *param)
{
    talked t;
    talk_to(&t, &ct_decisions_talk, &scene, body);
    if (t.ok || t.fault.status != status || strcmp(t.fault.param, param) != 0)
        fail_msg("%s: %d, %d, '%s' %s", body, t.ok, t.fault.status, t.fault.param, t.fault.err.msg);
    talk_done(&t);
}

static void test_what_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *question, *param;
    } bad[] = {
        { "5", "questions.a" },
        { "{}", "questions.a.type" },
        { "{\"type\": \"guess\"}", "questions.a.type" },
        { "{\"type\": \"noul\"}", "questions.a.instructions" },
        { "{\"type\": \"noul\", \"instructions\": 5}", "questions.a.instructions" },
        { "{\"type\": \"noul\", \"instructions\": \"x\", \"criteria\": []}", "questions.a.criteria" },
        { "{\"type\": \"noul\", \"instructions\": \"x\", \"criteria\": {\"maybe\": \"y\"}}", "questions.a.criteria" },
        { "{\"type\": \"choice\"}", "questions.a.criteria" },
        { "{\"type\": \"choice\", \"criteria\": {}}", "questions.a.criteria" },
        { "{\"type\": \"choice\", \"criteria\": {\"\": null}}", "questions.a.criteria" },
        { "{\"type\": \"choice\", \"criteria\": {\"x\": 5}}", "questions.a.criteria" },
        { "{\"type\": \"choice\", \"criteria\": [\"x\", \"x\"]}", "questions.a.criteria" },
        { "{\"type\": \"choice\", \"criteria\": [\"x\", 1]}", "questions.a.criteria" },
        { "{\"type\": \"score\", \"criteria\": [\"x\"]}", "questions.a.criteria" },
        { "{\"type\": \"score\", \"criteria\": {\"x\": \"y\", \"z\": \"y\"}}", "questions.a.criteria" },
        { "{\"type\": \"score\", \"criteria\": [\"x\", null]}", "questions.a.criteria" },
        { "{\"type\": \"score\", \"criteria\": [1,2,3,4,5,6,7,8,9,10,11]}", "questions.a.criteria" },
    };
    char body[512];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(body, sizeof body, "{" STATE ", \"questions\": {\"a\": %s}}", bad[i].question);
        refuse(body, 400, bad[i].param);
    }
    refuse("5", 400, "");
    refuse("{}", 400, "state");
    refuse("{\"state\": 5}", 400, "state");
    refuse("{\"state\": \"a\\u0000b\", " THREE "}", 400, "state");
    refuse("{" STATE ", \"questions\": {\"a\": {\"type\": \"noul\", \"instructions\": \"x\\u0000y\"}}}", 400,
           "questions.a.instructions");
    refuse("{" STATE "}", 400, "questions");
    refuse("{" STATE ", \"questions\": []}", 400, "questions");
    refuse("{" STATE ", \"questions\": {}}", 400, "questions");
    refuse("{" STATE ", \"stream\": true, " THREE "}", 400, "stream");
    refuse("{" STATE ", \"model\": 5, " THREE "}", 400, "model");
    refuse("{" STATE ", \"images\": \"x\", " THREE "}", 400, "images");
    refuse("{" STATE ", \"images\": [\"http://x/y.png\"], " THREE "}", 400, "images[0]");
    refuse("{\"state\": [{\"role\": \"user\", \"content\": 5}], " THREE "}", 400, "state[0].content");
    const ct_talk_scene before = scene;
    scene.engine = blind;
    refuse("{" STATE ", \"images\": [\"" DATA_URL "\"], " THREE "}", 501, "images");
    scene = before;
}

static void many(ct_buf *out, size_t n, const char *images)
{
    ct_buf_clear(out);
    ct_buf_fmt(out, "{" STATE ", \"images\": [%s], \"questions\": {", images);
    for (size_t i = 0; i < n; i++)
        ct_buf_fmt(out, "%s\"q%zu\": " QUESTION, i ? ", " : "", i);
    assert_true(ct_buf_str(out, "}}"));
}

static void test_limits(void **state)
{
    (void)state;
    ct_buf body;
    talked t;
    ct_buf_init(&body, 1 << 20);
    many(&body, 64, "");
    decide(&t, body.data);
    assert_int_equal(json_object_size(json_object_get(t.body, "answers")), 64);
    talk_done(&t);
    many(&body, 65, "");
    refuse(body.data, 400, "questions");
    many(&body, 33, "\"" DATA_URL "\", \"" DATA_URL "\"");
    refuse(body.data, 400, "images");
    ct_buf_deinit(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_kind_of_question),
        cmocka_unit_test(test_what_is_counted),
        cmocka_unit_test(test_alone_and_in_company),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_pictures),
        cmocka_unit_test(test_without_a_template),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
