/* What the server says of its models in Ollama's words: /api/tags, /api/ps, /api/show, /api/version; and how long a
 * request wants its model kept.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "ollama/ollama.h"
#include "server/inside.h"

static double real_time(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static ct_ollama_model fact_of(const ct_model *m)
{
    const bool is_loaded = m->state == CT_ENGINE_READY;
    const carat_model_info *info = is_loaded ? carat_engine_info(m->engine) : m->info;
    ct_ollama_model fact = { .name = m->name,
                             .digest = m->digest,
                             .size = info ? info->file_bytes : 0,
                             .modified = (double)m->modified,
                             .info = info,
                             .expires = INFINITY };
    if (!is_loaded)
        return fact;
    fact.n_ctx = carat_engine_n_ctx(m->engine);
    fact.memory = carat_engine_memory(m->engine)->total;
    fact.tokenizer = carat_engine_tokenizer(m->engine);
    if (m->idle_seconds < INFINITY) /* while it is held it stays, and from then on so long */
        fact.expires = real_time() + m->idle_seconds - (m->n_held ? 0 : ct_now() - m->used_at);
    return fact;
}

/* Those that are loaded, or all. */
static void reply_list(ct_call *c, bool is_loaded)
{
    ct_ollama_model *facts = calloc(ct_models_n(c->s->models) + 1, sizeof *facts);
    size_t n = 0;
    for (const ct_model *m = ct_models_first(c->s->models); facts && m; m = m->next)
        if (!is_loaded || m->state == CT_ENGINE_READY)
            facts[n++] = fact_of(m);
    ct_call_reply_json(c, 200, !facts ? NULL : is_loaded ? ct_ollama_ps(facts, n) : ct_ollama_tags(facts, n));
    free(facts);
}

void ct_state_tags(ct_call *c)
{
    reply_list(c, false);
}

void ct_state_ps(ct_call *c)
{
    reply_list(c, true);
}

void ct_state_ollama_version(ct_call *c)
{
    ct_call_reply_json(c, 200, ct_ollama_version());
}

void ct_state_show(ct_call *c)
{
    const char *name = ct_call_wanted(c);
    const ct_model *m = name && *name ? ct_models_find(c->s->models, name) : NULL;
    ct_openai_fault f = { 0 };
    if (!m) {
        ct_openai_refuse(&f, name && *name ? 404 : 400, "model_not_found", "model", "model '%.100s' not found",
                         name ? name : "");
        ct_call_refuse(c, &f);
        return;
    }
    const ct_ollama_model fact = fact_of(m);
    ct_call_reply_json(c, 200, ct_ollama_show(&fact, json_is_true(json_object_get(c->json, "verbose"))));
}

bool ct_call_keep(ct_call *c)
{
    double seconds = c->s->o.idle_seconds;
    bool is_only_load;
    if (c->route->protocol != &ct_ollama_talk_chat)
        return true;
    if (!ct_ollama_keep_alive(c->json, &seconds, &is_only_load, &c->fault)) {
        ct_call_refuse(c, &c->fault);
        return false;
    }
    c->model->idle_seconds = seconds;
    if (!is_only_load || seconds > 0 || !c->route->talk)
        return true;
    ct_model_leave(c->model);
    ct_call_reply_json(c, 200, ct_ollama_loaded(c->route->talk, c->scene.model, true));
    return false;
}
