/* The chat template and end tokens that stand in a GGUF's header or in a folder's small JSON files.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/beside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/looks_like.h"
#include "base/map.h"

#define MAX_JSON ((size_t)16 << 20)

/* The path of a file beside the weights, and is there one? A link to nothing is one, which cannot be read. */
static bool find_file(const ct_source *s, const char *name, char path[4096], bool *is_there, carat_err *err)
{
    struct stat st;
    *is_there = false;
    if (!ct_source_join(s->path, name, path))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "path of %zu bytes is too long", strlen(s->path));
    *is_there = lstat(path, &st) == 0;
    return *is_there || errno == ENOENT || errno == ENOTDIR ||
           ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: %s", path, strerror(errno));
}

bool ct_beside_json(const ct_source *s, const char *name, char path[4096], json_t **v, carat_err *err)
{
    bool is_there;
    *v = NULL;
    return find_file(s, name, path, &is_there, err) && (!is_there || ct_json_load(path, MAX_JSON, v, err));
}

/* What stands behind a NUL would be lost without a word. */
static bool has_no_nul(const char *text, size_t len, const char *what, carat_err *err)
{
    const char *nul = memchr(text, '\0', len);
    return !nul ||
           ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: a NUL character at byte %td of it", what, nul - text);
}

/* A copy of len bytes, or the error that there is no memory for it. */
static bool copy(const char *text, size_t len, const char *what, char **out, carat_err *err)
{
    if (!has_no_nul(text, len, what, err))
        return false;
    *out = strndup(text, len);
    return *out || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %s of %zu bytes", what, len);
}

static bool copy_json(const json_t *v, const char *what, char **out, carat_err *err)
{
    return copy(json_string_value(v), json_string_length(v), what, out, err);
}

/* ---- the chat template ---- */

/* Of several templates the one named "default", else the first. A list of {"name", "template"}, or an object. */
static const json_t *default_of(const json_t *v)
{
    if (json_is_array(v)) {
        for (size_t i = 0; i < json_array_size(v); i++) {
            const char *name = json_string_value(json_object_get(json_array_get(v, i), "name"));
            if (name && strcmp(name, "default") == 0)
                return json_object_get(json_array_get(v, i), "template");
        }
        return json_object_get(json_array_get(v, 0), "template");
    }
    const json_t *named = json_object_get(v, "default");
    json_t *all = (json_t *)(uintptr_t)v; /* jansson walks objects that are not const */
    return named ? named : json_object_iter_value(json_object_iter(all));
}

static bool template_of(const json_t *o, const char *path, char **out, carat_err *err)
{
    const json_t *v = json_object_get(o, "chat_template");
    if (!v || json_is_null(v) || (json_is_array(v) && !json_array_size(v)))
        return true;
    const json_t *text = json_is_array(v) || json_is_object(v) ? default_of(v) : v;
    if (!json_is_string(text))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                       "%s: 'chat_template' %s %s, expected a text or a list of named ones", path,
                       text == v ? "is" : "has", text ? ct_json_kind(text) : "no template in it");
    return copy_json(text, "a chat template", out, err);
}

static bool template_in_json(const ct_source *s, const char *name, char **out, carat_err *err)
{
    char path[4096];
    json_t *o;
    bool ok = ct_beside_json(s, name, path, &o, err) && template_of(o, path, out, err);
    json_decref(o);
    return ok;
}

static bool template_in_folder(const ct_source *s, const json_t *config, const char *config_path, char **out,
                               carat_err *err)
{
    char path[4096];
    bool is_there;
    size_t len;
    if (!find_file(s, "chat_template.jinja", path, &is_there, err))
        return false;
    if (is_there) {
        if (!ct_read_file(path, MAX_JSON, out, &len, err))
            return false;
        const char *what = ct_looks_like(*out, len);
        if (what)
            return ct_fail(err, CARAT_EUNSUPPORTED, 0, "%s: not a chat template: it looks like %s", path, what);
        return has_no_nul(*out, len, "a chat template", err) || ct_fail_in(err, "%s", path);
    }
    return template_of(config, config_path, out, err) && (*out || template_in_json(s, "chat_template.json", out, err));
}

/* Without a template of its own name, the first of the named ones: tokenizer.chat_template.NAME. */
static bool template_in_gguf(const ct_gguf *g, char **out, carat_err *err)
{
    static const char prefix[] = "tokenizer.chat_template.";
    ct_str t = { NULL, 0 };
    if (!ct_gguf_text(g, "tokenizer.chat_template", &t, err) ||
        (!t.data && !ct_gguf_text(g, "tokenizer.chat_template.default", &t, err)))
        return false;
    for (size_t i = 0; !t.data && i < ct_gguf_n_kv(g); i++) {
        const char *key = ct_gguf_kv_at(g, i)->key;
        if (strncmp(key, prefix, sizeof prefix - 1) == 0 && !ct_gguf_text(g, key, &t, err))
            return false;
    }
    return !t.data || copy(t.data, t.len, "a chat template", out, err);
}

/* ---- end tokens ---- */

static bool read_generation(const ct_source *s, ct_config *c, ct_advice *advice, carat_err *err)
{
    char path[4096];
    json_t *g;
    bool ok = ct_beside_json(s, "generation_config.json", path, &g, err) &&
              ct_config_add_eos_json(c, json_object_get(g, "eos_token_id"), path, "generation_config.json", err);
    if (ok)
        ct_advice_from_json(g, path, c, advice);
    json_decref(g);
    return ok;
}

/* "eos_token": its text, or an object with it as "content". */
static bool end_of(const json_t *o, const char *path, char **out, carat_err *err)
{
    const json_t *v = json_object_get(o, "eos_token");
    const json_t *text = json_is_object(v) ? json_object_get(v, "content") : v;
    if (!v || json_is_null(v))
        return true;
    if (!json_is_string(text))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: 'eos_token' is %s, expected a text", path,
                       text ? ct_json_kind(text) : "an object without content");
    return copy_json(text, "an end token", out, err);
}

static bool end_in_map(const ct_source *s, char **out, carat_err *err)
{
    char path[4096];
    json_t *o;
    bool ok = ct_beside_json(s, "special_tokens_map.json", path, &o, err) && end_of(o, path, out, err);
    json_decref(o);
    return ok;
}

/* ---- all of it ---- */

bool ct_beside_template(const ct_source *s, char **out, carat_err *err)
{
    char path[4096];
    json_t *config;
    *out = NULL;
    if (s->gguf)
        return template_in_gguf(s->gguf, out, err);
    bool ok =
        ct_beside_json(s, "tokenizer_config.json", path, &config, err) && template_in_folder(s, config, path, out, err);
    json_decref(config);
    return ok;
}

static bool read_folder(const ct_source *s, ct_config *c, ct_beside *out, carat_err *err)
{
    char path[4096];
    json_t *config;
    bool ok = ct_beside_json(s, "tokenizer_config.json", path, &config, err) &&
              template_in_folder(s, config, path, &out->chat_template, err) &&
              end_of(config, path, &out->eos_token, err) && (out->eos_token || end_in_map(s, &out->eos_token, err)) &&
              read_generation(s, c, &out->advice, err);
    json_decref(config);
    return ok;
}

bool ct_beside_read(const ct_source *s, ct_config *c, ct_beside *out, carat_err *err)
{
    *out = (ct_beside){ 0 };
    if (!s->gguf)
        return read_folder(s, c, out, err);
    ct_advice_from_gguf(s->gguf, c, &out->advice);
    return template_in_gguf(s->gguf, &out->chat_template, err);
}

void ct_beside_deinit(ct_beside *b)
{
    free(b->chat_template);
    free(b->eos_token);
    *b = (ct_beside){ 0 };
}
