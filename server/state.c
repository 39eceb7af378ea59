/* Routes that the server's own state answers: is it alive, is it ready; load this, unload that.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "server/inside.h"

/* Is the model that every server begins with on its way? Later loads are on behalf of one request. */
static bool is_starting(const ct_server *s)
{
    return s->o.loads_first && !s->was_ready;
}

void ct_state_health(ct_call *c)
{
    if (is_starting(c->s)) {
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
    const char *status = c->s->drains ? "draining" : is_starting(c->s) ? "loading" : "ready";
    json_t *body = json_pack("{s:s, s:s*, s:s*}", "status", status, "model", first ? first->name : NULL, "numerics_id",
                             first && first->state == CT_ENGINE_READY ? first->fingerprint : NULL);
    ct_call_reply_json(c, strcmp(status, "ready") == 0 ? 200 : 503, body);
}

/* docs/openapi.json, as it is. */
extern char ct_openapi_json[];
extern const size_t ct_openapi_json_len;

void ct_state_openapi(ct_call *c)
{
    c->stage = CT_CALL_GONE;
    c->status = 200;
    ct_http_reply_static(c->x, 200, "application/json", ct_openapi_json, ct_openapi_json_len);
}

/* ---- loading and unloading, in the words of llama-server's router ---- */

/* The model that the body names; NULL: replied to. */
static ct_model *wanted(ct_call *c)
{
    const char *name = ct_call_wanted(c);
    ct_model *m = name && *name ? ct_models_find(c->s->models, name) : NULL;
    ct_openai_fault f = { 0 };
    if (m && !ct_model_adapter_of(m, name))
        return m;
    if (name && *name)
        ct_openai_refuse(&f, 404, "model_not_found", "model", "there is no model '%.100s' here", name);
    else
        ct_openai_refuse(&f, 400, "missing_required_parameter", "model", "body: 'model' is missing, expected a name");
    ct_call_refuse(c, &f);
    return NULL;
}

/* Answered at once: GET /models says when it is there. */
void ct_state_load(ct_call *c)
{
    ct_model *m = wanted(c);
    if (!m)
        return;
    ct_model_stay(m);
    ct_call_reply_json(c, 200, json_pack("{s:b}", "success", true));
}

/* At once, or when its running answers are complete. */
void ct_state_unload(ct_call *c)
{
    ct_model *m = wanted(c);
    if (!m)
        return;
    ct_model_leave(m);
    ct_call_reply_json(c, 200, json_pack("{s:b}", "success", true));
}
