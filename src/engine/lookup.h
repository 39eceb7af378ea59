/* lookup.h - prompt lookup: a text that says something again probably goes on as it did before.
 *
 *     text   ... the cat sat on the mat . <and so on> ... the cat sat
 *                                                                  ^ its end; "on the mat ." is what may come
 *
 * Nothing is kept between two calls: the text is searched from its end for the last two tokens, and of the places where
 * they stand the one that agrees longest with the end wins, of equal ones the latest. 8192 tokens take a few microseconds.
 *
 * Source: prompt lookup decoding (A. Saxena, 2023); LLMA, "Inference with Reference", arXiv:2304.04487.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_ENGINE_LOOKUP_H
#define CT_ENGINE_LOOKUP_H

#include <stddef.h>
#include <stdint.h>

#define CT_LOOKUP_LEAST 2  /* tokens that must agree: one alone stands anywhere */
#define CT_LOOKUP_MOST  32 /* more are not compared */

/* What may follow ids [n]: at most `most` ids into out; returns how many. *agree: how many tokens at the end of ids stand
 * before them, CT_LOOKUP_LEAST to CT_LOOKUP_MOST. A text that repeats itself goes on doing so: what follows may be longer
 * than what stands behind the place. */
size_t ct_lookup(const int32_t *ids, size_t n, int32_t *out, size_t most, size_t *agree);

/* Where an answer stood in a text that it is expected to be like: behind `at` tokens of it, when it had n. Zeroed at first. */
typedef struct ct_lookup_place {
    size_t at, n;
} ct_lookup_place;

/* The same from such a text: from its beginning where the answer [n] has no token yet, else from where the answer stands by
 * now; where it does not agree there, from where it agrees longest, of equal places the next. */
size_t ct_lookup_in(const int32_t *text, size_t n_text, ct_lookup_place *place, const int32_t *answer, size_t n,
                    int32_t *out, size_t most, size_t *agree);

#endif
