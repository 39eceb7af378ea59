/* A request of /v1/responses -> a body of /v1/chat/completions.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "openai/talk.h"
#include "responses/inside.h"

static bool is_word(const json_t *v, const char *word)
{
    const char *s = json_string_value(v);
    return s && strcmp(s, word) == 0;
}

static bool is_absent(const json_t *v)
{
    return !v || json_is_null(v);
}

static bool wrong(ct_responses_reading *r, const char *path, const json_t *v, const char *expected)
{
    const char *s = json_string_value(v);
    return ct_openai_refuse(r->f, 400, "invalid_value", path, "'%s' is %s%.40s%s, expected %s", path, s ? "'" : "",
                            s ? s : ct_json_kind(v), s ? "'" : "", expected);
}

/* Fields that are the same with us. */
static bool copy_fields(ct_responses_reading *r)
{
    static const char *const keys[] = { "model",
                                        "temperature",
                                        "top_p",
                                        "tool_choice",
                                        "parallel_tool_calls",
                                        "seed",
                                        "top_k",
                                        "min_p",
                                        "stop",
                                        "logit_bias",
                                        "presence_penalty",
                                        "frequency_penalty",
                                        "repeat_penalty",
                                        "repetition_penalty",
                                        "min_tokens",
                                        "ignore_eos" };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        json_t *v = json_object_get(r->body, keys[i]);
        if (v && !ct_responses_set(r, keys[i], json_incref(v), NULL))
            return false;
    }
    json_t *most = json_object_get(r->body, "max_output_tokens");
    return !most || ct_responses_set(r, "max_completion_tokens", json_incref(most), "max_output_tokens");
}

/* ---- tools ---- */

/* {"type": "function", "name", "description", "parameters", "strict"}: what is in "function" with us stands beside the type. */
static bool take_tool(ct_responses_reading *r, const json_t *v, size_t i, json_t *to)
{
    static const char *const keys[] = { "name", "description", "parameters", "strict" };
    char path[96], own[64];
    snprintf(own, sizeof own, "tools[%zu]", i);
    if (!json_is_object(v) || !is_word(json_object_get(v, "type"), "function")) {
        const char *s = json_string_value(json_object_get(v, "type"));
        return ct_openai_refuse(r->f, 400, "unsupported_value", own,
                                "%s: type '%.40s': only functions are known, there are no hosted tools", own,
                                s ? s : "");
    }
    if (!ct_responses_check(v, CT_RESPONSES_TOOL, own, r->ignored, r->f))
        return false;
    json_t *function = json_object();
    bool ok = function != NULL;
    for (size_t k = 0; ok && k < sizeof keys / sizeof *keys; k++) {
        json_t *member = json_object_get(v, keys[k]);
        ok = !member || json_object_set(function, keys[k], member) == 0;
    }
    json_t *tool = ok ? json_pack("{s:s, s:O}", "type", "function", "function", function) : NULL;
    json_decref(function);
    if (json_array_append_new(to, tool) != 0)
        return ct_responses_no_memory(r->f);
    snprintf(path, sizeof path, "tools[%zu].function", i);
    return ct_openai_path_add(r->paths, path, own, r->f);
}

static bool take_tools(ct_responses_reading *r)
{
    const json_t *list = json_object_get(r->body, "tools");
    if (is_absent(list))
        return true;
    if (!json_is_array(list))
        return wrong(r, "tools", list, "an array");
    json_t *to = json_array();
    if (!ct_responses_set(r, "tools", to, NULL))
        return false;
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!take_tool(r, json_array_get(list, i), i, to))
            return false;
    return true;
}

/* ---- the form of the answer ---- */

static bool take_schema(ct_responses_reading *r, const json_t *format)
{
    json_t *inner = json_object(), *v;
    static const char *const keys[] = { "name", "description", "schema", "strict" };
    bool ok = inner != NULL;
    for (size_t k = 0; ok && k < sizeof keys / sizeof *keys; k++)
        ok = !(v = json_object_get(format, keys[k])) || json_object_set(inner, keys[k], v) == 0;
    json_t *to = ok ? json_pack("{s:s, s:O}", "type", "json_schema", "json_schema", inner) : NULL;
    json_decref(inner);
    return ct_openai_path_add(r->paths, "response_format.json_schema", "text.format", r->f) &&
           ct_responses_set(r, "response_format", to, "text.format");
}

static bool take_form(ct_responses_reading *r)
{
    const json_t *text = json_object_get(r->body, "text"), *format = json_object_get(text, "format");
    const json_t *type = json_object_get(format, "type");
    if (is_absent(text))
        return true;
    if (!json_is_object(text))
        return wrong(r, "text", text, "an object");
    if (!ct_responses_check(text, CT_RESPONSES_FORM, "text", r->ignored, r->f))
        return false;
    if (is_absent(format))
        return true;
    if (!json_is_object(format))
        return wrong(r, "text.format", format, "an object");
    if (!ct_responses_check(format, CT_RESPONSES_FORMAT, "text.format", r->ignored, r->f))
        return false;
    if (is_word(type, "json_schema"))
        return take_schema(r, format);
    if (!is_word(type, "text") && !is_word(type, "json_object"))
        return ct_openai_refuse(r->f, 400, "unsupported_value", "text.format",
                                "'text.format' can only be of the types text, json_object and json_schema");
    return ct_responses_set(r, "response_format", json_pack("{s:O}", "type", type), "text.format");
}

/* ---- what is told ---- */

/* What may be asked for besides; of most there is nothing here. */
static bool take_include(ct_responses_reading *r, bool *has_logprobs)
{
    static const char *const of_nothing[] = { "reasoning.encrypted_content",
                                              "file_search_call.results",
                                              "web_search_call.results",
                                              "web_search_call.action.sources",
                                              "computer_call_output.output.image_url",
                                              "code_interpreter_call.outputs",
                                              "message.input_image.image_url" };
    const json_t *list = json_object_get(r->body, "include");
    if (!is_absent(list) && !json_is_array(list))
        return wrong(r, "include", list, "an array");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        bool is_known = is_word(v, "message.output_text.logprobs");
        *has_logprobs = *has_logprobs || is_known;
        for (size_t k = 0; !is_known && k < sizeof of_nothing / sizeof *of_nothing; k++)
            is_known = is_word(v, of_nothing[k]);
        if (!is_known)
            return wrong(r, "include", v, "message.output_text.logprobs, or others of the API's words");
    }
    return true;
}

static bool take_logprobs(ct_responses_reading *r)
{
    json_t *top = json_object_get(r->body, "top_logprobs");
    bool has_logprobs = false;
    if (!take_include(r, &has_logprobs))
        return false;
    has_logprobs = has_logprobs || (!is_absent(top) && !(json_is_integer(top) && json_integer_value(top) == 0));
    if (has_logprobs && !ct_responses_set(r, "logprobs", json_true(), NULL))
        return false;
    return !top || ct_responses_set(r, "top_logprobs", json_incref(top), NULL);
}

/* ---- the conversation ---- */

static bool take_truncation(ct_responses_reading *r)
{
    const json_t *v = json_object_get(r->body, "truncation");
    r->trims = is_word(v, "auto");
    return is_absent(v) || r->trims || is_word(v, "disabled") || wrong(r, "truncation", v, "auto or disabled");
}

static bool take_previous(ct_responses_reading *r)
{
    const json_t *v = json_object_get(r->body, "previous_response_id");
    if (is_absent(v))
        return (r->items = json_array()) || ct_responses_no_memory(r->f);
    if (!json_is_string(v))
        return wrong(r, "previous_response_id", v, "a text");
    if (!ct_responses_items(r->store, json_string_value(v), &r->items, r->f)) {
        if (r->f->status != 404)
            return false;
        return ct_openai_refuse(r->f, 400, "previous_response_not_found", "previous_response_id",
                                "there is no response '%.60s' to go on from: it was not stored, or not for so long",
                                json_string_value(v));
    }
    r->n_earlier = json_array_size(r->items);
    return true;
}

static bool take_input(ct_responses_reading *r)
{
    json_t *v = json_object_get(r->body, "input");
    if (is_absent(v) || (json_is_array(v) && json_array_size(v) == 0))
        return ct_openai_refuse(r->f, 400, "missing_required_parameter", "input", "'input' is missing or empty");
    if (json_is_array(v))
        return json_array_extend(r->items, v) == 0 || ct_responses_no_memory(r->f);
    if (!json_is_string(v))
        return wrong(r, "input", v, "a text or an array of items");
    return json_array_append_new(r->items,
                                 json_pack("{s:s, s:s, s:O}", "type", "message", "role", "user", "content", v)) == 0 ||
           ct_responses_no_memory(r->f);
}

bool ct_responses_translate(ct_responses_reading *r)
{
    if (!json_is_object(r->body))
        return ct_openai_refuse(r->f, 400, "invalid_value", "", "the request is %s, expected an object",
                                ct_json_kind(r->body));
    return ct_responses_check(r->body, CT_RESPONSES_BODY, "", r->ignored, r->f) && copy_fields(r) && take_tools(r) &&
           take_form(r) && take_logprobs(r) && take_truncation(r) && take_previous(r) && take_input(r) &&
           ct_responses_messages(r);
}
