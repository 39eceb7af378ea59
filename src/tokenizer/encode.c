/* encode.c - text -> ids: added tokens are taken out first; bpe.c merges the text between them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/utf8.h"
#include "tokenizer/bpe.h"

bool ct_ids_push(ct_ids *ids, int32_t id)
{
    if (ids->n == ids->cap) {
        size_t cap = ids->cap ? ids->cap + ids->cap / 2 : 64;
        if (cap > SIZE_MAX / sizeof *ids->v)
            return false;
        int32_t *v = realloc(ids->v, cap * sizeof *v);
        if (!v)
            return false;
        ids->v = v;
        ids->cap = cap;
    }
    ids->v[ids->n++] = id;
    return true;
}

void ct_ids_deinit(ct_ids *ids)
{
    free(ids->v);
    *ids = (ct_ids){ 0 };
}

typedef struct encoding {
    const carat_tokenizer *t;
    ct_bpe bpe;
    ct_ids *out;
} encoding;

static bool put_bytes(encoding *e, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!ct_ids_push(e->out, e->t->byte_id[(uint8_t)s[i]]))
            return false;
    return true;
}

/* Text without added tokens. It is merged in stretches that no merge can cross: they end where two characters meet that
 * no piece holds side by side (nearly every word boundary is one), and at characters that have no piece and become
 * bytes. The result is that of merging the whole at once. */
static bool encode_plain(encoding *e, const char *s, size_t len)
{
    uint32_t cp, last = 0;
    for (size_t i = 0, n; i < len; i += n) {
        n = ct_utf8_next(s + i, len - i, &cp);
        if (cp == 0x2581)
            cp = ' ';
        int32_t id = cp == CT_UTF8_BAD ? -1 : ct_vocab_char(e->t, cp);
        bool cut = id < 0 || (e->bpe.n_symbols && !ct_vocab_may_join(e->t, last, cp));
        if (cut && !ct_bpe_flush(&e->bpe, e->t, e->out))
            return false;
        bool ok = id < 0      ? put_bytes(e, s + i, n)
                  : cp == ' ' ? ct_bpe_add(&e->bpe, id, " ", 1, len)
                              : ct_bpe_add(&e->bpe, id, s + i, n, len);
        if (!ok)
            return false;
        last = cp;
    }
    return ct_bpe_flush(&e->bpe, e->t, e->out);
}

static bool encode(encoding *e, const char *s, size_t len, unsigned flags)
{
    const carat_tokenizer *t = e->t;
    size_t done = 0, from = 0, at, match_len;
    int32_t id;
    while (ct_matcher_next(&t->matcher, s, len, from, &at, &match_len, &id)) {
        from = at + match_len;
        if (t->is_special[id] && !(flags & CARAT_TOK_SPECIAL))
            continue; /* stays in the text; its name is not searched for others */
        if (!encode_plain(e, s + done, at - done))
            return false;
        done = from;
        bool is_second_bos = flags & CARAT_TOK_BOS && at == 0 && id == t->facts.bos;
        if (!is_second_bos && !ct_ids_push(e->out, id))
            return false;
    }
    return encode_plain(e, s + done, len - done);
}

bool ct_tok_encode(const carat_tokenizer *t, const char *text, size_t len, unsigned flags, ct_ids *out, carat_err *err)
{
    if (len > (size_t)1 << 31)
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "text of %zu bytes, at most %u can be tokenised at once", len,
                       1u << 31);
    encoding e = { .t = t, .out = out };
    size_t n = out->n;
    bool ok = (!(flags & CARAT_TOK_BOS) || ct_ids_push(out, t->facts.bos)) && encode(&e, text, len, flags);
    ct_bpe_deinit(&e.bpe);
    if (ok)
        return true;
    out->n = n;
    return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory to tokenise a text of %zu bytes", len);
}
