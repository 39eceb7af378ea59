/* synth.h - a GGUF file of random weights in the shape of any Gemma 3 or EmbeddingGemma.
 *
 * Speed and memory do not depend on the values, so a shape and a quantisation can be tried without a download. Weights
 * are drawn from a small pool of quantised normal blocks (standard deviation 1/sqrt(cols), so that activations stay
 * finite through any number of layers), in IQ1, IQ2 and IQ3 from one of random bits with that deviation; the vocabulary
 * is a made-up one of the right size with Gemma's control tokens in their places, or copied from another file.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SYNTH_SYNTH_H
#define CT_SYNTH_SYNTH_H

#include "carat_weigh.h"
#include "format/gguf_write.h"
#include "synth/mix.h"
#include "synth/tower_file.h"

/* Tokens of a made-up vocabulary of n entries: writes tokenizer.ggml.* keys. */
bool ct_synth_vocab(ct_gguf_writer *w, size_t n, carat_err *err);

/* Writes the file under a temporary name first. progress as in carat_options, may be NULL. vocab_from: a GGUF whose
 * tokenizer.* keys are copied (its token count must equal the shape's vocabulary), or NULL. tower: a vision tower that
 * goes into the same file, or NULL.
 * Errors: CARAT_EARG (a shape out of range, a type that does not fit), CARAT_EIO, CARAT_ENOMEM, CARAT_ECANCELLED. */
bool ct_synth_write(const ct_config *c, const ct_mix *mix, uint64_t seed, const char *vocab_from,
                    const ct_synth_tower *tower, const char *path, carat_progress_fn *progress, void *arg,
                    carat_err *err);

/* carat_synth: from a published size and what differs from it. Errors: CARAT_EARG (also an unknown size or type). */
bool ct_synth_shape(const carat_shape *shape, const char *path, carat_progress_fn *progress, void *arg, carat_err *err);

#endif
