/* Writes FunctionGemma's declarations, calls and results.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "chat/function_syntax.h"

#include <stdlib.h>
#include <string.h>

#include "base/json_span.h"
#include "chat/segments.h"

static bool put(ct_segments *p, const char *s)
{
    return ct_segments_str(p, s);
}

/* The text of a string or key. */
static bool put_text(ct_segments *p, ct_span inner)
{
    const size_t was = p->text.len;
    return ct_span_text(inner, &p->text) && ct_segments_written(p, was);
}

static bool put_string(ct_segments *p, const char *s)
{
    return ct_segments_named(p, "<escape>") && put(p, s) && ct_segments_named(p, "<escape>");
}

static bool put_escaped(ct_segments *p, ct_span inner)
{
    return ct_segments_named(p, "<escape>") && put_text(p, inner) && ct_segments_named(p, "<escape>");
}

/* ---- members in order ---- */

typedef struct member {
    ct_span key, value;
} member;

static int lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + 'a' - 'A' : c);
}

static int by_name(const void *a, const void *b)
{
    const ct_span *x = &((const member *)a)->key, *y = &((const member *)b)->key;
    for (size_t i = 0; i < x->len && i < y->len; i++)
        if (lower(x->s[i]) != lower(y->s[i]))
            return lower(x->s[i]) - lower(y->s[i]);
    if (x->len != y->len)
        return x->len < y->len ? -1 : 1;
    return (x->s > y->s) - (x->s < y->s); /* which stood first */
}

/* The members of an object, sorted; the caller frees them. NULL: no memory. */
static member *sort(ct_span object, size_t *n)
{
    size_t k = 0;
    *n = 0;
    for (ct_walk w = ct_walk_begin(object); w.is_object && ct_walk_step(&w);)
        ++*n;
    member *v = calloc(*n + 1, sizeof *v);
    if (!v)
        return NULL;
    for (ct_walk w = ct_walk_begin(object); k < *n && ct_walk_step(&w); k++)
        v[k] = (member){ .key = w.key, .value = w.value };
    qsort(v, *n, sizeof *v, by_name);
    return v;
}

typedef bool put_fn(ct_segments *p, const member *m);

static bool put_each(ct_segments *p, ct_span object, put_fn *fn)
{
    size_t n;
    member *v = sort(object, &n);
    bool ok = v != NULL;
    for (size_t i = 0; ok && i < n; i++)
        ok = (!i || put(p, ",")) && fn(p, &v[i]);
    free(v);
    return ok;
}

/* ---- values ---- */

static bool put_value(ct_segments *p, ct_span v);

static bool put_member(ct_segments *p, const member *m)
{
    return put_text(p, m->key) && put(p, ":") && put_value(p, m->value);
}

static bool put_list(ct_segments *p, ct_span v)
{
    bool ok = put(p, "["), first = true;
    for (ct_walk w = ct_walk_begin(v); ok && ct_walk_step(&w); first = false)
        ok = (first || put(p, ",")) && put_value(p, w.value);
    return ok && put(p, "]");
}

static bool put_value(ct_segments *p, ct_span v)
{
    switch (*v.s) {
    case '"':
        return put_escaped(p, (ct_span){ v.s + 1, v.len - 2 });
    case '{':
        return put(p, "{") && put_each(p, v, put_member) && put(p, "}");
    case '[':
        return put_list(p, v);
    default:
        return ct_segments_add(p, v.s, v.len);
    }
}

/* In braces: an object's members, or a value by that name. */
static bool put_members(ct_segments *p, const char *json, size_t len)
{
    const ct_span v = { json, len };
    return put(p, "{") && (*json == '{' ? put_each(p, v, put_member) : put(p, "value:") && put_value(p, v)) &&
           put(p, "}");
}

/* ---- declarations ---- */

/* A type's name in capitals: of several the first that is not null. */
static bool put_type(ct_segments *p, ct_span schema, const char *otherwise)
{
    ct_span type = { 0 };
    char name[16] = "";
    ct_span_get(schema, "type", &type);
    for (ct_walk w = ct_walk_begin(type); type.len && *type.s == '[' && ct_walk_step(&w);)
        if (!ct_span_is(w.value, "\"null\"")) {
            type = w.value;
            break;
        }
    if (type.len > 2 && type.len - 2 < sizeof name && *type.s == '"')
        for (size_t i = 0; i < type.len - 2; i++)
            name[i] = (char)(type.s[i + 1] >= 'a' && type.s[i + 1] <= 'z' ? type.s[i + 1] - 'a' + 'A' : type.s[i + 1]);
    return put(p, "type:") && put_string(p, *name ? name : otherwise);
}

static bool may_be_null(ct_span schema)
{
    ct_span v;
    if (ct_span_get(schema, "nullable", &v) && ct_span_is(v, "true"))
        return true;
    if (!ct_span_get(schema, "type", &v) || *v.s != '[')
        return false;
    for (ct_walk w = ct_walk_begin(v); ct_walk_step(&w);)
        if (ct_span_is(w.value, "\"null\""))
            return true;
    return false;
}

static bool put_property(ct_segments *p, const member *m);

/* "properties:{...}", "required:[...]": where there are any. */
static bool put_object(ct_segments *p, ct_span schema, bool *needs_comma)
{
    ct_span v;
    bool ok = true;
    if (ct_span_get(schema, "properties", &v) && *v.s == '{' && v.len > 2) {
        ok = (!*needs_comma || put(p, ",")) && put(p, "properties:{") && put_each(p, v, put_property) && put(p, "}");
        *needs_comma = true;
    }
    if (ok && ct_span_get(schema, "required", &v) && *v.s == '[' && v.len > 2) {
        ok = (!*needs_comma || put(p, ",")) && put(p, "required:") && put_list(p, v);
        *needs_comma = true;
    }
    return ok;
}

/* Of an array's items each keyword, as it is. */
static bool put_keyword(ct_segments *p, const member *m)
{
    const ct_span v = m->value;
    if (ct_span_is(m->key, "properties") && *v.s == '{')
        return put(p, "properties:{") && put_each(p, v, put_property) && put(p, "}");
    if (!ct_span_is(m->key, "type") || *v.s != '"')
        return put_member(p, m);
    const char open[] = "{\"type\":";
    char schema[64];
    if (sizeof open + v.len + 1 > sizeof schema)
        return put_member(p, m);
    memcpy(schema, open, sizeof open - 1);
    memcpy(schema + sizeof open - 1, v.s, v.len);
    schema[sizeof open - 1 + v.len] = '}';
    return put_type(p, (ct_span){ schema, sizeof open + v.len }, "");
}

static bool put_property(ct_segments *p, const member *m)
{
    ct_span v = { "\"\"", 2 };
    bool comma = true;
    if (!ct_span_get(m->value, "description", &v) || *v.s != '"')
        v = (ct_span){ "\"\"", 2 };
    bool ok = put_text(p, m->key) && put(p, ":{description:") && put_value(p, v);
    if (ok && ct_span_get(m->value, "enum", &v) && *v.s == '[')
        ok = put(p, ",enum:") && put_list(p, v);
    ok = ok && put_object(p, m->value, &comma);
    if (ok && ct_span_get(m->value, "items", &v) && *v.s == '{' && v.len > 2)
        ok = put(p, ",items:{") && put_each(p, v, put_keyword) && put(p, "}");
    if (ok && may_be_null(m->value))
        ok = put(p, ",nullable:true");
    return ok && put(p, ",") && put_type(p, m->value, "") && put(p, "}");
}

static bool declare(ct_segments *p, const ct_tool *t)
{
    const ct_span schema = { t->schema, t->schema_len };
    bool comma = false;
    return ct_segments_named(p, "<start_function_declaration>") && put(p, "declaration:") && put(p, t->name) &&
           put(p, "{description:") && put_string(p, t->description ? t->description : "") && put(p, ",parameters:{") &&
           put_object(p, schema, &comma) && (!comma || put(p, ",")) && put_type(p, schema, "OBJECT") && put(p, "}}") &&
           ct_segments_named(p, "<end_function_declaration>");
}

bool ct_function_declare(ct_segments *p, const carat_tools *tools)
{
    bool ok = true;
    for (size_t i = 0; ok && i < tools->n; i++)
        ok = declare(p, &tools->v[i]);
    return ok;
}

/* ---- calls and results ---- */

bool ct_function_call(ct_segments *p, const char *name, const char *arguments, size_t len)
{
    return ct_segments_named(p, "<start_function_call>") && put(p, "call:") && put(p, name) &&
           put_members(p, arguments, len) && ct_segments_named(p, "<end_function_call>");
}

bool ct_function_result(ct_segments *p, const char *name, const char *content, size_t len)
{
    return ct_segments_named(p, "<start_function_response>") && put(p, "response:") && put(p, name ? name : "") &&
           put_members(p, content, len) && ct_segments_named(p, "<end_function_response>");
}
