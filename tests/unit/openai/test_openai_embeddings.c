/* Embeddings in the OpenAI protocol: the numbers are the library's.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "openai/talks.h"
#include "openai/vectors.h"
#include "talked.h"

#define WIDE 256 /* hidden, at most */

static json_t *answer_to(const char *body)
{
    talked o;
    carat_err err;
    json_t *v;
    talked_accept(&o, &ct_openai_talk_embeddings, body);
    assert_false(o.t->streams);
    talked_run(&o);
    if (!ct_json_parse("reply", o.out.data, o.out.len, &v, &err))
        fail_msg("%s: %.*s", err.msg, (int)o.out.len, o.out.data);
    talked_done(&o);
    return v;
}

static json_t *embedding_at(json_t *reply, size_t i)
{
    json_t *e = json_array_get(json_object_get(reply, "data"), i);
    assert_string_equal(json_string_value(json_object_get(e, "object")), "embedding");
    assert_int_equal(json_integer_value(json_object_get(e, "index")), i);
    return json_object_get(e, "embedding");
}

/* As the library says. */
static size_t expected(const char *text, bool is_raw, float to[WIDE])
{
    carat_prompt *p;
    carat_request *r;
    carat_err err;
    const carat_content c = { .struct_size = sizeof c, .text = text };
    assert_true(carat_prompt_text(asked_engine, &c, 1, NULL, &p, &err));
    const carat_request_options o = {
        .struct_size = sizeof o, .prompt = p, .wants_embedding = true, .omits_norm = is_raw, .omits_answers = true
    };
    assert_true(carat_request_submit(asked_engine, &o, &r, &err));
    const carat_event *e = carat_request_next(r, -1);
    assert_true(e->kind == CARAT_EVENT_ANSWER && e->n_embedding <= WIDE);
    const size_t n = e->n_embedding;
    memcpy(to, e->embedding, n * sizeof *to);
    carat_request_free(r);
    carat_prompt_free(p);
    return n;
}

static void expect_numbers(const json_t *list, const float *want, size_t n)
{
    assert_int_equal(json_array_size(list), n);
    for (size_t i = 0; i < n; i++)
        if ((float)json_number_value(json_array_get(list, i)) != want[i])
            fail_msg("number %zu is %.17g, expected %.9g", i, json_number_value(json_array_get(list, i)),
                     (double)want[i]);
}

static void lists_of_texts(void **state)
{
    (void)state;
    static const char *const texts[] = { "a red star", "two words", "gr\xc3\xbc\xc3\x9f" };
    float want[WIDE];
    json_t *o = answer_to("{'model': 'm', 'input': ['a red star', 'two words', 'gr\xc3\xbc\xc3\x9f'], 'user': 'me'}");
    assert_string_equal(json_string_value(json_object_get(o, "object")), "list");
    assert_string_equal(json_string_value(json_object_get(o, "model")), "tiny");
    assert_int_equal(json_array_size(json_object_get(o, "data")), 3);
    json_int_t n_tokens = 0;
    for (size_t i = 0; i < 3; i++) {
        int32_t *ids;
        size_t n, wide = expected(texts[i], false, want);
        carat_err err;
        expect_numbers(embedding_at(o, i), want, wide);
        assert_true(carat_tokenizer_encode(carat_engine_tokenizer(asked_engine), texts[i], strlen(texts[i]),
                                           CARAT_TOK_BOS, &ids, &n, &err));
        n_tokens += (json_int_t)n;
        carat_free(ids);
    }
    json_t *usage = json_object_get(o, "usage");
    assert_int_equal(json_integer_value(json_object_get(usage, "prompt_tokens")), n_tokens);
    assert_int_equal(json_integer_value(json_object_get(usage, "total_tokens")), n_tokens);
    json_decref(o);
    o = answer_to("{'input': 'two words', 'encoding_format': 'float'}");
    assert_int_equal(json_array_size(json_object_get(o, "data")), 1);
    expect_numbers(embedding_at(o, 0), want, expected(texts[1], false, want));
    json_decref(o);
}

/* Taken as they stand: with <bos> they are a text's. */
static void ids(void **state)
{
    (void)state;
    int32_t *v;
    size_t n, wide;
    carat_err err;
    float want[WIDE];
    char list[256] = "", body[1024];
    assert_true(
        carat_tokenizer_encode(carat_engine_tokenizer(asked_engine), "a red star", 10, CARAT_TOK_BOS, &v, &n, &err));
    for (size_t i = 0; i < n; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%d", i ? "," : "", v[i]);
    carat_free(v);
    wide = expected("a red star", false, want);
    snprintf(body, sizeof body, "{'input': [%s]}", list);
    json_t *o = answer_to(body);
    expect_numbers(embedding_at(o, 0), want, wide);
    json_decref(o);
    snprintf(body, sizeof body, "{'input': [[%s], [2,30], 'a red star']}", list);
    o = answer_to(body);
    expect_numbers(embedding_at(o, 0), want, wide);
    expect_numbers(embedding_at(o, 2), want, wide);
    assert_int_equal(json_array_size(embedding_at(o, 1)), wide);
    json_decref(o);
}

static void base64(void **state)
{
    (void)state;
    float want[WIDE], have[WIDE + 1];
    size_t n, wide = expected("a red star", false, want);
    carat_err err;
    json_t *o = answer_to("{'input': 'a red star', 'encoding_format': 'base64'}");
    const char *text = json_string_value(embedding_at(o, 0));
    assert_non_null(text);
    assert_true(ct_base64_room(strlen(text)) <= sizeof have);
    assert_true(ct_base64_decode(text, strlen(text), have, &n, &err));
    assert_int_equal(n, wide * sizeof *have);
    assert_memory_equal(have, want, n); /* this machine is little-endian */
    json_decref(o);
}

/* The first numbers, of length 1 again; or as they are. */
static void dimensions(void **state)
{
    (void)state;
    float want[WIDE], raw[WIDE];
    const size_t wide = expected("a red star", false, want);
    expected("a red star", true, raw);
    for (size_t n = 1; n <= wide; n += 19) {
        char body[256];
        double square = 0, length = 0;
        snprintf(body, sizeof body, "{'input': 'a red star', 'dimensions': %zu}", n);
        json_t *o = answer_to(body), *list = embedding_at(o, 0);
        assert_int_equal(json_array_size(list), n);
        for (size_t i = 0; i < n; i++)
            length += pow((double)want[i], 2);
        for (size_t i = 0; i < n; i++) {
            const double x = json_number_value(json_array_get(list, i)), y = (double)want[i] / sqrt(length);
            assert_true(fabs(x - y) <= fabs(y) * 2 * (double)FLT_EPSILON);
            square += x * x;
        }
        assert_true(fabs(square - 1) <= 4 * (double)FLT_EPSILON); /* each number is rounded once */
        json_decref(o);
        snprintf(body, sizeof body, "{'input': 'a red star', 'dimensions': %zu, 'normalize': false}", n);
        o = answer_to(body);
        expect_numbers(embedding_at(o, 0), raw, n);
        json_decref(o);
    }
}

static void refuse(const char *body, const char *param, const char *says)
{
    talked_refuse(&ct_openai_talk_embeddings, body, param, says);
}

static void what_is_refused(void **state)
{
    (void)state;
    refuse("{}", "input", "missing");
    refuse("[]", "input", "missing");
    refuse("{'input': 7}", "input", "an integer");
    refuse("{'input': {}}", "input", "an object");
    refuse("{'input': []}", "input", "list of 0");
    refuse("{'input': ''}", "input", "empty");
    refuse("{'input': ['a', '']}", "input[1]", "empty");
    refuse("{'input': ['a', 7]}", "input[1]", "an integer");
    refuse("{'input': ['a', null]}", "input[1]", "null");
    refuse("{'input': [[2,3],[]]}", "input[1]", "empty");
    refuse("{'input': [[]]}", "input[0]", "empty");
    refuse("{'input': [2, 'a']}", "input", "input[1] is not a token id");
    refuse("{'input': [2, 1000000]}", "input", "1000000");
    refuse("{'input': [[2], [2, -3]]}", "input[1]", "not a token id");
    refuse("{'input': 'a', 'encoding_format': 'int8'}", "encoding_format", "float or base64");
    refuse("{'input': 'a', 'encoding_format': 1}", "encoding_format", "encoding_format");
    refuse("{'input': 'a', 'dimensions': 0}", "dimensions", "dimensions");
    refuse("{'input': 'a', 'dimensions': 100000}", "dimensions", "dimensions");
    refuse("{'input': 'a', 'normalize': 'no'}", "normalize", "normalize");
    refuse("{'input': 'a', 'model': 1}", "model", "model");
    refuse("{'input': 'a', 'input_type': 'query'}", "input_type", "not supported");
    refuse("{'input': 'a', 'stream': true}", "stream", "not supported");
    refuse("{'input': 'a', 'temperature': 1}", "temperature", "not a known field of an embeddings request");
    ct_buf body;
    ct_buf_init(&body, SIZE_MAX);
    ct_buf_str(&body, "{'input': [");
    for (size_t i = 0; i < CT_TALK_MAX_ASKS + 1; i++)
        ct_buf_str(&body, i ? ",'a'" : "'a'");
    ct_buf_str(&body, "]}");
    refuse(body.data, "input", "list of 1025, expected 1 to 1024");
    ct_buf_deinit(&body);
}

/* The context is 128 tokens: one more is a fault with both numbers, or is cut where a protocol says so. */
static void what_is_too_long(void **state)
{
    (void)state;
    talked o;
    ct_buf body;
    ct_buf_init(&body, SIZE_MAX);
    ct_buf_str(&body, "{'input': ['a', [2");
    for (size_t i = 0; i < asked_n_ctx; i++)
        ct_buf_str(&body, ",30");
    ct_buf_str(&body, "]]}");
    talked_read(&o, &ct_openai_talk_embeddings, body.data);
    ct_buf_deinit(&body);
    assert_false(o.ok);
    assert_int_equal(o.f.status, 400);
    assert_string_equal(o.f.code, "context_length_exceeded");
    assert_string_equal(o.f.param, "input[1]");
    assert_true(strstr(o.f.err.msg, "129") && strstr(o.f.err.msg, "128"));
    talked_done(&o);
    json_t *input = json_array(), *one = json_array();
    ct_openai_fault f;
    ct_vectors v = { 0 };
    size_t n;
    for (int i = 0; i < 200; i++)
        json_array_append_new(one, json_integer(20 + i));
    json_array_append_new(input, one);
    json_array_append_new(input, json_string(""));
    const ct_vectors_want want = { .param = "input", .truncates = true, .takes_empty = true };
    assert_true(ct_vectors_read(&v, input, &want, asked_engine, &f));
    assert_int_equal(v.n, 2);
    const int32_t *kept = carat_prompt_tokens(v.prompts[0], &n);
    assert_true(n == asked_n_ctx && kept[0] == 20 && kept[n - 1] == 20 + (int32_t)n - 1);
    assert_int_equal(v.n_tokens, asked_n_ctx + 1);
    assert_int_equal(ct_vectors_text(&v, 0)->len, 0); /* it has not come */
    ct_vectors_deinit(&v);
    json_decref(input);
}

static void failures(void **state)
{
    (void)state;
    talked o;
    talked_accept(&o, &ct_openai_talk_embeddings, "{'input': 'a'}");
    talked_fail(&o, CARAT_ENUMERIC, "activations are not finite");
    assert_true(o.t->has_failed && o.t->fault.status == 500);
    assert_true(ct_buf_char(&o.out, '\0') && strstr(o.out.data, "\"server_error\""));
    talked_done(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_of_texts),  cmocka_unit_test(ids),
        cmocka_unit_test(base64),          cmocka_unit_test(dimensions),
        cmocka_unit_test(what_is_refused), cmocka_unit_test(what_is_too_long),
        cmocka_unit_test(failures),
    };
    return cmocka_run_group_tests(tests, asked_open, asked_close);
}
