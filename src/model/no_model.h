/* no_model.h - messages for paths that people take for a model: what is there instead, and the way out.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_MODEL_NO_MODEL_H
#define CT_MODEL_NO_MODEL_H

#include "base/json.h"

/* A folder without config.json, or without safetensors: a LoRA adapter, a cache of the hub, PyTorch archives, GGUF
 * files. lacks: what it should have. Returns false with CARAT_EIO. */
bool ct_refuse_folder(const char *folder, const char *lacks, carat_err *err);

/* A path that is not there, which may be meant as a model's name. Returns false with CARAT_EIO. */
bool ct_refuse_name(const char *path, carat_err *err);

/* After a file was found to be no GGUF: an importance matrix has had a format without a mark of its own, so its name tells.
 * Returns false. */
bool ct_explain_file(const char *path, carat_err *err);

/* How a folder's weights were quantised, for a message: "gptq (4 bits)"; "" if nothing says that they were. */
void ct_quantised_by(const char *folder, const json_t *config, char out[64]);

/* Is there such a file in the folder? */
bool ct_has_file(const char *folder, const char *name);

#endif
