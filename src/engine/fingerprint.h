/* fingerprint.h - a hash that tells models apart, for files that are of use with one model only.
 *
 * SHA-256 over the shape, and of every matrix its type, size, and the first and last 4 KiB as packed; norms whole. So
 * it takes milliseconds for any model, and two models with the same value differ nowhere that training would leave
 * alone.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_ENGINE_FINGERPRINT_H
#define CT_ENGINE_FINGERPRINT_H

#include "model/model.h"

#define CT_FINGERPRINT 32 /* bytes */

/* scale: how input embeddings are scaled; it changes what the cache holds. */
void ct_fingerprint(const ct_model *m, carat_embed_scale scale, uint8_t out[CT_FINGERPRINT]);

#endif
