/* test_real.c - the real Gemma 3 270M (pre-trained, Q4_K_M) against the reference run on its dequantised weights.
 *
 *     test_real [MODEL.gguf] [--level L]
 *
 * MODEL: the argument, else $CARAT_TEST_MODEL, else models/gemma-3-270m-q4_k_m.gguf in the source tree. Where there is
 * none the program exits with 77 (skipped).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/map.h"
#include "golden_file.h"
#include "subject.h"
#include "unit.h"

#define CHUNK 128

static const char *level;
static subject_model *model;
static json_t *prompts[16];
static size_t n_prompts;

/* ---- data ---- */

static void load_prompts(void)
{
    char *text, *line;
    size_t len;
    carat_err err;
    if (!ct_read_file(TEST_DATA "/real-270m/prompts.jsonl", 1 << 20, &text, &len, &err))
        fail_msg("%s", err.msg);
    for (line = text; *line && n_prompts < 16;) {
        size_t n = strcspn(line, "\n");
        if (!ct_json_parse("prompts.jsonl", line, n, &prompts[n_prompts++], &err))
            fail_msg("%s", err.msg);
        line += n + (line[n] == '\n');
    }
    free(text);
    assert_true(n_prompts > 5);
}

static size_t ints(const json_t *o, const char *key, int32_t *out, size_t max)
{
    const json_t *a = json_object_get(o, key);
    size_t n = json_array_size(a);
    assert_true(n > 0 && n <= max);
    for (size_t i = 0; i < n; i++)
        out[i] = (int32_t)json_integer_value(json_array_get(a, i));
    return n;
}

static double number(const json_t *o, const char *key, size_t i)
{
    return json_number_value(json_array_get(json_object_get(o, key), i));
}

/* ---- logits ---- */

/* The reference ran in float32 with float32 weights; two float32 runs of 18 layers over logits of spread 5 agree to
 * 1e-3 (the golden set's figure, which llama.cpp's f32 run meets too). */
#define LOGIT_TOLERANCE 1e-3

static void test_last_logits_exact(void **state)
{
    (void)state;
    subject s;
    int32_t ids[256];
    size_t v = model->cfg->n_vocab, row;
    float *logits = malloc(v * sizeof *logits);
    double worst = 0;
    golden_file *g = golden_open("real-270m");
    const float *whole = golden_f32(g, "prompt0.logits_last", v, NULL);
    subject_share(&s, model,
                  (subject_options){ .level = level, .exact = true, .scale = CARAT_EMBED_SCALE_EXACT, .batch = CHUNK });
    for (size_t p = 0; p < n_prompts; p++) {
        size_t n = ints(prompts[p], "ids", ids, 256);
        ct_kv *kv = subject_kv(&s);
        subject_append(&s, kv, ids, n, CHUNK, NULL);
        row = (n - 1) % CHUNK;
        subject_rows(&s, &row, 1, logits);
        for (size_t i = 0; p == 0 && i < v; i++) {
            worst = fmax(worst, fabs((double)logits[i] - whole[i]));
            if (!(fabs((double)logits[i] - whole[i]) <= LOGIT_TOLERANCE))
                fail_msg("prompt 0, logit %zu: %.6f, reference %.6f", i, logits[i], whole[i]);
        }
        int32_t top[10];
        assert_int_equal(ints(prompts[p], "top10_ids", top, 10), 10);
        for (size_t i = 0; i < 10; i++) {
            double ref = number(prompts[p], "top10_logits", i), d = fabs(logits[top[i]] - ref);
            worst = fmax(worst, d);
            if (!(d <= LOGIT_TOLERANCE))
                fail_msg("prompt %zu, id %d: logit %.6f, reference %.6f", p, top[i], logits[top[i]], ref);
            /* nothing else is larger than the i-th: the ten are the ten, in order, ties within tolerance aside */
            size_t above = 0;
            for (size_t j = 0; j < v; j++)
                above += logits[j] > ref + 2 * LOGIT_TOLERANCE;
            assert_true(above <= i);
        }
        ct_kv_close(kv);
    }
    printf("logits, f32 activations: largest difference %.1e over %zu prompts\n", worst, n_prompts);
    golden_close(g);
    free(logits);
    subject_close(&s);
}

/* ---- greedy ---- */

/* Teacher-forced: the reference's own continuation is appended, and at each of its steps where the margin between first
 * and second is clear, our largest logit is its token. Exact mode: clear is twice the logit tolerance. Quantised: a
 * logit is off by 0.166 rms beside the shift that all share (128 positions of the NLL text), the difference of two by
 * 0.235; six times that is 1.4, so 1.5. */
static void check_greedy(bool exact, double clear)
{
    subject s;
    int32_t ids[512];
    size_t v = model->cfg->n_vocab, n_clear = 0, n_all = 0, n_right = 0;
    float *logits = malloc(40 * v * sizeof *logits);
    subject_share(
        &s, model,
        (subject_options){ .level = level, .exact = exact, .scale = CARAT_EMBED_SCALE_EXACT, .batch = CHUNK });
    for (size_t p = 0; p < n_prompts; p++) {
        size_t n = ints(prompts[p], "ids", ids, 256), m = ints(prompts[p], "greedy_ids", ids + n, 40);
        ct_kv *kv = subject_kv(&s);
        if (n > 1)
            subject_append(&s, kv, ids, n - 1, CHUNK, NULL);
        subject_append(&s, kv, ids + n - 1, m, 40, logits);
        for (size_t i = 0; i < m; i++) {
            bool right = (int32_t)argmax(logits + i * v, v) == ids[n + i];
            n_all++;
            n_right += right;
            if (number(prompts[p], "greedy_margin", i) <= clear)
                continue;
            n_clear++;
            if (!right)
                fail_msg("prompt %zu, step %zu: token %zu, reference %d (margin %g)", p, i, argmax(logits + i * v, v),
                         ids[n + i], number(prompts[p], "greedy_margin", i));
        }
        ct_kv_close(kv);
    }
    printf("greedy, %s: %zu of %zu steps as the reference, all %zu with a margin above %g\n",
           exact ? "f32 activations" : "quantised activations", n_right, n_all, n_clear, clear);
    assert_true(n_clear > n_all / 3);
    free(logits);
    subject_close(&s);
}

static void test_greedy_exact(void **state)
{
    (void)state;
    check_greedy(true, 2 * LOGIT_TOLERANCE);
}

static void test_greedy_quantised(void **state)
{
    (void)state;
    check_greedy(false, 1.5);
}

/* Free-running with its own cache and single steps, as a user would see it. */
static void test_greedy_decodes_exactly(void **state)
{
    (void)state;
    subject s;
    int32_t ids[256], ref[40], out[40];
    subject_share(&s, model,
                  (subject_options){ .level = level, .exact = true, .scale = CARAT_EMBED_SCALE_EXACT, .batch = CHUNK });
    for (size_t p = 0; p < 3 && p < n_prompts; p++) {
        if (json_number_value(json_object_get(prompts[p], "greedy_min_margin")) <= 2 * LOGIT_TOLERANCE)
            continue;
        size_t n = ints(prompts[p], "ids", ids, 256), m = ints(prompts[p], "greedy_ids", ref, 40);
        subject_greedy(&s, ids, n, out, m);
        assert_memory_equal(out, ref, m * sizeof *out);
    }
    subject_close(&s);
}

/* ---- mean negative log-likelihood ---- */

static double nll_of(golden_file *g, bool exact, carat_embed_scale scale, double *worst, double *per_token_rms)
{
    size_t n, v = model->cfg->n_vocab;
    const int32_t *ids = golden_i32(g, "nll.ids", 0, &n);
    const float *ref = golden_f32(g, "nll.per_token", n - 1, NULL);
    subject s;
    double sum = 0, sq = 0;
    subject_share(&s, model,
                  (subject_options){ .level = level, .exact = exact, .scale = scale, .batch = CHUNK, .context = 1536 });
    float *logits = malloc(CHUNK * v * sizeof *logits), max;
    ct_kv *kv = subject_kv(&s);
    *worst = 0;
    for (size_t done = 0; done < n - 1;) {
        size_t step = n - 1 - done < CHUNK ? n - 1 - done : CHUNK;
        subject_append(&s, kv, ids + done, step, CHUNK, logits);
        for (size_t i = 0; i < step; i++) {
            const float *x = logits + i * v;
            double lse = s.cpu->kernels.logsumexp(x, v, &max);
            double nll = max + lse - x[ids[done + i + 1]], d = nll - ref[done + i];
            sum += nll;
            sq += d * d;
            *worst = fmax(*worst, fabs(d));
        }
        done += step;
    }
    *per_token_rms = sqrt(sq / (double)(n - 1));
    ct_kv_close(kv);
    free(logits);
    subject_close(&s);
    return sum / (double)(n - 1);
}

/* With f32 activations only the order of sums differs: 0.002, the golden set's figure. With quantised ones a token's
 * likelihood moves by 0.07 rms, so the mean of 1499 is itself uncertain by 0.0018: five runs (three levels, two scales)
 * gave +0.0008 to +0.0065, +0.0029 on average. What users run, the default scale, is held to 0.006 on every level. The
 * movement of single tokens is the steadier figure (0.071 to 0.074 in all five): a kernel that loses precision shows
 * there first. */
static void test_nll(void **state)
{
    (void)state;
    golden_file *g = golden_open("real-270m");
    double ref = json_number_value(json_object_get(g->manifest, "mean_nll"));
    const struct {
        const char *name;
        bool exact;
        carat_embed_scale scale;
        double mean, rms;   /* tolerances; 0: shown only */
        bool is_exhaustive; /* what nobody runs unless he asks for it: in make test-all alone */
    } runs[] = {
        { "f32 activations, scale sqrt(640)", true, CARAT_EMBED_SCALE_EXACT, 0.002, 0.001, false },
        { "f32 activations, scale in bf16", true, CARAT_EMBED_SCALE_BF16, 0.002, 0, true },
        { "quantised activations, scale sqrt(640)", false, CARAT_EMBED_SCALE_EXACT, 0, 0.1, true },
        { "quantised activations, default scale", false, CARAT_EMBED_SCALE_DEFAULT, 0.006, 0.1, false },
    };
    printf("mean NLL of 1499 tokens; reference %.5f\n", ref);
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        if (runs[i].is_exhaustive && !unit_is_exhaustive())
            continue;
        double worst, rms, nll = nll_of(g, runs[i].exact, runs[i].scale, &worst, &rms);
        printf("  %-40s %.5f  (%+.5f; a token's differs by %.4f rms, %.3f at most)\n", runs[i].name, nll, nll - ref,
               rms, worst);
        assert_true(runs[i].mean == 0 || fabs(nll - ref) <= runs[i].mean);
        assert_true(runs[i].rms == 0 || rms <= runs[i].rms);
    }
    golden_close(g);
}

/* ---- invariance ---- */

/* 560 tokens over the window of 512, in the form users run: every hidden row, and the logits of rows around the
 * window's edge and at the end, are the same bits for every split. */
static void test_invariance(void **state)
{
    (void)state;
    enum { N = 560 };
    static const size_t chunks[] = { N, 1, 7, 16, 17, 64 }, at[] = { 0, 63, 64, 511, 512, 513, N - 1 };
    size_t hidden = model->cfg->hidden, v = model->cfg->n_vocab, n_ids;
    golden_file *g = golden_open("real-270m");
    const int32_t *ids = golden_i32(g, "nll.ids", 0, &n_ids);
    assert_true(n_ids >= N);
    float *ref = malloc(N * hidden * sizeof *ref), *logits = malloc(2 * 7 * v * sizeof *logits);
    for (int threads = 1; threads <= 3; threads++)
        for (size_t c = 0; c < 6; c++) {
            bool first = threads == 1 && c == 0;
            float *out = first ? logits : logits + 7 * v;
            subject s;
            subject_share(&s, model, (subject_options){ .level = level, .n_threads = threads, .batch = chunks[c] });
            ct_kv *kv = subject_kv(&s);
            for (size_t done = 0; done < N;) {
                size_t step = N - done < chunks[c] ? N - done : chunks[c];
                subject_append(&s, kv, ids + done, step, step, NULL);
                for (size_t i = 0; i < step; i++) {
                    const float *h = ct_text_hidden(s.cpu->text, i);
                    if (first)
                        memcpy(ref + (done + i) * hidden, h, hidden * sizeof *h);
                    else if (memcmp(ref + (done + i) * hidden, h, hidden * sizeof *h) != 0)
                        fail_msg("%d threads, chunks of %zu: position %zu differs", threads, chunks[c], done + i);
                }
                for (size_t i = 0; i < 7; i++) {
                    size_t row = at[i] - done;
                    if (at[i] >= done && at[i] < done + step)
                        subject_rows(&s, &row, 1, out + i * v);
                }
                done += step;
            }
            if (!first)
                assert_memory_equal(logits, out, 7 * v * sizeof *out);
            ct_kv_close(kv);
            subject_close(&s);
        }
    free(ref);
    free(logits);
    golden_close(g);
}

/* ---- the command line ---- */

static const char *find_model(int argc, char **argv)
{
    if (argc > 1 && argv[1][0] != '-')
        return argv[1];
    const char *env = getenv("CARAT_TEST_MODEL");
    return env && *env ? env : TEST_ROOT "/models/gemma-3-270m-q4_k_m.gguf";
}

static const char *path;

static int open_all(void **state)
{
    (void)state;
    load_prompts();
    model = subject_model_open(path, true);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    subject_model_close(model);
    for (size_t i = 0; i < n_prompts; i++)
        json_decref(prompts[i]);
    return 0;
}

static void test_facts(void **state)
{
    (void)state;
    assert_string_equal(model->cfg->published->name, "270M");
    assert_int_equal(model->cfg->n_notes, 0);
    assert_int_equal(model->c.model->n_pieces, 262144);
    assert_int_equal(model->c.model->n_stops, 2);
    assert_int_equal(model->c.model->stops[0], 1);
    assert_int_equal(model->c.model->stops[1], 106);
    assert_int_equal(model->cfg->window, 512);
    assert_int_equal(model->c.model->n_params, 268098176);
}

int main(int argc, char **argv)
{
    level = subject_level(argc, argv);
    path = find_model(argc, argv);
    if (access(path, R_OK) != 0) {
        printf("skipped: no model at %s (make model fetches it)\n", path);
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_facts),        cmocka_unit_test(test_last_logits_exact),
        cmocka_unit_test(test_greedy_exact), cmocka_unit_test(test_greedy_quantised),
        cmocka_unit_test(test_nll),          cmocka_unit_test(test_greedy_decodes_exactly),
        cmocka_unit_test(test_invariance),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
