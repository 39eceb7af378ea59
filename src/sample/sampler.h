/* sampler.h - logits -> one token.
 *
 * The steps, in order: logit bias; repetition, presence and frequency penalties over the window of recent tokens;
 * tokens that may never be sampled are removed; then temperature, top-k, top-p, min-p, and one draw. That is the order
 * of Hugging Face's generate, which the model maker's settings (1.0 / 64 / 0.95 / 0) were stated for; CARAT_TEMP_LAST
 * puts the temperature after the filters, as llama.cpp does. At temperature 0 the largest logit wins, the lowest id of
 * equals, and no filter or seed matters.
 *
 * Nothing sorts the vocabulary: one pass finds the largest logits with a bounded heap (top-k) or weighs them in a
 * histogram (top-p alone), and only the survivors are sorted. Where more than 1024 may survive, or with neither,
 * nothing is listed: a cut through the vocabulary determines the candidates, and the draw goes through them in the
 * order of ids. So a sampler's memory is its settings' and its window's, and does not grow with the vocabulary. What the
 * definition is, and how near to it this comes, is in draw.h.
 *
 * Reproducible: the token depends on the logits' bits, the settings, the history and the number of draws since the
 * seed, nothing else. Ties go to the lower id.
 *
 * Sources: top-k arXiv:1805.04833; top-p arXiv:1904.09751; min-p arXiv:2407.01082; repetition penalty arXiv:1909.05858
 * (divide positive, multiply negative logits); presence and frequency penalties as in OpenAI's API reference.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SAMPLE_SAMPLER_H
#define CT_SAMPLE_SAMPLER_H

#include "base/err.h"

typedef struct ct_sampler ct_sampler;

/* As carat_sampling_check. */
bool ct_sampling_check(const carat_sampling *s, carat_err *err);

/* n_vocab logits a call; banned[n_banned] are ids never sampled (image placeholders), besides those >= n_pieces.
 * Copies what it needs, the settings' biases included. Errors: CARAT_EARG with the setting's name, value and range;
 * CARAT_ENOMEM. */
bool ct_sampler_open(const carat_sampling *settings, size_t n_vocab, size_t n_pieces, const int32_t *banned,
                     size_t n_banned, ct_sampler **out, carat_err *err);
void ct_sampler_close(ct_sampler *s);

/* A token that penalties count: the prompt's, then each one sampled. */
void ct_sampler_accept(ct_sampler *s, int32_t id);

/* A token is sampled in two calls. prepare changes the row in place (biases, penalties, removals), once, and takes the
 * random numbers of the token; draw leaves row and sampler as they are and may be called on the row it was prepared for
 * any number of times: the same set of allowed ids gives the same token each time.
 *
 * Errors: CARAT_EARG when the biases forbid every token; CARAT_ENUMERIC when no logit is finite or any is NaN or
 * +infinity; CARAT_ENOMEM. */
bool ct_sampler_prepare(ct_sampler *s, float *logits, carat_err *err);
/* allowed: bits of the ids that may come (uint32_t words, bit i % 32 of word i / 32), NULL: all. The filters go by what
 * is allowed: top-k is the k likeliest of these. Does not accept the token: the caller does. -1: nothing allowed has a
 * finite logit (never with NULL). Takes no memory but 50 KiB of the stack.
 *
 * To draw among all, and a second time among the allowed where the first is refused, is to draw from the allowed: the
 * second draw has a random number of its own. (With top-k and the like: from what they leave of all, or else of these.)
 */
int32_t ct_sampler_draw(const ct_sampler *s, const float *logits, const uint32_t *allowed);
/* How many of the likeliest a draw chooses among; 0: it may be any number. Given the set of so many of the likeliest that
 * are allowed, it draws what it draws from the set of all that are. */
size_t ct_sampler_reach(const ct_sampler *s);
/* A token was not sampled but given: its random numbers go unused, so that those that follow have theirs. */
void ct_sampler_skip(ct_sampler *s);

/* The logit of a token that may be sampled as it was before prepare; of the row that was prepared last, or of one that
 * was not prepared but skipped. */
float ct_sampler_raw(const ct_sampler *s, const float *logits, int32_t id);

#endif
