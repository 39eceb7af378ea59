/* weigh.h - adds up what the rooms' own carat_*_bytes() say for a model, there or not.
 *
 * A model that is there is looked at through its headers (carat_model_peek). One that is not gets the description that
 * loading would give it: the configuration of the published shape and the types of a published mix, through the walk
 * that lays out a real one. From there on the two are weighed by the same calls.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_WEIGH_WEIGH_H
#define CARAT_WEIGH_WEIGH_H

#include "kv/cache.h"
#include "model/model.h"
#include "vision/vision.h"

/* All of a question but the context. */
typedef struct carat_scale {
    carat_weigh_query q; /* its n_ctx is not looked at */
    char name[96], quant[96], note[232];
    bool is_file, is_custom, could_see;
    const carat_model *m; /* without weights */
    carat_model *own;     /* the same, where the scale opened it */
    size_t weight_bytes;
    uint64_t tensor_bytes, vision_tensor_bytes, n_vision_params;
    carat_vision_size vision; /* zeros without a tower */
    carat_vision_config tower;
    carat_type tower_type; /* of most of its weights */
    carat_kernels kernels;
    int n_threads;
} carat_scale;

/* tower: where that of a file is, NULL if it has none. One that cannot be read is left out, and s->note says why,
 * unless mmproj or CARAT_VISION_REQUIRED asks for it. The texts of q are borrowed while opening. Errors as carat_weigh.
 * On failure close it all the same. */
bool carat_scale_open(const carat_weigh_query *q, const char *tower, carat_scale *s, carat_err *err);
void carat_scale_close(carat_scale *s);
/* n_ctx 0: the default. */
bool carat_scale_weigh(const carat_scale *s, size_t n_ctx, carat_weight *out, carat_err *err);
/* As carat_weigh_largest. */
bool carat_scale_largest(const carat_scale *s, uint64_t bytes, size_t *n_ctx, carat_err *err);

/* A model's description without a file: configuration and types. The caller closes *out (carat_model_close). */
bool carat_scale_describe(const carat_config *c, const char *quant, carat_model **out, size_t *weight_bytes,
                          uint64_t *tensor_bytes, carat_err *err);

/* Keys and values of all sessions: the one place that asks kv/. What describes pages is in each. */
typedef struct carat_scale_cache {
    uint64_t global, window; /* by kind of layer */
    uint64_t kept;           /* on top, for beginnings worth returning to */
} carat_scale_cache;
bool carat_scale_kv(const carat_config *c, const carat_cache_options *o, carat_scale_cache *out, carat_err *err);
/* What need not be written twice where all sessions begin with the same tokens. */
bool carat_scale_kv_shared(const carat_config *c, const carat_cache_options *o, size_t shared, uint64_t *out);

/* Cells that a layout with `pad` cells a unit and `beyond` cells past the window needs, times what a cell takes in
 * blocks of 32 values of block_bytes: 2 kv_heads head_dim / 32 block_bytes (G pad(T) + L min(pad(T), pad(W + beyond))).
 * gemma3-report, section 2; pad 1 and beyond 0 are its bare formula. */
double carat_scale_kv_formula(const carat_config *c, size_t n_ctx, size_t beyond, size_t pad, double block_bytes);

#endif
