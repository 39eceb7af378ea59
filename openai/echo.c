/* The prompt in its reply: "echo", which begins every answer with it, and vLLM's "prompt_logprobs".
 *
 *     text     the prompt's, then the answer's
 *     tokens   of both; the first of the prompt has no probability
 *
 * Source: https://platform.openai.com/docs/api-reference/completions; vLLM's documentation, "OpenAI-compatible server"
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "openai/inside.h"

/* ---- tokens of a prompt ---- */

/* The i-th with at most n_top alternatives. */
static carat_token token_at(const carat_prompt_logprobs *p, const int32_t *ids, size_t i, size_t n_top)
{
    const carat_top *top = p->top + i * p->n_top;
    size_t n = 0;
    while (n < n_top && n < p->n_top && top[n].id >= 0)
        n++;
    return (carat_token){ .id = ids[i], .text = "", .logprob = p->logprobs[i], .top = top, .n_top = n };
}

/* An entry as those of answers; nulls where the token has no probability. */
static json_t *entry_at(const carat_tokenizer *tok, const carat_prompt_logprobs *p, const int32_t *ids, size_t i,
                        size_t n_top)
{
    carat_token t = token_at(p, ids, i, n_top);
    if (p->ranks[i])
        return ct_openai_entry(CT_OPENAI_COMPLETIONS, tok, &t);
    t.logprob = 0, t.n_top = 0;
    json_t *e = ct_openai_entry(CT_OPENAI_COMPLETIONS, tok, &t);
    if (json_object_set_new(e, "logprob", json_null()) == 0)
        return e;
    json_decref(e);
    return NULL;
}

static bool make_entries(ct_openai_reply *reply, const carat_tokenizer *tok, const carat_prompt_logprobs *p,
                         const int32_t *ids)
{
    const size_t n_top = (size_t)reply->request->generation.n_top;
    reply->echo.entries = json_array();
    bool ok = reply->echo.entries != NULL;
    for (size_t i = 0; ok && i < p->n; i++)
        ok = json_array_append_new(reply->echo.entries, entry_at(tok, p, ids, i, n_top)) == 0;
    return ok;
}

/* As the text of answers: names of control tokens are no part of it. A token in the midst of a character begins where the
 * character does. */
static bool make_text(ct_openai_reply *reply, const carat_tokenizer *tok, const int32_t *ids, size_t n)
{
    carat_detokenizer *d;
    ct_buf *text = &reply->echo.text, *starts = &reply->echo.starts;
    const char *more;
    size_t len;
    if (!carat_detokenizer_open(tok, false, &d, NULL))
        return false;
    bool ok = ct_buf_str(text, "");
    for (size_t i = 0; ok && i < n; i++)
        ok = ct_buf_add(starts, &text->len, sizeof text->len) && carat_detokenizer_push(d, ids[i], &more, &len, NULL) &&
             ct_buf_add(text, more, len);
    ok = ok && carat_detokenizer_flush(d, &more, &len, NULL) && ct_buf_add(text, more, len);
    carat_detokenizer_close(d);
    return ok;
}

/* ---- prompt_logprobs ---- */

static bool add_listed(json_t *to, const carat_tokenizer *tok, int32_t id, float logprob, size_t rank)
{
    char key[16];
    json_t *e = ct_openai_token(tok, id, logprob);
    snprintf(key, sizeof key, "%d", id);
    const bool ok =
        e && json_object_set_new(to, key,
                                 json_pack("{s:O, s:I, s:O}", "logprob", json_object_get(e, "logprob"), "rank",
                                           (json_int_t)rank, "decoded_token", json_object_get(e, "token"))) == 0;
    json_decref(e);
    return ok;
}

/* {"id": {"logprob", "rank", "decoded_token"}, ...}: the likeliest, and the token itself. */
static json_t *listed_at(const carat_tokenizer *tok, const carat_prompt_logprobs *p, const int32_t *ids, size_t i,
                         size_t n_top)
{
    if (!p->ranks[i])
        return json_null();
    const carat_token t = token_at(p, ids, i, n_top);
    json_t *to = json_object();
    bool ok = to && add_listed(to, tok, t.id, t.logprob, p->ranks[i]);
    for (size_t k = 0; ok && k < t.n_top; k++)
        ok = t.top[k].id == t.id || add_listed(to, tok, t.top[k].id, t.top[k].logprob, k + 1);
    if (ok)
        return to;
    json_decref(to);
    return NULL;
}

static bool make_list(ct_openai_reply *reply, const carat_tokenizer *tok, const carat_prompt_logprobs *p,
                      const int32_t *ids)
{
    reply->prompt_logprobs = json_array();
    bool ok = reply->prompt_logprobs != NULL;
    for (size_t i = 0; ok && i < p->n; i++)
        ok =
            json_array_append_new(reply->prompt_logprobs, listed_at(tok, p, ids, i, reply->request->n_prompt_top)) == 0;
    return ok;
}

/* ---- in a reply ---- */

static bool make(ct_openai_reply *reply, const carat_tokenizer *tok, const carat_prompt_logprobs *p)
{
    const ct_openai_request *r = reply->request;
    size_t n;
    const int32_t *ids = carat_prompt_tokens(reply->prompt, &n);
    reply->echo.is_made = true;
    if (r->submit.wants_prompt_logprobs && (!p || p->n != n))
        return false;
    return (!r->echoes || make_text(reply, tok, ids, n)) &&
           (!r->echoes || !r->has_logprobs || make_entries(reply, tok, p, ids)) &&
           (!r->has_prompt_logprobs || make_list(reply, tok, p, ids));
}

/* The answer begins with the prompt: a part of its own, with the entries of all its tokens. */
static bool begin_with(ct_openai_reply *reply, size_t answer)
{
    ct_openai_answer *a = &reply->answers[answer];
    const ct_buf *text = &reply->echo.text, *starts = &reply->echo.starts;
    const size_t n = json_array_size(reply->echo.entries);
    if (!ct_buf_add(&a->text, text->data, text->len))
        return false;
    a->n_echo = text->len;
    if (n &&
        (json_array_extend(a->waiting, reply->echo.entries) != 0 || !ct_buf_add(&a->starts, starts->data, starts->len)))
        return false;
    const ct_openai_part part = { .kind = CT_PART_TEXT, .answer = answer, .text = text->data, .len = text->len };
    return (text->len == 0 && n == 0) || ct_openai_part_add_n(reply, &part, n);
}

bool ct_openai_tell_prompt(ct_openai_reply *reply, size_t answer, const carat_tokenizer *tok, const carat_event *event)
{
    const ct_openai_request *r = reply->request;
    ct_openai_answer *a = &reply->answers[answer];
    if (a->has_begun || !(r->echoes || r->has_prompt_logprobs))
        return true;
    a->has_begun = true;
    return (reply->echo.is_made || make(reply, tok, event->prompt)) && (!r->echoes || begin_with(reply, answer));
}

void ct_openai_told_deinit(ct_openai_reply *reply)
{
    ct_buf_deinit(&reply->echo.text);
    ct_buf_deinit(&reply->echo.starts);
    json_decref(reply->echo.entries);
    json_decref(reply->prompt_logprobs);
}
