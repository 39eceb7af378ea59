/* Which LoRA adapters a request is answered with.
 *
 *     "lora": [{"id": 0, "scale": 0.5}]     llama-server's: by the place in GET /lora-adapters, or by name; others are not used
 *     "model": NAME                         vLLM's: an adapter's name
 *
 * Without either whoever submits it decides: the engine's own, or those that a server's operator has set.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "openai/inside.h"

#define FIELD "lora"

static size_t count(const carat_engine *e, const ct_openai_options *o)
{
    size_t n = 0;
    if (o->adapters)
        return o->adapters->n;
    while (carat_engine_adapter(e, n, NULL))
        n++;
    return n;
}

static const carat_adapter *at(const carat_engine *e, const ct_openai_options *o, size_t i, double *scale)
{
    if (!o->adapters)
        return carat_engine_adapter(e, i, scale);
    *scale = o->adapters->v[i].scale;
    return o->adapters->v[i].adapter;
}

/* By name; the number of adapters: none is called so. */
static size_t named(const carat_engine *e, const ct_openai_options *o, const char *name)
{
    const size_t n = count(e, o);
    double scale;
    size_t i = 0;
    while (i < n && strcmp(carat_adapter_describe(at(e, o, i, &scale))->name, name) != 0)
        i++;
    return i;
}

static bool find(const json_t *id, const carat_engine *e, const ct_openai_options *o, size_t *i, ct_openai_fault *f)
{
    const size_t n = count(e, o);
    const json_int_t number = json_integer_value(id);
    if (json_is_string(id)) {
        *i = named(e, o, json_string_value(id));
        return *i < n || ct_openai_refuse(f, 400, "invalid_value", FIELD,
                                          "'lora' names '%.80s', which is no adapter here", json_string_value(id));
    }
    if (!json_is_integer(id))
        return ct_openai_refuse(f, 400, "invalid_value", FIELD, "an 'id' of 'lora' is %s, expected a number or a name",
                                id ? ct_json_kind(id) : "missing");
    *i = (size_t)number;
    return (number >= 0 && *i < n) ||
           ct_openai_refuse(f, 400, "invalid_value", FIELD, "'lora' has an id of %lld, but there %s %zu adapter%s",
                            (long long)number, n == 1 ? "is" : "are", n, n == 1 ? "" : "s");
}

static bool add(ct_openai_request *r, const carat_adapter *a, double scale, ct_openai_fault *f)
{
    size_t *n = &r->n_adapters;
    for (size_t i = 0; i < *n; i++)
        if (r->adapters[i].adapter == a)
            return ct_openai_refuse(f, 400, "invalid_value", FIELD, "'lora' has the adapter '%.80s' twice",
                                    carat_adapter_describe(a)->name);
    if (*n == CT_OPENAI_MAX_ADAPTERS)
        return ct_openai_refuse(f, 400, "invalid_value", FIELD, "'lora' has more than %d adapters",
                                CT_OPENAI_MAX_ADAPTERS);
    r->adapters[(*n)++] = (carat_adapter_use){ .struct_size = sizeof *r->adapters, .adapter = a, .scale = scale };
    return true;
}

static bool add_entry(ct_openai_request *r, const json_t *entry, const ct_openai_options *o, ct_openai_fault *f)
{
    const json_t *scale = json_object_get(entry, "scale");
    const char *key;
    json_t *v;
    double own;
    size_t i = 0;
    if (!json_is_object(entry))
        return ct_openai_refuse(f, 400, "invalid_value", FIELD, "'lora' has %s, expected objects of an id and a scale",
                                ct_json_kind(entry));
    json_object_foreach((json_t *)(uintptr_t)entry, key, v)
        if (strcmp(key, "id") != 0 && strcmp(key, "scale") != 0)
            return ct_openai_refuse(f, 400, "unsupported_parameter", FIELD,
                                    "'lora' has a '%.60s', expected 'id' and 'scale'", key);
    if (!json_is_number(scale))
        return ct_openai_refuse(f, 400, "invalid_value", FIELD, "a 'scale' of 'lora' is %s, expected a number",
                                scale ? ct_json_kind(scale) : "missing");
    if (!isfinite((float)json_number_value(scale)))
        return ct_openai_refuse(f, 400, "invalid_value", FIELD, "a 'scale' of 'lora' is %g, beyond float32",
                                json_number_value(scale));
    return find(json_object_get(entry, "id"), r->engine, o, &i, f) &&
           add(r, at(r->engine, o, i, &own), json_number_value(scale), f);
}

static bool read_list(ct_openai_request *r, const json_t *list, const ct_openai_options *o, ct_openai_fault *f)
{
    if (!json_is_array(list))
        return ct_openai_refuse(f, 400, "invalid_value", FIELD, "'lora' is %s, expected a list", ct_json_kind(list));
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!add_entry(r, json_array_get(list, i), o, f))
            return false;
    return true;
}

/* An adapter that is called by name counts, even one that was only loaded for later. */
static bool use_named(const carat_engine *e, const ct_openai_options *o, const char *model, carat_adapter_use *use)
{
    const size_t i = model ? named(e, o, model) : count(e, o);
    double scale = 0;
    if (i == count(e, o))
        return false;
    *use = (carat_adapter_use){ .struct_size = sizeof *use, .adapter = at(e, o, i, &scale) };
    use->scale = scale != 0 ? scale : 1;
    return true;
}

size_t ct_openai_adapters_of(const carat_engine *e, const ct_openai_options *o, const char *model,
                             carat_adapter_use uses[CT_OPENAI_MAX_ADAPTERS])
{
    size_t n = 0;
    if (use_named(e, o, model, &uses[0]))
        return 1;
    for (size_t i = 0; i < count(e, o) && n < CT_OPENAI_MAX_ADAPTERS; i++) {
        carat_adapter_use u = { .struct_size = sizeof u };
        u.adapter = at(e, o, i, &u.scale);
        if (u.scale != 0)
            uses[n++] = u;
    }
    return n;
}

bool ct_openai_read_adapters(ct_openai_request *r, const json_t *body, const ct_openai_options *o, ct_openai_fault *f)
{
    const json_t *list = json_object_get(body, FIELD);
    const bool is_given = list && !json_is_null(list);
    carat_request_options *s = &r->submit;
    if (is_given && !read_list(r, list, o, f))
        return false;
    if (!is_given)
        r->n_adapters = use_named(r->engine, o, json_string_value(json_object_get(body, "model")), &r->adapters[0]);
    if (r->n_adapters) {
        s->adapters = r->adapters;
        s->n_adapters = r->n_adapters;
    } else if (is_given) {
        s->n_adapters = CARAT_NO_ADAPTERS;
    }
    return true;
}
