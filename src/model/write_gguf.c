/* Writes the keys of a model.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/write_gguf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *key_of(const ct_config *c, const char *name, char key[80])
{
    snprintf(key, 80, "%s.%s", ct_config_arch(c), name);
    return key;
}

static void put_u32(ct_gguf_writer *w, const ct_config *c, const char *name, uint32_t value)
{
    char key[80];
    ct_gguf_writer_u32(w, key_of(c, name, key), value);
}

static void put_f32(ct_gguf_writer *w, const ct_config *c, const char *name, float value)
{
    char key[80];
    ct_gguf_writer_f32(w, key_of(c, name, key), value);
}

/* Is the layer global by the pattern that a file without one has: every sixth? */
static bool has_usual_pattern(const ct_config *c)
{
    for (uint32_t i = 0; i < c->n_layer; i++)
        if (c->is_global[i] != ((i + 1) % 6 == 0))
            return false;
    return true;
}

static void write_pattern(ct_gguf_writer *w, const ct_config *c)
{
    char key[80];
    int32_t local[CT_MAX_LAYERS];
    for (uint32_t i = 0; i < c->n_layer; i++)
        local[i] = !c->is_global[i];
    ct_gguf_writer_i32s(w, key_of(c, "attention.sliding_window_pattern", key), local, c->n_layer);
}

/* Have readers another scale of queries for this shape: the published model's, else by the heads' width? */
static bool has_own_scale(const ct_config *c)
{
    const double pre = c->published ? c->published->query_pre_attn : (double)c->head_dim;
    return c->query_scale != 0 && fabs((double)c->query_scale * sqrt(pre) - 1) > 1e-6;
}

/* What follows an encoder's layers: the mean, and dense layers. */
static void write_encoder_keys(ct_gguf_writer *w, const ct_config *c)
{
    put_u32(w, c, "pooling_type", 1);
    if (!c->dense)
        return;
    put_u32(w, c, "dense_2_feat_in", c->hidden);
    put_u32(w, c, "dense_2_feat_out", c->dense);
    put_u32(w, c, "dense_3_feat_in", c->dense);
    put_u32(w, c, "dense_3_feat_out", c->hidden);
}

void ct_write_config_keys(ct_gguf_writer *w, const ct_config *c)
{
    char key[80];
    ct_gguf_writer_text(w, "general.architecture", ct_config_arch(c));
    ct_gguf_writer_text(w, "general.name", c->name);
    put_u32(w, c, "context_length", c->context);
    put_u32(w, c, "embedding_length", c->hidden);
    put_u32(w, c, "block_count", c->n_layer);
    put_u32(w, c, "feed_forward_length", c->ffn);
    put_u32(w, c, "attention.head_count", c->n_head);
    put_u32(w, c, "attention.head_count_kv", c->n_kv_head);
    put_u32(w, c, "attention.key_length", c->head_dim);
    put_u32(w, c, "attention.value_length", c->head_dim);
    put_u32(w, c, "attention.sliding_window", c->window);
    put_f32(w, c, "attention.layer_norm_rms_epsilon", c->eps);
    put_f32(w, c, "rope.freq_base", (float)c->rope_global.base);
    if (c->rope_global.factor != 1) {
        ct_gguf_writer_text(w, key_of(c, "rope.scaling.type", key), "linear");
        put_f32(w, c, "rope.scaling.factor", (float)c->rope_global.factor);
    }
    if (c->rope_local.base != 0)
        put_f32(w, c, "rope.freq_base_swa", (float)c->rope_local.base);
    if (!has_usual_pattern(c))
        write_pattern(w, c);
    if (has_own_scale(c))
        put_f32(w, c, "attention.scale", c->query_scale);
    if (c->is_encoder)
        write_encoder_keys(w, c);
}

/* ---- the vocabulary ---- */

typedef struct vocabulary {
    ct_str *texts;
    float *scores;
    int32_t *kinds;
    ct_buf all;
    size_t *at; /* of each text in `all`, which moves while it grows */
    size_t n;
} vocabulary;

static void close_vocabulary(vocabulary *v)
{
    free(v->texts);
    free(v->scores);
    free(v->kinds);
    free(v->at);
    ct_buf_deinit(&v->all);
}

/* Rows of the table that no piece has are padding, as llama.cpp's converter calls it. */
static void add_padding(vocabulary *v, size_t id)
{
    v->kinds[id] = CT_PIECE_UNUSED;
    ct_buf_fmt(&v->all, "[PAD%zu]", id);
}

static bool fill_vocabulary(vocabulary *v, const ct_model *m)
{
    ct_piece piece;
    v->texts = calloc(v->n + 1, sizeof *v->texts);
    v->scores = calloc(v->n + 1, sizeof *v->scores);
    v->kinds = calloc(v->n + 1, sizeof *v->kinds);
    v->at = calloc(v->n + 1, sizeof *v->at);
    if (!v->texts || !v->scores || !v->kinds || !v->at)
        return false;
    for (size_t id = 0; id < v->n; id++) {
        v->at[id] = v->all.len;
        if (id < m->n_pieces && ct_tok_piece(m->tok, (int32_t)id, &piece, &v->all)) {
            v->scores[id] = piece.score;
            v->kinds[id] = (int32_t)piece.kind;
        } else {
            add_padding(v, id);
        }
        v->texts[id].len = v->all.len - v->at[id];
    }
    for (size_t id = 0; id < v->n && !v->all.failed; id++)
        v->texts[id].data = v->all.data + v->at[id];
    return !v->all.failed;
}

static void write_ids(ct_gguf_writer *w, const ct_model *m)
{
    const ct_tok_info *i = ct_tok_facts(m->tok);
    const struct {
        const char *key;
        int32_t id;
    } ids[] = { { "tokenizer.ggml.bos_token_id", i->bos },
                { "tokenizer.ggml.eos_token_id", i->eos },
                { "tokenizer.ggml.eot_token_id", m->chat_template ? i->end_of_turn : -1 },
                { "tokenizer.ggml.unknown_token_id", i->unk },
                { "tokenizer.ggml.padding_token_id", i->pad } };
    for (size_t k = 0; k < sizeof ids / sizeof *ids; k++)
        if (ids[k].id >= 0)
            ct_gguf_writer_u32(w, ids[k].key, (uint32_t)ids[k].id);
    ct_gguf_writer_bool(w, "tokenizer.ggml.add_bos_token", true);
    ct_gguf_writer_bool(w, "tokenizer.ggml.add_eos_token", m->cfg.is_encoder);
    ct_gguf_writer_bool(w, "tokenizer.ggml.add_space_prefix", false);
    if (m->chat_template)
        ct_gguf_writer_text(w, "tokenizer.chat_template", m->chat_template);
}

bool ct_write_model_keys(ct_gguf_writer *w, const ct_model *m, carat_err *err)
{
    vocabulary v = { .n = m->cfg.n_vocab };
    ct_buf_init(&v.all, (size_t)256 << 20);
    ct_gguf_writer_text(w, "general.type", "model");
    ct_write_config_keys(w, &m->cfg);
    const bool ok = fill_vocabulary(&v, m);
    if (ok) {
        ct_gguf_writer_text(w, "tokenizer.ggml.model", "llama");
        ct_gguf_writer_text(w, "tokenizer.ggml.pre", "default");
        ct_gguf_writer_texts(w, "tokenizer.ggml.tokens", v.texts, v.n);
        ct_gguf_writer_f32s(w, "tokenizer.ggml.scores", v.scores, v.n);
        ct_gguf_writer_i32s(w, "tokenizer.ggml.token_type", v.kinds, v.n);
        write_ids(w, m);
    }
    close_vocabulary(&v);
    return ok || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a vocabulary of %zu tokens", v.n);
}

/* ---- a tower ---- */

void ct_write_tower_shape(ct_gguf_writer *w, const ct_vision_config *c, const char *arch)
{
    const struct {
        const char *key;
        uint32_t value;
    } keys[] = { { "block_count", c->n_layer },     { "embedding_length", c->hidden },
                 { "feed_forward_length", c->ffn }, { "attention.head_count", c->n_head },
                 { "image_size", c->image_size },   { "patch_size", c->patch_size },
                 { "num_channels", c->n_channel } };
    char key[80];
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        snprintf(key, sizeof key, "%s.vision.%s", arch, keys[i].key);
        ct_gguf_writer_u32(w, key, keys[i].value);
    }
    snprintf(key, sizeof key, "%s.vision.attention.layer_norm_epsilon", arch);
    ct_gguf_writer_f32(w, key, c->eps);
}

void ct_write_tower_keys(ct_gguf_writer *w, const ct_vision_config *c, size_t text_width)
{
    static const float half[3] = { 0.5f, 0.5f, 0.5f };
    ct_write_tower_shape(w, c, "clip");
    ct_gguf_writer_text(w, "general.architecture", "clip");
    ct_gguf_writer_text(w, "general.type", "mmproj");
    ct_gguf_writer_bool(w, "clip.has_vision_encoder", true);
    ct_gguf_writer_bool(w, "clip.use_gelu", true);
    ct_gguf_writer_u32(w, "clip.vision.projection_dim", (uint32_t)text_width);
    ct_gguf_writer_f32s(w, "clip.vision.image_mean", half, 3);
    ct_gguf_writer_f32s(w, "clip.vision.image_std", half, 3);
    ct_gguf_writer_text(w, "clip.projector_type", "gemma3");
    ct_gguf_writer_u32(w, "clip.vision.projector.scale_factor", ct_vision_pool(c));
}
