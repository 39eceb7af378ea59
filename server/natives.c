/* What the server says of itself in llama-server's words: /props, /slots, /v1/models, /lora-adapters. Wakes no model.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "llamacpp/llamacpp.h"
#include "server/inside.h"

/* ---- models ---- */

static ct_llamacpp_state state_of(const ct_model *m)
{
    if (m->state == CT_ENGINE_READY)
        return CT_LLAMACPP_LOADED;
    if (m->state == CT_ENGINE_LOADING)
        return CT_LLAMACPP_LOADING;
    return m->state == CT_ENGINE_AWAY && m->err.code != CARAT_OK ? CT_LLAMACPP_FAILED : CT_LLAMACPP_UNLOADED;
}

static ct_llamacpp_model fact_of(const ct_model *m, int64_t started)
{
    const bool is_loaded = m->state == CT_ENGINE_READY;
    return (ct_llamacpp_model){ .id = m->name,
                                .created = m->modified > 0 ? m->modified : started,
                                .state = state_of(m),
                                .info = is_loaded ? carat_engine_info(m->engine) : m->info,
                                .embeds = true,
                                .n_ctx = is_loaded ? carat_engine_n_ctx(m->engine) : 0 };
}

static ct_llamacpp_adapter adapter_of(const ct_model_adapter *a)
{
    return (ct_llamacpp_adapter){ a->name, a->path, a->scale };
}

/* A model, or the adapter of it that is called so. */
static json_t *entry(const ct_model *m, const ct_model_adapter *a, int64_t started)
{
    const ct_llamacpp_model fact = fact_of(m, started);
    if (!a)
        return ct_llamacpp_model_entry(&fact);
    const ct_llamacpp_adapter own = adapter_of(a);
    return ct_llamacpp_adapter_entry(&own, &fact);
}

void ct_state_models(ct_call *c)
{
    json_t *data = json_array();
    bool ok = data != NULL;
    for (const ct_model *m = ct_models_first(c->s->models); ok && m; m = m->next) {
        ok = json_array_append_new(data, entry(m, NULL, c->s->started)) == 0;
        for (size_t i = 0; ok && i < m->n_adapters; i++)
            ok = json_array_append_new(data, entry(m, &m->adapters[i], c->s->started)) == 0;
    }
    if (!ok)
        json_decref(data);
    ct_call_reply_json(c, 200, ok ? json_pack("{s:s, s:o}", "object", "list", "data", data) : NULL);
}

void ct_state_model(ct_call *c)
{
    const ct_model *m = ct_models_find(c->s->models, c->tail);
    ct_openai_fault f = { 0 };
    if (m) {
        ct_call_reply_json(c, 200, entry(m, ct_model_adapter_of(m, c->tail), c->s->started));
        return;
    }
    ct_openai_refuse(&f, 404, "model_not_found", "model", "there is no model '%.100s' here", c->tail);
    ct_call_refuse(c, &f);
}

/* ---- slots ---- */

/* The model that ?model= names, or the first; NULL after a reply that says why not. */
static ct_model *loaded(ct_call *c)
{
    const char *name = ct_http_query(c->x, "model");
    ct_model *m = ct_models_find(c->s->models, name);
    ct_openai_fault f = { 0 };
    if (m && m->state == CT_ENGINE_READY)
        return m;
    if (!m)
        ct_openai_refuse(&f, 404, "model_not_found", "model", "there is no model '%.100s' here", name ? name : "");
    else
        ct_openai_refuse(&f, 503, "unavailable", "", "%s",
                         m->state == CT_ENGINE_LOADING
                             ? "Loading model"
                             : "the model is not loaded; the next request that needs it loads it");
    ct_call_refuse(c, &f);
    return NULL;
}

typedef struct places {  /* answers that run, and room for those that may */
    ct_llamacpp_slot *v; /* [n] */
    size_t n, n_busy;
} places;

/* An answer of a request that the engine works at. */
static void take_place(places *p, const ct_call *c, size_t ask)
{
    const carat_request_options *o = c->talk->asks[ask];
    carat_request_state s = { .struct_size = sizeof s };
    if (!c->talk->requests[ask] || !carat_request_progress(c->talk->requests[ask], &s, NULL))
        return;
    const size_t n = o->n_answers ? o->n_answers : 1;
    const size_t most = o->generation ? o->generation->max_tokens : 0;
    const bool runs = s.stage == CARAT_REQUEST_READING || s.stage == CARAT_REQUEST_ANSWERING;
    for (size_t i = 0; runs && i < n && p->n_busy < p->n; i++)
        p->v[p->n_busy++] = (ct_llamacpp_slot){ .is_busy = true,
                                                .task = c->number,
                                                .n_prompt = s.n_prompt,
                                                .n_decoded = c->n_generated,
                                                .n_remain = most > c->n_generated ? most - c->n_generated : 0,
                                                .sampling = o->generation ? o->generation->sampling : NULL };
}

static bool find_places(const ct_call *c, const ct_model *m, places *p)
{
    *p = (places){ .n = m->requests.max_answers ? m->requests.max_answers : 1 }; /* as many answers as at once */
    p->v = calloc(p->n, sizeof *p->v);
    for (const ct_call *at = c->s->calls; p->v && at; at = at->next)
        for (size_t i = 0; at->model == m && at->stage == CT_CALL_RUN && at->talk && i < at->talk->n; i++)
            take_place(p, at, i);
    return p->v != NULL;
}

static ct_llamacpp_facts facts_of(const ct_model *m, const places *p)
{
    return (ct_llamacpp_facts){ .engine = m->engine,
                                .options = &m->requests,
                                .model = m->name,
                                .slots = p->v,
                                .n_slots = p->n,
                                .has_slots = true };
}

void ct_state_props(ct_call *c)
{
    const ct_model *m = loaded(c);
    places p;
    if (!m)
        return;
    const bool ok = find_places(c, m, &p);
    const ct_llamacpp_facts facts = facts_of(m, &p);
    ct_call_reply_json(c, 200, ok ? ct_llamacpp_props(&facts) : NULL);
    free(p.v);
}

/* ?fail_on_no_slot=1: a 503 while none is free, for those who distribute requests. */
void ct_state_slots(ct_call *c)
{
    const char *fails = ct_http_query(c->x, "fail_on_no_slot");
    const ct_model *m = loaded(c);
    places p;
    ct_openai_fault f = { 0 };
    if (!m)
        return;
    const bool ok = find_places(c, m, &p);
    const ct_llamacpp_facts facts = facts_of(m, &p);
    if (ok && fails && strcmp(fails, "0") != 0 && p.n_busy == p.n) {
        ct_openai_refuse(&f, 503, "unavailable", "", "no slot available");
        ct_call_refuse(c, &f);
    } else {
        ct_call_reply_json(c, 200, ok ? ct_llamacpp_slots(&facts) : NULL);
    }
    free(p.v);
}

/* ---- adapters, of the first model, loaded or not ---- */

static size_t adapters_of(const ct_model *m, ct_llamacpp_adapter to[CT_OPENAI_ALL_ADAPTERS])
{
    for (size_t i = 0; m && i < m->n_adapters; i++)
        to[i] = adapter_of(&m->adapters[i]);
    return m ? m->n_adapters : 0;
}

void ct_state_adapters(ct_call *c)
{
    ct_llamacpp_adapter all[CT_OPENAI_ALL_ADAPTERS];
    const size_t n = adapters_of(ct_models_first(c->s->models), all);
    ct_call_reply_json(c, 200, ct_llamacpp_adapters(all, n));
}

/* Of requests that come from now on and do not say. */
void ct_state_set_adapters(ct_call *c)
{
    ct_model *m = ct_models_first(c->s->models);
    double scales[CT_OPENAI_ALL_ADAPTERS];
    ct_openai_fault f = { 0 };
    if (!ct_llamacpp_read_scales(c->json, m ? m->n_adapters : 0, scales, &f)) {
        ct_call_refuse(c, &f);
        return;
    }
    for (size_t i = 0; m && i < m->n_adapters; i++)
        m->adapters[i].scale = scales[i];
    ct_call_reply_json(c, 200, json_pack("{s:b}", "success", true));
}
