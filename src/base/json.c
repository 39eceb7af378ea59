/* JSON through jansson: parsing, fields of the right type, strings of any bytes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/looks_like.h"
#include "base/map.h"
#include "base/size.h"
#include "base/utf8.h"

bool ct_json_load(const char *path, size_t max, json_t **out, carat_err *err)
{
    *out = NULL;
    char *text;
    size_t len;
    if (!ct_read_file(path, max, &text, &len, err))
        return false;
    bool ok = ct_json_parse(path, text, len, out, err) || ct_explain_text(path, text, len, err);
    free(text);
    return ok;
}

static int add_dumped(const char *text, size_t len, void *arg)
{
    return ct_buf_add((ct_buf *)arg, text, len) ? 0 : -1;
}

char *ct_json_dump(const json_t *v, size_t flags)
{
    ct_buf b;
    ct_buf_init(&b, SIZE_MAX / 2);
    if (!v || json_dump_callback(v, add_dumped, &b, flags) != 0)
        b.failed = true;
    return ct_buf_take(&b);
}

/* Its scratch is jansson's memory, so that who watches that for refusals hears of this one. */
json_t *ct_json_from_bytes(const char *text, size_t len)
{
    json_malloc_t take;
    json_free_t give;
    size_t bytes, n_shown = 0;
    json_get_alloc_funcs(&take, &give);
    char *shown = ct_mul_size(len, 3, &bytes) && ct_add_size(bytes, 1, &bytes) ? take(bytes) : NULL;
    if (!shown)
        return NULL;
    for (size_t i = 0; i < len;) {
        uint32_t cp;
        size_t n = ct_utf8_next(text + i, len - i, &cp), n_put = cp == CT_UTF8_BAD ? 3 : n;
        memcpy(shown + n_shown, cp == CT_UTF8_BAD ? "\xef\xbf\xbd" : text + i, n_put);
        n_shown += n_put;
        i += n;
    }
    json_t *v = json_stringn(shown, n_shown);
    give(shown);
    return v;
}

json_t *ct_json_from_str(const char *text)
{
    return ct_json_from_bytes(text, strlen(text));
}

const char *ct_json_kind(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    case JSON_NULL:
        return "null";
    }
    return "unknown";
}

static const json_t *field(const json_t *obj, const char *key)
{
    const json_t *v = json_object_get(obj, key);
    return v && !json_is_null(v) ? v : NULL;
}

static bool wrong(const json_t *v, const char *what, const char *key, const char *expected, carat_err *err)
{
    return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: '%s' is %s, expected %s", what, key, ct_json_kind(v),
                   expected);
}

bool ct_json_int(const json_t *obj, const char *what, const char *key, int64_t min, int64_t max, int64_t *out,
                 carat_err *err)
{
    const json_t *v = field(obj, key);
    if (!v)
        return true;
    json_int_t n;
    if (json_is_integer(v))
        n = json_integer_value(v);
    else if (json_is_real(v) && fabs(json_real_value(v)) < 9e15 && json_real_value(v) == floor(json_real_value(v)))
        n = (json_int_t)json_real_value(v);
    else
        return wrong(v, what, key, "an integer", err);
    if (n < min || n > max)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: '%s' is %lld, expected %lld to %lld", what, key,
                       (long long)n, (long long)min, (long long)max);
    *out = n;
    return true;
}

bool ct_json_num(const json_t *obj, const char *what, const char *key, double *out, carat_err *err)
{
    const json_t *v = field(obj, key);
    if (!v)
        return true;
    if (!json_is_number(v))
        return wrong(v, what, key, "a number", err);
    *out = json_number_value(v);
    return true;
}

bool ct_json_bool(const json_t *obj, const char *what, const char *key, bool *out, carat_err *err)
{
    const json_t *v = field(obj, key);
    if (!v)
        return true;
    if (!json_is_boolean(v))
        return wrong(v, what, key, "a boolean", err);
    *out = json_is_true(v);
    return true;
}

bool ct_json_text(const json_t *obj, const char *what, const char *key, const char **out, carat_err *err)
{
    const json_t *v = field(obj, key);
    if (!v)
        return true;
    if (!json_is_string(v))
        return wrong(v, what, key, "a string", err);
    if (strlen(json_string_value(v)) != json_string_length(v))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: '%s' has a NUL character", what, key);
    *out = json_string_value(v);
    return true;
}
