/* Routes of responses that are stored: /v1/responses/{id}.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "responses/responses.h"
#include "server/inside.h"

static void reply(ct_call *c, bool ok, json_t *body, const ct_openai_fault *f)
{
    if (ok)
        ct_call_reply_json(c, 200, body);
    else
        ct_call_refuse(c, f);
}

void ct_state_response(ct_call *c)
{
    ct_openai_fault f = { 0 };
    json_t *body = NULL;
    const bool ok = ct_responses_get(c->s->responses, c->tail, &body, &f);
    reply(c, ok, body, &f);
}

void ct_state_delete_response(ct_call *c)
{
    ct_openai_fault f = { 0 };
    json_t *body = NULL;
    const bool ok = ct_responses_delete(c->s->responses, c->tail, &body, &f);
    reply(c, ok, body, &f);
}

/* "{id}/cancel". */
void ct_state_cancel_response(ct_call *c)
{
    static const char end[] = "/cancel";
    ct_openai_fault f = { 0 };
    const size_t n = strlen(c->tail);
    if (n < sizeof end || strcmp(c->tail + n - (sizeof end - 1), end) != 0) {
        ct_openai_refuse(&f, 404, "not_found", "", "there is nothing to post to at '%.100s'", ct_http_path(c->x));
    } else {
        c->tail[n - (sizeof end - 1)] = '\0';
        ct_responses_cancel(c->s->responses, c->tail, &f);
    }
    ct_call_refuse(c, &f);
}
