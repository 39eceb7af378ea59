/* test_hub_models.c - the models of a repository: which there are, which files make one, which fits.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "carat_weigh.h"
#include "hub/offer.h"
#include "unit.h"

typedef struct made {
    ct_hub_repo repo;
    ct_hub_models models;
} made;

/* A repository of files, "name:bytes" each. */
static void make(made *m, const char *repo, const char *const *files)
{
    ct_buf b;
    carat_err err;
    ct_buf_init(&b, 1 << 16);
    ct_buf_str(&b, "{\"siblings\":[");
    for (size_t i = 0; files[i]; i++) {
        const char *colon = strchr(files[i], ':');
        ct_buf_fmt(&b, "%s{\"rfilename\":\"%.*s\",\"size\":%s}", i ? "," : "", (int)(colon - files[i]), files[i],
                   colon + 1);
    }
    ct_buf_str(&b, "]}");
    if (!ct_hub_repo_read(repo, b.data, b.len, &m->repo, &err) || !ct_hub_models_of(&m->repo, &m->models, &err))
        fail_msg("%s", err.msg);
    ct_buf_deinit(&b);
}

static void drop(made *m)
{
    ct_hub_models_deinit(&m->models);
    ct_hub_repo_deinit(&m->repo);
}

/* The tags in their order, with a blank behind each. */
static const char *tags(const made *m, char out[256])
{
    size_t n = 0;
    *out = '\0';
    for (size_t i = 0; i < m->models.n; i++)
        n += (size_t)snprintf(out + n, 256 - n, "%s ", m->models.v[i].tag);
    return out;
}

static void models_by_their_files(void **state)
{
    static const char *const files[] = { "m-Q8_0.gguf:800",
                                         "m-Q4_K_M.gguf:400",
                                         "mmproj-F16.gguf:90",
                                         "imatrix_unsloth.gguf:5",
                                         "README.md:1",
                                         "BF16/m-BF16-00002-of-00002.gguf:700",
                                         "BF16/m-BF16-00001-of-00002.gguf:900",
                                         "m-lora.gguf:3",
                                         "config.json:1",
                                         NULL };
    const ct_hub_model *model;
    carat_err err;
    char text[256];
    made m;
    (void)state;
    make(&m, "o/r", files);
    assert_string_equal(tags(&m, text), "Q4_K_M Q8_0 BF16 ");
    assert_true(ct_hub_models_find(&m.repo, &m.models, "bf16", &model, &err));
    assert_int_equal(model->n_files, 2);
    assert_int_equal(model->bytes, 1600);
    assert_string_equal(model->files[0]->name, "BF16/m-BF16-00001-of-00002.gguf");
    assert_true(ct_hub_models_find(&m.repo, &m.models, "m-BF16-00002-of-00002.gguf", &model, &err)); /* any part */
    assert_string_equal(model->tag, "BF16");
    assert_false(ct_hub_models_find(&m.repo, &m.models, "Q5_K_M", &model, &err));
    assert_string_equal(err.msg, "o/r has no Q5_K_M; it has Q4_K_M, Q8_0, BF16");
    drop(&m);
}

static void two_of_one_quantisation(void **state)
{
    static const char *const files[] = { "m-Q4_0.gguf:400", "m-qat-Q4_0.gguf:401", "m-Q8_0.gguf:800", NULL };
    const ct_hub_model *model;
    carat_err err;
    char text[256];
    made m;
    (void)state;
    make(&m, "o/r", files);
    assert_string_equal(tags(&m, text), "m-Q4_0 m-qat-Q4_0 Q8_0 ");
    assert_false(ct_hub_models_find(&m.repo, &m.models, "Q4_0", &model, &err));
    assert_string_equal(err.msg, "o/r has several files of Q4_0: m-Q4_0, m-qat-Q4_0");
    assert_true(ct_hub_models_find(&m.repo, &m.models, "m-qat-Q4_0", &model, &err));
    assert_true(ct_hub_models_find(&m.repo, &m.models, "q8_0", &model, &err));
    drop(&m);
}

static void parts_that_are_missing(void **state)
{
    static const char *const files[] = { "m-Q8_0-00001-of-00003.gguf:1", "m-Q8_0-00003-of-00003.gguf:1",
                                         "m-Q4_0-00001-of-99999.gguf:1", NULL };
    const ct_hub_model *model;
    carat_err err;
    made m;
    (void)state;
    make(&m, "o/r", files);
    assert_int_equal(m.models.n, 2);
    assert_false(ct_hub_models_find(&m.repo, &m.models, "Q8_0", &model, &err));
    assert_non_null(strstr(err.msg, "lacks 1 part"));
    assert_false(ct_hub_models_find(&m.repo, &m.models, "Q4_0", &model, &err));
    drop(&m);
}

static void folders_of_safetensors(void **state)
{
    static const char *const sharded[] = { "config.json:1",
                                           "model.safetensors.index.json:2",
                                           "model-00001-of-00002.safetensors:10",
                                           "model-00002-of-00002.safetensors:20",
                                           "tokenizer.json:3",
                                           "onnx/model.onnx:9",
                                           "pytorch_model.bin:50",
                                           "adapter_model.safetensors:4",
                                           NULL };
    static const char *const one[] = { "config.json:1", "model.safetensors:30", "model-00001-of-00002.safetensors:10",
                                       NULL };
    static const char *const embedding[] = { "config.json:1",
                                             "model.safetensors:30",
                                             "modules.json:2",
                                             "1_Pooling/config.json:3",
                                             "2_Dense/config.json:4",
                                             "2_Dense/model.safetensors:50",
                                             "3_Dense/config.json:6",
                                             "3_Dense/model.safetensors:70",
                                             "onnx/model.safetensors:900",
                                             NULL };
    static const char *const neither[] = { "model.safetensors:30", "config.yaml:1", NULL };
    char text[256];
    made m;
    (void)state;
    make(&m, "o/r", sharded);
    assert_string_equal(tags(&m, text), "safetensors ");
    assert_int_equal(m.models.v[0].bytes, 1 + 2 + 10 + 20 + 3);
    assert_string_equal(m.models.v[0].files[0]->name, "config.json");
    drop(&m);
    make(&m, "o/r", one);
    assert_int_equal(m.models.v[0].bytes, 31);
    drop(&m);
    make(&m, "o/r", embedding);
    assert_int_equal(m.models.v[0].bytes, 1 + 30 + 2 + 3 + 4 + 50 + 6 + 70);
    drop(&m);
    make(&m, "o/r", neither);
    assert_int_equal(m.models.n, 0);
    drop(&m);
}

static void the_projector_that_the_loader_prefers(void **state)
{
    static const char *const files[] = { "m-Q8_0.gguf:1",        "mmproj-F32.gguf:1",    "mmproj-m-f16.gguf:1",
                                         "mmproj-m-bf16.gguf:1", "mmproj-n-BF16.gguf:1", NULL };
    static const char *const others[] = { "m-Q8_0.gguf:1", "mmproj.gguf:1", "mmproj-Q6_K.gguf:1", NULL };
    const ct_hub_file *f[8];
    size_t n;
    made m;
    (void)state;
    make(&m, "o/r", files);
    ct_hub_mmproj_of(&m.repo, f, 8, &n);
    assert_int_equal(n, 2); /* of two models: the loader knows which is whose */
    assert_string_equal(f[0]->name, "mmproj-m-bf16.gguf");
    ct_hub_mmproj_of(&m.repo, f, 1, &n);
    assert_int_equal(n, 1);
    drop(&m);
    make(&m, "o/r", others);
    ct_hub_mmproj_of(&m.repo, f, 8, &n);
    assert_int_equal(n, 1);
    assert_string_equal(f[0]->name, "mmproj-Q6_K.gguf");
    drop(&m);
}

static uint64_t weighed(const char *quant, bool vision)
{
    const carat_options o = { .struct_size = sizeof o, .vision = vision ? CARAT_VISION_AUTO : CARAT_VISION_OFF };
    const carat_weigh_query q = { .struct_size = sizeof q, .model = "gemma-3-4b-it", .quant = quant, .options = &o };
    carat_estimate_result w = { .struct_size = sizeof w };
    assert_true(carat_weigh(&q, &w, NULL));
    return w.total;
}

static void offers_are_weighed(void **state)
{
    static const char *const files[] = { "m-Q2_K.gguf:1700000000",   "m-Q4_K_XL.gguf:2300000000",
                                         "m-Q4_K_M.gguf:2500000000", "m-Q8_0.gguf:4100000000",
                                         "m-BF16.gguf:7800000000",   NULL };
    static const char *const halves[] = { "m-F32.gguf:15600000000", "m-BF16.gguf:7800000000", NULL };
    ct_pull_offer *offers;
    size_t best;
    made m;
    (void)state;
    make(&m, "someone/gemma-3-4b-it-GGUF", files);
    assert_true(ct_hub_offers(&m.repo, &m.models, 800000000, UINT64_MAX, &offers, &best, NULL));
    assert_string_equal(offers[best].tag, "Q8_0");
    assert_int_equal(offers[best].memory, weighed("q8_0", true));
    assert_int_equal(offers[best].bytes, 4900000000);
    assert_true(offers[best].is_exact);
    assert_string_equal(offers[1].tag,
                        "Q4_K_XL"); /* which weigh does not know: from the file's size, between its neighbours */
    assert_false(offers[1].is_exact);
    assert_true(offers[1].memory > offers[0].memory && offers[1].memory < offers[2].memory);
    free(offers);
    assert_true(ct_hub_offers(&m.repo, &m.models, 0, weighed("q8_0", false) - 1, &offers, &best, NULL));
    assert_string_equal(offers[best].tag, "Q4_K_M");
    assert_false(offers[3].fits);
    assert_int_equal(offers[best].memory, weighed("q4_k_m", false)); /* no mmproj there: no tower is weighed */
    free(offers);
    assert_true(ct_hub_offers(&m.repo, &m.models, 0, 1000, &offers, &best, NULL));
    assert_int_equal(best, m.models.n);
    free(offers);
    drop(&m);
    make(&m, "someone/gemma-3-4b-it-GGUF", halves); /* nothing of 8 bits or less: the smallest */
    assert_true(ct_hub_offers(&m.repo, &m.models, 0, UINT64_MAX, &offers, &best, NULL));
    assert_string_equal(offers[best].tag, "BF16");
    free(offers);
    drop(&m);
    make(&m, "someone/fine-tune", files); /* as many parameters as the 4B, without its tower and with it */
    for (uint64_t n = 3880000000; n <= 4300000000; n += 420000000) {
        m.repo.n_params = n;
        assert_true(ct_hub_offers(&m.repo, &m.models, 0, UINT64_MAX, &offers, &best, NULL));
        assert_int_equal(offers[best].memory, weighed("q8_0", false));
        free(offers);
    }
    drop(&m);
    make(&m, "someone/secret-model", files); /* nobody knows what it is */
    assert_true(ct_hub_offers(&m.repo, &m.models, 0, 3000000000, &offers, &best, NULL));
    assert_int_equal(offers[best].memory, 0);
    assert_string_equal(offers[best].tag, "Q4_K_M");
    free(offers);
    drop(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_by_their_files),  cmocka_unit_test(two_of_one_quantisation),
        cmocka_unit_test(parts_that_are_missing), cmocka_unit_test(folders_of_safetensors),
        cmocka_unit_test(offers_are_weighed),     cmocka_unit_test(the_projector_that_the_loader_prefers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
