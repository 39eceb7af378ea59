/* Whose URL it is, and parts of one.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "hub/url.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool part(const ct_curl_api *curl, CURLU *u, CURLUPart what, unsigned flags, char *to, size_t size)
{
    char *s = NULL;
    bool ok = curl->url_get(u, what, &s, flags) == CURLUE_OK && strlen(s) < size;
    if (ok)
        snprintf(to, size, "%s", s);
    curl->free(s);
    return ok;
}

bool ct_origin_of(const ct_curl_api *curl, const char *url, ct_origin *out)
{
    CURLU *u = curl->url();
    char user[8];
    bool ok = u && curl->url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
              part(curl, u, CURLUPART_SCHEME, 0, out->scheme, sizeof out->scheme) &&
              part(curl, u, CURLUPART_HOST, 0, out->host, sizeof out->host) &&
              part(curl, u, CURLUPART_PORT, CURLU_DEFAULT_PORT, out->port, sizeof out->port) &&
              !part(curl, u, CURLUPART_USER, 0, user, sizeof user);
    curl->url_cleanup(u);
    return ok && (strcasecmp(out->scheme, "https") == 0 || strcasecmp(out->scheme, "http") == 0);
}

bool ct_origin_is_same(const ct_origin *a, const ct_origin *b)
{
    return strcasecmp(a->scheme, b->scheme) == 0 && strcasecmp(a->host, b->host) == 0 && strcmp(a->port, b->port) == 0;
}

bool ct_origin_is_here(const ct_origin *o)
{
    const char *host = o->host;
    return strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
           (strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == strlen(host));
}

bool ct_hub_escape(ct_buf *b, const char *text, const char *keeps)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                        strchr("-._~", c) || strchr(keeps, c);
        if (is_plain)
            ct_buf_char(b, (char)c);
        else
            ct_buf_fmt(b, "%%%02X", c);
    }
    return !b->failed;
}
