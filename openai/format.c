/* "response_format" of a request, its other names, and what it may call -> the form of its answers. Requests that ask for
 * the same share what it was compiled to.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "openai/fields.h"
#include "openai/forms.h"
#include "openai/inside.h"

#define MAX_SCHEMA ((size_t)64 << 20) /* carat_format_open says which is too long */

static char *key_of(const ct_openai_request *r, const ct_openai_wanted *w)
{
    ct_buf key;
    ct_buf_init(&key, MAX_SCHEMA);
    ct_buf_fmt(&key, "%d%s", (int)w->kind, w->text ? w->text : "");
    if (w->choices)
        ct_json_write(w->choices, &key);
    ct_buf_str(&key, r->calls.key ? r->calls.key : "");
    return ct_buf_take(&key);
}

/* The texts of a list, borrowed; those that are none were refused. */
static bool take_choices(const json_t *list, const char ***texts, size_t **lens, ct_openai_fault *f)
{
    size_t n = json_array_size(list);
    if (!list)
        return true;
    *texts = calloc(n + 1, sizeof **texts);
    *lens = calloc(n + 1, sizeof **lens);
    if (!*texts || !*lens)
        return ct_openai_no_memory(f, "a response format");
    for (size_t i = 0; i < n; i++) {
        (*texts)[i] = json_string_value(json_array_get(list, i));
        (*lens)[i] = json_string_length(json_array_get(list, i));
    }
    return true;
}

/* The form of this kind, and of what may be called, becomes the request's: one that there is, or a new one. */
static bool bind(ct_openai_request *r, const ct_openai_wanted *w, carat_engine *e, ct_openai_forms *forms,
                 ct_openai_fault *f)
{
    char *key = key_of(r, w);
    const char **choices = NULL;
    size_t *lens = NULL;
    if (!key)
        return ct_openai_no_memory(f, "a response format");
    r->form = ct_openai_form_find(forms, key);
    if (r->form) {
        free(key);
        r->generation.format = r->form->format;
        return true;
    }
    bool ok = take_choices(w->choices, &choices, &lens, f);
    const carat_format_options o = { .struct_size = sizeof o,
                                     .kind = w->kind,
                                     .text = w->text,
                                     .choices = choices,
                                     .choice_lens = lens,
                                     .n_choices = json_array_size(w->choices),
                                     .tools = r->calls.tools,
                                     .names = r->calls.names,
                                     .n_names = r->calls.n_names,
                                     .is_single = r->calls.is_single };
    if (!ok)
        free(key);
    ok = ok && ct_openai_form_open(key, &o, e, &r->form, w->param, f);
    free(choices);
    free(lens);
    if (!ok)
        return false;
    r->form = ct_openai_form_keep(forms, r->form);
    r->generation.format = r->form->format;
    return true;
}

void ct_openai_form_release(ct_openai_request *r)
{
    ct_openai_form_drop(r->form);
    r->form = NULL;
}

int ct_openai_form_kind(const ct_openai_request *r)
{
    return r->form ? (int)r->form->kind : -1;
}

/* ---- what a request says ---- */

#define IN_SCHEMA "response_format.json_schema"

static bool bind_calls(ct_openai_request *r, carat_engine *e, ct_openai_forms *forms, ct_openai_fault *f)
{
    if (!r->calls.tools)
        return true;
    const ct_openai_wanted w = { .kind = r->calls.must_call ? CARAT_FORMAT_CALLS : CARAT_FORMAT_TEXT_OR_CALLS,
                                 .param = r->calls.is_old_style ? "functions" : "tools" };
    return bind(r, &w, e, forms, f);
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
    const ct_openai_wanted w = { .kind = CARAT_FORMAT_JSON_SCHEMA, .text = text.data, .param = param };
    ok = ok && bind(r, &w, e, forms, f);
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

/* By one of the names that other servers have for it. */
static bool bind_other(ct_openai_request *r, const ct_openai_wanted *w, carat_engine *e, ct_openai_forms *forms,
                       ct_openai_fault *f)
{
    if (w->kind == CARAT_FORMAT_JSON_SCHEMA && !w->text)
        return bind_schema(r, w->schema, w->param, e, forms, f);
    if (r->calls.tools && w->kind != CARAT_FORMAT_JSON_OBJECT && w->kind != CARAT_FORMAT_JSON_SCHEMA)
        return ct_openai_refuse(f, 400, "unsupported_value", w->param, "'%s' cannot stand beside '%s'", w->param,
                                r->calls.is_old_style ? "functions" : "tools");
    return r->calls.must_call ? bind_calls(r, e, forms, f) : bind(r, w, e, forms, f);
}

static bool read_response_format(ct_openai_request *r, const json_t *format, carat_engine *e,
                                 const ct_openai_options *o, ct_openai_fault *f)
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
    const ct_openai_wanted w = { .kind = CARAT_FORMAT_JSON_OBJECT, .param = "response_format" };
    return bind(r, &w, e, o->forms, f);
}

bool ct_openai_read_form(ct_openai_request *r, const json_t *format, carat_engine *e, const ct_openai_options *o,
                         ct_openai_fault *f)
{
    ct_openai_wanted other;
    if (!ct_openai_read_wanted(r->body, &r->unknown, &other, f))
        return false;
    if (!other.param)
        return read_response_format(r, format, e, o, f);
    if (format && !is_type(format, "text"))
        return ct_openai_refuse(f, 400, "invalid_value", other.param,
                                "'%s' and 'response_format' both give the answer a form: give one of them",
                                other.param);
    return bind_other(r, &other, e, o->forms, f);
}
