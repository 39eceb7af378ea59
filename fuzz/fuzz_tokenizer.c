/* fuzz_tokenizer.c - text. The first byte picks one of two vocabularies and the flags, the rest is encoded, decoded,
 * and streamed.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/utf8.h"
#include "tokenizer_use.h"

enum { MAX = 512 };

static ct_piece pieces[MAX];
static char text[MAX][24];
static size_t n_pieces;

static void add(const char *s, ct_piece_kind kind, float score)
{
    FUZZ_MUST(n_pieces < MAX);
    snprintf(text[n_pieces], sizeof text[0], "%s", s);
    pieces[n_pieces] = (ct_piece){ text[n_pieces], strlen(text[n_pieces]), score, kind };
    n_pieces++;
}

/* With ties the ranks are listed, without they are spans: both ways of ranking are walked. */
static carat_tokenizer *open_vocabulary(bool ties)
{
    static const char *const control[] = {
        "<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<end_of_image>"
    };
    static const char *const added[] = {
        "<mask>", "<unused0>", "\n", "\n\n", "\n\n\n", "\t", "  ", "   ", "<b>", "</b>"
    };
    static const char *const words[] = { "\xe2\x96\x81t",
                                         "he",
                                         "in",
                                         "\xe2\x96\x81the",
                                         "aa",
                                         "aaaa",
                                         "ab",
                                         "aba",
                                         "ba",
                                         "xx",
                                         "xxxx",
                                         "\xc3\xa9",
                                         "\xe6\xbc\xa2",
                                         "\xe6\xbc\xa2\xe6\xbc\xa2",
                                         "\xf0\x9f\x98\x80",
                                         "><",
                                         "\xe2\x96\x81<" };
    n_pieces = 0;
    for (size_t i = 0; i < sizeof control / sizeof *control; i++)
        add(control[i], CT_PIECE_CONTROL, 0);
    for (size_t i = 0; i < sizeof added / sizeof *added; i++)
        add(added[i], CT_PIECE_USER_DEFINED, 0);
    for (int b = 0; b < 256; b++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", (unsigned)b & 0xFF);
        add(name, CT_PIECE_BYTE, 0);
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        add(words[i], CT_PIECE_NORMAL, ties ? 0 : -(float)i);
    for (char c = '!'; c <= '~'; c++)
        add((char[]){ c, '\0' }, CT_PIECE_NORMAL, -100);
    add("\xe2\x96\x81", CT_PIECE_NORMAL, -100);
    carat_tokenizer *t = NULL;
    FUZZ_MUST(ct_tokenizer_from_pieces(pieces, n_pieces, &t, NULL));
    return t;
}

static void stream(const carat_tokenizer *t, const char *s, size_t len, unsigned flags)
{
    ct_ids ids = { 0 };
    ct_buf out;
    ct_buf_init(&out, (size_t)1 << 24);
    FUZZ_MUST(ct_tok_encode(t, s, len, flags, &ids, NULL));
    ct_detok d;
    ct_detok_init(&d, t, flags & CARAT_TOK_SPECIAL);
    size_t checked = 0;
    for (size_t i = 0; i < ids.n; i++) {
        FUZZ_MUST(ct_detok_push(&d, ids.v[i], &out));
        FUZZ_MUST(!out.data || ct_utf8_valid(out.data + checked, out.len - checked) == out.len - checked);
        checked = out.len;
    }
    FUZZ_MUST(ct_detok_flush(&d, &out));
    FUZZ_MUST(!out.data || ct_utf8_valid(out.data, out.len) == out.len);
    ct_buf_deinit(&out);
    ct_ids_deinit(&ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static carat_tokenizer *vocabulary[2]; /* opened once: they are what is fuzzed with, not what is fuzzed */
    if (!size)
        return 0;
    unsigned ties = data[0] & 1, flags = data[0] >> 1 & (CARAT_TOK_BOS | CARAT_TOK_SPECIAL);
    if (!vocabulary[ties])
        vocabulary[ties] = open_vocabulary(ties);
    const carat_tokenizer *t = vocabulary[ties];
    const char *s = (const char *)data + 1;
    bool leads = size >= 6 && flags == (CARAT_TOK_BOS | CARAT_TOK_SPECIAL) && !memcmp(s, "<bos>", 5);
    if (!leads) /* there the text's own <bos> and ours are one */
        fuzz_round_trip(t, s, size - 1, flags);
    stream(t, s, size - 1, flags);
    return 0;
}
