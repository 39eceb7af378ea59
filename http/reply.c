/* Whole replies, and streams that wait without being asked for more.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "http/inside.h"

#define BLOCK 4096 /* bytes that a stream gives to libmicrohttpd at once */

void ct_http_set(ct_http_exchange *x, const char *name, const char *value)
{
    for (const char *c = value; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return;
    ct_http_field f = { strdup(name), strdup(value) };
    if (f.name && f.value && x->n_fields < CT_HTTP_MAX_HEADERS) {
        x->fields[x->n_fields++] = f;
        return;
    }
    free(f.name);
    free(f.value);
}

bool ct_http_has_reply(const ct_http_exchange *x)
{
    return x->status != 0;
}

static void add_headers(ct_http_exchange *x)
{
    for (size_t i = 0; i < x->n_fields; i++)
        ct_mhd.add_header(x->response, x->fields[i].name, x->fields[i].value);
    if (x->h->drains)
        ct_mhd.add_header(x->response, MHD_HTTP_HEADER_CONNECTION, "close");
}

/* To libmicrohttpd, when it asks; a request that waits for its reply is made to ask. */
static void begin(ct_http_exchange *x, int status, const char *type, struct MHD_Response *response)
{
    if (!response || x->status) {
        if (response)
            ct_mhd.destroy(response);
        ct_http_cut(x);
        return;
    }
    x->response = response;
    x->status = status;
    if (type)
        ct_mhd.add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    add_headers(x);
    ct_http_resume(x);
}

enum MHD_Result ct_http_queue(ct_http_exchange *x)
{
    enum MHD_Result ok = ct_mhd.queue(x->c->mhd, (unsigned)x->status, x->response);
    ct_mhd.destroy(x->response); /* libmicrohttpd has a reference of its own */
    x->response = NULL;
    x->is_queued = true;
    return ok;
}

void ct_http_reply(ct_http_exchange *x, int status, const char *type, const void *data, size_t len)
{
    /* Only read: libmicrohttpd copies it. */
    begin(x, status, type, ct_mhd.from_buffer(len, (void *)(uintptr_t)data, MHD_RESPMEM_MUST_COPY));
}

void ct_http_reply_static(ct_http_exchange *x, int status, const char *type, const void *data, size_t len)
{
    begin(x, status, type, ct_mhd.from_buffer(len, (void *)(uintptr_t)data, MHD_RESPMEM_PERSISTENT));
}

/* ---- streams ---- */

/* Everything was taken: the connection sleeps until there is more. */
static ssize_t sleep_until_more(ct_http_exchange *x)
{
    ct_buf_clear(&x->out);
    x->taken = 0;
    x->is_suspended = true;
    ct_http_watch(x->c, true);
    ct_mhd.suspend(x->c->mhd);
    return 0;
}

static ssize_t give(void *arg, uint64_t at, char *to, size_t max)
{
    ct_http_exchange *x = arg;
    size_t left = x->out.len - x->taken, n = left < max ? left : max;
    (void)at;
    if (x->is_cut)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (left == 0)
        return x->is_finished ? MHD_CONTENT_READER_END_OF_STREAM : sleep_until_more(x);
    memcpy(to, x->out.data + x->taken, n);
    x->taken += n;
    x->c->since = ct_now();
    return (ssize_t)n;
}

void ct_http_stream(ct_http_exchange *x, int status, const char *type)
{
    x->is_stream = true;
    begin(x, status, type, ct_mhd.from_callback(MHD_SIZE_UNKNOWN, BLOCK, give, x, NULL));
}

/* What the client has taken makes room for what comes. */
static void move_up(ct_http_exchange *x)
{
    ct_buf *b = &x->out;
    if (x->taken < b->len / 2 || b->len < BLOCK)
        return;
    memmove(b->data, b->data + x->taken, b->len - x->taken);
    b->len -= x->taken;
    x->taken = 0;
}

bool ct_http_write(ct_http_exchange *x, const void *data, size_t len)
{
    if (x->is_cut)
        return false;
    move_up(x);
    if (x->out.len == x->taken)
        x->c->since = ct_now(); /* the client may take its time from now on */
    if (x->out.len - x->taken + len > CT_HTTP_MAX_WAITING || !ct_buf_add(&x->out, data, len))
        return false;
    if (x->is_queued)
        ct_http_resume(x);
    return true;
}

void ct_http_finish(ct_http_exchange *x)
{
    x->is_finished = true;
    if (x->is_queued)
        ct_http_resume(x);
}
