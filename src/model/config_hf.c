/* config.json -> ct_config. Two styles are read: the published one (rope_scaling, rope_theta, rope_local_base_freq,
 * sliding_window_pattern) and that of transformers 5 (rope_parameters, layer_types). A published config.json is terse:
 * what it leaves out comes from the class defaults (Gemma3TextConfig, SiglipVisionConfig).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "model/int_keys.h"
#include "model/others.h"
#include "quant/kv_tile.h"

static const ct_int_key text_keys[] = {
    { "num_hidden_layers", CT_TEXT_AT(n_layer), CT_MAX_LAYERS, false },
    { "hidden_size", CT_TEXT_AT(hidden), CT_MAX_HIDDEN, false },
    { "intermediate_size", CT_TEXT_AT(ffn), CT_MAX_FFN, false },
    { "num_attention_heads", CT_TEXT_AT(n_head), CT_MAX_HEADS, false },
    { "num_key_value_heads", CT_TEXT_AT(n_kv_head), CT_MAX_HEADS, false },
    { "head_dim", CT_TEXT_AT(head_dim), CT_MAX_HEAD_DIM, false },
    { "vocab_size", CT_TEXT_AT(n_vocab), CT_MAX_VOCAB, false },
    { "sliding_window", CT_TEXT_AT(window), CT_MAX_CONTEXT, false },
    { "max_position_embeddings", CT_TEXT_AT(context), CT_MAX_CONTEXT, false },
    { NULL, 0, 0, false },
};

static const ct_int_key vision_keys[] = {
    { "num_hidden_layers", CT_TOWER_AT(n_layer), CT_MAX_TOWER_LAYERS, false },
    { "hidden_size", CT_TOWER_AT(hidden), CT_MAX_HIDDEN, false },
    { "intermediate_size", CT_TOWER_AT(ffn), CT_MAX_FFN, false },
    { "num_attention_heads", CT_TOWER_AT(n_head), CT_MAX_HEADS, false },
    { "image_size", CT_TOWER_AT(image_size), CT_MAX_IMAGE_SIZE, false },
    { "patch_size", CT_TOWER_AT(patch_size), CT_MAX_PATCH_SIZE, false },
    { "num_channels", CT_TOWER_AT(n_channel), 16, false },
    { NULL, 0, 0, false },
};

static bool read_ints(const json_t *o, const char *what, const ct_int_key *keys, void *base, carat_err *err)
{
    for (; keys->key; keys++) {
        int64_t v = 0;
        if (!ct_json_int(o, what, keys->key, 1, keys->max, &v, err))
            return false;
        if (v)
            ct_int_key_put(keys, base, v);
    }
    return true;
}

/* ---- which model is this ---- */

static bool refuse(const char *what, const char *found, carat_err *err)
{
    const char *name = ct_other_model(found);
    return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                   "%s: this is a '%.60s' model%s%s%s; Carat runs Gemma 3 and EmbeddingGemma (300M)", what, found,
                   name ? " (" : "", name ? name : "", name ? ")" : "");
}

static const char encoder_class[] = "Gemma3TextModel"; /* the transformer alone, without an output head */

static bool read_architecture(const json_t *config, const char *what, carat_err *err)
{
    const char *type = NULL;
    if (!ct_json_text(config, what, "model_type", &type, err))
        return false;
    const json_t *arch = json_array_get(json_object_get(config, "architectures"), 0);
    const char *name = json_string_value(arch);
    if (name && strcmp(name, "Gemma3ForCausalLM") != 0 && strcmp(name, "Gemma3ForConditionalGeneration") != 0 &&
        strcmp(name, encoder_class) != 0)
        return refuse(what, name, err);
    if (type && strcmp(type, "gemma3") != 0 && strcmp(type, "gemma3_text") != 0)
        return refuse(what, type, err);
    if (!name && !type)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                       "%s: neither 'architectures' nor 'model_type', expected Gemma3ForCausalLM or "
                       "Gemma3ForConditionalGeneration",
                       what);
    return true;
}

/* An encoder is the transformer alone with a flag: without the flag it has neither vectors nor an output head, and a model
 * with a head that attends both ways is none that is known. */
static bool settle_encoder(const json_t *config, const char *what, bool is_bidirectional, ct_config *c, carat_err *err)
{
    const char *name = json_string_value(json_array_get(json_object_get(config, "architectures"), 0));
    bool is_bare = name && strcmp(name, encoder_class) == 0;
    c->is_encoder = is_bidirectional;
    if (is_bidirectional && name && !is_bare)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                       "%s: 'use_bidirectional_attention' of a %.40s, expected of a %s (EmbeddingGemma)", what, name,
                       encoder_class);
    return is_bidirectional || !is_bare ||
           ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                   "%s: a %s without 'use_bidirectional_attention': neither an embedding model nor one with an output "
                   "head",
                   what, encoder_class);
}

/* What the class supports but no Gemma 3 uses: biases, another activation. */
static bool check_kind(const json_t *config, const json_t *text, const char *what, ct_config *c, carat_err *err)
{
    const char *act = NULL;
    bool bidirectional = false, bias = false;
    if (!ct_json_text(text, what, "hidden_activation", &act, err) ||
        !ct_json_bool(text, what, "use_bidirectional_attention", &bidirectional, err) ||
        !ct_json_bool(text, what, "attention_bias", &bias, err))
        return false;
    if (!settle_encoder(config, what, bidirectional, c, err))
        return false;
    if (bias)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: 'attention_bias' is true; Gemma 3 has no biases",
                       what);
    if (act && strcmp(act, "gelu_pytorch_tanh") != 0)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                       "%s: 'hidden_activation' is '%.40s', expected 'gelu_pytorch_tanh'", what, act);
    const char *caps[] = { "final_logit_softcapping", "attn_logit_softcapping" };
    for (size_t i = 0; i < 2; i++)
        if (json_is_number(json_object_get(text, caps[i])))
            ct_logf(CARAT_LOG_WARN, "%s: '%s' ignored: Gemma 3 does not cap logits", what, caps[i]);
    return true;
}

/* ---- RoPE ---- */

/* { "rope_type": "linear", "factor": 8.0, "rope_theta": 1e6 }; older files say "type". Absent fields keep theirs. */
static bool read_scaling(const json_t *o, const char *what, ct_rope *r, carat_err *err)
{
    if (!o || json_is_null(o))
        return true;
    const char *type = NULL;
    if (!json_is_object(o))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: RoPE parameters are %s, expected an object", what,
                       ct_json_kind(o));
    if (!ct_json_text(o, what, "type", &type, err) || !ct_json_text(o, what, "rope_type", &type, err) ||
        !ct_json_num(o, what, "rope_theta", &r->base, err) || !ct_json_num(o, what, "factor", &r->factor, err))
        return false;
    if (type && strcmp(type, "linear") != 0 && strcmp(type, "default") != 0)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                       "%s: 'rope_type' is '%.40s', expected 'linear' or 'default'", what, type);
    return true;
}

static bool read_rope(const json_t *text, const char *what, ct_config *c, carat_err *err)
{
    const json_t *v5 = json_object_get(text, "rope_parameters");
    const json_t *global = json_object_get(v5, "full_attention"), *local = json_object_get(v5, "sliding_attention");
    if (global || local)
        return read_scaling(global, what, &c->rope_global, err) && read_scaling(local, what, &c->rope_local, err);
    return ct_json_num(text, what, "rope_theta", &c->rope_global.base, err) &&
           ct_json_num(text, what, "rope_local_base_freq", &c->rope_local.base, err) &&
           read_scaling(json_object_get(text, "rope_scaling"), what, &c->rope_global, err) &&
           read_scaling(v5, what, &c->rope_global, err);
}

/* ---- layers ---- */

static bool read_layer_types(const json_t *list, const char *what, ct_config *c, carat_err *err)
{
    if (!json_is_array(list) || json_array_size(list) != c->n_layer)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: 'layer_types' has %zu entries, expected %u", what,
                       json_array_size(list), c->n_layer);
    for (uint32_t i = 0; i < c->n_layer; i++) {
        const char *s = json_string_value(json_array_get(list, i));
        c->is_global[i] = s && strcmp(s, "full_attention") == 0;
        if (!s || (!c->is_global[i] && strcmp(s, "sliding_attention") != 0))
            return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                           "%s: 'layer_types' entry %u is '%.40s', expected full_attention or sliding_attention", what,
                           i, s ? s : "not a string");
    }
    return true;
}

static bool read_pattern(const json_t *text, const char *what, ct_config *c, carat_err *err)
{
    const json_t *types = json_object_get(text, "layer_types");
    if (types && !json_is_null(types))
        return read_layer_types(types, what, c, err);
    int64_t n = -1;
    if (!ct_json_int(text, what, "_sliding_window_pattern", 0, CT_MAX_LAYERS, &n, err) ||
        !ct_json_int(text, what, "sliding_window_pattern", 0, CT_MAX_LAYERS, &n, err))
        return false;
    if (n >= 0)
        ct_config_pattern(c, (uint32_t)n);
    return true;
}

/* ---- the rest ---- */

static bool read_scales(const json_t *text, const char *what, ct_config *c, carat_err *err)
{
    double eps = 1e-6, pre_attn = 0;
    if (!ct_json_num(text, what, "rms_norm_eps", &eps, err) ||
        !ct_json_num(text, what, "query_pre_attn_scalar", &pre_attn, err))
        return false;
    if (!(pre_attn >= 0 && pre_attn < 1e9))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: 'query_pre_attn_scalar' is %g, expected above 0", what,
                       pre_attn);
    c->eps = (float)eps;
    /* 256 is the class default; the published 27B states 168. */
    if (pre_attn == 0 && !ct_published_by_shape(c->n_layer, c->hidden, c->is_encoder))
        pre_attn = 256;
    c->query_scale = pre_attn ? (float)(1 / sqrt(pre_attn)) : 0;
    return true;
}

bool ct_vision_config_from_json(const char *what, const json_t *config, ct_vision_config *out, carat_err *err)
{
    const json_t *o = json_object_get(config, "vision_config");
    *out = (ct_vision_config){ 0 };
    if (!o || json_is_null(o))
        return true;
    if (!json_is_object(o))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: 'vision_config' is %s, expected an object", what,
                       ct_json_kind(o));
    ct_vision_config v = { .present = true,
                           .hidden = 768,
                           .ffn = 3072,
                           .n_layer = 12,
                           .n_head = 12,
                           .image_size = 224,
                           .patch_size = 16,
                           .n_channel = 3 };
    double eps = 1e-6;
    int64_t tokens = 256;
    const char *act = NULL;
    if (!ct_json_text(o, what, "hidden_act", &act, err))
        return false;
    if (act && strcmp(act, "gelu_pytorch_tanh") != 0)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                       "%s: the vision tower's 'hidden_act' is '%.40s', expected 'gelu_pytorch_tanh'", what, act);
    if (!read_ints(o, what, vision_keys, &v, err) || !ct_json_num(o, what, "layer_norm_eps", &eps, err) ||
        !ct_json_int(config, what, "mm_tokens_per_image", 1, CT_MAX_PATCHES, &tokens, err))
        return false;
    v.eps = (float)eps;
    v.tokens_per_image = (uint32_t)tokens;
    *out = v;
    return true;
}

static bool read_vision(const json_t *config, const char *what, ct_config *c, carat_err *err)
{
    int64_t image_token = -1;
    if (!ct_vision_config_from_json(what, config, &c->vision, err))
        return false;
    if (c->vision.present && (!ct_json_int(config, what, "image_token_id", 0, CT_MAX_VOCAB, &image_token, err) ||
                              !ct_json_int(config, what, "image_token_index", 0, CT_MAX_VOCAB, &image_token, err)))
        return false;
    if (c->vision.present)
        c->image_token = (int32_t)image_token;
    return true;
}

/* Of an image-text model the outer flag counts, as in transformers 5; transformers 4 read the inner one, true where it is
 * absent. */
static bool read_tie(const json_t *config, const json_t *text, const char *what, ct_config *c, carat_err *err)
{
    if (!ct_json_bool(text, what, "tie_word_embeddings", &c->tied, err))
        return false;
    bool inner = c->tied;
    if (!ct_json_bool(config, what, "tie_word_embeddings", &c->tied, err))
        return false;
    c->is_tie_disputed = c->tied != inner;
    return true;
}

bool ct_config_from_json(const char *what, const json_t *config, bool trust_header, ct_config *out, carat_err *err)
{
    ct_config_defaults(out);
    if (!json_is_object(config))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: %s, expected an object", what, ct_json_kind(config));
    const json_t *text = json_object_get(config, "text_config");
    if (!text || json_is_null(text))
        text = config;
    if (!json_is_object(text))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: 'text_config' is %s, expected an object", what,
                       ct_json_kind(text));
    /* Class defaults of the widths: a file without any of them is the class's own toy. */
    out->n_layer = 26, out->hidden = 2304, out->ffn = 9216;
    if (!read_architecture(config, what, err) || !check_kind(config, text, what, out, err) ||
        !read_ints(text, what, text_keys, out, err) || !read_pattern(text, what, out, err) ||
        !read_rope(text, what, out, err) || !read_scales(text, what, out, err) ||
        !read_vision(config, what, out, err) || !read_tie(config, text, what, out, err))
        return false;
    if (!out->window && !ct_published_by_shape(out->n_layer, out->hidden, out->is_encoder))
        out->window = 4096; /* the class default, which no published model has */
    return ct_config_add_eos_json(out, json_object_get(config, "eos_token_id"), what, "config.json", err) &&
           ct_config_add_eos_json(out, json_object_get(text, "eos_token_id"), what, "config.json", err) &&
           ct_config_finish(out, what, trust_header, err);
}
