/* Routes that the server's own state answers: is it alive, is it ready.
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
