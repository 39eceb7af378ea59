/* Parts -> choices of chat.completion.chunk and of the chunks of text_completion.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "openai/inside.h"

static json_t *arguments_of(const ct_openai_part *p)
{
    return json_pack("{s:s%}", "arguments", p->text, p->len);
}

static json_t *name_of(const ct_openai_part *p)
{
    return json_pack("{s:s, s:s}", "name", p->name, "arguments", "");
}

static json_t *call_delta(const ct_openai_part *p, bool is_old_style)
{
    if (is_old_style)
        return json_pack("{s:o}", "function_call", name_of(p));
    return json_pack("{s:[{s:I, s:s, s:s, s:o}]}", "tool_calls", "index", (json_int_t)p->call, "id", p->id, "type",
                     "function", "function", name_of(p));
}

static json_t *arguments_delta(const ct_openai_part *p, bool is_old_style)
{
    if (is_old_style)
        return json_pack("{s:o}", "function_call", arguments_of(p));
    return json_pack("{s:[{s:I, s:o}]}", "tool_calls", "index", (json_int_t)p->call, "function", arguments_of(p));
}

static json_t *delta_of(const ct_openai_part *p, bool is_old_style)
{
    switch (p->kind) {
    case CT_PART_TEXT:
        return json_pack("{s:s%}", "content", p->text, p->len);
    case CT_PART_CALL:
        return call_delta(p, is_old_style);
    case CT_PART_ARGUMENTS:
        return arguments_delta(p, is_old_style);
    case CT_PART_CALL_END:
    case CT_PART_END:
    case CT_PART_FAILED:
        break;
    }
    return json_object();
}

static json_t *chat_choice(const ct_openai_request *r, const ct_openai_part *p, size_t index)
{
    json_t *delta = delta_of(p, r->calls.is_old_style);
    json_t *logprobs = p->logprobs ? json_pack("{s:O, s:n}", "content", p->logprobs, "refusal") : json_null();
    return json_pack("{s:I, s:o, s:o, s:s?}", "index", (json_int_t)index, "delta", delta, "logprobs", logprobs,
                     "finish_reason", p->finish ? ct_openai_finish(p->finish, r->calls.is_old_style) : NULL);
}

static json_t *text_choice(const ct_openai_part *p, size_t index)
{
    return json_pack("{s:I, s:s%, s:O, s:s?}", "index", (json_int_t)index, "text", p->text ? p->text : "", p->len,
                     "logprobs", p->logprobs ? p->logprobs : json_null(), "finish_reason",
                     p->finish ? ct_openai_finish(p->finish, false) : NULL);
}

bool ct_openai_chunk_choice(const ct_openai_request *r, const ct_openai_part *part, size_t index, json_t **choice)
{
    *choice = NULL;
    if (part->kind == CT_PART_CALL_END || part->kind == CT_PART_FAILED)
        return true;
    *choice = r->endpoint == CT_OPENAI_CHAT ? chat_choice(r, part, index) : text_choice(part, index);
    return *choice != NULL;
}

json_t *ct_openai_chunk_begin(size_t index)
{
    return json_pack("{s:I, s:{s:s, s:s, s:n}, s:n, s:n}", "index", (json_int_t)index, "delta", "role", "assistant",
                     "content", "", "refusal", "logprobs", "finish_reason");
}
