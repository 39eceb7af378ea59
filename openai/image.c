/* Images of messages: data: URLs, and files of one folder. Nothing is fetched.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/hex.h"
#include "openai/folder.h"
#include "openai/inside.h"

static bool refuse(ct_openai_fault *f, const char *where, const char *what)
{
    return ct_openai_refuse(f, 400, "invalid_value", where, "%s: %s", where, what);
}

bool ct_openai_text(const json_t *v, const char *where, const char **to, ct_openai_fault *f)
{
    *to = json_string_value(v);
    if (*to && strlen(*to) == json_string_length(v))
        return true;
    return refuse(f, where, *to ? "a text with a NUL character" : "the text is missing or not a string");
}

bool ct_openai_bool(const json_t *body, const char *key, bool *to, ct_openai_fault *f)
{
    return ct_json_bool(body, "body", key, to, &f->err) || ct_openai_refuse_err(f, key);
}

/* Does the URL up to its comma end in ";base64", perhaps with spaces around the word? */
static bool is_base64(const char *url, size_t n)
{
    static const char word[] = "base64";
    size_t n_word = sizeof word - 1;
    while (n && url[n - 1] == ' ')
        n--;
    if (n < n_word || strncasecmp(url + n - n_word, word, n_word) != 0)
        return false;
    for (n -= n_word; n && url[n - 1] == ' ';)
        n--;
    return n && url[n - 1] == ';';
}

/* The base64 in a URL's data: %XX is a byte, and white space (lines of 76, a blank after the comma) does not count.
 * Returns the length of what is left in to[len]. Source: https://infra.spec.whatwg.org/#forgiving-base64-decode and
 * https://url.spec.whatwg.org/#percent-decode; what they forgive beyond it (stray bits) is refused. */
static size_t plain_base64(const char *from, size_t len, char *to)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        char c = from[i];
        if (c == '%' && len - i > 2 && ct_hex_digit(from[i + 1]) >= 0 && ct_hex_digit(from[i + 2]) >= 0) {
            c = (char)(ct_hex_digit(from[i + 1]) << 4 | ct_hex_digit(from[i + 2]));
            i += 2;
        }
        if (c != ' ' && c != '\t' && c != '\n' && c != '\f' && c != '\r')
            to[n++] = c;
    }
    return n;
}

static bool decode_data_url(const char *url, size_t len, const char *where, carat_picture **out, ct_openai_fault *f)
{
    const char *comma = memchr(url, ',', len);
    size_t n = comma ? (size_t)(comma - url) : 0;
    if (!comma || !is_base64(url, n))
        return refuse(f, where, "a data: URL without ;base64, in it");
    len -= n + 1;
    char *data = malloc(len + 1);
    if (!data)
        return ct_openai_no_memory(f, "an image");
    len = plain_base64(comma + 1, len, data);
    bool ok = (ct_base64_decode(data, len, data, &len, &f->err) &&
               carat_picture_decode_within(data, len, CT_OPENAI_MAX_PIXELS, out, &f->err)) ||
              (ct_fail_in(&f->err, "%s", where), ct_openai_refuse_err(f, where));
    free(data);
    return ok;
}

static bool load_file(const char *name, const char *files, const char *where, carat_picture **out, ct_openai_fault *f)
{
    char *path = ct_openai_path_in(files, name);
    if (!path)
        return refuse(f, where, "there is no such image file in the folder that requests may read");
    const bool ok = carat_picture_load(path, out, &f->err) || ct_openai_refuse_err(f, where);
    free(path);
    return ok;
}

static bool starts(const char *s, const char *with)
{
    return strncasecmp(s, with, strlen(with)) == 0;
}

bool ct_openai_image(const json_t *v, const char *files, const char *files_hint, const char *where, carat_picture **out,
                     ct_openai_fault *f)
{
    const char *url;
    if (!ct_openai_text(v, where, &url, f))
        return false;
    if (starts(url, "http:") || starts(url, "https:"))
        return refuse(f, where, "an image at a remote address is not fetched; send it as a data: URL");
    if (starts(url, "data:"))
        return decode_data_url(url, json_string_length(v), where, out, f);
    if (!files)
        return ct_openai_refuse(f, 400, "invalid_value", where, "%s: expected a data: URL%s%s", where,
                                files_hint ? "; image files are read only with " : "", files_hint ? files_hint : "");
    const char *name = starts(url, "file://") ? url + 7 : starts(url, "file:") ? url + 5 : url;
    return load_file(name, files, where, out, f);
}
