/* draw.h - temperature, top-k, top-p, min-p, and one draw from what they leave.
 *
 * By definition: all logits sorted, best first, ties by id; weights w = exp(scale (x - max)) with scale = 1 / temperature
 * (1 for CARAT_TEMP_LAST). Top-k keeps the first k, top-p of these the fewest whose weights add up to p of all of these,
 * min-p those of at least min_p of the first one's. Then the first token, in the order of the list or, where more than
 * CT_MOST_LISTED could be left, of ids, at which the sum of the weights exp((x - max) / temperature) exceeds `number` of
 * their total.
 *
 * Nothing is sorted but what is left. For each border (of top-p, of the draw) quick weights with a known error decide
 * (weights.h); where it lies within that error, exp decides. So the token is the definition's unless a border lies within
 * the rounding of the definition's own sums: n doubles added up in two orders differ by n 2^-52 of their total at most, for
 * 262,144 tokens 6e-11. Of a draw from a thousand, each with a border, that is a chance of 1e-7.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SAMPLE_DRAW_H
#define CT_SAMPLE_DRAW_H

#include "carat.h"
#include "sample/select.h"

/* The most candidates of a draw that are listed, on the stack. */
#define CT_MOST_LISTED 1024

/* temperature > 0; best: the largest logit of the row, finite; number: in [0, 1). Takes no memory but 50 KiB of the
 * stack. */
int32_t ct_draw(const carat_sampling *set, const ct_logit_row *r, float best, double number);

#endif
