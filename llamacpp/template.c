/* POST /apply-template, and how many tokens a request's prompt has: prompts without an answer.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "llamacpp/inside.h"

bool ct_llamacpp_read_chat(const ct_talk_scene *s, const json_t *body, const char *const *without, ct_openai_request *r,
                           ct_openai_fault *f)
{
    if (!json_is_object(body))
        return ct_openai_refuse(f, 400, "invalid_value", "", "the body is %s, expected an object",
                                body ? ct_json_kind(body) : "missing");
    json_t *rest = json_copy((json_t *)(uintptr_t)body);
    if (!rest)
        return ct_llamacpp_no_memory(f, "the request");
    for (size_t i = 0; without && without[i]; i++)
        json_object_del(rest, without[i]);
    json_object_del(rest, "stream"); /* what an answer would be like is no matter */
    const bool ok = ct_openai_request_read(r, CT_OPENAI_CHAT, rest, s->engine, s->options, f) &&
                    (!s->unknown || ct_openai_list_join(s->unknown, &r->unknown) ||
                     ct_llamacpp_no_memory(f, "the names of unknown fields"));
    json_decref(rest);
    return ok;
}

bool ct_llamacpp_apply_template(const ct_talk_scene *s, const json_t *body, json_t **reply, ct_openai_fault *f)
{
    static const char bos[] = "<bos>"; /* which whoever takes the text as a prompt adds */
    ct_openai_request r = { 0 };
    *reply = NULL;
    bool ok = ct_llamacpp_read_chat(s, body, NULL, &r, f);
    if (ok) {
        size_t len;
        const char *text = carat_prompt_rendered(r.prompt, &len);
        const size_t skip = len >= sizeof bos - 1 && memcmp(text, bos, sizeof bos - 1) == 0 ? sizeof bos - 1 : 0;
        *reply = json_pack("{s:o}", "prompt", ct_json_from_bytes(text + skip, len - skip));
        ok = *reply || ct_llamacpp_no_memory(f, "the reply");
    }
    ct_openai_request_deinit(&r);
    return ok;
}

bool ct_llamacpp_chat_input_tokens(const ct_talk_scene *s, const json_t *body, json_t **reply, ct_openai_fault *f)
{
    ct_openai_request r = { 0 };
    size_t n;
    *reply = NULL;
    bool ok = ct_llamacpp_read_chat(s, body, NULL, &r, f);
    if (ok) {
        carat_prompt_tokens(r.prompt, &n);
        *reply = json_pack("{s:s, s:I}", "object", "chat.completion.input_tokens", "input_tokens", (json_int_t)n);
        ok = *reply || ct_llamacpp_no_memory(f, "the reply");
    }
    ct_openai_request_deinit(&r);
    return ok;
}

/* Names that a talk has listed. */
static bool pass(ct_openai_list *to, const char *names)
{
    to->n++;
    return ct_buf_str(&to->names, to->names.len ? ", " : "") && ct_buf_str(&to->names, names);
}

bool ct_llamacpp_count(const ct_talk_kind *kind, const ct_talk_scene *s, const json_t *body, size_t *n,
                       ct_openai_fault *f)
{
    ct_talk *t = calloc(1, kind->size);
    *n = 0;
    if (!t)
        return ct_llamacpp_no_memory(f, "the request");
    t->kind = kind;
    t->scene = s;
    bool ok = kind->read(t, (json_t *)(uintptr_t)body, f);
    for (size_t i = 0; ok && i < t->n; i++) {
        size_t some;
        carat_prompt_tokens(t->asks[i]->prompt, &some);
        *n += some;
    }
    if (ok && s->unknown && t->ignored)
        ok = pass(s->unknown, t->ignored) || ct_llamacpp_no_memory(f, "the names of unknown fields");
    kind->deinit(t);
    free(t);
    return ok;
}
