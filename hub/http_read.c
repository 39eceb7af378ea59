/* The whole body of an answer, as a text.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "hub/http.h"

typedef struct reading {
    ct_buf *out;
    const char *path;
} reading;

static bool read_begin(void *arg, const ct_hub_http_reply *r, carat_err *err)
{
    reading *x = arg;
    ct_buf_clear(x->out);
    return r->status == 200 || ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                                       "%.120s: a part of it was answered, which was not asked for", x->path);
}

static bool read_data(void *arg, const void *data, size_t len, carat_err *err)
{
    reading *x = arg;
    return ct_buf_add(x->out, data, len) ||
           ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "%.120s: the answer is longer than %zu bytes", x->path,
                   x->out->max);
}

ct_hub_end ct_hub_http_read(ct_hub_http *h, const char *path, size_t max, ct_buf *out, ct_hub_http_reply *r,
                            carat_err *err)
{
    reading x = { .out = out, .path = path };
    const ct_hub_http_sink sink = { .begin = read_begin, .data = read_data, .arg = &x };
    ct_buf_init(out, max);
    for (int n = 1;; n++) {
        ct_hub_end end = ct_hub_http_get(h, path, 0, "", &sink, r, err);
        if (end != HUB_BUSY && end != HUB_CUT)
            return end;
        if (!ct_hub_http_wait(h, n, end, r, err))
            return HUB_FAILED;
    }
}
