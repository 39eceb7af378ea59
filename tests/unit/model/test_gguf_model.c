/* test_gguf_model.c - GGUF headers: published values against wrong keys, other architectures, every number out of its
 * range, tensors missing or of the wrong shape, sizes predicted to the byte.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "craft.h"
#include "golden_file.h"
#include "loaded.h"
#include "model/model.h"
#include "unit.h"

static char path[64];
static ct_pool *pool;

static int set_up(void **state)
{
    (void)state;
    carat_err err;
    snprintf(path, sizeof path, "/tmp/carat-test-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    assert_true(ct_pool_open(2, &pool, &err));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    ct_pool_close(pool);
    return 0;
}

static const craft_shape small = { 2, 32, 48, 4, 2, 16, 40, 8, 64, CT_F32 };

static void shape_keys(craft *c, const craft_shape *s)
{
    craft_text(c, "general.architecture", "gemma3");
    craft_int(c, "gemma3.block_count", CT_GGUF_U32, s->n_layer);
    craft_int(c, "gemma3.embedding_length", CT_GGUF_U32, s->hidden);
    craft_int(c, "gemma3.feed_forward_length", CT_GGUF_U32, s->ffn);
    craft_int(c, "gemma3.attention.head_count", CT_GGUF_U32, s->n_head);
    craft_int(c, "gemma3.attention.head_count_kv", CT_GGUF_U32, s->n_kv_head);
    craft_int(c, "gemma3.attention.key_length", CT_GGUF_U32, s->head_dim);
    craft_int(c, "gemma3.attention.value_length", CT_GGUF_U32, s->head_dim);
    craft_int(c, "gemma3.context_length", CT_GGUF_U32, s->context);
}

static bool open_config(const craft *c, bool trust, ct_config *cfg, carat_err *err)
{
    ct_gguf *g;
    craft_save(c, path);
    if (!ct_gguf_open(path, &g, err))
        return false;
    bool ok = ct_config_from_gguf(g, trust, cfg, err);
    ct_gguf_close(g);
    return ok;
}

/* The model's head and no layers: enough for the configuration of a published shape. */
static void published_header(craft *c, const ct_published *p)
{
    craft_shape s = { p->n_layer,  p->hidden, p->ffn,    p->n_head,  p->n_kv_head,
                      p->head_dim, p->vocab,  p->window, p->context, CT_F16 };
    craft_init(c);
    shape_keys(c, &s);
    craft_tensor(c, "token_embd.weight", CT_F16, p->hidden, p->vocab);
}

/* B27, B17: rope factor, bases, window and pattern absent, right, or wrong: what runs is the published model's. */
static void test_b27_b17_published_values_win(void **state)
{
    (void)state;
    const char *names[] = { "4B", "1B" };
    for (size_t n = 0; n < 2; n++) {
        const ct_published *p = ct_published_by_name(names[n]);
        ct_config known;
        ct_config_of(p, &known);
        for (int v = 0; v < 10; v++) {
            craft c;
            ct_config cfg;
            carat_err err;
            bool all[64] = { 0 };
            uint32_t notes = 0;
            published_header(&c, p);
            switch (v) {
            case 0: /* all absent */
                break;
            case 1:
                craft_f32(&c, "gemma3.rope.scaling.factor", 1);
                notes = p->rope_factor != 1;
                break;
            case 2:
                craft_text(&c, "gemma3.rope.scaling.type", "linear");
                craft_f32(&c, "gemma3.rope.scaling.factor", 8);
                notes = p->rope_factor != 8;
                break;
            case 3: /* a key nobody knows */
                craft_f32(&c, "gemma3.rope.scale", 8);
                break;
            case 4:
                craft_f32(&c, "gemma3.rope.freq_base", 10000);
                notes = 1;
                break;
            case 5:
                craft_f32(&c, "gemma3.rope.freq_base", 1e6f);
                craft_f32(&c, "gemma3.rope.freq_base_swa", 1e6f);
                notes = 1;
                break;
            case 6:
                craft_int(&c, "gemma3.attention.sliding_window", CT_GGUF_U32, 4096);
                notes = 1;
                break;
            case 7:
                craft_int(&c, "gemma3.attention.sliding_window_pattern", CT_GGUF_U32, 6);
                break;
            case 8:
                craft_int(&c, "gemma3.attention.sliding_window_pattern", CT_GGUF_U32, 1);
                notes = 1;
                break;
            default: /* an array: every layer global */
                craft_bools(&c, "gemma3.attention.sliding_window_pattern", all, p->n_layer);
                notes = 1;
            }
            if (!open_config(&c, false, &cfg, &err))
                fail_msg("%s, variant %d: %s", names[n], v, err.msg);
            if (cfg.n_notes != notes)
                fail_msg("%s, variant %d: %u notes (%s), expected %u", names[n], v, cfg.n_notes, cfg.notes[0], notes);
            assert_true(cfg.rope_global.base == 1e6 && cfg.rope_global.factor == p->rope_factor);
            assert_true(cfg.rope_local.base == 1e4 && cfg.rope_local.factor == 1);
            assert_int_equal(cfg.window, p->window);
            assert_memory_equal(cfg.is_global, known.is_global, p->n_layer);
            assert_true(cfg.query_scale == known.query_scale);
            craft_deinit(&c);
        }
    }
}

/* GGUF has no key for the query scale: the 27B's comes from its shape. */
static void test_27b_query_scale(void **state)
{
    (void)state;
    craft c;
    ct_config cfg, known;
    carat_err err;
    const ct_published *p = ct_published_by_name("27B");
    published_header(&c, p);
    assert_true(open_config(&c, false, &cfg, &err));
    ct_config_of(p, &known);
    assert_true(cfg.query_scale == known.query_scale && cfg.query_scale > 0.0771f && cfg.query_scale < 0.0772f);
    craft_deinit(&c);
}

/* B17: a shape of its own takes the header's pattern, in either spelling, or the architecture's five and one. */
static void test_b17_pattern_of_an_unknown_shape(void **state)
{
    (void)state;
    craft_shape s = small;
    s.n_layer = 13;
    for (int v = 0; v < 4; v++) {
        craft c;
        ct_config cfg;
        carat_err err;
        bool local[13];
        for (int i = 0; i < 13; i++)
            local[i] = i % 4 != 1;
        craft_init(&c);
        shape_keys(&c, &s);
        craft_int(&c, "gemma3.attention.sliding_window", CT_GGUF_U32, 8);
        craft_tensors(&c, &s);
        if (v == 1)
            craft_int(&c, "gemma3.attention.sliding_window_pattern", CT_GGUF_U32, 3);
        else if (v >= 2)
            craft_bools(&c, "gemma3.attention.sliding_window_pattern", local, v == 2 ? 13 : 12);
        bool ok = open_config(&c, false, &cfg, &err);
        assert_int_equal(ok, v != 3); /* one entry short */
        for (uint32_t i = 0; ok && i < 13; i++)
            assert_int_equal(cfg.is_global[i], v == 0 ? i % 6 == 5 : v == 1 ? i % 3 == 2 : i % 4 == 1);
        craft_deinit(&c);
    }
}

static void test_other_architectures_are_refused_by_name(void **state)
{
    (void)state;
    const char *names[] = { "llama",   "gemma", "gemma2",  "gemma3n",           "gemma4",   "qwen3",
                            "t5gemma", "clip",  "gemma3x", "gemma-embedding-2", "t5gemma2", "" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        craft c;
        ct_config cfg;
        carat_err err;
        craft_init(&c);
        craft_text(&c, "general.architecture", names[i]);
        craft_tensor(&c, "token_embd.weight", CT_F32, 32, 40);
        assert_false(open_config(&c, false, &cfg, &err));
        assert_int_equal(err.code, CARAT_EUNSUPPORTED);
        assert_non_null(strstr(err.msg, names[i]));
        assert_non_null(strstr(err.msg, "Carat runs Gemma 3"));
        craft_deinit(&c);
    }
}

/* ---- whole models ---- */

static bool open_model(const craft *c, loaded *m, carat_err *err)
{
    craft_save(c, path);
    return loaded_open(path, false, pool, NULL, m, err);
}

static const uint8_t *packed(const loaded *l, ct_part part)
{
    return ct_weights_matrix(&l->w, part, 0)->packed;
}

static void whole(craft *c, const craft_shape *s)
{
    craft_init(c);
    shape_keys(c, s);
    craft_int(c, "gemma3.attention.sliding_window", CT_GGUF_U32, s->window);
    craft_tensors(c, s);
}

static void test_small_model_opens(void **state)
{
    (void)state;
    craft c;
    loaded m;
    carat_err err;
    whole(&c, &small);
    if (!open_model(&c, &m, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(m.m->cfg.n_layer, 2);
    assert_int_equal(ct_weights_matrix(&m.w, CT_PART_DOWN, 1)->cols, 48);
    assert_ptr_equal(packed(&m, CT_PART_HEAD), packed(&m, CT_PART_EMBED));
    loaded_close(&m);
    craft_deinit(&c);
}

/* B37: each integer key as 0, 1, -1 and the largest of its kind: an error in words, or a model (1 may be right). */
static void test_b37_each_key_set_to_nonsense(void **state)
{
    (void)state;
    const char *keys[] = { "gemma3.block_count",
                           "gemma3.embedding_length",
                           "gemma3.feed_forward_length",
                           "gemma3.attention.head_count",
                           "gemma3.attention.head_count_kv",
                           "gemma3.attention.key_length",
                           "gemma3.attention.value_length",
                           "gemma3.context_length",
                           "gemma3.attention.sliding_window",
                           "gemma3.attention.sliding_window_pattern",
                           "gemma3.vision.block_count",
                           "tokenizer.ggml.eos_token_id" };
    const struct {
        ct_gguf_kind kind;
        int64_t v;
    } values[] = { { CT_GGUF_U32, 0 },          { CT_GGUF_U32, 1 },         { CT_GGUF_I32, -1 },
                   { CT_GGUF_U32, UINT32_MAX }, { CT_GGUF_U64, INT64_MAX }, { CT_GGUF_U64, -1 },
                   { CT_GGUF_I64, INT64_MIN },  { CT_GGUF_U8, 255 },        { CT_GGUF_BOOL, 1 } };
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
        for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
            const int64_t right[] = { 2, 32, 48, 4, 2, 16, 16, 64, 8 };
            craft c;
            loaded m;
            carat_err err = { CARAT_OK, 0, "" };
            craft_init(&c);
            craft_text(&c, "general.architecture", "gemma3");
            for (size_t i = 0; i < sizeof right / sizeof *right; i++)
                if (i != k)
                    craft_int(&c, keys[i], CT_GGUF_U32, right[i]);
            craft_int(&c, keys[k], values[v].kind, values[v].v);
            craft_tensors(&c, &small);
            if (open_model(&c, &m, &err)) {
                loaded_close(&m);
                /* shapes are pinned by tensors; these alone may be 1, or be passed over */
                assert_true(k >= 7);
            } else {
                assert_true(err.code == CARAT_EFORMAT || err.code == CARAT_EUNSUPPORTED);
                assert_true(strlen(err.msg) > 20);
            }
            craft_deinit(&c);
        }
}

/* Every float key as NaN, infinity, zero, negative. */
static void test_b37_floats(void **state)
{
    (void)state;
    const char *keys[] = { "gemma3.rope.freq_base", "gemma3.rope.freq_base_swa", "gemma3.rope.scaling.factor",
                           "gemma3.attention.layer_norm_rms_epsilon", "gemma3.attention.scale" };
    const float values[] = { 0.0f / 0.0f, 1.0f / 0.0f, -1.0f / 0.0f, -8, 1e30f };
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
        for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
            craft c;
            loaded m;
            carat_err err;
            whole(&c, &small);
            craft_f32(&c, keys[k], values[v]);
            if (open_model(&c, &m, &err))
                fail_msg("%s = %g was accepted", keys[k], values[v]);
            assert_int_equal(err.code, CARAT_EFORMAT);
            craft_deinit(&c);
        }
}

/* Each tensor in turn left out, and each given another shape. */
/* Parts that a Gemma 3 with a tied head does not have. */
static bool is_of_others(ct_part p)
{
    return p == CT_PART_HEAD || p == CT_PART_DENSE_1 || p == CT_PART_DENSE_2;
}

static void test_missing_and_misshapen_tensors(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++)
        for (size_t part = 0; part < CT_N_PARTS; part++) {
            craft c;
            loaded m;
            carat_err err;
            char name[64];
            if (is_of_others((ct_part)part))
                continue;
            craft_init(&c);
            shape_keys(&c, &small);
            craft_int(&c, "gemma3.attention.sliding_window", CT_GGUF_U32, 8);
            ct_config cfg = { .hidden = 32, .ffn = 48, .n_head = 4, .n_kv_head = 2, .head_dim = 16, .n_vocab = 40 };
            for (ct_part p = 0; p < CT_N_PARTS; p++)
                for (uint32_t l = 0; l < (p < CT_FIRST_LAYER_PART ? 1 : 2u); l++) {
                    size_t rows, cols;
                    bool is_it = p == part && l == 0;
                    ct_part_shape(&cfg, p, &rows, &cols);
                    snprintf(name, sizeof name, p < CT_FIRST_LAYER_PART ? "%s" : "blk.%2$u.%1$s", ct_part_get(p)->gguf,
                             l);
                    if (is_of_others(p) || (is_it && kind == 0))
                        continue;
                    if (ct_part_get(p)->is_norm)
                        craft_tensor(&c, name, CT_F32, cols + is_it, 0);
                    else
                        craft_tensor(&c, name, CT_F32, cols + is_it, rows);
                }
            assert_false(open_model(&c, &m, &err));
            assert_int_equal(err.code, CARAT_EFORMAT);
            if (!strstr(err.msg, ct_part_get((ct_part)part)->gguf))
                fail_msg("the message does not name %s: %s", ct_part_get((ct_part)part)->gguf, err.msg);
            craft_deinit(&c);
        }
}

/* A header of fewer layers than the file has, and a tensor that no Gemma 3 layer has. */
static void test_strangers_are_refused(void **state)
{
    (void)state;
    craft c;
    loaded m;
    carat_err err;
    const char *names[] = { "blk.2.attn_q.weight", "blk.1.attn_q.bias", "blk.0.laurel_l.weight",
                            "blk.99999999999999999999.attn_q.weight" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        whole(&c, &small);
        craft_tensor(&c, names[i], CT_F32, 32, 64);
        assert_false(open_model(&c, &m, &err));
        assert_non_null(strstr(err.msg, names[i]));
        craft_deinit(&c);
    }
}

/* An untied head is used, and checked like any matrix. */
static void test_untied_head(void **state)
{
    (void)state;
    craft c;
    loaded m;
    carat_err err;
    whole(&c, &small);
    craft_tensor(&c, "output.weight", CT_F16, 32, 40);
    if (!open_model(&c, &m, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(ct_model_type(m.m, CT_PART_HEAD, 0), CT_F16);
    assert_ptr_not_equal(packed(&m, CT_PART_HEAD), packed(&m, CT_PART_EMBED));
    loaded_close(&m);
    craft_deinit(&c);
    whole(&c, &small);
    craft_tensor(&c, "output.weight", CT_F16, 32, 41);
    assert_false(open_model(&c, &m, &err));
    assert_non_null(strstr(err.msg, "output.weight"));
    craft_deinit(&c);
}

/* B58: any type is legal for any matrix, and the prediction is what opening takes: the sum over tensors' own types. */
static void test_b58_bytes_are_predicted(void **state)
{
    (void)state;
    const char *files[] = { "tiny-kq/gguf/tiny-kq.gguf",
                            "tiny-text/gguf/tiny-text-q8_0.gguf",
                            "tiny-text",
                            "odd-text",
                            "seed-shape",
                            "tiny-vl" };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char full[512];
        loaded m;
        ct_model *peek;
        ct_weights described;
        carat_err err;
        snprintf(full, sizeof full, TEST_DATA "/models/%s", files[i]);
        if (!loaded_open(full, false, pool, NULL, &m, &err) || !loaded_peek(full, &peek, &err) ||
            !ct_weights_describe(&described, peek, &err))
            fail_msg("%s", err.msg);
        size_t bytes = described.bytes;
        assert_int_equal(bytes, m.w.arena.size);
        assert_int_equal(bytes, m.w.arena.used);
        assert_null(ct_weights_matrix(&described, CT_PART_EMBED, 0)->packed);
        assert_int_equal(ct_weights_matrix(&described, CT_PART_EMBED, 0)->bytes,
                         ct_weights_matrix(&m.w, CT_PART_EMBED, 0)->bytes);
        /* rows padded to 16, each part to 64, norms to f32: never below the source, and near it */
        uint64_t source = m.m->tensor_bytes;
        assert_true(bytes + 65536 >= source && bytes < source + source / 4 + 65536);
        loaded_close(&m);
        ct_weights_close(&described);
        ct_model_close(peek);
    }
}

static bool stop_at_once(void *arg, uint64_t done, uint64_t total)
{
    assert_true(done <= total);
    return --*(int *)arg > 0;
}

static void test_loading_can_be_stopped(void **state)
{
    (void)state;
    loaded m;
    carat_err err;
    for (int after = 1; after < 4; after++) {
        int left = after;
        const ct_load_progress how = { stop_at_once, &left };
        assert_false(loaded_open(TEST_DATA "/models/tiny-text", false, pool, &how, &m, &err));
        assert_int_equal(err.code, CARAT_ECANCELLED);
        assert_null(m.m);
    }
}

/* B60: rows beyond the tokens are fine, and so is the image placeholder beyond the rows. */
static void test_b60_rows_and_tokens(void **state)
{
    (void)state;
    const struct {
        const char *file;
        uint32_t rows, pieces;
    } files[] = { { "odd-text", 517, 512 },
                  { "tiny-vl", 528, 513 },
                  { "tiny-text", 512, 512 },
                  { "tiny-text/gguf/tiny-text-f32.gguf", 512, 512 } };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char full[512];
        loaded m;
        carat_err err;
        snprintf(full, sizeof full, TEST_DATA "/models/%s", files[i].file);
        if (!loaded_open(full, true, pool, NULL, &m, &err))
            fail_msg("%s", err.msg);
        assert_int_equal(m.m->cfg.n_vocab, files[i].rows);
        assert_int_equal(m.m->n_pieces, files[i].pieces);
        assert_int_equal(m.m->n_stops, 2);
        assert_int_equal(m.m->stops[0], 1);
        assert_int_equal(m.m->stops[1], 11);
        loaded_close(&m);
    }
}

static void test_bad_vocabularies(void **state)
{
    (void)state;
    const char *pieces[] = { "<pad>", "<eos>", "<bos>", "<unk>" };
    for (int v = 0; v < 5; v++) {
        craft c;
        loaded m;
        carat_err err;
        whole(&c, &small);
        if (v == 1)
            craft_int(&c, "tokenizer.ggml.tokens", CT_GGUF_U32, 4);
        else if (v > 1)
            craft_texts(&c, "tokenizer.ggml.tokens", pieces, v == 2 ? 0 : 4);
        if (v == 3)
            craft_bools(&c, "tokenizer.ggml.scores", (bool[]){ 1, 1, 1 }, 3);
        if (v == 4)
            craft_text(&c, "tokenizer.ggml.model", "gpt2");
        craft_save(&c, path);
        assert_false(loaded_open(path, true, pool, NULL, &m, &err));
        assert_int_equal(err.code, v == 4 ? CARAT_EUNSUPPORTED : CARAT_EFORMAT);
        assert_non_null(strstr(err.msg, "tokenizer.ggml"));
        craft_deinit(&c);
    }
}

static void test_paths(void **state)
{
    (void)state;
    loaded m;
    carat_err err;
    const struct {
        const char *path;
        carat_code code;
    } cases[] = { { "/nonexistent/model.gguf", CARAT_EIO },
                  { TEST_DATA "/models", CARAT_EIO }, /* no config.json */
                  { TEST_DATA "/models/tiny-text/model.safetensors", CARAT_EARG },
                  { TEST_DATA "/models/tiny-text/config.json", CARAT_EFORMAT },
                  { TEST_DATA "/models/tiny-vl/gguf/mmproj-tiny-vl-f32.gguf", CARAT_EUNSUPPORTED } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_false(loaded_open(cases[i].path, true, pool, NULL, &m, &err));
        if (err.code != cases[i].code)
            fail_msg("%s: %s: %s", cases[i].path, carat_code_name(err.code), err.msg);
        assert_null(m.m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_b27_b17_published_values_win),
        cmocka_unit_test(test_27b_query_scale),
        cmocka_unit_test(test_b17_pattern_of_an_unknown_shape),
        cmocka_unit_test(test_other_architectures_are_refused_by_name),
        cmocka_unit_test(test_small_model_opens),
        cmocka_unit_test(test_b37_each_key_set_to_nonsense),
        cmocka_unit_test(test_b37_floats),
        cmocka_unit_test(test_missing_and_misshapen_tensors),
        cmocka_unit_test(test_strangers_are_refused),
        cmocka_unit_test(test_untied_head),
        cmocka_unit_test(test_b58_bytes_are_predicted),
        cmocka_unit_test(test_loading_can_be_stopped),
        cmocka_unit_test(test_b60_rows_and_tokens),
        cmocka_unit_test(test_bad_vocabularies),
        cmocka_unit_test(test_paths),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
