/* test_vision.c - towers that the golden set does not have: more patches than a block, a tile or an item holds, other
 * types and layouts, damaged files; memory, progress, faults.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "carat_weigh.h"
#include "cpu/vision_work.h"
#include "loaded.h"
#include "tensor_bytes.h"
#include "tower_file.h"
#include "unit.h"

static char path[64];
static ct_pool *pool;
static ct_kernels k;

static int set_up(void **state)
{
    (void)state;
    carat_err err;
    snprintf(path, sizeof path, "/tmp/carat-test-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    ct_kernels_for(&k, ct_cpu_preferred());
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

/* 33 x 33 patches: two blocks, 18 tiles (the last of one key), nine items of rows; 11 x 11 tokens of 3 x 3 patches. */
static const tower_shape wide = {
    .cfg = { true, 24, 40, 2, 3, 66, 2, 3, 121, 1e-6f }, .text_width = 20, .type = CT_F32, .seed = 1
};
/* 4 x 4 patches, rows that blocks of 32 divide. */
static const tower_shape small = {
    .cfg = { true, 64, 96, 3, 2, 28, 7, 3, 4, 1e-6f }, .text_width = 48, .type = CT_F32, .seed = 2
};
/* 11 x 11 patches and two pixels beside them; 2 x 2 tokens of 5 x 5 patches, and a row and a column of patches left over. */
static const tower_shape uneven = {
    .cfg = { true, 24, 40, 2, 3, 35, 3, 3, 4, 1e-6f }, .text_width = 20, .type = CT_F32, .seed = 3
};
/* The same of 9 x 9 patches: 4 x 4 tokens of 2 x 2. */
static const tower_shape uneven_too = {
    .cfg = { true, 24, 40, 2, 3, 18, 2, 3, 16, 1e-6f }, .text_width = 20, .type = CT_F32, .seed = 4
};

static void write_file(const tower_shape *s)
{
    carat_err err;
    if (!tower_write(path, s, &err))
        fail_msg("%s", err.msg);
}

static ct_vision *open_tower(const tower_shape *s, bool exact)
{
    ct_vision *v;
    carat_err err;
    write_file(s);
    if (!tower_open(path, s->text_width, &k, pool, &(ct_vision_options){ .exact = exact }, &v, &err))
        fail_msg("%s", err.msg);
    return v;
}

static float *random_pixels(const tower_shape *s, size_t n)
{
    size_t values = n * 3 * s->cfg.image_size * s->cfg.image_size;
    uint32_t state = 12345;
    float *x = malloc(values * sizeof *x);
    for (size_t i = 0; i < values; i++) {
        state = state * 1664525u + 1013904223u;
        x[i] = (float)(state >> 8) * 0x1p-23f - 1.0f;
    }
    return x;
}

static size_t out_values(const tower_shape *s)
{
    return (size_t)s->cfg.tokens_per_image * s->text_width;
}

static float *see(const tower_shape *s, bool exact)
{
    carat_err err;
    ct_vision *v = open_tower(s, exact);
    float *x = random_pixels(s, 1), *out = malloc(out_values(s) * sizeof *out);
    if (!ct_vision_encode(v, x, 1, out, &err))
        fail_msg("%s", err.msg);
    tower_close(v);
    free(x);
    return out;
}

/* ---- the formulas of vision.h, one value after another in double, straight from the file ---- */

typedef struct plain {
    ct_gguf *g;
    const tower_shape *s;
} plain;

static double *weights(const plain *p, const char *fmt, unsigned layer)
{
    char name[64];
    snprintf(name, sizeof name, fmt, layer);
    const ct_tensor *t = ct_tensors_find(ct_gguf_tensors(p->g), name);
    assert_non_null(t);
    size_t n = t->dims[0] * t->dims[1] * t->dims[2] * t->dims[3];
    float *f = malloc(n * sizeof *f);
    double *w = malloc(n * sizeof *w);
    ct_unpack_row(t->type, tensor_bytes(t), f, n);
    for (size_t i = 0; i < n; i++)
        w[i] = f[i];
    free(f);
    return w;
}

/* y[n, rows] = x[n, cols] W^T + b; `what` is the tensors' name without .weight and .bias. */
static double *affine(const plain *p, const char *what, unsigned layer, const double *x, size_t n, size_t rows,
                      size_t cols)
{
    char name[64];
    snprintf(name, sizeof name, "%s.weight", what);
    double *w = weights(p, name, layer), *y = malloc(n * rows * sizeof *y);
    snprintf(name, sizeof name, "%s.bias", what);
    double *b = weights(p, name, layer);
    for (size_t i = 0; i < n * rows; i++) {
        y[i] = b[i % rows];
        for (size_t c = 0; c < cols; c++)
            y[i] += w[i % rows * cols + c] * x[i / rows * cols + c];
    }
    free(w), free(b);
    return y;
}

static double *layer_norm(const plain *p, const char *what, unsigned layer, const double *x, size_t n, size_t cols)
{
    char name[64];
    snprintf(name, sizeof name, "%s.weight", what);
    double *w = weights(p, name, layer), *y = malloc(n * cols * sizeof *y);
    snprintf(name, sizeof name, "%s.bias", what);
    double *b = weights(p, name, layer);
    for (size_t r = 0; r < n; r++, x += cols) {
        double mean = 0, square = 0;
        for (size_t i = 0; i < cols; i++)
            mean += x[i] / (double)cols;
        for (size_t i = 0; i < cols; i++)
            square += (x[i] - mean) * (x[i] - mean) / (double)cols;
        for (size_t i = 0; i < cols; i++)
            y[r * cols + i] = (x[i] - mean) / sqrt(square + (double)p->s->cfg.eps) * w[i] + b[i];
    }
    free(w), free(b);
    return y;
}

static double *attention(const double *q, const double *key, const double *v, size_t n, size_t hidden, size_t heads)
{
    size_t dim = hidden / heads;
    double *out = calloc(n * hidden, sizeof *out), *e = malloc(n * sizeof *e);
    for (size_t h = 0; h < heads; h++)
        for (size_t r = 0; r < n; r++) {
            double sum = 0, top = -INFINITY;
            for (size_t t = 0; t < n; t++) {
                e[t] = 0;
                for (size_t i = h * dim; i < (h + 1) * dim; i++)
                    e[t] += q[r * hidden + i] * key[t * hidden + i] / sqrt((double)dim);
                top = fmax(top, e[t]);
            }
            for (size_t t = 0; t < n; t++)
                sum += e[t] = exp(e[t] - top);
            for (size_t t = 0; t < n; t++)
                for (size_t i = h * dim; i < (h + 1) * dim; i++)
                    out[r * hidden + i] += e[t] / sum * v[t * hidden + i];
        }
    free(e);
    return out;
}

static void add_to(double *x, double *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] += y[i];
    free(y);
}

static double *plain_embed(const plain *p, const float *pixels)
{
    const ct_vision_config *c = &p->s->cfg;
    size_t grid = ct_vision_grid(c), n = grid * grid, side = c->patch_size, cols = 3 * side * side;
    double *patches = malloc(n * cols * sizeof *patches);
    for (size_t i = 0; i < n * cols; i++) {
        size_t patch = i / cols, channel = i % cols / (side * side), y = i % (side * side) / side, x = i % side;
        patches[i] = (double)
            pixels[(channel * c->image_size + patch / grid * side + y) * c->image_size + patch % grid * side + x];
    }
    double *x = affine(p, "v.patch_embd", 0, patches, n, c->hidden, cols);
    add_to(x, weights(p, "v.position_embd.weight", 0), n * c->hidden);
    free(patches);
    return x;
}

static void plain_layer(const plain *p, unsigned l, double *x)
{
    const ct_vision_config *c = &p->s->cfg;
    size_t n = ct_vision_patches(c), width = c->hidden;
    double *h = layer_norm(p, "v.blk.%u.ln1", l, x, n, width);
    double *q = affine(p, "v.blk.%u.attn_q", l, h, n, width, width);
    double *key = affine(p, "v.blk.%u.attn_k", l, h, n, width, width);
    double *v = affine(p, "v.blk.%u.attn_v", l, h, n, width, width);
    double *heads = attention(q, key, v, n, width, c->n_head);
    add_to(x, affine(p, "v.blk.%u.attn_out", l, heads, n, width, width), n * width);
    free(h), free(q), free(key), free(v), free(heads);
    h = layer_norm(p, "v.blk.%u.ln2", l, x, n, width);
    double *g = affine(p, "v.blk.%u.ffn_up", l, h, n, c->ffn, width);
    for (size_t i = 0; i < n * c->ffn; i++)
        g[i] *= 0.5 * (1 + tanh(sqrt(2 / acos(-1.0)) * (g[i] + 0.044715 * g[i] * g[i] * g[i])));
    add_to(x, affine(p, "v.blk.%u.ffn_down", l, g, n, width, c->ffn), n * width);
    free(h), free(g);
}

static double *plain_tokens(const plain *p, const double *last)
{
    const ct_vision_config *c = &p->s->cfg;
    size_t grid = ct_vision_grid(c), side = (size_t)sqrt(c->tokens_per_image), pooled = grid / side;
    size_t width = c->hidden, text = p->s->text_width;
    double *norm = weights(p, "mm.soft_emb_norm.weight", 0), *w = weights(p, "mm.input_projection.weight", 0);
    double *out = calloc(side * side * text, sizeof *out), *mean = malloc(width * sizeof *mean);
    for (size_t t = 0; t < side * side; t++) {
        double square = 0;
        for (size_t i = 0; i < width; i++) {
            mean[i] = 0;
            for (size_t j = 0; j < pooled * pooled; j++)
                mean[i] += last[((t / side * pooled + j / pooled) * grid + t % side * pooled + j % pooled) * width + i];
            mean[i] /= (double)(pooled * pooled);
            square += mean[i] * mean[i] / (double)width;
        }
        for (size_t i = 0; i < width; i++)
            for (size_t o = 0; o < text; o++)
                out[t * text + o] += mean[i] / sqrt(square + (double)c->eps) * norm[i] * w[i * text + o];
    }
    free(norm), free(w), free(mean);
    return out;
}

static double *plain_see(const tower_shape *s, const float *pixels)
{
    carat_err err;
    plain p = { .s = s };
    if (!ct_gguf_open(path, &p.g, &err))
        fail_msg("%s", err.msg);
    size_t n = ct_vision_patches(&s->cfg);
    double *x = plain_embed(&p, pixels);
    for (unsigned l = 0; l < s->cfg.n_layer; l++)
        plain_layer(&p, l, x);
    double *last = layer_norm(&p, "v.post_ln", 0, x, n, s->cfg.hidden), *out = plain_tokens(&p, last);
    free(x), free(last);
    ct_gguf_close(p.g);
    return out;
}

/* With f32 activations, the golden set's tolerance: 1e-4 on rows whose spread is about 1. */
static void test_against_plain(void **state)
{
    (void)state;
    static const ct_type types[] = { CT_F32, CT_F16, CT_BF16, CT_Q8_0 };
    for (size_t i = 0; i < 7; i++) {
        tower_shape s = i < 4 ? small : i == 4 ? wide : i == 5 ? uneven : uneven_too;
        s.type = i < 4 ? types[i] : CT_F32;
        float *out = see(&s, true), *x = random_pixels(&s, 1);
        double *want = plain_see(&s, x), worst = 0, size = 0;
        for (size_t j = 0; j < out_values(&s); j++) {
            double d = fabs((double)out[j] - want[j]);
            worst = d <= worst ? worst : d;
            size += want[j] * want[j] / (double)out_values(&s);
        }
        if (!(worst <= 1e-4) || !(size > 0.25 && size < 4))
            fail_msg("%s, %u patches: differs by up to %g (mean square %g)", ct_type_get(s.type)->name,
                     ct_vision_patches(&s.cfg), worst, size);
        free(out), free(x), free(want);
    }
}

/* Names and order do not change a bit; nor does whether the tokens are stated (Ollama) or the patches that are pooled. */
static void test_layouts(void **state)
{
    (void)state;
    static const ct_type types[] = { CT_F32, CT_F16, CT_BF16, CT_Q8_0 };
    for (size_t i = 0; i < 6; i++)
        for (int exact = 0; exact < 2; exact++) {
            tower_shape s = i < 4 ? small : i == 4 ? uneven : uneven_too;
            s.type = i < 4 ? types[i] : CT_F32;
            float *a = see(&s, exact);
            s.layout = TOWER_EARLY;
            float *b = see(&s, exact);
            s.layout = TOWER_OLLAMA;
            float *c = see(&s, exact);
            assert_memory_equal(a, b, out_values(&s) * sizeof *a);
            assert_memory_equal(a, c, out_values(&s) * sizeof *a);
            free(a), free(b), free(c);
        }
}

/* ---- files that are not what they should be ---- */

static void expect_refused(const tower_shape *s, carat_code code, const char *says, const char *says_too)
{
    ct_vision *v;
    carat_err err;
    ct_vision_size size;
    write_file(s);
    assert_false(tower_open(path, small.text_width, &k, pool, &(ct_vision_options){ 0 }, &v, &err));
    assert_null(v);
    if (err.code != code || !strstr(err.msg, says) || !strstr(err.msg, says_too))
        fail_msg("code %d, \"%s\"; expected code %d, '%s', '%s'", err.code, err.msg, code, says, says_too);
    assert_false(tower_bytes(path, small.text_width, &k, 2, &(ct_vision_options){ 0 }, &size, &err));
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const tensors[] = {
        "v.patch_embd.weight",       "v.patch_embd.bias",     "v.position_embd.weight",
        "v.post_ln.weight",          "v.post_ln.bias",        "mm.soft_emb_norm.weight",
        "v.blk.0.ln1.weight",        "v.blk.2.ln2.bias",      "v.blk.1.attn_q.weight",
        "v.blk.0.attn_k.bias",       "v.blk.0.ffn_up.weight", "v.blk.0.ffn_down.bias",
        "mm.input_projection.weight"
    };
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
        tower_shape s = small;
        s.missing = tensors[i];
        expect_refused(&s, CARAT_EFORMAT, tensors[i], "no tensor");
        s.missing = NULL, s.longer = tensors[i];
        expect_refused(&s, CARAT_EFORMAT, tensors[i], "expected [");
    }
    tower_shape s = small;
    s.stated_layers = 2;
    expect_refused(&s, CARAT_EFORMAT, "v.blk.2", "2 layers");
    s.stated_layers = 4;
    expect_refused(&s, CARAT_EFORMAT, "v.blk.3", "no tensor");
    s = small, s.projector = "idefics3";
    expect_refused(&s, CARAT_EUNSUPPORTED, "idefics3", "gemma3");
    s = small, s.text_width = 40; /* B32: a projector for another model, with both widths */
    expect_refused(&s, CARAT_EARG, "width 40", "width is 48");
    s = uneven, s.stated_pool = 4; /* two squares of 4 a side, but two a side are squares of 5 */
    expect_refused(&s, CARAT_EUNSUPPORTED, "11 patches along a side pooled by 4, expected by 5", "2 tokens");
    s = small, s.cfg.n_head = 5; /* before any tensor is looked at */
    expect_refused(&s, CARAT_EFORMAT, "64 over 5 heads", "");
}

/* B32: a model without a tower says so. */
static void test_text_only(void **state)
{
    (void)state;
    ct_vision *v;
    carat_err err;
    static const char *const paths[] = { TEST_DATA "/models/tiny-text",
                                         TEST_DATA "/models/tiny-vl/gguf/tiny-vl-f32.gguf",
                                         TEST_DATA "/models/tiny-text/gguf/tiny-text-f32.gguf" };
    for (size_t i = 0; i < 3; i++) {
        assert_false(tower_open(paths[i], 96, &k, pool, &(ct_vision_options){ 0 }, &v, &err));
        assert_int_equal(err.code, CARAT_EUNSUPPORTED);
        assert_non_null(strstr(err.msg, "text only"));
    }
    assert_false(tower_open("/nonexistent/mmproj.gguf", 96, &k, pool, &(ct_vision_options){ 0 }, &v, &err));
    assert_int_equal(err.code, CARAT_EIO);
}

static void test_shapes_that_cannot_be(void **state)
{
    (void)state;
    static const ct_vision_config bad[] = {
        { true, 0, 96, 3, 2, 28, 7, 3, 4, 1e-6f },     { true, 64, 0, 3, 2, 28, 7, 3, 4, 1e-6f },
        { true, 64, 96, 0, 2, 28, 7, 3, 4, 1e-6f },    { true, 64, 96, 3, 0, 28, 7, 3, 4, 1e-6f },
        { true, 64, 96, 3, 3, 28, 7, 3, 4, 1e-6f },    { true, 2048, 96, 3, 2, 28, 7, 3, 4, 1e-6f },
        { true, 64, 96, 3, 2, 6, 7, 3, 4, 1e-6f },     { true, 64, 96, 3, 2, 28, 0, 3, 4, 1e-6f },
        { true, 64, 96, 3, 2, 28, 7, 1, 4, 1e-6f },    { true, 64, 96, 3, 2, 28, 7, 3, 5, 1e-6f },
        { true, 64, 96, 3, 2, 28, 7, 3, 9, 1e-6f },    { true, 64, 96, 3, 2, 28, 7, 3, 0, 1e-6f },
        { true, 64, 96, 3, 2, 28, 7, 3, 4, NAN },      { true, 64, 96, 3, 2, 16384, 1, 3, 4, 1e-6f },
        { true, 64, 96, 3, 2, 28, 7, 3, 4, INFINITY }, { true, 64, 96, 3, 2, 28, 7, 3, UINT32_MAX, 1e-6f },
    };
    carat_err err;
    assert_true(ct_vision_config_check(&small.cfg, "x", &err));
    assert_true(ct_vision_config_check(&(ct_vision_config){ true, 64, 96, 3, 2, 30, 7, 3, 4, 1e-6f }, "x", &err));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(ct_vision_config_check(&bad[i], "x", &err));
        assert_int_equal(err.code, CARAT_EFORMAT);
    }
}

/* Which sides go together: kernel = patches / tokens, rounded down, and as many squares of it as fit must be the tokens
 * that there are places for (transformers: Gemma3MultiModalProjector, AvgPool2d of that kernel and stride). */
static void test_pooling_as_the_reference(void **state)
{
    (void)state;
    carat_err err;
    size_t accepted = 0, uneven_ones = 0;
    for (uint32_t grid = 1; grid <= 70; grid++)
        for (uint32_t tokens = 1; tokens <= 300; tokens++) {
            const ct_vision_config c = { true, 64, 96, 3, 2, grid * 3 + grid % 3, 3, 3, tokens, 1e-6f };
            uint32_t side = 0, pooled = 0;
            while ((side + 1) * (side + 1) <= tokens)
                side++;
            uint32_t kernel = grid / side;
            for (uint32_t at = 0; kernel && at + kernel <= grid; at += kernel)
                pooled++;
            bool want = kernel && pooled * pooled == tokens;
            if (ct_vision_config_check(&c, "x", &err) != want)
                fail_msg("%u tokens of %u x %u patches: %s", tokens, grid, grid, want ? err.msg : "accepted");
            if (!want)
                continue;
            assert_int_equal(ct_vision_pool(&c), kernel);
            accepted++, uneven_ones += grid % side != 0;
        }
    assert_true(uneven_ones > 100 && accepted > uneven_ones);
}

/* B04: a weight that is not a number stops the image with an error, and the next model is none the worse. */
static void test_b04_not_finite(void **state)
{
    (void)state;
    static const char *const tensors[] = { "v.patch_embd.weight", "v.blk.1.attn_v.weight", "v.blk.2.ffn_down.weight",
                                           "mm.input_projection.weight" };
    for (size_t i = 0; i < 4; i++) {
        tower_shape s = small;
        carat_err err;
        s.nan = tensors[i];
        ct_vision *v = open_tower(&s, true);
        float *x = random_pixels(&s, 1), *out = malloc(out_values(&s) * sizeof *out);
        assert_false(ct_vision_encode(v, x, 1, out, &err));
        assert_int_equal(err.code, CARAT_ENUMERIC);
        tower_close(v);
        free(x), free(out);
    }
}

/* ---- made-up towers ---- */

static void synth(carat_tower_place place, const char *type)
{
    carat_err err;
    if (!carat_synth(&(carat_shape){ .struct_size = sizeof(carat_shape),
                                     .size = "4b",
                                     .n_layer = 1,
                                     .n_vocab = 700,
                                     .ffn = 256,
                                     .tower = place,
                                     .tower_type = type,
                                     .tower_layers = 1 },
                     path, NULL, NULL, &err))
        fail_msg("%s", err.msg);
}

/* carat synth writes towers of the published shape that are found in either place, equal ones. */
static void test_synth(void **state)
{
    (void)state;
    ct_vision *v;
    carat_err err;
    size_t n = 256 * 2560;
    uint8_t *rgb = calloc(3 * 896 * 896, 1);
    float *out[2] = { malloc(n * sizeof(float)), malloc(n * sizeof(float)) };
    for (size_t i = 0; i < 3 * 896 * 896; i++)
        rgb[i] = (uint8_t)(i * 2654435761u >> 24);
    for (int i = 0; i < 2; i++) {
        synth(i ? CARAT_TOWER_INSIDE : CARAT_TOWER_ALONE, NULL);
        if (!tower_open(path, 2560, &k, pool, &(ct_vision_options){ 0 }, &v, &err) ||
            !ct_vision_encode_rgb(v, rgb, 1, out[i], &err))
            fail_msg("%s", err.msg);
        tower_close(v);
    }
    assert_memory_equal(out[0], out[1], n * sizeof(float));
    free(rgb), free(out[0]), free(out[1]);
}

static void test_synth_types(void **state)
{
    (void)state;
    static const char *const types[] = { "f32", "f16", "bf16", "q8_0" };
    carat_err err;
    ct_vision_size size;
    size_t last = SIZE_MAX; /* each takes no more than the one before */
    for (size_t i = 0; i < 4; i++, last = size.weights) {
        synth(CARAT_TOWER_ALONE, types[i]);
        assert_true(tower_bytes(path, 2560, &k, 2, &(ct_vision_options){ 0 }, &size, &err));
        assert_true(size.weights <= last);
    }
    assert_false(
        carat_synth(&(carat_shape){ .struct_size = sizeof(carat_shape), .size = "1b", .tower = CARAT_TOWER_ALONE },
                    path, NULL, NULL, &err));
    assert_non_null(strstr(err.msg, "no vision tower"));
    assert_false(carat_synth(
        &(carat_shape){
            .struct_size = sizeof(carat_shape), .size = "4b", .tower = CARAT_TOWER_ALONE, .tower_type = "q4_0" },
        path, NULL, NULL, &err));
    assert_non_null(strstr(err.msg, "q4_0"));
}

/* ---- memory and progress ---- */

static void test_bytes_are_predicted(void **state)
{
    (void)state;
    static const ct_type types[] = { CT_F32, CT_BF16, CT_Q8_0 };
    for (size_t i = 0; i < 3; i++)
        for (int exact = 0; exact < 2; exact++) {
            tower_shape s = small;
            ct_vision_size size;
            carat_err err;
            s.type = types[i];
            ct_vision *v = open_tower(&s, exact);
            assert_true(tower_bytes(path, s.text_width, &k, 2, &(ct_vision_options){ .exact = exact }, &size, &err));
            assert_int_equal(size.weights, v->tower.arena.used);
            assert_int_equal(size.weights, v->tower.arena.size);
            assert_int_equal(size.work, v->arena.used);
            assert_int_equal(size.work, v->arena.size);
            assert_false(v->arena.overflow || v->tower.arena.overflow);
            tower_close(v);
        }
}

/* Dropped after any layer for another image: that one's tokens are as they always are. */
static void test_dropped_midway(void **state)
{
    (void)state;
    carat_err err;
    ct_vision *v = open_tower(&small, false);
    size_t n = 3 * (size_t)small.cfg.image_size * small.cfg.image_size, n_layer = small.cfg.n_layer, done;
    uint8_t *rgb = malloc(2 * n);
    float *a = malloc(out_values(&small) * sizeof *a), *b = malloc(out_values(&small) * sizeof *b);
    for (size_t i = 0; i < 2 * n; i++)
        rgb[i] = (uint8_t)(i * 2654435761u >> 11);
    assert_true(ct_vision_encode_rgb(v, rgb, 1, a, &err));
    for (size_t stop = 1; stop < n_layer; stop++) {
        ct_vision_begin(v, rgb + n, b);
        for (size_t i = 1; i <= stop; i++)
            assert_true(ct_vision_advance(v, &done, &err) && done == i);
        ct_vision_begin(v, rgb, b);
        do
            assert_true(ct_vision_advance(v, &done, &err));
        while (done < n_layer);
        assert_memory_equal(a, b, out_values(&small) * sizeof *a);
    }
    tower_close(v);
    free(rgb), free(a), free(b);
}

/* test_vision --large: the tower of real size. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_plain),
        cmocka_unit_test(test_layouts),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_text_only),
        cmocka_unit_test(test_shapes_that_cannot_be),
        cmocka_unit_test(test_pooling_as_the_reference),
        cmocka_unit_test(test_b04_not_finite),
        cmocka_unit_test(test_synth_types),
        cmocka_unit_test(test_bytes_are_predicted),
        cmocka_unit_test(test_dropped_midway),
    };
    const struct CMUnitTest large[] = { cmocka_unit_test(test_synth) };
    if (argc > 1 && strcmp(argv[1], "--large") == 0)
        return cmocka_run_group_tests(large, set_up, tear_down);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
