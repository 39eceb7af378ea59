/* tokenizer_use.h - what every tokenizer must do, whatever vocabulary it was opened with.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_FUZZ_TOKENIZER_USE_H
#define CT_FUZZ_TOKENIZER_USE_H

#include <string.h>

#include "fuzz.h"
#include "tokenizer/tokenizer.h"

/* s with each U+2581 as a space: what a text is after encoding and decoding. Returns the bytes written. */
static inline size_t fuzz_spaces(char *out, const char *s, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; n++) {
        bool is_mark = len - i >= 3 && !memcmp(s + i, "\xe2\x96\x81", 3);
        out[n] = is_mark ? ' ' : s[i];
        i += is_mark ? 3 : 1;
    }
    return n;
}

/* Encodes and decodes: every byte comes back (a vocabulary without a piece for U+2581 even brings that back as it was),
 * and without SPECIAL no control token appears. */
static inline void fuzz_round_trip(const carat_tokenizer *t, const char *text, size_t len, unsigned flags)
{
    ct_ids ids = { 0 };
    ct_buf got;
    ct_buf_init(&got, 2 * len + 16);
    FUZZ_MUST(ct_tok_encode(t, text, len, flags, &ids, NULL));
    FUZZ_MUST(ids.n <= len + 1);
    for (size_t i = flags & CARAT_TOK_BOS ? 1 : 0; i < ids.n; i++) {
        size_t piece_len;
        const char *s = ct_tok_bytes(t, ids.v[i], &piece_len);
        FUZZ_MUST(flags & CARAT_TOK_SPECIAL || !ct_tok_is_control(t, ids.v[i]));
        FUZZ_MUST(ct_buf_add(&got, s, piece_len));
    }
    char *want = malloc(len + 1);
    FUZZ_MUST(want);
    size_t n = fuzz_spaces(want, text, len);
    if (got.data)
        got.len = fuzz_spaces(got.data, got.data, got.len);
    FUZZ_MUST(got.len == n && (!n || !memcmp(got.data, want, n)));
    free(want);
    ct_buf_deinit(&got);
    ct_ids_deinit(&ids);
}

/* Looks at every piece and encodes a few texts. */
static inline void fuzz_use_tokenizer(const carat_tokenizer *t)
{
    static const char text[] = "Hello  <b>world</b>\n\n\t<0x41>\xff <bos>\xe2\x96\x81\xe2\x96\x81";
    const ct_tok_info *f = ct_tok_facts(t);
    FUZZ_MUST(f->bos >= 0 && f->eos >= 0);
    for (int32_t id = -1; id <= (int32_t)f->n_pieces + 1; id++) {
        size_t len;
        const char *s = ct_tok_bytes(t, id, &len);
        fuzz_touch(s, len);
        ct_tok_is_control(t, id);
        ct_tok_is_samplable(t, id);
        ct_tok_find(t, s, len);
    }
    fuzz_round_trip(t, text, sizeof text, 0);
    fuzz_round_trip(t, text, sizeof text, CARAT_TOK_BOS);
}

#endif
