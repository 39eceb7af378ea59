/* Reads the head of an answer.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "hub/reply.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The value behind "Name:" of a header's line, without blanks around it; false: it is another header. */
static bool header(const char *line, size_t n, const char *name, char *to, size_t size)
{
    size_t k = strlen(name);
    if (n <= k || strncasecmp(line, name, k) != 0 || line[k] != ':')
        return false;
    const char *s = line + k + 1, *end = line + n;
    while (s < end && (*s == ' ' || *s == '\t'))
        s++;
    while (end > s && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' '))
        end--;
    size_t len = (size_t)(end - s) < size - 1 ? (size_t)(end - s) : size - 1;
    for (size_t i = 0; i < len; i++)
        to[i] = (unsigned char)s[i] < ' ' || s[i] == 127 ? '?' : s[i];
    to[len] = '\0';
    return true;
}

static bool number(const char *s, char end, uint64_t *out, const char **behind)
{
    char *stop;
    errno = 0;
    unsigned long long v = strtoull(s, &stop, 10);
    if (*s < '0' || *s > '9' || errno || *stop != end || v > (1ull << 62))
        return false;
    *out = v;
    *behind = stop + (end != '\0');
    return true;
}

/* "bytes 5-9/10" (RFC 9110 s14.4) */
static void read_range(const char *v, ct_hub_http_reply *r)
{
    uint64_t from, last, total;
    if (strncasecmp(v, "bytes ", 6) == 0 && number(v + 6, '-', &from, &v) && number(v, '/', &last, &v) &&
        number(v, '\0', &total, &v) && from <= last && last < total)
        r->from = from, r->total = total;
}

/* "W/\"abc\"" -> "abc" */
static void strip_tag(char *tag)
{
    char *s = strncmp(tag, "W/", 2) == 0 ? tag + 2 : tag;
    size_t n = strlen(s);
    if (n >= 2 && *s == '"' && s[n - 1] == '"')
        s++, n -= 2;
    memmove(tag, s, n);
    tag[n] = '\0';
}

void ct_hub_reply_init(ct_hub_http_reply *r)
{
    *r = (ct_hub_http_reply){
        .length = HUB_UNKNOWN, .from = HUB_UNKNOWN, .total = HUB_UNKNOWN, .linked_size = HUB_UNKNOWN
    };
}

/* What the endpoint itself says of the file that it redirects to stays when the storage answers. */
static void begin(ct_hub_http_reply *r)
{
    const ct_hub_http_reply old = *r;
    ct_hub_reply_init(r);
    r->linked_size = old.linked_size;
    memcpy(r->linked_etag, old.linked_etag, sizeof r->linked_etag);
    memcpy(r->commit, old.commit, sizeof r->commit);
}

void ct_hub_reply_line(ct_hub_http_reply *r, const char *line, size_t n, bool is_endpoint)
{
    char v[320];
    const char *behind;
    uint64_t u;
    if (n > 5 && strncmp(line, "HTTP/", 5) == 0)
        begin(r);
    else if (header(line, n, "Content-Length", v, sizeof v) && number(v, '\0', &u, &behind))
        r->length = u;
    else if (header(line, n, "Content-Range", v, sizeof v))
        read_range(v, r);
    else if (header(line, n, "ETag", v, sizeof v))
        snprintf(r->etag, sizeof r->etag, "%s", v);
    else if (header(line, n, "X-Error-Code", v, sizeof v))
        snprintf(r->error, sizeof r->error, "%.63s", v);
    else if (header(line, n, "X-Error-Message", v, sizeof v))
        snprintf(r->why, sizeof r->why, "%.159s", v);
    else if (!is_endpoint)
        return;
    else if (header(line, n, "X-Linked-Size", v, sizeof v) && number(v, '\0', &u, &behind))
        r->linked_size = u;
    else if (header(line, n, "X-Linked-ETag", v, sizeof v)) {
        strip_tag(v);
        snprintf(r->linked_etag, sizeof r->linked_etag, "%s", v);
    } else if (header(line, n, "X-Repo-Commit", v, sizeof v) && strlen(v) < sizeof r->commit &&
               strspn(v, "0123456789abcdef") == strlen(v))
        snprintf(r->commit, sizeof r->commit, "%.64s", v);
}
