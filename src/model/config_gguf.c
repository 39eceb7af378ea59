/* GGUF metadata -> ct_config. Keys: GGUF specification, "LLM"; the sliding-window keys as llama.cpp's and Ollama's
 * converters write them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "model/int_keys.h"
#include "model/model.h"
#include "model/others.h"
#include "quant/kv_tile.h"

#define GEMMA3  "gemma3"
#define ENCODER "gemma-embedding"

/* Other architectures, by what people call them. */
static bool refuse(const ct_gguf *g, ct_str arch, carat_err *err)
{
    char found[41];
    snprintf(found, sizeof found, "%.*s", (int)(arch.len < 40 ? arch.len : 40), arch.data);
    const char *name = ct_other_model(found);
    if (strcmp(found, "gemma") == 0)
        name = "Gemma 1";
    if (strcmp(found, "clip") == 0 || strcmp(found, "mmproj") == 0)
        name = "a vision projector (mmproj) without a text model";
    return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                   "%s: architecture '%s' (%s); Carat runs Gemma 3 and EmbeddingGemma (300M)", ct_gguf_path(g), found,
                   name ? name : "another architecture");
}

/* general.type of files that belong to a model and are none. */
static bool check_type(const ct_gguf *g, carat_err *err)
{
    static const struct {
        const char *type, *what;
    } others[] = {
        { "adapter", "a LoRA adapter: merge it into its model first, or use it beside the model (--lora)" },
        { "lora", "a LoRA adapter: merge it into its model first, or use it beside the model (--lora)" },
        { "imatrix", "an importance matrix (imatrix), made for quantising a model: it has no weights" },
        { "controlvector", "a control vector: it changes a model and is none" },
        { "vocab", "a vocabulary without weights" },
    };
    ct_str type = { NULL, 0 };
    if (!ct_gguf_text(g, "general.type", &type, err) ||
        (!type.data && !ct_gguf_text(g, "general.architecture", &type, err)))
        return false;
    for (size_t i = 0; type.data && i < sizeof others / sizeof *others; i++)
        if (strlen(others[i].type) == type.len && memcmp(others[i].type, type.data, type.len) == 0)
            return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: %s", ct_gguf_path(g), others[i].what);
    return true;
}

static bool is_text(ct_str s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.data, text, s.len) == 0;
}

static bool read_architecture(const ct_gguf *g, ct_config *c, carat_err *err)
{
    ct_str arch = { NULL, 0 };
    if (!check_type(g, err) || !ct_gguf_text(g, "general.architecture", &arch, err))
        return false;
    if (!arch.data)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                       "%s: no general.architecture, expected 'gemma3' or 'gemma-embedding'", ct_gguf_path(g));
    c->is_encoder = is_text(arch, ENCODER);
    return c->is_encoder || is_text(arch, GEMMA3) || refuse(g, arch, err);
}

/* "gemma3.attention.scale": a key of this architecture. */
typedef struct named_key {
    char key[96];
} named_key;

const char *ct_config_arch(const ct_config *c)
{
    return c->is_encoder ? ENCODER : GEMMA3;
}

static named_key key_of(const ct_config *c, const char *name)
{
    named_key k;
    snprintf(k.key, sizeof k.key, "%s.%s", ct_config_arch(c), name);
    return k;
}

static bool read_num(const ct_gguf *g, const ct_config *c, const char *name, double *out, carat_err *err)
{
    return ct_gguf_num(g, key_of(c, name).key, out, err);
}

static const ct_int_key text_keys[] = {
    { "block_count", CT_TEXT_AT(n_layer), CT_MAX_LAYERS, true },
    { "embedding_length", CT_TEXT_AT(hidden), CT_MAX_HIDDEN, true },
    { "feed_forward_length", CT_TEXT_AT(ffn), CT_MAX_FFN, true },
    { "attention.head_count", CT_TEXT_AT(n_head), CT_MAX_HEADS, true },
    { "attention.head_count_kv", CT_TEXT_AT(n_kv_head), CT_MAX_HEADS, false },
    { "attention.key_length", CT_TEXT_AT(head_dim), CT_MAX_HEAD_DIM, false },
    { "attention.sliding_window", CT_TEXT_AT(window), CT_MAX_CONTEXT, false },
    { "context_length", CT_TEXT_AT(context), CT_MAX_CONTEXT, false },
    { NULL, 0, 0, false },
};

static bool read_value_length(const ct_gguf *g, const ct_config *c, carat_err *err)
{
    int64_t v = c->head_dim;
    if (!ct_gguf_int(g, key_of(c, "attention.value_length").key, 1, CT_MAX_HEAD_DIM, &v, err))
        return false;
    if (v != c->head_dim)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                       "%s: values of width %d per head and keys of %u, expected the same width", ct_gguf_path(g),
                       (int)v, c->head_dim);
    return true;
}

/* A number n: every n-th layer is global. Or an array: true where a layer has the window. */
static bool read_pattern(const ct_gguf *g, ct_config *c, carat_err *err)
{
    const named_key k = key_of(c, "attention.sliding_window_pattern");
    const char *key = k.key;
    const ct_gguf_kv *kv = ct_gguf_find(g, key);
    if (!kv)
        return true;
    if (kv->kind == CT_GGUF_ARR) {
        if (kv->elem == CT_GGUF_STR || kv->elem == CT_GGUF_ARR || kv->count < c->n_layer)
            return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                           "%s: %s has %llu entries, expected one for each of %u layers", ct_gguf_path(g), key,
                           (unsigned long long)kv->count, c->n_layer);
        for (uint32_t i = 0; i < c->n_layer; i++)
            c->is_global[i] = ct_gguf_elem_num(kv, i) == 0;
        return true;
    }
    int64_t n = 0;
    if (!ct_gguf_int(g, key, 0, CT_MAX_LAYERS, &n, err))
        return false;
    ct_config_pattern(c, (uint32_t)n);
    return true;
}

static bool read_rope(const ct_gguf *g, ct_config *c, carat_err *err)
{
    double base = 0, local = 0, factor = 0, old = 0, local_factor = 0;
    ct_str type = { NULL, 0 };
    if (!read_num(g, c, "rope.freq_base", &base, err) || !read_num(g, c, "rope.freq_base_swa", &local, err) ||
        !read_num(g, c, "rope.local.freq_base", &local, err) || /* Ollama's names */
        !read_num(g, c, "rope.global.freq_base", &base, err) || !read_num(g, c, "rope.scaling.factor", &factor, err) ||
        !read_num(g, c, "rope.scale_linear", &old, err) ||
        !read_num(g, c, "rope.scaling.factor_swa", &local_factor, err) ||
        !ct_gguf_text(g, key_of(c, "rope.scaling.type").key, &type, err))
        return false;
    if (type.data && !is_text(type, "linear") && !is_text(type, "none"))
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: %s is '%.*s', expected 'linear' or 'none'",
                       ct_gguf_path(g), key_of(c, "rope.scaling.type").key, (int)(type.len < 40 ? type.len : 40),
                       type.data);
    c->rope_global = (ct_rope){ base, factor ? factor : old };
    c->rope_local = (ct_rope){ local, local_factor };
    return true;
}

static bool read_scales(const ct_gguf *g, ct_config *c, carat_err *err)
{
    double eps = 1e-6, scale = 0;
    if (!read_num(g, c, "attention.layer_norm_rms_epsilon", &eps, err) ||
        !read_num(g, c, "attention.scale", &scale, err))
        return false;
    c->eps = (float)eps;
    c->query_scale = (float)scale;
    return true;
}

static bool report_caps(const ct_gguf *g, const ct_config *c, carat_err *err)
{
    static const char *const keys[] = { "final_logit_softcapping", "attn_logit_softcapping" };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        double cap = 0;
        if (!read_num(g, c, keys[i], &cap, err))
            return false;
        if (cap != 0)
            ct_logf(CARAT_LOG_WARN, "%s: '%s' ignored: Gemma 3 does not cap logits", ct_gguf_path(g),
                    key_of(c, keys[i]).key);
    }
    return true;
}

/* Which tokens see which follows from the architecture's name; a key that says the other thing is another model. */
static bool check_direction(const ct_gguf *g, const ct_config *c, carat_err *err)
{
    bool causal = !c->is_encoder;
    const named_key k = key_of(c, "attention.causal");
    if (!ct_gguf_bool(g, k.key, &causal, err))
        return false;
    return causal == !c->is_encoder ||
           ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: %s is %s, expected %s", ct_gguf_path(g), k.key,
                   causal ? "true" : "false", causal ? "false" : "true");
}

#define MEAN 1 /* of pooling_type: none, mean, cls, last, rank */

/* What follows the layers of an encoder. */
static bool read_pooling(const ct_gguf *g, bool trust_header, ct_config *c, carat_err *err)
{
    const ct_tensor *t = ct_tensors_find(ct_gguf_tensors(g), ct_part_get(CT_PART_DENSE_1)->gguf);
    const named_key k = key_of(c, "pooling_type"), out = key_of(c, "dense_2_feat_out");
    int64_t pooling = -1, dense = 0;
    if (!ct_gguf_int(g, k.key, 0, UINT32_MAX, &pooling, err) || !ct_gguf_int(g, out.key, 1, CT_MAX_FFN, &dense, err))
        return false;
    if (pooling >= 0 && pooling != MEAN)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: %s is %d, expected %d (the mean)", ct_gguf_path(g),
                       k.key, (int)pooling, MEAN);
    if (t && (t->n_dims != 2 || t->dims[1] > CT_MAX_FFN || (dense && t->dims[1] != (uint64_t)dense)))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: '%s' has %llu rows, expected %lld", ct_gguf_path(g),
                       t->name, (unsigned long long)t->dims[1], (long long)(dense ? dense : CT_MAX_FFN));
    if (!t && (dense || !trust_header))
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                       "%s: no 'dense_2.weight': its vectors would not be the model's; convert it with "
                       "--sentence-transformers-dense-modules (--trust-header: take the mean alone)",
                       ct_gguf_path(g));
    c->dense = t ? (uint32_t)t->dims[1] : 0;
    return true;
}

/* The ends that a header may name: of the text, of a turn, of a message; Ollama's converter lists several. */
static bool read_eos(const ct_gguf *g, ct_config *c, carat_err *err)
{
    static const char *const keys[] = { "tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                        "tokenizer.ggml.eom_token_id" };
    static const char *const list = "tokenizer.ggml.eos_token_ids";
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        int64_t id = -1;
        if (!ct_gguf_int(g, keys[i], INT64_MIN, INT64_MAX, &id, err))
            return false;
        ct_config_add_eos(c, id == UINT32_MAX ? -1 : id, keys[i]); /* -1, the sign for none, in an unsigned key */
    }
    const ct_gguf_kv *kv = ct_gguf_find(g, list);
    if (kv && (kv->kind != CT_GGUF_ARR || kv->elem == CT_GGUF_STR || kv->elem == CT_GGUF_ARR))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: %s is not an array of numbers", ct_gguf_path(g), list);
    for (uint64_t i = 0; kv && i < kv->count; i++) {
        const double id = ct_gguf_elem_num(kv, i);
        ct_config_add_eos(c, id >= 0 && id < INT32_MAX ? (int64_t)id : id >= 0 ? INT32_MAX : -1, list);
    }
    return true;
}

/* The table's rows come from the tensor itself: no key states them. */
static bool read_rows(const ct_gguf *g, ct_config *c, carat_err *err)
{
    const ct_tensor *t = ct_tensors_find(ct_gguf_tensors(g), "token_embd.weight");
    char shape[96];
    if (!t)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: no tensor 'token_embd.weight'", ct_gguf_path(g));
    if (t->n_dims != 2 || t->dims[1] > CT_MAX_VOCAB)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: 'token_embd.weight' is %s, expected [%u, up to %d]",
                       ct_gguf_path(g), ct_tensor_shape(t, shape), c->hidden, CT_MAX_VOCAB);
    c->n_vocab = (uint32_t)t->dims[1];
    return true;
}

bool ct_config_from_gguf(const ct_gguf *g, bool trust_header, ct_config *out, carat_err *err)
{
    ct_config_defaults(out);
    out->n_kv_head = 0;
    ct_str name = { NULL, 0 };
    if (!read_architecture(g, out, err) || !ct_int_keys_from_gguf(g, ct_config_arch(out), text_keys, out, err) ||
        !check_direction(g, out, err) || (out->is_encoder && !read_pooling(g, trust_header, out, err)) ||
        !read_value_length(g, out, err) || !read_pattern(g, out, err) || !read_rope(g, out, err) ||
        !read_scales(g, out, err) || !report_caps(g, out, err) || !ct_vision_config_from_gguf(g, &out->vision, err) ||
        !read_rows(g, out, err) || !ct_gguf_text(g, "general.name", &name, err))
        return false;
    if (name.data)
        snprintf(out->name, sizeof out->name, "%.*s", (int)(name.len < 90 ? name.len : 90), name.data);
    if (!out->n_kv_head) /* GGUF specification: absent means as many as heads */
        out->n_kv_head = out->n_head;
    return read_eos(g, out, err) && ct_config_finish(out, ct_gguf_path(g), trust_header, err);
}
