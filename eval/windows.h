/* windows.h - a long text as windows that a model reads one by one, and which of their tokens count.
 *
 * sliding     the text is tokenised without <bos>. Every window is <bos> and the next window - 1 tokens, the next window begins
 *             stride tokens later; each token of the text counts once, in the first window that has it. So all tokens count,
 *             the last too; those at a window's beginning have been read with at least window - 1 - stride tokens before them.
 * llama.cpp   as llama-perplexity does by default: one newline at the end of the text is taken off, <bos> is put in front of the
 *             tokens, and they are cut into whole windows (what is left over does not count); the first token of every window is
 *             replaced by <bos>. The tokens at places window / 2 + 1 to window - 1 count. Nothing is carried over.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_EVAL_WINDOWS_H
#define CT_EVAL_WINDOWS_H

#include "base/err.h"

typedef enum ct_eval_protocol { CT_EVAL_SLIDING, CT_EVAL_LLAMA_CPP } ct_eval_protocol;
const char *ct_eval_protocol_name(ct_eval_protocol p); /* "sliding", "llama.cpp" */
size_t ct_eval_default_window(ct_eval_protocol p);     /* 2048; 512 */

typedef struct ct_eval_windows {
    ct_eval_protocol protocol;
    size_t window, stride; /* tokens, <bos> included; of llama.cpp stride is the window */
    size_t n_tokens;       /* of the text, without <bos> */
    size_t n;              /* windows */
    int32_t bos, *ids;     /* [1 + n_tokens], <bos> first */
    uint64_t hash;         /* of bos and the text's tokens */
} ct_eval_windows;

/* window 0: the protocol's default; stride 0: half of the window. Errors: CARAT_EARG (a window or stride that cannot be; a text
 * that is too short: with both counts), CARAT_EUNSUPPORTED (a vocabulary without <bos>), CARAT_ELIMIT, CARAT_ENOMEM. */
bool ct_eval_windows_open(ct_eval_windows *w, const carat_tokenizer *t, ct_eval_protocol protocol, size_t window,
                          size_t stride, const char *text, size_t len, carat_err *err);
/* The same of ids [n], <bos> first, that are known already. Takes them, also when it fails. */
bool ct_eval_windows_of_ids(ct_eval_windows *w, ct_eval_protocol protocol, size_t window, size_t stride, int32_t *ids,
                            size_t n, carat_err *err);
void ct_eval_windows_close(ct_eval_windows *w);                     /* accepts a zeroed one */
void ct_eval_windows_hash(const ct_eval_windows *w, char hash[17]); /* hexadecimal, of bos and the text's tokens */

/* Window i: its tokens into ids [window], *n of them; those from *first on count. */
void ct_eval_windows_get(const ct_eval_windows *w, size_t i, int32_t *ids, size_t *n, size_t *first);
/* How many of its tokens count. */
size_t ct_eval_windows_counted(const ct_eval_windows *w, size_t i);

#endif
