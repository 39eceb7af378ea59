/* vocab_file.h - the Gemma 3 vocabulary of tests/golden/data/tokenizer/vocab.bin (its README has the format).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_VOCAB_FILE_H
#define CT_TESTS_VOCAB_FILE_H

#include "tokenizer/tokenizer.h"

typedef struct vocab_file {
    char *data;
    ct_piece *pieces; /* point into data */
    size_t n;
} vocab_file;

/* False (with a line on stderr) if the file cannot be read. */
bool vocab_file_open(vocab_file *v, const char *path);
void vocab_file_close(vocab_file *v);

#endif
