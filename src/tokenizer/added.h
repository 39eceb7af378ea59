/* added.h - the added tokens of a folder whose tokenizer is a tokenizer.model alone.
 *
 *   tokenizer_config.json   "added_tokens_decoder": {"106": {"content", "special", "lstrip", "rstrip", "single_word"}}
 *   added_tokens.json       {"<image_soft_token>": 262144}: for ids that the former does not list
 *
 * They come on top of sentencepiece's pieces: behind them, or in the place of one that a fine-tune has renamed.
 *
 * Source: Hugging Face's transformers, tokenizers without a tokenizer.json.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TOKENIZER_ADDED_H
#define CT_TOKENIZER_ADDED_H

#include "base/json.h"
#include "tokenizer/tokenizer.h"

typedef struct ct_added {  /* zero-initialised by the caller */
    json_t *config, *list; /* NULL: there is no such file */
} ct_added;

/* Errors: CARAT_EIO, CARAT_EFORMAT, CARAT_ELIMIT, CARAT_ENOMEM. Deinit in any case. */
bool ct_added_load(const char *folder, ct_added *out, carat_err *err);
/* Puts them into a malloc'd array of *n pieces, which may grow and move; texts are borrowed from *a. Errors: CARAT_EFORMAT,
 * CARAT_EUNSUPPORTED (matching rules that Gemma's tokens do not have), CARAT_ENOMEM. */
bool ct_added_put(const ct_added *a, ct_piece **pieces, size_t *n, carat_err *err);
void ct_added_deinit(ct_added *a);

#endif
