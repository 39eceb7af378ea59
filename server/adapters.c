/* LoRA adapters that clients load and unload while the server runs, in vLLM's words:
 *
 *     POST /v1/load_lora_adapter      {"lora_name": "poet", "lora_path": "poet.gguf"}
 *     POST /v1/unload_lora_adapter    {"lora_name": "poet"}
 *
 * Only of the operator's folder (--lora-dir), and for the first model, as adapters of the command line. One that is unloaded
 * stays in memory until no call has it. When the model itself is unloaded and loaded again they are loaded with it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "openai/fields.h"
#include "openai/folder.h"
#include "server/inside.h"
#include "server/models_inside.h"

/* clang-format off */
static const ct_openai_field load_fields[] = {
#define X(field) { field, 0, CT_FIELD_HONOURED, NULL, NULL },
    X("lora_name") X("lora_path") X("model")
};
static const ct_openai_field unload_fields[] = {
    X("lora_name") X("model")
#undef X
};
/* clang-format on */
static const ct_openai_rows load_rows = { load_fields, sizeof load_fields / sizeof *load_fields, 0,
                                          "a request for /v1/load_lora_adapter" };
static const ct_openai_rows unload_rows = { unload_fields, sizeof unload_fields / sizeof *unload_fields, 0,
                                            "a request for /v1/unload_lora_adapter" };

/* ---- what a request says ---- */

static bool read_text(const json_t *body, const char *key, const char **to, ct_openai_fault *f)
{
    *to = NULL;
    if (!ct_json_text(body, "body", key, to, &f->err))
        return ct_openai_refuse_err(f, key);
    return (*to && **to) ||
           ct_openai_refuse(f, 400, "missing_required_parameter", key, "body: '%s' is missing, expected a text", key);
}

static bool read_name(const json_t *body, const ct_openai_rows *rows, ct_openai_list *unknown, const char **name,
                      ct_openai_fault *f)
{
    if (!json_is_object(body))
        return ct_openai_refuse(f, 400, "invalid_value", "", "the body is not an object");
    return ct_openai_check_rows(body, rows, "", unknown, f) && read_text(body, "lora_name", name, f);
}

/* ---- loading, on a worker's thread ---- */

bool ct_ask_load_adapter(const ct_talk_scene *s, const json_t *body, json_t **reply, ct_openai_fault *f)
{
    const char *name, *path, *folder = s->options->adapter_files;
    *reply = NULL;
    if (!folder)
        return ct_openai_refuse(f, 403, "permission_denied", "",
                                "clients may load adapters only where the server was started with --lora-dir");
    if (!read_name(body, &load_rows, s->unknown, &name, f) || !read_text(body, "lora_path", &path, f))
        return false;
    char *real = ct_openai_path_in(folder, path);
    if (!real)
        return ct_openai_refuse(f, 404, "not_found", "lora_path", "there is no adapter '%.200s' in the server's folder",
                                path);
    const carat_adapter_file file = { .struct_size = sizeof file, .path = real, .name = name };
    const bool ok = carat_adapter_load(s->engine, &file, s->loaded, &f->err) || ct_openai_refuse_err(f, "lora_path");
    free(real);
    return ok;
}

/* ---- the loop's books ---- */

/* Is another model or adapter called so? */
static bool is_taken(const ct_server *s, const char *name)
{
    const ct_model *m = ct_models_first(s->models);
    while (m && strcmp(m->name, name) != 0 && !ct_model_adapter_of(m, name))
        m = m->next;
    return m != NULL;
}

static bool add(ct_call *c, const char *name)
{
    ct_model *m = c->model;
    ct_openai_fault *f = &c->fault;
    if (m != ct_models_first(c->s->models))
        return ct_openai_refuse(f, 400, "invalid_value", "model", "adapters belong to the first model, '%.100s'",
                                ct_models_first(c->s->models)->name);
    if (is_taken(c->s, name))
        return ct_openai_refuse(f, 400, "invalid_value", "lora_name",
                                "'%.100s' is loaded already, or a model's name: unload it, or take another name", name);
    if (m->n_adapters == CT_OPENAI_ALL_ADAPTERS)
        return ct_openai_refuse(f, 400, "invalid_value", "", "there are %zu adapters, no more are taken",
                                m->n_adapters);
    ct_model_adapter *a = &m->adapters[m->n_adapters];
    *a = (ct_model_adapter){ .is_later = true, .own = c->loaded };
    a->path = strdup(carat_adapter_describe(c->loaded)->path);
    if (!a->path)
        return ct_openai_refuse(f, 500, "server_error", "", "no memory for an adapter");
    snprintf(a->name, sizeof a->name, "%s", name);
    m->n_adapters++;
    c->loaded = NULL;
    return true;
}

void ct_state_loaded_adapter(ct_call *c)
{
    const char *name = json_string_value(json_object_get(c->json, "lora_name"));
    char text[CT_MODEL_NAME + 64];
    if (!add(c, name)) {
        ct_call_refuse(c, &c->fault);
        return;
    }
    ct_server_log(c->s, "adapter %s is loaded", name);
    snprintf(text, sizeof text, "Success: LoRA adapter '%s' added successfully.", name);
    ct_call_reply_text(c, 200, "text/plain; charset=utf-8", text);
}

/* It keeps its place in no list, and what it takes until no call has it. */
static void remove_adapter(ct_model *m, size_t i)
{
    ct_model_adapter *a = &m->adapters[i];
    if (a->own)
        m->retired[m->n_retired++] = a->own;
    free((char *)(uintptr_t)a->path);
    m->n_adapters--;
    memmove(a, a + 1, (m->n_adapters - i) * sizeof *a);
}

static bool unload(ct_call *c, const char *name)
{
    ct_model *m = ct_models_first(c->s->models);
    ct_openai_fault *f = &c->fault;
    const ct_model_adapter *a = m ? ct_model_adapter_of(m, name) : NULL;
    if (!a)
        return ct_openai_refuse(f, 404, "not_found", "lora_name", "there is no adapter '%.100s'", name);
    if (!a->is_later)
        return ct_openai_refuse(f, 400, "invalid_value", "lora_name",
                                "'%.100s' was given with --lora: it stays as long as the server runs", name);
    if ((m->state != CT_ENGINE_READY && m->state != CT_ENGINE_AWAY) || m->n_retired == CT_OPENAI_ALL_ADAPTERS) {
        ct_http_set(c->x, "Retry-After", "5");
        return ct_openai_refuse(f, 503, "unavailable", "",
                                "the model is being loaded or unloaded, or has too much to do");
    }
    remove_adapter(m, (size_t)(a - m->adapters));
    ct_adapters_tick(c->s);
    return true;
}

void ct_state_unload_adapter(ct_call *c)
{
    ct_openai_list unknown;
    const char *name;
    char text[CT_MODEL_NAME + 64];
    ct_openai_list_init(&unknown, c->is_strict ? CT_OPENAI_STRICT : CT_OPENAI_LENIENT);
    const bool ok = read_name(c->json, &unload_rows, &unknown, &name, &c->fault) && unload(c, name);
    if (unknown.n)
        ct_http_set(c->x, "x-carat-ignored", unknown.names.data);
    ct_buf_deinit(&unknown.names);
    if (!ok) {
        ct_call_refuse(c, &c->fault);
        return;
    }
    ct_server_log(c->s, "adapter %s is unloaded", name);
    snprintf(text, sizeof text, "Success: LoRA adapter '%.*s' removed successfully.", CT_MODEL_NAME, name);
    ct_call_reply_text(c, 200, "text/plain; charset=utf-8", text);
}

static bool is_in_use(const ct_server *s, const carat_adapter *a)
{
    for (const ct_call *c = s->calls; c; c = c->next)
        for (size_t i = 0; i < c->adapters.n; i++)
            if (c->adapters.v[i].adapter == a)
                return true;
    return false;
}

void ct_adapters_tick(ct_server *s)
{
    ct_model *m = ct_models_first(s->models);
    for (size_t i = 0; m && m->state == CT_ENGINE_READY && i < m->n_retired;) {
        if (is_in_use(s, m->retired[i])) {
            i++;
            continue;
        }
        carat_adapter_free(m->retired[i]);
        m->retired[i] = m->retired[--m->n_retired];
    }
}

/* ---- with the model ---- */

void ct_model_reload_adapters(ct_model *m)
{
    for (size_t i = 0; i < m->n_adapters; i++) {
        ct_model_adapter *a = &m->adapters[i];
        const carat_adapter_file file = { .struct_size = sizeof file, .path = a->path, .name = a->name };
        carat_err err;
        if (a->is_later && !carat_adapter_load(m->engine, &file, &a->own, &err))
            a->own = NULL; /* ct_adapters_drop_lost reports it */
    }
}

void ct_adapters_drop_lost(ct_server *s, ct_model *m)
{
    for (size_t i = 0; i < m->n_adapters;)
        if (m->adapters[i].is_later && !m->adapters[i].own) {
            ct_server_log(s, "adapter %s could not be loaded again, and is gone: %s", m->adapters[i].name,
                          m->adapters[i].path);
            remove_adapter(m, i);
        } else {
            i++;
        }
}

void ct_model_free_adapters(ct_model *m)
{
    for (size_t i = 0; i < m->n_adapters; i++) {
        carat_adapter_free(m->adapters[i].own);
        m->adapters[i].own = NULL;
    }
    while (m->n_retired)
        carat_adapter_free(m->retired[--m->n_retired]);
}
