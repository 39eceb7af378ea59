/* Checks what a caller says of its functions, and writes their declarations.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "chat/tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_text.h"
#include "base/jsonpull.h"
#include "base/utf8.h"
#include "chat/python.h"

#define MOST_NAME       64
#define MOST_PROPERTIES 1024

static bool no_memory(carat_err *err)
{
    return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the functions' declarations");
}

/* ---- names and sizes ---- */

static bool is_name(const char *s)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
    const size_t n = strnlen(s, MOST_NAME + 1);
    return n > 0 && n <= MOST_NAME && strspn(s, allowed) == n;
}

static bool check_name(const carat_tool *tools, size_t i, carat_err *err)
{
    const char *name = tools[i].name;
    if (!name)
        return ct_fail(err, CARAT_EARG, i, "function %zu has no name", i);
    if (!is_name(name))
        return ct_fail(err, CARAT_EARG, i,
                       "function %zu: the name '%.80s' is not of 1 to %d letters, digits, '_', '.' and '-'", i, name,
                       MOST_NAME);
    for (size_t k = 0; k < i; k++)
        if (strcmp(tools[k].name, name) == 0)
            return ct_fail(err, CARAT_EARG, i, "functions %zu and %zu have the same name, '%s'", k, i, name);
    return true;
}

static size_t length_of(const carat_tool *t)
{
    return t->parameters ? (t->parameters_len ? t->parameters_len : strlen(t->parameters)) : 0;
}

static bool check_sizes(const carat_tool *tools, size_t n, carat_err *err)
{
    size_t left = CT_TOOLS_MOST_BYTES;
    for (size_t i = 0; i < n; i++) {
        const size_t schema = length_of(&tools[i]), words = tools[i].description ? strlen(tools[i].description) : 0;
        if (schema > left || words > left - schema)
            return ct_fail(err, CARAT_ELIMIT, i, "the functions have more than %zu bytes of schemas and descriptions",
                           CT_TOOLS_MOST_BYTES);
        left -= schema + words;
    }
    return true;
}

static bool check(const carat_tool *tools, size_t n, carat_tool_style style, carat_err *err)
{
    if (n > CT_TOOLS_MOST)
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "%zu functions, there may be %d", n, CT_TOOLS_MOST);
    if (style != CARAT_TOOLS_JSON && style != CARAT_TOOLS_PYTHON)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "there is no style %d of declaring functions", (int)style);
    for (size_t i = 0; i < n; i++) {
        const char *words = tools[i].description;
        if (!check_name(tools, i, err))
            return false;
        if (words && ct_utf8_valid(words, strlen(words)) < strlen(words))
            return ct_fail(err, CARAT_EARG, i, "function '%s': its description is not UTF-8", tools[i].name);
    }
    return check_sizes(tools, n, err);
}

/* ---- a schema ---- */

static bool is_key(const ct_jp *r, const char *key)
{
    return r->str_len == strlen(key) && memcmp(r->str, key, r->str_len) == 0;
}

static bool add_property(ct_jp *r, ct_tool *t)
{
    if (t->n_properties == MOST_PROPERTIES)
        return ct_jp_fail(r, "more than 1024 arguments");
    if (strnlen(r->str, r->str_len) < r->str_len)
        return ct_jp_fail(r, "a NUL character in an argument's name");
    for (size_t i = 0; i < t->n_properties; i++)
        if (is_key(r, t->properties[i]))
            return ct_jp_fail(r, "an argument that is described twice");
    if ((t->n_properties & (t->n_properties + 1)) == 0) { /* 2^k - 1 of them: room for twice as many */
        char **grown = realloc(t->properties, 2 * (t->n_properties + 1) * sizeof *grown);
        if (!grown)
            return ct_jp_stop(r, CARAT_ENOMEM, NULL);
        t->properties = grown;
    }
    char *name = strndup(r->str, r->str_len);
    if (!name)
        return ct_jp_stop(r, CARAT_ENOMEM, NULL);
    t->properties[t->n_properties++] = name;
    return true;
}

static bool read_properties(ct_jp *r, ct_tool *t)
{
    if (ct_jp_peek(r) != '{')
        return ct_jp_fail(r, "\"properties\" is not an object");
    ct_jp_enter(r, '{');
    for (bool first = true; ct_jp_more(r, '}', &first);)
        if (!ct_jp_key(r) || !add_property(r, t) || !ct_jp_skip(r))
            return false;
    return !r->failed;
}

/* "object" or what may be one: a list of types, which the schema's own reader judges. */
static bool read_type(ct_jp *r)
{
    if (ct_jp_peek(r) != '"')
        return ct_jp_skip(r);
    return ct_jp_string(r) && (is_key(r, "object") || ct_jp_fail(r, "its type is not \"object\""));
}

static bool read_schema(ct_jp *r, ct_tool *t)
{
    if (ct_jp_peek(r) != '{')
        return ct_jp_fail(r, "the schema of arguments is not a JSON object");
    ct_jp_enter(r, '{');
    bool has_properties = false;
    for (bool first = true; ct_jp_more(r, '}', &first);) {
        if (!ct_jp_key(r))
            return false;
        const bool is_properties = is_key(r, "properties");
        if (is_properties && has_properties)
            return ct_jp_fail(r, "a second \"properties\"");
        has_properties = has_properties || is_properties;
        if (!(is_properties ? read_properties(r, t) : is_key(r, "type") ? read_type(r) : ct_jp_skip(r)))
            return false;
    }
    return !r->failed;
}

/* What well-formed JSON says that is no schema of arguments is the caller's error. */
static bool list_properties(const char *what, ct_tool *t, carat_err *err)
{
    ct_jp r = { .s = t->schema, .len = t->schema_len };
    const bool ok = read_schema(&r, t);
    if (!ok && err) {
        *err = r.err;
        err->code = err->code == CARAT_EFORMAT ? CARAT_EARG : err->code;
        ct_fail_in(err, "%s", what);
    }
    ct_jp_deinit(&r);
    return ok;
}

static bool take_schema(const carat_tool *from, ct_tool *t, carat_err *err)
{
    char what[MOST_NAME + 32];
    ct_buf b;
    snprintf(what, sizeof what, "function '%s', parameters", from->name);
    ct_buf_init(&b, 6 * CT_TOOLS_MOST_BYTES + sizeof CT_TOOLS_NO_ARGUMENTS);
    const bool ok = from->parameters ? ct_json_text_put(what, from->parameters, length_of(from), false, &b, err)
                                     : ct_buf_str(&b, CT_TOOLS_NO_ARGUMENTS) || no_memory(err);
    t->schema_len = b.len;
    t->schema = ct_buf_take(&b);
    return ok && (t->schema || no_memory(err)) && list_properties(what, t, err);
}

/* ---- all of them ---- */

static bool take_tool(const carat_tool *from, ct_tool *t, carat_err *err)
{
    t->name = strdup(from->name);
    t->description = from->description ? strdup(from->description) : NULL;
    if (!t->name || (from->description && !t->description))
        return no_memory(err);
    return take_schema(from, t, err);
}

static void declare_json(const ct_tool *t, ct_buf *b)
{
    ct_buf_str(b, "{\"name\":\"");
    ct_buf_str(b, t->name);
    ct_buf_str(b, "\",");
    if (t->description) {
        ct_buf_str(b, "\"description\":");
        ct_json_text_string(t->description, strlen(t->description), b);
        ct_buf_str(b, ",");
    }
    ct_buf_str(b, "\"parameters\":");
    ct_buf_add(b, t->schema, t->schema_len);
    ct_buf_str(b, "}");
}

static bool declare_all(carat_tools *t, carat_err *err)
{
    ct_buf b;
    const bool is_python = t->style == CARAT_TOOLS_PYTHON;
    ct_buf_init(&b, SIZE_MAX / 2);
    ct_buf_str(&b, is_python ? "" : "[");
    for (size_t i = 0; i < t->n; i++) {
        const ct_tool *tool = &t->v[i];
        ct_buf_str(&b, !i ? "" : is_python ? "\n\n" : ",");
        if (is_python)
            ct_python_declare(tool->name, tool->description, tool->schema, tool->schema_len, &b);
        else
            declare_json(tool, &b);
    }
    ct_buf_str(&b, is_python ? "" : "]");
    t->declared_len = b.len;
    t->declared = ct_buf_take(&b);
    return t->declared || no_memory(err);
}

bool ct_tools_open(const carat_tool *tools, size_t n, carat_tool_style style, carat_tools **out, carat_err *err)
{
    *out = NULL;
    if (!check(tools, n, style, err))
        return false;
    carat_tools *t = calloc(1, sizeof *t);
    if (!t || !(t->v = calloc(n + 1, sizeof *t->v))) {
        free(t);
        return no_memory(err);
    }
    t->n = n;
    t->style = style;
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++)
        ok = take_tool(&tools[i], &t->v[i], err);
    if (!ok || !declare_all(t, err)) {
        ct_tools_close(t);
        return false;
    }
    *out = t;
    return true;
}

void ct_tools_close(carat_tools *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n; i++) {
        ct_tool *tool = &t->v[i];
        for (size_t k = 0; k < tool->n_properties; k++)
            free(tool->properties[k]);
        free(tool->properties);
        free(tool->name);
        free(tool->description);
        free(tool->schema);
    }
    free(t->v);
    free(t->declared);
    free(t);
}

const ct_tool *ct_tools_find(const carat_tools *t, const char *name, size_t len)
{
    for (size_t i = 0; i < t->n; i++)
        if (strlen(t->v[i].name) == len && memcmp(t->v[i].name, name, len) == 0)
            return &t->v[i];
    return NULL;
}
