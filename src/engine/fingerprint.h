/* fingerprint.h - a hash that tells models apart, for files that are of use with one model only.
 *
 * SHA-256 over the shape, and of every matrix its type, size, and the first and last 4 KiB as packed; norms whole. So
 * it takes milliseconds for any model, and two models with the same value differ nowhere that training would leave
 * alone.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_ENGINE_FINGERPRINT_H
#define CARAT_ENGINE_FINGERPRINT_H

#include "model/model.h"

#define CARAT_FINGERPRINT 32 /* bytes */

/* scale: how input embeddings are scaled; it changes what the cache holds. */
void carat_fingerprint(const carat_model *m, carat_embed_scale scale, uint8_t out[CARAT_FINGERPRINT]);

#endif
