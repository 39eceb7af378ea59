/* The table of fields of Ollama's protocol.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "ollama/inside.h"

#define CHAT     CT_OLLAMA_CHAT
#define GENERATE CT_OLLAMA_GENERATE
#define BODY     (CHAT | GENERATE)
#define OPTIONS  CT_OLLAMA_OPTIONS
#define MESSAGE  CT_OLLAMA_MESSAGE
#define EMBED    (CT_OLLAMA_EMBED | CT_OLLAMA_EMBEDDINGS)

/* clang-format off */
const ct_openai_field ct_ollama_fields[] = {
#define X(where, field) { field, where, CT_FIELD_HONOURED, NULL, NULL },
    X(BODY | EMBED, "model") X(BODY, "stream") X(BODY, "format") X(BODY | EMBED, "options") X(BODY | EMBED, "keep_alive")
    X(BODY, "logprobs") X(BODY, "top_logprobs")
    X(CHAT, "messages") X(CHAT, "tools")
    X(CT_OLLAMA_EMBED, "input") X(CT_OLLAMA_EMBED, "dimensions") X(EMBED, "truncate")
    X(GENERATE | CT_OLLAMA_EMBEDDINGS, "prompt") X(GENERATE, "system") X(GENERATE, "images") X(GENERATE, "raw") X(GENERATE, "context")
    X(OPTIONS, "num_ctx") X(OPTIONS, "num_predict") X(OPTIONS, "seed") X(OPTIONS, "temperature") X(OPTIONS, "top_k")
    X(OPTIONS, "top_p") X(OPTIONS, "min_p") X(OPTIONS, "repeat_last_n") X(OPTIONS, "repeat_penalty")
    X(OPTIONS, "presence_penalty") X(OPTIONS, "frequency_penalty") X(OPTIONS, "stop")
    X(MESSAGE, "role") X(MESSAGE, "content") X(MESSAGE, "images") X(MESSAGE, "tool_calls") X(MESSAGE, "tool_name")
    X(MESSAGE, "tool_call_id") X(MESSAGE, "name")
    X(CT_OLLAMA_TOOL, "type") X(CT_OLLAMA_TOOL, "function")
    X(CT_OLLAMA_CALL, "id") X(CT_OLLAMA_CALL, "type") X(CT_OLLAMA_CALL, "function")
    X(CT_OLLAMA_CALLED, "name") X(CT_OLLAMA_CALLED, "arguments")
#undef X
#define X(where, field) { field, where, CT_FIELD_HARMLESS, NULL, NULL },
    /* how the machine is used: no answer is another one for it */
    X(OPTIONS, "num_thread") X(OPTIONS, "num_batch") X(OPTIONS, "num_gpu") X(OPTIONS, "main_gpu") X(OPTIONS, "numa")
    X(OPTIONS, "low_vram") X(OPTIONS, "use_mmap") X(OPTIONS, "use_mlock")
    /* nothing is ever cut out of a conversation, so nothing has to be kept */
    X(OPTIONS, "num_keep")
    /* of ways to draw tokens that are off: the fields that switch them on are refused or passed by */
    X(OPTIONS, "mirostat_tau") X(OPTIONS, "mirostat_eta")
    /* what replies carry along */
    X(MESSAGE, "thinking") X(CT_OLLAMA_CALLED, "index")
#undef X
#define X(where, field) { field, where, CT_FIELD_PASSED_BY, NULL, NULL },
    /* of Gemma 3 no model thinks; prompts that do not fit are refused, in which case the client hears of it */
    X(BODY, "think") X(BODY, "truncate") X(BODY, "shift")
    X(OPTIONS, "mirostat") X(OPTIONS, "penalize_newline") X(OPTIONS, "f16_kv") X(OPTIONS, "logits_all")
    X(OPTIONS, "vocab_only") X(OPTIONS, "embedding_only")
    X(CT_OLLAMA_TOOL, "items")
#undef X
#define X(where, field) { field, where, CT_FIELD_REFUSED, NULL, NULL },
#define Y(where, field, unless) { field, where, CT_FIELD_REFUSED, unless, NULL },
#define Z(where, field, instead) { field, where, CT_FIELD_REFUSED, NULL, instead },
    Z(GENERATE, "template", "raw") X(GENERATE, "suffix")
    Y(OPTIONS, "typical_p", "=1") Y(OPTIONS, "tfs_z", "=1")
    X(GENERATE, "width") X(GENERATE, "height") X(GENERATE, "steps")
    X(BODY, "_debug_render_only")
#undef X
#undef Y
#undef Z
};
/* clang-format on */
const size_t ct_ollama_n_fields = sizeof ct_ollama_fields / sizeof *ct_ollama_fields;

static const char *place_name(ct_ollama_place place)
{
    switch (place) {
    case CT_OLLAMA_CHAT:
        return "a request of /api/chat";
    case CT_OLLAMA_GENERATE:
        return "a request of /api/generate";
    case CT_OLLAMA_EMBED:
        return "a request of /api/embed";
    case CT_OLLAMA_EMBEDDINGS:
        return "a request of /api/embeddings";
    case CT_OLLAMA_OPTIONS:
        return "the options";
    case CT_OLLAMA_MESSAGE:
        return "a message";
    case CT_OLLAMA_TOOL:
        return "a tool";
    case CT_OLLAMA_CALL:
    case CT_OLLAMA_CALLED:
        return "a call";
    }
    return "it";
}

bool ct_ollama_check(const json_t *object, ct_ollama_place place, const char *where, ct_openai_list *ignored,
                     ct_openai_fault *f)
{
    const ct_openai_rows rows = { ct_ollama_fields, ct_ollama_n_fields, place, place_name(place) };
    return ct_openai_check_rows(object, &rows, where, ignored, f);
}
