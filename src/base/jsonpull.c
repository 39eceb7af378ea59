/* Reads JSON piece by piece.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/jsonpull.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

void ct_jp_deinit(ct_jp *r)
{
    free(r->str);
    *r = (ct_jp){ 0 };
}

bool ct_jp_stop(ct_jp *r, carat_code code, const char *what)
{
    if (!r->failed && code == CARAT_ENOMEM)
        ct_fail(&r->err, code, r->base + r->pos, "no memory for its JSON, from byte %zu on", r->base + r->pos);
    else if (!r->failed)
        ct_fail(&r->err, code, r->base + r->pos, "not valid JSON at byte %zu: %s", r->base + r->pos, what);
    r->failed = true;
    return false;
}

bool ct_jp_fail(ct_jp *r, const char *what)
{
    if (!r->failed)
        ct_fail(&r->err, CARAT_EFORMAT, r->base + r->pos, "at byte %zu: %s", r->base + r->pos, what);
    r->failed = true;
    return false;
}

char ct_jp_peek(ct_jp *r)
{
    while (r->pos < r->len) {
        char c = r->s[r->pos];
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
            return c;
        r->pos++;
    }
    return '\0';
}

static bool take(ct_jp *r, char want, const char *what)
{
    if (r->failed || ct_jp_peek(r) != want)
        return ct_jp_stop(r, CARAT_EFORMAT, what);
    r->pos++;
    return true;
}

bool ct_jp_enter(ct_jp *r, char open)
{
    return take(r, open, open == '{' ? "expected an object" : "expected an array");
}

bool ct_jp_more(ct_jp *r, char close, bool *first)
{
    if (r->failed)
        return false;
    if (ct_jp_peek(r) == close) {
        r->pos++;
        return false;
    }
    bool ok = *first || take(r, ',', "expected a comma");
    *first = false;
    return ok;
}

/* ---- strings ---- */

static bool room(ct_jp *r, size_t more)
{
    if (r->str_len + more <= r->str_cap)
        return true;
    size_t cap = r->str_cap ? r->str_cap * 2 : 256;
    while (cap < r->str_len + more)
        cap *= 2;
    char *str = realloc(r->str, cap);
    if (!str)
        return ct_jp_stop(r, CARAT_ENOMEM, NULL);
    r->str = str;
    r->str_cap = cap;
    return true;
}

static bool hex4(ct_jp *r, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < 4; i++, r->pos++) {
        char c = r->pos < r->len ? r->s[r->pos] : '\0';
        if (c >= '0' && c <= '9')
            *out = *out << 4 | (uint32_t)(c - '0');
        else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
            *out = *out << 4 | (uint32_t)((c | 0x20) - 'a' + 10);
        else
            return ct_jp_stop(r, CARAT_EFORMAT, "expected four hexadecimal digits after \\u");
    }
    return true;
}

/* The second half of a pair, if it is there: then r is behind it. False: what follows "\u" is no number. */
static bool low_surrogate(ct_jp *r, uint32_t *low)
{
    size_t pos = r->pos;
    *low = 0;
    if (r->len - pos < 2 || r->s[pos] != '\\' || r->s[pos + 1] != 'u')
        return true;
    r->pos += 2;
    if (!hex4(r, low))
        return false;
    if (*low < 0xDC00 || *low > 0xDFFF) { /* another character */
        *low = 0;
        r->pos = pos;
    }
    return true;
}

/* After "\u": one escape, or two that are a surrogate pair. */
static bool escaped_char(ct_jp *r)
{
    uint32_t cp, low = 0;
    if (!hex4(r, &cp))
        return false;
    if (cp >= 0xD800 && cp < 0xE000) {
        if (cp < 0xDC00 && !low_surrogate(r, &low))
            return false;
        if (!low && !r->takes_halves)
            return ct_jp_stop(r, CARAT_EFORMAT, "half of a surrogate pair");
        cp = low ? 0x10000 + ((cp - 0xD800) << 10) + (low - 0xDC00) : 0xFFFD;
    }
    if (!room(r, 4))
        return false;
    r->str_len += ct_utf8_put(cp, r->str + r->str_len);
    return true;
}

static bool escape(ct_jp *r)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = r->pos < r->len ? r->s[r->pos] : '\0';
    if (c == 'u') {
        r->pos++;
        return escaped_char(r);
    }
    const char *found = c ? strchr(from, c) : NULL;
    if (!found)
        return ct_jp_stop(r, CARAT_EFORMAT, "an unknown escape");
    r->pos++;
    if (!room(r, 1))
        return false;
    r->str[r->str_len++] = to[found - from];
    return true;
}

bool ct_jp_string(ct_jp *r)
{
    r->str_len = 0;
    if (!take(r, '"', "expected a string"))
        return false;
    for (;;) {
        size_t run = r->pos;
        while (run < r->len && r->s[run] != '"' && r->s[run] != '\\' && (uint8_t)r->s[run] >= 0x20)
            run++;
        size_t n = run - r->pos, valid = ct_utf8_valid(r->s + r->pos, n);
        if (valid < n) {
            r->pos += valid;
            return ct_jp_stop(r, CARAT_EFORMAT, "a byte that is not UTF-8");
        }
        if (!room(r, n + 1))
            return false;
        memcpy(r->str + r->str_len, r->s + r->pos, n);
        r->str_len += n;
        r->pos = run;
        if (run == r->len || (uint8_t)r->s[run] < 0x20)
            return ct_jp_stop(r, CARAT_EFORMAT,
                              run == r->len ? "a string is cut off" : "a control character in a string");
        r->pos++;
        if (r->s[run] == '"')
            return true;
        if (!escape(r))
            return false;
    }
}

bool ct_jp_key(ct_jp *r)
{
    return ct_jp_string(r) && take(r, ':', "expected a colon");
}

/* ---- numbers and the rest ---- */

static size_t digits(const ct_jp *r, size_t at)
{
    size_t n = 0;
    while (at + n < r->len && r->s[at + n] >= '0' && r->s[at + n] <= '9')
        n++;
    return n;
}

static bool is_at(const ct_jp *r, size_t at, const char *any)
{
    return at < r->len && r->s[at] && strchr(any, r->s[at]);
}

size_t ct_jp_number_len(const ct_jp *r, bool *is_whole)
{
    size_t at = r->pos + is_at(r, r->pos, "-"), n = digits(r, at);
    *is_whole = true;
    if (n == 0 || (n > 1 && r->s[at] == '0'))
        return 0;
    at += n;
    if (is_at(r, at, ".")) {
        *is_whole = false;
        n = digits(r, at + 1);
        if (n == 0)
            return 0;
        at += 1 + n;
    }
    if (is_at(r, at, "eE")) {
        *is_whole = false;
        at += 1 + is_at(r, at + 1, "+-");
        n = digits(r, at);
        if (n == 0)
            return 0;
        at += n;
    }
    return at - r->pos;
}

bool ct_jp_int(ct_jp *r, int64_t min, int64_t max, int64_t *out)
{
    if (r->failed)
        return false;
    bool minus = ct_jp_peek(r) == '-';
    size_t p = r->pos + minus, digits = p;
    int64_t v = 0;
    for (; p < r->len && r->s[p] >= '0' && r->s[p] <= '9' && p - digits < 18; p++)
        v = v * 10 + (r->s[p] - '0');
    bool ends = p == r->len || !strchr("0123456789.eE+-", r->s[p]);
    v = minus ? -v : v;
    if (p == digits || !ends || v < min || v > max)
        return ct_jp_fail(r, "expected an integer within range");
    r->pos = p;
    *out = v;
    return true;
}

/* A number, true, false or null: characters up to the next delimiter. Only values that are skipped come here. */
static bool skip_word(ct_jp *r)
{
    static const char *const words[] = { "true", "false", "null" };
    size_t start = r->pos;
    while (r->pos < r->len && !strchr(" \n\r\t,]}:\"[{", r->s[r->pos]))
        r->pos++;
    size_t n = r->pos - start;
    for (size_t i = 0; i < 3; i++)
        if (n == strlen(words[i]) && !memcmp(r->s + start, words[i], n))
            return true;
    bool is_number = n > 0;
    for (size_t i = start; i < r->pos; i++)
        is_number = is_number && r->s[i] && strchr("0123456789.eE+-", r->s[i]);
    if (is_number)
        return true;
    r->pos = start;
    return ct_jp_stop(r, CARAT_EFORMAT, "expected a value");
}

/* One level is one bit of `objects`: set for an object. */
bool ct_jp_skip(ct_jp *r)
{
    uint64_t objects = 0;
    unsigned depth = 0;
    bool first = true;
    for (;;) {
        char c = ct_jp_peek(r);
        bool ok = true;
        if (c == '{' || c == '[') {
            if (depth == 64)
                return ct_jp_stop(r, CARAT_EFORMAT, "nested deeper than 64");
            objects = objects << 1 | (c == '{');
            depth++;
            first = true;
            r->pos++;
        } else {
            ok = c == '"' ? ct_jp_string(r) : skip_word(r);
        }
        while (ok && depth && !ct_jp_more(r, objects & 1 ? '}' : ']', &first)) {
            objects >>= 1;
            depth--;
            first = false;
            ok = !r->failed;
        }
        if (!ok || r->failed || !depth)
            return ok && !r->failed;
        if (objects & 1 && !ct_jp_key(r))
            return false;
    }
}
