/* Tokens and their log-probabilities as JSON, where a token need not be whole characters.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "openai/inside.h"

#define LEAST (-9999.0) /* there is no -inf in JSON */

json_t *ct_openai_token(const carat_tokenizer *tok, int32_t id, float logprob)
{
    char *text;
    size_t len;
    if (!carat_tokenizer_decode(tok, &id, 1, true, &text, &len, NULL))
        return NULL;
    json_t *bytes = json_array();
    bool ok = true;
    for (size_t i = 0; i < len; i++)
        ok = json_array_append_new(bytes, json_integer((unsigned char)text[i])) == 0 && ok;
    double p = (double)logprob < LEAST ? LEAST : (double)logprob;
    json_t *e = json_pack("{s:i, s:o, s:f, s:o}", "id", id, "token", ct_json_from_bytes(text, len), "logprob", p,
                          "bytes", bytes);
    carat_free(text);
    if (!ok) {
        json_decref(e);
        return NULL;
    }
    return e;
}

json_t *ct_openai_logprobs(ct_openai_endpoint endpoint)
{
    return endpoint == CT_OPENAI_CHAT
               ? json_array()
               : json_pack("{s:[], s:[], s:[], s:[]}", "tokens", "token_logprobs", "top_logprobs", "text_offset");
}

static json_t *chat_entry(const carat_tokenizer *tok, const carat_token *t)
{
    json_t *e = ct_openai_token(tok, t->id, t->logprob), *top = json_array();
    bool ok = true;
    for (size_t i = 0; i < t->n_top; i++)
        ok = json_array_append_new(top, ct_openai_token(tok, t->top[i].id, t->top[i].logprob)) == 0 && ok;
    ok = json_object_set_new(e, "top_logprobs", top) == 0 && ok;
    if (ok)
        return e;
    json_decref(e);
    return NULL;
}

/* Two tokens may have one text (bytes of characters): the likelier one keeps it. */
static bool add_if_new(json_t *top, const json_t *entry)
{
    const char *text = json_string_value(json_object_get(entry, "token"));
    return text && (json_object_get(top, text) || json_object_set(top, text, json_object_get(entry, "logprob")) == 0);
}

/* Of a completion, until its place is known: {"token", "logprob", "top"}. */
static json_t *text_entry(const carat_tokenizer *tok, const carat_token *t)
{
    json_t *e = ct_openai_token(tok, t->id, t->logprob), *top = t->n_top ? json_object() : json_null();
    bool ok = e && top;
    for (size_t i = 0; i < t->n_top; i++) {
        json_t *other = ct_openai_token(tok, t->top[i].id, t->top[i].logprob);
        ok = add_if_new(top, other) && ok;
        json_decref(other);
    }
    if (t->n_top)
        ok = add_if_new(top, e) && ok;
    ok = json_object_set_new(e, "top", top) == 0 && ok;
    if (ok)
        return e;
    json_decref(e);
    return NULL;
}

json_t *ct_openai_entry(ct_openai_endpoint endpoint, const carat_tokenizer *tok, const carat_token *t)
{
    return endpoint == CT_OPENAI_CHAT ? chat_entry(tok, t) : text_entry(tok, t);
}

static bool add_text_entry(json_t *to, const json_t *e, size_t offset)
{
    static const char *const lists[][2] = { { "tokens", "token" },
                                            { "token_logprobs", "logprob" },
                                            { "top_logprobs", "top" } };
    bool ok = e != NULL;
    for (size_t i = 0; ok && i < sizeof lists / sizeof *lists; i++)
        ok = json_array_append(json_object_get(to, lists[i][0]), json_object_get(e, lists[i][1])) == 0;
    return ok && json_array_append_new(json_object_get(to, "text_offset"), json_integer((json_int_t)offset)) == 0;
}

bool ct_openai_logprobs_add(json_t *to, ct_openai_endpoint endpoint, json_t *entry, size_t offset)
{
    if (endpoint == CT_OPENAI_CHAT)
        return json_array_append_new(to, entry) == 0;
    const bool ok = add_text_entry(to, entry, offset);
    json_decref(entry);
    return ok;
}

/* ---- where the text ends ---- */

static size_t start_of(const ct_buf *starts, size_t i)
{
    size_t at;
    memcpy(&at, starts->data + i * sizeof at, sizeof at);
    return at;
}

size_t ct_openai_n_in_text(const ct_buf *starts, size_t text_len, const carat_result *result)
{
    size_t n = starts->len / sizeof(size_t);
    bool was_cut = result->finish == CARAT_FINISH_STOP && result->stop_id < 0;
    while (was_cut && n && start_of(starts, n - 1) >= text_len)
        n--;
    return n;
}
