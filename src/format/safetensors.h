/* safetensors.h - a Hugging Face folder's weights: model.safetensors, or shards named by model.safetensors.index.json.
 *
 * Source: the safetensors format description (8-byte header length, JSON header, data). The header is at most 100 MB;
 * data_offsets must lie in the file, match shape and dtype exactly, and not overlap. Dtypes F32, F16, BF16; tensors of
 * other dtypes are left out of the directory but remembered, so that a model that needs one is refused with
 * CARAT_EUNSUPPORTED and the dtype's name.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_FORMAT_SAFETENSORS_H
#define CT_FORMAT_SAFETENSORS_H

#include "format/tensors.h"

typedef struct ct_safetensors ct_safetensors;

/* path: a folder, or one .safetensors file. Maps the headers: tensor data is read through ct_tensor_window. Errors: CARAT_EIO, CARAT_EFORMAT, CARAT_ELIMIT, CARAT_ENOMEM. */
bool ct_safetensors_open(const char *path, ct_safetensors **out, carat_err *err);
void ct_safetensors_close(ct_safetensors *s); /* accepts NULL */

/* One file from bytes the caller keeps until close (aligned as malloc aligns); path only names them in messages. */
bool ct_safetensors_open_memory(const char *path, const void *data, size_t size, ct_safetensors **out, carat_err *err);
const ct_tensors *ct_safetensors_tensors(const ct_safetensors *s);
uint64_t ct_safetensors_file_bytes(const ct_safetensors *s);
uint64_t ct_safetensors_mapped_bytes(const ct_safetensors *s); /* of the file(s), while open */
/* The dtype of a tensor that was skipped for it ("F8_E4M3"), or NULL: for the loader's message. */
const char *ct_safetensors_skipped(const ct_safetensors *s, const char *name);
/* The name of the first tensor that was skipped, with its dtype; NULL: none was. For readers to whom every tensor counts. */
const char *ct_safetensors_first_skipped(const ct_safetensors *s, const char **dtype);

#endif
