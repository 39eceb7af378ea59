/* names.h - the pieces every Gemma 3 vocabulary has, known by their names.
 *
 * Some published GGUFs give control pieces a wrong type (normal, or unused), so that a chat template falls apart into
 * letters. The names are unmistakable, so they decide.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_TOKENIZER_NAMES_H
#define CARAT_TOKENIZER_NAMES_H

#include "tokenizer/tokenizer.h"

typedef enum carat_name {
    CARAT_NAME_NONE,    /* an ordinary piece, or one this table does not know */
    CARAT_NAME_CONTROL, /* <bos>, <start_of_turn>, ..: control tokens, plain text in user text */
    CARAT_NAME_ADDED,   /* <unused7>, <mask>, a run of newlines, tabs or spaces, an HTML tag: always matched */
    CARAT_NAME_BYTE,    /* <0x00> .. <0xFF> */
    CARAT_NAME_PADDING, /* [PAD262150]: fills the table up to a round size, never used */
} carat_name;

/* What the piece is by its name (either spelling of spaces); *byte is set for CARAT_NAME_BYTE. */
carat_name carat_name_of(const char *piece, size_t len, uint8_t *byte);

/* The kind a piece has, given the stated one and its name. *is_wrong: the stated kind would have broken it. */
carat_piece_kind carat_name_repair(carat_name name, carat_piece_kind stated, bool *is_wrong);

#endif
