/* known_pieces.h - the pieces that every Gemma 3 vocabulary has, recognised by their names.
 *
 * Some published GGUFs give control pieces a wrong type (normal, or unused), so that a chat template falls apart into
 * letters. The names are unmistakable, so they decide.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TOKENIZER_KNOWN_PIECES_H
#define CT_TOKENIZER_KNOWN_PIECES_H

#include "tokenizer/tokenizer.h"

typedef enum ct_name {
    CT_NAME_NONE,    /* an ordinary piece, or one that this table does not list */
    CT_NAME_CONTROL, /* <bos>, <start_of_turn>, ..: control tokens, plain text in user text */
    CT_NAME_ADDED,   /* <unused7>, <mask>, a run of newlines, tabs or spaces, an HTML tag: always matched */
    CT_NAME_BYTE,    /* <0x00> .. <0xFF> */
    CT_NAME_PADDING, /* [PAD262150]: fills the table up to a round size, never used */
} ct_name;

/* What the piece is by its name (either spelling of spaces); *byte is set for CT_NAME_BYTE. */
ct_name ct_name_of(const char *piece, size_t len, uint8_t *byte);

/* Does it only keep a place in the vocabulary, and stand for no text: <unused7>, <mask>, [multimodal], [PAD262150]? */
bool ct_name_is_placeholder(const char *piece, size_t len);

/* The kind a piece has, given the stated one and its name. *is_wrong: the stated kind would have broken it. */
ct_piece_kind ct_name_repair(ct_name name, ct_piece_kind stated, bool *is_wrong);

#endif
