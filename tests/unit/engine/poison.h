/* poison.h - a copy of the tiny model with vision of which one token, and nothing else, makes activations infinite.
 *
 * The token's row of the embedding gets 3e38 in one column: finite, but not after the input's scale of sqrt(128). That
 * row is the output's too, so the last norm multiplies the column by nothing: logits of others stay what they are. What
 * else the model says changes by that, for all alike.
 *
 * Or of which every token's activations are finite and the poisonous one's logit is not: the last norm multiplies the
 * column by a thousand instead.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_POISON_H
#define CT_TESTS_POISON_H

#include <stdbool.h>
#include <stdint.h>

#define POISON   ((int32_t)501) /* ask_ids gives ids below 500 */
#define POISONED TEST_DATA "/models/tiny-sight"

/* Writes the model into a new folder, whose name goes to folder. */
bool poison_make(char folder[64]);
bool poison_make_logits(char folder[64]);
void poison_remove(const char *folder);

#endif
