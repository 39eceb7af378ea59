/* fingerprint.h - a hash that identifies a model, for files that are valid with one model only.
 *
 * SHA-256 over the shape, and of every tensor its type, size, and the first and last 4 KiB as they stand in the file.
 * So it takes milliseconds for any model, two models with the same value differ nowhere that training would leave
 * alone, and how a backend lays out weights does not come into it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_MODEL_FINGERPRINT_H
#define CT_MODEL_FINGERPRINT_H

#include "model/source.h"

#define CT_FINGERPRINT 32 /* bytes */

/* scale: how input embeddings are scaled; it changes what the cache holds. Errors: those of ct_tensor_window. */
bool ct_fingerprint(const ct_model *m, const ct_source *src, carat_embed_scale scale, uint8_t out[CT_FINGERPRINT],
                    carat_err *err);

#endif
