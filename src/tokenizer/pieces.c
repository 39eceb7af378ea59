/* The vocabulary as a list of pieces with scores, for writing it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/vocab.h"

/* The earliest of the merges that make a piece; 0 if none does. */
static uint32_t first_rank(const carat_tokenizer *t, int32_t id)
{
    uint32_t first = t->rank[id];
    if (first == CT_TOK_NO_RANK)
        return 0;
    for (uint32_t m = t->first_merge[id]; m < t->first_merge[id + 1]; m++)
        if (m == t->first_merge[id] || t->merges[m].rank < first)
            first = t->merges[m].rank;
    return first;
}

bool ct_tok_piece(const carat_tokenizer *t, int32_t id, ct_piece *piece, ct_buf *text)
{
    if (id < 0 || (uint32_t)id >= t->n || ct_vocab_len(t, id) == 0)
        return false;
    *piece = (ct_piece){ .kind = (ct_piece_kind)t->kind[id], .len = ct_vocab_len(t, id) };
    piece->score = -(float)first_rank(t, id);
    for (uint32_t i = t->start[id]; i < t->start[id + 1]; i++)
        if (t->text[i] == ' ' && piece->kind == CT_PIECE_NORMAL)
            ct_buf_str(text, "\xe2\x96\x81");
        else
            ct_buf_char(text, t->text[i]);
    return true;
}
