/* The chat page's files, and what the root says to clients that are no browsers.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "server/inside.h"
#include "web/page.h"

/* Has the client this very file? */
static bool is_known(const ct_http_exchange *x, const ct_page_file *file)
{
    const char *known = ct_http_header(x, "If-None-Match");
    return known && strstr(known, file->etag);
}

static void set_headers(ct_call *c, const ct_page_file *file)
{
    ct_http_set(c->x, "ETag", file->etag);
    ct_http_set(c->x, "Cache-Control", "no-cache");
    ct_http_set(c->x, "Vary", "Accept-Encoding");
    ct_http_set(c->x, "Content-Security-Policy", CT_PAGE_POLICY);
    ct_http_set(c->x, "X-Content-Type-Options", "nosniff");
    ct_http_set(c->x, "Referrer-Policy", "no-referrer");
    ct_http_set(c->x, "Cross-Origin-Opener-Policy", "same-origin");
}

void ct_state_page(ct_call *c)
{
    const char *takes = ct_http_header(c->x, "Accept-Encoding");
    const ct_page_file *file = ct_page_find(ct_http_path(c->x));
    if (ct_http_listener(c->x) == c->s->ollama_listener && strcmp(ct_http_path(c->x), "/") == 0) {
        ct_call_reply_text(c, 200, "text/plain; charset=utf-8", "Ollama is running");
        return;
    }
    if (!file) {
        ct_openai_fault f = { 0 };
        ct_openai_refuse(&f, 404, "not_found", "", "this program was built without its page");
        ct_call_refuse(c, &f);
        return;
    }
    set_headers(c, file);
    c->stage = CT_CALL_GONE;
    c->status = is_known(c->x, file) ? 304 : 200;
    if (c->status == 304) {
        ct_http_reply(c->x, 304, NULL, "", 0);
    } else if (takes && strstr(takes, "gzip")) {
        ct_http_set(c->x, "Content-Encoding", "gzip");
        ct_http_reply_static(c->x, 200, file->type, file->gzip, file->gzip_len);
    } else {
        ct_http_reply_static(c->x, 200, file->type, file->bytes, file->len);
    }
}
