/* Is a call that an answer makes valid? The form of the answer sees to those in the canonical shape; those in other shapes
 * (Python, other keys) are checked here, when they have come.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "openai/inside.h"

#define MAX_TEXT ((size_t)64 << 20)
#define EXACT    9007199254740992.0 /* integers below are the same as doubles */

/* The schema of a function's arguments; NULL: it takes none. */
static const json_t *schema_of(const ct_openai_request *r, const char *name)
{
    const json_t *list = json_object_get(r->body, r->calls.is_old_style ? "functions" : "tools");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *at = json_array_get(list, i), *f = r->calls.is_old_style ? at : json_object_get(at, "function");
        const char *own = json_string_value(json_object_get(f, "name"));
        if (own && strcmp(own, name) == 0)
            return json_object_get(f, "parameters");
    }
    return NULL;
}

/* ---- the canonical order ---- */

static json_t *in_order(const json_t *schema, json_t *v);

static json_t *object_in_order(const json_t *schema, json_t *v)
{
    json_t *properties = json_object_get(schema, "properties"), *to = json_object(), *member, *sub;
    const char *key;
    bool ok = true;
    json_object_foreach(properties, key, sub)
        if ((member = json_object_get(v, key)))
            ok = json_object_set_new(to, key, in_order(sub, member)) == 0 && ok;
    json_object_foreach(v, key, member)
        if (!json_object_get(properties, key))
            ok = json_object_set(to, key, member) == 0 && ok;
    if (ok)
        return to;
    json_decref(to);
    return NULL;
}

static json_t *array_in_order(const json_t *schema, const json_t *v)
{
    json_t *to = json_array();
    bool ok = true;
    for (size_t i = 0; i < json_array_size(v); i++)
        ok = json_array_append_new(to, in_order(json_object_get(schema, "items"), json_array_get(v, i))) == 0 && ok;
    if (ok)
        return to;
    json_decref(to);
    return NULL;
}

/* A copy with members in the order of the schema's properties, and whole numbers without a point; NULL: no memory. Only
 * `properties` and `items` are followed. Members below other keywords stay where they are, so a valid call may be taken
 * for an invalid one, but never the other way round. */
static json_t *in_order(const json_t *schema, json_t *v)
{
    if (json_is_object(v))
        return object_in_order(schema, v);
    if (json_is_array(v))
        return array_in_order(schema, v);
    const double x = json_is_real(v) ? json_real_value(v) : 0.5;
    return x == floor(x) && fabs(x) < EXACT ? json_integer((json_int_t)x) : json_incref(v);
}

/* ---- one call ---- */

static bool matches_in_order(const carat_format *format, const json_t *schema, const char *arguments, bool *matches)
{
    json_t *v = NULL, *ordered = NULL;
    ct_buf text;
    ct_buf_init(&text, MAX_TEXT);
    bool ok = ct_json_parse("arguments", arguments, strlen(arguments), &v, NULL) && (ordered = in_order(schema, v)) &&
              ct_json_write(ordered, &text) && carat_format_matches(format, text.data, text.len, matches, NULL);
    ct_buf_deinit(&text);
    json_decref(ordered);
    json_decref(v);
    return ok;
}

/* False: no memory. */
bool ct_openai_call_is_valid(const ct_openai_request *r, const char *name, const char *arguments, bool *is_valid)
{
    const json_t *schema = schema_of(r, name);
    carat_format *format = NULL;
    ct_buf text;
    if (!schema || json_is_null(schema)) {
        *is_valid = strcmp(arguments, "{}") == 0;
        return true;
    }
    ct_buf_init(&text, MAX_TEXT);
    bool ok = ct_json_write(schema, &text);
    const carat_format_options o = { .struct_size = sizeof o, .kind = CARAT_FORMAT_JSON_SCHEMA, .text = text.data };
    ok = ok && carat_format_open(r->engine, &o, &format, NULL) &&
         carat_format_matches(format, arguments, strlen(arguments), is_valid, NULL) &&
         (*is_valid || matches_in_order(format, schema, arguments, is_valid));
    carat_format_close(format);
    ct_buf_deinit(&text);
    return ok;
}
