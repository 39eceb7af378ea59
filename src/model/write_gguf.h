/* write_gguf.h - a model's configuration and vocabulary as the keys of a GGUF file.
 *
 * Read again by ct_config_from_gguf and ct_tokenizer_from_gguf they say the same. Names of keys: GGUF specification, "LLM",
 * and llama.cpp's converter for Gemma 3.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_MODEL_WRITE_GGUF_H
#define CT_MODEL_WRITE_GGUF_H

#include "format/gguf_write.h"
#include "model/model.h"

/* general.architecture, general.name and those of the architecture. */
void ct_write_config_keys(ct_gguf_writer *w, const ct_config *c);
/* Those of a model that was read from a folder, with its vocabulary (padded to the table's rows) and chat template. Errors:
 * CARAT_ENOMEM. */
bool ct_write_model_keys(ct_gguf_writer *w, const ct_model *m, carat_err *err);

/* Those of a tower in a file of its own, as llama.cpp's converter has them (mmproj). */
void ct_write_tower_keys(ct_gguf_writer *w, const ct_vision_config *c, size_t text_width);
/* Those that say the tower's shape, behind "clip" or, beside the text model, "gemma3". */
void ct_write_tower_shape(ct_gguf_writer *w, const ct_vision_config *c, const char *arch);

#endif
