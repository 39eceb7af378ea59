/* One point, a device, expected speeds: as JSON.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "planner/planner.h"

void planner_parts_of(const carat_estimate_result *w, planner_part p[PLANNER_N_PARTS])
{
    const planner_part all[PLANNER_N_PARTS] = {
        { 'E', "embedding", "embedding", w->embedding },
        { 'A', "attention", "attention", w->attention },
        { 'F', "feed-forward", "ffn", w->ffn_weights },
        { 'n', "norms", "norms", w->norms },
        { 'V', "image tower", "vision", w->vision },
        { 'G', "keys and values, global", "kv_global", w->kv_global },
        { 'W', "keys and values, window", "kv_window", w->kv_window },
        { 'P', "prefix cache", "kv_kept", w->kv_kept },
        { 's', "sessions", "sessions", w->sessions },
        { 'l', "logits of steps", "steps", w->steps },
        { 'x', "scratch", "scratch", w->scratch },
        { 'i', "image scratch", "image_scratch", w->image_scratch },
        { 'c', "images remembered", "image_cache", w->image_cache },
        { 'd', "model that drafts", "draft", w->draft },
        { 'L', "LoRA adapters", "adapters", w->adapters },
        { 'o', "program and vocabulary", "overhead", w->overhead },
    };
    memcpy(p, all, sizeof all);
}

json_t *planner_point_json(const carat_estimate_result *w)
{
    planner_part p[PLANNER_N_PARTS];
    json_t *o = json_object(), *bytes = json_object();
    planner_parts_of(w, p);
    for (int i = 0; i < PLANNER_N_PARTS; i++)
        json_object_set_new(bytes, p[i].json, json_integer((json_int_t)p[i].bytes));
    json_object_set_new(o, "model", ct_json_from_str(w->name));
    json_object_set_new(o, "quant", ct_json_from_str(w->quant));
    json_object_set_new(o, "kv", json_string(w->cache == CARAT_CACHE_Q8_0 ? "q8_0" : "f16"));
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        { "context", w->n_ctx },
        { "batch", w->chunk },
        { "sessions", w->n_sessions },
        { "images", w->n_images },
        { "threads", (uint64_t)w->n_threads },
        { "parameters", w->n_params },
        { "vision_parameters", w->n_vision_params },
        { "tensor_bytes", w->tensor_bytes },
        { "vision_tensor_bytes", w->vision_tensor_bytes },
        { "kv_shared", w->kv_shared },
        { "mapped", w->mapped },
        { "total", w->total },
        { "llama_cpp_layout", w->elsewhere },
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        json_object_set_new(o, numbers[i].name, json_integer((json_int_t)numbers[i].value));
    json_object_set_new(o, "bytes", bytes);
    if (*w->note)
        json_object_set_new(o, "note", ct_json_from_bytes(w->note, strlen(w->note)));
    return o;
}

json_t *planner_device_json(const carat_device *d)
{
    json_t *o = json_object();
    json_object_set_new(o, "name", json_string(d->name));
    json_object_set_new(o, "kind", json_string(d->kind));
    json_object_set_new(o, "memory", json_integer((json_int_t)d->memory_bytes));
    json_object_set_new(o, "usable", json_integer((json_int_t)d->usable_bytes));
    const struct {
        const char *name;
        double value;
    } rates[] = { { "bandwidth", d->bandwidth }, { "fp16", d->fp16 }, { "int8", d->int8 }, { "fp32", d->fp32 } };
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++)
        json_object_set_new(o, rates[i].name, rates[i].value > 0 ? json_real(rates[i].value) : json_null());
    json_object_set_new(o, "year", d->year ? json_integer(d->year) : json_null());
    json_object_set_new(o, "source", json_string(d->source));
    return o;
}

static json_t *pair(const double v[2])
{
    return v[1] > 0 ? json_pack("[f, f]", v[0], v[1]) : json_null();
}

json_t *planner_speed_json(const carat_speed *s)
{
    json_t *o = json_object();
    json_object_set_new(o, "decode_per_second", pair(s->decode));
    json_object_set_new(o, "decode_full_per_second", pair(s->decode_full));
    json_object_set_new(o, "prefill_per_second", pair(s->prefill));
    json_object_set_new(o, "image_seconds", pair(s->image));
    json_object_set_new(o, "is_estimate", json_true());
    return o;
}
