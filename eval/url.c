/* Requests to a server, some at once, over libcurl; one that it was too busy for is sent again.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/url.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "hub/url.h"

#define MOST_REPLY ((size_t)256 << 20)
#define PATIENCE   100 /* milliseconds until somebody is asked whether the work goes on */
#define CONNECT_S  30
#define MOST_TRIES 6
#define SILENCE    10.0 /* seconds until it is said what is waited for; each time twice as long */
#define RETRIES    5.0  /* seconds between two notices of what is asked again */

typedef struct slot {
    CURL *c;
    struct curl_slist *headers;
    ct_eval_ask ask;
    size_t i;
    char *body, *address;
    ct_buf reply;
    bool is_busy, is_under_way;
    int tries;
    double again; /* when it is sent again */
    char why[CURL_ERROR_SIZE];
} slot;

struct ct_eval_url {
    const ct_curl_api *curl;
    CURLM *multi;
    char *url, *name, *key, *numerics;
    slot *slots;
    size_t n_slots, next, n_busy;
    ct_eval_url_options options; /* url and name are above */
    double heard, silence;       /* when a reply came last; how long none may come before that is reported */
    double retries_reported;
    size_t n_retries; /* since then */
};

/* ---- what is said meanwhile ---- */

static void tell(const ct_eval_url *u, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void tell(const ct_eval_url *u, const char *fmt, ...)
{
    char line[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    ct_utf8_tidy(line);
    if (u->options.notice)
        u->options.notice(u->options.arg, line);
}

static void report_silence(ct_eval_url *u)
{
    const double waited = ct_now() - u->heard;
    if (waited < u->silence)
        return;
    tell(u, "waiting for %.200s: %zu request%s under way, no answer for %.0f s; each may take %d s (--timeout)", u->url,
         u->n_busy, u->n_busy == 1 ? "" : "s", waited, u->options.timeout_s);
    u->silence *= 2;
}

static void tell_retry(ct_eval_url *u, const slot *s, long status)
{
    char fault[160], more[48] = "";
    u->n_retries++;
    if (ct_now() - u->retries_reported < RETRIES)
        return;
    ct_eval_url_fault(s->reply.data ? s->reply.data : "", s->reply.len, fault, sizeof fault);
    if (u->n_retries > 1)
        snprintf(more, sizeof more, "; so are %zu others", u->n_retries - 1);
    tell(u, "%.200s: item %zu: status %ld%s%s: is asked again in %d s (try %d of %d)%s", u->url, s->i, status,
         *fault ? ": " : "", fault, (1 << s->tries) / 2, s->tries + 1, MOST_TRIES, more);
    u->retries_reported = ct_now();
    u->n_retries = 0;
}

/* ---- requests ---- */

static size_t on_data(char *data, size_t size, size_t n, void *arg)
{
    slot *s = arg;
    return ct_buf_add(&s->reply, data, size * n) ? size * n : 0;
}

static bool open_slot(ct_eval_url *u, slot *s)
{
    const ct_curl_api *a = u->curl;
    ct_buf_init(&s->reply, MOST_REPLY);
    s->c = a->init();
    s->headers = a->slist_append(NULL, "Content-Type: application/json");
    if (s->headers)
        a->slist_append(s->headers, "Expect:");
    if (s->headers && u->key) {
        ct_buf b;
        ct_buf_init(&b, 1 << 16);
        ct_buf_fmt(&b, "Authorization: Bearer %s", u->key);
        a->slist_append(s->headers, b.data ? b.data : "");
        ct_buf_deinit(&b);
    }
    if (!s->c || !s->headers)
        return false;
    a->setopt(s->c, CURLOPT_NOSIGNAL, 1L);
    a->setopt(s->c, CURLOPT_HTTPHEADER, s->headers);
    a->setopt(s->c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    a->setopt(s->c, CURLOPT_TIMEOUT, (long)u->options.timeout_s);
    a->setopt(s->c, CURLOPT_WRITEFUNCTION, on_data);
    a->setopt(s->c, CURLOPT_WRITEDATA, s);
    a->setopt(s->c, CURLOPT_PRIVATE, s);
    a->setopt(s->c, CURLOPT_ERRORBUFFER, s->why);
    return true;
}

static void clear_slot(slot *s)
{
    ct_eval_ask_free(&s->ask);
    free(s->body);
    free(s->address);
    s->body = s->address = NULL;
    s->is_busy = s->is_under_way = false;
}

static bool send_it(ct_eval_url *u, slot *s, carat_err *err)
{
    ct_buf_clear(&s->reply);
    s->why[0] = '\0';
    s->tries++;
    u->curl->setopt(s->c, CURLOPT_URL, s->address);
    u->curl->setopt(s->c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(s->body));
    u->curl->setopt(s->c, CURLOPT_POSTFIELDS, s->body);
    s->is_under_way = u->curl->multi_add(u->multi, s->c) == CURLM_OK;
    return s->is_under_way || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a request");
}

/* The next question into a free slot, if there is something to do for it. */
static bool ask_next(ct_eval_url *u, slot *s, const ct_eval_work *work, carat_err *err)
{
    const char *path;
    ct_buf b;
    s->i = u->next++;
    s->tries = 0;
    if (!work->make(work->arg, s->i, &s->ask, err))
        return false;
    if (!s->ask.text)
        return true;
    s->body = ct_eval_url_body(&s->ask, u->name, &path, err);
    if (!s->body)
        return false;
    ct_buf_init(&b, 1 << 16);
    ct_buf_fmt(&b, "%s%s", u->url, path);
    s->address = ct_buf_take(&b);
    ct_buf_deinit(&b);
    if (!s->address)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a request");
    ct_eval_ask_unshow(&s->ask); /* it is in the body */
    s->is_busy = true;
    u->n_busy++;
    return send_it(u, s, err);
}

static bool is_connected(const ct_eval_url *u, const slot *s)
{
    double seconds = 0;
    u->curl->getinfo(s->c, CURLINFO_PRETRANSFER_TIME, &seconds);
    return seconds > 0;
}

static bool end_of(ct_eval_url *u, slot *s, CURLcode code, const ct_eval_work *work, carat_err *err)
{
    long status = 0;
    char fault[160];
    u->curl->multi_remove(u->multi, s->c);
    s->is_under_way = false;
    u->curl->getinfo(s->c, CURLINFO_RESPONSE_CODE, &status);
    const bool is_busy = status == 408 || status == 429 || status == 502 || status == 503 || status == 504;
    if (code == CURLE_OK && is_busy && s->tries < MOST_TRIES) {
        s->again = ct_now() + (double)(1 << s->tries) / 2;
        u->heard = ct_now();
        tell_retry(u, s, status);
        return true;
    }
    u->heard = code == CURLE_OK ? ct_now() : u->heard;
    bool ok;
    if (code == CURLE_WRITE_ERROR && s->reply.len > MOST_REPLY / 2) {
        ok =
            ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "%s: a reply of more than %zu MiB", s->address, MOST_REPLY >> 20);
    } else if (code == CURLE_OPERATION_TIMEDOUT && is_connected(u, s)) {
        ok = ct_fail(err, CARAT_EIO, CARAT_NOWHERE,
                     "%s: no whole answer within %d s, %zu bytes of it (--timeout SECONDS allows more)", s->address,
                     u->options.timeout_s, s->reply.len);
    } else if (code != CURLE_OK) {
        ok = ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: %s", s->address, s->why[0] ? s->why : u->curl->strerror(code));
    } else if (status != 200) {
        ct_eval_url_fault(s->reply.data ? s->reply.data : "", s->reply.len, fault, sizeof fault);
        ok = ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: status %ld%s%s%s", s->address, status,
                     is_busy ? ", again and again" : "", *fault ? ": " : "", fault);
    } else {
        ok = ct_eval_url_take(&s->ask, s->reply.data ? s->reply.data : "", s->reply.len, work, s->i, err);
    }
    if (!ok)
        ct_fail_in(err, "item %zu", s->i);
    clear_slot(s);
    u->n_busy--;
    return ok;
}

/* What has ended is taken, what was to wait is sent again. */
static bool look(ct_eval_url *u, const ct_eval_work *work, carat_err *err)
{
    int n;
    CURLMsg *m;
    while ((m = u->curl->multi_read(u->multi, &n))) {
        char *arg = NULL;
        const CURLcode code = m->data.result;
        u->curl->getinfo(m->easy_handle, CURLINFO_PRIVATE, &arg);
        if (m->msg == CURLMSG_DONE && !end_of(u, (slot *)(void *)arg, code, work, err))
            return false;
    }
    for (size_t k = 0; k < u->n_slots; k++) {
        slot *s = &u->slots[k];
        if (s->is_busy && !s->is_under_way && ct_now() >= s->again && !send_it(u, s, err))
            return false;
    }
    return true;
}

static bool fill_slots(ct_eval_url *u, const ct_eval_work *work, carat_err *err)
{
    for (size_t k = 0; k < u->n_slots; k++)
        while (!u->slots[k].is_busy && u->next < work->n)
            if (!ask_next(u, &u->slots[k], work, err))
                return false;
    return true;
}

static bool run_url(ct_eval_model *m, const ct_eval_work *work, carat_err *err)
{
    ct_eval_url *u = m->self;
    bool ok = true;
    u->next = 0;
    u->heard = ct_now();
    u->silence = SILENCE;
    u->retries_reported = u->heard - RETRIES;
    while (ok) {
        int running, n;
        if (work->goes_on && !work->goes_on(work->arg)) {
            ok = ct_fail(err, CARAT_ECANCELLED, CARAT_NOWHERE, "interrupted");
            break;
        }
        ok = fill_slots(u, work, err);
        if (!ok || !u->n_busy)
            break;
        u->curl->multi_perform(u->multi, &running);
        ok = look(u, work, err);
        report_silence(u);
        if (ok && u->n_busy)
            u->curl->multi_poll(u->multi, NULL, 0, PATIENCE, &n);
    }
    if (work->goes_on) /* how far it came */
        work->goes_on(work->arg);
    for (size_t k = 0; k < u->n_slots; k++) {
        if (u->slots[k].is_under_way)
            u->curl->multi_remove(u->multi, u->slots[k].c);
        clear_slot(&u->slots[k]);
    }
    u->n_busy = 0;
    return ok;
}

static char *joined(const char *a, const char *b)
{
    ct_buf all;
    ct_buf_init(&all, 1 << 16);
    ct_buf_fmt(&all, "%s%s", a, b);
    char *s = ct_buf_take(&all);
    ct_buf_deinit(&all);
    return s;
}

static bool check(ct_eval_url *u, carat_err *err)
{
    ct_origin at;
    if (!ct_origin_of(u->curl, u->url, &at))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "'%.100s' is no URL of a server: expected http://HOST:PORT/v1",
                       u->url);
    if (u->key && strcmp(at.scheme, "https") != 0 && !ct_origin_is_here(&at))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                       "http://%.100s: $OPENAI_API_KEY would be sent for everyone on the way to read", at.host);
    return true;
}

bool ct_eval_url_open(const ct_eval_url_options *o, ct_eval_url **out, ct_eval_model *m, carat_err *err)
{
    const ct_curl_api *api;
    const char *key = getenv("OPENAI_API_KEY");
    *out = NULL;
    if (!ct_curl_load(&api, err))
        return false;
    ct_eval_url *u = calloc(1, sizeof *u);
    if (!u)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a server");
    u->curl = api;
    u->options = *o;
    u->url = strdup(o->url);
    u->name = strdup(o->name);
    u->key = key && *key ? strdup(key) : NULL;
    u->slots = calloc(o->n_at_once, sizeof *u->slots);
    u->multi = api->multi_init();
    for (size_t len = u->url ? strlen(u->url) : 0; len && u->url[len - 1] == '/'; len--)
        u->url[len - 1] = '\0';
    u->numerics = u->url ? joined(u->url, o->name) : NULL;
    bool ok = u->url && u->name && u->slots && u->multi && u->numerics && (!key || !*key || u->key);
    while (ok && u->n_slots < o->n_at_once)
        ok = open_slot(u, &u->slots[u->n_slots++]);
    ok = ok ? check(u, err) : ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a server's requests");
    if (!ok) {
        ct_eval_url_close(u);
        return false;
    }
    *m = (ct_eval_model){ .run = run_url,
                          .n_at_once = o->n_at_once,
                          .path = u->url,
                          .weights = u->name,
                          .published = "",
                          .numerics = u->numerics,
                          .is_tuned = true,
                          .self = u };
    *out = u;
    return true;
}

void ct_eval_url_close(ct_eval_url *u)
{
    if (!u)
        return;
    for (size_t k = 0; k < u->n_slots; k++) {
        slot *s = &u->slots[k];
        clear_slot(s);
        if (s->c)
            u->curl->cleanup(s->c);
        u->curl->slist_free(s->headers);
        ct_buf_deinit(&s->reply);
    }
    if (u->multi)
        u->curl->multi_cleanup(u->multi);
    free(u->slots);
    free(u->url);
    free(u->name);
    free(u->key);
    free(u->numerics);
    free(u);
}
