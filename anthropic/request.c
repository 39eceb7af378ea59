/* A request of /v1/messages -> a body of ours.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "anthropic/inside.h"

/* A field that has another name with us, or the same (path NULL). */
static bool copy(ct_anthropic_reading *r, const char *key, const char *ours, const char *path)
{
    json_t *v = json_object_get(r->body, key);
    return !v || ct_anthropic_set(r, ours, json_incref(v), path);
}

static bool read_max_tokens(ct_anthropic_reading *r)
{
    json_t *v = json_object_get(r->body, "max_tokens");
    return v && !json_is_null(v) ? ct_anthropic_set(r, "max_tokens", json_incref(v), NULL)
                                 : ct_anthropic_wrong(r, "max_tokens", NULL, "a number of tokens");
}

/* Other protocols allow more. */
static bool read_temperature(ct_anthropic_reading *r)
{
    const json_t *v = json_object_get(r->body, "temperature");
    const double t = json_number_value(v);
    if (v && json_is_number(v) && !(t >= 0 && t <= 1))
        return ct_openai_refuse(r->f, 400, "invalid_value", "temperature",
                                "body: 'temperature' is %.16g, expected 0 to 1", t);
    return copy(r, "temperature", "temperature", NULL);
}

/* Thinking may be off, or left to the model, which does not. */
static bool read_thinking(ct_anthropic_reading *r)
{
    const json_t *v = json_object_get(r->body, "thinking");
    const char *type = ct_anthropic_type(v);
    if (!v || json_is_null(v))
        return true;
    if (!json_is_object(v))
        return ct_anthropic_wrong(r, "thinking", v, "an object");
    if (strcmp(type, "disabled") != 0 && strcmp(type, "adaptive") != 0)
        return ct_openai_refuse(r->f, 400, "unsupported_value", "thinking",
                                "'thinking' of the type '%.40s' is not supported: no Gemma 3 thinks", type);
    return ct_anthropic_check(r, v, CT_ANTHROPIC_THINKING, "thinking");
}

/* {"type": "json_schema", "schema"} */
static bool read_format(ct_anthropic_reading *r, const json_t *v, const char *path)
{
    json_t *schema = json_object_get(v, "schema");
    if (!v || json_is_null(v))
        return true;
    if (!json_is_object(v))
        return ct_anthropic_wrong(r, path, v, "an object");
    if (strcmp(ct_anthropic_type(v), "json_schema") != 0)
        return ct_openai_refuse(r->f, 400, "unsupported_value", path, "'%s' can only be of the type json_schema", path);
    if (!ct_anthropic_check(r, v, CT_ANTHROPIC_FORMAT, path))
        return false;
    return ct_anthropic_set(r, "response_format",
                            json_pack("{s:s, s:{s:o}}", "type", "json_schema", "json_schema", "schema",
                                      schema ? json_incref(schema) : json_null()),
                            path) &&
           ct_openai_path_add(r->paths, "response_format.json_schema", path, r->f);
}

static bool read_output(ct_anthropic_reading *r)
{
    const json_t *config = json_object_get(r->body, "output_config");
    if (config && !json_is_null(config) && !json_is_object(config))
        return ct_anthropic_wrong(r, "output_config", config, "an object");
    return ct_anthropic_check(r, config, CT_ANTHROPIC_OUTPUT, "output_config") &&
           read_format(r, json_object_get(r->body, "output_format"), "output_format") &&
           read_format(r, json_object_get(config, "format"), "output_config.format");
}

static bool read_settings(ct_anthropic_reading *r)
{
    return read_max_tokens(r) && read_temperature(r) && copy(r, "top_k", "top_k", NULL) &&
           copy(r, "top_p", "top_p", NULL) && copy(r, "stop_sequences", "stop", "stop_sequences");
}

bool ct_anthropic_translate(ct_anthropic_reading *r, bool is_count)
{
    bool goes_on = false;
    if (!json_is_object(r->body))
        return ct_openai_refuse(r->f, 400, "invalid_value", "", "the request is %s, expected an object",
                                ct_json_kind(r->body));
    if (!ct_anthropic_check(r, r->body, is_count ? CT_ANTHROPIC_COUNT : CT_ANTHROPIC_BODY, ""))
        return false;
    return copy(r, "model", "model", NULL) && (is_count || read_settings(r)) && read_thinking(r) && read_output(r) &&
           ct_anthropic_tools(r) && ct_anthropic_messages(r, &goes_on) &&
           (!goes_on || ct_anthropic_set(r, "continue_final_message", json_true(), NULL));
}
