/* Replies of JSON and text, and faults in the words of a protocol.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "server/inside.h"

void ct_call_refuse(ct_call *c, const ct_openai_fault *f)
{
    const ct_talk_kind *kind = ct_route_protocol(c->route, ct_http_path(c->x));
    ct_buf text;
    c->stage = CT_CALL_GONE;
    c->status = f->status ? f->status : 400;
    ct_buf_init(&text, SIZE_MAX);
    if (kind->fault(c->talk, f, false, &text))
        ct_http_reply(c->x, c->status, "application/json", text.data, text.len);
    else
        ct_http_cut(c->x);
    ct_buf_deinit(&text);
}

void ct_call_reply_json(ct_call *c, int status, json_t *body)
{
    ct_buf text;
    ct_buf_init(&text, SIZE_MAX);
    c->stage = CT_CALL_GONE;
    c->status = status;
    if (body && ct_json_write(body, &text))
        ct_http_reply(c->x, status, "application/json", text.data, text.len);
    else
        ct_http_cut(c->x);
    ct_buf_deinit(&text);
    json_decref(body);
}

void ct_call_reply_text(ct_call *c, int status, const char *type, const char *text)
{
    c->stage = CT_CALL_GONE;
    c->status = status;
    ct_http_reply(c->x, status, type, text, strlen(text));
}
