/* Writes small vision towers in every layout.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tower_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

typedef struct entry {
    char name[2][64]; /* llama.cpp's, Ollama's */
    ct_type type;
    uint32_t n_dims;
    uint64_t dims[4];
    double scale, mean; /* of the values */
} entry;

typedef struct list {
    const tower_shape *s;
    entry *items;
    size_t n;
} list;

static void add(list *l, const char *mmproj, const char *ollama, ct_type type, double mean, uint64_t cols,
                uint64_t rows)
{
    entry *e = &l->items[l->n++];
    *e = (entry){ .type = type, .n_dims = rows ? 2 : 1, .dims = { cols, rows ? rows : 1, 1, 1 }, .mean = mean };
    e->scale = rows && strcmp(mmproj, "v.position_embd.weight") != 0 ? 1 / sqrt((double)cols) : 0.3;
    snprintf(e->name[0], sizeof e->name[0], "%s", mmproj);
    snprintf(e->name[1], sizeof e->name[1], "%s", ollama);
}

static void add_layer(list *l, uint32_t layer, const char *mmproj, const char *ollama, double mean, uint64_t cols,
                      uint64_t rows)
{
    char a[64], b[64];
    snprintf(a, sizeof a, "v.blk.%u.%s.weight", layer, mmproj);
    snprintf(b, sizeof b, "v.blk.%u.%s.weight", layer, ollama);
    add(l, a, b, rows ? l->s->type : CT_F32, mean, cols, rows);
    snprintf(a, sizeof a, "v.blk.%u.%s.bias", layer, mmproj);
    snprintf(b, sizeof b, "v.blk.%u.%s.bias", layer, ollama);
    add(l, a, b, CT_F32, 0, rows ? rows : cols, 0);
}

static void list_tensors(list *l)
{
    const ct_vision_config *c = &l->s->cfg;
    ct_type plain = ct_type_get(l->s->type)->is_quantised ? CT_F32 : l->s->type;
    bool is_early = l->s->layout == TOWER_EARLY;
    add(l, "v.patch_embd.weight", "v.patch_embedding.weight", plain, 0, 3 * c->patch_size * c->patch_size, c->hidden);
    l->items[0].n_dims = 4;
    memcpy(l->items[0].dims, (uint64_t[]){ c->patch_size, c->patch_size, 3, c->hidden }, sizeof l->items[0].dims);
    add(l, "v.patch_embd.bias", "v.patch_embedding.bias", CT_F32, 0, c->hidden, 0);
    add(l, "v.position_embd.weight", "v.position_embedding.weight", CT_F32, 0, c->hidden, ct_vision_patches(c));
    add(l, "v.post_ln.weight", "v.post_layernorm.weight", CT_F32, 1, c->hidden, 0);
    add(l, "v.post_ln.bias", "v.post_layernorm.bias", CT_F32, 0, c->hidden, 0);
    add(l, "mm.soft_emb_norm.weight", "mm.mm_soft_emb_norm.weight", CT_F32, 1, c->hidden, 0);
    add(l, "mm.input_projection.weight", "mm.mm_input_projection.weight", plain, 0, l->s->text_width, c->hidden);
    for (uint32_t i = 0; i < c->n_layer; i++) {
        add_layer(l, i, "ln1", "layer_norm1", 1, c->hidden, 0);
        add_layer(l, i, "attn_q", "attn_q", 0, c->hidden, c->hidden);
        add_layer(l, i, "attn_k", "attn_k", 0, c->hidden, c->hidden);
        add_layer(l, i, "attn_v", "attn_v", 0, c->hidden, c->hidden);
        add_layer(l, i, "attn_out", "attn_output", 0, c->hidden, c->hidden);
        add_layer(l, i, "ln2", "layer_norm2", 1, c->hidden, 0);
        add_layer(l, i, is_early ? "ffn_down" : "ffn_up", "mlp.fc1", 0, c->hidden, c->ffn);
        add_layer(l, i, is_early ? "ffn_up" : "ffn_down", "mlp.fc2", 0, c->ffn, c->hidden);
    }
}

static void write_keys(ct_gguf_writer *w, const tower_shape *s)
{
    const ct_vision_config *c = &s->cfg;
    bool is_ollama = s->layout == TOWER_OLLAMA;
    uint32_t layers = s->stated_layers ? s->stated_layers : c->n_layer;
    uint32_t pool = s->stated_pool ? s->stated_pool : ct_vision_pool(c);
    const struct {
        const char *key;
        uint32_t value;
    } keys[] = { { "block_count", layers },         { "embedding_length", c->hidden },
                 { "feed_forward_length", c->ffn }, { "attention.head_count", c->n_head },
                 { "image_size", c->image_size },   { "patch_size", c->patch_size } };
    char key[80];
    ct_gguf_writer_text(w, "general.architecture", is_ollama ? "gemma3" : "clip");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        snprintf(key, sizeof key, "%s.vision.%s", is_ollama ? "gemma3" : "clip", keys[i].key);
        ct_gguf_writer_u32(w, key, keys[i].value);
    }
    snprintf(key, sizeof key, "%s.vision.attention.layer_norm_epsilon", is_ollama ? "gemma3" : "clip");
    ct_gguf_writer_f32(w, key, c->eps);
    if (is_ollama) {
        ct_gguf_writer_u32(w, "gemma3.mm.tokens_per_image", c->tokens_per_image);
        return;
    }
    ct_gguf_writer_bool(w, "clip.has_vision_encoder", true);
    ct_gguf_writer_text(w, "clip.projector_type", s->projector ? s->projector : "gemma3");
    ct_gguf_writer_u32(w, "clip.vision.projector.scale_factor", pool);
}

/* Sums of four uniform numbers: near enough to normal. */
static double drawn(uint64_t *state)
{
    double sum = -2;
    for (int i = 0; i < 4; i++)
        sum += ct_rng_unit(state);
    return sum * 1.7320508;
}

static bool write_data(ct_gguf_writer *w, const tower_shape *s, const entry *e, size_t number, carat_err *err)
{
    uint64_t state = s->seed * 1000003 + number;
    size_t cols = e->dims[0], row_bytes = 0;
    bool is_nan = s->nan && strcmp(s->nan, e->name[0]) == 0, ok = true;
    if (!ct_row_bytes(e->type, cols, &row_bytes))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "rows of %zu", cols);
    float *x = malloc(cols * sizeof *x);
    uint8_t *row = malloc(row_bytes);
    for (uint64_t r = 0; ok && r < e->dims[1] * e->dims[2] * e->dims[3]; r++) {
        for (size_t i = 0; i < cols; i++)
            x[i] = (float)(e->mean + e->scale * drawn(&state));
        if (is_nan)
            x[cols / 2] = NAN;
        for (size_t i = 0; i < cols && e->type == CT_BF16; i++)
            memcpy(row + 2 * i, &(uint16_t){ ct_f32_to_bf16(x[i]) }, 2);
        for (size_t i = 0; i < cols && e->type == CT_F16; i++)
            memcpy(row + 2 * i, &(uint16_t){ ct_f32_to_f16(x[i]) }, 2);
        if (e->type == CT_F32)
            memcpy(row, x, row_bytes);
        else if (e->type != CT_BF16 && e->type != CT_F16)
            ct_quantise_row(e->type, x, row, cols);
        ok = ct_gguf_writer_data(w, row, row_bytes, err);
    }
    free(x), free(row);
    return ok;
}

bool tower_write(const char *path, const tower_shape *s, carat_err *err)
{
    ct_gguf_writer *w;
    list l = { .s = s, .items = calloc(7 + 16 * (size_t)s->cfg.n_layer, sizeof(entry)) };
    list_tensors(&l);
    if (!ct_gguf_create(path, &w, err)) {
        free(l.items);
        return false;
    }
    write_keys(w, s);
    bool ok = true;
    for (size_t i = 0; i < l.n; i++) {
        entry *e = &l.items[i];
        if (s->longer && strcmp(s->longer, e->name[0]) == 0)
            e->dims[e->n_dims - 1]++;
        if (!s->missing || strcmp(s->missing, e->name[0]) != 0)
            ct_gguf_writer_tensor(w, e->name[s->layout == TOWER_OLLAMA], e->type, e->n_dims, e->dims);
    }
    for (size_t i = 0; ok && i < l.n; i++)
        if (!s->missing || strcmp(s->missing, l.items[i].name[0]) != 0)
            ok = write_data(w, s, &l.items[i], i, err);
    free(l.items);
    if (!ok) {
        ct_gguf_abandon(w);
        return false;
    }
    return ct_gguf_finish(w, err);
}
