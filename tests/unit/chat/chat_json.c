/* Reads conversations from JSON, for tests.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "chat_json.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "chat/calls.h"
#include "unit.h"

#define MOST_TOOLS 16

static const char *text_of(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

static void read_content(chat_json *c, const json_t *content)
{
    ct_chat_message *m = &c->messages[c->n];
    ct_chat_part *parts = c->parts[c->n];
    m->parts = parts;
    m->is_null = !content || json_is_null(content) || (json_is_array(content) && !json_array_size(content));
    if (json_is_string(content))
        parts[m->n_parts++] = (ct_chat_part){ json_string_value(content), json_string_length(content), 0, 0 };
    size_t i;
    json_t *item;
    json_array_foreach(content, i, item) {
        const json_t *text = json_object_get(item, "text");
        assert_true(m->n_parts < CHAT_MOST);
        parts[m->n_parts++] = text ? (ct_chat_part){ json_string_value(text), json_string_length(text), 0, 0 }
                                   : (ct_chat_part){ .image = c->n_images++ };
    }
}

static void read_calls(chat_json *c, const json_t *calls)
{
    ct_chat_message *m = &c->messages[c->n];
    size_t i;
    json_t *call;
    m->calls = c->calls[c->n];
    json_array_foreach(calls, i, call) {
        const json_t *f = json_object_get(call, "function");
        const char *arguments = text_of(f, "arguments");
        assert_true(m->n_calls < CHAT_MOST);
        c->calls[c->n][m->n_calls++] = (ct_chat_call){ text_of(call, "id"), text_of(f, "name"),
                                                       arguments ? arguments : "", arguments ? strlen(arguments) : 0 };
    }
}

static carat_tools *read_tools(const json_t *list, bool is_python)
{
    carat_tool tools[MOST_TOOLS] = { 0 };
    char *schemas[MOST_TOOLS] = { 0 };
    carat_tools *out = NULL;
    carat_err err = { 0 };
    size_t i;
    json_t *tool;
    assert_true(json_array_size(list) <= MOST_TOOLS);
    json_array_foreach(list, i, tool) {
        const json_t *f = json_object_get(tool, "function");
        schemas[i] = ct_json_dump(json_object_get(f, "parameters"), JSON_ENCODE_ANY); /* in its own spacing */
        tools[i] = (carat_tool){ sizeof *tools, text_of(f, "name"), text_of(f, "description"), schemas[i], 0 };
    }
    if (list &&
        !ct_tools_open(tools, json_array_size(list), is_python ? CARAT_TOOLS_PYTHON : CARAT_TOOLS_JSON, &out, &err))
        fail_msg("%s", err.msg);
    for (i = 0; i < MOST_TOOLS; i++)
        free(schemas[i]);
    return out;
}

chat_json *chat_json_read(const json_t *line)
{
    chat_json *c = calloc(1, sizeof *c);
    const char *style = text_of(line, "style");
    carat_err err;
    size_t i;
    json_t *m;
    assert_non_null(c);
    json_array_foreach(json_object_get(line, "messages"), i, m) {
        assert_true(c->n < CHAT_MOST);
        c->messages[c->n].role = text_of(m, "role");
        c->messages[c->n].call_id = text_of(m, "tool_call_id");
        c->messages[c->n].name = text_of(m, "name");
        read_content(c, json_object_get(m, "content"));
        read_calls(c, json_object_get(m, "tool_calls"));
        c->n++;
    }
    c->tools = read_tools(json_object_get(line, "tools"), style && strcmp(style, "python") == 0);
    assert_true(ct_chat_link(c->messages, c->n, c->tools, &err));
    return c;
}

void chat_json_free(chat_json *c)
{
    ct_tools_close(c->tools);
    free(c);
}

int chat_json_each_line(const carat_tokenizer *t, const char *path,
                        void (*check)(const carat_tokenizer *t, const json_t *line))
{
    carat_err err;
    char *text;
    size_t len;
    int n = 0;
    assert_true(ct_read_file(path, 16 << 20, &text, &len, &err));
    for (char *s = text, *end; s < text + len; s = end + 1, n++) {
        end = memchr(s, '\n', (size_t)(text + len - s));
        end = end ? end : text + len;
        json_t *line;
        assert_true(ct_json_parse(path, s, (size_t)(end - s), &line, &err));
        check(t, line);
        json_decref(line);
    }
    free(text);
    return n;
}
