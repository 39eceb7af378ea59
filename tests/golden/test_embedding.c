/* test_embedding.c - an embedding model against values in float64, and its vectors whatever else an engine does.
 *
 * The model is small, in EmbeddingGemma's architecture (data/models/tiny-encoder, made with its values by make.py beside it).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "carat_weigh.h"
#include "embed_with.h"
#include "subject.h"

#define FOLDER TEST_DATA "/models/tiny-encoder"
#define GGUF   FOLDER "/gguf/tiny-encoder-f32.gguf"

static const char *level;

static carat_engine *open_tiny(const char *path, size_t chunk, int n_threads)
{
    return embed_open(
        path,
        &(carat_options){ .struct_size = sizeof(carat_options), .cpu = level, .chunk = chunk, .n_threads = n_threads });
}

/* ---- values ---- */

/* The tolerances are EmbeddingGemma's own (test_embedding_real.c): a window that is one off misses the second by far. */
static void the_vectors_of_the_reference(void **state)
{
    (void)state;
    golden_file *g = golden_open("models/tiny-encoder/golden");
    const golden_array want = golden_get(g, "embedding"), raw = golden_get(g, "dense_out");
    embed_vector v;
    double worst = 0;
    for (int k = 0; k < 2; k++) {
        carat_engine *e = open_tiny(k ? GGUF : FOLDER, 0, 1);
        assert_true(carat_engine_info(e)->is_embedding);
        for (size_t i = 0; i < want.shape[0]; i++) {
            const embed_text_ids t = embed_golden_ids(g, i);
            embed_alone(e, t.ids, t.n, (embed_how){ 0 }, &v);
            worst = fmax(worst, embed_expect(&v, &want, i, 1e-5, 1e-8, "embedding"));
            embed_alone(e, t.ids, t.n, (embed_how){ .omits_norm = true }, &v);
            embed_expect(&v, &raw, i, 2e-5, 1e-8, "as it is");
        }
        carat_engine_close(e);
    }
    printf("1 - cosine at most %.1e\n", worst);
    golden_close(g);
}

/* Each of these would be noticed: some text's vector is further away than what the test above allows. */
static void mistakes_are_far_away(void **state)
{
    (void)state;
    static const char *const mistakes[] = { "wrong.window_smaller", "wrong.window_larger", "wrong.no_window",
                                            "wrong.no_dense" };
    golden_file *g = golden_open("models/tiny-encoder/golden");
    const golden_array want = golden_get(g, "embedding");
    for (size_t m = 0; m < sizeof mistakes / sizeof *mistakes; m++) {
        const golden_array wrong = golden_get(g, mistakes[m]);
        double worst = 0;
        for (size_t i = 0; i < want.shape[0]; i++)
            worst = fmax(worst, embed_distance((const float *)want.data + i * want.shape[1],
                                               (const float *)wrong.data + i * want.shape[1], want.shape[1]));
        assert_true(worst > 1e-4);
    }
    golden_close(g);
}

static void first_numbers(void **state)
{
    (void)state;
    golden_file *g = golden_open("models/tiny-encoder/golden");
    carat_engine *e = open_tiny(FOLDER, 0, 1);
    const embed_text_ids t = embed_golden_ids(g, 5);
    embed_vector all, some;
    double square = 0;
    embed_alone(e, t.ids, t.n, (embed_how){ .omits_norm = true }, &all);
    embed_alone(e, t.ids, t.n, (embed_how){ .n_dims = 10 }, &some);
    assert_int_equal(some.n, 10);
    for (size_t i = 0; i < 10; i++)
        square += (double)all.v[i] * (double)all.v[i];
    for (size_t i = 0; i < 10; i++)
        assert_true(some.v[i] == (float)((double)all.v[i] * (1 / sqrt(square))));
    carat_engine_close(e);
    golden_close(g);
}

/* ---- company ---- */

#define N_TEXTS 70

static void same(const embed_vector *a, const embed_vector *b, size_t i, const char *what)
{
    assert_int_equal(a->n, b->n);
    for (size_t k = 0; k < a->n; k++)
        if (memcmp(&a->v[k], &b->v[k], sizeof(float)) != 0)
            fail_msg("%s: text %zu, number %zu is %.9g and %.9g", what, i, k, (double)a->v[k], (double)b->v[k]);
}

static void alone_and_in_company(const char *path, size_t n_vocab, size_t context)
{
    static embed_vector alone[N_TEXTS], together[N_TEXTS];
    static int32_t ids[N_TEXTS][256];
    static const struct {
        size_t chunk;
        int n_threads;
    } ways[] = { { 0, 2 }, { 1, 1 }, { 100, 1 } };
    embed_text_ids texts[N_TEXTS];
    carat_engine *e = open_tiny(path, 0, 1);
    uint32_t seed = 1;
    for (size_t i = 0; i < N_TEXTS; i++) {
        const size_t n = i % 20 == 7 ? context : 2 + i * 37 % 90;
        for (size_t k = 0; k < n; k++)
            ids[i][k] = (int32_t)((seed = seed * 1664525u + 1013904223u) >> 8) % (int32_t)n_vocab;
        texts[i] = (embed_text_ids){ ids[i], n };
        embed_alone(e, ids[i], n, (embed_how){ 0 }, &alone[i]);
    }
    carat_engine_close(e);
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        e = open_tiny(path, ways[w].chunk, ways[w].n_threads);
        embed_together(e, texts, N_TEXTS, (embed_how){ 0 }, together);
        for (size_t i = 0; i < N_TEXTS; i++)
            same(&alone[i], &together[i], i, "in company");
        carat_engine_close(e);
    }
}

static void batches_give_the_bits_of_alone(void **state)
{
    (void)state;
    alone_and_in_company(FOLDER, 512, 256);
}

/* The same for weights that are quantised, of a made-up model. */
static void so_do_quantised_weights(void **state)
{
    (void)state;
    static const char *const types[] = { "q8_0", "q4_0", "bf16" };
    char path[] = "/tmp/carat-encoder-XXXXXX";
    carat_err err;
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        const carat_shape shape = { .struct_size = sizeof shape,
                                    .size = "300m",
                                    .n_layer = 7,
                                    .hidden = 64,
                                    .ffn = 96,
                                    .head_dim = 32,
                                    .n_vocab = 700,
                                    .window = 16,
                                    .context = 200,
                                    .type = types[i] };
        if (!carat_synth(&shape, path, NULL, NULL, &err))
            fail_msg("%s", err.msg);
        alone_and_in_company(path, 700, 200);
    }
    unlink(path);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_the_reference),
        cmocka_unit_test(mistakes_are_far_away),
        cmocka_unit_test(first_numbers),
        cmocka_unit_test(batches_give_the_bits_of_alone),
        cmocka_unit_test(so_do_quantised_weights),
    };
    level = subject_level(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
