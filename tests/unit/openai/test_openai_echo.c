/* Prompts in their replies: "echo" as evaluation harnesses read it, and "prompt_logprobs".
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "openai/parts.h"
#include "openai/talks.h"
#include "talked.h"

#define MOST 128
#define TOP  20

static json_t *answer_to(const ct_talk_kind *kind, const char *body)
{
    talked o;
    carat_err err;
    json_t *v;
    talked_accept(&o, kind, body);
    talked_run(&o);
    if (!ct_json_parse("reply", o.out.data, o.out.len, &v, &err))
        fail_msg("%s: %.*s", err.msg, (int)o.out.len, o.out.data);
    talked_done(&o);
    return v;
}

static json_t *choice_of(json_t *reply, size_t i)
{
    json_t *c = json_array_get(json_object_get(reply, "choices"), i);
    if (!c)
        fail_msg("no choice %zu: %s", i, json_dumps(reply, 0));
    return c;
}

static const char *text_at(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    assert_non_null(s);
    return s;
}

static json_t *list_at(const json_t *choice, const char *name)
{
    json_t *v = json_object_get(json_object_get(choice, "logprobs"), name);
    assert_true(json_is_array(v));
    return v;
}

/* What the engine says of the same ids. */
typedef struct told {
    size_t n;
    int32_t ids[MOST];
    float logprobs[MOST];
    uint32_t ranks[MOST];
    carat_top top[MOST][TOP];
} told;

static void tell(const carat_prompt *p, told *t)
{
    carat_err err;
    carat_request *r;
    const carat_request_options o = {
        .struct_size = sizeof o, .prompt = p, .omits_answers = true, .wants_prompt_logprobs = true, .n_prompt_top = TOP
    };
    if (!carat_request_submit(asked_engine, &o, &r, &err))
        fail_msg("%s", err.msg);
    const carat_event *e = carat_request_next(r, -1);
    assert_int_equal(e->kind, CARAT_EVENT_ANSWER);
    const int32_t *ids = carat_prompt_tokens(p, &t->n);
    assert_true(t->n <= MOST && e->prompt->n == t->n);
    memcpy(t->ids, ids, t->n * sizeof *ids);
    memcpy(t->logprobs, e->prompt->logprobs, t->n * sizeof(float));
    memcpy(t->ranks, e->prompt->ranks, t->n * sizeof(uint32_t));
    memcpy(t->top, e->prompt->top, t->n * sizeof t->top[0]);
    carat_request_free(r);
}

static void tell_ids(const int32_t *ids, size_t n, told *t)
{
    carat_prompt *p;
    carat_err err;
    if (!carat_prompt_ids(asked_engine, ids, n, NULL, 0, NULL, &p, &err))
        fail_msg("%s", err.msg);
    tell(p, t);
    carat_prompt_free(p);
}

static double most_of(json_t *top)
{
    const char *key;
    json_t *v;
    double most = -HUGE_VAL;
    json_object_foreach(top, key, v)
        most = fmax(most, json_number_value(v));
    return most;
}

/* The arrays as a harness reads them. */
static void expect_arrays(const json_t *choice, const told *t, size_t n_more, bool has_top)
{
    json_t *logprobs = list_at(choice, "token_logprobs"), *tops = list_at(choice, "top_logprobs");
    assert_int_equal(json_array_size(logprobs), t->n + n_more);
    assert_int_equal(json_array_size(tops), t->n + n_more);
    assert_int_equal(json_array_size(list_at(choice, "tokens")), t->n + n_more);
    assert_int_equal(json_array_size(list_at(choice, "text_offset")), t->n + n_more);
    assert_true(json_is_null(json_array_get(logprobs, 0)) && json_is_null(json_array_get(tops, 0)));
    for (size_t i = 1; i < t->n; i++) {
        const double p = json_number_value(json_array_get(logprobs, i));
        json_t *top = json_array_get(tops, i);
        assert_true((float)p == t->logprobs[i]); /* not a digit is lost */
        if (!has_top) {
            assert_true(json_is_null(top));
            continue;
        }
        assert_true((p == most_of(top)) ==
                    (t->logprobs[i] == t->top[i][0].logprob)); /* "is it what greedy would say?" */
        assert_true((float)most_of(top) == t->top[i][0].logprob);
    }
}

/* Each token's offset is where its text stands, in characters; one of no whole characters, or behind half of one, stands where
 * that character does. */
static void expect_offsets(const json_t *choice)
{
    const char *text = text_at(choice, "text");
    json_t *tokens = list_at(choice, "tokens"), *offsets = list_at(choice, "text_offset"), *v;
    json_int_t before = 0;
    size_t i;
    json_array_foreach(tokens, i, v) {
        json_int_t at = json_integer_value(json_array_get(offsets, i)), n = at;
        const char *s = text, *token = json_string_value(v);
        assert_true(at >= before);
        before = at;
        for (; n > 0; n--)
            for (s++; ((unsigned char)*s & 0xC0) == 0x80;)
                s++;
        const bool has_broken = strstr(token, "\xef\xbf\xbd") || strncmp(s, "\xef\xbf\xbd", 3) == 0;
        if (!has_broken && token[0] != '<' && strncmp(s, token, strlen(token)) != 0)
            fail_msg("token %zu, '%s', is not at %lld of '%s'", i, token, (long long)at, text);
    }
}

/* As lm-eval's local-completions asks: lists of ids, one token more, temperature 0. */
static void what_a_harness_asks(void **state)
{
    (void)state;
    static told t;
    static const int32_t ids[2][12] = { { 2, 30, 200, 41, 77, 300, 301, 25, 26, 90, 400, 33 }, { 2, 31, 201, 42, 78 } };
    static const size_t n[] = { 12, 5 };
    for (int with_end = 0; with_end < 2; with_end++) { /* the model would say nothing: there is an entry all the same */
        char body[1024];
        snprintf(
            body, sizeof body,
            "{'model': 'm', 'prompt': [[2,30,200,41,77,300,301,25,26,90,400,33],[2,31,201,42,78]], 'max_tokens': 1, "
            "'logprobs': 1, 'echo': true, 'temperature': 0, 'seed': 1234%s}",
            with_end ? ", 'logit_bias': {'1': 100}" : "");
        json_t *o = answer_to(&ct_openai_talk_completions, body);
        assert_int_equal(json_array_size(json_object_get(o, "choices")), 2);
        for (size_t i = 0; i < 2; i++) {
            const json_t *c = choice_of(o, i);
            tell_ids(ids[i], n[i], &t);
            expect_arrays(c, &t, 1, true);
            expect_offsets(c);
            assert_string_equal(text_at(c, "finish_reason"), with_end ? "stop" : "length");
            assert_true(json_is_number(json_array_get(list_at(c, "token_logprobs"), n[i])));
            assert_string_equal(json_string_value(json_array_get(list_at(c, "tokens"), 0)), "<bos>");
            const char *last = json_string_value(json_array_get(list_at(c, "tokens"), n[i]));
            assert_true(!with_end || strcmp(last, "<eos>") == 0);
            assert_int_equal(json_integer_value(json_array_get(list_at(c, "text_offset"), 1)),
                             0); /* <bos> is no text */
        }
        json_t *usage = json_object_get(o, "usage");
        assert_int_equal(json_integer_value(json_object_get(usage, "prompt_tokens")), n[0] + n[1]);
        assert_int_equal(json_integer_value(json_object_get(usage, "completion_tokens")), with_end ? 0 : 2);
        json_decref(o);
    }
}

/* The prompt alone. */
static void no_token_more(void **state)
{
    (void)state;
    static told t;
    carat_err err;
    const carat_content text = { .struct_size = sizeof text, .text = "a red star" };
    carat_prompt *p;
    if (!carat_prompt_text(asked_engine, &text, 1, NULL, &p, &err))
        fail_msg("%s", err.msg);
    tell(p, &t);
    carat_prompt_free(p);
    for (int k = 0; k < 3; k++) {
        char body[256];
        static const char *const logprobs[] = { "", ", 'logprobs': 0", ", 'logprobs': 5" };
        snprintf(body, sizeof body, "{'prompt': 'a red star', 'max_tokens': 0, 'echo': true%s}", logprobs[k]);
        json_t *o = answer_to(&ct_openai_talk_completions, body), *c = choice_of(o, 0);
        assert_string_equal(text_at(c, "text"), "a red star");
        assert_string_equal(text_at(c, "finish_reason"), "length");
        assert_int_equal(json_integer_value(json_object_get(json_object_get(o, "usage"), "completion_tokens")), 0);
        if (k)
            expect_arrays(c, &t, 0, k == 2);
        else
            assert_true(json_is_null(json_object_get(c, "logprobs")));
        json_decref(o);
    }
}

/* Texts with characters of several bytes, of several tokens; several answers; the prompt as ids. */
static void offsets_are_in_characters(void **state)
{
    (void)state;
    static const char *const texts[] = { "a red star",
                                         "  two  spaces ",
                                         "gr\xc3\xbc\xc3\x9f",
                                         "\xe6\x98\x9f \xe2\x98\x85",
                                         "\xf0\x9f\x8c\x9f\xf0\x9f\x8c\x9f a",
                                         "<bos><end_of_turn>" };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char body[512];
        snprintf(
            body, sizeof body,
            "{'prompt': '%s', 'max_tokens': 12, 'echo': true, 'logprobs': 3, 'n': 3, 'seed': 7, 'ignore_eos': true}",
            texts[i]);
        json_t *o = answer_to(&ct_openai_talk_completions, body);
        for (size_t k = 0; k < 3; k++) {
            const json_t *c = choice_of(o, k);
            assert_true(strncmp(text_at(c, "text"), texts[i], strlen(texts[i])) == 0);
            expect_offsets(c);
        }
        json_decref(o);
    }
}

/* Bytes that are no character end the prompt: they are replaced, and the answer begins behind them. Control tokens have no text. */
static void ids_of_no_text(void **state)
{
    (void)state;
    const carat_tokenizer *tok = carat_engine_tokenizer(asked_engine);
    int32_t *ids;
    size_t n;
    carat_err err;
    char body[512], list[256] = "";
    if (!carat_tokenizer_encode(tok, "a\xe2\x98\x85", 4, 0, &ids, &n, &err))
        fail_msg("%s", err.msg);
    for (size_t i = 0; i + 1 < n; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%d", i ? "," : "", ids[i]);
    snprintf(body, sizeof body, "{'prompt': [2,1,%s], 'max_tokens': 3, 'echo': true, 'logprobs': 1, 'temperature': 0}",
             list);
    json_t *o = answer_to(&ct_openai_talk_completions, body), *c = choice_of(o, 0);
    if (n > 2) /* the star is bytes */
        assert_true(strncmp(text_at(c, "text"), "a\xef\xbf\xbd", 4) == 0);
    expect_offsets(c);
    json_decref(o);
    carat_free(ids);
    o = answer_to(&ct_openai_talk_completions,
                  "{'prompt': [2], 'max_tokens': 2, 'echo': true, 'logprobs': 1, 'temperature': 0, "
                  "'ignore_eos': true}");
    assert_int_equal(json_array_size(list_at(choice_of(o, 0), "tokens")), 3);
    json_decref(o);
    talked_refuse(&ct_openai_talk_completions, "{'prompt': [2,100000], 'echo': true}", "prompt", "100000");
}

/* Chunks joined. */
static void a_stream_says_the_same(void **state)
{
    (void)state;
    static const char *const fields = "'prompt': ['a red star', 'gr\xc3\xbc\xc3\x9f'], 'max_tokens': 9, 'echo': true, "
                                      "'logprobs': 2, 'n': 2, 'seed': 3, 'ignore_eos': true";
    char body[512];
    snprintf(body, sizeof body, "{%s}", fields);
    json_t *whole = answer_to(&ct_openai_talk_completions, body);
    snprintf(body, sizeof body, "{%s, 'stream': true}", fields);
    talked o;
    talked_accept(&o, &ct_openai_talk_completions, body);
    talked_run(&o);
    ct_buf text[4];
    json_t *lists[4];
    for (size_t i = 0; i < 4; i++) {
        ct_buf_init(&text[i], SIZE_MAX);
        lists[i] = json_object();
    }
    assert_true(ct_buf_add(&o.out, "", 1));
    for (const char *s = o.out.data, *end; (s = strstr(s, "data: {")); s = end) {
        carat_err err;
        json_t *v, *list;
        const char *key;
        end = strchr(s, '\n');
        s += 6;
        assert_true(ct_json_parse("chunk", s, (size_t)(end - s), &v, &err));
        json_t *c = choice_of(v, 0);
        const size_t i = (size_t)json_integer_value(json_object_get(c, "index"));
        assert_true(i < 4 && ct_buf_str(&text[i], text_at(c, "text")));
        json_object_foreach(json_object_get(c, "logprobs"), key, list) {
            if (!json_object_get(lists[i], key))
                json_object_set_new(lists[i], key, json_array());
            json_array_extend(json_object_get(lists[i], key), list);
        }
        json_decref(v);
    }
    for (size_t i = 0; i < 4; i++) {
        json_t *c = choice_of(whole, i);
        assert_string_equal(text_at(c, "text"), text[i].data);
        assert_true(json_equal(json_object_get(c, "logprobs"), lists[i]));
        ct_buf_deinit(&text[i]);
        json_decref(lists[i]);
    }
    talked_done(&o);
    json_decref(whole);
}

/* Two ids of one text in the dictionary: the likelier keeps it, and a token that is not among the likeliest is added. */
static void ids_of_one_text(void **state)
{
    (void)state;
    const carat_tokenizer *tok = carat_engine_tokenizer(asked_engine);
    int32_t bytes[3] = { 0 }, ids[3] = { 2, 0, 40 };
    size_t n_bytes = 0, len;
    for (int32_t id = 0; n_bytes < 3 && (size_t)id < carat_tokenizer_n_pieces(tok); id++) {
        const char *piece = carat_tokenizer_piece(tok, id, &len);
        if (len == 1 && (unsigned char)*piece >= 0x80)
            bytes[n_bytes++] = id;
    }
    assert_int_equal(n_bytes, 3);
    ids[1] = bytes[2];
    const carat_top top[3][2] = { { { -1, NAN }, { -1, NAN } },
                                  { { bytes[0], -0.5f }, { bytes[1], -1 } },
                                  { { 30, -0.25f }, { 31, -2 } } };
    const float logprobs[] = { NAN, -7, -8 };
    const uint32_t ranks[] = { 0, 3, 9 };
    const carat_prompt_logprobs made_up = { .n = 3, .logprobs = logprobs, .ranks = ranks, .top = top[0], .n_top = 2 };
    asked a;
    ct_openai_reply reply = { 0 };
    char rest[128];
    snprintf(rest, sizeof rest, "[2,%d,40], \"echo\": true, \"logprobs\": 2, \"max_tokens\": 0", ids[1]);
    asked_accept(&a, CT_OPENAI_COMPLETIONS, "{\"prompt\": ", rest);
    assert_true(ct_openai_reply_init(&reply, &a.r));
    const carat_result result = { .struct_size = sizeof result, .finish = CARAT_FINISH_LENGTH, .stop_id = -1 };
    ct_openai_reply_add(&reply, tok,
                        &(carat_event){ .kind = CARAT_EVENT_ANSWER, .result = &result, .prompt = &made_up });
    const ct_openai_usage u = { 0 };
    json_t *o = ct_openai_reply_body(&reply, "m", &u), *tops = list_at(choice_of(o, 0), "top_logprobs");
    json_t *second = json_array_get(tops, 1), *third = json_array_get(tops, 2);
    assert_int_equal(json_object_size(second), 1);
    assert_true(most_of(second) == -0.5);
    assert_true(json_number_value(json_array_get(list_at(choice_of(o, 0), "token_logprobs"), 1)) == -7);
    assert_int_equal(json_object_size(third), 3);
    assert_true(most_of(third) == -0.25);
    json_decref(o);
    ct_openai_reply_deinit(&reply);
    asked_done(&a);
}

/* vLLM's field: of a completion in its choices, of a chat beside them. */
static void prompt_logprobs(void **state)
{
    (void)state;
    static told t;
    static const int32_t ids[] = { 2, 30, 200, 41, 77 };
    tell_ids(ids, 5, &t);
    for (int n = 0; n <= 3; n += 3) {
        char body[256];
        snprintf(body, sizeof body, "{'prompt': [2,30,200,41,77], 'max_tokens': 1, 'prompt_logprobs': %d}", n);
        json_t *o = answer_to(&ct_openai_talk_completions, body);
        json_t *list = json_object_get(choice_of(o, 0), "prompt_logprobs");
        assert_int_equal(json_array_size(list), 5);
        assert_true(json_is_null(json_array_get(list, 0)));
        assert_true(json_is_null(json_object_get(choice_of(o, 0), "logprobs")));
        assert_true(strlen(text_at(choice_of(o, 0), "text")) < 64); /* no echo */
        for (size_t i = 1; i < 5; i++) {
            char key[16];
            json_t *entry = json_array_get(list, i);
            snprintf(key, sizeof key, "%d", ids[i]);
            json_t *own = json_object_get(entry, key);
            assert_true((float)json_number_value(json_object_get(own, "logprob")) == t.logprobs[i]);
            assert_int_equal(json_integer_value(json_object_get(own, "rank")), t.ranks[i]);
            assert_true(json_is_string(json_object_get(own, "decoded_token")));
            assert_int_equal(json_object_size(entry), n + (t.ranks[i] > (uint32_t)n));
            for (int k = 0; k < n; k++) {
                snprintf(key, sizeof key, "%d", t.top[i][k].id);
                json_t *other = json_object_get(entry, key);
                assert_true((float)json_number_value(json_object_get(other, "logprob")) == t.top[i][k].logprob);
                assert_int_equal(json_integer_value(json_object_get(other, "rank")), k + 1);
            }
        }
        json_decref(o);
    }
    json_t *o =
        answer_to(&ct_openai_talk_chat, "{'messages': [{'role': 'user', 'content': 'a red star'}], 'max_tokens': 2, "
                                        "'prompt_logprobs': 1}");
    assert_true(json_array_size(json_object_get(o, "prompt_logprobs")) > 5);
    assert_null(json_object_get(choice_of(o, 0), "prompt_logprobs"));
    json_decref(o);
    /* Fewer than the echo's, and more. */
    o = answer_to(&ct_openai_talk_completions,
                  "{'prompt': [2,30,200,41,77], 'max_tokens': 0, 'prompt_logprobs': 1, 'echo': true, 'logprobs': 4}");
    json_t *c = choice_of(o, 0);
    expect_arrays(c, &t, 0, true);
    for (size_t i = 1; i < 5; i++) {
        assert_int_equal(json_object_size(json_array_get(json_object_get(c, "prompt_logprobs"), i)),
                         1 + (t.ranks[i] > 1));
        assert_true(json_object_size(json_array_get(list_at(c, "top_logprobs"), i)) <= 5);
    }
    json_decref(o);
}

static void what_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *body, *param, *says;
    } of[] = {
        { "{'prompt': 'a', 'max_tokens': 0}", "max_tokens", "max_tokens" },
        { "{'prompt': 'a', 'max_tokens': 0, 'echo': false}", "max_tokens", "max_tokens" },
        { "{'prompt': 'a', 'max_tokens': 0, 'echo': true, 'n': 2}", "n", "must be 1" },
        { "{'prompt': 'a', 'max_tokens': 0, 'echo': true, 'min_tokens': 1}", "min_tokens", "'max_tokens' is 0" },
        { "{'prompt': 'a', 'max_tokens': -1, 'echo': true}", "max_tokens", "max_tokens" },
        { "{'prompt': 'a', 'echo': 1}", "echo", "echo" },
        { "{'prompt': 'a', 'echo': true, 'logprobs': 21}", "logprobs", "logprobs" },
        { "{'prompt': 'a', 'prompt_logprobs': 21}", "prompt_logprobs", "prompt_logprobs" },
        { "{'prompt': 'a', 'prompt_logprobs': -1}", "prompt_logprobs", "prompt_logprobs" },
        { "{'prompt': 'a', 'prompt_logprobs': true}", "prompt_logprobs", "prompt_logprobs" },
        { "{'prompt': 'a', 'prompt_logprobs': 1, 'stream': true}", "prompt_logprobs", "stream" },
    };
    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        talked_refuse(&ct_openai_talk_completions, of[i].body, of[i].param, of[i].says);
    talked_refuse(&ct_openai_talk_chat, "{'messages': [{'role': 'user', 'content': 'a'}], 'echo': true}", "echo",
                  "echo");
    /* Of nothing. */
    json_t *o = answer_to(&ct_openai_talk_completions,
                          "{'prompt': 'a', 'max_tokens': 1, 'echo': null, 'prompt_logprobs': null}");
    assert_null(json_object_get(choice_of(o, 0), "prompt_logprobs"));
    json_decref(o);
}

/* As a server's: in a batch there are no streams. */
static int open_lenient(void **state)
{
    const int rc = asked_open(state);
    asked_defaults.mode = CT_OPENAI_LENIENT;
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_harness_asks),       cmocka_unit_test(no_token_more),
        cmocka_unit_test(offsets_are_in_characters), cmocka_unit_test(ids_of_no_text),
        cmocka_unit_test(a_stream_says_the_same),    cmocka_unit_test(ids_of_one_text),
        cmocka_unit_test(prompt_logprobs),           cmocka_unit_test(what_is_refused),
    };
    return cmocka_run_group_tests(tests, open_lenient, asked_close);
}
