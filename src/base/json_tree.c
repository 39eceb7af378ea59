/* Text to a tree of jansson's values. The tree is jansson's, the reading is ours: its own reader (2.14) drops characters
 * of a string whose buffer could not grow, and then reads past that buffer's end.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/jsonpull.h"

#define MAX_DEPTH 2048 /* jansson's own; a tree is freed by recursion too */

static json_t *value(ct_jp *r, unsigned depth);

static json_t *stop(ct_jp *r, carat_code code, const char *what)
{
    ct_jp_stop(r, code, what);
    return NULL;
}

/* v, or the error that there is no memory for it. */
static json_t *made(ct_jp *r, json_t *v)
{
    return v ? v : stop(r, CARAT_ENOMEM, NULL);
}

/* ---- numbers ---- */

/* With a point, whatever the program's locale writes in its place. */
static double to_double(const char *text)
{
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0); /* a constant of the C library's */
    return c ? strtod_l(text, NULL, c) : strtod(text, NULL);
}

static json_t *number(ct_jp *r)
{
    bool is_whole;
    size_t n = ct_jp_number_len(r, &is_whole);
    if (n == 0)
        return stop(r, CARAT_EFORMAT, "expected a value");
    char *text = strndup(r->s + r->pos, n);
    if (!text)
        return stop(r, CARAT_ENOMEM, NULL);
    errno = 0;
    long long whole = is_whole ? strtoll(text, NULL, 10) : 0;
    double real = is_whole ? 0 : to_double(text);
    bool is_beyond = is_whole ? errno == ERANGE : !isfinite(real);
    free(text);
    if (is_beyond)
        return stop(r, CARAT_EFORMAT,
                    is_whole ? "an integer beyond 64 bits with a sign" : "a number beyond a double's");
    r->pos += n;
    return made(r, is_whole ? json_integer(whole) : json_real(real));
}

/* ---- the others ---- */

static json_t *word(ct_jp *r, const char *text, json_t *v)
{
    size_t n = strlen(text);
    if (r->len - r->pos < n || memcmp(r->s + r->pos, text, n) != 0)
        return stop(r, CARAT_EFORMAT, "expected a value");
    r->pos += n;
    return v;
}

static json_t *string(ct_jp *r)
{
    return ct_jp_string(r) ? made(r, json_stringn_nocheck(r->str, r->str_len)) : NULL;
}

/* A copy of the key at r, which the value's strings will overwrite. */
static char *key_of(ct_jp *r, const json_t *object)
{
    if (!ct_jp_key(r))
        return NULL;
    char *key = strndup(r->str, r->str_len); /* up to a NUL, if it has one */
    if (!key) {
        ct_jp_stop(r, CARAT_ENOMEM, NULL);
    } else if (strlen(key) != r->str_len || json_object_get(object, key)) {
        ct_jp_stop(r, CARAT_EFORMAT, strlen(key) == r->str_len ? "a duplicate key" : "a NUL character in a key");
        free(key);
        key = NULL;
    }
    return key;
}

static bool member(ct_jp *r, json_t *object, unsigned depth)
{
    char *key = key_of(r, object);
    json_t *v = key ? value(r, depth + 1) : NULL;
    bool ok = v && (json_object_set_new_nocheck(object, key, v) == 0 || ct_jp_stop(r, CARAT_ENOMEM, NULL));
    free(key);
    return ok;
}

static bool element(ct_jp *r, json_t *array, unsigned depth)
{
    json_t *v = value(r, depth + 1);
    return v && (json_array_append_new(array, v) == 0 || ct_jp_stop(r, CARAT_ENOMEM, NULL));
}

static json_t *members(ct_jp *r, unsigned depth)
{
    bool is_object = ct_jp_peek(r) == '{', first = true;
    if (depth == MAX_DEPTH)
        return stop(r, CARAT_EFORMAT, "a depth beyond 2048");
    json_t *all = made(r, is_object ? json_object() : json_array());
    if (!all)
        return NULL;
    ct_jp_enter(r, is_object ? '{' : '[');
    while (ct_jp_more(r, is_object ? '}' : ']', &first))
        if (!(is_object ? member(r, all, depth) : element(r, all, depth)))
            break;
    if (r->failed) {
        json_decref(all);
        return NULL;
    }
    return all;
}

static json_t *value(ct_jp *r, unsigned depth)
{
    switch (ct_jp_peek(r)) {
    case '{':
    case '[':
        return members(r, depth);
    case '"':
        return string(r);
    case 't':
        return word(r, "true", json_true());
    case 'f':
        return word(r, "false", json_false());
    case 'n':
        return word(r, "null", json_null());
    default:
        return number(r);
    }
}

static size_t line_of(const char *text, size_t at)
{
    size_t line = 1;
    for (size_t i = 0; i < at; i++)
        line += text[i] == '\n';
    return line;
}

bool ct_json_parse(const char *what, const char *text, size_t len, json_t **out, carat_err *err)
{
    ct_jp r = { .s = text, .len = len, .takes_halves = true };
    *out = value(&r, 0);
    if (*out && (ct_jp_peek(&r) || r.pos < len)) {
        json_decref(*out);
        *out = stop(&r, CARAT_EFORMAT, "expected one value, and more follows");
    }
    size_t line = *out ? 1 : line_of(text, r.pos);
    if (!*out && err) {
        *err = r.err;
        if (line > 1)
            ct_fail_in(err, "%s, line %zu", what, line);
        else
            ct_fail_in(err, "%s", what);
    }
    ct_jp_deinit(&r);
    return *out != NULL;
}
