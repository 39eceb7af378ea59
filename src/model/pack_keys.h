/* pack_keys.h - a model's description as a pack has it: keys and tensors of its GGUF files, without data.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_MODEL_PACK_KEYS_H
#define CT_MODEL_PACK_KEYS_H

#include "model/checkpoint.h"

/* The text model's: every key, and the tensors that it is made of. out is initialised. Errors: CARAT_EUNSUPPORTED (a folder; a
 * pack), CARAT_ENOMEM. */
bool ct_pack_text_keys(const ct_checkpoint *c, ct_buf *out, carat_err *err);
/* The tower's. Of a file that holds the text model too, the vocabulary is left out. */
bool ct_pack_tower_keys(const ct_checkpoint *c, ct_buf *out, carat_err *err);

#endif
