/* test_text.c - the forward pass against the reference implementation, prompt by prompt and module by module.
 *
 *     test_text --level LEVEL
 *     test_text --level LEVEL --all       image prompts cut in more places
 *
 * Tolerances are the golden set's own: the reference computed everything in float64 and stored float32; its own float32
 * run is 1e-5 .. 1e-4 away (3e-4 for 700 tokens) on logits of spread 3, and a float32 runtime with another order of
 * sums is allowed about ten times that: 5e-4, and 3e-3 for the 700-token prompt.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "golden_file.h"
#include "subject.h"
#include "unit.h"

static const char *level;
static bool takes_all;

typedef struct figures {
    double worst, sum_sq, ref_sq;
    size_t n;
} figures;

static void compare(figures *f, const float *found, const float *ref, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)found[i] - ref[i]);
        if (!(d <= f->worst)) /* NaN becomes the worst */
            f->worst = d;
        f->sum_sq += d * d;
        f->ref_sq += (double)ref[i] * ref[i];
    }
    f->n += n;
}

/* ---- logits of every prompt ---- */

typedef struct checkpoint {
    const char *path, *golden;
    bool images; /* prompts with token_type_ids may hold images: those are not this program's */
} checkpoint;

static const checkpoint checkpoints[] = {
    { "models/tiny-text", "models/tiny-text/golden", false },
    { "models/tiny-text/gguf/tiny-text-f32.gguf", "models/tiny-text/golden", false },
    { "models/tiny-text/gguf/tiny-text-q8_0.gguf", "models/tiny-text/golden-q8_0", false },
    { "models/odd-text", "models/odd-text/golden", false },
    { "models/seed-shape", "models/seed-shape/golden", false },
    { "models/seed-shape/gguf/seed-shape-bf16.gguf", "models/seed-shape/golden-bf16", false },
    { "models/tiny-kq/gguf/tiny-kq.gguf", "models/tiny-kq/golden", false },
    { "models/tiny-vl", "models/tiny-vl/golden", true },
    { "models/tiny-vl/gguf/tiny-vl-f32.gguf", "models/tiny-vl/golden", true },
};

static bool has_images(golden_file *g, int prompt)
{
    const json_t *p = json_array_get(json_object_get(g->manifest, "prompts"), (size_t)prompt);
    return json_array_size(json_object_get(p, "images")) > 0;
}

/* Compares the stored rows of one prompt; false if there is no such prompt. */
static bool check_prompt(subject *s, golden_file *g, int prompt, figures *f)
{
    char name[64];
    golden_array rows;
    size_t n, n_vocab = s->cfg->n_vocab;
    snprintf(name, sizeof name, "prompt%d.ids", prompt);
    if (!golden_find(g, name, &rows))
        return false;
    const int32_t *ids = golden_i32(g, name, 0, &n);
    snprintf(name, sizeof name, "prompt%d.rows", prompt);
    const int32_t *stored = golden_find(g, name, &rows) ? rows.data : NULL;
    size_t n_stored = stored ? rows.count : n;
    snprintf(name, sizeof name, "prompt%d.logits", prompt);
    const float *ref = golden_f32(g, name, n_stored * n_vocab, NULL);
    float *logits = subject_logits(s, ids, n, s->opt.batch);
    for (size_t i = 0; i < n_stored; i++)
        compare(f, logits + (stored ? (size_t)stored[i] : i) * n_vocab, ref + i * n_vocab, n_vocab);
    free(logits);
    return true;
}

static bool prompt_exists(golden_file *g, int prompt)
{
    char name[64];
    golden_array a;
    snprintf(name, sizeof name, "prompt%d.ids", prompt);
    return golden_find(g, name, &a);
}

static size_t prompt_length(golden_file *g, int prompt)
{
    char name[64];
    size_t n;
    snprintf(name, sizeof name, "prompt%d.ids", prompt);
    golden_i32(g, name, 0, &n);
    return n;
}

static void check_checkpoint(const checkpoint *c)
{
    subject s;
    subject_open(&s, c->path, (subject_options){ .level = level, .exact = true, .scale = CARAT_EMBED_SCALE_EXACT });
    golden_file *g = golden_open(c->golden);
    double worst = 0;
    int n_prompts = 0;
    for (int p = 0; p < 16; p++) {
        figures f = { 0 };
        if (!prompt_exists(g, p) || (c->images && has_images(g, p)))
            continue;
        double tolerance = prompt_length(g, p) > 220 ? 3e-3 : 5e-4;
        check_prompt(&s, g, p, &f);
        if (!(f.worst <= tolerance))
            fail_msg("%s, prompt %d: logits differ by up to %g, tolerance %g", c->path, p, f.worst, tolerance);
        worst = f.worst > worst ? f.worst : worst;
        n_prompts++;
    }
    assert_true(n_prompts > 0);
    printf("%-50s %2d prompts, largest difference %.1e\n", c->path, n_prompts, worst);
    golden_close(g);
    subject_close(&s);
}

static void test_logits(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof checkpoints / sizeof *checkpoints; i++)
        check_checkpoint(&checkpoints[i]);
}

/* B56: the embedding's factor rounded to bfloat16, as in a bfloat16 run of the reference. */
static void test_b56_embed_scale_bf16(void **state)
{
    (void)state;
    const char *models[] = { "models/tiny-text", "models/odd-text", "models/seed-shape" };
    for (size_t i = 0; i < 3; i++) {
        char folder[64];
        size_t n;
        figures f = { 0 }, exact = { 0 };
        subject s;
        snprintf(folder, sizeof folder, "%s/golden", models[i]);
        golden_file *g = golden_open(folder);
        subject_open(&s, models[i],
                     (subject_options){ .level = level, .exact = true, .scale = CARAT_EMBED_SCALE_BF16 });
        const int32_t *ids = golden_i32(g, "prompt2.ids", 0, &n);
        float *logits = subject_logits(&s, ids, n, n);
        compare(&f, logits, golden_f32(g, "prompt2.logits_embed_scale_bf16", n * s.cfg->n_vocab, NULL),
                n * s.cfg->n_vocab);
        assert_true(f.worst <= 5e-4);
        /* and it is really another result: the two scales are told apart */
        check_prompt(&s, g, 2, &exact);
        if (ct_bf16_to_f32(ct_f32_to_bf16(sqrtf((float)s.cfg->hidden))) != sqrtf((float)s.cfg->hidden))
            assert_true(exact.worst > 5e-4);
        free(logits);
        golden_close(g);
        subject_close(&s);
    }
}

/* ---- as users run it: quantised or bf16 activations, f16 cache ---- */

/* Relative error that one conversion puts on a row of normal values, rms:
 *   int8 in groups of 32   step = amax/127, amax of 32 normals is 2.4 sigma on average: 2.4/127/sqrt(12) = 0.0054
 *   bf16                   step 2^-7 of the power of two below, 1.44 times that is the mean value: 2^-7/sqrt(12)/1.44
 *                          = 0.0016
 *   f16 (the cache)        2^-10/sqrt(12)/1.44 = 0.0002
 *   grid                   bf16, and of the smallest in a group a little more; the weights by up to 3/256 of their reach, rms
 *                          sqrt(2/12) of a step of 1/256 to 1/128 of reach, which is 2.4 sigma or more: 0.0054 at most
 * A layer converts four times (into q/k/v, o, gate/up, down), the head once. If all those errors reached the logits at
 * full strength and independently, their rms would be e sqrt(4 layers + 1) of the logits' own. Random weights pass a
 * disturbance on a little enlarged (a softmax of random queries is steep): twice that is the bound. */
static double conversion_error(const subject *s)
{
    static const double e[CT_N_ACTS] = {
        [CT_ACTS_F32] = 0.0002, [CT_ACTS_BF16] = 0.0016, [CT_ACTS_Q8] = 0.0054, [CT_ACTS_GRID] = 0.0056
    };
    double worst = 0;
    for (uint32_t i = 0; i < s->cfg->n_layer; i++)
        for (ct_part part = CT_FIRST_LAYER_PART; part < CT_N_PARTS; part++)
            if (!ct_part_get(part)->is_norm)
                worst = fmax(worst, e[s->cpu->kernels.form[ct_weights_matrix(s->cpu->weights, part, i)->type]]);
    return worst;
}

static float margin(const float *x, size_t n)
{
    size_t best = argmax(x, n);
    float second = -INFINITY;
    for (size_t i = 0; i < n; i++)
        if (i != best && x[i] > second)
            second = x[i];
    return x[best] - second;
}

static void check_converted(const checkpoint *c)
{
    subject s;
    figures f = { 0 };
    size_t n_clear = 0, n_rows = 0;
    subject_open(&s, c->path, (subject_options){ .level = level, .scale = CARAT_EMBED_SCALE_EXACT });
    golden_file *g = golden_open(c->golden);
    size_t v = s.cfg->n_vocab;
    double e = 2 * conversion_error(&s) * sqrt(4 * s.cfg->n_layer + 1);
    for (int p = 0; p < 16; p++) {
        char name[64];
        size_t n;
        if (!prompt_exists(g, p) || prompt_length(g, p) > 220 || (c->images && has_images(g, p)))
            continue;
        snprintf(name, sizeof name, "prompt%d.ids", p);
        const int32_t *ids = golden_i32(g, name, 0, &n);
        snprintf(name, sizeof name, "prompt%d.logits", p);
        const float *ref = golden_f32(g, name, n * v, NULL);
        float *logits = subject_logits(&s, ids, n, s.opt.batch);
        compare(&f, logits, ref, n * v);
        for (size_t r = 0; r < n; r++, n_rows++)
            /* six sigmas between two logits, each off by the bound on a spread of 3 */
            if (margin(ref + r * v, v) > 6 * 1.414 * e * 3) {
                n_clear++;
                assert_int_equal(argmax(logits + r * v, v), argmax(ref + r * v, v));
            }
        free(logits);
    }
    double rms = sqrt(f.sum_sq / (double)f.n), spread = sqrt(f.ref_sq / (double)f.n);
    printf("%-50s off by %.4f rms (bound %.4f), %.3f at most; %zu of %zu rows have a clear winner, all kept\n", c->path,
           rms, e * spread, f.worst, n_clear, n_rows);
    assert_true(rms <= e * spread);
    golden_close(g);
    subject_close(&s);
}

static void test_converted_activations(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof checkpoints / sizeof *checkpoints; i++)
        check_converted(&checkpoints[i]);
}

/* ---- images ---- */

/* The projector's golden rows take the places of the image tokens; each sees its own image both ways. One cut of the
 * prompt per run, moved out of an image if it falls into one. */
static float *logits_with_images(subject *s, golden_file *g, int prompt, const int32_t *ids, size_t n, size_t cut)
{
    size_t hidden = s->cfg->hidden, v = s->cfg->n_vocab, per_image = s->cfg->vision.tokens_per_image, seen = 0;
    const json_t *images =
        json_object_get(json_array_get(json_object_get(g->manifest, "prompts"), (size_t)prompt), "images");
    golden_array soft = golden_get(g, "projector.output");
    ct_step_input *in = calloc(n, sizeof *in);
    size_t *rows = malloc(n * sizeof *rows);
    float *out = malloc(n * v * sizeof *out);
    ct_kv *kv = subject_kv(s);
    for (size_t i = 0; i < n; i++) {
        in[i].id = ids[i];
        rows[i] = i;
        if (ids[i] != s->cfg->image_token)
            continue;
        size_t image = (size_t)json_integer_value(json_array_get(images, seen / per_image)), j = seen % per_image;
        subject_soft(s, &in[i], (uint32_t)image, (const float *)soft.data + image * per_image * hidden, j);
        in[i].sees_ahead = (uint32_t)(per_image - 1 - j);
        seen++;
    }
    assert_int_equal(seen, json_array_size(images) * per_image);
    while (cut > 0 && cut < n && in[cut - 1].sees_ahead)
        cut--;
    for (size_t done = 0, step; done < n; done += step) {
        step = done < cut && cut < n ? cut : n - done;
        subject_step(s, &(ct_step_span){ kv, in + done, step }, 1);
        subject_rows(s, rows, step, out + done * v);
    }
    ct_kv_close(kv);
    free(in);
    free(rows);
    return out;
}

static void test_image_rows(void **state)
{
    (void)state;
    const char *models[] = { "models/tiny-vl", "models/vl-small-window" };
    for (size_t i = 0; i < 2; i++) {
        char folder[64], name[64];
        subject s;
        figures f = { 0 };
        snprintf(folder, sizeof folder, "%s/golden", models[i]);
        golden_file *g = golden_open(folder);
        subject_open(&s, models[i],
                     (subject_options){ .level = level, .exact = true, .scale = CARAT_EMBED_SCALE_EXACT });
        size_t v = s.cfg->n_vocab;
        for (int p = 0; p < 16 && prompt_exists(g, p); p++) {
            size_t n;
            if (!has_images(g, p))
                continue;
            snprintf(name, sizeof name, "prompt%d.ids", p);
            const int32_t *ids = golden_i32(g, name, 0, &n);
            snprintf(name, sizeof name, "prompt%d.logits", p);
            const float *ref = golden_f32(g, name, n * v, NULL);
            float *whole = logits_with_images(&s, g, p, ids, n, 0);
            compare(&f, whole, ref, n * v);
            snprintf(name, sizeof name, "prompt%d.logits_wrong_causal", p);
            figures wrong = { 0 };
            compare(&wrong, whole + (n - 1) * v, golden_f32(g, name, v, NULL), v);
            assert_true(wrong.worst > 1);
            for (size_t cut = 1; cut < n; cut += takes_all ? 7 : 29) {
                float *split = logits_with_images(&s, g, p, ids, n, cut);
                assert_memory_equal(split, whole, n * v * sizeof *split);
                free(split);
            }
            free(whole);
        }
        printf("%-50s image prompts, largest difference %.1e\n", models[i], f.worst);
        assert_true(f.n > 0 && f.worst <= 5e-4);
        golden_close(g);
        subject_close(&s);
    }
}

/* ---- traces ---- */

typedef struct watcher {
    golden_file *g;
    const ct_config *c;
    size_t n_seen;
    double worst;
    char worst_name[64];
} watcher;

/* The reference's q_norm and k_norm are [heads, T, head_dim]; ours [T, heads * head_dim]. */
static float *by_head(const float *data, size_t rows, size_t cols, size_t dim)
{
    float *out = malloc(rows * cols * sizeof *out);
    for (size_t h = 0; h < cols / dim; h++)
        for (size_t r = 0; r < rows; r++)
            memcpy(out + (h * rows + r) * dim, data + r * cols + h * dim, dim * sizeof *out);
    return out;
}

/* Relative to the array's own spread: every activation is a sum of up to a few hundred float32 terms, twelve or thirty
 * layers deep. The reference's float32 run shows 1e-5 of the spread at the logits; ten times that is allowed. */
static void watch(void *arg, const char *name, const float *data, size_t rows, size_t cols)
{
    watcher *w = arg;
    char full[80];
    golden_array a;
    figures f = { 0 };
    snprintf(full, sizeof full, "trace.%s", name);
    if (!golden_find(w->g, full, &a))
        return;
    assert_int_equal(a.count, rows * cols);
    float *turned = strstr(name, "q_norm") || strstr(name, "k_norm") ? by_head(data, rows, cols, w->c->head_dim) : NULL;
    compare(&f, turned ? turned : data, a.data, a.count);
    free(turned);
    double relative = f.worst / sqrt(f.ref_sq / (double)f.n);
    if (!(relative <= 1e-4))
        fail_msg("%s: largest difference %g, spread %g", name, f.worst, sqrt(f.ref_sq / (double)f.n));
    if (relative > w->worst) {
        w->worst = relative;
        snprintf(w->worst_name, sizeof w->worst_name, "%s", name);
    }
    w->n_seen++;
}

static size_t count_traces(golden_file *g)
{
    const char *key;
    json_t *v;
    size_t n = 0;
    json_object_foreach(json_object_get(g->manifest, "arrays"), key, v)
        n += strncmp(key, "trace.", 6) == 0;
    return n;
}

static void test_traces(void **state)
{
    (void)state;
    const char *models[] = { "models/tiny-text", "models/odd-text", "models/seed-shape" };
    for (size_t i = 0; i < 3; i++) {
        char folder[64], name[64];
        size_t n;
        subject s;
        snprintf(folder, sizeof folder, "%s/golden", models[i]);
        golden_file *g = golden_open(folder);
        subject_open(&s, models[i],
                     (subject_options){ .level = level, .exact = true, .scale = CARAT_EMBED_SCALE_EXACT });
        watcher w = { .g = g, .c = s.cfg };
        snprintf(name, sizeof name, "prompt%d.ids",
                 (int)json_integer_value(json_object_get(g->manifest, "trace_prompt")));
        const int32_t *ids = golden_i32(g, name, 0, &n);
        ct_text_trace(s.cpu->text, watch, &w);
        free(subject_logits(&s, ids, n, n));
        assert_int_equal(w.n_seen, count_traces(g));
        printf("%-20s %zu activations, worst %.1e of its spread (%s)\n", models[i], w.n_seen, w.worst, w.worst_name);
        golden_close(g);
        subject_close(&s);
    }
}

/* ---- greedy ---- */

static void check_greedy(subject *s, golden_file *g, int prompt, const char *list)
{
    char name[64];
    golden_array a;
    size_t n, n_out;
    snprintf(name, sizeof name, list, prompt);
    if (!golden_find(g, name, &a))
        return;
    const int32_t *ref = golden_i32(g, name, 0, &n_out);
    snprintf(name, sizeof name, "prompt%d.ids", prompt);
    const int32_t *ids = golden_i32(g, name, 0, &n);
    int32_t *out = malloc(n_out * sizeof *out);
    subject_greedy(s, ids, n, out, n_out);
    for (size_t i = 0; i < n_out; i++)
        assert_int_equal(out[i], ref[i]);
    free(out);
}

static void test_greedy(void **state)
{
    (void)state;
    const checkpoint models[] = { checkpoints[0], checkpoints[1], checkpoints[3], checkpoints[4], checkpoints[7] };
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        subject s;
        subject_open(&s, models[i].path,
                     (subject_options){ .level = level, .exact = true, .scale = CARAT_EMBED_SCALE_EXACT });
        golden_file *g = golden_open(models[i].golden);
        for (int p = 0; p < 16; p++)
            if (prompt_exists(g, p) && !(models[i].images && has_images(g, p)))
                check_greedy(&s, g, p, models[i].images ? "prompt%d.greedy" : "greedy%d.ids");
        golden_close(g);
        subject_close(&s);
    }
}

int main(int argc, char **argv)
{
    level = subject_level(argc, argv);
    takes_all = subject_takes_all(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logits), cmocka_unit_test(test_b56_embed_scale_bf16),  cmocka_unit_test(test_traces),
        cmocka_unit_test(test_greedy), cmocka_unit_test(test_converted_activations), cmocka_unit_test(test_image_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
