/* The object that a reply is: what was asked, and what it has come to.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "responses/inside.h"

/* A field of the body as it was given; def where it was not, which is taken. */
static json_t *given(const json_t *body, const char *key, json_t *def)
{
    json_t *v = json_object_get(body, key);
    if (!v || json_is_null(v))
        return def;
    json_decref(def);
    return json_incref(v);
}

/* A function as it is understood: strictly, and with every key. */
static json_t *tool_of(json_t *v)
{
    json_t *o =
        json_pack("{s:s, s:n, s:n, s:n, s:b}", "type", "function", "name", "description", "parameters", "strict", 1);
    if (json_object_update(o, v) == 0 && json_object_set_new(o, "strict", json_true()) == 0)
        return o;
    json_decref(o);
    return NULL;
}

static json_t *tools_of(const json_t *body)
{
    const json_t *list = json_object_get(body, "tools");
    json_t *to = json_array();
    bool ok = to != NULL;
    for (size_t i = 0; ok && i < json_array_size(list); i++)
        ok = json_array_append_new(to, tool_of(json_array_get(list, i))) == 0;
    if (ok)
        return to;
    json_decref(to);
    return NULL;
}

/* Numbers are told as they were given, not as the nearest float. */
static json_t *number(const json_t *body, const char *key, float used)
{
    json_t *v = json_object_get(body, key);
    if (v && json_is_number(v))
        return json_incref(v);
    return json_real((double)(long long)((double)used * 1e6 + 0.5) / 1e6);
}

static bool add_settings(json_t *o, const json_t *body, const ct_openai_request *r)
{
    json_t *form = json_pack("{s:{s:s}}", "format", "type", "text");
    return json_object_set_new(o, "instructions", given(body, "instructions", json_null())) == 0 &&
           json_object_set_new(o, "max_output_tokens", given(body, "max_output_tokens", json_null())) == 0 &&
           json_object_set_new(o, "metadata", given(body, "metadata", json_object())) == 0 &&
           json_object_set_new(o, "parallel_tool_calls", given(body, "parallel_tool_calls", json_true())) == 0 &&
           json_object_set_new(o, "previous_response_id", given(body, "previous_response_id", json_null())) == 0 &&
           json_object_set_new(o, "temperature", number(body, "temperature", r->sampling.temperature)) == 0 &&
           json_object_set_new(o, "text", given(body, "text", form)) == 0 &&
           json_object_set_new(o, "tool_choice", given(body, "tool_choice", json_string("auto"))) == 0 &&
           json_object_set_new(o, "tools", tools_of(body)) == 0 &&
           json_object_set_new(o, "top_logprobs", given(body, "top_logprobs", json_integer(0))) == 0 &&
           json_object_set_new(o, "top_p", number(body, "top_p", r->sampling.top_p)) == 0 &&
           json_object_set_new(o, "truncation", given(body, "truncation", json_string("disabled"))) == 0 &&
           json_object_set_new(o, "truncated", json_boolean(carat_prompt_n_dropped(r->prompt) > 0)) == 0;
}

json_t *ct_responses_new(const json_t *body, const ct_openai_request *r, const ct_openai_reply *reply,
                         const char *model)
{
    json_t *o = json_pack("{s:s, s:s, s:I, s:s, s:b, s:n, s:n, s:o, s:[], s:n}", "id", reply->id, "object", "response",
                          "created_at", (json_int_t)reply->created, "status", "in_progress", "background", 0, "error",
                          "incomplete_details", "model", ct_json_from_str(model), "output", "usage");
    if (o && add_settings(o, body, r))
        return o;
    json_decref(o);
    return NULL;
}

json_t *ct_responses_usage(const ct_openai_usage *u)
{
    return json_pack("{s:I, s:{s:I, s:i}, s:I, s:{s:i}, s:I}", "input_tokens", (json_int_t)u->n_prompt,
                     "input_tokens_details", "cached_tokens", (json_int_t)u->n_cached, "cache_write_tokens", 0,
                     "output_tokens", (json_int_t)u->n_generated, "output_tokens_details", "reasoning_tokens", 0,
                     "total_tokens", (json_int_t)(u->n_prompt + u->n_generated));
}
