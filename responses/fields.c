/* The table of fields of the Responses API.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "responses/inside.h"

#define BODY    CT_RESPONSES_BODY
#define MESSAGE CT_RESPONSES_MESSAGE
#define CALL    CT_RESPONSES_CALL
#define OUTPUT  CT_RESPONSES_OUTPUT
#define TEXT    CT_RESPONSES_TEXT
#define IMAGE   CT_RESPONSES_IMAGE
#define TOOL    CT_RESPONSES_TOOL
#define FORM    CT_RESPONSES_FORM
#define FORMAT  CT_RESPONSES_FORMAT

/* clang-format off */
const ct_openai_field ct_responses_fields[] = {
#define X(where, field) { field, where, CT_FIELD_HONOURED, NULL, NULL },
    X(BODY, "model") X(BODY, "input") X(BODY, "instructions") X(BODY, "max_output_tokens") X(BODY, "temperature")
    X(BODY, "top_p") X(BODY, "tools") X(BODY, "tool_choice") X(BODY, "parallel_tool_calls") X(BODY, "text")
    X(BODY, "stream") X(BODY, "top_logprobs") X(BODY, "include") X(BODY, "truncation") X(BODY, "metadata")
    X(BODY, "previous_response_id") X(BODY, "store")
    /* of /v1/chat/completions, taken here too */
    X(BODY, "seed") X(BODY, "top_k") X(BODY, "min_p") X(BODY, "stop") X(BODY, "logit_bias") X(BODY, "presence_penalty")
    X(BODY, "frequency_penalty") X(BODY, "repeat_penalty") X(BODY, "repetition_penalty") X(BODY, "min_tokens")
    X(BODY, "ignore_eos")
    X(MESSAGE | CALL | OUTPUT | TEXT | IMAGE | TOOL | FORMAT, "type")
    X(MESSAGE, "role") X(MESSAGE, "content")
    X(CALL | OUTPUT, "call_id") X(CALL | TOOL | FORMAT, "name") X(CALL, "arguments") X(OUTPUT, "output")
    X(TEXT, "text") X(TEXT, "refusal") X(IMAGE, "image_url") X(IMAGE, "detail")
    X(TOOL | FORMAT, "description") X(TOOL, "parameters") X(TOOL | FORMAT, "strict")
    X(FORM, "format") X(FORMAT, "schema")
#undef X
#define X(where, field) { field, where, CT_FIELD_HARMLESS, NULL, NULL },
    /* who asks, at what price; what only saves time */
    X(BODY, "user") X(BODY, "safety_identifier") X(BODY, "service_tier") X(BODY, "prompt_cache_key")
    X(BODY, "prompt_cache_retention") X(BODY, "prompt_cache_options") X(BODY, "moderation")
    X(TEXT | IMAGE, "prompt_cache_breakpoint")
    /* of what there is not: reasoning, hosted tools */
    X(BODY, "reasoning") X(FORM, "verbosity") X(BODY, "max_tool_calls") X(BODY, "stream_options")
    /* what replies carry along */
    X(MESSAGE | CALL | OUTPUT, "id") X(MESSAGE | CALL | OUTPUT, "status") X(MESSAGE, "phase") X(TEXT, "annotations")
    X(TEXT, "logprobs") X(CALL, "parsed_arguments") X(TEXT, "parsed")
#undef X
#define X(where, field) { field, where, CT_FIELD_REFUSED, NULL, NULL },
#define Z(where, field, instead) { field, where, CT_FIELD_REFUSED, NULL, instead },
    X(BODY, "background") Z(BODY, "conversation", "previous_response_id") X(BODY, "prompt") X(BODY, "context_management")
    Z(BODY, "messages", "input") Z(BODY, "max_tokens", "max_output_tokens")
    Z(BODY, "max_completion_tokens", "max_output_tokens") Z(BODY, "response_format", "text.format")
    X(BODY, "n") X(BODY, "modalities") X(BODY, "grammar") X(IMAGE, "file_id") X(TOOL, "defer_loading")
#undef X
#undef Z
};
/* clang-format on */
const size_t ct_responses_n_fields = sizeof ct_responses_fields / sizeof *ct_responses_fields;

static const char *place_name(ct_responses_place place)
{
    switch (place) {
    case CT_RESPONSES_BODY:
        return "a request of /v1/responses";
    case CT_RESPONSES_MESSAGE:
        return "a message";
    case CT_RESPONSES_CALL:
        return "a function_call";
    case CT_RESPONSES_OUTPUT:
        return "a function_call_output";
    case CT_RESPONSES_TEXT:
        return "a text part";
    case CT_RESPONSES_IMAGE:
        return "an input_image";
    case CT_RESPONSES_TOOL:
        return "a function";
    case CT_RESPONSES_FORM:
        return "'text'";
    case CT_RESPONSES_FORMAT:
        return "a format";
    }
    return "it";
}

bool ct_responses_check(const json_t *object, ct_responses_place place, const char *where, ct_openai_list *ignored,
                        ct_openai_fault *f)
{
    const ct_openai_rows rows = { ct_responses_fields, ct_responses_n_fields, place, place_name(place) };
    return ct_openai_check_rows(object, &rows, where, ignored, f);
}
