/* http.h - GET from a hub, over libcurl: one place for its token, its redirects, its patience.
 *
 * The token goes to the endpoint's scheme, host and port alone: redirects are followed here, not by curl, and each is a
 * request of its own. http is refused but to this machine, unless it was asked for. Headers and bodies have ceilings.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_HUB_HTTP_H
#define CT_HUB_HTTP_H

#include "base/buf.h"
#include "base/err.h"
#include "hub/reply.h"

typedef struct ct_hub_http ct_hub_http;

typedef struct ct_hub_http_options {
    const char *endpoint;   /* NULL: $HF_ENDPOINT, else the public hub */
    const char *token_file; /* NULL: $HF_TOKEN ... (hub/token.h) */
    bool insecure_http;
    bool (*tick)(void *arg); /* called at least once a second; false cancels */
    void *arg;
} ct_hub_http_options;

/* Errors: CARAT_EARG (an endpoint that is none), CARAT_EIO (a token file that cannot be read), CARAT_ENOMEM. */
bool ct_hub_http_open(const ct_hub_http_options *o, ct_hub_http **out, carat_err *err);
void ct_hub_http_close(ct_hub_http *h);                 /* accepts NULL */
const char *ct_hub_http_endpoint(const ct_hub_http *h); /* "https://huggingface.co" */
bool ct_hub_http_has_token(const ct_hub_http *h);
/* Is it the host of the endpoint, or of the public hub where that is the endpoint? "hf.co", "localhost:8080" */
bool ct_hub_http_is_host(const ct_hub_http *h, const char *host);

typedef enum ct_hub_end {
    HUB_WHOLE,  /* a status of 200 or 206, and all of its body was given to the sink */
    HUB_STATUS, /* another status, in the reply */
    HUB_BUSY,   /* 408, 429, 500, 502, 503 or 504: worth trying again */
    HUB_CUT,    /* the connection broke, or nothing came for too long: worth trying again; err says what */
    HUB_FAILED, /* err says why; also the sink's and the tick's */
} ct_hub_end;

typedef struct ct_hub_http_sink {
    bool (*begin)(void *arg, const ct_hub_http_reply *r, carat_err *err); /* before the body; may be NULL */
    bool (*data)(void *arg, const void *data, size_t len, carat_err *err);
    void *arg;
} ct_hub_http_sink;

/* One GET of a path at the endpoint ("/api/..."), redirects followed. from > 0: of the bytes from there on, of the thing that has this
 * entity tag ("": whatever it is). */
ct_hub_end ct_hub_http_get(ct_hub_http *h, const char *path, uint64_t from, const char *etag,
                           const ct_hub_http_sink *sink, ct_hub_http_reply *r, carat_err *err);

/* Waits before the n-th repetition (from 1) of a request that ended so, longer each time or as long as the hub asks. False: it
 * is not worth it any more (too often, too long, no connection in the first place), or cancelled; err says so. */
bool ct_hub_http_wait(ct_hub_http *h, int n, ct_hub_end end, const ct_hub_http_reply *r, carat_err *err);

/* The whole body of a path, at most max bytes, tried again where that is worth it; then out is a text. HUB_WHOLE, _STATUS
 * or _FAILED. */
ct_hub_end ct_hub_http_read(ct_hub_http *h, const char *path, size_t max, ct_buf *out, ct_hub_http_reply *r,
                            carat_err *err);

#endif
