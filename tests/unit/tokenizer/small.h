/* small.h - small vocabularies made by tests.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_TOKENIZER_SMALL_H
#define CT_TESTS_TOKENIZER_SMALL_H

#include "tokenizer/tokenizer.h"

#define SMALL_MAX 2048

typedef struct small { /* pieces and the bytes they point to */
    ct_piece pieces[SMALL_MAX];
    char text[SMALL_MAX][64];
    size_t n;
} small;

int32_t small_add(small *s, const char *text, float score, ct_piece_kind kind); /* its id */

/* Gemma's layout: 0-8 control (<pad> <eos> <bos> <unk> <start_of_turn> <end_of_turn> <start_of_image> <end_of_image>
 * <mask>), 9 newline, 10 two newlines, 11 tab, 12 two spaces, 13 <b>, 14-269 the bytes. */
void small_init(small *s);

/* Opens it or fails the test. */
carat_tokenizer *small_open(const small *s);

#endif
