/* Texts, ids and mixed lists -> ids.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "llamacpp/inside.h"

bool ct_llamacpp_no_memory(ct_openai_fault *f, const char *what)
{
    ct_fail(&f->err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %s", what);
    return ct_openai_refuse_err(f, "");
}

bool ct_llamacpp_bool(const json_t *body, const char *key, bool *to, ct_openai_fault *f)
{
    return ct_json_bool(body, "body", key, to, &f->err) || ct_openai_refuse_err(f, key);
}

bool ct_llamacpp_check(const ct_talk_scene *s, const json_t *body, const ct_openai_rows *rows, ct_openai_fault *f)
{
    ct_openai_list none;
    if (!json_is_object(body))
        return ct_openai_refuse(f, 400, "invalid_value", "", "the body is %s, expected an object",
                                body ? ct_json_kind(body) : "missing");
    ct_openai_list_init(&none, s->options->mode);
    const bool ok = ct_openai_check_rows(body, rows, "", s->unknown ? s->unknown : &none, f);
    ct_buf_deinit(&none.names);
    return ok;
}

typedef struct ids { /* that grow */
    int32_t *v;
    size_t n, cap;
} ids;

static bool add(ids *to, const int32_t *from, size_t n)
{
    size_t need, bytes;
    if (!ct_add_size(to->n, n, &need))
        return false;
    if (need > to->cap) {
        const size_t cap = need < to->cap * 2 ? to->cap * 2 : need + 16;
        int32_t *v = ct_mul_size(cap, sizeof *v, &bytes) ? realloc(to->v, bytes) : NULL;
        if (!v)
            return false;
        to->v = v;
        to->cap = cap;
    }
    if (n)
        memcpy(to->v + to->n, from, n * sizeof *from);
    to->n = need;
    return true;
}

static bool add_text(ids *to, const carat_tokenizer *tok, const json_t *v, unsigned flags, const char *param,
                     ct_openai_fault *f)
{
    int32_t *some;
    size_t n;
    if (!carat_tokenizer_encode(tok, json_string_value(v), json_string_length(v), flags, &some, &n, &f->err))
        return ct_openai_refuse_err(f, param);
    const bool ok = add(to, some, n) || ct_llamacpp_no_memory(f, "ids");
    carat_free(some);
    return ok;
}

static bool add_id(ids *to, const carat_tokenizer *tok, const json_t *v, size_t at, const char *param,
                   ct_openai_fault *f)
{
    const json_int_t x = json_integer_value(v);
    if (!json_is_integer(v) || x < 0 || (uint64_t)x >= carat_tokenizer_n_pieces(tok))
        return ct_openai_refuse(f, 400, "invalid_value", param,
                                "'%s'[%zu] is %s, expected a token's id, a number below %zu", param, at,
                                json_is_integer(v) ? "no token's id" : ct_json_kind(v), carat_tokenizer_n_pieces(tok));
    const int32_t id = (int32_t)x;
    return add(to, &id, 1) || ct_llamacpp_no_memory(f, "ids");
}

bool ct_llamacpp_ids(const carat_tokenizer *tok, const json_t *v, bool has_bos, bool has_control, const char *param,
                     int32_t **to, size_t *n, ct_openai_fault *f)
{
    ids all = { 0 };
    const unsigned special = has_control ? CARAT_TOK_SPECIAL : 0, bos = has_bos ? CARAT_TOK_BOS : 0;
    bool ok = json_is_string(v) || json_is_array(v) ||
              ct_openai_refuse(f, 400, v ? "invalid_value" : "missing_required_parameter", param,
                               "'%s' is %s, expected a text, or a list of ids and texts", param,
                               v ? ct_json_kind(v) : "missing");
    if (ok && json_is_string(v))
        ok = add_text(&all, tok, v, special | bos, param, f);
    for (size_t i = 0; ok && i < json_array_size(v); i++) {
        const json_t *one = json_array_get(v, i);
        ok = json_is_string(one) ? add_text(&all, tok, one, special | (i ? 0 : bos), param, f)
                                 : add_id(&all, tok, one, i, param, f);
    }
    if (ok && !all.v)
        ok = (all.v = calloc(1, sizeof *all.v)) != NULL || ct_llamacpp_no_memory(f, "ids");
    if (!ok)
        free(all.v);
    *to = ok ? all.v : NULL;
    *n = ok ? all.n : 0;
    return ok;
}
