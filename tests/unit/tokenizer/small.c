/* A vocabulary of a few pieces.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "small.h"

#include <string.h>

int32_t small_add(small *s, const char *text, float score, ct_piece_kind kind)
{
    assert_true(s->n < SMALL_MAX && strlen(text) < sizeof s->text[0]);
    memcpy(s->text[s->n], text, strlen(text) + 1);
    s->pieces[s->n] = (ct_piece){ .text = s->text[s->n], .len = strlen(text), .score = score, .kind = kind };
    return (int32_t)s->n++;
}

void small_init(small *s)
{
    static const char *const control[] = {
        "<pad>",          "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>", "<start_of_image>",
        "<end_of_image>", "<mask>"
    };
    static const char *const added[] = { "\n", "\n\n", "\t", "  ", "<b>" };
    s->n = 0;
    for (size_t i = 0; i < sizeof control / sizeof *control; i++)
        small_add(s, control[i], 0, CT_PIECE_CONTROL);
    for (size_t i = 0; i < sizeof added / sizeof *added; i++)
        small_add(s, added[i], -1000, CT_PIECE_USER_DEFINED);
    for (int b = 0; b < 256; b++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", b);
        small_add(s, name, 0, CT_PIECE_BYTE);
    }
}

carat_tokenizer *small_open(const small *s)
{
    carat_tokenizer *t = NULL;
    carat_err err = { 0 };
    ct_tokenizer_from_pieces(s->pieces, s->n, &t, &err);
    assert_string_equal(err.msg, "");
    assert_non_null(t);
    return t;
}
