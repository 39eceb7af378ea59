/* fake.h - a model without arithmetic: what it writes at a position is a hash of all keys up to it, of the layer and of
 * the head, so that a slot says whose it is. A `text` is a sequence beside the plain list of its keys.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_UNIT_KV_FAKE_H
#define CT_TESTS_UNIT_KV_FAKE_H

#include "kernels/kernels.h"
#include "kv/kv.h"

#define TEXT_MAX 2048

typedef struct text {
    ct_kv *kv;
    uint64_t keys[TEXT_MAX + 1], hash[TEXT_MAX + 1]; /* hash[i]: of keys[0..i) */
    size_t n, labelled;
} text;

ct_config fake_config(uint32_t n_layer, uint32_t pattern, uint32_t n_kv, uint32_t dim, uint32_t window);

/* The list alone: cut to n, or longer by keys. */
void text_cut(text *t, size_t n);
void text_add(text *t, const uint64_t *keys, size_t n);

/* One step over n positions (n <= max_batch): begin, every tile written, commit; labelled if wanted. */
void fake_step(const ct_config *c, text *t, const uint64_t *keys, size_t n, bool label);
/* Steps of at most max_batch; images stay whole. */
void fake_append(const ct_config *c, text *t, const uint64_t *keys, size_t n, bool label);
/* A step that goes wrong: NaN everywhere it may write, then scrubbed. */
void fake_failed_step(const ct_config *c, text *t, size_t n);

/* Every slot that a token at the end would see, and every position of global layers, holds what its history says. */
void fake_verify(const ct_config *c, const text *t);

#endif
