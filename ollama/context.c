/* "context" of /api/generate: a conversation as ids, which replies give and requests bring back.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "ollama/inside.h"

/* What ends a turn, whatever ended the answer: its tokens, the caller's. */
static bool turn_end(const carat_engine *e, int32_t **ids, size_t *n)
{
    const char *text = strcmp(carat_engine_info(e)->chat_template, "chatml") == 0 ? "<|im_end|>\n" : "<end_of_turn>\n";
    return carat_tokenizer_encode(carat_engine_tokenizer(e), text, strlen(text), CARAT_TOK_SPECIAL, ids, n, NULL);
}

static bool append(json_t *to, const int32_t *ids, size_t n)
{
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++)
        ok = json_array_append_new(to, json_integer(ids[i])) == 0;
    return ok;
}

json_t *ct_ollama_context(const carat_engine *e, const carat_prompt *prompt, const int32_t *ids, size_t n)
{
    int32_t *end;
    size_t n_prompt, n_end;
    json_t *to = json_array();
    const int32_t *before = carat_prompt_tokens(prompt, &n_prompt);
    if (!turn_end(e, &end, &n_end)) {
        json_decref(to);
        return NULL;
    }
    const bool ok = append(to, before, n_prompt) && append(to, ids, n) && append(to, end, n_end);
    carat_free(end);
    if (ok)
        return to;
    json_decref(to);
    return NULL;
}

/* The control token of that name; -1: the vocabulary has none. False: no memory. */
static bool control_token(const carat_engine *e, const char *name, unsigned flags, int32_t *id, ct_openai_fault *f)
{
    int32_t *ids;
    size_t n;
    if (!carat_tokenizer_encode(carat_engine_tokenizer(e), name, strlen(name), flags, &ids, &n, &f->err))
        return ct_openai_refuse_err(f, "context");
    *id = n == 1 ? ids[0] : -1;
    carat_free(ids);
    return true;
}

static bool take_ids(const carat_engine *e, const json_t *from, int32_t *to, ct_openai_fault *f)
{
    int32_t image = -1; /* stands where a picture was */
    if (!control_token(e, "<image_soft_token>", CARAT_TOK_SPECIAL, &image, f))
        return false;
    for (size_t i = 0; i < json_array_size(from); i++) {
        const json_t *v = json_array_get(from, i);
        const json_int_t id = json_integer_value(v);
        if (!json_is_integer(v) || id < 0 || id > INT32_MAX)
            return ct_openai_refuse(f, 400, "invalid_value", "context", "context[%zu] is not a token id", i);
        if (id == image)
            return ct_openai_refuse(f, 400, "unsupported_value", "context",
                                    "context[%zu] is of a picture, which ids cannot carry; use /api/chat", i);
        to[i] = (int32_t)id;
    }
    return true;
}

bool ct_ollama_join_context(ct_openai_request *request, const carat_engine *e, const json_t *ids, ct_openai_fault *f)
{
    size_t n_new, n = json_array_size(ids);
    const int32_t *new = carat_prompt_tokens(request->prompt, &n_new);
    int32_t bos = -1;
    if (!control_token(e, "", CARAT_TOK_BOS, &bos, f))
        return false;
    const size_t skipped = n_new && new[0] == bos; /* the context has one */
    int32_t *all = calloc(n + n_new + 1, sizeof *all);
    carat_prompt *prompt = NULL;
    if (!all) {
        ct_fail(&f->err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the context");
        return ct_openai_refuse_err(f, "");
    }
    bool ok = take_ids(e, ids, all, f);
    memcpy(all + n, new + skipped, (n_new - skipped) * sizeof *all);
    if (ok && !carat_prompt_ids(e, all, n + n_new - skipped, NULL, 0, NULL, &prompt, &f->err))
        ok = ct_openai_refuse_err(f, "context");
    free(all);
    if (!ok)
        return false;
    carat_prompt_free(request->prompt);
    request->prompt = prompt;
    request->submit.prompt = prompt;
    return true;
}
