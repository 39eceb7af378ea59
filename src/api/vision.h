/* vision.h - which vision tower goes with a model, and what it is.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_API_VISION_H
#define CARAT_API_VISION_H

#include "base/buf.h"
#include "model/model.h"
#include "vision/vision.h"

/* Where the tower of a model stands: mmproj if that is given, the model's own file or folder if it describes one, else
 * the one mmproj file (*mmproj*.gguf) in the same folder; "" if there is none. Errors: CARAT_EARG (several files, with
 * their names). */
bool carat_vision_find(const carat_model *m, const char *mmproj, char out[4096], carat_err *err);

typedef struct carat_vision_facts {
    carat_vision_config shape;
    carat_vision_size size;
} carat_vision_facts;

/* Reads the tower's headers; types gets "BF16 300, F32 140". Errors as carat_vision_open. */
bool carat_vision_describe(const char *path, size_t text_width, const carat_kernels *k, int n_threads, bool exact,
                           carat_vision_facts *out, carat_buf *types, carat_err *err);

#endif
