/* The vocabulary of a GGUF file: tokenizer.ggml.tokens, .scores, .token_type -> carat_tokenizer.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "model/model.h"

#define MAX_PIECES (1u << 20)

static bool find_array(const ct_gguf *g, const char *key, uint64_t n, bool strings, const ct_gguf_kv **out,
                       carat_err *err)
{
    const ct_gguf_kv *kv = ct_gguf_find(g, key);
    *out = kv;
    if (!kv)
        return true;
    bool right = kv->kind == CT_GGUF_ARR && (kv->elem == CT_GGUF_STR) == strings && kv->elem != CT_GGUF_ARR;
    if (!right)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: %s is not an array of %s", ct_gguf_path(g), key,
                       strings ? "strings" : "numbers");
    if (n && kv->count != n)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: %s has %llu entries, expected %llu as tokens",
                       ct_gguf_path(g), key, (unsigned long long)kv->count, (unsigned long long)n);
    return true;
}

static bool check_model(const ct_gguf *g, carat_err *err)
{
    ct_str model = { NULL, 0 };
    if (!ct_gguf_text(g, "tokenizer.ggml.model", &model, err))
        return false;
    if (model.data && !(model.len == 5 && memcmp(model.data, "llama", 5) == 0))
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                       "%s: tokenizer.ggml.model is '%.*s', expected 'llama' (sentencepiece)", ct_gguf_path(g),
                       (int)(model.len < 40 ? model.len : 40), model.data);
    return true;
}

static ct_piece_kind kind_of(const ct_gguf_kv *types, uint64_t i)
{
    double k = types ? ct_gguf_elem_num(types, i) : CT_PIECE_NORMAL;
    return k >= CT_PIECE_NORMAL && k <= CT_PIECE_BYTE ? (ct_piece_kind)k : CT_PIECE_NORMAL;
}

/* Types that are all the same say nothing: then the pieces' names do. */
static const ct_gguf_kv *useful_types(const ct_gguf *g, const ct_gguf_kv *types)
{
    for (uint64_t i = 1; types && i < types->count; i++)
        if (ct_gguf_elem_num(types, i) != ct_gguf_elem_num(types, 0))
            return types;
    ct_logf(CARAT_LOG_WARN, "%s: tokenizer.ggml.token_type is %s: pieces are known by their names", ct_gguf_path(g),
            types ? "the same for all tokens" : "missing");
    return NULL;
}

/* Without scores no merge would go before another. A sentencepiece BPE vocabulary lists its pieces in the order in which
 * they were learned, and scores them 0, -1, -2 ... so: Gemma's does. */
static void rank_by_id(const ct_gguf *g, bool has_scores, ct_piece *pieces, size_t n)
{
    size_t n_normal = 0;
    float first = 0;
    for (size_t i = 0; i < n; i++)
        if (pieces[i].kind == CT_PIECE_NORMAL) {
            if (n_normal && pieces[i].score != first)
                return;
            first = n_normal++ ? first : pieces[i].score;
        }
    if (n_normal < 2)
        return;
    ct_logf(CARAT_LOG_WARN, "%s: tokenizer.ggml.scores is %s: the order of ids stands for it", ct_gguf_path(g),
            has_scores ? "the same for all tokens" : "missing");
    for (size_t i = 0; i < n; i++)
        pieces[i].score = pieces[i].kind == CT_PIECE_NORMAL ? -(float)i : 0;
}

bool ct_tokenizer_from_gguf(const ct_gguf *g, carat_tokenizer **out, carat_err *err)
{
    *out = NULL;
    const ct_gguf_kv *tokens, *scores, *types;
    if (!check_model(g, err) || !find_array(g, "tokenizer.ggml.tokens", 0, true, &tokens, err))
        return false;
    if (!tokens || tokens->count == 0 || tokens->count > MAX_PIECES)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                       "%s: tokenizer.ggml.tokens has %llu entries, expected 1 to %u", ct_gguf_path(g),
                       tokens ? (unsigned long long)tokens->count : 0ull, MAX_PIECES);
    if (!find_array(g, "tokenizer.ggml.scores", tokens->count, false, &scores, err) ||
        !find_array(g, "tokenizer.ggml.token_type", tokens->count, false, &types, err))
        return false;
    types = useful_types(g, types);
    ct_piece *pieces = calloc(tokens->count, sizeof *pieces);
    if (!pieces)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for %llu tokens", ct_gguf_path(g),
                       (unsigned long long)tokens->count);
    ct_gguf_cursor cursor = { 0 };
    ct_str text;
    size_t n = 0;
    while (n < tokens->count && ct_gguf_next_str(tokens, &cursor, &text)) {
        float score = scores ? (float)ct_gguf_elem_num(scores, n) : 0;
        pieces[n] = (ct_piece){ text.data, text.len, score, kind_of(types, n) };
        n++;
    }
    rank_by_id(g, scores, pieces, n);
    bool ok = ct_tokenizer_from_pieces(pieces, n, out, err);
    free(pieces);
    return ok || ct_fail_in(err, "%s", ct_gguf_path(g));
}
