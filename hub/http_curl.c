/* GET over libcurl.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"
#include "hub/curl_api.h"
#include "hub/http.h"
#include "hub/token.h"
#include "hub/url.h"

#define PUBLIC_HUB    "https://huggingface.co"
#define MAX_REDIRECTS 10
#define MAX_URL       16384 /* signed URLs of storage are long */
#define MAX_ERROR     65536 /* bytes of the body of an answer that is an error: not read further */
#define CONNECT_S     30
#define STALL_S       30 /* nothing came for so long: $HF_HUB_DOWNLOAD_TIMEOUT, as the hub's own tools have it */
#define MOST_TRIES    6
#define MOST_REFUSALS 3   /* of connections, by a host that was there before or was redirected to */
#define MOST_WAIT_S   120 /* a hub that asks for more is told to the user instead */

struct ct_hub_http {
    ct_hub_http_options o;
    const ct_curl_api *curl;
    CURL *c;
    char *endpoint, *token;
    char why[CURL_ERROR_SIZE];
    bool has_connected, is_refused; /* ever; the last one was */
    /* of the request under way */
    const ct_hub_http_sink *sink;
    ct_hub_http_reply *reply;
    carat_err *err;
    bool has_begun, has_failed, is_endpoint;
    uint64_t n_error;
};

/* ---- whom it may ask ---- */

/* May this URL be asked at all? */
static bool check_url(const ct_hub_http *h, const char *url, ct_origin *at, carat_err *err)
{
    if (strlen(url) >= MAX_URL || !ct_origin_of(h->curl, url, at))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "'%.100s' is no URL of a hub: expected https://HOST", url);
    if (strcasecmp(at->scheme, "http") == 0 && !h->o.insecure_http && !ct_origin_is_here(at))
        return ct_fail(
            err, CARAT_EARG, CARAT_NOWHERE,
            "http://%.100s: everyone on the way could read and change what is sent; --insecure-http allows it",
            at->host);
    return true;
}

bool ct_hub_http_is_host(const ct_hub_http *h, const char *host)
{
    static const char *const names[] = { "hf.co", "huggingface.co", "www.huggingface.co" };
    const char *at = strstr(h->endpoint, "//") + 2;
    if (strncasecmp(at, host, strlen(host)) == 0 && (!at[strlen(host)] || at[strlen(host)] == '/'))
        return true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(host, names[i]) == 0)
            return strcmp(h->endpoint, PUBLIC_HUB) == 0;
    return false;
}

/* ---- what comes in ---- */

static size_t on_header(char *line, size_t one, size_t n, void *arg)
{
    ct_hub_http *h = arg;
    (void)one;
    ct_hub_reply_line(h->reply, line, n, h->is_endpoint);
    return n;
}

static int status_of(ct_hub_http *h)
{
    long status = 0;
    h->curl->getinfo(h->c, CURLINFO_RESPONSE_CODE, &status);
    return (int)status;
}

static bool begin_body(ct_hub_http *h)
{
    if (h->has_begun)
        return true;
    h->has_begun = true;
    h->reply->status = status_of(h);
    return !h->sink->begin || h->sink->begin(h->sink->arg, h->reply, h->err);
}

static bool has_content(int status)
{
    return status == 200 || status == 206;
}

static size_t on_data(char *data, size_t one, size_t n, void *arg)
{
    ct_hub_http *h = arg;
    (void)one;
    h->has_connected = true;
    if (!has_content(status_of(h))) {
        h->n_error += n;
        return h->n_error > MAX_ERROR ? 0 : n;
    }
    h->has_failed = !begin_body(h) || !h->sink->data(h->sink->arg, data, n, h->err);
    return h->has_failed ? 0 : n;
}

static bool cancelled(carat_err *err)
{
    return ct_fail(err, CARAT_ECANCELLED, CARAT_NOWHERE, "cancelled");
}

static int on_tick(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    ct_hub_http *h = arg;
    (void)a, (void)b, (void)c, (void)d;
    if (h->has_failed || !h->o.tick || h->o.tick(h->o.arg))
        return 0;
    cancelled(h->err);
    h->has_failed = true;
    return 1;
}

/* ---- opening ---- */

static bool set_endpoint(ct_hub_http *h, carat_err *err)
{
    const char *env = getenv("HF_ENDPOINT"), *url = h->o.endpoint ? h->o.endpoint : env && *env ? env : PUBLIC_HUB;
    ct_origin at;
    size_t n = strlen(url);
    while (n && url[n - 1] == '/')
        n--;
    h->endpoint = strndup(url, n);
    if (!h->endpoint)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the hub's address");
    if (strpbrk(h->endpoint, "?# \"") || !strstr(h->endpoint, "//"))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "the hub's endpoint is '%.100s', expected https://HOST",
                       h->endpoint);
    return check_url(h, h->endpoint, &at, err);
}

static void set_options(ct_hub_http *h)
{
    const char *stall = getenv("HF_HUB_DOWNLOAD_TIMEOUT"), *ca = getenv("CURL_CA_BUNDLE");
    long seconds = stall ? strtol(stall, NULL, 10) : 0;
    if (!ca || !*ca)
        ca = getenv("SSL_CERT_FILE");
    h->curl->setopt(h->c, CURLOPT_NOSIGNAL, 1L);
    h->curl->setopt(h->c, CURLOPT_FOLLOWLOCATION, 0L);
#if LIBCURL_VERSION_NUM >= 0x075500
    h->curl->setopt(h->c, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    h->curl->setopt(h->c, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
#endif
    h->curl->setopt(h->c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    h->curl->setopt(h->c, CURLOPT_USERAGENT, "carat/" CARAT_VERSION);
    h->curl->setopt(h->c, CURLOPT_ERRORBUFFER, h->why);
    h->curl->setopt(h->c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    h->curl->setopt(h->c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    h->curl->setopt(h->c, CURLOPT_LOW_SPEED_TIME, seconds > 0 && seconds < 86400 ? seconds : (long)STALL_S);
    h->curl->setopt(h->c, CURLOPT_HEADERFUNCTION, on_header);
    h->curl->setopt(h->c, CURLOPT_HEADERDATA, h);
    h->curl->setopt(h->c, CURLOPT_WRITEFUNCTION, on_data);
    h->curl->setopt(h->c, CURLOPT_WRITEDATA, h);
    h->curl->setopt(h->c, CURLOPT_NOPROGRESS, 0L);
    h->curl->setopt(h->c, CURLOPT_XFERINFOFUNCTION, on_tick);
    h->curl->setopt(h->c, CURLOPT_XFERINFODATA, h);
    if (ca && *ca)
        h->curl->setopt(h->c, CURLOPT_CAINFO, ca);
}

bool ct_hub_http_open(const ct_hub_http_options *o, ct_hub_http **out, carat_err *err)
{
    const ct_curl_api *curl;
    *out = NULL;
    if (!ct_curl_load(&curl, err))
        return false;
    ct_hub_http *h = calloc(1, sizeof *h);
    if (h) {
        h->o = *o;
        h->curl = curl;
        h->c = h->curl->init();
    }
    if (!h || !h->c) {
        ct_hub_http_close(h);
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a connection");
    }
    if (!set_endpoint(h, err) || !ct_hub_token(o->token_file, &h->token, err)) {
        ct_hub_http_close(h);
        return false;
    }
    set_options(h);
    *out = h;
    return true;
}

void ct_hub_http_close(ct_hub_http *h)
{
    if (!h)
        return;
    if (h->c)
        h->curl->cleanup(h->c);
    if (h->token)
        explicit_bzero(h->token, strlen(h->token));
    free(h->token);
    free(h->endpoint);
    free(h);
}

const char *ct_hub_http_endpoint(const ct_hub_http *h)
{
    return h->endpoint;
}

bool ct_hub_http_has_token(const ct_hub_http *h)
{
    return h->token != NULL;
}

/* ---- one request ---- */

static bool add_header(const ct_hub_http *h, struct curl_slist **list, const char *name, const char *value)
{
    char *line;
    if (asprintf(&line, "%s: %s", name, value) < 0)
        return false;
    struct curl_slist *more = h->curl->slist_append(*list, line);
    explicit_bzero(line, strlen(line));
    free(line);
    if (more)
        *list = more;
    return more != NULL;
}

/* Only a strong tag says that the bytes are the same (RFC 9110 s13.1.5). */
static bool is_strong(const char *etag)
{
    return *etag == '"' && strlen(etag) > 2;
}

static bool make_headers(const ct_hub_http *h, uint64_t from, const char *etag, struct curl_slist **list)
{
    char text[64];
    bool ok = true;
    if (h->is_endpoint && h->token) {
        char *bearer;
        ok = asprintf(&bearer, "Bearer %s", h->token) >= 0;
        if (ok) {
            ok = add_header(h, list, "Authorization", bearer);
            explicit_bzero(bearer, strlen(bearer));
            free(bearer);
        }
    }
    if (ok && from) {
        snprintf(text, sizeof text, "bytes=%llu-", (unsigned long long)from);
        ok = add_header(h, list, "Range", text) && (!is_strong(etag) || add_header(h, list, "If-Range", etag));
    }
    return ok;
}

static bool is_busy(int status)
{
    return status == 408 || status == 429 || status == 500 || (status >= 502 && status <= 504);
}

static bool may_repeat(CURLcode c)
{
    switch (c) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PARTIAL_FILE:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return true;
    default:
        return false;
    }
}

static ct_hub_end finish(ct_hub_http *h, CURLcode c, const char *host)
{
    ct_hub_http_reply *r = h->reply;
    r->status = status_of(h);
    if (h->has_failed)
        return HUB_FAILED;
    h->is_refused = c == CURLE_COULDNT_CONNECT || c == CURLE_SSL_CONNECT_ERROR;
    if (c == CURLE_WRITE_ERROR && h->n_error > MAX_ERROR) /* enough was seen of it */
        c = CURLE_OK;
    if (c != CURLE_OK) {
        ct_fail(h->err, c == CURLE_OUT_OF_MEMORY ? CARAT_ENOMEM : CARAT_EIO, CARAT_NOWHERE, "%.80s: %.120s", host,
                *h->why ? h->why : h->curl->strerror(c));
        return may_repeat(c) ? HUB_CUT : HUB_FAILED;
    }
    h->has_connected = true;
    curl_off_t wait = 0;
    h->curl->getinfo(h->c, CURLINFO_RETRY_AFTER, &wait);
    r->retry_after = wait > 0 ? (long)(wait < 1000000 ? wait : 1000000) : 0;
    if (is_busy(r->status))
        return HUB_BUSY;
    if (!has_content(r->status))
        return HUB_STATUS;
    return begin_body(h) ? HUB_WHOLE : HUB_FAILED;
}

/* url may be changed to where it redirects to; then *is_moved. */
static ct_hub_end request(ct_hub_http *h, char **url, bool *is_moved, uint64_t from, const char *etag)
{
    ct_origin at, home;
    struct curl_slist *headers = NULL;
    *is_moved = false;
    if (!check_url(h, *url, &at, h->err) || !ct_origin_of(h->curl, h->endpoint, &home))
        return HUB_FAILED;
    h->is_endpoint = ct_origin_is_same(&at, &home);
    h->has_begun = h->has_failed = false;
    h->n_error = 0;
    *h->why = '\0';
    if (!make_headers(h, from, etag, &headers)) {
        h->curl->slist_free(headers);
        ct_fail(h->err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a request");
        return HUB_FAILED;
    }
    h->curl->setopt(h->c, CURLOPT_URL, *url);
    h->curl->setopt(h->c, CURLOPT_HTTPHEADER, headers);
    CURLcode c = h->curl->perform(h->c);
    h->curl->setopt(h->c, CURLOPT_HTTPHEADER, NULL);
    h->curl->slist_free(headers);
    char *to = NULL;
    if (c == CURLE_OK && h->curl->getinfo(h->c, CURLINFO_REDIRECT_URL, &to) == CURLE_OK && to) {
        free(*url);
        *url = strdup(to);
        *is_moved = *url != NULL;
        if (!*url) {
            ct_fail(h->err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a request");
            return HUB_FAILED;
        }
    }
    if (*is_moved)
        return HUB_STATUS;
    return finish(h, c, at.host);
}

ct_hub_end ct_hub_http_get(ct_hub_http *h, const char *path, uint64_t from, const char *etag,
                           const ct_hub_http_sink *sink, ct_hub_http_reply *r, carat_err *err)
{
    char *url;
    carat_err unused;
    ct_hub_reply_init(r);
    h->sink = sink, h->reply = r, h->err = err ? err : &unused;
    if (asprintf(&url, "%s%s", h->endpoint, path) < 0) {
        ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a request");
        return HUB_FAILED;
    }
    ct_hub_end end = HUB_FAILED;
    bool is_moved = true;
    for (int i = 0; is_moved && i <= MAX_REDIRECTS; i++)
        end = request(h, &url, &is_moved, from, etag);
    if (is_moved) {
        ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%.100s%.80s: more than %d redirects", h->endpoint, path,
                MAX_REDIRECTS);
        end = HUB_FAILED;
    }
    free(url);
    h->err = NULL;
    return end;
}

/* ---- patience ---- */

static bool sleep_for(ct_hub_http *h, double seconds, carat_err *err)
{
    for (double end = ct_now() + seconds, left; (left = end - ct_now()) > 0;) {
        struct timespec t = ct_timespec(left < 0.1 ? left : 0.1);
        nanosleep(&t, NULL);
        if (h->o.tick && !h->o.tick(h->o.arg))
            return cancelled(err);
    }
    return true;
}

bool ct_hub_http_wait(ct_hub_http *h, int n, ct_hub_end end, const ct_hub_http_reply *r, carat_err *err)
{
    double seconds = 0.25 * (double)(1 << (n < 8 ? n : 8)); /* 0.5, 1, 2, 4, 8 */
    if (end == HUB_CUT && (n >= (h->is_refused ? MOST_REFUSALS : MOST_TRIES) || !h->has_connected))
        return false; /* err has curl's reason */
    if (end == HUB_BUSY && n >= MOST_TRIES)
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%.100s: answers %d after %d tries; later it may be well again",
                       h->endpoint, r->status, n);
    if (end == HUB_BUSY && r->retry_after > MOST_WAIT_S)
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%.100s: answers %d, and asks to come back in %ld s", h->endpoint,
                       r->status, r->retry_after);
    if (end == HUB_BUSY && r->retry_after)
        seconds = (double)r->retry_after;
    return sleep_for(h, seconds, err);
}
