/* make_files.h - writes a vocabulary as the two Hugging Face files, so that all three sources are tested with the real
 * one without a download.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_TOKENIZER_MAKE_FILES_H
#define CT_TESTS_TOKENIZER_MAKE_FILES_H

#include "vocab_file.h"

/* As tokenizer.json: the merges are all splits into two pieces, in the order of Hugging Face's converter; t (the same
 * vocabulary, open) is asked for the pieces. as_strings: merges as "left right", the older form. */
bool make_tokenizer_json(const vocab_file *v, const carat_tokenizer *t, bool as_strings, ct_buf *out);

/* As tokenizer.model. */
bool make_tokenizer_model(const vocab_file *v, ct_buf *out);

#endif
