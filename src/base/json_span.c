/* Walks compact JSON.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/json_span.h"

#include <string.h>

size_t ct_span_string_len(const char *s)
{
    size_t n = 1;
    while (s[n] != '"')
        n += s[n] == '\\' ? 2 : 1;
    return n + 1;
}

static size_t value_len(const char *s, size_t len)
{
    size_t n = 0, depth = 0;
    do {
        depth += s[n] == '{' || s[n] == '[';
        depth -= s[n] == '}' || s[n] == ']';
        n += s[n] == '"' ? ct_span_string_len(s + n) : 1;
    } while (n < len && (depth || !strchr(",}]", s[n])));
    return n;
}

ct_walk ct_walk_begin(ct_span v)
{
    if (v.len <= 2 || (*v.s != '{' && *v.s != '['))
        return (ct_walk){ .is_object = v.len == 2 && *v.s == '{' };
    return (ct_walk){ .at = v.s + 1, .end = v.s + v.len - 1, .is_object = *v.s == '{' };
}

bool ct_walk_step(ct_walk *w)
{
    if (!w->at || w->at >= w->end)
        return false;
    if (w->is_object) {
        const size_t n = ct_span_string_len(w->at);
        w->key = (ct_span){ w->at + 1, n - 2 };
        w->at += n + 1;
    }
    w->value = (ct_span){ w->at, value_len(w->at, (size_t)(w->end - w->at)) };
    w->at += w->value.len + 1;
    return true;
}

bool ct_span_is(ct_span v, const char *text)
{
    return v.len == strlen(text) && memcmp(v.s, text, v.len) == 0;
}

bool ct_span_get(ct_span object, const char *key, ct_span *value)
{
    for (ct_walk w = ct_walk_begin(object); w.is_object && ct_walk_step(&w);)
        if (ct_span_is(w.key, key)) {
            *value = w.value;
            return true;
        }
    return false;
}

static unsigned hex(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

bool ct_span_text(ct_span v, ct_buf *out)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    for (size_t i = 0, n; i < v.len; i += n) {
        const char *escaped = v.s + i + 1;
        if (v.s[i] != '\\') {
            const char *next = memchr(v.s + i, '\\', v.len - i);
            n = next ? (size_t)(next - (v.s + i)) : v.len - i;
            ct_buf_add(out, v.s + i, n);
            continue;
        }
        n = *escaped == 'u' ? 6 : 2; /* \u00XX: only what is below U+0020 is written so */
        const char *found = strchr(from, *escaped);
        ct_buf_char(out, n == 6 ? (char)(hex(escaped[3]) << 4 | hex(escaped[4])) : found ? to[found - from] : *escaped);
    }
    return !out->failed;
}
