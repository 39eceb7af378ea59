/* haystack.h - made-up words, sentences, and texts of so many tokens.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_EVAL_HAYSTACK_H
#define CT_EVAL_HAYSTACK_H

#include "base/buf.h"
#include "base/err.h"

typedef struct ct_eval_drawing {
    uint64_t state;
    const carat_tokenizer *tokenizer;
} ct_eval_drawing;

size_t ct_eval_draw(ct_eval_drawing *d, size_t below);
/* A pronounceable word that is none: "temaru". n: its syllables; 0: two to four, and perhaps a consonant. */
void ct_eval_draw_word(ct_eval_drawing *d, size_t n, char *out, size_t size);
void ct_eval_draw_digits(ct_eval_drawing *d, int n, char *out, size_t size);
/* SIZE_MAX: it cannot be tokenised. */
size_t ct_eval_tokens(const ct_eval_drawing *d, const char *text);

/* Sentences, at most `tokens` tokens of them, with the needles [n] among them, each at a drawn place, in their order if in_order. is_noise: the
 * same few sentences over and over; else drawn ones. False: no room for the needles, or no memory. */
bool ct_eval_haystack(ct_eval_drawing *d, bool is_noise, size_t tokens, char *const *needles, size_t n, bool in_order,
                      ct_buf *out);

#endif
