/* /api/show: all that is known of a model.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "ollama/inside.h"

/* ---- the GGUF keys, as far as they follow from what is known ---- */

#define ARCH "gemma3."

typedef struct key {
    const char *name;
    double value;
    bool is_real;
} key;

static bool set_keys(json_t *to, const key *keys, size_t n)
{
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++)
        ok = json_object_set_new(to, keys[i].name,
                                 keys[i].is_real ? json_real(keys[i].value)
                                                 : json_integer((json_int_t)keys[i].value)) == 0;
    return ok;
}

static bool set_text(json_t *to, const char *name, const char *value)
{
    return !*value || json_object_set_new(to, name, ct_json_from_str(value)) == 0;
}

static bool set_decoder(json_t *to, const carat_model_info *m)
{
    const key keys[] = {
        { "general.parameter_count", (double)m->n_params, false },
        { ARCH "context_length", (double)m->context, false },
        { ARCH "block_count", (double)m->n_layer, false },
        { ARCH "embedding_length", (double)m->hidden, false },
        { ARCH "feed_forward_length", (double)m->ffn, false },
        { ARCH "attention.head_count", (double)m->n_head, false },
        { ARCH "attention.head_count_kv", (double)m->n_kv_head, false },
        { ARCH "attention.key_length", (double)m->head_dim, false },
        { ARCH "attention.value_length", (double)m->head_dim, false },
        { ARCH "attention.sliding_window", (double)m->window, false },
        { ARCH "attention.layer_norm_rms_epsilon", m->eps, true },
        { ARCH "rope.freq_base", m->rope_base_global, true },
        { ARCH "rope.freq_base_swa", m->rope_base_local, true },
        { ARCH "rope.scaling.factor", m->rope_factor, true },
        { ARCH "vocab_size", (double)m->n_vocab, false },
    };
    return set_keys(to, keys, sizeof keys / sizeof *keys);
}

static bool set_tower(json_t *to, const carat_model_info *m)
{
    const key keys[] = {
        { ARCH "vision.block_count", (double)m->vision_layers, false },
        { ARCH "vision.embedding_length", (double)m->vision_hidden, false },
        { ARCH "vision.feed_forward_length", (double)m->vision_ffn, false },
        { ARCH "vision.attention.head_count", (double)m->vision_heads, false },
        { ARCH "vision.image_size", (double)m->image_size, false },
        { ARCH "vision.patch_size", (double)m->patch_size, false },
        { ARCH "mm.tokens_per_image", (double)m->tokens_per_image, false },
    };
    return !m->has_vision || set_keys(to, keys, sizeof keys / sizeof *keys);
}

/* Long lists are null unless all is wanted. */
static json_t *pieces(const carat_tokenizer *t)
{
    json_t *all = json_array();
    bool ok = all != NULL;
    for (size_t i = 0; ok && i < carat_tokenizer_n_pieces(t); i++) {
        size_t len;
        const char *text = carat_tokenizer_piece(t, (int32_t)i, &len);
        ok = json_array_append_new(all, ct_json_from_bytes(text, len)) == 0;
    }
    if (ok)
        return all;
    json_decref(all);
    return NULL;
}

static json_t *model_info(const ct_ollama_model *m, bool is_verbose)
{
    json_t *to = json_object();
    const bool has_pieces = is_verbose && m->tokenizer;
    const bool ok =
        json_object_set_new(to, "general.architecture", json_string("gemma3")) == 0 &&
        set_text(to, "general.name", m->info->name) && set_text(to, "general.basename", m->info->published) &&
        set_decoder(to, m->info) && set_tower(to, m->info) &&
        json_object_set_new(to, "tokenizer.ggml.model", json_string("llama")) == 0 &&
        json_object_set_new(to, "tokenizer.ggml.tokens", has_pieces ? pieces(m->tokenizer) : json_null()) == 0;
    if (ok)
        return to;
    json_decref(to);
    return NULL;
}

/* ---- texts ---- */

/* In the notation of Ollama's model files, which many clients show. Of other templates the name. */
static const char *template_of(const carat_model_info *m)
{
    if (strcmp(m->chat_template, "gemma") != 0 && strcmp(m->chat_template, "unknown") != 0)
        return m->chat_template;
    return "{{ range .Messages }}<start_of_turn>{{ if eq .Role \"assistant\" }}model{{ else }}user{{ end }}\n"
           "{{ .Content }}<end_of_turn>\n"
           "{{ end }}<start_of_turn>model\n";
}

/* "temperature                    1", one a line: how answers are drawn where a request says nothing. */
static bool put_parameters(const carat_model_info *m, const char *before, ct_buf *out)
{
    const carat_sampling *s = m->sampling;
    ct_buf_fmt(out, "%s%-30s %g\n", before, "temperature", (double)s->temperature);
    ct_buf_fmt(out, "%s%-30s %d\n", before, "top_k", s->top_k);
    ct_buf_fmt(out, "%s%-30s %g\n", before, "top_p", (double)s->top_p);
    ct_buf_fmt(out, "%s%-30s %g\n", before, "min_p", (double)s->min_p);
    ct_buf_fmt(out, "%s%-30s %g\n", before, "repeat_penalty", (double)s->repetition_penalty);
    return ct_buf_fmt(out, "%s%-30s \"%s\"", before, "stop",
                      strcmp(m->chat_template, "chatml") == 0 ? "<|im_end|>" : "<end_of_turn>");
}

static bool set_buf(json_t *to, const char *name, ct_buf *text)
{
    const bool ok =
        !text->failed && json_object_set_new(to, name, ct_json_from_bytes(text->len ? text->data : "", text->len)) == 0;
    ct_buf_clear(text);
    return ok;
}

static bool set_texts(json_t *to, const ct_ollama_model *m)
{
    ct_buf text;
    ct_buf_init(&text, 1 << 20);
    ct_buf_fmt(&text, "FROM %s\nTEMPLATE \"\"\"%s\"\"\"\n", m->path ? m->path : m->name, template_of(m->info));
    put_parameters(m->info, "PARAMETER ", &text);
    bool ok = set_buf(to, "modelfile", &text);
    put_parameters(m->info, "", &text);
    ok = set_buf(to, "parameters", &text) && ok;
    ct_buf_deinit(&text);
    return ok && json_object_set_new(to, "template", json_string(template_of(m->info))) == 0;
}

/* ---- all of it ---- */

/* Every model embeds, and all but embedding models answer; those that chat may be told of functions. */
static json_t *capabilities(const carat_model_info *m)
{
    const char *const names[] = { m->is_embedding ? NULL : "completion", m->has_vision ? "vision" : NULL,
                                  m->is_instruction_tuned ? "tools" : NULL, "embedding" };
    json_t *all = json_array();
    bool ok = all != NULL;
    for (size_t i = 0; ok && i < sizeof names / sizeof *names; i++)
        ok = !names[i] || json_array_append_new(all, json_string(names[i])) == 0;
    if (ok)
        return all;
    json_decref(all);
    return NULL;
}

json_t *ct_ollama_show(const ct_ollama_model *m, bool is_verbose)
{
    char time[CT_OLLAMA_TIME];
    json_t *to = json_pack("{s:o, s:s}", "details", ct_ollama_details(m->info), "modified_at",
                           ct_ollama_time(m->modified, time));
    bool ok = to != NULL;
    if (m->info)
        ok =
            ok && set_texts(to, m) && json_object_set_new(to, "model_info", model_info(m, is_verbose)) == 0 &&
            json_object_set_new(to, "capabilities", capabilities(m->info)) == 0 &&
            set_text(to, "license", *m->info->published ? "Gemma Terms of Use: https://ai.google.dev/gemma/terms" : "");
    else
        ok = ok && json_object_set_new(to, "model_info", json_object()) == 0 &&
             json_object_set_new(to, "capabilities", json_array()) == 0;
    if (ok)
        return to;
    json_decref(to);
    return NULL;
}
