/* Items of a conversation -> messages of ours.
 *
 *     {"role", "content": text or [{"type": "input_text"} ...]}    a message
 *     {"type": "function_call", "call_id", "name", "arguments"}    a call of the assistant's message before it, or of one of its own
 *     {"type": "function_call_output", "call_id", "output"}        a message of the role "tool"
 *     {"type": "reasoning", ...}                                   nothing: no template gives thoughts back
 *
 * Values of the wrong type are handed on as they are, for ours to refuse.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "responses/inside.h"

/* What is being read, and where it goes. */
typedef struct place {
    ct_responses_reading *r;
    json_t *messages;
    char own[64]; /* the client's path of the item */
} place;

static bool is_word(const json_t *v, const char *word)
{
    const char *s = json_string_value(v);
    return s && strcmp(s, word) == 0;
}

static bool no_memory(place *p)
{
    return ct_responses_no_memory(p->r->f);
}

static size_t n_messages(const place *p)
{
    return json_array_size(p->messages);
}

/* What our path is called in the client's words: the item's, and what follows. */
static bool name(place *p, const char *ours, const char *rest)
{
    char own[sizeof p->own + 48];
    snprintf(own, sizeof own, "%s%s", p->own, rest);
    return ct_openai_path_add(p->r->paths, ours, own, p->r->f);
}

static bool add_message(place *p, json_t *m)
{
    char path[96];
    snprintf(path, sizeof path, "messages[%zu]", n_messages(p));
    return json_array_append_new(p->messages, m) == 0 ? name(p, path, "") : no_memory(p);
}

/* ---- content ---- */

static bool check(place *p, const json_t *v, ct_responses_place what, const char *where)
{
    return ct_responses_check(v, what, where, p->r->ignored, p->r->f);
}

/* A part of ours: *to; NULL: no memory. False: refused. */
static bool part_of(place *p, const json_t *v, const char *where, json_t **to)
{
    const json_t *type = json_object_get(v, "type");
    *to = NULL;
    if (is_word(type, "input_text") || is_word(type, "output_text") || is_word(type, "text")) {
        json_t *text = json_object_get(v, "text");
        *to = json_pack("{s:s, s:O?}", "type", "text", "text", text);
        return check(p, v, CT_RESPONSES_TEXT, where);
    }
    if (is_word(type, "refusal")) {
        *to = json_pack("{s:s, s:O?}", "type", "refusal", "refusal", json_object_get(v, "refusal"));
        return check(p, v, CT_RESPONSES_TEXT, where);
    }
    if (is_word(type, "input_image")) {
        *to = json_pack("{s:s, s:{s:O?, s:O?}}", "type", "image_url", "image_url", "url",
                        json_object_get(v, "image_url"), "detail", json_object_get(v, "detail"));
        return check(p, v, CT_RESPONSES_IMAGE, where);
    }
    const char *s = json_string_value(type);
    return ct_openai_refuse(p->r->f, 400, "unsupported_value", where,
                            "%s: type '%.40s', expected input_text, output_text, refusal or input_image", where,
                            s ? s : "");
}

static bool take_parts(place *p, const json_t *parts, json_t *to, const char *key)
{
    for (size_t i = 0; i < json_array_size(parts); i++) {
        char path[96], rest[48], where[sizeof p->own + 48];
        json_t *part;
        snprintf(rest, sizeof rest, ".%s[%zu]", key, i);
        snprintf(where, sizeof where, "%s%s", p->own, rest);
        const bool ok = part_of(p, json_array_get(parts, i), where, &part);
        if (!ok || json_array_append_new(to, part) != 0) {
            if (!ok)
                json_decref(part);
            return ok && no_memory(p);
        }
        snprintf(path, sizeof path, "messages[%zu].content[%zu]", n_messages(p), i);
        if (!name(p, path, rest))
            return false;
    }
    return true;
}

/* "content" of the next message: a text, or parts. */
static bool take_content(place *p, json_t *message, json_t *content, const char *key)
{
    char path[96], rest[32];
    snprintf(path, sizeof path, "messages[%zu].content", n_messages(p));
    snprintf(rest, sizeof rest, ".%s", key);
    if (!name(p, path, rest))
        return false;
    if (!json_is_array(content))
        return !content || json_object_set(message, "content", content) == 0 || no_memory(p);
    json_t *to = json_array();
    if (json_object_set_new(message, "content", to) != 0)
        return no_memory(p);
    return take_parts(p, content, to, key);
}

/* ---- items ---- */

static bool take_message(place *p, const json_t *v)
{
    if (!check(p, v, CT_RESPONSES_MESSAGE, p->own))
        return false;
    json_t *role = json_object_get(v, "role"), *m = role ? json_pack("{s:O}", "role", role) : json_object();
    if (!m)
        return no_memory(p);
    if (take_content(p, m, json_object_get(v, "content"), "content"))
        return add_message(p, m);
    json_decref(m);
    return false;
}

static bool take_call(place *p, const json_t *v)
{
    json_t *last = json_array_get(p->messages, n_messages(p) - 1), *calls;
    char path[96];
    if (!check(p, v, CT_RESPONSES_CALL, p->own))
        return false;
    if (!is_word(json_object_get(last, "role"), "assistant")) {
        if (!add_message(p, json_pack("{s:s, s:n}", "role", "assistant", "content")))
            return false;
        last = json_array_get(p->messages, n_messages(p) - 1);
    }
    if (!(calls = json_object_get(last, "tool_calls")) && json_object_set_new(last, "tool_calls", json_array()) != 0)
        return no_memory(p);
    calls = json_object_get(last, "tool_calls");
    snprintf(path, sizeof path, "messages[%zu].tool_calls[%zu]", n_messages(p) - 1, json_array_size(calls));
    json_t *call =
        json_pack("{s:s, s:O?, s:{s:O?, s:O?}}", "type", "function", "id", json_object_get(v, "call_id"), "function",
                  "name", json_object_get(v, "name"), "arguments", json_object_get(v, "arguments"));
    return json_array_append_new(calls, call) == 0 ? name(p, path, "") : no_memory(p);
}

static bool take_output(place *p, const json_t *v)
{
    if (!check(p, v, CT_RESPONSES_OUTPUT, p->own))
        return false;
    json_t *m = json_pack("{s:s, s:O?}", "role", "tool", "tool_call_id", json_object_get(v, "call_id"));
    if (!m)
        return no_memory(p);
    if (take_content(p, m, json_object_get(v, "output"), "output"))
        return add_message(p, m);
    json_decref(m);
    return false;
}

static bool take_item(place *p, const json_t *v)
{
    const json_t *type = json_object_get(v, "type");
    if (!json_is_object(v))
        return ct_openai_refuse(p->r->f, 400, "invalid_value", p->own, "%s is %s, expected an object", p->own,
                                ct_json_kind(v));
    if (!type || json_is_null(type) || is_word(type, "message"))
        return take_message(p, v);
    if (is_word(type, "function_call"))
        return take_call(p, v);
    if (is_word(type, "function_call_output"))
        return take_output(p, v);
    if (is_word(type, "reasoning"))
        return true;
    const char *s = json_string_value(type);
    return ct_openai_refuse(p->r->f, 400, "unsupported_value", p->own,
                            "%s: type '%.40s', expected message, function_call or function_call_output", p->own,
                            s ? s : "");
}

static bool take_instructions(place *p)
{
    json_t *v = json_object_get(p->r->body, "instructions");
    snprintf(p->own, sizeof p->own, "instructions");
    if (!v || json_is_null(v))
        return true;
    return ct_openai_path_add(p->r->paths, "messages[0].content", "instructions", p->r->f) &&
           add_message(p, json_pack("{s:s, s:O}", "role", "system", "content", v));
}

bool ct_responses_messages(ct_responses_reading *r)
{
    place p = { .r = r, .messages = json_array() };
    const bool is_text = json_is_string(json_object_get(r->body, "input"));
    if (!ct_responses_set(r, "messages", p.messages, "input") || !take_instructions(&p))
        return false;
    for (size_t i = 0; i < json_array_size(r->items); i++) {
        if (i < r->n_earlier)
            snprintf(p.own, sizeof p.own, "previous_response_id");
        else if (is_text)
            snprintf(p.own, sizeof p.own, "input");
        else
            snprintf(p.own, sizeof p.own, "input[%zu]", i - r->n_earlier);
        if (!take_item(&p, json_array_get(r->items, i)))
            return false;
    }
    return true;
}
