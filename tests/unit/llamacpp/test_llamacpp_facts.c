/* Properties, slots and lists of models: every key that clients read is there, with its type.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <string.h>

#include "llamacpp/llamacpp.h"

static carat_engine *engine;
static ct_openai_options options = { .sampling = CARAT_SAMPLING_DEFAULT, .mode = CT_OPENAI_LENIENT };

static int setup(void **state)
{
    (void)state;
    carat_err err;
    const carat_options o = { .struct_size = sizeof o, .n_threads = 1, .n_ctx = 256 };
    if (!carat_engine_open(TEST_DATA "/models/tiny-sight", &o, &engine, &err))
        fail_msg("%s", err.msg);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    carat_engine_close(engine);
    return 0;
}

static ct_llamacpp_facts facts_of(const ct_llamacpp_slot *slots, size_t n)
{
    return (ct_llamacpp_facts){ .engine = engine,
                                .options = &options,
                                .model = "star",
                                .slots = slots,
                                .n_slots = n,
                                .has_slots = true,
                                .has_page = true };
}

/* By a path, "a.b.0": what is there must be of the type. */
static const json_t *at(const json_t *o, const char *path, json_type type)
{
    const json_t *v = o;
    for (const char *s = path; *s;) {
        char key[64] = "";
        const size_t n = strcspn(s, ".");
        memcpy(key, s, n);
        v = json_is_array(v) ? json_array_get(v, (size_t)(*key - '0')) : json_object_get(v, key);
        s += n + (s[n] == '.');
    }
    if (!v || json_typeof(v) != type)
        fail_msg("'%s' is %s", path, v ? ct_json_kind(v) : "missing");
    return v;
}

static void test_props(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        json_type type;
    } all[] = {
        { "default_generation_settings.n_ctx", JSON_INTEGER },
        { "default_generation_settings.params.temperature", JSON_REAL },
        { "default_generation_settings.params.samplers.0", JSON_STRING },
        { "default_generation_settings.params.stop", JSON_ARRAY },
        { "default_generation_settings.next_token.n_decoded", JSON_INTEGER },
        { "default_generation_settings.is_processing", JSON_FALSE },
        { "total_slots", JSON_INTEGER },
        { "model_path", JSON_STRING },
        { "model_alias", JSON_STRING },
        { "chat_template", JSON_STRING },
        { "modalities.vision", JSON_TRUE },
        { "modalities.audio", JSON_FALSE },
        { "build_info", JSON_STRING },
        { "bos_token", JSON_STRING },
        { "endpoint_slots", JSON_TRUE },
        { "endpoint_props", JSON_FALSE },
        { "endpoint_metrics", JSON_FALSE },
        { "webui", JSON_TRUE },
        { "is_sleeping", JSON_FALSE },
    };
    static const ct_llamacpp_slot slots[3];
    const ct_llamacpp_facts facts = facts_of(slots, 3);
    json_t *o = ct_llamacpp_props(&facts);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        at(o, all[i].path, all[i].type);
    assert_int_equal(json_integer_value(at(o, "total_slots", JSON_INTEGER)), 3);
    assert_int_equal(json_integer_value(at(o, "default_generation_settings.n_ctx", JSON_INTEGER)), 256);
    assert_non_null(strstr(json_string_value(at(o, "chat_template", JSON_STRING)), "<start_of_turn>"));
    /* 0.95 and not 0.949999988 */
    ct_buf short_text;
    ct_buf_init(&short_text, 100);
    assert_true(ct_json_write(at(o, "default_generation_settings.params.top_p", JSON_REAL), &short_text));
    assert_string_equal(short_text.data, "0.95");
    ct_buf_deinit(&short_text);
    json_decref(o);
}

static void test_slots(void **state)
{
    (void)state;
    carat_sampling cold = CARAT_SAMPLING_DEFAULT;
    cold.temperature = 0;
    const ct_llamacpp_slot slots[] = {
        { .is_busy = false },
        { .is_busy = true, .task = 7, .n_prompt = 30, .n_decoded = 4, .n_remain = 12, .sampling = &cold },
    };
    const ct_llamacpp_facts facts = facts_of(slots, 2);
    json_t *o = ct_llamacpp_slots(&facts);
    assert_int_equal(json_array_size(o), 2);
    at(o, "0.is_processing", JSON_FALSE);
    assert_int_equal(json_integer_value(at(o, "0.id_task", JSON_INTEGER)), -1);
    assert_int_equal(json_integer_value(at(o, "0.next_token.n_remain", JSON_INTEGER)), -1);
    assert_int_equal(json_integer_value(at(o, "1.id", JSON_INTEGER)), 1);
    assert_int_equal(json_integer_value(at(o, "1.id_task", JSON_INTEGER)), 7);
    at(o, "1.is_processing", JSON_TRUE);
    at(o, "1.next_token.has_next_token", JSON_TRUE);
    assert_int_equal(json_integer_value(at(o, "1.next_token.n_decoded", JSON_INTEGER)), 4);
    assert_int_equal(json_integer_value(at(o, "1.next_token.n_remain", JSON_INTEGER)), 12);
    assert_true(json_real_value(at(o, "1.params.temperature", JSON_REAL)) == 0);
    json_decref(o);
}

static void test_models(void **state)
{
    (void)state;
    const ct_llamacpp_model models[] = {
        { .id = "star",
          .created = 17,
          .state = CT_LLAMACPP_LOADED,
          .info = carat_engine_info(engine),
          .n_ctx = 256,
          .embeds = true },
        { .id = "other", .created = 18, .state = CT_LLAMACPP_UNLOADED },
        { .id = "broken", .created = 19, .state = CT_LLAMACPP_FAILED },
    };
    json_t *o = ct_llamacpp_models(models, 3);
    assert_string_equal(json_string_value(at(o, "object", JSON_STRING)), "list");
    for (int i = 0; i < 3; i++) {
        char path[32];
        static const char *const keys[] = { "id", "object", "owned_by", "created" };
        for (size_t k = 0; k < 4; k++) {
            snprintf(path, sizeof path, "data.%d.%s", i, keys[k]);
            at(o, path, k < 3 ? JSON_STRING : JSON_INTEGER);
        }
    }
    assert_int_equal(json_integer_value(at(o, "data.0.meta.n_ctx", JSON_INTEGER)), 256);
    assert_int_equal(json_integer_value(at(o, "data.0.meta.n_ctx_train", JSON_INTEGER)), 4096);
    assert_int_equal(json_integer_value(at(o, "data.0.meta.n_vocab", JSON_INTEGER)), 528);
    assert_int_equal(json_integer_value(at(o, "data.0.meta.vocab_type", JSON_INTEGER)), 1);
    assert_true(json_integer_value(at(o, "data.0.meta.size", JSON_INTEGER)) > 1000);
    assert_true(json_integer_value(at(o, "data.0.meta.n_params", JSON_INTEGER)) > 1000);
    assert_true(json_integer_value(at(o, "data.0.meta.n_embd", JSON_INTEGER)) > 0);
    assert_int_equal(json_array_size(at(o, "data.0.capabilities", JSON_ARRAY)), 4);
    assert_string_equal(json_string_value(at(o, "data.0.status.value", JSON_STRING)), "loaded");
    assert_string_equal(json_string_value(at(o, "data.1.status.value", JSON_STRING)), "unloaded");
    at(o, "data.1.meta", JSON_NULL);
    at(o, "data.2.status.failed", JSON_TRUE);
    json_decref(o);
}

static bool read_scales(const char *text, double scales[2], ct_openai_fault *f)
{
    json_t *body = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
    scales[0] = scales[1] = 7;
    bool ok = ct_llamacpp_read_scales(body, 2, scales, f);
    json_decref(body);
    return ok;
}

static void test_adapters(void **state)
{
    (void)state;
    static const ct_llamacpp_adapter all[] = { { "a", "/x/a.gguf", 0.5 }, { "b", "/x/b", 0 } };
    static const char *const bad[] = { NULL,
                                       "{}",
                                       "[1]",
                                       "[{\"id\": 0}]",
                                       "[{\"id\": \"a\", \"scale\": 1}]",
                                       "[{\"id\": 2, \"scale\": 1}]",
                                       "[{\"id\": -1, \"scale\": 1}]",
                                       "[{\"id\": 0, \"scale\": 1e300}]" };
    ct_openai_fault f;
    double scales[2];
    json_t *none = ct_llamacpp_adapters(NULL, 0), *o = ct_llamacpp_adapters(all, 2);
    assert_true(json_is_array(none) && json_array_size(none) == 0);
    json_decref(none);
    assert_int_equal(json_array_size(o), 2);
    json_decref(o);
    assert_true(read_scales("[{\"id\": 1, \"scale\": 0.25}]", scales, &f));
    assert_true(scales[0] == 0 && scales[1] == 0.25);
    assert_true(read_scales("[]", scales, &f) && scales[0] == 0 && scales[1] == 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(read_scales(bad[i], scales, &f));
        assert_int_equal(f.status, 400);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_props),
        cmocka_unit_test(test_slots),
        cmocka_unit_test(test_models),
        cmocka_unit_test(test_adapters),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
