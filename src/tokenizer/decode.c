/* decode.c - ids -> bytes, and the stream that emits whole characters only.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/utf8.h"
#include "tokenizer/known_pieces.h"
#include "tokenizer/vocab.h"

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

const char *ct_tok_bytes(const carat_tokenizer *t, int32_t id, size_t *len)
{
    if (id < 0 || (uint32_t)id >= t->n) {
        *len = 0;
        return "";
    }
    if (t->kind[id] == CT_PIECE_BYTE) {
        uint8_t byte = 0;
        ct_name_of(t->text + t->start[id], ct_vocab_len(t, id), &byte);
        *len = 1;
        return &t->bytes[byte];
    }
    *len = ct_vocab_len(t, id);
    return t->text + t->start[id];
}

void ct_detok_init(ct_detok *d, const carat_tokenizer *tok, bool show_control)
{
    *d = (ct_detok){ .tok = tok, .show_control = show_control };
}

/* Emits all of s: what is not a character becomes U+FFFD, one for each stretch that a decoder would replace at once. */
static bool put_valid(ct_buf *out, const char *s, size_t len)
{
    size_t i = 0;
    while (i < len) {
        size_t good = ct_utf8_valid(s + i, len - i);
        if (good && !ct_buf_add(out, s + i, good))
            return false;
        i += good;
        uint32_t cp;
        if (i < len) {
            i += ct_utf8_next(s + i, len - i, &cp);
            if (!ct_buf_add(out, replacement, 3))
                return false;
        }
    }
    return true;
}

/* The held bytes go before s. Only they and the first bytes of s can complete a character together: those go through a
 * small buffer; the rest of s is decoded in place. */
static bool put_after_held(ct_detok *d, const char *s, size_t len, ct_buf *out)
{
    char joint[8];
    size_t n = d->n_held, used = len < 4 ? len : 4;
    memcpy(joint, d->held, n);
    memcpy(joint + n, s, used);
    n += used;
    if (used < len) { /* the rest gets back a character that began in the last bytes of the buffer */
        size_t cut = ct_utf8_incomplete(joint, n);
        n -= cut, used -= cut;
    }
    size_t keep = used == len ? ct_utf8_incomplete(joint, n) : 0;
    if (!put_valid(out, joint, n - keep))
        return false;
    memcpy(d->held, joint + n - keep, keep);
    d->n_held = (uint8_t)keep;
    s += used, len -= used;
    if (!len)
        return true;
    keep = ct_utf8_incomplete(s, len);
    if (!put_valid(out, s, len - keep))
        return false;
    memcpy(d->held, s + len - keep, keep);
    d->n_held = (uint8_t)keep;
    return true;
}

bool ct_detok_push(ct_detok *d, int32_t id, ct_buf *out)
{
    size_t len;
    const char *s = ct_tok_bytes(d->tok, id, &len);
    if (!len || (ct_tok_is_control(d->tok, id) && !d->show_control))
        return true;
    return put_after_held(d, s, len, out);
}

bool ct_detok_flush(ct_detok *d, ct_buf *out)
{
    bool ok = put_valid(out, (const char *)d->held, d->n_held);
    d->n_held = 0;
    return ok;
}
