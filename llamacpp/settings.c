/* How answers are drawn, in llama-server's words: "generation_settings", "params".
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "llamacpp/inside.h"

json_t *ct_llamacpp_num(float v)
{
    char text[32];
    snprintf(text, sizeof text, "%.7g", (double)v);
    return json_real(isfinite(v) ? strtod(text, NULL) : 0);
}

static bool set(json_t *o, const char *key, json_t *v)
{
    return json_object_set_new(o, key, v) == 0;
}

/* The order in which the filters work. */
static json_t *samplers_of(const carat_sampling *s)
{
    static const char *const first[] = { "penalties", "temperature", "top_k", "top_p", "min_p", NULL },
                             *const last[] = { "penalties", "top_k", "top_p", "min_p", "temperature", NULL };
    json_t *list = json_array();
    bool ok = list != NULL;
    for (const char *const *at = s->order == CARAT_TEMP_FIRST ? first : last; ok && *at; at++)
        ok = json_array_append_new(list, json_string(*at)) == 0;
    if (ok)
        return list;
    json_decref(list);
    return NULL;
}

static json_t *biases_of(const carat_sampling *s)
{
    json_t *list = json_array();
    bool ok = list != NULL;
    for (size_t i = 0; ok && i < s->n_bias; i++) {
        const carat_bias *b = &s->bias[i];
        ok = json_array_append_new(list, json_pack("{s:i, s:o}", "token", b->id, "bias",
                                                   isfinite(b->bias) ? ct_llamacpp_num(b->bias) : json_false())) == 0;
    }
    if (ok)
        return list;
    json_decref(list);
    return NULL;
}

static json_t *stops_of(const carat_generation *g)
{
    json_t *list = json_array();
    bool ok = list != NULL;
    for (size_t i = 0; ok && g && i < g->n_stops; i++)
        ok = json_array_append_new(list, json_string_nocheck(g->stops[i])) == 0;
    if (ok)
        return list;
    json_decref(list);
    return NULL;
}

/* What there is not is off, and says so. */
static bool set_others(json_t *o)
{
    return set(o, "dynatemp_range", json_real(0)) && set(o, "dynatemp_exponent", json_real(1)) &&
           set(o, "typical_p", json_real(1)) && set(o, "top_n_sigma", json_real(-1)) &&
           set(o, "xtc_probability", json_real(0)) && set(o, "dry_multiplier", json_real(0)) &&
           set(o, "mirostat", json_integer(0)) && set(o, "n_keep", json_integer(0)) &&
           set(o, "n_discard", json_integer(0)) && set(o, "min_keep", json_integer(0)) && set(o, "lora", json_array());
}

/* The number of an adapter in GET /lora-adapters. */
static size_t number_of(const carat_engine *e, const ct_openai_options *o, const carat_adapter *a)
{
    size_t i = 0;
    while (o->adapters ? i < o->adapters->n && o->adapters->v[i].adapter != a
                       : carat_engine_adapter(e, i, NULL) && carat_engine_adapter(e, i, NULL) != a)
        i++;
    return i;
}

json_t *ct_llamacpp_lora(const ct_openai_request *r, const ct_openai_options *o, const char *model)
{
    carat_adapter_use own[CT_OPENAI_MAX_ADAPTERS];
    const carat_adapter_use *uses = r->n_adapters ? r->adapters : own;
    const bool says = r->n_adapters || r->submit.n_adapters == CARAT_NO_ADAPTERS;
    const size_t n = says ? r->n_adapters : ct_openai_adapters_of(r->engine, o, model, own);
    json_t *list = json_array();
    bool ok = list != NULL;
    for (size_t i = 0; ok && i < n; i++)
        ok = json_array_append_new(list,
                                   json_pack("{s:I, s:f}", "id", (json_int_t)number_of(r->engine, o, uses[i].adapter),
                                             "scale", uses[i].scale)) == 0;
    if (ok)
        return list;
    json_decref(list);
    return NULL;
}

/* A seed beyond 63 bits is written as the negative number that a request would give it by. */
json_t *ct_llamacpp_settings(const carat_sampling *s, const carat_generation *g, bool streams)
{
    json_t *o = json_object();
    const json_int_t most = g && g->max_tokens ? (json_int_t)g->max_tokens : -1;
    bool ok =
        set(o, "seed", json_integer((json_int_t)s->seed)) && set(o, "temperature", ct_llamacpp_num(s->temperature)) &&
        set(o, "top_k", json_integer(s->top_k)) && set(o, "top_p", ct_llamacpp_num(s->top_p)) &&
        set(o, "min_p", ct_llamacpp_num(s->min_p)) && set(o, "repeat_last_n", json_integer(s->penalty_window)) &&
        set(o, "repeat_penalty", ct_llamacpp_num(s->repetition_penalty)) &&
        set(o, "presence_penalty", ct_llamacpp_num(s->presence_penalty)) &&
        set(o, "frequency_penalty", ct_llamacpp_num(s->frequency_penalty)) && set(o, "samplers", samplers_of(s)) &&
        set(o, "logit_bias", biases_of(s)) && set(o, "stop", stops_of(g)) && set(o, "max_tokens", json_integer(most)) &&
        set(o, "n_predict", json_integer(most)) &&
        set(o, "min_tokens", json_integer(g ? (json_int_t)g->min_tokens : 0)) &&
        set(o, "ignore_eos", json_boolean(g && g->ignores_eos)) && set(o, "n_probs", json_integer(g ? g->n_top : 0)) &&
        set(o, "stream", json_boolean(streams)) && set_others(o);
    if (ok)
        return o;
    json_decref(o);
    return NULL;
}
