/* How many tokens a request would have: /v1/messages/count_tokens.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "anthropic/inside.h"

bool ct_anthropic_count_tokens(const ct_talk_scene *s, const json_t *body, json_t **reply, ct_openai_fault *f)
{
    ct_openai_list ignored;
    ct_openai_paths paths = { NULL };
    ct_openai_request request = { .body = NULL };
    json_t *ours = json_object();
    size_t n = 0;
    ct_openai_list_init(&ignored, s->options->mode);
    ct_anthropic_reading r = { .body = body, .ours = ours, .ignored = &ignored, .paths = &paths, .f = f };
    bool ok = (ours || ct_anthropic_no_memory(f)) && ct_anthropic_translate(&r, true);
    if (ok && !ct_openai_request_read(&request, CT_OPENAI_CHAT, ours, s->engine, s->options, f))
        ok = ct_openai_path_rename(&paths, f);
    if (ok) {
        carat_prompt_tokens(request.prompt, &n);
        *reply = json_pack("{s:I}", "input_tokens", (json_int_t)n);
        ok = *reply || ct_anthropic_no_memory(f);
    }
    ct_openai_request_deinit(&request);
    ct_openai_paths_deinit(&paths);
    ct_buf_deinit(&ignored.names);
    json_decref(ours);
    return ok;
}
