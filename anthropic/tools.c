/* "tools" and "tool_choice" -> ours.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "anthropic/inside.h"

/* name, description, input_schema -> a function's name, description, parameters. */
static json_t *function_of(const json_t *tool)
{
    static const char *const names[][2] = {
        { "name", "name" }, { "description", "description" }, { "input_schema", "parameters" }, { "strict", "strict" }
    };
    json_t *function = json_object();
    bool ok = function != NULL;
    for (size_t i = 0; ok && i < sizeof names / sizeof *names; i++) {
        json_t *v = json_object_get(tool, names[i][0]);
        ok = !v || json_object_set(function, names[i][1], v) == 0;
    }
    if (ok)
        return function;
    json_decref(function);
    return NULL;
}

static bool add_tool(ct_anthropic_reading *r, json_t *list, const json_t *v, size_t i)
{
    char where[48], inner[64];
    const json_t *type = json_object_get(v, "type");
    snprintf(where, sizeof where, "tools[%zu]", i);
    snprintf(inner, sizeof inner, "tools[%zu].function", i);
    if (!json_is_object(v))
        return ct_anthropic_wrong(r, where, v, "an object");
    if (type && !json_is_null(type) && strcmp(ct_anthropic_type(v), "custom") != 0)
        return ct_openai_refuse(
            r->f, 400, "unsupported_value", where,
            "%s: '%.40s' is one of Anthropic's own tools, which do not exist here; only custom tools "
            "with an input_schema do",
            where, ct_anthropic_type(v));
    if (!ct_anthropic_check(r, v, CT_ANTHROPIC_TOOL, where))
        return false;
    if (json_array_append_new(list, json_pack("{s:s, s:o}", "type", "function", "function", function_of(v))) != 0)
        return ct_anthropic_no_memory(r->f);
    return ct_openai_path_add(r->paths, inner, where, r->f);
}

static bool read_list(ct_anthropic_reading *r)
{
    const json_t *v = json_object_get(r->body, "tools");
    if (!v || json_is_null(v))
        return true;
    if (!json_is_array(v))
        return ct_anthropic_wrong(r, "tools", v, "an array");
    json_t *list = json_array();
    if (!ct_anthropic_set(r, "tools", list, NULL))
        return false;
    for (size_t i = 0; i < json_array_size(v); i++)
        if (!add_tool(r, list, json_array_get(v, i), i))
            return false;
    return true;
}

static json_t *choice_of(const json_t *v, const char *type)
{
    if (strcmp(type, "auto") == 0 || strcmp(type, "none") == 0)
        return json_string(type);
    if (strcmp(type, "any") == 0)
        return json_string("required");
    json_t *name = json_object_get(v, "name");
    return json_pack("{s:s, s:{s:o}}", "type", "function", "function", "name", name ? json_incref(name) : json_null());
}

static bool read_choice(ct_anthropic_reading *r)
{
    const json_t *v = json_object_get(r->body, "tool_choice");
    const char *type = ct_anthropic_type(v);
    bool is_single = false;
    if (!v || json_is_null(v))
        return true;
    if (!json_is_object(v))
        return ct_anthropic_wrong(r, "tool_choice", v, "an object");
    if (!ct_anthropic_check(r, v, CT_ANTHROPIC_CHOICE, "tool_choice"))
        return false;
    if (strcmp(type, "auto") != 0 && strcmp(type, "none") != 0 && strcmp(type, "any") != 0 && strcmp(type, "tool") != 0)
        return ct_openai_refuse(r->f, 400, "invalid_value", "tool_choice.type",
                                "tool_choice: type '%.40s', expected auto, any, tool or none", type);
    if (!ct_json_bool(v, "tool_choice", "disable_parallel_tool_use", &is_single, &r->f->err))
        return ct_openai_refuse_err(r->f, "tool_choice.disable_parallel_tool_use");
    return ct_anthropic_set(r, "tool_choice", choice_of(v, type), NULL) &&
           (!is_single || ct_anthropic_set(r, "parallel_tool_calls", json_false(), "tool_choice"));
}

bool ct_anthropic_tools(ct_anthropic_reading *r)
{
    return read_list(r) && read_choice(r);
}
