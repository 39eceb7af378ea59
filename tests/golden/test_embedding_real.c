/* test_embedding_real.c - the real EmbeddingGemma 300M against the reference implementation (data/embedding, its float64 run).
 *
 *     test_embedding_real [--level L] [--only NAME]
 *
 * $CARAT_TEST_EMBED_MODEL is the folder with the published weights; without it the program exits with 77 (skipped).
 * $CARAT_TEST_EMBED_Q8_0 and $CARAT_TEST_EMBED_Q4_0, if they are set, are GGUF files of the same weights as llama.cpp quantises them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "cpu/inside.h"
#include "embed_with.h"
#include "subject.h"

#define N_TEXTS 40
#define N_SHORT 35 /* the first, of at most 258 tokens */

static const char *level;
static carat_engine *engine; /* of the folder: its weights are float32 */
static golden_file *golden;
static json_t *texts[N_TEXTS];

static size_t read_lines(const char *path, json_t **to, size_t max)
{
    char *all, *line;
    size_t len, n = 0;
    carat_err err;
    if (!ct_read_file(path, 1 << 20, &all, &len, &err))
        fail_msg("%s", err.msg);
    for (line = all; *line && n < max;) {
        const size_t end = strcspn(line, "\n");
        if (!ct_json_parse(path, line, end, &to[n++], &err))
            fail_msg("%s", err.msg);
        line += end + (line[end] == '\n');
    }
    free(all);
    return n;
}

static carat_engine *open_model(const char *path, bool is_exact)
{
    return embed_open(path,
                      &(carat_options){ .struct_size = sizeof(carat_options), .cpu = level, .is_exact = is_exact });
}

static int set_up(void **state)
{
    (void)state;
    engine = open_model(getenv("CARAT_TEST_EMBED_MODEL"), false);
    golden = golden_open("embedding");
    return read_lines(TEST_DATA "/embedding/open.jsonl", texts, N_TEXTS) != N_TEXTS;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_TEXTS; i++)
        json_decref(texts[i]);
    golden_close(golden);
    carat_engine_close(engine);
    return 0;
}

/* ---- tokens ---- */

static void expect_ids(const json_t *line, const char *what)
{
    const json_t *ids = json_object_get(line, "ids"), *text = json_object_get(line, "text");
    carat_prompt *p;
    carat_err err;
    size_t n;
    const bool is_titled = strcmp(what, "titled") == 0;
    const carat_embedding_text t = { .struct_size = sizeof t,
                                     .text = json_string_value(text),
                                     .text_len = json_string_length(text),
                                     .task = is_titled ? "document"
                                                       : json_string_value(json_object_get(line, "prompt_name")),
                                     .title = is_titled ? "Tide tables" : NULL,
                                     .truncates = true };
    if (!carat_prompt_embedding(engine, &t, &p, &err))
        fail_msg("%s: %s", what, err.msg);
    const int32_t *have = carat_prompt_tokens(p, &n);
    assert_int_equal(n, json_array_size(ids));
    for (size_t i = 0; i < n; i++)
        if (have[i] != json_integer_value(json_array_get(ids, i)))
            fail_msg("%s: token %zu is %d, expected %lld", what, i, have[i],
                     (long long)json_integer_value(json_array_get(ids, i)));
    carat_prompt_free(p);
}

static void ids_are_the_references(void **state)
{
    (void)state;
    size_t n = 0;
    for (size_t i = 0; i < N_TEXTS; i++) {
        const json_t *prompt = json_object_get(texts[i], "prompt"), *name = json_object_get(texts[i], "prompt_name");
        const bool is_named = json_is_string(name) || !json_string_length(prompt);
        const char *what = json_string_value(json_object_get(texts[i], "name"));
        if (!json_is_string(json_object_get(texts[i], "text")) || (!is_named && strcmp(what, "titled") != 0))
            continue; /* ids alone, or a prompt that has no name */
        expect_ids(texts[i], what);
        n++;
    }
    printf("%zu texts\n", n);
    assert_true(n > 25);
}

/* ---- vectors ---- */

static void embed_texts(carat_engine *e, size_t n, embed_how how, embed_vector *out)
{
    embed_text_ids t[N_TEXTS];
    for (size_t i = 0; i < n; i++)
        t[i] = embed_golden_ids(golden, i);
    embed_together(e, t, n, how, out);
}

static void vectors_are_the_references(void **state)
{
    (void)state;
    static embed_vector v[N_TEXTS];
    static const char *const names[] = { "embedding", "embedding_512", "embedding_256", "embedding_128" };
    static const size_t dims[] = { 0, 512, 256, 128 };
    for (size_t k = 0; k < 4; k++) {
        const golden_array want = golden_get(golden, names[k]);
        double worst = 0;
        const size_t n = k ? N_SHORT : N_TEXTS;
        embed_texts(engine, n, (embed_how){ .n_dims = dims[k] }, v);
        for (size_t i = 0; i < n; i++)
            worst = fmax(worst, embed_expect(&v[i], &want, i, 1e-5, 1e-8, names[k]));
        printf("%s: 1 - cosine at most %.1e\n", names[k], worst);
    }
}

static void the_known_answer(void **state)
{
    (void)state;
    const json_t *want = json_object_get(golden->manifest, "known_similarities");
    const golden_array known = golden_get(golden, "known.embedding");
    json_t *lines[5];
    static embed_vector v[5];
    assert_int_equal(read_lines(TEST_DATA "/embedding/known.jsonl", lines, 5), 5);
    for (size_t i = 0; i < 5; i++) {
        const json_t *ids = json_object_get(lines[i], "ids");
        int32_t at[64];
        assert_true(json_array_size(ids) <= 64);
        for (size_t k = 0; k < json_array_size(ids); k++)
            at[k] = (int32_t)json_integer_value(json_array_get(ids, k));
        expect_ids(lines[i], "known");
        embed_alone(engine, at, json_array_size(ids), (embed_how){ 0 }, &v[i]);
        embed_expect(&v[i], &known, i, 1e-5, 1e-8, "known");
    }
    for (size_t i = 1; i < 5; i++) {
        double dot = 0;
        for (size_t k = 0; k < v[0].n; k++)
            dot += (double)v[0].v[k] * (double)v[i].v[k];
        printf("%.6f%s", dot, i < 4 ? ", " : "\n");
        if (!(fabs(dot - json_number_value(json_array_get(want, i - 1))) <= 1e-5))
            fail_msg("similarity %zu is %.7f", i, dot);
    }
    for (size_t i = 0; i < 5; i++)
        json_decref(lines[i]);
}

/* ---- layer by layer ---- */

typedef struct trace {
    const golden_array *first_last, *mean;
    size_t row; /* the next of them */
    double worst;
    double pooled[EMBED_WIDE];
} trace;

static bool is_traced(const char *name)
{
    return strcmp(name, "embed") == 0 || strcmp(name, "final_norm") == 0 ||
           (strncmp(name, "layer", 5) == 0 && !strchr(name, '.'));
}

/* Of the largest value of a row: the stream grows from 13 to 9e4. */
static double difference(const float *have, const double *sum, size_t n, const float *want, size_t cols)
{
    double d = 0, largest = 0;
    for (size_t k = 0; k < cols; k++) {
        d = fmax(d, fabs((have ? (double)have[k] : sum[k] / (double)n) - (double)want[k]));
        largest = fmax(largest, fabs((double)want[k]));
    }
    return d / largest;
}

static void on_trace(void *arg, const char *name, const float *data, size_t rows, size_t cols)
{
    trace *t = arg;
    if (!is_traced(name))
        return;
    const float *ends = (const float *)t->first_last->data + t->row * 2 * cols;
    memset(t->pooled, 0, sizeof t->pooled);
    for (size_t r = 0; r < rows; r++)
        for (size_t k = 0; k < cols; k++)
            t->pooled[k] += (double)data[r * cols + k];
    t->worst = fmax(t->worst, difference(data, NULL, 0, ends, cols));
    t->worst = fmax(t->worst, difference(data + (rows - 1) * cols, NULL, 0, ends + cols, cols));
    t->worst = fmax(t->worst, difference(NULL, t->pooled, rows, (const float *)t->mean->data + t->row * cols, cols));
    t->row++;
}

static void layers_are_the_references(void **state)
{
    (void)state;
    static const int traced[] = { 0, 34, 37 };
    const golden_array pooled = golden_get(golden, "pooled");
    ct_text *text = ct_cpu_inside(&engine->backend)->text;
    for (size_t k = 0; k < 3; k++) {
        char name[32];
        embed_vector v;
        const embed_text_ids t = embed_golden_ids(golden, (size_t)traced[k]);
        snprintf(name, sizeof name, "trace%d.first_last", traced[k]);
        const golden_array ends = golden_get(golden, name);
        snprintf(name, sizeof name, "trace%d.mean", traced[k]);
        const golden_array mean = golden_get(golden, name);
        trace own = { .first_last = &ends, .mean = &mean };
        ct_text_trace(text, on_trace, &own);
        embed_alone(engine, t.ids, t.n, (embed_how){ 0 }, &v);
        ct_text_trace(text, NULL, NULL);
        assert_int_equal(own.row, 26);
        printf("text %d of %zu tokens: at most %.1e of a row's largest value\n", traced[k], t.n, own.worst);
        assert_true(own.worst <= 3e-5);
        for (size_t i = 0; i < EMBED_WIDE; i++)
            assert_true(fabs(own.pooled[i] / (double)t.n -
                             (double)((const float *)pooled.data)[(size_t)traced[k] * EMBED_WIDE + i]) <= 2e-4);
    }
}

/* ---- quantised ---- */

typedef struct quantised {
    const char *variable, *rows, *array;
    /* Of the same texts, with quantised activations: llama.cpp's least and mean cosine to the float64 run. The least of Q4_0 is that of
     * its weights, 0.92387, an angle of 0.39. int8 turns a vector by up to 0.024 (1 - cosine 3e-4) in any of 768 directions, which moves
     * such a cosine by 0.38 * 0.024 / sqrt(768) = 3.3e-4 either way: three times that is allowed. */
    double min, mean;
} quantised;

static void check_quantised(const quantised *q, const char *path)
{
    static embed_vector v[N_TEXTS];
    const golden_array want = golden_get(golden, q->array), truth = golden_get(golden, "embedding");
    const int32_t *rows = golden_i32(golden, q->rows, want.shape[0], NULL);
    for (int exact = 1; exact >= 0; exact--) {
        carat_engine *e = open_model(path, exact);
        double min = 1, mean = 0, worst = 0;
        for (size_t i = 0; i < want.shape[0]; i++) {
            const embed_text_ids t = embed_golden_ids(golden, (size_t)rows[i]);
            embed_alone(e, t.ids, t.n, (embed_how){ 0 }, &v[i]);
            const double c =
                1 - embed_distance(v[i].v, (const float *)truth.data + (size_t)rows[i] * EMBED_WIDE, EMBED_WIDE);
            min = fmin(min, c);
            mean += c / (double)want.shape[0];
            worst = fmax(worst, embed_distance(v[i].v, (const float *)want.data + i * EMBED_WIDE, EMBED_WIDE));
        }
        printf("%s%s: cosine to float64 at least %.5f, mean %.5f; 1 - cosine to the same weights %.1e\n", q->array,
               exact ? ", float32 activations" : "", min, mean, worst);
        if (exact)
            assert_true(worst <= 1e-7);
        else
            assert_true(min >= q->min && mean >= q->mean);
        carat_engine_close(e);
    }
}

static void quantised_weights(void **state)
{
    (void)state;
    static const quantised all[] = {
        { "CARAT_TEST_EMBED_Q8_0", "q8_0.rows", "q8_0.embedding", 0.99935, 0.99960 },
        { "CARAT_TEST_EMBED_Q4_0", "q4_0.rows", "q4_0.embedding", 0.92387 - 1e-3, 0.96499 },
    };
    size_t n = 0;
    for (size_t i = 0; i < 2; i++)
        if (getenv(all[i].variable)) {
            check_quantised(&all[i], getenv(all[i].variable));
            n++;
        }
    if (!n)
        skip();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_the_references),     cmocka_unit_test(the_known_answer),
        cmocka_unit_test(vectors_are_the_references), cmocka_unit_test(layers_are_the_references),
        cmocka_unit_test(quantised_weights),
    };
    level = subject_level(argc, argv);
    if (!getenv("CARAT_TEST_EMBED_MODEL")) {
        printf("skipped: CARAT_TEST_EMBED_MODEL is not set (make test-embed)\n");
        return 77;
    }
    if (argc > 2 && strcmp(argv[argc - 2], "--only") == 0)
        UNIT_CHOOSE(tests, argv[argc - 1]);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
