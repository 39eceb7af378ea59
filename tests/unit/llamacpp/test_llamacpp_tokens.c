/* Tokens, templates and counts, as llama-server's clients and vLLM's ask for them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "llamacpp/llamacpp.h"

#define MODEL TEST_DATA "/models/tiny-sight"
#define DATA_URL                                                                                                       \
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5Er"  \
    "kJggg=="

static carat_engine *engine;
static ct_openai_options options;
static ct_openai_list unknown;
static ct_talk_scene scene;

static int setup(void **state)
{
    (void)state;
    carat_err err;
    const carat_options o = { .struct_size = sizeof o, .n_threads = 1, .n_ctx = 512, .n_sessions = 2 };
    const carat_sampling s = CARAT_SAMPLING_DEFAULT;
    options = (ct_openai_options){ .sampling = s,
                                   .max_answers = 2,
                                   .mode = CT_OPENAI_LENIENT,
                                   .pan_scan = { .struct_size = sizeof(carat_pan_scan) } };
    unknown.mode = CT_OPENAI_LENIENT;
    ct_buf_init(&unknown.names, 4096);
    if (!carat_engine_open(MODEL, &o, &engine, &err))
        fail_msg("%s", err.msg);
    scene =
        (ct_talk_scene){ .engine = engine, .model = "m", .fingerprint = "f", .options = &options, .unknown = &unknown };
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ct_buf_deinit(&unknown.names);
    carat_engine_close(engine);
    return 0;
}

static json_t *parse(const char *text)
{
    json_t *v;
    carat_err err;
    if (!ct_json_parse("body", text, strlen(text), &v, &err))
        fail_msg("%s: %s", text, err.msg);
    return v;
}

static json_t *ask(ct_llamacpp_route *route, const char *body)
{
    ct_openai_fault f;
    json_t *in = parse(body), *reply = NULL;
    ct_buf_clear(&unknown.names);
    if (!route(&scene, in, &reply, &f))
        fail_msg("%s: %s", body, f.err.msg);
    json_decref(in);
    return reply;
}

static void refuse(ct_llamacpp_route *route, const char *body, int status, const char *param)
{
    ct_openai_fault f = { 0 };
    json_t *in = parse(body), *reply = NULL;
    if (route(&scene, in, &reply, &f) || reply || f.status != status || strcmp(f.param, param) != 0 || !f.err.msg[0])
        fail_msg("%s: %d '%s' %s", body, f.status, f.param, f.err.msg);
    json_decref(in);
}

static json_int_t number(const json_t *o, const char *key)
{
    assert_true(json_is_integer(json_object_get(o, key)));
    return json_integer_value(json_object_get(o, key));
}

/* The same as the library's tokenizer gives. */
static void expect_ids(const json_t *list, const char *text, unsigned flags)
{
    int32_t *ids;
    size_t n;
    assert_true(carat_tokenizer_encode(carat_engine_tokenizer(engine), text, strlen(text), flags, &ids, &n, NULL));
    assert_int_equal(json_array_size(list), n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(json_integer_value(json_array_get(list, i)), ids[i]);
    carat_free(ids);
}

static void test_tokenize_as_llama_server(void **state)
{
    (void)state;
    json_t *o = ask(ct_llamacpp_tokenize, "{\"content\": \"a red <eos> star\"}");
    expect_ids(json_object_get(o, "tokens"), "a red <eos> star", CARAT_TOK_SPECIAL);
    json_decref(o);
    o = ask(ct_llamacpp_tokenize, "{\"content\": \"a <eos>\", \"add_special\": true, \"parse_special\": false}");
    expect_ids(json_object_get(o, "tokens"), "a <eos>", CARAT_TOK_BOS);
    json_decref(o);
    o = ask(ct_llamacpp_tokenize, "{\"content\": \"<bos>a\", \"add_special\": true}"); /* never two */
    expect_ids(json_object_get(o, "tokens"), "a", CARAT_TOK_BOS);
    json_decref(o);
    o = ask(ct_llamacpp_tokenize, "{\"content\": \"\"}");
    assert_int_equal(json_array_size(json_object_get(o, "tokens")), 0);
    json_decref(o);
    o = ask(ct_llamacpp_tokenize, "{\"content\": [5, \"a\", 6], \"add_special\": true}");
    const json_t *list = json_object_get(o, "tokens");
    assert_true(json_array_size(list) >= 3 && json_integer_value(json_array_get(list, 0)) == 5); /* an id is first */
    assert_int_equal(json_integer_value(json_array_get(list, json_array_size(list) - 1)), 6);
    json_decref(o);
}

static void test_pieces(void **state)
{
    (void)state;
    json_t *o = ask(ct_llamacpp_tokenize,
                    "{\"content\": \"a \\u2603\", \"with_pieces\": true, \"return_token_strs\": true}"),
           *v;
    size_t i, n_bytes = 0;
    char text[64] = "";
    json_array_foreach(json_object_get(o, "tokens"), i, v) {
        const json_t *piece = json_object_get(v, "piece");
        assert_true(json_is_integer(json_object_get(v, "id")));
        assert_int_equal(json_array_size(json_object_get(o, "token_strs")),
                         json_array_size(json_object_get(o, "tokens")));
        const char *string = json_string_value(json_array_get(json_object_get(o, "token_strs"), i));
        if (json_is_array(piece)) { /* bytes of the snowman, which the vocabulary does not have */
            n_bytes += json_array_size(piece);
            assert_true(strncmp(string, "<0x", 3) == 0);
        } else {
            strncat(text, json_string_value(piece), sizeof text - strlen(text) - 1);
            assert_null(strchr(string, ' '));
        }
    }
    assert_int_equal(n_bytes, 3);
    assert_string_equal(text, "a ");
    json_decref(o);
}

static void test_tokenize_as_vllm(void **state)
{
    (void)state;
    json_t *o = ask(ct_llamacpp_tokenize, "{\"model\": \"m\", \"prompt\": \"a red star\", \"mood\": 1}");
    expect_ids(json_object_get(o, "tokens"), "a red star", CARAT_TOK_BOS | CARAT_TOK_SPECIAL);
    assert_int_equal(number(o, "count"), json_array_size(json_object_get(o, "tokens")));
    assert_int_equal(number(o, "max_model_len"), 512);
    assert_true(json_is_null(json_object_get(o, "token_strs")));
    assert_string_equal(unknown.names.data, "mood");
    json_decref(o);
    o = ask(ct_llamacpp_tokenize,
            "{\"prompt\": \"<eos>\", \"add_special_tokens\": false}"); /* lm-eval's eos_token_id */
    assert_int_equal(json_array_size(json_object_get(o, "tokens")), 1);
    json_decref(o);
    o = ask(ct_llamacpp_tokenize,
            "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"return_token_strs\": true}");
    json_t *count = ask(ct_llamacpp_chat_input_tokens, "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}");
    assert_int_equal(number(o, "count"), number(count, "input_tokens"));
    assert_string_equal(json_string_value(json_array_get(json_object_get(o, "token_strs"), 0)), "<bos>");
    json_decref(o);
    json_decref(count);
}

static void test_what_tokenize_refuses(void **state)
{
    (void)state;
    refuse(ct_llamacpp_tokenize, "[]", 400, "");
    refuse(ct_llamacpp_tokenize, "{}", 400, "prompt");
    refuse(ct_llamacpp_tokenize, "{\"content\": \"a\", \"prompt\": \"b\"}", 400, "content");
    refuse(ct_llamacpp_tokenize, "{\"content\": 5}", 400, "content");
    refuse(ct_llamacpp_tokenize, "{\"content\": [5, 100000]}", 400, "content");
    refuse(ct_llamacpp_tokenize, "{\"content\": [5, -1]}", 400, "content");
    refuse(ct_llamacpp_tokenize, "{\"content\": [5.5]}", 400, "content");
    refuse(ct_llamacpp_tokenize, "{\"content\": \"a\", \"add_special\": 1}", 400, "add_special");
    refuse(ct_llamacpp_tokenize, "{\"messages\": []}", 400, "messages");
    refuse(ct_llamacpp_tokenize, "{\"prompt\": \"a\", \"chat_template\": \"x\"}", 400, "chat_template");
    options.mode = unknown.mode = CT_OPENAI_STRICT;
    refuse(ct_llamacpp_tokenize, "{\"content\": \"a\", \"mood\": 1}", 400, "mood");
    options.mode = unknown.mode = CT_OPENAI_LENIENT;
}

static void test_detokenize(void **state)
{
    (void)state;
    static const char text[] = "<bos>a red star";
    json_t *o = ask(ct_llamacpp_tokenize, "{\"content\": \"a red star\", \"add_special\": true}");
    json_t *in = json_pack("{s:O}", "tokens", json_object_get(o, "tokens"));
    char *body = ct_json_dump(in, 0);
    json_t *back = ask(ct_llamacpp_detokenize, body);
    assert_string_equal(json_string_value(json_object_get(back, "content")), text);
    assert_string_equal(json_string_value(json_object_get(back, "prompt")), text);
    json_decref(back);
    json_decref(in);
    json_decref(o);
    free(body);
    back = ask(ct_llamacpp_detokenize, "{\"tokens\": []}");
    assert_string_equal(json_string_value(json_object_get(back, "content")), "");
    json_decref(back);
    refuse(ct_llamacpp_detokenize, "{}", 400, "tokens");
    refuse(ct_llamacpp_detokenize, "{\"tokens\": \"a\"}", 400, "tokens");
    refuse(ct_llamacpp_detokenize, "{\"tokens\": [\"a\"]}", 400, "tokens");
    refuse(ct_llamacpp_detokenize, "{\"tokens\": [99999999999]}", 400, "tokens");
}

static void test_tokenizer_info(void **state)
{
    (void)state;
    ct_openai_fault f;
    json_t *o;
    assert_true(ct_llamacpp_tokenizer_info(&scene, NULL, &o, &f));
    assert_string_equal(json_string_value(json_object_get(o, "bos_token")), "<bos>");
    assert_string_equal(json_string_value(json_object_get(o, "eos_token")), "<eos>");
    assert_string_equal(json_string_value(json_object_get(o, "pad_token")), "<pad>");
    assert_string_equal(json_string_value(json_object_get(o, "tokenizer_class")), "GemmaTokenizer");
    assert_non_null(strstr(json_string_value(json_object_get(o, "chat_template")), "<start_of_turn>")); /* Jinja */
    json_decref(o);
}

static void test_apply_template(void **state)
{
    (void)state;
    json_t *o = ask(ct_llamacpp_apply_template, "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}]}");
    assert_string_equal(json_string_value(json_object_get(o, "prompt")),
                        "<start_of_turn>user\nhi<end_of_turn>\n<start_of_turn>model\n");
    json_decref(o);
    o = ask(ct_llamacpp_apply_template,
            "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}], \"add_generation_prompt\": false, \"x\": 1}");
    assert_string_equal(json_string_value(json_object_get(o, "prompt")), "<start_of_turn>user\nhi<end_of_turn>\n");
    assert_string_equal(unknown.names.data, "x");
    json_decref(o);
    o = ask(ct_llamacpp_apply_template,
            "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}], \"tools\": [{\"type\": "
            "\"function\", \"function\": {\"name\": \"warm_it\"}}]}");
    assert_non_null(strstr(json_string_value(json_object_get(o, "prompt")), "warm_it"));
    json_decref(o);
    refuse(ct_llamacpp_apply_template, "{}", 400, "messages");
    refuse(ct_llamacpp_apply_template, "5", 400, "");
}

/* Pictures count as they do in an answer's usage. */
static void test_pictures_count(void **state)
{
    (void)state;
    json_t *o =
        ask(ct_llamacpp_chat_input_tokens, "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"text\", "
                                           "\"text\": \"a\"}]}], \"stream\": true}");
    json_t *p =
        ask(ct_llamacpp_chat_input_tokens,
            "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": \"a\"}, {\"type\": "
            "\"image_url\", \"image_url\": \"" DATA_URL "\"}]}]}");
    const json_int_t more = number(p, "input_tokens") - number(o, "input_tokens");
    const size_t n = carat_engine_info(engine)->tokens_per_image;
    assert_true(n == 16 && more >= (json_int_t)n && more < (json_int_t)n + 8);
    json_decref(o);
    json_decref(p);
    refuse(ct_llamacpp_chat_input_tokens, "{\"messages\": 3}", 400, "messages");
}

static void test_a_request_of_any_protocol_is_counted(void **state)
{
    (void)state;
    ct_openai_fault f;
    size_t n;
    json_t *body = parse("{\"prompt\": [[5, 6, 7], [5, 6]], \"mood\": 1}");
    ct_buf_clear(&unknown.names);
    assert_true(ct_llamacpp_count(&ct_llamacpp_talk_completion, &scene, body, &n, &f));
    assert_int_equal(n, 5);
    assert_string_equal(unknown.names.data, "mood");
    json_decref(body);
    body = parse("{\"prompt\": {}}");
    assert_false(ct_llamacpp_count(&ct_llamacpp_talk_completion, &scene, body, &n, &f));
    assert_int_equal(f.status, 400);
    json_decref(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokenize_as_llama_server),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_tokenize_as_vllm),
        cmocka_unit_test(test_what_tokenize_refuses),
        cmocka_unit_test(test_detokenize),
        cmocka_unit_test(test_tokenizer_info),
        cmocka_unit_test(test_apply_template),
        cmocka_unit_test(test_pictures_count),
        cmocka_unit_test(test_a_request_of_any_protocol_is_counted),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
