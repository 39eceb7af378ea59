/* Routes that the server's own state answers: is it alive, is it ready, which models are there.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "server/inside.h"

void ct_state_health(ct_call *c)
{
    const ct_model *first = ct_models_first(c->s->models);
    if (first && first->state == CT_ENGINE_LOADING) {
        ct_openai_fault f = { 0 };
        ct_openai_refuse(&f, 503, "unavailable", "", "Loading model");
        ct_call_refuse(c, &f);
        return;
    }
    ct_call_reply_json(c, 200, json_pack("{s:s}", "status", "ok"));
}

void ct_state_ready(ct_call *c)
{
    const ct_model *first = ct_models_first(c->s->models);
    const char *status = c->s->drains ? "draining" : first && first->state == CT_ENGINE_LOADING ? "loading" : "ready";
    json_t *body = json_pack("{s:s, s:s*, s:s*}", "status", status, "model", first ? first->name : NULL, "numerics_id",
                             first && first->state == CT_ENGINE_READY ? first->fingerprint : NULL);
    ct_call_reply_json(c, strcmp(status, "ready") == 0 ? 200 : 503, body);
}

static json_t *entry(const ct_model *m, int64_t created)
{
    return json_pack("{s:s, s:s, s:I, s:s}", "id", m->name, "object", "model", "created", (json_int_t)created,
                     "owned_by", "carat");
}

void ct_state_models(ct_call *c)
{
    json_t *data = json_array();
    for (const ct_model *m = ct_models_first(c->s->models); m; m = m->next)
        json_array_append_new(data, entry(m, c->s->started));
    ct_call_reply_json(c, 200, json_pack("{s:s, s:o}", "object", "list", "data", data));
}

void ct_state_model(ct_call *c)
{
    const ct_model *m = ct_models_find(c->s->models, c->tail);
    ct_openai_fault f = { 0 };
    if (m) {
        ct_call_reply_json(c, 200, entry(m, c->s->started));
        return;
    }
    ct_openai_refuse(&f, 404, "model_not_found", "model", "there is no model '%.100s' here", c->tail);
    ct_call_refuse(c, &f);
}
