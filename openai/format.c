/* "response_format" of a request, and what it may call -> the form of its answers. Requests that ask for the same share
 * what it was compiled to.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "openai/fields.h"
#include "openai/inside.h"

#define MAX_SCHEMA ((size_t)64 << 20) /* carat_format_open says which is too long */

struct ct_openai_form {
    carat_format *format;
    char *key; /* what it was made of, as text */
    size_t n_refs;
};

/* ---- those that there are ---- */

static void drop(ct_openai_form *form)
{
    if (!form || --form->n_refs)
        return;
    carat_format_close(form->format);
    free(form->key);
    free(form);
}

void ct_openai_forms_deinit(ct_openai_forms *forms)
{
    while (forms->n)
        drop(forms->v[--forms->n]);
}

/* The one that was used last stands first. */
static void put_first(ct_openai_forms *forms, size_t i)
{
    ct_openai_form *form = forms->v[i];
    memmove(forms->v + 1, forms->v, i * sizeof *forms->v);
    forms->v[0] = form;
}

static ct_openai_form *find(ct_openai_forms *forms, const char *key)
{
    for (size_t i = 0; forms && i < forms->n; i++)
        if (strcmp(forms->v[i]->key, key) == 0) {
            put_first(forms, i);
            return forms->v[0];
        }
    return NULL;
}

static void keep(ct_openai_forms *forms, ct_openai_form *form)
{
    if (!forms)
        return;
    if (forms->n == CT_OPENAI_MAX_FORMS)
        drop(forms->v[--forms->n]);
    form->n_refs++;
    forms->v[forms->n++] = form;
    put_first(forms, forms->n - 1);
}

/* Takes key. */
static bool open_form(char *key, const carat_format_options *o, carat_engine *e, ct_openai_form **out,
                      const char *param, ct_openai_fault *f)
{
    ct_openai_form *form = calloc(1, sizeof *form);
    *out = form;
    if (!form) {
        free(key);
        return ct_openai_no_memory(f, "a response format");
    }
    form->n_refs = 1;
    form->key = key;
    return carat_format_open(e, o, &form->format, &f->err) || ct_openai_refuse_err(f, param);
}

/* schema: its text, or NULL: any object, or no JSON at all. */
static char *key_of(const ct_openai_request *r, carat_format_kind kind, const char *schema)
{
    ct_buf key;
    ct_buf_init(&key, MAX_SCHEMA);
    ct_buf_fmt(&key, "%d%s%s", (int)kind, schema ? schema : "", r->calls.key ? r->calls.key : "");
    return ct_buf_take(&key);
}

/* The form of this kind, and of what may be called, becomes the request's: one that there is, or a new one. */
static bool bind(ct_openai_request *r, carat_format_kind kind, const char *schema, carat_engine *e,
                 ct_openai_forms *forms, const char *param, ct_openai_fault *f)
{
    const carat_format_options o = { .struct_size = sizeof o,
                                     .kind = kind,
                                     .text = schema,
                                     .tools = r->calls.tools,
                                     .names = r->calls.names,
                                     .n_names = r->calls.n_names,
                                     .is_single = r->calls.is_single };
    char *key = key_of(r, kind, schema);
    if (!key)
        return ct_openai_no_memory(f, "a response format");
    r->form = find(forms, key);
    if (r->form) {
        r->form->n_refs++;
        free(key);
    } else if (!open_form(key, &o, e, &r->form, param, f)) {
        return false;
    } else {
        keep(forms, r->form);
    }
    r->generation.format = r->form->format;
    return true;
}

void ct_openai_form_release(ct_openai_request *r)
{
    drop(r->form);
    r->form = NULL;
}

/* ---- what a request says ---- */

#define IN_SCHEMA "response_format.json_schema"

static bool bind_calls(ct_openai_request *r, carat_engine *e, ct_openai_forms *forms, ct_openai_fault *f)
{
    if (!r->calls.tools)
        return true;
    return bind(r, r->calls.must_call ? CARAT_FORMAT_CALLS : CARAT_FORMAT_TEXT_OR_CALLS, NULL, e, forms,
                r->calls.is_old_style ? "functions" : "tools", f);
}

static bool bind_schema(ct_openai_request *r, const json_t *schema, const char *param, carat_engine *e,
                        ct_openai_forms *forms, ct_openai_fault *f)
{
    if (!json_is_object(schema))
        return ct_openai_refuse(f, 400, schema ? "invalid_value" : "missing_required_parameter", param,
                                "'%s' is %s, expected an object", param, schema ? ct_json_kind(schema) : "missing");
    if (r->calls.must_call) /* the answer is no text, so no text of another form */
        return bind_calls(r, e, forms, f);
    ct_buf text;
    ct_buf_init(&text, MAX_SCHEMA);
    bool ok = ct_json_write(schema, &text) || ct_openai_no_memory(f, "a response format");
    ok = ok && bind(r, CARAT_FORMAT_JSON_SCHEMA, text.data, e, forms, param, f);
    ct_buf_deinit(&text);
    return ok;
}

static bool read_schema(ct_openai_request *r, const json_t *format, carat_engine *e, ct_openai_forms *forms,
                        ct_openai_fault *f)
{
    const json_t *o = json_object_get(format, "json_schema"), *schema = json_object_get(o, "schema");
    const char *name;
    bool strict = true; /* it is in any case */
    if (!json_is_object(o))
        return ct_openai_refuse(f, 400, "missing_required_parameter", IN_SCHEMA,
                                "'" IN_SCHEMA "' is %s, expected an object", o ? ct_json_kind(o) : "missing");
    if (!ct_openai_check_fields(o, CT_IN_SCHEMA, IN_SCHEMA, &r->unknown, f))
        return false;
    if (!ct_json_text(o, IN_SCHEMA, "name", &name, &f->err))
        return ct_openai_refuse_err(f, IN_SCHEMA ".name");
    if (!ct_json_bool(o, IN_SCHEMA, "strict", &strict, &f->err))
        return ct_openai_refuse_err(f, IN_SCHEMA ".strict");
    return bind_schema(r, schema, IN_SCHEMA ".schema", e, forms, f);
}

static bool is_type(const json_t *format, const char *type)
{
    const char *s = json_string_value(json_object_get(format, "type"));
    return s && strcmp(s, type) == 0;
}

bool ct_openai_read_form(ct_openai_request *r, const json_t *format, carat_engine *e, const ct_openai_options *o,
                         ct_openai_fault *f)
{
    const json_t *schema = json_object_get(format, "json_schema"), *own = json_object_get(format, "schema");
    const bool has_schema = is_type(format, "json_schema");
    if (!format)
        return bind_calls(r, e, o->forms, f);
    if (!has_schema && !is_type(format, "json_object") && !is_type(format, "text"))
        return ct_openai_refuse(f, 400, "unsupported_value", "response_format",
                                "'response_format' can only be of the types text, json_object and json_schema");
    if (!ct_openai_check_fields(format, CT_IN_FORMAT, "response_format", &r->unknown, f))
        return false;
    if (has_schema)
        return read_schema(r, format, e, o->forms, f);
    if (schema && !json_is_null(schema))
        return ct_openai_refuse(f, 400, "invalid_value", IN_SCHEMA, "'" IN_SCHEMA "' needs the type json_schema");
    if (own && !json_is_null(own) && !is_type(format, "json_object"))
        return ct_openai_refuse(f, 400, "invalid_value", "response_format.schema",
                                "'response_format.schema' needs the type json_object");
    if (is_type(format, "text") || r->calls.must_call)
        return bind_calls(r, e, o->forms, f);
    if (own && !json_is_null(own)) /* as llama.cpp's server has it */
        return bind_schema(r, own, "response_format.schema", e, o->forms, f);
    return bind(r, CARAT_FORMAT_JSON_OBJECT, NULL, e, o->forms, "response_format", f);
}
