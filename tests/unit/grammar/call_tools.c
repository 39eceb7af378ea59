/* Twenty functions, and what a call of one of them must be.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "call_tools.h"

#include <string.h>

#include "base/json.h"
#include "unit.h"

/* ---- twenty functions ---- */

const char *const call_tool_schemas[4] = {
    "{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\",\"maxLength\":9}},\"required\":[\"city\"],"
    "\"additionalProperties\":false}",
    "{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\",\"minimum\":-5,\"maximum\":40},"
    "\"unit\":{\"enum\":[\"m\",\"km\",\"mile\"]}},\"required\":[\"n\"],\"additionalProperties\":false}",
    "{\"properties\":{\"tags\":{\"$ref\":\"#/$defs/tags\"},\"deep\":{\"$ref\":\"#/$defs/deep\"}},"
    "\"required\":[\"tags\"],\"additionalProperties\":false,\"$defs\":{\"tags\":{\"type\":\"array\",\"maxItems\":3,"
    "\"items\":{\"type\":\"string\",\"maxLength\":4}},\"deep\":{\"type\":\"object\",\"properties\":{\"on\":"
    "{\"type\":\"boolean\"}},\"required\":[\"on\"],\"additionalProperties\":false}}}",
    NULL,
};

const char *const call_tool_names[N_CALL_TOOLS] = {
    "get_time",
    "get_time_zone",
    "get",
    "a",
    "A.b-c_9",
    "set_alarm",
    "search",
    "search_2",
    "calendar.add",
    "calendar.remove",
    "calendar",
    "play",
    "pause",
    "stop",
    "translate",
    "convert",
    "n",
    "name",
    "parameters",
    "0",
};

void call_tools_make(ct_call_form v[N_CALL_TOOLS])
{
    for (size_t i = 0; i < N_CALL_TOOLS; i++) {
        const char *schema = call_tool_schemas[i % 4];
        v[i] = (ct_call_form){ call_tool_names[i], schema, schema ? strlen(schema) : 0, true };
    }
}

static size_t index_of(const char *name)
{
    for (size_t i = 0; i < N_CALL_TOOLS; i++)
        if (name && strcmp(call_tool_names[i], name) == 0)
            return i;
    fail_msg("'%s' is no function", name ? name : "NULL");
    return 0;
}

/* ---- is it valid? By the keywords of the schemas above, without the library's automata ---- */

static size_t n_chars(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += (*s & 0xC0) != 0x80;
    return n;
}

static bool has_type(const json_t *v, const char *type)
{
    return strcmp(type, "object") == 0    ? json_is_object(v)
           : strcmp(type, "array") == 0   ? json_is_array(v)
           : strcmp(type, "string") == 0  ? json_is_string(v)
           : strcmp(type, "integer") == 0 ? json_is_integer(v)
                                          : json_is_boolean(v);
}

static bool is_valid(const json_t *document, const json_t *schema, const json_t *v)
{
    const char *key, *ref = json_string_value(json_object_get(schema, "$ref"));
    size_t i;
    json_t *one;
    bool ok = true;
    if (ref)
        return is_valid(document, json_object_get(json_object_get(document, "$defs"), strrchr(ref, '/') + 1), v);
    json_object_foreach((json_t *)(uintptr_t)schema, key, one) {
        if (strcmp(key, "type") == 0)
            ok = ok && has_type(v, json_string_value(one));
        else if (strcmp(key, "maxLength") == 0)
            ok = ok && n_chars(json_string_value(v)) <= (size_t)json_integer_value(one);
        else if (strcmp(key, "minimum") == 0)
            ok = ok && json_integer_value(v) >= json_integer_value(one);
        else if (strcmp(key, "maximum") == 0)
            ok = ok && json_integer_value(v) <= json_integer_value(one);
        else if (strcmp(key, "maxItems") == 0)
            ok = ok && json_array_size(v) <= (size_t)json_integer_value(one);
        else if (strcmp(key, "enum") == 0) {
            bool found = false;
            for (i = 0; i < json_array_size(one); i++)
                found = found || json_equal(json_array_get(one, i), v);
            ok = ok && found;
        } else if (strcmp(key, "items") == 0) {
            for (i = 0; i < json_array_size(v); i++)
                ok = ok && is_valid(document, one, json_array_get(v, i));
        } else if (strcmp(key, "required") == 0) {
            for (i = 0; i < json_array_size(one); i++)
                ok = ok && json_object_get(v, json_string_value(json_array_get(one, i)));
        } else if (strcmp(key, "properties") == 0) {
            const char *member;
            json_t *value;
            json_object_foreach((json_t *)(uintptr_t)v, member, value) {
                const json_t *rule = json_object_get(one, member);
                ok = ok && rule && is_valid(document, rule, value);
            }
        } else {
            assert_true(strcmp(key, "additionalProperties") == 0 || strcmp(key, "$defs") == 0);
        }
    }
    return ok;
}

/* {"name": ..., "parameters": {...}}; returns which function it calls. */
static size_t check_call(const json_t *call)
{
    carat_err err;
    json_t *schema = NULL;
    const size_t i = index_of(json_string_value(json_object_get(call, "name")));
    const json_t *a = json_object_get(call, "parameters"), *b = json_object_get(call, "arguments");
    assert_true(json_object_size(call) == 2 && json_is_object(a ? a : b));
    if (!call_tool_schemas[i % 4])
        assert_int_equal(json_object_size(a ? a : b), 0);
    else if (!ct_json_parse("the schema", call_tool_schemas[i % 4], strlen(call_tool_schemas[i % 4]), &schema, &err) ||
             !is_valid(schema, schema, a ? a : b))
        fail_msg("arguments of '%s' that its schema does not accept", call_tool_names[i]);
    json_decref(schema);
    return i;
}

/* Returns how many calls. */
size_t call_tools_check(const char *s, size_t len, bool met[N_CALL_TOOLS])
{
    carat_err err;
    json_t *v;
    if (!ct_json_parse("the calls", s, len, &v, &err))
        fail_msg("'%.*s': %s", (int)len, s, err.msg);
    const size_t n = json_is_array(v) ? json_array_size(v) : 1;
    for (size_t i = 0; i < n; i++)
        met[check_call(json_is_array(v) ? json_array_get(v, i) : v)] = true;
    assert_true(n >= 1 && n <= CT_MOST_CALLS);
    json_decref(v);
    return n;
}
