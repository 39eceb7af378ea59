/* test_vision.c - the vision tower and the projector against the reference, module by module, and prompts with images.
 *
 *     test_vision --level LEVEL
 *
 * The golden values are float64 runs stored as float32. The set's own tolerance for what the projector gives is 1e-4.
 * It is a difference of normalised rows (spread about 1), so a stage whose values spread over s is given 1e-4 s.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "format/gguf_write.h"
#include "format/safetensors.h"
#include "golden_file.h"
#include "image/image.h"
#include "loaded.h"
#include "subject.h"
#include "tensor_bytes.h"
#include "unit.h"

static const char *level;

typedef struct packaging {
    const char *model;
    const char *vision, *text; /* under TEST_DATA/models */
} packaging;

/* One file with text and tower, in the layout that Ollama stores, is made from the other two; its name holds that of
 * the mmproj file, whose projector is in f16. */
static char combined[2][512];

static packaging packagings[] = {
    { "tiny-vl", "tiny-vl", "tiny-vl" },
    { "tiny-vl", "tiny-vl/gguf/mmproj-tiny-vl-f32.gguf", "tiny-vl/gguf/tiny-vl-f32.gguf" },
    { "vl-small-window", "vl-small-window", "vl-small-window" },
    { "vl-small-window", "vl-small-window/gguf/mmproj-vl-small-window-f32.gguf",
      "vl-small-window/gguf/vl-small-window-f32.gguf" },
    { "tiny-vl", combined[0], combined[0] },
    { "vl-small-window", combined[1], combined[1] },
};
#define N_PACKAGING (sizeof packagings / sizeof *packagings)

/* ---- one file of two ---- */

/* The name that a tensor of an mmproj file has in a combined one. */
static void combined_name(const char *name, char out[96])
{
    static const char *const pairs[][2] = {
        { "patch_embd", "patch_embedding" },
        { "position_embd", "position_embedding" },
        { "post_ln", "post_layernorm" },
        { "soft_emb_norm", "mm_soft_emb_norm" },
        { "attn_out", "attn_output" },
        { "input_projection", "mm_input_projection" },
        { ".ln1", ".layer_norm1" },
        { ".ln2", ".layer_norm2" },
        { "ffn_up", "mlp.fc1" },
        { "ffn_down", "mlp.fc2" },
    };
    snprintf(out, 96, "%s", name);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const char *at = strstr(name, pairs[i][0]);
        if (at)
            snprintf(out, 96, "%.*s%s%s", (int)(at - name), name, pairs[i][1], at + strlen(pairs[i][0]));
    }
}

static void declare(ct_gguf_writer *w, const ct_gguf *g, bool is_tower)
{
    const ct_tensors *t = ct_gguf_tensors(g);
    for (size_t i = 0; i < t->n; i++) {
        char name[96];
        snprintf(name, sizeof name, "%s", t->items[i].name);
        if (is_tower)
            combined_name(t->items[i].name, name);
        ct_gguf_writer_tensor(w, name, t->items[i].type, t->items[i].n_dims, t->items[i].dims);
    }
}

static void combine(const char *text, const char *tower, const char *out)
{
    ct_gguf *g[2];
    ct_gguf_writer *w;
    carat_err err;
    char path[512], key[128];
    const char *const files[] = { text, tower };
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, TEST_DATA "/models/%s", files[i]);
        if (!ct_gguf_open(path, &g[i], &err))
            fail_msg("%s", err.msg);
    }
    if (!ct_gguf_create(out, &w, &err))
        fail_msg("%s", err.msg);
    for (size_t i = 0; i < ct_gguf_n_kv(g[0]); i++)
        ct_gguf_writer_copy(w, ct_gguf_kv_at(g[0], i));
    int64_t pool = 4, image = 0, patch = 1;
    for (size_t i = 0; i < ct_gguf_n_kv(g[1]); i++) { /* clip.vision.X is gemma3.vision.X there */
        ct_gguf_kv kv = *ct_gguf_kv_at(g[1], i);
        if (strncmp(kv.key, "clip.vision.", 12) != 0)
            continue;
        snprintf(key, sizeof key, "gemma3.%s", kv.key + 5);
        kv.key = key;
        ct_gguf_writer_copy(w, &kv);
    }
    assert_true(ct_gguf_int(g[1], "clip.vision.projector.scale_factor", 1, 64, &pool, &err) &&
                ct_gguf_int(g[1], "clip.vision.image_size", 1, 4096, &image, &err) &&
                ct_gguf_int(g[1], "clip.vision.patch_size", 1, 4096, &patch, &err));
    int64_t side = image / patch / pool;
    ct_gguf_writer_u32(w, "gemma3.mm.tokens_per_image", (uint32_t)(side * side));
    declare(w, g[0], false), declare(w, g[1], true);
    for (int i = 0; i < 2; i++)
        for (size_t k = 0; k < ct_gguf_tensors(g[i])->n; k++) {
            const ct_tensor *t = &ct_gguf_tensors(g[i])->items[k];
            assert_true(ct_gguf_writer_data(w, tensor_bytes(t), t->bytes, &err));
        }
    if (!ct_gguf_finish(w, &err))
        fail_msg("%s", err.msg);
    ct_gguf_close(g[0]), ct_gguf_close(g[1]);
}

static char folder[] = "/tmp/carat-test-XXXXXX";

static int make_combined(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(combined[0], sizeof combined[0], "%s/with-mmproj-tiny-vl.gguf", folder);
    snprintf(combined[1], sizeof combined[1], "%s/with-mmproj-vl-small-window.gguf", folder);
    combine(packagings[1].text, packagings[1].vision, combined[0]);
    combine(packagings[3].text, packagings[3].vision, combined[1]);
    return 0;
}

static int remove_combined(void **state)
{
    (void)state;
    remove(combined[0]), remove(combined[1]), remove(folder);
    return 0;
}

static void path_of(const char *name, char out[512])
{
    snprintf(out, 512, *name == '/' ? "%s%s" : "%s/models/%s", *name == '/' ? "" : TEST_DATA, name);
}

/* ---- a tower opened for comparing ---- */

typedef struct eyes {
    ct_kernels k;
    ct_pool *pool;
    ct_vision *v;
    golden_file *g;
    size_t n_images, n_token, width; /* of the golden set */
} eyes;

static void eyes_open(eyes *e, const packaging *p, int n_threads, bool exact)
{
    char path[512];
    unsigned mask;
    carat_err err;
    assert_true(ct_cpu_by_name(level, &mask, path));
    ct_kernels_for(&e->k, mask);
    if (!ct_pool_open(n_threads, &e->pool, &err))
        fail_msg("%s", err.msg);
    snprintf(path, sizeof path, "models/%s/golden", p->model);
    e->g = golden_open(path);
    golden_array out = golden_get(e->g, "projector.output");
    e->n_images = out.shape[0], e->n_token = out.shape[1], e->width = out.shape[2];
    path_of(p->vision, path);
    if (!tower_open(path, e->width, &e->k, e->pool, &(ct_vision_options){ .exact = exact }, &e->v, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(ct_vision_shape(e->v)->tokens_per_image, e->n_token);
}

static void eyes_close(eyes *e)
{
    tower_close(e->v);
    ct_pool_close(e->pool);
    golden_close(e->g);
}

/* What the tower sees of the golden set's bytes, [n_images][3][size][size], to be freed. The set's own pixel_values are
 * torchvision's, which rounds elsewhere than the path by Pillow that ours follows: one step of float32 apart. */
static float *pixels_of_bytes(eyes *e)
{
    golden_array rgb = golden_get(e->g, "images_u8_hwc");
    const float *ref = golden_f32(e->g, "pixel_values", rgb.count, NULL);
    size_t plane = rgb.shape[1] * rgb.shape[2];
    float *x = malloc(rgb.count * sizeof *x);
    assert_int_equal(rgb.dtype, GOLDEN_U8);
    for (size_t i = 0; i < rgb.count; i++) {
        size_t image = i / (3 * plane), c = i / plane % 3, at = i % plane;
        x[i] = ct_pixel_value(((const uint8_t *)rgb.data)[(image * plane + at) * 3 + c]);
        assert_true(fabsf(x[i] - ref[i]) <= 1e-7f);
    }
    return x;
}

/* Soft tokens of all images of the golden set: [n_images, n_token, width], to be freed. */
static float *see_all(eyes *e, const float *pixels)
{
    carat_err err;
    float *out = malloc(e->n_images * e->n_token * e->width * sizeof *out);
    assert_non_null(out);
    if (!ct_vision_encode(e->v, pixels, e->n_images, out, &err))
        fail_msg("%s", err.msg);
    return out;
}

/* ---- every stage ---- */

typedef struct stages {
    eyes *e;
    const packaging *p;
    size_t n_seen;
    double worst;   /* of all stages, in units of the stage's tolerance */
    float *project; /* the projector's matrix as the file holds it [hidden, width], or NULL: as the golden set's */
} stages;

/* The golden value at (image, row, col): rows first, or channels first where the reference has a picture. */
static float golden_at(const golden_array *a, size_t image, size_t row, size_t col, size_t rows, size_t cols)
{
    const float *x = (const float *)a->data + image * rows * cols;
    return a->n_dim == 4 ? x[col * rows + row] : x[row * cols + col];
}

static double spread(const golden_array *a)
{
    double sum = 0;
    for (size_t i = 0; i < a->count; i++)
        sum += (double)((const float *)a->data)[i] * ((const float *)a->data)[i];
    return sqrt(sum / (double)a->count);
}

/* llama.cpp's converter stores the projector's matrix in f16 whatever the file's type is called. Then the reference's
 * normalised tokens times that matrix are what is right. */
static double projected(const stages *s, size_t image, size_t row, size_t col)
{
    golden_array x = golden_get(s->e->g, "projector.soft_emb_norm");
    size_t n = x.shape[2];
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)golden_at(&x, image, row, i, s->e->n_token, n) * s->project[i * s->e->width + col];
    return sum;
}

static void look(void *arg, const char *name, const float *data, size_t rows, size_t cols)
{
    stages *s = arg;
    golden_array ref = golden_get(s->e->g, name);
    size_t n_stages = 7 - 1 + ct_vision_shape(s->e->v)->n_layer, image = s->n_seen++ / n_stages;
    bool is_output = strcmp(name, "projector.output") == 0;
    double scale = fmax(spread(&ref), 1), worst = 0;
    assert_int_equal(ref.count, s->e->n_images * rows * cols);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++) {
            double want =
                is_output && s->project ? projected(s, image, r, c) : (double)golden_at(&ref, image, r, c, rows, cols);
            double d = fabs((double)data[r * cols + c] - want);
            if (!(d <= worst))
                worst = d;
        }
    if (!(worst <= 1e-4 * scale))
        fail_msg("%s, image %zu, %s: differs by up to %g, tolerance %g", s->p->vision, image, name, worst,
                 1e-4 * scale);
    s->worst = fmax(s->worst, worst / (1e-4 * scale));
}

/* The projector's matrix rounded to f16, from the folder of the same model. */
static float *project_in_f16(const packaging *p, size_t n)
{
    char path[512];
    carat_err err;
    ct_safetensors *st;
    snprintf(path, sizeof path, TEST_DATA "/models/%s", p->model);
    if (!ct_safetensors_open(path, &st, &err))
        fail_msg("%s", err.msg);
    const ct_tensor *t =
        ct_tensors_find(ct_safetensors_tensors(st), "multi_modal_projector.mm_input_projection_weight");
    assert_non_null(t);
    assert_int_equal(t->dims[0] * t->dims[1], n);
    float *w = malloc(n * sizeof *w);
    ct_unpack_row(t->type, tensor_bytes(t), w, n);
    for (size_t i = 0; i < n; i++)
        w[i] = ct_f16_to_f32(ct_f32_to_f16(w[i]));
    ct_safetensors_close(st);
    return w;
}

static void test_stages(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_PACKAGING; i++) {
        eyes e;
        eyes_open(&e, &packagings[i], 1, true);
        stages s = { .e = &e, .p = &packagings[i] };
        if (strstr(packagings[i].vision, "mmproj"))
            s.project = project_in_f16(&packagings[i], ct_vision_shape(e.v)->hidden * e.width);
        ct_vision_set_trace(e.v, look, &s);
        float *out = see_all(&e, golden_f32(e.g, "pixel_values", 0, NULL));
        assert_int_equal(s.n_seen, e.n_images * (6 + ct_vision_shape(e.v)->n_layer));
        printf("%-60s worst stage %.3f of its tolerance\n", packagings[i].vision, s.worst);
        free(out), free(s.project);
        eyes_close(&e);
    }
}

/* ---- the same bits ---- */

/* Bytes or floats, one image or all, one thread or three: nothing of it changes a bit. */
static void test_same_bits(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_PACKAGING; i++)
        for (int exact = 0; exact < 2; exact++) {
            eyes e, f;
            carat_err err;
            eyes_open(&e, &packagings[i], 1, exact);
            eyes_open(&f, &packagings[i], 3, exact);
            float *pixels = pixels_of_bytes(&e), *whole = see_all(&e, pixels), *other = see_all(&f, pixels);
            size_t bytes = e.n_images * e.n_token * e.width * sizeof *whole, size = bytes / e.n_images;
            assert_memory_equal(whole, other, bytes);
            golden_array rgb = golden_get(e.g, "images_u8_hwc");
            for (size_t n = e.n_images; n-- > 0;) {
                const uint8_t *image = (const uint8_t *)rgb.data + n * rgb.count / e.n_images;
                if (!ct_vision_encode_rgb(f.v, image, 1, other, &err))
                    fail_msg("%s", err.msg);
                assert_memory_equal(other, (char *)whole + n * size, size);
            }
            free(pixels), free(whole), free(other);
            eyes_close(&e), eyes_close(&f);
        }
}

/* ---- as users run it ---- */

/* bf16 or int8 activations: the cosine of every token with the reference's. */
static void test_converted(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_PACKAGING; i++) {
        eyes e;
        double worst = 1;
        eyes_open(&e, &packagings[i], 1, false);
        float *out = see_all(&e, golden_f32(e.g, "pixel_values", 0, NULL));
        const float *ref = golden_f32(e.g, "projector.output", e.n_images * e.n_token * e.width, NULL);
        for (size_t t = 0; t < e.n_images * e.n_token; t++) {
            double xy = 0, xx = 0, yy = 0;
            for (size_t c = t * e.width; c < (t + 1) * e.width; c++)
                xy += (double)out[c] * ref[c], xx += (double)out[c] * out[c], yy += (double)ref[c] * ref[c];
            worst = fmin(worst, xy / sqrt(xx * yy));
        }
        printf("%-60s smallest cosine %.6f\n", packagings[i].vision, worst);
        assert_true(worst >= 0.9995);
        free(out);
        eyes_close(&e);
    }
}

/* ---- prompts with images ---- */

/* The tokens of a prompt, its images' rows put into slots from slot0 on. images: which of the golden set, in the
 * prompt's order. */
static ct_step_input *inputs_of(subject *s, eyes *e, uint32_t slot0, int prompt, const float *soft,
                                const json_t *images, size_t *n)
{
    char name[64];
    snprintf(name, sizeof name, "prompt%d.ids", prompt);
    const int32_t *ids = golden_i32(e->g, name, 0, n);
    snprintf(name, sizeof name, "prompt%d.token_type_ids", prompt);
    const int32_t *types = golden_i32(e->g, name, *n, NULL);
    ct_step_input *in = calloc(*n, sizeof *in);
    size_t image = 0;
    for (size_t i = 0; i < *n; i++) {
        in[i].id = ids[i];
        if (types[i] != 1)
            continue;
        size_t which = (size_t)json_integer_value(json_array_get(images, image++));
        for (size_t t = 0; t < e->n_token; t++, i++) {
            assert_int_equal(types[i], 1);
            subject_soft(s, &in[i], slot0 + (uint32_t)which, soft + which * e->n_token * e->width, t);
            in[i].sees_ahead = (uint32_t)(e->n_token - 1 - t);
        }
        i--;
    }
    assert_int_equal(image, json_array_size(images));
    return in;
}

/* Steps of at most chunks[i] tokens (the last value again and again); logits of every position. */
static void step_all(subject *s, ct_kv *kv, const ct_step_input *in, size_t n, const json_t *chunks, float *out)
{
    size_t rows[1024], at = 0;
    for (size_t done = 0, step; done < n; done += step) {
        size_t want = chunks ? (size_t)json_integer_value(json_array_get(chunks, at)) : n;
        at += at + 1 < json_array_size(chunks);
        step = ct_step_cut(in + done, n - done, want);
        ct_step_span span = { kv, in + done, step };
        subject_step(s, &span, 1);
        for (size_t i = 0; i < step; i++)
            rows[i] = i;
        subject_rows(s, rows, step, out + done * s->cfg->n_vocab);
    }
}

static void check_greedy(subject *s, eyes *e, ct_kv *kv, int prompt, const float *last)
{
    char name[64];
    size_t n, n_vocab = s->cfg->n_vocab, row = 0;
    snprintf(name, sizeof name, "prompt%d.greedy", prompt);
    const int32_t *ref = golden_i32(e->g, name, 0, &n);
    float *logits = malloc(n_vocab * sizeof *logits);
    memcpy(logits, last, n_vocab * sizeof *logits);
    for (size_t i = 0; i < n; i++) {
        int32_t id = (int32_t)argmax(logits, n_vocab);
        assert_int_equal(id, ref[i]);
        subject_append(s, kv, &id, 1, 1, NULL);
        subject_rows(s, &row, 1, logits);
    }
    free(logits);
}

static float *logits_of(subject *s, const ct_step_input *in, size_t n, const json_t *chunks, ct_kv **kept)
{
    ct_kv *kv = subject_kv(s);
    float *logits = malloc(n * s->cfg->n_vocab * sizeof *logits);
    step_all(s, kv, in, n, chunks, logits);
    if (kept)
        *kept = kv;
    else
        ct_kv_close(kv);
    return logits;
}

static double largest_difference(const float *x, const float *y, size_t n)
{
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)x[i] - y[i]);
        worst = d <= worst ? worst : d;
    }
    return worst;
}

/* right: rows that stand for the images instead of ours where the file's weights are not the golden set's; then the
 * text model, which the other packagings hold against the golden logits, says what logits these rows give. */
static double check_prompt(subject *s, eyes *e, const packaging *p, int prompt, const float *soft, const float *right)
{
    char name[64];
    const json_t *j = json_array_get(json_object_get(e->g->manifest, "prompts"), (size_t)prompt);
    size_t n, n_vocab = s->cfg->n_vocab;
    ct_step_input *in = inputs_of(s, e, 0, prompt, soft, json_object_get(j, "images"), &n);
    ct_kv *kv;
    float *logits = logits_of(s, in, n, NULL, &kv);
    const float *last = logits + (n - 1) * n_vocab;
    snprintf(name, sizeof name, "prompt%d.logits", prompt);
    const float *ref = golden_f32(e->g, name, n * n_vocab, NULL);
    float *other = NULL;
    if (right) {
        ct_step_input *in2 = inputs_of(s, e, SUBJECT_SLOTS / 2, prompt, right, json_object_get(j, "images"), &n);
        ref = other = logits_of(s, in2, n, NULL, NULL);
        free(in2);
    } else {
        check_greedy(s, e, kv, prompt, last);
    }
    ct_kv_close(kv);
    double diff = largest_difference(logits, ref, n * n_vocab);
    if (!(diff <= 5e-4))
        fail_msg("%s, prompt %d: logits differ by up to %g, tolerance 5e-4", p->vision, prompt, diff);
    if (json_array_size(json_object_get(j, "images"))) { /* B06: not the numbers of a causal mask */
        snprintf(name, sizeof name, "prompt%d.logits_wrong_causal", prompt);
        assert_true(largest_difference(last, golden_f32(e->g, name, n_vocab, NULL), n_vocab) > 1);
    }
    const json_t *tries = json_object_get(j, "chunks_to_try"); /* B22: cuts that fall into an image move */
    for (size_t i = 0; i < json_array_size(tries); i++) {
        float *cut = logits_of(s, in, n, json_array_get(tries, i), NULL);
        assert_memory_equal(cut, logits, n * n_vocab * sizeof *cut);
        free(cut);
    }
    free(in), free(logits), free(other);
    return diff;
}

/* All images' tokens in exact arithmetic from the reference's normalised ones, for a projector kept in f16. */
static float *project_all(eyes *e, const packaging *p)
{
    stages s = { .e = e, .p = p, .project = project_in_f16(p, ct_vision_shape(e->v)->hidden * e->width) };
    float *rows = malloc(e->n_images * e->n_token * e->width * sizeof *rows);
    for (size_t t = 0; t < e->n_images * e->n_token; t++)
        for (size_t c = 0; c < e->width; c++)
            rows[t * e->width + c] = (float)projected(&s, t / e->n_token, t % e->n_token, c);
    free(s.project);
    return rows;
}

static void test_prompts(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_PACKAGING; i++) {
        eyes e;
        subject s;
        char path[512];
        double worst = 0;
        eyes_open(&e, &packagings[i], 1, true);
        path_of(packagings[i].text, path);
        subject_open(
            &s, path,
            (subject_options){ .level = level, .exact = true, .scale = CARAT_EMBED_SCALE_EXACT, .n_soft = e.n_token });
        float *soft = see_all(&e, golden_f32(e.g, "pixel_values", 0, NULL));
        /* vl-small-window's bf16 weights fit f16 as they are */
        bool is_rounded = strstr(packagings[i].vision, "mmproj-tiny-vl") != NULL;
        float *right = is_rounded ? project_all(&e, &packagings[i]) : NULL;
        size_t n = json_array_size(json_object_get(e.g->manifest, "prompts"));
        for (size_t p = 0; p < n; p++)
            worst = fmax(worst, check_prompt(&s, &e, &packagings[i], (int)p, soft, right));
        printf("%-60s %zu prompts, largest difference %.1e\n", packagings[i].vision, n, worst);
        free(soft), free(right);
        subject_close(&s);
        eyes_close(&e);
    }
}

int main(int argc, char **argv)
{
    level = subject_level(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stages),
        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_converted),
        cmocka_unit_test(test_prompts),
    };
    return cmocka_run_group_tests(tests, make_combined, remove_combined);
}
