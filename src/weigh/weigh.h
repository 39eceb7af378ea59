/* weigh.h - adds up what the rooms' own ct_*_bytes() and a backend's `bytes` report, for a model with or without a
 * file.
 *
 * A model with a file is described by its headers (model/checkpoint.h). One without a file gets the description that
 * its file would have: the configuration of the published shape and the types of a published mix. From there on the two
 * are weighed by the same calls.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_WEIGH_WEIGH_H
#define CT_WEIGH_WEIGH_H

#include "carat_weigh.h"
#include "engine/plan.h"
#include "model/checkpoint.h"

/* All of a question but the context. */
typedef struct ct_estimate {
    carat_weigh_query q;   /* its options are ignored */
    carat_options options; /* their n_ctx is ignored */
    char name[96], quant[96], note[232];
    bool is_file, is_custom, could_see;
    ct_desc desc;          /* adapters: added by whoever opens it, if any */
    const ct_model *draft; /* a smaller model beside it; NULL: none */
    const ct_backend *b;   /* whose `bytes` is used */
    int n_threads;
    ct_checkpoint own; /* what desc points to, where the estimate has opened or made it up */
    ct_checkpoint own_draft;
    uint64_t tensor_bytes, vision_tensor_bytes;
} ct_estimate;

/* b, on n_threads, is borrowed, and the texts of q while opening; its options are not NULL. A tower that cannot be read
 * is left out, and s->note says why, unless mmproj or CARAT_VISION_REQUIRED asks for it. Errors as carat_weigh. Close
 * it even after a failure. */
bool ct_estimate_open(const carat_weigh_query *q, const ct_backend *b, int n_threads, ct_estimate *s, carat_err *err);
void ct_estimate_close(ct_estimate *s);
/* n_ctx 0: the default. */
bool ct_estimate_weigh(const ct_estimate *s, size_t n_ctx, carat_estimate_result *out, carat_err *err);
/* As carat_weigh_largest. */
bool ct_estimate_largest(const ct_estimate *s, uint64_t bytes, size_t *n_ctx, carat_err *err);

/* A model's description without a file: configuration and types, and what its tensors would take in one. The caller
 * closes *out (ct_model_close). Errors: CARAT_EARG (an unknown quantisation), CARAT_ELIMIT, CARAT_ENOMEM. */
bool ct_estimate_describe(const ct_config *c, const char *quant, ct_model **out, uint64_t *tensor_bytes,
                          carat_err *err);

/* Keys and values of all sessions, pages and books: the one place that calls kv/. Each figure includes the descriptions
 * of its pages. */
typedef struct ct_estimate_cache {
    uint64_t global, window; /* by kind of layer */
    uint64_t kept;           /* on top, for prompt prefixes kept for reuse */
} ct_estimate_cache;
bool ct_estimate_kv(const ct_config *c, const ct_cache_options *o, ct_estimate_cache *out, carat_err *err);
/* What need not be written twice where all sessions begin with the same tokens. */
bool ct_estimate_kv_shared(const ct_config *c, const ct_cache_options *o, size_t shared, uint64_t *out);

/* Cells that a layout with `pad` cells a unit and `beyond` cells past the window needs, times what a cell takes in
 * blocks of 32 values of block_bytes: 2 kv_heads head_dim / 32 block_bytes (G pad(T) + L min(pad(T), pad(W + beyond))).
 * gemma3-report, section 2; pad 1 and beyond 0 are its bare formula. */
double ct_estimate_kv_formula(const ct_config *c, size_t n_ctx, size_t beyond, size_t pad, double block_bytes);

#endif
