/* tower.h - the vision tower of a model that is not there: a file of headers alone.
 *
 * ct_vision_bytes asks a file. For a published model it gets one whose tensors are holes: an mmproj GGUF in memory
 * that has every header and no data, so that the figure comes from the very code that loads a tower.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_WEIGH_TOWER_H
#define CT_WEIGH_TOWER_H

#include "model/config.h"
#include "quant/types.h"

/* Makes the file: matrices of `type` (F32, F16, BF16, Q8_0; the projector is F16 at least), positions, patches, norms
 * and biases as converters write them, F32. *fd is to be closed; *tensor_bytes is what its tensors would take. Errors:
 * CARAT_EARG (a type that does not fit), CARAT_ELIMIT, CARAT_EIO. */
bool ct_weigh_tower_file(const ct_vision_config *v, size_t text_width, ct_type type, int *fd, uint64_t *tensor_bytes,
                         uint64_t *n_params, carat_err *err);

#endif
