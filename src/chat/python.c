/* Writes signatures of Python. The schema is walked as the text that it is: compact, each character of a string spelt in one
 * way, and known to be JSON. So nothing is decoded or allocated, and keys are compared as they are written.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "chat/python.h"

#include <string.h>

#include "base/json_span.h"

#define MOST_PROPERTIES 1024
#define MOST_REQUIRED   4096
#define MOST_DEPTH      8 /* of lists and alternatives within each other: what lies deeper is Any */

/* ---- values ---- */

/* As Python writes it; a list of them without its brackets. */
static void put_literal(ct_buf *out, ct_span v)
{
    for (size_t i = 0, n; i < v.len; i += n) {
        n = v.s[i] == '"' ? ct_span_string_len(v.s + i) : 1;
        if (v.s[i] == 't' || v.s[i] == 'n') {
            n = 4;
            ct_buf_str(out, v.s[i] == 't' ? "True" : "None");
        } else if (v.s[i] == 'f') {
            n = 5;
            ct_buf_str(out, "False");
        } else {
            ct_buf_add(out, v.s + i, n);
            ct_buf_str(out, v.s[i] == ',' || v.s[i] == ':' ? " " : "");
        }
    }
}

static const char *simple_type(ct_span name)
{
    static const char *const types[][2] = { { "\"string\"", "str" },   { "\"integer\"", "int" },
                                            { "\"number\"", "float" }, { "\"boolean\"", "bool" },
                                            { "\"null\"", "None" },    { "\"object\"", "dict" },
                                            { "\"array\"", "list" } };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (ct_span_is(name, types[i][0]))
            return types[i][1];
    return NULL;
}

/* A schema's type. False: it does not say all that the schema says. */
static bool put_type(ct_buf *out, ct_span schema, int depth);

/* One of several schemas, or of several names of types. */
static bool put_union(ct_buf *out, ct_span list, int depth)
{
    bool is_all = true;
    const char *between = "";
    for (ct_walk w = ct_walk_begin(list); ct_walk_step(&w); between = " | ") {
        const char *name = simple_type(w.value);
        ct_buf_str(out, between);
        if (name)
            ct_buf_str(out, name);
        else
            is_all = put_type(out, w.value, depth + 1) && is_all;
    }
    return is_all && *between;
}

/* The keyword that the type is made of; NULL: none. */
static const char *main_of(ct_span schema, ct_span *value)
{
    static const char *const keys[] = { "enum", "const", "type", "anyOf", "oneOf" };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const bool is_list = strcmp(keys[i], "const") != 0 && strcmp(keys[i], "type") != 0;
        if (ct_span_get(schema, keys[i], value) && (!is_list || (*value->s == '[' && value->len > 2)))
            return keys[i];
    }
    return NULL;
}

static bool put_named(ct_buf *out, ct_span schema, ct_span type, int depth)
{
    const char *name = simple_type(type);
    ct_span items;
    if (!name && *type.s == '[' && type.len > 2)
        return put_union(out, type, depth);
    ct_buf_str(out, name ? name : "Any");
    if (!name || strcmp(name, "list") != 0 || !ct_span_get(schema, "items", &items))
        return name;
    ct_buf_char(out, '[');
    const bool is_all = put_type(out, items, depth + 1);
    ct_buf_char(out, ']');
    return is_all;
}

static bool put_main(ct_buf *out, ct_span schema, int depth)
{
    ct_span v;
    const char *key = main_of(schema, &v);
    if (key && strcmp(key, "type") == 0)
        return put_named(out, schema, v, depth);
    if (key && strcmp(key, "enum") != 0 && strcmp(key, "const") != 0)
        return put_union(out, v, depth);
    ct_buf_str(out, key ? "Literal[" : "Any");
    if (key)
        put_literal(out, strcmp(key, "enum") == 0 ? (ct_span){ v.s + 1, v.len - 2 } : v);
    return !key || ct_buf_char(out, ']');
}

/* Are values (a list, or one) of the type that is named beside them? */
static bool are_of(ct_span values, const char *name)
{
    const char *begins = strcmp(name, "str") == 0     ? "\""
                         : strcmp(name, "int") == 0   ? "-0123456789"
                         : strcmp(name, "float") == 0 ? "-0123456789"
                         : strcmp(name, "bool") == 0  ? "tf"
                                                      : "";
    bool ok = *values.s == '[' || strchr(begins, *values.s);
    for (ct_walk w = ct_walk_begin(values); ct_walk_step(&w);)
        ok = ok && strchr(begins, *w.value.s);
    return ok;
}

/* Is every keyword part of the type? `also`: what is said elsewhere. */
static bool is_told(ct_span schema, const char *const *also)
{
    ct_span v = { 0 };
    const char *key = main_of(schema, &v);
    const bool is_literal = key && (strcmp(key, "enum") == 0 || strcmp(key, "const") == 0);
    const bool is_list = key && strcmp(key, "type") == 0 && ct_span_is(v, "\"array\"");
    for (ct_walk w = ct_walk_begin(schema); ct_walk_step(&w);) {
        const char *name = simple_type(w.value);
        bool told = (key && ct_span_is(w.key, key)) || ct_span_is(w.key, "title") ||
                    (ct_span_is(w.key, "items") && is_list) ||
                    (ct_span_is(w.key, "type") && is_literal && name && are_of(v, name));
        for (size_t i = 0; !told && also && also[i]; i++)
            told = ct_span_is(w.key, also[i]);
        if (!told)
            return false;
    }
    return true;
}

static bool put_type(ct_buf *out, ct_span schema, int depth)
{
    if (*schema.s != '{' || depth == MOST_DEPTH) {
        ct_buf_str(out, "Any");
        return ct_span_is(schema, "true");
    }
    const bool is_all = put_main(out, schema, depth);
    return is_all && is_told(schema, NULL);
}

/* ---- arguments ---- */

typedef struct argument {
    ct_span name, schema;
    bool is_required;
} argument;

typedef struct arguments {
    argument v[MOST_PROPERTIES];
    size_t n;
    bool is_all; /* every name that is required is among them */
} arguments;

static void require(arguments *a, ct_span name)
{
    bool found = false;
    for (size_t i = 0; !found && *name.s == '"' && i < a->n; i++)
        if (a->v[i].name.len == name.len - 2 && memcmp(a->v[i].name.s, name.s + 1, name.len - 2) == 0)
            a->v[i].is_required = found = true;
    a->is_all = a->is_all && found;
}

static void list_arguments(ct_span schema, arguments *a)
{
    ct_span v;
    size_t n = 0;
    a->n = 0;
    a->is_all = true;
    if (ct_span_get(schema, "properties", &v))
        for (ct_walk w = ct_walk_begin(v); a->n < MOST_PROPERTIES && ct_walk_step(&w);)
            a->v[a->n++] = (argument){ .name = w.key, .schema = w.value };
    if (!ct_span_get(schema, "required", &v))
        return;
    ct_walk w = ct_walk_begin(v);
    while (n < MOST_REQUIRED && ct_walk_step(&w))
        require(a, w.value), n++;
    a->is_all = a->is_all && *v.s == '[' && n < MOST_REQUIRED;
}

static const char *const said_of_arguments[] = { "description", "default", NULL };

static void put_name(ct_buf *out, ct_span name)
{
    bool is_plain = name.len > 0 && !(*name.s >= '0' && *name.s <= '9');
    for (size_t i = 0; i < name.len; i++)
        is_plain = is_plain &&
                   ((name.s[i] >= '0' && name.s[i] <= '9') || (name.s[i] >= 'A' && name.s[i] <= 'Z') ||
                    (name.s[i] >= 'a' && name.s[i] <= 'z') || name.s[i] == '_' || (unsigned char)name.s[i] >= 0x80);
    ct_buf_str(out, is_plain ? "" : "\"");
    ct_buf_add(out, name.s, name.len);
    ct_buf_str(out, is_plain ? "" : "\"");
}

static void put_argument(ct_buf *out, const argument *a)
{
    ct_span v;
    put_name(out, a->name);
    ct_buf_str(out, ": ");
    put_type(out, a->schema, 0);
    const bool may_be_none = out->len >= 4 && memcmp(out->data + out->len - 4, "None", 4) == 0;
    if (ct_span_get(a->schema, "default", &v)) {
        ct_buf_str(out, " = ");
        put_literal(out, v);
    } else if (!a->is_required) {
        ct_buf_str(out, may_be_none ? " = None" : " | None = None");
    }
}

/* Does the signature say all of it but the description? What it writes is not wanted. */
static bool is_all_in_type(ct_span schema, ct_buf *out)
{
    if (*schema.s != '{')
        return ct_span_is(schema, "true");
    const size_t was = out->len;
    const bool is_all = put_main(out, schema, 0) && is_told(schema, said_of_arguments);
    out->len = was < out->len ? was : out->len;
    return is_all;
}

/* ---- the docstring ---- */

/* Lines after the first begin with so many blanks; three quotes side by side would end it. */
static void put_text(ct_buf *out, const char *s, size_t len, size_t indent)
{
    for (size_t i = 0; i < len; i++) {
        const bool ends = len - i >= 3 && memcmp(s + i, "\"\"\"", 3) == 0;
        ct_buf_add(out, ends ? "\\\"\\\"\\\"" : s + i, ends ? 6 : 1);
        i += ends ? 2 : 0;
        for (size_t k = 0; s[i] == '\n' && k < indent; k++)
            ct_buf_char(out, ' ');
    }
}

/* A JSON string as its text. Three quotes are spelt in the docstring as they are in JSON. */
static void put_string(ct_buf *out, ct_span v, size_t indent)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    for (size_t i = 1, n; i + 1 < v.len; i += n) {
        const char *plain = v.s[i] == '\\' ? strchr(from, v.s[i + 1]) : NULL;
        const bool is_kept = v.s[i + 1] == 'u' || (v.len - i > 6 && memcmp(v.s + i, "\\\"\\\"\\\"", 6) == 0);
        n = v.s[i] != '\\' ? strcspn(v.s + i, "\\\"") : is_kept ? 6 : 2;
        if (v.s[i] != '\\')
            put_text(out, v.s + i, n, indent);
        else if (is_kept)
            ct_buf_add(out, v.s + i, 6);
        else
            put_text(out, plain ? &to[plain - from] : v.s + i + 1, 1, indent);
    }
}

/* "city: Its name. {"type":...}", where there is anything to say. */
static void put_note(ct_buf *out, ct_span name, ct_span schema, bool *has_notes)
{
    ct_span words = { 0 };
    const bool has_words = ct_span_get(schema, "description", &words) && *words.s == '"' && words.len > 2;
    const bool is_all = is_all_in_type(schema, out) && (has_words || !words.len || ct_span_is(words, "\"\""));
    if (!has_words && is_all)
        return;
    ct_buf_str(out, *has_notes ? "\n        " : "Args:\n        ");
    *has_notes = true;
    put_name(out, name);
    ct_buf_str(out, ": ");
    if (has_words)
        put_string(out, words, 12);
    ct_buf_str(out, has_words && !is_all ? " " : "");
    if (!is_all)
        put_text(out, schema.s, schema.len, 0);
}

/* Is there nothing beside the arguments? */
static bool is_all_in_signature(ct_span schema, const arguments *a)
{
    for (ct_walk w = ct_walk_begin(schema); ct_walk_step(&w);)
        if (!ct_span_is(w.key, "properties") && !ct_span_is(w.key, "required") && !ct_span_is(w.key, "title") &&
            !ct_span_is(w.key, "$schema") && !(ct_span_is(w.key, "type") && ct_span_is(w.value, "\"object\"")) &&
            !(ct_span_is(w.key, "additionalProperties") && ct_span_is(w.value, "false")))
            return false;
    return a->is_all;
}

static void put_docstring(ct_buf *out, const char *description, ct_span schema, const arguments *a)
{
    bool has_notes = false;
    const size_t start = out->len;
    ct_buf_str(out, ":\n    \"\"\"");
    const size_t words = out->len;
    if (description)
        put_text(out, description, strlen(description), 4);
    const size_t notes = out->len;
    ct_buf_str(out, notes > words ? "\n\n    " : "");
    const size_t behind = out->len;
    for (size_t i = 0; i < a->n; i++)
        put_note(out, a->v[i].name, a->v[i].schema, &has_notes);
    if (!is_all_in_signature(schema, a)) {
        ct_buf_str(out, has_notes ? "\n\n    Schema: " : "Schema: ");
        put_text(out, schema.s, schema.len, 0);
    }
    if (out->failed)
        return;
    if (out->len == behind)
        out->len = notes; /* no notes: no blank line */
    const bool has_lines = out->len > words && memchr(out->data + words, '\n', out->len - words);
    if (out->len == words) {
        out->len = start;
        ct_buf_str(out, ": ...");
    } else {
        ct_buf_str(out, has_lines ? "\n    \"\"\"" : "\"\"\"");
    }
}

bool ct_python_declare(const char *name, const char *description, const char *schema, size_t len, ct_buf *out)
{
    const ct_span all = { schema, len };
    const char *between = "";
    arguments a;
    list_arguments(all, &a);
    ct_buf_str(out, "def ");
    ct_buf_str(out, name);
    ct_buf_char(out, '(');
    for (int optional = 0; optional < 2; optional++)
        for (size_t i = 0; i < a.n; i++)
            if (a.v[i].is_required == !optional) {
                ct_buf_str(out, between);
                put_argument(out, &a.v[i]);
                between = ", ";
            }
    ct_buf_str(out, ") -> Any");
    put_docstring(out, description, all, &a);
    return !out->failed;
}
