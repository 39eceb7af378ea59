/* golden.h - holds a tokenizer against every line of the reference's answers.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_TOKENIZER_GOLDEN_H
#define CT_TESTS_TOKENIZER_GOLDEN_H

#include "tokenizer/tokenizer.h"

/* Lines that differ are shown on stderr (the first few); the count of lines looked at is returned through *n_lines.
 * Each returns the number of lines that differ. */
int golden_texts(const carat_tokenizer *t, const char *path, int *n_lines);  /* text, flags -> ids */
int golden_bytes(const carat_tokenizer *t, const char *path, int *n_lines);  /* raw bytes -> ids and back */
int golden_decode(const carat_tokenizer *t, const char *path, int *n_lines); /* ids -> bytes, whole and as a stream */

#endif
