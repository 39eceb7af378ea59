/* draft.h - where guesses of an answer's next tokens come from: the prompt itself, a smaller model, a table.
 *
 * A guess costs a token of a step and is never believed: the step evaluates it, and the generator samples as it would
 * have without. Where that gives the guessed token, the token after it comes in the same step. So an answer is the same
 * with any source, token for token and bit for bit, and only its steps are fewer.
 *
 * A job owns one source and closes it. It is asked by one thread at a time.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_ENGINE_DRAFT_H
#define CT_ENGINE_DRAFT_H

#include <stddef.h>
#include <stdint.h>

typedef struct ct_draft {
    void *self;
    /* What may follow ids [n], which are the prompt's and the answer's so far: at most `most` ids into out; returns how
     * many. What follows an id that is none of the vocabulary's is dropped. Called once for every step of the answer,
     * with n larger each time. */
    size_t (*propose)(void *self, const int32_t *ids, size_t n, int32_t *out, size_t most);
    void (*close)(void *self);
} ct_draft;

#endif
