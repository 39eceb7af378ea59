/* loaded.h - checkpoints loaded for the CPU by hand, for tests of what is behind the backend's table.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_LOADED_H
#define CT_TESTS_LOADED_H

#include "cpu/vision.h"
#include "cpu/weights.h"

/* A text model with its weights. */
typedef struct loaded {
    ct_model *m;
    ct_weights w;
} loaded;

bool loaded_open(const char *path, bool tokenizer, ct_pool *pool, const ct_load_progress *how, loaded *out,
                 carat_err *err);
void loaded_close(loaded *l); /* accepts one that was not opened */
/* Without weights and tokenizer, and the file closed. */
bool loaded_peek(const char *path, ct_model **out, carat_err *err);

/* A vision tower with its description. */
bool tower_open(const char *path, size_t text_width, const ct_kernels *k, ct_pool *pool, const ct_vision_options *o,
                ct_vision **out, carat_err *err);
void tower_close(ct_vision *v);
bool tower_bytes(const char *path, size_t text_width, const ct_kernels *k, int n_threads, const ct_vision_options *o,
                 ct_vision_size *out, carat_err *err);

#endif
