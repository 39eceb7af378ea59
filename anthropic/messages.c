/* "system" and "messages", blocks of text, images, calls and results -> messages of ours. A message with results becomes
 * several: each result is one, and what stands between them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "anthropic/inside.h"

#define PATH 96

/* Messages in the making. */
typedef struct making {
    ct_anthropic_reading *r;
    json_t *list;     /* ours */
    json_t *to;       /* the one that blocks are added to; NULL: the next block begins one */
    const char *role; /* its role */
    char of[40];      /* the client's message: "messages[2]" */
    char where[PATH]; /* the client's block: "messages[2].content[0]" */
} making;

static bool no_memory(making *m)
{
    return ct_anthropic_no_memory(m->r->f);
}

static bool refuse(making *m, const char *code, const char *what)
{
    return ct_openai_refuse(m->r->f, 400, code, m->where, "%s: %s", m->where, what);
}

/* Our path is the client's. */
static bool map(making *m, const char *own, const char *fmt, size_t i, size_t k)
{
    char path[PATH];
    snprintf(path, sizeof path, fmt, i, k);
    return ct_openai_path_add(m->r->paths, path, own, m->r->f);
}

static size_t index_of(const making *m)
{
    return json_array_size(m->list) - 1;
}

static bool begin(making *m, const char *role)
{
    m->to = json_pack("{s:s}", "role", role);
    if (json_array_append_new(m->list, m->to) != 0)
        return no_memory(m);
    return map(m, m->of, "messages[%zu]", index_of(m), 0);
}

/* A list of the message's, made where there is none. NULL: no memory. */
static json_t *list_at(json_t *message, const char *key)
{
    json_t *list = json_object_get(message, key);
    if (list)
        return list;
    list = json_array();
    return json_object_set_new(message, key, list) == 0 ? list : NULL;
}

/* ---- text and images ---- */

/* Texts that follow one another are one, with an empty line between them: pieces of a message are trimmed and would run
 * together. False: no memory. */
static bool join_text(json_t *parts, json_t *text)
{
    json_t *last = json_array_get(parts, json_array_size(parts) - 1), *before = json_object_get(last, "text");
    if (!before || !json_is_string(text))
        return json_array_append_new(parts, json_pack("{s:s, s:O}", "type", "text", "text", text)) == 0;
    ct_buf both;
    ct_buf_init(&both, CT_ANTHROPIC_MAX_TEXT);
    const bool ok = ct_buf_add(&both, json_string_value(before), json_string_length(before)) &&
                    ct_buf_str(&both, "\n\n") && ct_buf_add(&both, json_string_value(text), json_string_length(text)) &&
                    json_object_set_new(last, "text", json_stringn_nocheck(both.data, both.len)) == 0;
    ct_buf_deinit(&both);
    return ok;
}

static bool add_text(making *m, const json_t *block)
{
    json_t *text = json_object_get(block, "text"), *parts = list_at(m->to, "content");
    if (!ct_anthropic_check(m->r, block, CT_ANTHROPIC_TEXT, m->where))
        return false;
    if (!json_is_string(text))
        return refuse(m, "invalid_value", "the text is missing or not a string");
    if (json_string_length(text) == 0)
        return parts ? true : no_memory(m);
    if (!parts || !join_text(parts, text))
        return no_memory(m);
    return map(m, m->where, "messages[%zu].content[%zu]", index_of(m), json_array_size(parts) - 1);
}

static bool starts(const char *s, const char *with)
{
    return strncasecmp(s, with, strlen(with)) == 0;
}

/* A data: URL of base64; one that is a data: URL already stays. NULL: no memory. */
static json_t *data_url(json_t *data)
{
    const char *s = json_string_value(data);
    if (!s || starts(s, "data:"))
        return json_incref(data);
    ct_buf url;
    ct_buf_init(&url, CT_ANTHROPIC_MAX_TEXT);
    const bool ok = ct_buf_str(&url, "data:;base64,") && ct_buf_add(&url, s, json_string_length(data));
    json_t *v = ok ? json_stringn_nocheck(url.data, url.len) : NULL;
    ct_buf_deinit(&url);
    return v;
}

static bool check_media_type(making *m, const json_t *source)
{
    const json_t *v = json_object_get(source, "media_type");
    const char *s = json_string_value(v);
    if (!v || json_is_null(v) || (s && starts(s, "image/")))
        return true;
    return ct_openai_refuse(m->r->f, 400, "unsupported_value", m->where,
                            "%s: a media_type of '%.40s', expected an image", m->where, s ? s : ct_json_kind(v));
}

static bool add_image(making *m, const json_t *block)
{
    char path[PATH + 8];
    const json_t *source = json_object_get(block, "source");
    const char *type = ct_anthropic_type(source);
    const bool is_data = strcmp(type, "base64") == 0;
    snprintf(path, sizeof path, "%s.source", m->where);
    if (!ct_anthropic_check(m->r, block, CT_ANTHROPIC_IMAGE, m->where) ||
        !ct_anthropic_check(m->r, source, CT_ANTHROPIC_SOURCE, path))
        return false;
    if (!is_data && strcmp(type, "url") != 0)
        return ct_openai_refuse(m->r->f, 400, "unsupported_value", m->where,
                                "%s: a source of the type '%.40s', expected base64 or url", m->where, type);
    if (is_data && !check_media_type(m, source))
        return false;
    json_t *from = json_object_get(source, is_data ? "data" : "url"), *parts = list_at(m->to, "content");
    if (!json_is_string(from))
        return refuse(m, "invalid_value",
                      is_data ? "the data are missing or not a string" : "the url is missing or not a string");
    if (!parts)
        return no_memory(m);
    json_t *url = is_data ? data_url(from) : json_incref(from);
    if (json_array_append_new(parts, json_pack("{s:s, s:{s:o}}", "type", "image_url", "image_url", "url", url)) != 0)
        return no_memory(m);
    return map(m, m->where, "messages[%zu].content[%zu]", index_of(m), json_array_size(parts) - 1);
}

/* ---- calls and results ---- */

static bool add_call(making *m, const json_t *block)
{
    json_t *input = json_object_get(block, "input"), *name = json_object_get(block, "name"),
           *id = json_object_get(block, "id"), *calls = list_at(m->to, "tool_calls");
    if (!ct_anthropic_check(m->r, block, CT_ANTHROPIC_USE, m->where))
        return false;
    if (input && !json_is_null(input) && !json_is_object(input))
        return refuse(m, "invalid_value", "the input of a call is not an object");
    if (!calls)
        return no_memory(m);
    json_t *call = json_pack("{s:s, s:{s:O*, s:O*}, s:O*}", "type", "function", "function", "name", name, "arguments",
                             input, "id", id);
    if (json_array_append_new(calls, call) != 0)
        return no_memory(m);
    const size_t k = json_array_size(calls) - 1;
    return map(m, m->where, "messages[%zu].tool_calls[%zu].function", index_of(m), k) &&
           map(m, m->where, "messages[%zu].tool_calls[%zu]", index_of(m), k);
}

static bool add_plain(making *m, const json_t *block);

/* What a tool says of an error begins with that word. */
static bool mark_error(making *m)
{
    json_t *parts = list_at(m->to, "content"), *first = json_array_get(parts, 0),
           *text = json_object_get(first, "text");
    const char *s = json_string_value(text);
    if (s && starts(s, "error"))
        return true;
    ct_buf marked;
    ct_buf_init(&marked, CT_ANTHROPIC_MAX_TEXT);
    ct_buf_str(&marked, s ? "Error: " : "Error");
    ct_buf_add(&marked, s, json_string_length(text));
    json_t *v = marked.failed ? NULL : json_stringn_nocheck(marked.data, marked.len);
    ct_buf_deinit(&marked);
    if (s)
        return json_object_set_new(first, "text", v) == 0 || no_memory(m);
    return json_array_insert_new(parts, 0, json_pack("{s:s, s:o}", "type", "text", "text", v)) == 0 || no_memory(m);
}

static bool add_result_content(making *m, json_t *content)
{
    char outer[PATH];
    json_t *parts = list_at(m->to, "content");
    if (!parts)
        return no_memory(m);
    if (!content || json_is_null(content))
        return true;
    if (json_is_string(content))
        return json_string_length(content) == 0 || join_text(parts, content) || no_memory(m);
    if (!json_is_array(content))
        return refuse(m, "invalid_value", "the content of a result is neither a text nor a list of blocks");
    snprintf(outer, sizeof outer, "%s", m->where);
    for (size_t k = 0; k < json_array_size(content); k++) {
        snprintf(m->where, sizeof m->where, "%.60s.content[%zu]", outer, k);
        if (!add_plain(m, json_array_get(content, k)))
            return false;
    }
    snprintf(m->where, sizeof m->where, "%s", outer);
    return true;
}

/* A message of its own. */
static bool add_result(making *m, const json_t *block)
{
    bool is_error = false;
    json_t *id = json_object_get(block, "tool_use_id");
    if (!ct_anthropic_check(m->r, block, CT_ANTHROPIC_RESULT, m->where))
        return false;
    if (!ct_json_bool(block, m->where, "is_error", &is_error, &m->r->f->err))
        return ct_openai_refuse_err(m->r->f, m->where);
    if (id && !json_is_null(id) && !json_is_string(id))
        return refuse(m, "invalid_value", "the tool_use_id is not a string");
    if (!begin(m, "tool") || !map(m, m->where, "messages[%zu]", index_of(m), 0))
        return false;
    if (id && json_object_set(m->to, "tool_call_id", id) != 0)
        return no_memory(m);
    if (!add_result_content(m, json_object_get(block, "content")) || (is_error && !mark_error(m)))
        return false;
    m->to = NULL;
    return true;
}

/* ---- blocks ---- */

static bool refuse_type(making *m, const char *type)
{
    return ct_openai_refuse(m->r->f, 400, "unsupported_value", m->where,
                            "%s: a block of the type '%.40s', expected text, image, tool_use or tool_result", m->where,
                            type);
}

/* Text or an image, of a message or of a result. */
static bool add_plain(making *m, const json_t *block)
{
    const char *type = ct_anthropic_type(block);
    if (strcmp(type, "text") == 0)
        return add_text(m, block);
    return strcmp(type, "image") == 0 ? add_image(m, block) : refuse_type(m, type);
}

static bool add_block(making *m, const json_t *block)
{
    const char *type = ct_anthropic_type(block);
    if (strcmp(type, "thinking") == 0 || strcmp(type, "redacted_thinking") == 0)
        return ct_anthropic_check(m->r, block, CT_ANTHROPIC_THOUGHT, m->where);
    if (strcmp(type, "tool_result") == 0)
        return add_result(m, block);
    if (!m->to && !begin(m, m->role))
        return false;
    return strcmp(type, "tool_use") == 0 ? add_call(m, block) : add_plain(m, block);
}

static bool add_blocks(making *m, const json_t *blocks)
{
    for (size_t k = 0; k < json_array_size(blocks); k++) {
        snprintf(m->where, sizeof m->where, "%.40s.content[%zu]", m->of, k);
        if (!add_block(m, json_array_get(blocks, k)))
            return false;
    }
    return json_array_size(blocks) > 0 || begin(m, m->role); /* a message of nothing is one all the same */
}

static bool add_message(making *m, const json_t *v, size_t i)
{
    json_t *role = json_object_get(v, "role"), *content = json_object_get(v, "content");
    snprintf(m->of, sizeof m->of, "messages[%zu]", i);
    snprintf(m->where, sizeof m->where, "%s.role", m->of);
    m->to = NULL;
    m->role = json_string_value(role);
    if (!json_is_object(v))
        return ct_anthropic_wrong(m->r, m->of, v, "an object");
    if (!ct_anthropic_check(m->r, v, CT_ANTHROPIC_MESSAGE, m->of))
        return false;
    if (!m->role || strlen(m->role) != json_string_length(role))
        return refuse(m, "invalid_value", "the role is missing or not a string");
    if (json_is_array(content))
        return add_blocks(m, content);
    if (!json_is_string(content)) {
        snprintf(m->where, sizeof m->where, "%s.content", m->of);
        return refuse(m, "invalid_value", "the content is neither a text nor a list of blocks");
    }
    return begin(m, m->role) && (json_object_set(m->to, "content", content) == 0 || no_memory(m));
}

/* ---- all of it ---- */

/* A text, or blocks of text. */
static bool add_system(making *m)
{
    json_t *v = json_object_get(m->r->body, "system");
    if (!v || json_is_null(v))
        return true;
    if (!json_is_string(v) && !json_is_array(v))
        return ct_anthropic_wrong(m->r, "system", v, "a text or a list of blocks");
    if ((json_is_string(v) ? json_string_length(v) : json_array_size(v)) == 0)
        return true;
    snprintf(m->of, sizeof m->of, "system");
    if (!begin(m, "system") || !map(m, "system", "messages[%zu].content", 0, 0))
        return false;
    if (json_is_string(v))
        return json_object_set(m->to, "content", v) == 0 || no_memory(m);
    for (size_t k = 0; k < json_array_size(v); k++) {
        const json_t *block = json_array_get(v, k);
        snprintf(m->where, sizeof m->where, "system[%zu]", k);
        if (strcmp(ct_anthropic_type(block), "text") != 0)
            return refuse(m, "unsupported_value", "a system text is of blocks of the type text");
        if (!add_text(m, block))
            return false;
    }
    return true;
}

/* Is the last message the beginning of the answer? Not one that ends with calls. */
static bool is_begun(const json_t *list)
{
    const json_t *last = json_array_get(list, json_array_size(list) - 1), *content = json_object_get(last, "content");
    const char *role = json_string_value(json_object_get(last, "role"));
    const bool has_text = json_is_string(content) ? json_string_length(content) > 0 : json_array_size(content) > 0;
    return role && strcmp(role, "assistant") == 0 && has_text && !json_object_get(last, "tool_calls");
}

bool ct_anthropic_messages(ct_anthropic_reading *r, bool *goes_on)
{
    const json_t *all = json_object_get(r->body, "messages");
    making m = { .r = r, .list = json_array() };
    if (!ct_anthropic_set(r, "messages", m.list, NULL))
        return false;
    if (!json_is_array(all) || json_array_size(all) == 0)
        return ct_anthropic_wrong(r, "messages", all, "an array of at least one message");
    if (!add_system(&m))
        return false;
    for (size_t i = 0; i < json_array_size(all); i++)
        if (!add_message(&m, json_array_get(all, i), i))
            return false;
    *goes_on = is_begun(m.list);
    return true;
}
