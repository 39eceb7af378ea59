/* The content of a result, part by part (Model Context Protocol, "Tools", "Tool Result").
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "mcp_result.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/json_text.h"

void mcp_put_text(const json_t *s, ct_buf *b)
{
    const char *p = json_string_value(s), *end = p ? p + json_string_length(s) : NULL;
    while (p && p < end) {
        const size_t n = strnlen(p, (size_t)(end - p));
        ct_buf_add(b, p, n);
        p += n;
        if (p < end) { /* a NUL */
            ct_buf_str(b, "\xef\xbf\xbd");
            p++;
        }
    }
}

static void put_text_of(const json_t *part, const char *key, ct_buf *b)
{
    mcp_put_text(json_object_get(part, key), b);
}

/* A part's kind; with a NUL character it is none of ours. */
static bool is_a(const json_t *part, const char *type)
{
    const json_t *s = json_object_get(part, "type");
    return json_is_string(s) && json_string_length(s) == strlen(type) && strcmp(json_string_value(s), type) == 0;
}

/* What is not shown, and of how many bytes base64 stands for it. */
static void put_size(const json_t *part, const char *data, ct_buf *b)
{
    ct_buf_str(b, ", ");
    put_text_of(part, "mimeType", b);
    ct_buf_fmt(b, ", %zu bytes: not shown]", json_string_length(json_object_get(part, data)) / 4 * 3);
}

static void add_resource(const json_t *part, ct_buf *b)
{
    const json_t *r = json_object_get(part, "resource"), *text = json_object_get(r, "text");
    ct_buf_str(b, "[resource ");
    put_text_of(r, "uri", b);
    if (json_is_string(text)) {
        ct_buf_str(b, "]\n");
        mcp_put_text(text, b);
    } else {
        put_size(r, "blob", b);
    }
}

static void add_link(const json_t *part, ct_buf *b)
{
    ct_buf_str(b, "[link to resource ");
    put_text_of(part, "uri", b);
    ct_buf_str(b, " (");
    put_text_of(part, "name", b);
    ct_buf_str(b, "): not read]");
}

static void add_part(const json_t *part, ct_buf *b)
{
    const json_t *text = json_object_get(part, "text");
    if (is_a(part, "text") && json_is_string(text)) {
        mcp_put_text(text, b);
    } else if (is_a(part, "resource")) {
        add_resource(part, b);
    } else if (is_a(part, "resource_link")) {
        add_link(part, b);
    } else if (is_a(part, "image") || is_a(part, "audio")) {
        ct_buf_fmt(b, "[%s", is_a(part, "image") ? "image" : "audio");
        put_size(part, "data", b);
    } else if (is_a(part, "text")) {
        ct_buf_fmt(b, "[a text that is %s: not shown]", text ? ct_json_kind(text) : "missing");
    } else {
        ct_buf_str(b, "[a part of kind '");
        put_text_of(part, "type", b);
        ct_buf_str(b, "': not shown]");
    }
}

/* A list of parts. Some servers give a text in its place, which is taken for one. */
static void add_parts(const json_t *content, ct_buf *b)
{
    const json_t *part;
    size_t i;
    if (json_is_string(content))
        mcp_put_text(content, b);
    else if (content && !json_is_array(content) && !json_is_null(content))
        ct_buf_fmt(b, "[the content is %s, expected a list: not shown]", ct_json_kind(content));
    json_array_foreach(content, i, part) {
        if (i)
            ct_buf_char(b, '\n');
        add_part(part, b);
    }
}

/* Does the text say the same as the structured content? Servers write it as JSON for clients that know only text, and
 * wrap what is no object as {"result": ...}. */
static bool says_the_same(const char *text, const json_t *structured)
{
    const json_t *inner = json_object_size(structured) == 1 ? json_object_get(structured, "result") : NULL;
    ct_buf plain;
    ct_buf_init(&plain, SIZE_MAX);
    if (json_is_string(inner))
        mcp_put_text(inner, &plain);
    bool same = json_is_string(inner) && !plain.failed && strcmp(plain.data ? plain.data : "", text) == 0;
    ct_buf_deinit(&plain);
    json_t *v = same ? NULL : json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    same = same || (v && (json_equal(v, structured) || (inner && json_equal(v, inner))));
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
    const json_t *structured = json_object_get(result, "structuredContent");
    ct_buf text;
    ct_buf_init(&text, b->max);
    ct_buf_str(&text, "");
    add_parts(json_object_get(result, "content"), &text);
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
    json_t *v = json_loads(text, JSON_ALLOW_NUL, NULL); /* an object or a list stands as it is */
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
