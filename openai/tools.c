/* "tools" and "tool_choice" of a request (and "functions" and "function_call", their older names) -> what its prompt
 * declares and its answers may call.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "openai/fields.h"
#include "openai/inside.h"

#define MAX_TEXT ((size_t)64 << 20) /* carat_tools_open says which are too long */

/* All of it while it is read. Texts are borrowed from the JSON, but for the schemas. */
typedef struct wish {
    ct_openai_request *r;
    ct_openai_calls *calls;              /* of the request */
    const char *list_name, *choice_name; /* "tools", "tool_choice" */
    const json_t *list;
    carat_tool *tools; /* [n] */
    ct_buf *schemas;   /* [n] */
    size_t n;
    bool is_off; /* "none" */
    ct_openai_fault *f;
} wish;

static bool is_absent(const json_t *v)
{
    return !v || json_is_null(v) || (json_is_array(v) && json_array_size(v) == 0);
}

static bool is_word(const json_t *v, const char *word)
{
    const char *s = json_string_value(v);
    return s && strcmp(s, word) == 0;
}

/* ---- the list ---- */

static bool refuse_at(wish *w, const char *where, const char *what)
{
    return ct_openai_refuse(w->f, 400, "invalid_value", where, "%s: %s", where, what);
}

/* {"name", "description", "parameters", "strict"} */
static bool take_function(wish *w, const json_t *v, const char *where)
{
    carat_tool *to = &w->tools[w->n];
    ct_buf *schema = &w->schemas[w->n];
    bool strict = true; /* it is in any case */
    to->struct_size = sizeof *to;
    ct_buf_init(schema, MAX_TEXT);
    w->n++;
    if (!json_is_object(v))
        return refuse_at(w, where, "a function is missing, or is none");
    if (!ct_openai_check_fields(v, CT_IN_FUNCTION, where, &w->r->unknown, w->f))
        return false;
    if (!ct_json_text(v, where, "name", &to->name, &w->f->err) ||
        !ct_json_text(v, where, "description", &to->description, &w->f->err) ||
        !ct_json_bool(v, where, "strict", &strict, &w->f->err))
        return ct_openai_refuse_err(w->f, where);
    const json_t *parameters = json_object_get(v, "parameters");
    if (!parameters || json_is_null(parameters))
        return true;
    if (!ct_json_write(parameters, schema))
        return ct_openai_no_memory(w->f, "the tools");
    to->parameters = schema->data;
    return true;
}

static bool take_tool(wish *w, const json_t *v, size_t i)
{
    char where[64];
    if (w->calls->is_old_style) {
        snprintf(where, sizeof where, "functions[%zu]", i);
        return take_function(w, v, where);
    }
    snprintf(where, sizeof where, "tools[%zu]", i);
    if (!json_is_object(v))
        return refuse_at(w, where, "it is not an object");
    if (!is_word(json_object_get(v, "type"), "function"))
        return ct_openai_refuse(w->f, 400, "unsupported_value", where, "%s: only tools of the type function are known",
                                where);
    if (!ct_openai_check_fields(v, CT_IN_TOOL, where, &w->r->unknown, w->f))
        return false;
    snprintf(where, sizeof where, "tools[%zu].function", i);
    return take_function(w, json_object_get(v, "function"), where);
}

static bool take_list(wish *w)
{
    const size_t n = json_array_size(w->list);
    w->tools = calloc(n + 1, sizeof *w->tools);
    w->schemas = calloc(n + 1, sizeof *w->schemas);
    if (!w->tools || !w->schemas)
        return ct_openai_no_memory(w->f, "the tools");
    for (size_t i = 0; i < n; i++)
        if (!take_tool(w, json_array_get(w->list, i), i))
            return false;
    const carat_tools_options o = { .struct_size = sizeof o, .tools = w->tools, .n_tools = w->n };
    return carat_tools_open(&o, &w->calls->tools, &w->f->err) || ct_openai_refuse_err(w->f, w->list_name);
}

/* ---- the choice ---- */

static bool refuse_choice(wish *w, const char *expected)
{
    return ct_openai_refuse(w->f, 400, "invalid_value", w->choice_name, "'%s' is not %s", w->choice_name, expected);
}

/* A function that may be called, by name. */
static bool allow(wish *w, const json_t *name)
{
    const char *s = json_string_value(name);
    for (size_t i = 0; s && i < w->n; i++)
        if (strcmp(w->tools[i].name, s) == 0) {
            w->calls->names[w->calls->n_names++] = s;
            return true;
        }
    return ct_openai_refuse(w->f, 400, "invalid_value", w->choice_name, "'%s' names %s%.64s%s, which is not in '%s'",
                            w->choice_name, s ? "'" : "no function", s ? s : "", s ? "'" : "", w->list_name);
}

/* {"type": "function", "function": {"name"}}, or as the Responses API has it {"type": "function", "name"}. */
static const json_t *name_of(const json_t *v)
{
    const json_t *function = json_object_get(v, "function");
    return json_object_get(function ? function : v, "name");
}

/* {"type": "allowed_tools", "allowed_tools": {"mode", "tools"}}, or the two beside the type. */
static bool take_allowed(wish *w, const json_t *v)
{
    const json_t *inner = json_object_get(v, "allowed_tools"), *from = inner ? inner : v;
    const json_t *mode = json_object_get(from, "mode"), *list = json_object_get(from, "tools");
    if (!is_word(mode, "auto") && !is_word(mode, "required"))
        return refuse_choice(w, "complete: the 'mode' of allowed_tools is auto or required");
    if (is_absent(list) || !json_is_array(list) || json_array_size(list) > w->n)
        return refuse_choice(w, "complete: the 'tools' of allowed_tools are some of those in 'tools'");
    w->calls->must_call = is_word(mode, "required");
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!allow(w, name_of(json_array_get(list, i))))
            return false;
    return true;
}

static bool take_choice(wish *w, const json_t *v)
{
    ct_openai_calls *calls = w->calls;
    calls->names = calloc(w->n + 1, sizeof *calls->names);
    if (!calls->names)
        return ct_openai_no_memory(w->f, "the tools");
    w->is_off = is_word(v, "none");
    if (is_absent(v) || w->is_off || is_word(v, "auto"))
        return true;
    if (!calls->is_old_style && is_word(json_object_get(v, "type"), "allowed_tools"))
        return take_allowed(w, v);
    calls->must_call = true;
    if (!calls->is_old_style && (is_word(v, "required") || is_word(v, "any")))
        return true;
    calls->is_single = true;
    if (calls->is_old_style)
        return json_is_object(v) ? allow(w, json_object_get(v, "name")) : refuse_choice(w, "none, auto or {\"name\"}");
    return is_word(json_object_get(v, "type"), "function")
               ? allow(w, name_of(v))
               : refuse_choice(w, "none, auto, required, or of the type function or allowed_tools");
}

/* ---- all of it ---- */

static bool write_key(wish *w)
{
    ct_buf key;
    ct_buf_init(&key, MAX_TEXT);
    ct_buf_fmt(&key, "[%d,%d", w->calls->must_call, w->calls->is_single);
    for (size_t i = 0; i < w->calls->n_names; i++)
        ct_buf_fmt(&key, ",\"%s\"", w->calls->names[i]);
    ct_buf_char(&key, ',');
    ct_json_write(w->list, &key);
    ct_buf_char(&key, ']');
    w->calls->key = ct_buf_take(&key);
    return w->calls->key || ct_openai_no_memory(w->f, "the tools");
}

static void deinit(wish *w)
{
    for (size_t i = 0; i < w->n; i++)
        ct_buf_deinit(&w->schemas[i]);
    free(w->tools);
    free(w->schemas);
}

/* A list and its choice under their newer or older names. */
typedef struct naming {
    const char *list, *choice;
} naming;

static const naming names[] = { { "tools", "tool_choice" }, { "functions", "function_call" } };

/* Is there such a list? A choice without one may only ask for nothing. */
static bool look(const json_t *body, const naming *of, bool *is_there, ct_openai_fault *f)
{
    const json_t *list = json_object_get(body, of->list), *choice = json_object_get(body, of->choice);
    *is_there = !is_absent(list);
    if (*is_there && !json_is_array(list))
        return ct_openai_refuse(f, 400, "invalid_value", of->list, "'%s' is %s, expected an array", of->list,
                                ct_json_kind(list));
    return *is_there || is_absent(choice) || is_word(choice, "none") || is_word(choice, "auto") ||
           ct_openai_refuse(f, 400, "invalid_value", of->choice, "'%s' needs '%s'", of->choice, of->list);
}

/* What an answer makes of the others is no call, in whatever shape. */
static bool select_some(wish *w)
{
    ct_openai_calls *calls = w->calls;
    size_t n = 0;
    if (calls->n_names == 0)
        return true;
    for (size_t i = 0; i < w->n; i++) {
        size_t k = 0;
        while (k < calls->n_names && strcmp(w->tools[i].name, calls->names[k]) != 0)
            k++;
        if (k < calls->n_names)
            w->tools[n++] = w->tools[i];
    }
    const carat_tools_options o = { .struct_size = sizeof o, .tools = w->tools, .n_tools = n };
    return carat_tools_open(&o, &calls->some, &w->f->err) || ct_openai_refuse_err(w->f, w->list_name);
}

static bool read_wish(wish *w)
{
    if (!take_list(w) || !take_choice(w, json_object_get(w->r->body, w->choice_name)) || !select_some(w))
        return false;
    if (!w->is_off)
        return write_key(w);
    ct_openai_tools_release(w->r); /* what may not be called is not declared */
    return true;
}

bool ct_openai_read_tools(ct_openai_request *r, ct_openai_fault *f)
{
    bool is_new, is_old, is_parallel = true;
    if (!look(r->body, &names[0], &is_new, f) || !look(r->body, &names[1], &is_old, f))
        return false;
    if (is_new && is_old)
        return ct_openai_refuse(f, 400, "invalid_value", "functions",
                                "'functions' is the older name of 'tools': give one of them");
    if (!ct_openai_bool(r->body, "parallel_tool_calls", &is_parallel, f))
        return false;
    if (!is_new && !is_old)
        return true;
    r->calls.is_old_style = is_old;
    r->calls.is_single = is_old || !is_parallel; /* an older reply has room for one */
    wish w = { .r = r,
               .calls = &r->calls,
               .list_name = names[is_old].list,
               .choice_name = names[is_old].choice,
               .list = json_object_get(r->body, names[is_old].list),
               .f = f };
    const bool ok = read_wish(&w);
    deinit(&w);
    return ok;
}

void ct_openai_tools_release(ct_openai_request *r)
{
    carat_tools_close(r->calls.tools);
    carat_tools_close(r->calls.some);
    free(r->calls.names);
    free(r->calls.key);
    r->calls = (ct_openai_calls){ .tools = NULL };
}
