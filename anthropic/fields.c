/* The table of fields of Anthropic's Messages protocol.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "anthropic/inside.h"

#define BODY    CT_ANTHROPIC_BODY
#define COUNT   CT_ANTHROPIC_COUNT
#define BOTH    (BODY | COUNT)
#define MESSAGE CT_ANTHROPIC_MESSAGE
#define TEXT    CT_ANTHROPIC_TEXT
#define IMAGE   CT_ANTHROPIC_IMAGE
#define USE     CT_ANTHROPIC_USE
#define RESULT  CT_ANTHROPIC_RESULT
#define THOUGHT CT_ANTHROPIC_THOUGHT
#define SOURCE  CT_ANTHROPIC_SOURCE
#define TOOL    CT_ANTHROPIC_TOOL
#define CHOICE  CT_ANTHROPIC_CHOICE
#define FORMAT  CT_ANTHROPIC_FORMAT

/* clang-format off */
const ct_openai_field ct_anthropic_fields[] = {
#define X(where, field) { field, where, CT_FIELD_HONOURED, NULL, NULL },
    X(BOTH, "model") X(BOTH, "messages") X(BOTH, "system") X(BOTH, "tools") X(BOTH, "tool_choice") X(BOTH, "thinking")
    X(BOTH, "output_config") X(BOTH, "output_format")
    X(BODY, "max_tokens") X(BODY, "stop_sequences") X(BODY, "stream") X(BODY, "temperature") X(BODY, "top_k")
    X(BODY, "top_p")
    X(MESSAGE, "role") X(MESSAGE, "content")
    X(TEXT | IMAGE | USE | RESULT | THOUGHT | SOURCE | TOOL | CHOICE | FORMAT | CT_ANTHROPIC_THINKING, "type")
    X(TEXT, "text") X(IMAGE, "source") X(USE, "id") X(USE, "name") X(USE, "input")
    X(RESULT, "tool_use_id") X(RESULT, "content") X(RESULT, "is_error")
    X(SOURCE, "media_type") X(SOURCE, "data") X(SOURCE, "url")
    X(TOOL, "name") X(TOOL, "description") X(TOOL, "input_schema") X(TOOL, "strict")
    X(CHOICE, "name") X(CHOICE, "disable_parallel_tool_use")
    X(CT_ANTHROPIC_OUTPUT, "format") X(FORMAT, "schema")
#undef X
#define X(where, field) { field, where, CT_FIELD_HARMLESS, NULL, NULL },
    /* of a count: it is the same without them */
    X(COUNT, "max_tokens") X(COUNT, "stop_sequences") X(COUNT, "stream") X(COUNT, "temperature") X(COUNT, "top_k")
    X(COUNT, "top_p")
    /* who asks, what for, where, at what price; what is kept of it */
    X(BOTH, "metadata") X(BOTH, "service_tier") X(BOTH, "inference_geo") X(BOTH, "user_profile_id")
    X(BOTH, "workspace_id") X(BOTH, "billing_policy") X(BOTH, "fallback_credit_token") X(BOTH, "anthropic_version")
    X(BOTH, "anthropic_beta") X(BOTH, "betas")
    /* what only saves time, or tells of it: the prefix cache is always on and exact */
    X(BOTH | TEXT | IMAGE | USE | RESULT | TOOL, "cache_control") X(BOTH, "speed") X(BOTH, "diagnostics")
    X(TOOL, "eager_input_streaming") X(CT_ANTHROPIC_OUTPUT, "effort")
    /* of thoughts, which there are none of, and which no template gives back */
    X(CT_ANTHROPIC_THINKING, "budget_tokens") X(CT_ANTHROPIC_THINKING, "display")
    X(THOUGHT, "thinking") X(THOUGHT, "signature") X(THOUGHT, "data")
    /* what replies carry along */
    X(TEXT, "citations") X(USE, "caller") X(USE | RESULT, "toolset_name") X(TOOL, "allowed_callers")
#undef X
#define X(where, field) { field, where, CT_FIELD_PASSED_BY, NULL, NULL },
    /* what becomes of long conversations: one that does not fit is refused */
    X(BOTH, "context_management") X(BOTH, "compaction") X(BODY, "fallbacks") X(CT_ANTHROPIC_OUTPUT, "task_budget")
    X(TOOL, "input_examples") X(TOOL, "defer_loading") X(IMAGE, "transformations")
#undef X
#define X(where, field) { field, where, CT_FIELD_REFUSED, NULL, NULL },
    /* what runs at Anthropic's */
    X(BOTH, "container") X(BOTH, "mcp_servers") X(BOTH, "thread")
#undef X
};
/* clang-format on */
const size_t ct_anthropic_n_fields = sizeof ct_anthropic_fields / sizeof *ct_anthropic_fields;

static const char *place_name(ct_anthropic_place place)
{
    switch (place) {
    case CT_ANTHROPIC_BODY:
        return "a request of /v1/messages";
    case CT_ANTHROPIC_COUNT:
        return "a request of /v1/messages/count_tokens";
    case CT_ANTHROPIC_MESSAGE:
        return "a message";
    case CT_ANTHROPIC_TEXT:
        return "a text block";
    case CT_ANTHROPIC_IMAGE:
        return "an image block";
    case CT_ANTHROPIC_USE:
        return "a tool_use block";
    case CT_ANTHROPIC_RESULT:
        return "a tool_result block";
    case CT_ANTHROPIC_THOUGHT:
        return "a thinking block";
    case CT_ANTHROPIC_SOURCE:
        return "a source";
    case CT_ANTHROPIC_TOOL:
        return "a tool";
    case CT_ANTHROPIC_CHOICE:
        return "a tool_choice";
    case CT_ANTHROPIC_OUTPUT:
        return "an output_config";
    case CT_ANTHROPIC_FORMAT:
        return "a format";
    case CT_ANTHROPIC_THINKING:
        return "a thinking";
    }
    return "it";
}

bool ct_anthropic_check(const ct_anthropic_reading *r, const json_t *object, ct_anthropic_place place,
                        const char *where)
{
    const ct_openai_rows rows = { ct_anthropic_fields, ct_anthropic_n_fields, place, place_name(place) };
    return ct_openai_check_rows(object, &rows, where, r->ignored, r->f);
}
