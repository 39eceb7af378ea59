/* real_vocab.h - the published vocabulary's tokenizer as the state of a group of tests.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_REAL_VOCAB_H
#define CT_TESTS_REAL_VOCAB_H

#include <stdio.h>

#include "vocab_file.h"

static int open_real(void **state)
{
    vocab_file v;
    carat_tokenizer *t = NULL;
    carat_err err;
    bool ok = vocab_file_open(&v, TEST_DATA "/tokenizer/vocab.bin");
    if (ok && !ct_tokenizer_from_pieces(v.pieces, v.n, &t, &err)) {
        fprintf(stderr, "%s\n", err.msg);
        ok = false;
    }
    vocab_file_close(&v);
    *state = t;
    return ok ? 0 : -1;
}

static int close_real(void **state)
{
    carat_tokenizer_close(*state);
    return 0;
}

#endif
