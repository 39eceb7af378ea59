/* Texts from files and pipes, token ids from texts.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "input.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/map.h"
#include "base/utf8.h"

#define MAX_TEXT ((size_t)256 << 20)

static bool read_all(const char *path, size_t max, char **text, size_t *len, carat_err *err)
{
    /* Not "/dev/stdin": that cannot be opened where stdin is a socket, as Node.js gives it to its children. */
    return strcmp(path, "-") == 0 ? ct_read_fd(0, "stdin", max, text, len, err)
                                  : ct_read_file(path, max, text, len, err);
}

bool cli_read_text(const char *path, char **text, size_t *len, carat_err *err)
{
    return read_all(path, MAX_TEXT, text, len, err);
}

/* The code point at s, n bytes of UTF-16 (an even number, not 0), and the bytes that it takes. */
static size_t utf16_next(const uint8_t *s, size_t n, bool is_big, uint32_t *cp)
{
    const uint32_t a = is_big ? (uint32_t)s[0] << 8 | s[1] : (uint32_t)s[1] << 8 | s[0];
    *cp = a;
    if (a < 0xD800 || a > 0xDFFF)
        return 2;
    const uint32_t b = n < 4 ? 0 : is_big ? (uint32_t)s[2] << 8 | s[3] : (uint32_t)s[3] << 8 | s[2];
    if (a > 0xDBFF || b < 0xDC00 || b > 0xDFFF) {
        *cp = 0xFFFD;
        return 2;
    }
    *cp = 0x10000 + ((a - 0xD800) << 10) + (b - 0xDC00);
    return 4;
}

static bool from_utf16(char **text, size_t *len, bool is_big, carat_err *err)
{
    const uint8_t *s = (const uint8_t *)*text + 2;
    size_t n = (*len - 2) / 2 * 2, out = 0;
    char *utf8 = malloc(n / 2 * 3 + 4); /* a unit of two bytes becomes three at most */
    if (!utf8)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a text of %zu bytes", n / 2 * 3);
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        i += utf16_next(s + i, n - i, is_big, &cp);
        out += ct_utf8_put(cp, utf8 + out);
    }
    if (*len % 2) /* half a unit */
        out += ct_utf8_put(0xFFFD, utf8 + out);
    utf8[out] = '\0';
    free(*text);
    *text = utf8;
    *len = out;
    return true;
}

static bool has_mark(const char *text, size_t len, const char *mark, size_t n)
{
    return len >= n && memcmp(text, mark, n) == 0;
}

/* As UTF-8 without a byte order mark. */
static bool decode(char **text, size_t *len, carat_err *err)
{
    if (has_mark(*text, *len, "\xff\xfe\0\0", 4) || has_mark(*text, *len, "\0\0\xfe\xff", 4))
        return ct_fail(err, CARAT_EUNSUPPORTED, 0, "the text is UTF-32, expected UTF-8 or UTF-16");
    if (has_mark(*text, *len, "\xff\xfe", 2) || has_mark(*text, *len, "\xfe\xff", 2))
        return from_utf16(text, len, **text == '\xfe', err);
    if (has_mark(*text, *len, "\xef\xbb\xbf", 3)) {
        *len -= 3;
        memmove(*text, *text + 3, *len + 1);
    }
    return true;
}

bool cli_read_utf8(const char *path, size_t max, char **text, size_t *len, carat_err *err)
{
    if (!read_all(path, max, text, len, err))
        return false;
    if (decode(text, len, err))
        return true;
    free(*text);
    *text = NULL;
    return ct_fail_in(err, "%s", strcmp(path, "-") == 0 ? "stdin" : path);
}

bool cli_read_prompt(const char *path, char **text, size_t *len, carat_err *err)
{
    if (!cli_read_utf8(path, MAX_TEXT, text, len, err))
        return false;
    if (*len && (*text)[*len - 1] == '\n')
        *len -= *len > 1 && (*text)[*len - 2] == '\r' ? 2 : 1;
    (*text)[*len] = '\0';
    return true;
}

bool cli_parse_ids(const char *text, size_t len, int32_t **ids, size_t *n, carat_err *err)
{
    size_t cap = len / 2 + 1;
    *n = 0;
    *ids = malloc(cap * sizeof **ids);
    if (!*ids)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the token ids");
    for (const char *p = text; p < text + len;) {
        if (isspace((unsigned char)*p) || *p == ',' || *p == '[' || *p == ']') {
            p++;
            continue;
        }
        char *end;
        errno = 0;
        long v = strtol(p, &end, 10);
        if (end == p || errno || v < 0 || v > INT32_MAX) {
            free(*ids);
            *ids = NULL;
            return ct_fail(err, CARAT_EARG, (uint64_t)(p - text), "token ids: '%.20s' at byte %td is not an id", p,
                           p - text);
        }
        (*ids)[(*n)++] = (int32_t)v;
        p = end;
    }
    return true;
}
