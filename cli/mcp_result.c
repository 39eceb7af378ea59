/* The content of a result, part by part (Model Context Protocol, "Tools", "Tool Result").
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "mcp_result.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/json_text.h"

static const char *text_of(const json_t *part, const char *key)
{
    const char *s = json_string_value(json_object_get(part, key));
    return s ? s : "";
}

/* Bytes that base64 stands for. */
static size_t n_bytes(const json_t *part, const char *key)
{
    return json_string_length(json_object_get(part, key)) / 4 * 3;
}

static void add_resource(const json_t *part, ct_buf *b)
{
    const json_t *r = json_object_get(part, "resource"), *text = json_object_get(r, "text");
    if (json_is_string(text))
        ct_buf_fmt(b, "[resource %s]\n%s", text_of(r, "uri"), json_string_value(text));
    else
        ct_buf_fmt(b, "[resource %s, %s, %zu bytes: not shown]", text_of(r, "uri"), text_of(r, "mimeType"),
                   n_bytes(r, "blob"));
}

static void add_part(const json_t *part, ct_buf *b)
{
    const char *type = text_of(part, "type");
    if (strcmp(type, "text") == 0)
        ct_buf_add(b, text_of(part, "text"), json_string_length(json_object_get(part, "text")));
    else if (strcmp(type, "resource") == 0)
        add_resource(part, b);
    else if (strcmp(type, "resource_link") == 0)
        ct_buf_fmt(b, "[link to resource %s (%s): not read]", text_of(part, "uri"), text_of(part, "name"));
    else if (strcmp(type, "image") == 0 || strcmp(type, "audio") == 0)
        ct_buf_fmt(b, "[%s, %s, %zu bytes: not shown]", type, text_of(part, "mimeType"), n_bytes(part, "data"));
    else
        ct_buf_fmt(b, "[a part of kind '%s': not shown]", type);
}

/* Does the text say the same as the structured content? Servers write it as JSON for clients that know only text, and
 * wrap what is no object as {"result": ...}. */
static bool says_the_same(const char *text, const json_t *structured)
{
    const json_t *inner = json_object_size(structured) == 1 ? json_object_get(structured, "result") : NULL;
    if (inner && json_is_string(inner) && strcmp(json_string_value(inner), text) == 0)
        return true;
    json_t *v = json_loads(text, JSON_DECODE_ANY, NULL);
    const bool same = v && (json_equal(v, structured) || (inner && json_equal(v, inner)));
    json_decref(v);
    return same;
}

static void add_structured(const json_t *v, ct_buf *b)
{
    char *text = ct_json_dump(v, JSON_COMPACT | JSON_REAL_PRECISION(15));
    b->failed = b->failed || !text;
    ct_buf_str(b, text ? text : "");
    free(text);
}

/* Without isError. */
static void add_content(const json_t *result, ct_buf *b)
{
    const json_t *parts = json_object_get(result, "content"),
                 *structured = json_object_get(result, "structuredContent");
    ct_buf text;
    json_t *part;
    size_t i;
    ct_buf_init(&text, b->max);
    ct_buf_str(&text, "");
    json_array_foreach(parts, i, part) {
        if (i)
            ct_buf_char(&text, '\n');
        add_part(part, &text);
    }
    if (!structured || text.failed || says_the_same(text.data, structured)) {
        ct_buf_str(b, text.failed ? "" : text.data);
    } else if (text.len == 0) {
        add_structured(structured, b);
    } else {
        ct_buf_str(b, "{\"content\":");
        ct_json_text_string(text.data, text.len, b);
        ct_buf_str(b, ",\"structuredContent\":");
        add_structured(structured, b);
        ct_buf_char(b, '}');
    }
    b->failed = b->failed || text.failed;
    ct_buf_deinit(&text);
}

bool mcp_result_text(const json_t *result, ct_buf *out)
{
    if (!json_is_true(json_object_get(result, "isError"))) {
        add_content(result, out);
        return !out->failed;
    }
    ct_buf inner;
    ct_buf_init(&inner, out->max);
    add_content(result, &inner);
    ct_buf_str(out, "{\"error\":");
    const char *text = inner.data ? inner.data : "";
    json_t *v = json_loads(text, 0, NULL); /* an object or a list stands as it is */
    if (v)
        ct_buf_str(out, text);
    else
        ct_json_text_string(text, strlen(text), out);
    json_decref(v);
    ct_buf_char(out, '}');
    out->failed = out->failed || inner.failed;
    ct_buf_deinit(&inner);
    return !out->failed;
}
