/* JSON as a grammar writes it: one canonical text for each value.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "sample/grammar/json_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_DIGITS 40
#define MOST_DEPTH  2048 /* base/json.h parses no deeper */

/* ---- values ---- */

/* What stands for a byte inside quotes; NULL: itself. */
static const char *escape_of(uint8_t byte, char buf[8])
{
    static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *at = byte ? strchr(plain, byte) : NULL;
    if (at)
        snprintf(buf, 8, "\\%c", letters[at - plain]);
    else if (byte < 0x20)
        snprintf(buf, 8, "\\u%04x", byte);
    else
        return NULL;
    return buf;
}

static void put_string(const char *s, size_t len, ct_buf *out)
{
    char buf[8];
    ct_buf_char(out, '"');
    for (size_t i = 0; i < len; i++) {
        const char *escape = escape_of((uint8_t)s[i], buf);
        if (escape)
            ct_buf_str(out, escape);
        else
            ct_buf_char(out, s[i]);
    }
    ct_buf_char(out, '"');
}

/* The shortest digits that give x back: "d.ddde[+-]xx" with as many d as needed. */
static void shortest(double x, char text[40])
{
    for (int digits = 0; digits <= 17; digits++) {
        snprintf(text, 40, "%.*e", digits, x);
        if (strtod(text, NULL) == x)
            return;
    }
}

bool ct_json_number_text(double x, ct_buf *out)
{
    char text[40], digits[24];
    if (!isfinite(x))
        return false;
    if (x == 0)
        return ct_buf_char(out, '0');
    shortest(fabs(x), text);
    size_t n = 0;
    for (const char *p = text; *p && *p != 'e'; p++)
        if (*p != '.')
            digits[n++] = *p;
    const int exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10),
              point = exponent + 1; /* digits before the point */
    while (n > 1 && digits[n - 1] == '0')
        n--;
    if (x < 0)
        ct_buf_char(out, '-');
    if (point > 21 || point < -6) {
        ct_buf_char(out, digits[0]);
        if (n > 1)
            ct_buf_char(out, '.'), ct_buf_add(out, digits + 1, n - 1);
        return ct_buf_fmt(out, "e%+d", exponent);
    }
    if (point <= 0)
        ct_buf_str(out, "0.");
    for (int i = point; i < 0; i++)
        ct_buf_char(out, '0');
    for (int i = 0; i < (int)n || i < point; i++) {
        if (i == point && i > 0)
            ct_buf_char(out, '.');
        ct_buf_char(out, i < (int)n ? digits[i] : '0');
    }
    return !out->failed;
}

static bool put_value(const json_t *v, const ct_json_style *style, ct_buf *out, unsigned depth);

static bool put_object(const json_t *v, const ct_json_style *style, ct_buf *out, unsigned depth)
{
    const char *key;
    json_t *member;
    bool is_first = true;
    ct_buf_char(out, '{');
    json_object_foreach((json_t *)(uintptr_t)v, key, member) {
        if (!is_first)
            ct_buf_str(out, style->comma);
        is_first = false;
        put_string(key, strlen(key), out);
        ct_buf_str(out, style->colon);
        if (!put_value(member, style, out, depth))
            return false;
    }
    return ct_buf_char(out, '}');
}

static bool put_value(const json_t *v, const ct_json_style *style, ct_buf *out, unsigned depth)
{
    if (depth > MOST_DEPTH)
        return false;
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return put_object(v, style, out, depth + 1);
    case JSON_ARRAY:
        ct_buf_char(out, '[');
        for (size_t i = 0; i < json_array_size(v); i++) {
            if (i)
                ct_buf_str(out, style->comma);
            if (!put_value(json_array_get(v, i), style, out, depth + 1))
                return false;
        }
        return ct_buf_char(out, ']');
    case JSON_STRING:
        put_string(json_string_value(v), json_string_length(v), out);
        return !out->failed;
    case JSON_INTEGER:
        return ct_buf_fmt(out, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    case JSON_REAL:
        return ct_json_number_text(json_real_value(v), out);
    case JSON_TRUE:
        return ct_buf_str(out, "true");
    case JSON_FALSE:
        return ct_buf_str(out, "false");
    case JSON_NULL:
        return ct_buf_str(out, "null");
    }
    return false;
}

bool ct_json_canonical(const json_t *v, const ct_json_style *style, ct_buf *out)
{
    return put_value(v, style, out, 0) && !out->failed;
}

/* ---- strings ---- */

const ct_expr *ct_json_written(ct_heap *h, uint8_t byte)
{
    char buf[8];
    const char *escape = escape_of(byte, buf);
    return escape ? ct_expr_text(h, escape) : NULL;
}

static const ct_expr *escaped_set(ct_heap *h, ct_charset set)
{
    static const ct_range special[] = { { 0, 0x1F }, { '"', '"' }, { '\\', '\\' } };
    ct_range copy[3];
    memcpy(copy, special, sizeof copy);
    const ct_charset specials = ct_charset_of(h, copy, 3), some = ct_charset_and(h, set, specials);
    ct_exprs ways = { .heap = h };
    ct_exprs_add(&ways, ct_expr_set(h, ct_charset_and(h, set, ct_charset_not(h, specials))));
    for (size_t i = 0; i < some.n; i++)
        for (uint32_t c = some.v[i].lo; c <= some.v[i].hi; c++)
            ct_exprs_add(&ways, ct_json_written(h, (uint8_t)c));
    return ct_expr_alt(h, ways.v, ways.n);
}

static const ct_expr *escaped_bytes(ct_heap *h, const char *s, size_t len)
{
    ct_buf text;
    ct_buf_init(&text, 6 * len + 16);
    put_string(s, len, &text);
    const ct_expr *e = text.failed ? NULL : ct_expr_bytes(h, text.data + 1, text.len - 2);
    h->failed = h->failed || text.failed;
    ct_buf_deinit(&text);
    return e;
}

const ct_expr *ct_json_escaped(ct_heap *h, const ct_expr *e)
{
    if (!e)
        return NULL;
    switch (e->kind) {
    case CT_EXPR_BYTES:
        return escaped_bytes(h, e->bytes.s, e->bytes.len);
    case CT_EXPR_SET:
        return escaped_set(h, e->set);
    case CT_EXPR_SEQ:
    case CT_EXPR_ALT: {
        ct_exprs l = { .heap = h };
        for (size_t i = 0; i < e->list.n; i++)
            ct_exprs_add(&l, ct_json_escaped(h, e->list.v[i]));
        return e->kind == CT_EXPR_SEQ ? ct_expr_seq(h, l.v, l.n) : ct_expr_alt(h, l.v, l.n);
    }
    case CT_EXPR_REPEAT:
        return ct_expr_repeat(h, ct_json_escaped(h, e->repeat.body), e->repeat.min, e->repeat.max);
    default:
        return e;
    }
}

/* ---- numbers ---- */

static const ct_expr *digits(ct_heap *h, char first, uint32_t min, uint32_t max)
{
    return ct_expr_repeat(h, ct_expr_set(h, ct_charset_one(h, (uint8_t)first, '9')), min, max);
}

/* So many digits, one after the other: ends that are alike are the same states, which counted ones are not. */
static const ct_expr *as_many_digits(ct_heap *h, uint32_t n)
{
    const ct_expr *e = ct_expr_empty(h);
    for (uint32_t i = 0; i < n; i++)
        e = ct_expr_then(h, digits(h, '0', 1, 1), e);
    return e;
}

/* 1 to 2^63 - 1: what every reader of JSON keeps, and many refuse beyond. */
static const ct_expr *size_of_integer(ct_heap *h)
{
    static const char most[] = "9223372036854775807";
    const uint32_t n = sizeof most - 1;
    ct_exprs ways = { .heap = h };
    ct_exprs_add(&ways, ct_expr_then(h, digits(h, '1', 1, 1), digits(h, '0', 0, n - 2)));
    for (uint32_t i = 0; i < n; i++) { /* as many digits: the first i are equal, the next is smaller */
        const char least = i ? '0' : '1';
        if (most[i] == least)
            continue;
        const ct_expr *smaller = ct_expr_set(h, ct_charset_one(h, (uint8_t)least, (uint8_t)(most[i] - 1)));
        const ct_expr *const v[] = { ct_expr_bytes(h, most, i), smaller, as_many_digits(h, n - 1 - i) };
        ct_exprs_add(&ways, ct_expr_seq(h, v, 3));
    }
    ct_exprs_add(&ways, ct_expr_text(h, most));
    return ct_expr_alt(h, ways.v, ways.n);
}

const ct_expr *ct_json_any_integer(ct_heap *h)
{
    return ct_expr_or(h, ct_expr_text(h, "0"),
                      ct_expr_then(h, ct_expr_optional(h, ct_expr_text(h, "-")), size_of_integer(h)));
}

const ct_expr *ct_json_any_number(ct_heap *h)
{
    const ct_expr *whole = ct_expr_or(h, ct_expr_text(h, "0"), size_of_integer(h));
    const ct_expr *fraction = ct_expr_then(h, ct_expr_text(h, "."), digits(h, '0', 1, MOST_DIGITS));
    const ct_charset e[] = { ct_charset_one(h, 'E', 'E'), ct_charset_one(h, 'e', 'e') };
    const ct_charset sign[] = { ct_charset_one(h, '+', '+'), ct_charset_one(h, '-', '-') };
    const ct_expr *const exponent[] = { ct_expr_set(h, ct_charset_or(h, e[0], e[1])),
                                        ct_expr_optional(h, ct_expr_set(h, ct_charset_or(h, sign[0], sign[1]))),
                                        digits(h, '0', 1, 2) };
    const ct_expr *const number[] = { ct_expr_optional(h, ct_expr_text(h, "-")), whole, ct_expr_optional(h, fraction),
                                      ct_expr_optional(h, ct_expr_seq(h, exponent, 3)) };
    return ct_expr_seq(h, number, 4);
}

/* ---- any value ---- */

const ct_expr *ct_json_list(ct_heap *h, const ct_expr *item, const char *comma, uint32_t min, uint32_t max)
{
    if (max == 0)
        return min == 0 ? ct_expr_empty(h) : ct_expr_nothing(h);
    const ct_expr *more = ct_expr_then(h, ct_expr_text(h, comma), item);
    const uint32_t least = min > 1 ? min - 1 : 0, most = max == CT_REPEAT_FOREVER ? max : max - 1;
    const ct_expr *some = ct_expr_then(h, item, ct_expr_repeat(h, more, least, most));
    return min == 0 ? ct_expr_optional(h, some) : some;
}

void ct_json_rules_init(ct_json_rules *j, ct_rules *rules, const ct_json_style *style)
{
    *j = (ct_json_rules){ rules, style, CT_NO_RULE, CT_NO_RULE, CT_NO_RULE };
}

/* A call of the rule, which is declared by the first call; *is_new: the caller defines it. */
static const ct_expr *call(ct_json_rules *j, uint32_t *rule, const char *name, bool *is_new)
{
    *is_new = *rule == CT_NO_RULE;
    if (*is_new)
        *rule = ct_rules_add(j->rules, name);
    if (*rule == CT_NO_RULE)
        j->rules->heap->failed = true;
    return *rule == CT_NO_RULE ? NULL : ct_expr_rule(j->rules->heap, *rule);
}

static const ct_expr *between(ct_heap *h, const char *open, const ct_expr *e, const char *close)
{
    const ct_expr *const v[] = { ct_expr_text(h, open), e, ct_expr_text(h, close) };
    return ct_expr_seq(h, v, 3);
}

const ct_expr *ct_json_any_string(ct_json_rules *j)
{
    ct_heap *h = j->rules->heap;
    bool is_new;
    const ct_expr *e = call(j, &j->string, "any string", &is_new);
    if (e && is_new) {
        const ct_expr *one = ct_json_escaped(h, ct_expr_set(h, ct_charset_one(h, 0, CT_MAX_CODE)));
        j->rules->v[j->string].expr = between(h, "\"", ct_expr_repeat(h, one, 0, CT_REPEAT_FOREVER), "\"");
    }
    return e;
}

const ct_expr *ct_json_any_object(ct_json_rules *j)
{
    ct_heap *h = j->rules->heap;
    bool is_new;
    const ct_expr *e = call(j, &j->object, "any object", &is_new);
    if (e && is_new) {
        const ct_expr *const member[] = { ct_json_any_string(j), ct_expr_text(h, j->style->colon),
                                          ct_json_any_value(j) };
        const ct_expr *list = ct_json_list(h, ct_expr_seq(h, member, 3), j->style->comma, 0, CT_REPEAT_FOREVER);
        j->rules->v[j->object].expr = between(h, "{", list, "}");
    }
    return e;
}

const ct_expr *ct_json_any_array(ct_json_rules *j)
{
    ct_heap *h = j->rules->heap;
    return between(h, "[", ct_json_list(h, ct_json_any_value(j), j->style->comma, 0, CT_REPEAT_FOREVER), "]");
}

const ct_expr *ct_json_any_value(ct_json_rules *j)
{
    ct_heap *h = j->rules->heap;
    bool is_new;
    const ct_expr *e = call(j, &j->value, "any value", &is_new);
    if (e && is_new) {
        const ct_expr *const v[] = { ct_json_any_object(j),  ct_json_any_array(j),    ct_json_any_string(j),
                                     ct_json_any_number(h),  ct_expr_text(h, "true"), ct_expr_text(h, "false"),
                                     ct_expr_text(h, "null") };
        j->rules->v[j->value].expr = ct_expr_alt(h, v, sizeof v / sizeof *v);
    }
    return e;
}
