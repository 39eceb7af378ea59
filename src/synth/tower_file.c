/* A tower of random weights, with the names that llama.cpp or Ollama gives its tensors.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "synth/tower_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/size.h"
#include "model/write_gguf.h"

#define POOL 65536 /* values drawn once; every row begins somewhere else in them */

enum extent { ONE, HIDDEN, FFN, PATCH, PATCHES, TEXT };
enum kind { MATRIX, PLAIN_MATRIX, BIAS, NORM, POSITIONS };

typedef struct part {
    const char *name[2]; /* llama.cpp's mmproj, Ollama's; of a layer what follows its number */
    enum kind kind;
    enum extent cols, rows; /* as GGUF has them: cols first */
} part;

static const part tower_parts[] = {
    { { "v.patch_embd.weight", "v.patch_embedding.weight" }, PLAIN_MATRIX, PATCH, HIDDEN },
    { { "v.patch_embd.bias", "v.patch_embedding.bias" }, BIAS, HIDDEN, ONE },
    { { "v.position_embd.weight", "v.position_embedding.weight" }, POSITIONS, HIDDEN, PATCHES },
    { { "v.post_ln.weight", "v.post_layernorm.weight" }, NORM, HIDDEN, ONE },
    { { "v.post_ln.bias", "v.post_layernorm.bias" }, BIAS, HIDDEN, ONE },
    { { "mm.soft_emb_norm.weight", "mm.mm_soft_emb_norm.weight" }, NORM, HIDDEN, ONE },
    { { "mm.input_projection.weight", "mm.mm_input_projection.weight" }, PLAIN_MATRIX, TEXT, HIDDEN },
};
static const part layer_parts[] = {
    { { "ln1.weight", "layer_norm1.weight" }, NORM, HIDDEN, ONE },
    { { "ln1.bias", "layer_norm1.bias" }, BIAS, HIDDEN, ONE },
    { { "attn_q.weight", "attn_q.weight" }, MATRIX, HIDDEN, HIDDEN },
    { { "attn_q.bias", "attn_q.bias" }, BIAS, HIDDEN, ONE },
    { { "attn_k.weight", "attn_k.weight" }, MATRIX, HIDDEN, HIDDEN },
    { { "attn_k.bias", "attn_k.bias" }, BIAS, HIDDEN, ONE },
    { { "attn_v.weight", "attn_v.weight" }, MATRIX, HIDDEN, HIDDEN },
    { { "attn_v.bias", "attn_v.bias" }, BIAS, HIDDEN, ONE },
    { { "attn_out.weight", "attn_output.weight" }, MATRIX, HIDDEN, HIDDEN },
    { { "attn_out.bias", "attn_output.bias" }, BIAS, HIDDEN, ONE },
    { { "ln2.weight", "layer_norm2.weight" }, NORM, HIDDEN, ONE },
    { { "ln2.bias", "layer_norm2.bias" }, BIAS, HIDDEN, ONE },
    { { "ffn_up.weight", "mlp.fc1.weight" }, MATRIX, HIDDEN, FFN },
    { { "ffn_up.bias", "mlp.fc1.bias" }, BIAS, FFN, ONE },
    { { "ffn_down.weight", "mlp.fc2.weight" }, MATRIX, FFN, HIDDEN },
    { { "ffn_down.bias", "mlp.fc2.bias" }, BIAS, HIDDEN, ONE },
};
#define N_TOWER (sizeof tower_parts / sizeof *tower_parts)
#define N_LAYER (sizeof layer_parts / sizeof *layer_parts)

static uint64_t extent_of(const ct_synth_tower *t, enum extent e)
{
    switch (e) {
    case HIDDEN:
        return t->cfg.hidden;
    case FFN:
        return t->cfg.ffn;
    case PATCH:
        return 3ull * t->cfg.patch_size * t->cfg.patch_size;
    case PATCHES:
        return ct_vision_patches(&t->cfg);
    case TEXT:
        return t->text_width;
    default:
        return 1;
    }
}

/* Part i in file order; NULL past the last. */
static const part *part_at(const ct_synth_tower *t, size_t i, char name[64])
{
    const part *p = i < N_TOWER ? &tower_parts[i] : &layer_parts[(i - N_TOWER) % N_LAYER];
    if (i >= N_TOWER + N_LAYER * (size_t)t->cfg.n_layer)
        return NULL;
    if (i < N_TOWER)
        snprintf(name, 64, "%s", p->name[!t->is_alone]);
    else
        snprintf(name, 64, "v.blk.%zu.%s", (i - N_TOWER) / N_LAYER, p->name[!t->is_alone]);
    return p;
}

/* What cannot be quantised is f16, as llama.cpp's converter has it: rows that blocks do not divide, the patches, and
 * the projector, which is read transposed. */
static ct_type type_of(const ct_synth_tower *t, const part *p)
{
    const ct_type_info *info = ct_type_get(t->type);
    if (p->kind != MATRIX && p->kind != PLAIN_MATRIX)
        return CT_F32;
    return info->is_quantised && (p->kind == PLAIN_MATRIX || extent_of(t, p->cols) % info->block) ? CT_F16 : t->type;
}

static void write_keys(ct_gguf_writer *w, const ct_synth_tower *t)
{
    if (t->is_alone) {
        ct_write_tower_keys(w, &t->cfg, t->text_width);
        return;
    }
    ct_write_tower_shape(w, &t->cfg, "gemma3");
    ct_gguf_writer_u32(w, "gemma3.mm.tokens_per_image", t->cfg.tokens_per_image);
}

bool ct_synth_tower_declare(ct_gguf_writer *w, const ct_synth_tower *t, uint64_t *bytes, carat_err *err)
{
    char name[64];
    const part *p;
    if (!ct_vision_config_check(&t->cfg, "shape", err))
        return false;
    if (t->type != CT_F32 && t->type != CT_BF16 && t->type != CT_F16 && t->type != CT_Q8_0)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "a tower of type %s, expected f32, bf16, f16 or q8_0",
                       ct_type_get(t->type)->name);
    write_keys(w, t);
    for (size_t i = 0; (p = part_at(t, i, name)); i++) {
        const uint64_t cols = extent_of(t, p->cols), rows = extent_of(t, p->rows), side = t->cfg.patch_size;
        size_t row_bytes, all;
        if (!ct_row_bytes(type_of(t, p), cols, &row_bytes) || !ct_mul_size(row_bytes, rows, &all))
            return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s: rows of %llu do not divide into blocks of %s", name,
                           (unsigned long long)cols, ct_type_get(type_of(t, p))->name);
        const uint64_t flat[] = { cols, rows }, patch[] = { side, side, 3, rows };
        if (p->cols == PATCH)
            ct_gguf_writer_tensor(w, name, type_of(t, p), 4, patch);
        else
            ct_gguf_writer_tensor(w, name, type_of(t, p), p->rows == ONE ? 1 : 2, flat);
        *bytes += all;
    }
    return true;
}

/* Box and Muller, Ann. Math. Statist. 29 (1958) 610. */
static double normal(uint64_t *rng)
{
    double u = ct_rng_unit(rng), v = ct_rng_unit(rng);
    return sqrt(-2 * log(1 - u)) * cos(2 * 3.14159265358979323846 * v);
}

/* Deviations that keep activations of order one: 1/sqrt(inputs) for matrices, a tenth for norms (around 1) and biases.
 */
static void draw_row(const part *p, uint64_t inputs, const float *pool, uint64_t *rng, float *x, size_t n)
{
    const bool is_matrix = p->kind == MATRIX || p->kind == PLAIN_MATRIX;
    const float scale = is_matrix ? (float)(1 / sqrt((double)inputs)) : 0.1f, mean = p->kind == NORM;
    for (size_t i = 0, at = ct_rng_next(rng) % POOL; i < n; i++, at = (at + 1) % POOL)
        x[i] = mean + scale * pool[at];
}

static void encode_row(ct_type type, const float *x, uint8_t *row, size_t n)
{
    if (type == CT_F32)
        memcpy(row, x, n * sizeof *x);
    else
        ct_quantise_row(type, x, row, n);
}

static bool fill_part(ct_gguf_writer *w, const ct_synth_tower *t, const part *p, const float *pool, uint64_t *rng,
                      uint64_t *bytes, carat_err *err)
{
    const size_t cols = (size_t)extent_of(t, p->cols), rows = (size_t)extent_of(t, p->rows);
    const uint64_t inputs = extent_of(t, p->cols == TEXT ? p->rows : p->cols);
    size_t row_bytes = 0;
    ct_row_bytes(type_of(t, p), cols, &row_bytes);
    float *x = malloc(cols * sizeof *x);
    uint8_t *row = malloc(row_bytes);
    bool ok = (x && row) || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a row of %zu", cols);
    for (size_t r = 0; ok && r < rows; r++) {
        draw_row(p, inputs, pool, rng, x, cols);
        encode_row(type_of(t, p), x, row, cols);
        ok = ct_gguf_writer_data(w, row, row_bytes, err);
    }
    free(x), free(row);
    *bytes += (uint64_t)row_bytes * rows;
    return ok;
}

bool ct_synth_tower_fill(ct_gguf_writer *w, const ct_synth_tower *t, bool (*done)(void *arg, uint64_t bytes), void *arg,
                         carat_err *err)
{
    char name[64];
    const part *p;
    uint64_t rng = t->seed + 1, bytes = 0;
    float *pool = malloc(POOL * sizeof *pool);
    bool ok = pool || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for random values");
    for (size_t i = 0; ok && i < POOL; i++)
        pool[i] = (float)normal(&rng);
    for (size_t i = 0; ok && (p = part_at(t, i, name)); i++) {
        ok = fill_part(w, t, p, pool, &rng, &bytes, err);
        if (ok && done && !done(arg, bytes))
            ok = ct_fail(err, CARAT_ECANCELLED, CARAT_NOWHERE, "cancelled");
    }
    free(pool);
    return ok;
}

typedef struct reporting { /* how far the writing is, for the caller */
    carat_progress_fn *progress;
    void *arg;
    uint64_t total;
} reporting;

static bool report(void *arg, uint64_t bytes)
{
    const reporting *t = arg;
    return !t->progress || t->progress(t->arg, bytes, t->total);
}

bool ct_synth_tower_write(const ct_synth_tower *t, const char *path, carat_progress_fn *progress, void *arg,
                          carat_err *err)
{
    ct_gguf_writer *w;
    reporting to = { .progress = progress, .arg = arg };
    if (!ct_gguf_create(path, &w, err))
        return false;
    if (!ct_synth_tower_declare(w, t, &to.total, err) || !ct_synth_tower_fill(w, t, report, &to, err)) {
        ct_gguf_abandon(w);
        return false;
    }
    return ct_gguf_finish(w, err);
}
