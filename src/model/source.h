/* source.h - the file or folder a model is read from: the two containers behind one directory of tensors.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_MODEL_SOURCE_H
#define CARAT_MODEL_SOURCE_H

#include "format/safetensors.h"
#include "model/model.h"

typedef struct carat_source {
    const char *path;
    carat_gguf *gguf; /* one of the two */
    carat_safetensors *st;
    const carat_tensors *tensors;
    char prefix[40]; /* of HF tensor names: "model.", "language_model.model.", ... */
} carat_source;

/* Opens the container and reads the configuration; the data is looked at by carat_tensor_window. On failure close it
 * all the same. */
bool carat_source_open(carat_source *s, const char *path, bool trust_header, carat_config *cfg, carat_err *err);
/* The same for the vision weights that stand in `path`: a folder, an mmproj GGUF, or a GGUF with text and tower. *v is
 * checked. Errors besides the containers' own: CARAT_EUNSUPPORTED (a model without a vision tower). */
bool carat_source_open_vision(carat_source *s, const char *path, carat_vision_config *v, carat_err *err);
void carat_source_close(carat_source *s);

/* The tensor of exactly this name. Errors: CARAT_EFORMAT (none), CARAT_EUNSUPPORTED (of a dtype that is not read). */
bool carat_source_find(const carat_source *s, const char *name, const carat_tensor **out, carat_err *err);

/* The tensor of a part, its shape checked. Errors name the tensor, the shape found and the one expected. */
bool carat_source_tensor(const carat_source *s, const carat_config *c, carat_part part, size_t layer,
                         const carat_tensor **out, carat_err *err);

/* Is there any tensor in the layers' name space that Gemma 3 does not have, or that lies past the last layer? Then the
 * file is not what its header says. */
bool carat_source_no_strangers(const carat_source *s, const carat_config *c, carat_err *err);

/* Tokenizer, end ids of generation_config.json and the chat template, if any. */
bool carat_source_tokenizer(const carat_source *s, carat_tokenizer **out, carat_err *err);
void carat_source_more_eos(const carat_source *s, carat_config *c);
char *carat_source_template(const carat_source *s);

uint64_t carat_source_bytes(const carat_source *s);
uint64_t carat_source_mapped_bytes(const carat_source *s); /* of them, as long as it is open: headers */

/* "folder/name" into buf; false if it does not fit. */
bool carat_source_join(const char *folder, const char *name, char buf[4096]);

#endif
