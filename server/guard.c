/* Who may call.
 *
 * A page of another site that a browser shows can send requests to this machine. Three checks stand against it: a request
 * that says an origin must come from this machine or from one that the operator named; the name in Host must be this
 * machine's or one that the operator named, or a site could let its own name point here (DNS rebinding); and keys, where
 * there are some.
 *
 * Keys are compared by their SHA-256, each against all, so that the time says nothing of how much was right.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/guard.h"

#include <arpa/inet.h>
#include <nettle/memops.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/map.h"

#define MAX_KEYS     1024
#define MAX_KEY_FILE ((size_t)1 << 20)

struct ct_guard {
    const ct_server_options *o;
    uint8_t (*keys)[SHA256_DIGEST_SIZE];
    size_t n_keys;
};

/* ---- keys ---- */

static void hash(const char *text, size_t len, uint8_t out[SHA256_DIGEST_SIZE])
{
    struct sha256_ctx h;
    sha256_init(&h);
    sha256_update(&h, len, (const uint8_t *)text);
    sha256_digest(&h, SHA256_DIGEST_SIZE, out);
}

/* One a line; white space around it, empty lines, lines that begin with '#' and a byte order mark in front are ignored. Their
 * number: of more than MAX_KEYS those beyond are counted only. */
static size_t read_lines(const char *text, size_t len, uint8_t (*to)[SHA256_DIGEST_SIZE])
{
    size_t n = 0;
    for (size_t i = len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0; i < len;) {
        const char *line = text + i, *end = memchr(line, '\n', len - i);
        size_t l = end ? (size_t)(end - line) : len - i;
        i += l + 1;
        while (l && strchr(" \t\r", line[l - 1]))
            l--;
        while (l && strchr(" \t", *line))
            line++, l--;
        if (!l || *line == '#')
            continue;
        if (n < MAX_KEYS)
            hash(line, l, to[n]);
        n++;
    }
    return n;
}

bool ct_guard_reload(ct_guard *g, carat_err *err)
{
    const char *path = g->o->keys;
    struct stat st;
    char *text = NULL;
    size_t len;
    if (!path)
        return true;
    if (g->n_keys && stat(path, &st) == 0 && !S_ISREG(st.st_mode)) /* nobody waits for who would write to a pipe */
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: not a file, which alone is read again", path);
    if (!ct_read_file(path, MAX_KEY_FILE, &text, &len, err))
        return false;
    uint8_t(*keys)[SHA256_DIGEST_SIZE] = calloc(MAX_KEYS, sizeof *keys);
    size_t n = keys ? read_lines(text, len, keys) : 0;
    explicit_bzero(text, len);
    free(text);
    if (!keys)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for keys");
    if (n == 0 || n > MAX_KEYS) {
        free(keys);
        return n ? ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "%s: %zu keys, expected at most %d", path, n, MAX_KEYS)
                 : ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s: no key in it, expected one a line", path);
    }
    free(g->keys);
    g->keys = keys;
    g->n_keys = n;
    return true;
}

bool ct_guard_open(const ct_server_options *o, ct_guard **out, carat_err *err)
{
    ct_guard *g = calloc(1, sizeof *g);
    *out = NULL;
    if (!g)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for keys");
    g->o = o;
    if (!ct_guard_reload(g, err)) {
        ct_guard_close(g);
        return false;
    }
    *out = g;
    return true;
}

void ct_guard_close(ct_guard *g)
{
    if (!g)
        return;
    free(g->keys);
    free(g);
}

/* The key that a request brings, in one of the two ways. */
static const char *key_of(const ct_http_exchange *x)
{
    const char *bearer = ct_http_header(x, "Authorization");
    if (bearer && strncasecmp(bearer, "Bearer ", 7) == 0) {
        bearer += 7;
        return bearer + strspn(bearer, " ");
    }
    return ct_http_header(x, "x-api-key");
}

static bool has_key(const ct_guard *g, const ct_http_exchange *x)
{
    uint8_t own[SHA256_DIGEST_SIZE];
    const char *key = key_of(x);
    int found = 0;
    hash(key ? key : "", key ? strlen(key) : 0, own);
    for (size_t i = 0; i < g->n_keys; i++)
        found |= memeql_sec(own, g->keys[i], sizeof own);
    return key && found;
}

/* ---- names of this machine ---- */

/* "localhost:8080", "[::1]" -> the name alone. False: it is something else. */
static bool host_of(const char *text, char *to, size_t size)
{
    const char *end = *text == '[' ? strchr(text, ']') : NULL;
    if (*text == '[' && !end)
        return false;
    size_t n = end ? (size_t)(end - ++text) : strcspn(text, ":/");
    const char *rest = end ? end + 1 : text + n;
    if (n == 0 || n >= size || (*rest && (*rest != ':' || strspn(rest + 1, "0123456789") != strlen(rest + 1))))
        return false;
    memcpy(to, text, n);
    to[n] = '\0';
    return true;
}

static bool is_address(const char *name)
{
    struct in6_addr a;
    return inet_pton(AF_INET, name, &a) == 1 || inet_pton(AF_INET6, name, &a) == 1;
}

static bool is_local_name(const char *name)
{
    size_t n = strlen(name);
    return strcasecmp(name, "localhost") == 0 || (n > 10 && strcasecmp(name + n - 10, ".localhost") == 0);
}

static bool is_loopback(const char *name)
{
    struct in_addr a4;
    return is_local_name(name) || strcmp(name, "::1") == 0 ||
           (inet_pton(AF_INET, name, &a4) == 1 && ntohl(a4.s_addr) >> 24 == 127);
}

static bool is_listed(const char *const *list, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i], "*") == 0 || strcasecmp(list[i], name) == 0)
            return true;
    return false;
}

/* An address cannot be made to point elsewhere, so any does; a name must be known. */
static bool knows_host(const ct_guard *g, const char *host)
{
    char name[256];
    if (!host || !*host)
        return true; /* HTTP/1.0, which no browser sends */
    return host_of(host, name, sizeof name) &&
           (is_address(name) || is_local_name(name) || is_listed(g->o->hosts, g->o->n_hosts, name));
}

/* ---- pages ---- */

static bool knows_origin(const ct_guard *g, const ct_http_exchange *x, const char *origin)
{
    const char *at = strstr(origin, "://"), *host = ct_http_header(x, "Host");
    char name[256];
    if (is_listed(g->o->origins, g->o->n_origins, origin))
        return true;
    if (!at || strchr(at, '@') || !host_of(at + 3, name, sizeof name))
        return false; /* "null": a file, a sandbox */
    if (host && strcasecmp(at + 3, host) == 0)
        return true; /* our own page */
    return !g->n_keys && is_loopback(name);
}

static void allow_origin(const ct_guard *g, ct_http_exchange *x, const char *origin)
{
    bool is_any = is_listed(g->o->origins, g->o->n_origins, "*") && !is_listed(g->o->origins, g->o->n_origins, origin);
    ct_http_set(x, "Access-Control-Allow-Origin", is_any ? "*" : origin);
    ct_http_set(x, "Vary", "Origin");
    ct_http_set(x, "Access-Control-Expose-Headers",
                "x-request-id, x-carat-ignored, x-carat-numerics, x-carat-prefix, Retry-After");
    if (strcmp(ct_http_method(x), "OPTIONS") != 0)
        return;
    const char *asked = ct_http_header(x, "Access-Control-Request-Headers");
    ct_http_set(x, "Access-Control-Allow-Methods", "GET, POST, DELETE, HEAD, OPTIONS");
    ct_http_set(x, "Access-Control-Allow-Headers", asked ? asked : "Authorization, Content-Type");
    ct_http_set(x, "Access-Control-Max-Age", "600");
}

bool ct_guard_admits(const ct_guard *g, ct_http_exchange *x, bool is_open, ct_openai_fault *f)
{
    const char *origin = ct_http_header(x, "Origin"), *host = ct_http_header(x, "Host");
    if (!knows_host(g, host))
        return ct_openai_refuse(f, 403, "unknown_host", "",
                                "this server is not called '%.100s' (--host-name %.60s would allow it)", host, host);
    if (origin && !knows_origin(g, x, origin))
        return ct_openai_refuse(f, 403, "unknown_origin", "",
                                "pages of '%.100s' may not use this server (--origin %.60s would allow it)", origin,
                                origin);
    if (origin)
        allow_origin(g, x, origin);
    if (is_open || !g->n_keys || strcmp(ct_http_method(x), "OPTIONS") == 0 || has_key(g, x))
        return true;
    ct_http_set(x, "WWW-Authenticate", "Bearer");
    return ct_openai_refuse(f, 401, "invalid_api_key", "",
                            "this server asks for a key: send it as 'Authorization: Bearer KEY' or 'x-api-key: KEY'");
}
