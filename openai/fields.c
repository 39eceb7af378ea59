/* Fields that are known and cannot be honoured: refused by name, where they ask for something.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "openai/inside.h"

/* null, false, 0, "", [] and {} ask for nothing. */
static bool asks(const json_t *v)
{
    switch (v ? json_typeof(v) : JSON_NULL) {
    case JSON_NULL:
    case JSON_FALSE:
        return false;
    case JSON_STRING:
        return json_string_length(v) > 0;
    case JSON_ARRAY:
        return json_array_size(v) > 0;
    case JSON_OBJECT:
        return json_object_size(v) > 0;
    case JSON_INTEGER:
    case JSON_REAL:
        return json_number_value(v) != 0;
    default:
        return true;
    }
}

static bool is_word(const json_t *v, const char *word)
{
    return json_is_string(v) && strcmp(json_string_value(v), word) == 0;
}

/* Fields that nothing but their absence can satisfy. */
static bool refuse_names(const json_t *body, ct_openai_fault *f)
{
    static const char *const names[] = {
        "tools",        "functions",     "grammar",        "json_schema",        "guided_json",
        "guided_regex", "guided_choice", "guided_grammar", "structured_outputs", "audio",
        "suffix",       "echo",          "stream",         "bad_words",          "prompt_logprobs",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (asks(json_object_get(body, names[i])))
            return ct_openai_refuse(f, 400, "unsupported_parameter", names[i], "'%s' is not supported", names[i]);
    return true;
}

/* A choice of tools where there are none changes nothing, unless it asks for a call. */
static bool refuse_choices(const json_t *body, ct_openai_fault *f)
{
    static const char *const names[] = { "tool_choice", "function_call" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const json_t *choice = json_object_get(body, names[i]);
        if (asks(choice) && !is_word(choice, "none") && !is_word(choice, "auto"))
            return ct_openai_refuse(f, 400, "unsupported_parameter", names[i],
                                    "'%s' asks for a call, but tools are not supported", names[i]);
    }
    return true;
}

bool ct_openai_refuse_unsupported(const json_t *body, ct_openai_fault *f)
{
    if (!refuse_names(body, f))
        return false;
    const json_t *format = json_object_get(body, "response_format");
    if (asks(format) && !is_word(json_object_get(format, "type"), "text"))
        return ct_openai_refuse(f, 400, "unsupported_value", "response_format",
                                "'response_format' can only be of type text");
    const json_t *modalities = json_object_get(body, "modalities");
    if (asks(modalities) && !(json_array_size(modalities) == 1 && is_word(json_array_get(modalities, 0), "text")))
        return ct_openai_refuse(f, 400, "unsupported_value", "modalities", "'modalities' can only be [\"text\"]");
    return refuse_choices(body, f);
}
