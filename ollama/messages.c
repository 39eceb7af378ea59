/* Messages, images and tools -> those of ours. Whatever is of the wrong type is handed on as it is, for ours to refuse.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "ollama/inside.h"

static bool no_memory(ct_ollama_reading *r)
{
    ct_fail(&r->f->err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for messages");
    return ct_openai_refuse_err(r->f, "");
}

/* ---- images ---- */

static bool starts(const char *s, const char *with)
{
    return strncasecmp(s, with, strlen(with)) == 0;
}

/* Base64 becomes a data: URL; what is a URL stays one. */
static json_t *url_of(json_t *image)
{
    const char *s = json_string_value(image);
    if (!s || starts(s, "data:") || starts(s, "http:") || starts(s, "https:"))
        return json_incref(image);
    ct_buf url;
    ct_buf_init(&url, CT_OLLAMA_MAX_TEXT);
    const bool ok = ct_buf_str(&url, "data:;base64,") && ct_buf_add(&url, s, json_string_length(image));
    json_t *v = ok ? json_stringn_nocheck(url.data, url.len) : NULL;
    ct_buf_deinit(&url);
    return v;
}

/* The images of a message, then its text. i: which of ours it is; own: its path, "" for the body. */
static bool add_parts(ct_ollama_reading *r, json_t *parts, const json_t *images, json_t *text, size_t i,
                      const char *own, const char *own_text)
{
    char path[64], mine[64];
    const size_t n = json_array_size(images);
    bool ok = true;
    for (size_t k = 0; ok && k < n; k++) {
        ok = json_array_append_new(parts, json_pack("{s:s, s:{s:o}}", "type", "image_url", "image_url", "url",
                                                    url_of(json_array_get(images, k)))) == 0;
        snprintf(path, sizeof path, "messages[%zu].content[%zu]", i, k);
        snprintf(mine, sizeof mine, "%simages[%zu]", own, k);
        if (ok && !ct_openai_path_add(r->paths, path, mine, r->f))
            return false;
    }
    if (ok && text && !json_is_null(text)) {
        ok = json_array_append_new(parts, json_pack("{s:s, s:O}", "type", "text", "text", text)) == 0;
        snprintf(path, sizeof path, "messages[%zu].content[%zu]", i, n);
        snprintf(mine, sizeof mine, "%s%s", own, own_text);
        if (ok && !ct_openai_path_add(r->paths, path, mine, r->f))
            return false;
    }
    return ok || no_memory(r);
}

/* "content" of the i-th of our messages. */
static bool set_content(ct_ollama_reading *r, json_t *to, const json_t *images, json_t *text, size_t i, const char *own,
                        const char *own_text)
{
    char path[64];
    if (images && !json_is_null(images) && !json_is_array(images)) {
        snprintf(path, sizeof path, "%simages", own);
        return ct_ollama_wrong(r, path, images, "an array");
    }
    if (json_array_size(images) == 0)
        return !text || json_object_set(to, "content", text) == 0 || no_memory(r);
    json_t *parts = json_array();
    if (json_object_set_new(to, "content", parts) != 0)
        return no_memory(r);
    return add_parts(r, parts, images, text, i, own, own_text);
}

/* ---- calls ---- */

/* The honoured members of an object. */
static bool copy_some(ct_ollama_reading *r, const json_t *from, json_t *to, ct_ollama_place place)
{
    for (size_t i = 0; i < ct_ollama_n_fields; i++) {
        const ct_openai_field *row = &ct_ollama_fields[i];
        json_t *v = row->class == CT_FIELD_HONOURED && (row->in & place) ? json_object_get(from, row->name) : NULL;
        if (v && json_object_set(to, row->name, v) != 0)
            return no_memory(r);
    }
    return true;
}

/* A call, or a tool: its own members, and those of its function, or the function as it is (inner 0). */
static bool add_with_function(ct_ollama_reading *r, const json_t *v, json_t *list, ct_ollama_place outer,
                              ct_ollama_place inner, const char *where)
{
    char path[96];
    json_t *to = json_object(), *function = json_object_get(v, "function");
    if (json_array_append_new(list, to) != 0)
        return no_memory(r);
    if (!ct_ollama_check(v, outer, where, r->ignored, r->f) || !copy_some(r, v, to, outer))
        return false;
    const json_t *type = json_object_get(to, "type");
    if ((!type || json_is_null(type)) && json_object_set_new(to, "type", json_string("function")) != 0)
        return no_memory(r);
    if (!inner || !json_is_object(function))
        return true;
    snprintf(path, sizeof path, "%s.function", where);
    json_t *copy = json_object();
    if (json_object_set_new(to, "function", copy) != 0)
        return no_memory(r);
    return ct_ollama_check(function, inner, path, r->ignored, r->f) && copy_some(r, function, copy, inner);
}

static bool set_list(ct_ollama_reading *r, const json_t *from, json_t *to, const char *key, ct_ollama_place outer,
                     ct_ollama_place inner, const char *where)
{
    char path[80];
    json_t *list = json_array(), *all = json_object_get(from, key);
    if (json_object_set_new(to, key, list) != 0)
        return no_memory(r);
    for (size_t k = 0; k < json_array_size(all); k++) {
        const json_t *v = json_array_get(all, k);
        snprintf(path, sizeof path, "%s%s[%zu]", where, key, k);
        if (!json_is_object(v))
            return ct_ollama_wrong(r, path, v, "an object");
        if (!add_with_function(r, v, list, outer, inner, path))
            return false;
    }
    return true;
}

bool ct_ollama_tools(ct_ollama_reading *r)
{
    const json_t *v = json_object_get(r->body, "tools");
    if (!v || json_is_null(v))
        return true;
    if (!json_is_array(v))
        return ct_ollama_wrong(r, "tools", v, "an array");
    return set_list(r, r->body, r->ours, "tools", CT_OLLAMA_TOOL, 0, "");
}

/* ---- messages ---- */

static bool add_message(ct_ollama_reading *r, json_t *list, const json_t *m, size_t i)
{
    char where[48], own[48];
    json_t *to = json_object();
    snprintf(where, sizeof where, "messages[%zu]", i);
    snprintf(own, sizeof own, "messages[%zu].", i);
    if (json_array_append_new(list, to) != 0)
        return no_memory(r);
    if (!json_is_object(m))
        return ct_ollama_wrong(r, where, m, "an object");
    if (!ct_ollama_check(m, CT_OLLAMA_MESSAGE, where, r->ignored, r->f) || !copy_some(r, m, to, CT_OLLAMA_MESSAGE))
        return false;
    json_object_del(to, "images");
    if (!set_content(r, to, json_object_get(m, "images"), json_object_get(m, "content"), i, own, "content"))
        return false;
    return !json_is_array(json_object_get(m, "tool_calls")) ||
           set_list(r, m, to, "tool_calls", CT_OLLAMA_CALL, CT_OLLAMA_CALLED, own);
}

bool ct_ollama_messages(ct_ollama_reading *r)
{
    json_t *all = json_object_get(r->body, "messages"), *list = json_array();
    if (!ct_ollama_set(r, "messages", list, NULL))
        return false;
    if (all && !json_is_null(all) && !json_is_array(all))
        return ct_ollama_wrong(r, "messages", all, "an array");
    for (size_t i = 0; i < json_array_size(all); i++)
        if (!add_message(r, list, json_array_get(all, i), i))
            return false;
    return true;
}

/* ---- generate ---- */

static bool add_system(ct_ollama_reading *r, json_t *list)
{
    json_t *system = json_object_get(r->body, "system");
    if (!system || json_is_null(system))
        return true;
    if (!json_is_string(system))
        return ct_ollama_wrong(r, "system", system, "a string");
    return json_string_length(system) == 0 ||
           (json_array_append_new(list, json_pack("{s:s, s:O}", "role", "system", "content", system)) == 0
                ? ct_openai_path_add(r->paths, "messages[0].content", "system", r->f)
                : no_memory(r));
}

bool ct_ollama_prompt(ct_ollama_reading *r)
{
    char path[48];
    json_t *prompt = json_object_get(r->body, "prompt"), *list = json_array(), *to = json_object();
    if (prompt && !json_is_null(prompt) && !json_is_string(prompt)) {
        json_decref(list), json_decref(to);
        return ct_ollama_wrong(r, "prompt", prompt, "a string");
    }
    if (!ct_ollama_set(r, "messages", list, "prompt") || !add_system(r, list)) {
        json_decref(to);
        return false;
    }
    const size_t i = json_array_size(list);
    if (json_array_append_new(list, to) != 0 || json_object_set_new(to, "role", json_string("user")) != 0)
        return no_memory(r);
    snprintf(path, sizeof path, "messages[%zu]", i);
    return ct_openai_path_add(r->paths, path, "prompt", r->f) &&
           ct_openai_path_add(r->paths, "messages[0].content", i ? "system" : "prompt", r->f) &&
           (i == 0 || ct_openai_path_add(r->paths, "messages[1].content", "prompt", r->f)) &&
           set_content(r, to, json_object_get(r->body, "images"), prompt, i, "", "prompt");
}
