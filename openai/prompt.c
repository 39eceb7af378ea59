/* Prompts of completions, inputs of embeddings: texts or ids.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "openai/inside.h"
#include "openai/talk.h"

#define SHORT_PIECE 16 /* bytes; texts whose tokens would be longer than that on average are looked at */

static bool prompt_of_ids(const json_t *v, const char *where, const carat_engine *e, carat_prompt **out,
                          ct_openai_fault *f)
{
    size_t n = json_array_size(v);
    int32_t *ids = calloc(n + 1, sizeof *ids);
    if (!ids)
        return ct_openai_no_memory(f, "the prompt's ids");
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) {
        const json_t *id = json_array_get(v, i);
        json_int_t x = json_integer_value(id);
        ok = (json_is_integer(id) && x >= 0 && x <= INT32_MAX) ||
             ct_fail(&f->err, CARAT_EARG, CARAT_NOWHERE, "%s[%zu] is not a token id", where, i);
        ids[i] = ok ? (int32_t)x : 0;
    }
    ok = (ok && carat_prompt_ids(e, ids, n, NULL, 0, NULL, out, &f->err)) || ct_openai_refuse_err(f, where);
    free(ids);
    return ok;
}

static size_t longest_piece(const carat_tokenizer *tok)
{
    size_t longest = 1, len = 0;
    for (size_t i = 0; i < carat_tokenizer_n_pieces(tok); i++)
        if (carat_tokenizer_piece(tok, (int32_t)i, &len) && len > longest)
            longest = len;
    return longest;
}

bool ct_openai_may_fit(const carat_engine *e, size_t n_bytes, const char *where, ct_openai_fault *f)
{
    const size_t n_ctx = carat_engine_n_ctx(e);
    if (n_bytes / SHORT_PIECE <= n_ctx)
        return true; /* the tokens are counted */
    const size_t least = n_bytes / longest_piece(carat_engine_tokenizer(e));
    if (least <= n_ctx)
        return true;
    ct_fail(&f->err, CARAT_ECONTEXT, CARAT_NOWHERE, "the prompt has at least %zu tokens, but the context holds %zu",
            least, n_ctx);
    return ct_openai_refuse_err(f, where);
}

/* <bos> in front; names of control tokens in it stay text. */
static bool prompt_of_text(const json_t *v, const char *where, const carat_engine *e, carat_prompt **out,
                           ct_openai_fault *f)
{
    const carat_content text = { .struct_size = sizeof text,
                                 .text = json_string_value(v),
                                 .text_len = json_string_length(v) };
    if (!ct_openai_may_fit(e, text.text_len, where, f))
        return false;
    return carat_prompt_text(e, &text, 1, NULL, out, &f->err) || ct_openai_refuse_err(f, where);
}

bool ct_openai_prompt_of(const json_t *v, const char *where, const carat_engine *e, carat_prompt **out,
                         ct_openai_fault *f)
{
    if (json_is_array(v))
        return prompt_of_ids(v, where, e, out, f);
    if (json_is_string(v))
        return prompt_of_text(v, where, e, out, f);
    return ct_openai_refuse(f, 400, v ? "invalid_value" : "missing_required_parameter", where,
                            "'%s' is %s, expected a text or token ids", where, v ? ct_json_kind(v) : "missing");
}

bool ct_openai_text_prompts(ct_openai_request *r, const carat_engine *e, ct_openai_fault *f)
{
    const json_t *v = json_object_get(r->body, "prompt"), *first = json_array_get(v, 0);
    if (!json_is_string(first) && !json_is_array(first))
        return ct_openai_prompt_of(v, "prompt", e, &r->prompt, f);
    const size_t n = json_array_size(v);
    if (n > CT_TALK_MAX_ASKS)
        return ct_openai_refuse(f, 400, "invalid_value", "prompt",
                                "'prompt' is a list of %zu prompts, expected at most %d", n, CT_TALK_MAX_ASKS);
    r->others = calloc(n, sizeof *r->others);
    if (!r->others)
        return ct_openai_no_memory(f, "the prompts");
    bool ok = ct_openai_prompt_of(first, "prompt", e, &r->prompt, f);
    for (size_t i = 1; ok && i < n; i++)
        ok = ct_openai_prompt_of(json_array_get(v, i), "prompt", e, &r->others[r->n_others++], f);
    return ok;
}
