/* GGUF metadata -> ct_config. Keys: GGUF specification, "LLM"; the sliding-window keys as llama.cpp's and Ollama's
 * converters write them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "model/int_keys.h"
#include "quant/kv_tile.h"

/* Other architectures, by what people call them. */
static bool refuse(const ct_gguf *g, ct_str arch, carat_err *err)
{
    const struct {
        const char *arch, *name;
    } known[] = {
        { "gemma", "Gemma 1" },
        { "gemma2", "Gemma 2" },
        { "gemma3n", "Gemma 3n" },
        { "gemma4", "Gemma 4" },
        { "gemma-embedding", "EmbeddingGemma" },
        { "t5gemma", "T5Gemma" },
        { "clip", "a vision projector (mmproj) without a text model" },
        { "mmproj", "a vision projector (mmproj) without a text model" },
    };
    const char *name = "another architecture";
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i].arch) == arch.len && memcmp(known[i].arch, arch.data, arch.len) == 0)
            name = known[i].name;
    return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: architecture '%.*s' (%s); Carat runs Gemma 3",
                   ct_gguf_path(g), (int)(arch.len < 40 ? arch.len : 40), arch.data, name);
}

/* general.type of files that belong to a model and are none. */
static bool check_type(const ct_gguf *g, carat_err *err)
{
    static const struct {
        const char *type, *what;
    } others[] = {
        { "adapter", "a LoRA adapter: merge it into its model first" },
        { "lora", "a LoRA adapter: merge it into its model first" },
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

static bool read_architecture(const ct_gguf *g, carat_err *err)
{
    ct_str arch = { NULL, 0 };
    if (!check_type(g, err) || !ct_gguf_text(g, "general.architecture", &arch, err))
        return false;
    if (!arch.data)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: no general.architecture, expected 'gemma3'",
                       ct_gguf_path(g));
    if (arch.len != 6 || memcmp(arch.data, "gemma3", 6) != 0)
        return refuse(g, arch, err);
    return true;
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
    if (!ct_gguf_int(g, "gemma3.attention.value_length", 1, CT_MAX_HEAD_DIM, &v, err))
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
    const char *key = "gemma3.attention.sliding_window_pattern";
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
    if (!ct_gguf_num(g, "gemma3.rope.freq_base", &base, err) ||
        !ct_gguf_num(g, "gemma3.rope.freq_base_swa", &local, err) ||
        !ct_gguf_num(g, "gemma3.rope.local.freq_base", &local, err) || /* Ollama's names */
        !ct_gguf_num(g, "gemma3.rope.global.freq_base", &base, err) ||
        !ct_gguf_num(g, "gemma3.rope.scaling.factor", &factor, err) ||
        !ct_gguf_num(g, "gemma3.rope.scale_linear", &old, err) ||
        !ct_gguf_num(g, "gemma3.rope.scaling.factor_swa", &local_factor, err) ||
        !ct_gguf_text(g, "gemma3.rope.scaling.type", &type, err))
        return false;
    if (type.data && !(type.len == 6 && memcmp(type.data, "linear", 6) == 0) &&
        !(type.len == 4 && memcmp(type.data, "none", 4) == 0))
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                       "%s: gemma3.rope.scaling.type is '%.*s', expected 'linear' or 'none'", ct_gguf_path(g),
                       (int)(type.len < 40 ? type.len : 40), type.data);
    c->rope_global = (ct_rope){ base, factor ? factor : old };
    c->rope_local = (ct_rope){ local, local_factor };
    return true;
}

static bool read_scales(const ct_gguf *g, ct_config *c, carat_err *err)
{
    double eps = 1e-6, scale = 0;
    if (!ct_gguf_num(g, "gemma3.attention.layer_norm_rms_epsilon", &eps, err) ||
        !ct_gguf_num(g, "gemma3.attention.scale", &scale, err))
        return false;
    c->eps = (float)eps;
    c->query_scale = (float)scale;
    return true;
}

static bool report_caps(const ct_gguf *g, carat_err *err)
{
    static const char *const keys[] = { "gemma3.final_logit_softcapping", "gemma3.attn_logit_softcapping" };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        double cap = 0;
        if (!ct_gguf_num(g, keys[i], &cap, err))
            return false;
        if (cap != 0)
            ct_logf(CARAT_LOG_WARN, "%s: '%s' ignored: Gemma 3 does not cap logits", ct_gguf_path(g), keys[i]);
    }
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
    if (!read_architecture(g, err) || !ct_int_keys_from_gguf(g, "gemma3", text_keys, out, err) ||
        !read_value_length(g, out, err) || !read_pattern(g, out, err) || !read_rope(g, out, err) ||
        !read_scales(g, out, err) || !report_caps(g, err) || !ct_vision_config_from_gguf(g, &out->vision, err) ||
        !read_rows(g, out, err) || !ct_gguf_text(g, "general.name", &name, err))
        return false;
    if (name.data)
        snprintf(out->name, sizeof out->name, "%.*s", (int)(name.len < 90 ? name.len : 90), name.data);
    if (!out->n_kv_head) /* GGUF specification: absent means as many as heads */
        out->n_kv_head = out->n_head;
    return read_eos(g, out, err) && ct_config_finish(out, ct_gguf_path(g), trust_header, err);
}
