/* mask.h - which tokens may come next in an answer: the interface of a grammar, a list of choices, a tool call.
 *
 * A mask follows one answer token by token. The generator owns it, calls it from one thread at a time, and closes it.
 * The generator handles tokens that end a turn, by may_end: a mask's accept never gets one. Other control tokens, which have
 * no text, a grammar lets come in free text alone, and so those whose text means none (<unused7>), unless the form has such text.
 *
 * The generator samples freely and calls `allows` for the one token it has drawn; only if that is refused does it call
 * `fill` and draw again among the allowed (sample/sampler.h). So a mask that seldom refuses costs little, and `fill`
 * may take the time of a pass over the vocabulary.
 *
 *   until the answer ends:  forced?   ids that are accepted without sampling
 *                           allows(id drawn)?  else fill, draw again
 *                           accept(id)
 *
 * Biases and bans of the settings hold beside the mask: what they forbid is not drawn even if it is allowed. They do
 * not hold for forced tokens.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SAMPLE_MASK_H
#define CT_SAMPLE_MASK_H

#include "base/err.h"

typedef struct ct_mask {
    void *self;
    const char *name; /* for messages: "the JSON schema"; lives as long as the mask */

    /* May this token come next? It is in the vocabulary and does not end a turn. Does not change the mask's state. */
    bool (*allows)(void *self, int32_t id);

    /* Writes every word of bits [(n_vocab + 31) / 32]: bit i % 32 of word i / 32 is what allows(i) returns. Bits past
     * the vocabulary, and those of tokens that end a turn, may be anything. False: *err has the reason, and the answer
     * fails. */
    bool (*fill)(void *self, uint32_t *bits, carat_err *err);

    /* How many of the next tokens, at most `most`, have no alternative, their ids in ids [most]. 0 where there is a
     * choice, where the answer may end instead, or where the mask cannot determine it: this is a shortcut, and the
     * answer is the same without it. Does not change the mask's state: those that are used are passed to accept, one by
     * one. */
    size_t (*forced)(void *self, int32_t *ids, size_t most);

    /* The next token of the answer: it was allowed or forced. */
    void (*accept)(void *self, int32_t id);

    /* May the answer end here? */
    bool (*may_end)(const void *self);

    void (*close)(void *self);
} ct_mask;

#endif
