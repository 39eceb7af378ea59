/* What a server is and does: GET /props, /slots, /models, /lora-adapters.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "llamacpp/inside.h"

#define SENTENCEPIECE                                                                                                  \
    1 /* of llama.cpp's kinds of vocabulary: byte pairs over the whole text with bytes to fall back on */

/* ---- GET /props ---- */

static json_t *next_token(const ct_llamacpp_slot *s)
{
    return json_pack("{s:b, s:b, s:I, s:I}", "has_next_token", s->is_busy, "has_new_line", 0, "n_remain",
                     s->n_remain ? (json_int_t)s->n_remain : -1, "n_decoded", (json_int_t)s->n_decoded);
}

static json_t *slot(const ct_llamacpp_facts *facts, const ct_llamacpp_slot *s, size_t id)
{
    const carat_sampling *sampling = s->sampling ? s->sampling : &facts->options->sampling;
    return json_pack("{s:I, s:I, s:I, s:b, s:b, s:I, s:o, s:o}", "id", (json_int_t)id, "id_task",
                     s->task && s->task <= INT64_MAX ? (json_int_t)s->task : -1, "n_ctx",
                     (json_int_t)carat_engine_n_ctx(facts->engine), "speculative", 0, "is_processing", s->is_busy,
                     "n_prompt_tokens", (json_int_t)s->n_prompt, "params", ct_llamacpp_settings(sampling, NULL, false),
                     "next_token", next_token(s));
}

json_t *ct_llamacpp_props(const ct_llamacpp_facts *facts)
{
    static const ct_llamacpp_slot idle;
    const carat_model_info *info = carat_engine_info(facts->engine);
    const carat_tokenizer *tok = carat_engine_tokenizer(facts->engine);
    json_t *build = json_sprintf("carat %s", carat_version());
    return json_pack("{s:o, s:I, s:o, s:o, s:{s:b, s:b}, s:b, s:b, s:b, s:b, s:o, s:o, s:o, s:o, s:b}",
                     "default_generation_settings", slot(facts, &idle, 0), "total_slots", (json_int_t)facts->n_slots,
                     "model_alias", ct_json_from_str(facts->model), "model_path", ct_json_from_str(info->path),
                     "modalities", "vision", info->has_vision, "audio", 0, "endpoint_slots", facts->has_slots,
                     "endpoint_props", facts->can_set_props, "endpoint_metrics", facts->has_metrics, "webui",
                     facts->has_page, "chat_template", ct_json_from_str(info->chat_template_text), "bos_token",
                     ct_llamacpp_control(tok, "<bos>", json_string("")), "eos_token",
                     ct_llamacpp_control(tok, "<eos>", json_string("")), "build_info", build, "is_sleeping",
                     facts->is_sleeping);
}

/* ---- GET /slots, GET /lora-adapters ---- */

/* Takes what is added; NULL of either is no memory. */
static json_t *with(json_t *list, json_t *v)
{
    if (json_array_append_new(list, v) == 0)
        return list;
    json_decref(list);
    return NULL;
}

json_t *ct_llamacpp_slots(const ct_llamacpp_facts *facts)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < facts->n_slots; i++)
        list = with(list, slot(facts, &facts->slots[i], i));
    return list;
}

json_t *ct_llamacpp_adapters(const ct_llamacpp_adapter *all, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < n; i++)
        list = with(list, json_pack("{s:I, s:o, s:o, s:f}", "id", (json_int_t)i, "name", ct_json_from_str(all[i].name),
                                    "path", ct_json_from_str(all[i].path), "scale", all[i].scale));
    return list;
}

static bool read_scale(const json_t *entry, size_t n, double *scales, bool *is_set, ct_openai_fault *f)
{
    const json_t *id = json_object_get(entry, "id"), *scale = json_object_get(entry, "scale");
    const json_int_t i = json_integer_value(id);
    if (!json_is_object(entry) || !json_is_integer(id) || !json_is_number(scale))
        return ct_openai_refuse(f, 400, "invalid_value", json_is_integer(id) ? "scale" : "id",
                                "the body has %s, expected {\"id\": number, \"scale\": number}",
                                json_is_object(entry) ? "an entry without both" : ct_json_kind(entry));
    if (i < 0 || (size_t)i >= n)
        return ct_openai_refuse(f, 400, "invalid_value", "id", "there is no adapter %lld: GET /lora-adapters lists %zu",
                                (long long)i, n);
    if (!isfinite((float)json_number_value(scale)))
        return ct_openai_refuse(f, 400, "invalid_value", "scale", "a scale that is not a number");
    if (is_set[i])
        return ct_openai_refuse(f, 400, "invalid_value", "id", "the body has the adapter %lld twice", (long long)i);
    is_set[i] = true;
    scales[i] = json_number_value(scale);
    return true;
}

bool ct_llamacpp_read_scales(const json_t *body, size_t n, double *scales, ct_openai_fault *f)
{
    bool is_set[CT_OPENAI_ALL_ADAPTERS] = { false };
    size_t n_used = 0;
    if (!json_is_array(body))
        return ct_openai_refuse(f, 400, "invalid_value", "", "the body is %s, expected a list of adapters",
                                body ? ct_json_kind(body) : "missing");
    for (size_t i = 0; i < n; i++)
        scales[i] = 0;
    for (size_t i = 0; i < json_array_size(body); i++)
        if (!read_scale(json_array_get(body, i), n, scales, is_set, f))
            return false;
    for (size_t i = 0; i < n; i++)
        n_used += scales[i] != 0;
    return n_used <= CT_OPENAI_MAX_ADAPTERS ||
           ct_openai_refuse(f, 400, "invalid_value", "scale", "%zu adapters at once, expected at most %d", n_used,
                            CT_OPENAI_MAX_ADAPTERS);
}

/* ---- GET /models ---- */

static json_t *capabilities(const ct_llamacpp_model *m)
{
    json_t *list = json_array();
    if (list)
        list = with(list, json_string("completion"));
    if (list && m->info->is_instruction_tuned)
        list = with(list, json_string("tools"));
    if (list && m->info->has_vision)
        list = with(list, json_string("multimodal"));
    if (list && m->embeds)
        list = with(list, json_string("embedding"));
    return list;
}

static json_t *meta(const ct_llamacpp_model *m)
{
    const carat_model_info *i = m->info;
    return json_pack("{s:i, s:I, s:I, s:I, s:I, s:I, s:I}", "vocab_type", SENTENCEPIECE, "n_vocab",
                     (json_int_t)i->n_vocab, "n_ctx_train", (json_int_t)i->context, "n_ctx", (json_int_t)m->n_ctx,
                     "n_embd", (json_int_t)i->hidden, "n_params", (json_int_t)i->n_params, "size",
                     (json_int_t)i->file_bytes);
}

json_t *ct_llamacpp_model_entry(const ct_llamacpp_model *m)
{
    static const char *const states[] = { "unloaded", "loading", "loaded", "unloaded" };
    json_t *status = json_pack("{s:s}", "value", states[m->state]);
    if (status && m->state == CT_LLAMACPP_FAILED && json_object_set_new(status, "failed", json_true()) != 0) {
        json_decref(status);
        status = NULL;
    }
    return json_pack("{s:o, s:s, s:I, s:s, s:o, s:o, s:o}", "id", ct_json_from_str(m->id), "object", "model", "created",
                     (json_int_t)m->created, "owned_by", "carat", "status", status, "capabilities",
                     m->info ? capabilities(m) : json_array(), "meta", m->info ? meta(m) : json_null());
}

json_t *ct_llamacpp_adapter_entry(const ct_llamacpp_adapter *a, const ct_llamacpp_model *of)
{
    json_t *o = ct_llamacpp_model_entry(of);
    if (o && (json_object_set_new(o, "id", ct_json_from_str(a->name)) != 0 ||
              json_object_set_new(o, "root", ct_json_from_str(a->path)) != 0 ||
              json_object_set_new(o, "parent", ct_json_from_str(of->id)) != 0)) {
        json_decref(o);
        return NULL;
    }
    return o;
}

json_t *ct_llamacpp_models(const ct_llamacpp_model *models, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < n; i++)
        list = with(list, ct_llamacpp_model_entry(&models[i]));
    return json_pack("{s:s, s:o}", "object", "list", "data", list);
}
