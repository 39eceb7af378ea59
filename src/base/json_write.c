/* A JSON tree as text: members in their order, numbers as short as they can be without becoming others.
 *
 * jansson writes 0.1 as 0.10000000000000001, which is another number to whoever reads decimals: a schema's bounds, a
 * grammar.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/json_text.h"

/* snprintf writes the locale's decimal point, which may be several bytes. */
static bool put_digits(const char *digits, ct_buf *out)
{
    size_t before = strspn(digits, "-0123456789"), point = strcspn(digits + before, "0123456789e");
    return ct_buf_add(out, digits, before) && (!point || ct_buf_char(out, '.')) &&
           ct_buf_str(out, digits + before + point);
}

/* As Python's repr: the fewest digits that give the same double, "100000.0", "1e-07", "1e+16". */
static bool put_real(double x, ct_buf *out)
{
    char digits[40];
    int n = 0, exponent;
    do
        snprintf(digits, sizeof digits, "%.*e", n, x);
    while (strtod(digits, NULL) != x && ++n < 17);
    exponent = (int)strtol(strchr(digits, 'e') + 1, NULL, 10);
    if (exponent >= -4 && exponent < 16)
        snprintf(digits, sizeof digits, "%.*f", n > exponent ? n - exponent : 1, x);
    return put_digits(digits, out);
}

static bool put_array(const json_t *v, ct_buf *out)
{
    bool ok = ct_buf_char(out, '[');
    for (size_t i = 0; ok && i < json_array_size(v); i++)
        ok = (i == 0 || ct_buf_char(out, ',')) && ct_json_write(json_array_get(v, i), out);
    return ok && ct_buf_char(out, ']');
}

static bool put_object(const json_t *v, ct_buf *out)
{
    const char *key;
    json_t *member;
    bool ok = ct_buf_char(out, '{'), is_first = true;
    json_object_foreach((json_t *)v, key, member) {
        ok = ok && (is_first || ct_buf_char(out, ',')) && ct_json_text_string(key, strlen(key), out) &&
             ct_buf_char(out, ':') && ct_json_write(member, out);
        is_first = false;
    }
    return ok && ct_buf_char(out, '}');
}

bool ct_json_write(const json_t *v, ct_buf *out)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return put_object(v, out);
    case JSON_ARRAY:
        return put_array(v, out);
    case JSON_STRING:
        return ct_json_text_string(json_string_value(v), json_string_length(v), out);
    case JSON_INTEGER:
        return ct_buf_fmt(out, "%lld", (long long)json_integer_value(v));
    case JSON_REAL:
        return put_real(json_real_value(v), out);
    case JSON_TRUE:
    case JSON_FALSE:
        return ct_buf_str(out, json_is_true(v) ? "true" : "false");
    case JSON_NULL:
        break;
    }
    return ct_buf_str(out, "null");
}
