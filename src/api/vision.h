/* vision.h - which vision tower goes with a model, and what it is.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_API_VISION_H
#define CT_API_VISION_H

#include "base/buf.h"
#include "model/model.h"
#include "vision/vision.h"

/* Where the tower of a model stands: mmproj if that is given, the model's own file or folder if it describes one, else
 * the one mmproj file (*mmproj*.gguf) in the same folder; "" if there is none. Errors: CARAT_EARG (several files, with
 * their names). */
bool ct_vision_find(const ct_model *m, const char *mmproj, char out[4096], carat_err *err);

typedef struct ct_vision_facts {
    ct_vision_config shape;
    ct_vision_size size;
} ct_vision_facts;

/* Reads the tower's headers; types gets "BF16 300, F32 140". Errors as ct_vision_open. */
bool ct_vision_describe(const char *path, size_t text_width, const ct_kernels *k, int n_threads, bool exact,
                        ct_vision_facts *out, ct_buf *types, carat_err *err);

#endif
