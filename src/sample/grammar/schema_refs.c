/* JSON Schema: paths in messages, and what a $ref leads to within the document.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "sample/grammar/schema_inside.h"

#define MOST_DEPTH 120

const char *ct_schema_path(ct_schema *s, const char *path, const char *keyword)
{
    const size_t n = strlen(path), len = strlen(keyword);
    char *out = ct_heap_new(s->heap, n + 2 * len + 2, 1);
    if (!out)
        return "";
    memcpy(out, path, n);
    char *p = out + n;
    *p++ = '/';
    for (size_t i = 0; i < len; i++) {
        if (keyword[i] != '~' && keyword[i] != '/') {
            *p++ = keyword[i];
            continue;
        }
        *p++ = '~';
        *p++ = keyword[i] == '~' ? '0' : '1';
    }
    return out;
}

const char *ct_schema_path_at(ct_schema *s, const char *path, const char *keyword, size_t i)
{
    char number[24];
    snprintf(number, sizeof number, "%zu", i);
    return ct_schema_path(s, ct_schema_path(s, path, keyword), number);
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* One token of a JSON pointer in a URI fragment: ~0 ~1 and %XX are decoded. Returns what is behind it. */
static const char *pointer_token(const char *p, char *out, size_t size)
{
    size_t n = 0;
    for (; *p && *p != '/'; p++) {
        char c = *p;
        if (c == '~' && (p[1] == '0' || p[1] == '1'))
            c = *++p == '0' ? '~' : '/';
        else if (c == '%' && hex(p[1]) >= 0 && hex(p[2]) >= 0) {
            c = (char)(hex(p[1]) * 16 + hex(p[2]));
            p += 2;
        }
        if (n + 1 < size)
            out[n++] = c;
    }
    out[n] = '\0';
    return p;
}

static const json_t *at_pointer(const json_t *v, const char *p)
{
    char token[256];
    while (v && *p == '/') {
        p = pointer_token(p + 1, token, sizeof token);
        if (json_is_array(v)) {
            char *end;
            const unsigned long i = strtoul(token, &end, 10);
            v = *token && !*end ? json_array_get(v, i) : NULL;
        } else {
            v = json_object_get(v, token);
        }
    }
    return *p ? NULL : v;
}

/* The schema with this $anchor, or with this $id as draft 7 had it ("#name"); NULL if there is none. */
static const json_t *at_anchor(ct_schema *s, const json_t *v, const char *name, unsigned depth)
{
    const char *key;
    json_t *member;
    const json_t *found = NULL;
    if (depth > MOST_DEPTH || !ct_heap_work(s->heap, 10))
        return NULL;
    for (size_t i = 0; json_is_array(v) && !found && i < json_array_size(v); i++)
        found = at_anchor(s, json_array_get(v, i), name, depth + 1);
    if (!json_is_object(v))
        return found;
    const char *anchor = json_string_value(json_object_get(v, "$anchor")),
               *id = json_string_value(json_object_get(v, "$id"));
    if ((anchor && strcmp(anchor, name) == 0) || (id && id[0] == '#' && strcmp(id + 1, name) == 0))
        return v;
    json_object_foreach((json_t *)(uintptr_t)v, key, member)
        if (!found && strcmp(key, "enum") != 0 && strcmp(key, "const") != 0)
            found = at_anchor(s, member, name, depth + 1);
    return found;
}

bool ct_schema_resolve(ct_schema *s, const json_t *ref, const char *path, const json_t **out)
{
    const char *text = json_string_value(ref);
    if (!text)
        return ct_schema_refuse(s, path, "$ref", "expected a string");
    const json_t *id = json_object_get(s->document, s->draft == 3 || s->draft == 4 ? "id" : "$id");
    if (text[0] != '#' && json_is_string(id)) { /* the document's own address in front */
        const size_t n = strlen(json_string_value(id));
        if (strncmp(text, json_string_value(id), n) == 0 && (text[n] == '#' || !text[n]))
            text += n;
    }
    if (*text && *text != '#')
        return ct_schema_refuse(s, path, "$ref",
                                "a reference to another document; only those within the schema are followed");
    text += *text == '#';
    *out = !*text ? s->document : *text == '/' ? at_pointer(s->document, text) : at_anchor(s, s->document, text, 0);
    return *out || ct_schema_refuse(s, path, "$ref", "there is nothing at that place");
}
