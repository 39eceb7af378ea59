/* test_config.c - config.json and the table of published models.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "golden_file.h"
#include "model/model.h"
#include "model/no_model.h"
#include "unit.h"

static bool parse(const char *text, bool trust, ct_config *c, carat_err *err)
{
    json_t *v = NULL;
    bool ok = ct_json_parse("config.json", text, strlen(text), &v, err) &&
              ct_config_from_json("config.json", v, trust, c, err);
    json_decref(v);
    return ok;
}

static void load(const char *path, ct_config *c)
{
    char full[512];
    json_t *v = NULL;
    carat_err err;
    snprintf(full, sizeof full, TEST_DATA "/%s", path);
    if (!ct_json_load(full, 1 << 20, &v, &err) || !ct_config_from_json(path, v, false, c, &err))
        fail_msg("%s", err.msg);
    json_decref(v);
}

static bool is_close(double a, double b)
{
    return fabs(a - b) <= 1e-6 * fabs(b);
}

/* B03: base and scale of every layer, for every published model. */
static void test_b03_rope_of_each_layer(void **state)
{
    (void)state;
    const struct {
        const char *name;
        double factor;
    } models[] = { { "270M", 1 }, { "1B", 1 }, { "4B", 8 }, { "12B", 8 }, { "27B", 8 } };
    for (size_t i = 0; i < 5; i++) {
        ct_config c;
        ct_config_of(ct_published_by_name(models[i].name), &c);
        for (uint32_t l = 0; l < c.n_layer; l++) {
            const ct_rope r = c.is_global[l] ? c.rope_global : c.rope_local;
            bool is_global = l % 6 == 5;
            assert_true(r.base == (is_global ? 1e6 : 1e4));
            assert_true(r.factor == (is_global ? models[i].factor : 1));
        }
    }
    ct_config c;
    ct_config_of(ct_published_by_name("4b"), &c);
    const uint32_t global[] = { 5, 11, 17, 23, 29 };
    uint32_t n = 0;
    for (uint32_t l = 0; l < 34; l++)
        if (c.is_global[l])
            assert_int_equal(l, global[n++]);
    assert_int_equal(n, 5);
}

/* The frequencies, to the bit the reference's. */
static void test_b03_inv_freq(void **state)
{
    (void)state;
    const char *models[] = { "tiny-text", "odd-text", "seed-shape" };
    for (size_t i = 0; i < 3; i++) {
        char path[64];
        ct_config c;
        float ours[256];
        snprintf(path, sizeof path, "models/%s/config.json", models[i]);
        load(path, &c);
        snprintf(path, sizeof path, "models/%s/golden", models[i]);
        golden_file *g = golden_open(path);
        for (int kind = 0; kind < 2; kind++) {
            const float *ref = golden_f32(g, kind ? "rope.full_attention.inv_freq" : "rope.sliding_attention.inv_freq",
                                          c.head_dim / 2, NULL);
            ct_rope_inv_freq(kind ? &c.rope_global : &c.rope_local, c.head_dim, ours);
            for (uint32_t j = 0; j < c.head_dim / 2; j++)
                assert_true(ours[j] == ref[j]);
        }
        golden_close(g);
    }
}

/* The 4B's terse config.json, filled with class defaults, is the published model without a contradiction. */
static void test_terse_4b(void **state)
{
    (void)state;
    ct_config c, known;
    load("configs/minimal_4b.json", &c);
    ct_config_of(ct_published_by_name("4B"), &known);
    assert_int_equal(c.n_notes, 0);
    assert_ptr_equal(c.published, ct_published_by_name("4B"));
    assert_int_equal(c.n_layer, 34);
    assert_int_equal(c.hidden, 2560);
    assert_int_equal(c.ffn, 10240);
    assert_int_equal(c.n_head, 8);
    assert_int_equal(c.n_kv_head, 4);
    assert_int_equal(c.head_dim, 256);
    assert_int_equal(c.n_vocab, 262208);
    assert_int_equal(c.window, 1024);
    assert_int_equal(c.context, 131072);
    assert_true(c.query_scale == 0.0625f && c.eps == 1e-6f && c.tied);
    assert_true(c.rope_global.base == 1e6 && c.rope_global.factor == 8);
    assert_true(c.rope_local.base == 1e4 && c.rope_local.factor == 1);
    assert_memory_equal(c.is_global, known.is_global, c.n_layer);
    assert_int_equal(c.n_eos, 2);
    assert_int_equal(c.eos[1], 106);
    assert_int_equal(c.image_token, 262144);
    assert_true(c.vision.present);
    assert_int_equal(c.vision.n_layer, 27);
    assert_int_equal(c.vision.hidden, 1152);
    assert_int_equal(c.vision.ffn, 4304);
    assert_int_equal(c.vision.n_head, 16);
    assert_int_equal(c.vision.image_size, 896);
    assert_int_equal(c.vision.tokens_per_image, 256);
}

static void expect_equal_configs(const ct_config *a, const ct_config *b)
{
    assert_int_equal(a->n_layer, b->n_layer);
    assert_int_equal(a->hidden, b->hidden);
    assert_int_equal(a->ffn, b->ffn);
    assert_int_equal(a->n_head, b->n_head);
    assert_int_equal(a->n_kv_head, b->n_kv_head);
    assert_int_equal(a->head_dim, b->head_dim);
    assert_int_equal(a->n_vocab, b->n_vocab);
    assert_int_equal(a->window, b->window);
    assert_int_equal(a->context, b->context);
    assert_memory_equal(a->is_global, b->is_global, a->n_layer);
    assert_true(a->rope_local.base == b->rope_local.base && a->rope_local.factor == b->rope_local.factor);
    assert_true(a->rope_global.base == b->rope_global.base && a->rope_global.factor == b->rope_global.factor);
    assert_true(a->eps == b->eps && a->query_scale == b->query_scale && a->tied == b->tied);
    assert_int_equal(a->image_token, b->image_token);
    assert_int_equal(a->vision.present, b->vision.present);
    assert_int_equal(a->vision.hidden, b->vision.hidden);
    assert_int_equal(a->vision.ffn, b->vision.ffn);
    assert_int_equal(a->vision.n_layer, b->vision.n_layer);
    assert_int_equal(a->vision.n_head, b->vision.n_head);
    assert_int_equal(a->vision.image_size, b->vision.image_size);
    assert_int_equal(a->vision.patch_size, b->vision.patch_size);
    assert_int_equal(a->vision.tokens_per_image, b->vision.tokens_per_image);
}

static void test_both_styles_agree(void **state)
{
    (void)state;
    const char *models[] = { "tiny-text", "odd-text", "seed-shape", "tiny-vl", "vl-small-window" };
    for (size_t i = 0; i < 5; i++) {
        char path[64];
        ct_config old, v5;
        snprintf(path, sizeof path, "models/%s/config.json", models[i]);
        load(path, &old);
        snprintf(path, sizeof path, "models/%s/config.v5.json", models[i]);
        load(path, &v5);
        expect_equal_configs(&old, &v5);
        if (!old.vision.present) { /* these two v5 files leave the outer eos_token_id out */
            assert_int_equal(old.n_eos, v5.n_eos);
            assert_memory_equal(old.eos, v5.eos, old.n_eos * sizeof *old.eos);
        }
    }
    ct_config terse, expanded;
    load("configs/minimal_4b.json", &terse);
    load("configs/minimal_4b.expanded.json", &expanded);
    expect_equal_configs(&terse, &expanded);
}

static void test_odd_values_are_taken(void **state)
{
    (void)state;
    ct_config c;
    load("models/odd-text/config.json", &c);
    assert_null(c.published);
    assert_int_equal(c.window, 5);
    assert_int_equal(c.n_vocab, 517);
    assert_true(is_close(c.query_scale, 1 / sqrt(12)));
    assert_true(c.rope_global.factor == 1);
    for (uint32_t i = 0; i < c.n_layer; i++)
        assert_int_equal(c.is_global[i], i % 3 == 2);
}

/* B27: whatever a header of a published shape says about rope, window, scale and pattern, the published values run,
 * with a note; and the other way round where the user insists. */
static void test_b27_published_values_win(void **state)
{
    (void)state;
    const struct {
        const char *extra;
        uint32_t notes;
    } cases[] = {
        { "", 0 },
        { ", \"rope_scaling\": null", 0 },
        { ", \"rope_scaling\": {\"rope_type\": \"linear\", \"factor\": 8.0}", 0 },
        { ", \"rope_scaling\": {\"rope_type\": \"linear\", \"factor\": 1.0}", 1 },
        { ", \"rope_scaling\": {\"rope_type\": \"default\", \"factor\": 4.0}", 1 },
        { ", \"rope_theta\": 10000.0, \"rope_local_base_freq\": 1000000.0", 2 },
        { ", \"sliding_window\": 512", 1 },
        { ", \"sliding_window_pattern\": 5", 1 },
        { ", \"sliding_window_pattern\": 0", 1 },
        { ", \"query_pre_attn_scalar\": 168", 1 },
    };
    ct_config known, c;
    carat_err err;
    ct_config_of(ct_published_by_name("4B"), &known);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[512];
        snprintf(text, sizeof text,
                 "{\"model_type\": \"gemma3_text\", \"num_hidden_layers\": 34, \"hidden_size\": 2560, "
                 "\"intermediate_size\": 10240%s}",
                 cases[i].extra);
        if (!parse(text, false, &c, &err))
            fail_msg("%s: %s", cases[i].extra, err.msg);
        if (c.n_notes != cases[i].notes)
            fail_msg("%s: %u notes, expected %u (%s)", cases[i].extra, c.n_notes, cases[i].notes, c.notes[0]);
        assert_true(c.rope_global.base == 1e6 && c.rope_global.factor == 8);
        assert_true(c.rope_local.base == 1e4 && c.rope_local.factor == 1);
        assert_int_equal(c.window, 1024);
        assert_true(c.query_scale == 0.0625f);
        assert_memory_equal(c.is_global, known.is_global, 34);
    }
    assert_true(parse("{\"model_type\": \"gemma3_text\", \"num_hidden_layers\": 34, \"hidden_size\": 2560, "
                      "\"intermediate_size\": 10240, \"sliding_window\": 512, \"sliding_window_pattern\": 5, "
                      "\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2}}",
                      true, &c, &err));
    assert_int_equal(c.n_notes, 3);
    assert_int_equal(c.window, 512);
    assert_true(c.rope_global.factor == 2 && c.is_global[4] && !c.is_global[5]);
}

/* B59: the siblings run with their own constants. */
static void test_b59_siblings(void **state)
{
    (void)state;
    const struct {
        const char *name;
        uint32_t window, context, head_dim;
        double factor, scale;
    } models[] = {
        { "270M", 512, 32768, 256, 1, 1 / 16.0 },       { "1B", 512, 32768, 256, 1, 1 / 16.0 },
        { "4B", 1024, 131072, 256, 8, 1 / 16.0 },       { "12B", 1024, 131072, 256, 8, 1 / 16.0 },
        { "27B", 1024, 131072, 128, 8, 1 / sqrt(168) },
    };
    for (size_t i = 0; i < 5; i++) {
        const ct_published *p = ct_published_by_name(models[i].name);
        assert_non_null(p);
        assert_ptr_equal(p, ct_published_at(i));
        assert_ptr_equal(p, ct_published_by_shape(p->n_layer, p->hidden, p->is_encoder));
        ct_config c;
        carat_err err;
        char text[512];
        snprintf(text, sizeof text,
                 "{\"model_type\": \"gemma3_text\", \"num_hidden_layers\": %u, \"hidden_size\": %u, "
                 "\"intermediate_size\": %u, \"num_attention_heads\": %u, \"num_key_value_heads\": %u, "
                 "\"head_dim\": %u, \"max_position_embeddings\": %u, \"vocab_size\": %u}",
                 p->n_layer, p->hidden, p->ffn, p->n_head, p->n_kv_head, p->head_dim, p->context, p->vocab);
        if (!parse(text, false, &c, &err))
            fail_msg("%s", err.msg);
        assert_int_equal(c.n_notes, 0);
        assert_int_equal(c.window, models[i].window);
        assert_int_equal(c.context, models[i].context);
        assert_int_equal(c.head_dim, models[i].head_dim);
        assert_true(c.rope_global.factor == models[i].factor);
        assert_true(is_close(c.query_scale, models[i].scale));
    }
    assert_null(ct_published_at(6));
    assert_null(ct_published_by_name("5B"));
    assert_null(ct_published_by_shape(34, 2048, false));
}

/* Parameters per shape, to the weight: facts section 1's "embedding + rest". */
static void test_published_parameters(void **state)
{
    (void)state;
    const struct {
        const char *name;
        double embed, rest; /* millions */
    } models[] = { { "270M", 167.8, 100.3 },
                   { "1B", 302.0, 697.9 },
                   { "4B", 671.3, 3209.0 },
                   { "12B", 1006.9, 10759 },
                   { "27B", 1409.6, 25600 } };
    for (size_t i = 0; i < 5; i++) {
        ct_config c;
        size_t rows, cols;
        double n = 0;
        ct_config_of(ct_published_by_name(models[i].name), &c);
        for (ct_part p = CT_FIRST_LAYER_PART; p < CT_N_PARTS; p++) {
            ct_part_shape(&c, p, &rows, &cols);
            n += (double)c.n_layer * (double)rows * (double)cols;
        }
        ct_part_shape(&c, CT_PART_FINAL_NORM, &rows, &cols);
        n += (double)cols;
        ct_part_shape(&c, CT_PART_EMBED, &rows, &cols);
        assert_true(fabs((double)rows * (double)cols / 1e6 - models[i].embed) < 0.06);
        assert_true(fabs(n / 1e6 - models[i].rest) < (models[i].rest > 5000 ? 0.6 : 0.06));
    }
}

static void expect_error(const char *text, carat_code code, const char *in_message)
{
    ct_config c;
    carat_err err;
    if (parse(text, false, &c, &err))
        fail_msg("accepted: %s", text);
    if (err.code != code || !strstr(err.msg, in_message))
        fail_msg("%s\n  -> %s: %s", text, carat_code_name(err.code), err.msg);
}

/* EmbeddingGemma's configuration as it is published, and what makes it another model. */
static void test_an_encoder(void **state)
{
    (void)state;
    ct_config c;
    carat_err err;
    static const char published[] =
        "{\"architectures\": [\"Gemma3TextModel\"], \"model_type\": \"gemma3_text\", \"use_bidirectional_attention\": "
        "true, "
        "\"_sliding_window_pattern\": 6, \"num_hidden_layers\": 24, \"hidden_size\": 768, \"intermediate_size\": 1152, "
        "\"num_attention_heads\": 3, \"num_key_value_heads\": 1, \"head_dim\": 256, \"vocab_size\": 262144, "
        "\"sliding_window\": %d, \"max_position_embeddings\": 2048, \"query_pre_attn_scalar\": 256, "
        "\"rope_theta\": 1000000.0, \"rope_local_base_freq\": 10000.0}";
    char text[1024];
    for (int window = 512; window >= 257; window -= 255) { /* 257: a library has halved it before it was saved */
        snprintf(text, sizeof text, published, window);
        if (!parse(text, false, &c, &err))
            fail_msg("%s", err.msg);
        assert_true(c.is_encoder && c.published == ct_published_by_name("300m"));
        assert_int_equal(c.window, 512);
        assert_int_equal(ct_config_reach(&c), 256);
        assert_int_equal(c.n_notes, window == 257);
    }
    assert_null(ct_published_by_shape(24, 768, false)); /* the same shape with a causal mask is none */
    ct_config_of(ct_published_by_name("300m"), &c);
    assert_string_equal(c.name, "EmbeddingGemma 300M");
    assert_int_equal(c.dense, 3072);
}

static void test_other_models_are_refused_by_name(void **state)
{
    (void)state;
    expect_error("{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\"}", CARAT_EUNSUPPORTED, "Llama");
    expect_error("{\"architectures\": [\"Gemma2ForCausalLM\"]}", CARAT_EUNSUPPORTED, "Gemma2");
    expect_error("{\"architectures\": [\"Gemma3nForConditionalGeneration\"]}", CARAT_EUNSUPPORTED, "Gemma3n");
    expect_error("{\"architectures\": [\"Gemma4ForConditionalGeneration\"]}", CARAT_EUNSUPPORTED, "Gemma4");
    expect_error("{\"architectures\": [\"T5GemmaForConditionalGeneration\"]}", CARAT_EUNSUPPORTED, "T5Gemma");
    expect_error("{\"model_type\": \"qwen3\"}", CARAT_EUNSUPPORTED, "qwen3");
    expect_error("{\"architectures\": [\"Gemma3TextModel\"], \"model_type\": \"gemma3_text\"}", CARAT_EUNSUPPORTED,
                 "Gemma3TextModel");
    expect_error("{\"architectures\": [\"Gemma3ForCausalLM\"], \"use_bidirectional_attention\": true}",
                 CARAT_EUNSUPPORTED, "EmbeddingGemma");
    expect_error("{\"architectures\": [\"EmbeddingGemma2Model\"]}", CARAT_EUNSUPPORTED,
                 "(EmbeddingGemma 2); Carat runs");
    expect_error("{\"model_type\": \"embedding_gemma2\"}", CARAT_EUNSUPPORTED, "(EmbeddingGemma 2); Carat runs");
    expect_error("{\"architectures\": [\"VaultGemmaForCausalLM\"], \"model_type\": \"vaultgemma\"}", CARAT_EUNSUPPORTED,
                 "'VaultGemmaForCausalLM' model (VaultGemma); Carat runs Gemma 3 and EmbeddingGemma");
    expect_error("{\"architectures\": [\"T5Gemma2ForConditionalGeneration\"]}", CARAT_EUNSUPPORTED,
                 "(T5Gemma 2); Carat runs");
    expect_error("{}", CARAT_EFORMAT, "model_type");
    expect_error("[]", CARAT_EFORMAT, "array");
    expect_error("{\"model_type\": 3}", CARAT_EFORMAT, "model_type");
}

/* B37: every number of the header out of its range, and of the wrong kind. */
static void test_b37_nonsense_is_refused(void **state)
{
    (void)state;
    const char *keys[] = { "num_hidden_layers",   "hidden_size",         "intermediate_size",
                           "num_attention_heads", "num_key_value_heads", "head_dim",
                           "vocab_size",          "sliding_window",      "max_position_embeddings" };
    const char *values[] = { "0",   "-1",    "2147483647", "4294967297", "9223372036854775807",
                             "1.5", "\"8\"", "true",       "[8]",        "{}" };
    char text[256];
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
        for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
            snprintf(text, sizeof text, "{\"model_type\": \"gemma3_text\", \"%s\": %s}", keys[k], values[v]);
            expect_error(text, CARAT_EFORMAT, keys[k]);
        }
    expect_error("{\"model_type\": \"gemma3_text\", \"head_dim\": 7}", CARAT_EFORMAT, "even");
    expect_error("{\"model_type\": \"gemma3_text\", \"num_key_value_heads\": 3}", CARAT_EFORMAT, "whole number");
    expect_error("{\"model_type\": \"gemma3_text\", \"rms_norm_eps\": -1}", CARAT_EFORMAT, "epsilon");
    expect_error("{\"model_type\": \"gemma3_text\", \"rope_theta\": 0.5}", CARAT_EFORMAT, "RoPE base");
    expect_error("{\"model_type\": \"gemma3_text\", \"rope_scaling\": {\"factor\": -8}}", CARAT_EFORMAT, "RoPE factor");
    expect_error("{\"model_type\": \"gemma3_text\", \"rope_scaling\": {\"rope_type\": \"yarn\"}}", CARAT_EUNSUPPORTED,
                 "yarn");
    expect_error("{\"model_type\": \"gemma3_text\", \"query_pre_attn_scalar\": -256}", CARAT_EFORMAT,
                 "query_pre_attn_scalar");
    expect_error("{\"model_type\": \"gemma3_text\", \"layer_types\": [\"full_attention\"]}", CARAT_EFORMAT,
                 "layer_types");
    expect_error("{\"model_type\": \"gemma3_text\", \"num_hidden_layers\": 1, \"layer_types\": [\"linear\"]}",
                 CARAT_EFORMAT, "linear");
    expect_error("{\"model_type\": \"gemma3_text\", \"hidden_activation\": \"relu\"}", CARAT_EUNSUPPORTED, "relu");
    expect_error("{\"model_type\": \"gemma3_text\", \"attention_bias\": true}", CARAT_EUNSUPPORTED, "attention_bias");
    expect_error("{\"model_type\": \"gemma3\", \"text_config\": 3}", CARAT_EFORMAT, "text_config");
    expect_error("{\"model_type\": \"gemma3\", \"vision_config\": 3}", CARAT_EFORMAT, "vision_config");
}

/* Row C29: who opens a name instead of a path is told the way. */
static void test_c29_names_that_are_no_paths(void **state)
{
    static const char *const names[] = { "google/gemma-3-4b-it", "gemma3:4b",
                                         "https://huggingface.co/google/gemma-3-4b-it" };
    static const char *const paths[] = { "none.gguf", "/models/none", "./none", "a/b/none" };
    carat_err err;
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_false(ct_refuse_name(names[i], &err));
        assert_non_null(strstr(err.msg, "carat pull fetches one"));
    }
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        assert_false(ct_refuse_name(paths[i], &err));
        assert_null(strstr(err.msg, "pull"));
        assert_non_null(strstr(err.msg, "No such file"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c29_names_that_are_no_paths),
        cmocka_unit_test(test_b03_rope_of_each_layer),
        cmocka_unit_test(test_b03_inv_freq),
        cmocka_unit_test(test_terse_4b),
        cmocka_unit_test(test_both_styles_agree),
        cmocka_unit_test(test_odd_values_are_taken),
        cmocka_unit_test(test_b27_published_values_win),
        cmocka_unit_test(test_b59_siblings),
        cmocka_unit_test(test_published_parameters),
        cmocka_unit_test(test_other_models_are_refused_by_name),
        cmocka_unit_test(test_an_encoder),
        cmocka_unit_test(test_b37_nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
