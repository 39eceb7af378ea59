/* Rewrites JSON text: white space is made uniform, strings are escaped in one way.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/json_text.h"

#include <stdio.h>
#include <string.h>

#include "base/jsonpull.h"
#include "base/utf8.h"

#define MAX_DEPTH 512

typedef struct writer {
    ct_jp r;
    ct_buf *out;
    bool is_spaced;
} writer;

static const char *escape_of(unsigned char c)
{
    switch (c) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\b':
        return "\\b";
    case '\f':
        return "\\f";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        return NULL;
    }
}

/* One character of n bytes. */
static bool put_char(ct_buf *out, const char *s, size_t n, uint32_t cp)
{
    const char *escape = n == 1 ? escape_of((unsigned char)*s) : NULL;
    if (escape)
        return ct_buf_str(out, escape);
    if (cp < 0x20)
        return ct_buf_fmt(out, "\\u%04x", (unsigned)cp);
    return cp == CT_UTF8_BAD ? ct_buf_str(out, "\xef\xbf\xbd") : ct_buf_add(out, s, n);
}

bool ct_json_text_string(const char *s, size_t len, ct_buf *out)
{
    bool ok = ct_buf_char(out, '"');
    for (size_t i = 0, n; ok && i < len; i += n) {
        uint32_t cp;
        n = ct_utf8_next(s + i, len - i, &cp);
        ok = put_char(out, s + i, n, cp);
    }
    return ok && ct_buf_char(out, '"');
}

static bool value(writer *w, unsigned depth);

static bool member(writer *w, unsigned depth)
{
    return ct_jp_key(&w->r) && ct_json_text_string(w->r.str, w->r.str_len, w->out) &&
           ct_buf_str(w->out, w->is_spaced ? ": " : ":") && value(w, depth + 1);
}

static bool members(writer *w, unsigned depth)
{
    const bool is_object = ct_jp_peek(&w->r) == '{';
    bool first = true, is_first = true;
    if (depth == MAX_DEPTH)
        return ct_jp_stop(&w->r, CARAT_EFORMAT, "a depth beyond 512");
    ct_jp_enter(&w->r, is_object ? '{' : '[');
    ct_buf_char(w->out, is_object ? '{' : '[');
    for (; ct_jp_more(&w->r, is_object ? '}' : ']', &first); is_first = false) {
        if (!is_first)
            ct_buf_str(w->out, w->is_spaced ? ", " : ",");
        if (!(is_object ? member(w, depth) : value(w, depth + 1)))
            return false;
    }
    return !w->r.failed && ct_buf_char(w->out, is_object ? '}' : ']');
}

static bool word(writer *w, const char *text)
{
    const size_t n = strlen(text);
    if (w->r.len - w->r.pos < n || memcmp(w->r.s + w->r.pos, text, n) != 0)
        return ct_jp_stop(&w->r, CARAT_EFORMAT, "expected a value");
    w->r.pos += n;
    return ct_buf_add(w->out, text, n);
}

static bool number(writer *w)
{
    bool is_whole;
    const size_t n = ct_jp_number_len(&w->r, &is_whole);
    if (!n)
        return ct_jp_stop(&w->r, CARAT_EFORMAT, "expected a value");
    w->r.pos += n;
    return ct_buf_add(w->out, w->r.s + w->r.pos - n, n);
}

static bool value(writer *w, unsigned depth)
{
    switch (ct_jp_peek(&w->r)) {
    case '{':
    case '[':
        return members(w, depth);
    case '"':
        return ct_jp_string(&w->r) && ct_json_text_string(w->r.str, w->r.str_len, w->out);
    case 't':
        return word(w, "true");
    case 'f':
        return word(w, "false");
    case 'n':
        return word(w, "null");
    default:
        return number(w);
    }
}

/* Why the text could not be written. */
static bool explain(const char *what, const writer *w, carat_err *err)
{
    if (!w->r.failed && w->out->len >= w->out->max / 2)
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "%s is too long", what);
    if (!w->r.failed)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %s", what);
    if (err)
        *err = w->r.err;
    return ct_fail_in(err, "%s", what);
}

bool ct_json_text_put(const char *what, const char *text, size_t len, bool is_spaced, ct_buf *out, carat_err *err)
{
    writer w = { .r = { .s = text, .len = len, .takes_halves = true }, .out = out, .is_spaced = is_spaced };
    const size_t was = out->len;
    bool ok = value(&w, 0);
    if (ok && (ct_jp_peek(&w.r) || w.r.pos < len))
        ok = ct_jp_stop(&w.r, CARAT_EFORMAT, "expected one value, and more follows");
    ok = (ok && !out->failed) || explain(what, &w, err);
    if (!ok && was < out->len)
        out->data[out->len = was] = '\0';
    ct_jp_deinit(&w.r);
    return ok;
}

bool ct_json_text_floats(const float *v, size_t n, ct_buf *out)
{
    bool ok = ct_buf_char(out, '[');
    for (size_t i = 0; ok && i < n; i++) {
        char number[32];
        snprintf(number, sizeof number, "%s%.9g", i ? "," : "", (double)v[i]);
        for (char *s = number + 1; *s; s++) /* whatever the locale's decimal point is */
            if (!strchr("0123456789+-e", *s))
                *s = '.';
        ok = ct_buf_str(out, number);
    }
    return ok && ct_buf_char(out, ']');
}
