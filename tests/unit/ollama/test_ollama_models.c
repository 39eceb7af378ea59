/* What Ollama's protocol says of models.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ollama/inside.h"

static carat_model_info *text, *sight;
static carat_tokenizer *tok;

static const json_t *at(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    if (!v)
        fail_msg("no '%s'", key);
    return v;
}

static void expect(const json_t *o, const char *key, const char *want)
{
    char *got = ct_json_dump(at(o, key), JSON_COMPACT | JSON_ENCODE_ANY);
    if (!got || strcmp(got, want) != 0)
        fail_msg("'%s' is %s, expected %s", key, got, want);
    free(got);
}

static ct_ollama_model model_of(const carat_model_info *info, const char *path)
{
    static carat_model_info copies[64]; /* with another path */
    static size_t n;
    copies[n] = *info;
    copies[n].path = path;
    return (ct_ollama_model){ .name = "tiny:latest",
                              .path = path,
                              .digest = "ab12",
                              .size = 5000000000,
                              .modified = 1764461562.25,
                              .info = &copies[n++],
                              .expires = 1764461862,
                              .memory = 6000000000,
                              .n_ctx = 512,
                              .tokenizer = tok };
}

static void test_models_are_listed(void **state)
{
    (void)state;
    const ct_ollama_model two[] = { model_of(text, "/m/tiny-q4_k_m.gguf"),
                                    { .name = "broken\xff", .modified = 0, .info = NULL } };
    json_t *o = ct_ollama_tags(two, 2);
    const json_t *list = at(o, "models"), *first = json_array_get(list, 0), *second = json_array_get(list, 1);
    assert_int_equal(json_array_size(list), 2);
    expect(first, "name", "\"tiny:latest\"");
    expect(first, "model", "\"tiny:latest\"");
    expect(first, "modified_at", "\"2025-11-30T00:12:42.250000Z\"");
    expect(first, "size", "5000000000");
    expect(first, "digest", "\"ab12\"");
    const json_t *d = at(first, "details");
    expect(d, "parent_model", "\"\"");
    expect(d, "format", "\"safetensors\""); /* it is a folder's information */
    expect(d, "family", "\"gemma3\"");
    expect(d, "families", "[\"gemma3\"]");
    expect(d, "quantization_level", "\"Q4_K_M\"");
    expect(second, "name", "\"broken\xef\xbf\xbd:latest\"");
    expect(second, "digest", "\"\"");
    expect(at(second, "details"), "parameter_size", "\"\"");
    json_decref(o);
    o = ct_ollama_tags(NULL, 0);
    expect(o, "models", "[]");
    json_decref(o);
}

static void test_sizes_and_types_are_told_as_people_do(void **state)
{
    (void)state;
    static const struct {
        uint64_t n;
        const char *path, *types, *size, *level;
    } of[] = {
        { 4300079472, "/m/gemma-3-4b-it-Q4_0.gguf", "Q4_0 1", "\"4.3B\"", "\"Q4_0\"" },
        { 268098176, "gemma-3-270m-q4_k_m.gguf", "Q4_K 63, Q5_0 90, F32 73", "\"268.10M\"", "\"Q4_K_M\"" },
        { 999999, "/m/x.gguf", "Q4_K 63, Q5_0 90, F32 173", "\"1000.00K\"", "\"Q5_0\"" },
        { 1, "/m.q8_0/x-bf16x.gguf", "F32 173", "\"0.00K\"", "\"F32\"" },
        { 1, "/m/x_iq4_xs-00001-of-00002.gguf", "BF16 3", "\"0.00K\"", "\"IQ4_XS\"" },
        { 1, "/m/folder", "BF16 3, F32 9", "\"0.00K\"", "\"BF16\"" },
        { 1, "", "", "\"0.00K\"", "\"F32\"" },
    };
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        carat_model_info info = *text;
        info.n_params = of[i].n, info.path = of[i].path, info.weight_types = of[i].types, info.container = "GGUF v3";
        json_t *d = ct_ollama_details(&info);
        expect(d, "parameter_size", of[i].size);
        expect(d, "quantization_level", of[i].level);
        expect(d, "format", "\"gguf\"");
        json_decref(d);
    }
}

static void test_loaded_models_say_until_when(void **state)
{
    (void)state;
    ct_ollama_model m[2] = { model_of(text, "a.gguf"), model_of(text, "b.gguf") };
    m[1].expires = INFINITY;
    json_t *o = ct_ollama_ps(m, 2);
    const json_t *first = json_array_get(at(o, "models"), 0);
    expect(first, "expires_at", "\"2025-11-30T00:17:42.000000Z\"");
    expect(first, "size", "6000000000"); /* in memory, not the file's */
    expect(first, "size_vram", "0");
    expect(first, "context_length", "512");
    expect(json_array_get(at(o, "models"), 1), "expires_at", "\"2200-01-01T00:00:00.000000Z\"");
    json_decref(o);
}

static void test_a_model_is_shown(void **state)
{
    (void)state;
    ct_ollama_model m = model_of(sight, "/m/sight");
    json_t *o = ct_ollama_show(&m, false);
    const json_t *info = at(o, "model_info");
    expect(info, "general.architecture", "\"gemma3\"");
    char want[32];
    snprintf(want, sizeof want, "%zu", sight->context);
    expect(info, "gemma3.context_length", want);
    snprintf(want, sizeof want, "%zu", sight->n_kv_head);
    expect(info, "gemma3.attention.head_count_kv", want);
    snprintf(want, sizeof want, "%zu", sight->tokens_per_image);
    expect(info, "gemma3.mm.tokens_per_image", want);
    expect(info, "tokenizer.ggml.tokens", "null");
    assert_non_null(strstr(json_string_value(at(o, "template")), "<start_of_turn>"));
    assert_non_null(strstr(json_string_value(at(o, "parameters")), "top_k                          64\n"));
    assert_non_null(strstr(json_string_value(at(o, "modelfile")), "FROM /m/sight\n"));
    bool sees = false;
    for (size_t i = 0; i < json_array_size(at(o, "capabilities")); i++)
        sees = sees || strcmp(json_string_value(json_array_get(at(o, "capabilities"), i)), "vision") == 0;
    assert_true(sees);
    json_decref(o);
    m = model_of(text, "/m/text");
    m.path = NULL;
    o = ct_ollama_show(&m, true);
    assert_non_null(strstr(json_string_value(at(o, "modelfile")), "FROM tiny:latest\n"));
    assert_int_equal(json_array_size(at(at(o, "model_info"), "tokenizer.ggml.tokens")), carat_tokenizer_n_pieces(tok));
    assert_null(json_object_get(at(o, "model_info"), "gemma3.vision.block_count"));
    char *capabilities = ct_json_dump(at(o, "capabilities"), JSON_COMPACT);
    assert_string_equal(capabilities, text->is_instruction_tuned ? "[\"completion\",\"tools\",\"embedding\"]"
                                                                 : "[\"completion\",\"embedding\"]");
    free(capabilities);
    json_decref(o);
    m.info = NULL;
    o = ct_ollama_show(&m, false);
    expect(o, "capabilities", "[]");
    json_decref(o);
}

static void test_times(void **state)
{
    (void)state;
    char t[CT_OLLAMA_TIME];
    assert_string_equal(ct_ollama_time(0, t), "1970-01-01T00:00:00.000000Z");
    assert_string_equal(ct_ollama_time(1764461562.999999, t), "2025-11-30T00:12:42.999999Z");
    assert_string_equal(ct_ollama_time(-0.5, t), "1969-12-31T23:59:59.500000Z");
    static const double odd[] = { NAN, INFINITY, -INFINITY, 1e300, 9.9e10, -5e10 };
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        assert_int_equal(strlen(ct_ollama_time(odd[i], t)), 27);
}

static void test_progress_is_a_line(void **state)
{
    (void)state;
    ct_buf out;
    ct_buf_init(&out, SIZE_MAX);
    assert_true(ct_ollama_progress("pulling manifest", NULL, 0, 0, &out));
    assert_true(ct_ollama_progress("pulling ab12", "sha256:ab12", 10, 5, &out));
    assert_string_equal(out.data, "{\"status\":\"pulling manifest\"}\n"
                                  "{\"status\":\"pulling "
                                  "ab12\",\"digest\":\"sha256:ab12\",\"total\":10,\"completed\":5}\n");
    ct_buf_deinit(&out);
    json_t *o = ct_ollama_version();
    expect(o, "version", "\"" CT_OLLAMA_VERSION "\"");
    json_decref(o);
}

static int open_models(void **state)
{
    (void)state;
    return carat_model_describe(TEST_DATA "/models/tiny-text", &text, NULL) &&
                   carat_model_describe(TEST_DATA "/models/tiny-sight", &sight, NULL) &&
                   carat_tokenizer_open(TEST_DATA "/models/tiny-text", &tok, NULL)
               ? 0
               : -1;
}

static int close_models(void **state)
{
    (void)state;
    carat_model_info_free(text);
    carat_model_info_free(sight);
    carat_tokenizer_close(tok);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_models_are_listed),
        cmocka_unit_test(test_sizes_and_types_are_told_as_people_do),
        cmocka_unit_test(test_loaded_models_say_until_when),
        cmocka_unit_test(test_a_model_is_shown),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_progress_is_a_line),
    };
    return cmocka_run_group_tests(tests, open_models, close_models);
}
