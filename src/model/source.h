/* source.h - the file or folder a model is read from: the containers behind one directory of tensors.
 *
 * A pack (format/pack_file.h) is a GGUF file of which the head alone can be read; its weights are a backend's.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_MODEL_SOURCE_H
#define CT_MODEL_SOURCE_H

#include "format/pack_file.h"
#include "format/safetensors.h"
#include "model/model.h"

struct ct_source {
    char *path;         /* a copy */
    ct_gguf *gguf;      /* one of the two */
    ct_pack_file *pack; /* whose head gguf is; NULL: none */
    ct_safetensors *st;
    ct_safetensors *dense[2]; /* of a folder's encoder, where it has them (sentence.h) */
    const ct_tensors *tensors;
    char prefix[40];       /* of HF tensor names: "model.", "language_model.model.", ... */
    char quantised_by[64]; /* a folder's weights, as its configuration has it; "" */
};

/* Opens the container and reads the configuration; tensor data is read through ct_tensor_window. Close it even after a
 * failure. */
bool ct_source_open(ct_source *s, const char *path, bool trust_header, ct_config *cfg, carat_err *err);
/* The same for the vision weights in `path`: a folder, an mmproj GGUF, or a GGUF with text and tower. *v is checked.
 * Errors besides the containers' own: CARAT_EUNSUPPORTED (a model without a vision tower). */
bool ct_source_open_vision(ct_source *s, const char *path, ct_vision_config *v, carat_err *err);
void ct_source_close(ct_source *s);

/* After tensors were missing or of another type: where the weights are quantised, that is what the message says instead.
 * Returns false. */
bool ct_source_explain(const ct_source *s, carat_err *err);

/* The tensor of exactly this name. Errors: CARAT_EFORMAT (none), CARAT_EUNSUPPORTED (of a dtype that is not read). */
bool ct_source_find(const ct_source *s, const char *name, const ct_tensor **out, carat_err *err);

/* The name of the output head where the file holds one, whatever the header states: in a folder it lies outside the
 * inner model. NULL: there is none. */
const char *ct_source_head(const ct_source *s);
/* Sets c->tied by the tensors: true if there is no head, or one that equals the embedding table byte for byte (which is
 * then held once). A head that differs is used. Where the header states something else, c gets a note. Errors: those
 * of ct_source_tensor, CARAT_EIO. */
bool ct_source_settle_head(const ct_source *s, ct_config *c, carat_err *err);

/* The tensor of a part, its shape checked. Errors name the tensor, the shape found and the one expected. */
bool ct_source_tensor(const ct_source *s, const ct_config *c, ct_part part, size_t layer, const ct_tensor **out,
                      carat_err *err);

/* Is there any tensor in the layers' name space that Gemma 3 does not have, or that lies past the last layer? Then the
 * file contradicts its header. */
bool ct_source_no_strangers(const ct_source *s, const ct_config *c, carat_err *err);

/* The tokenizer; what else stands beside the weights: beside.h. */
bool ct_source_tokenizer(const ct_source *s, carat_tokenizer **out, carat_err *err);

uint64_t ct_source_bytes(const ct_source *s);
uint64_t ct_source_mapped_bytes(const ct_source *s); /* of them, as long as it is open: headers */

/* "folder/name" into buf; false if it does not fit. */
bool ct_source_join(const char *folder, const char *name, char buf[4096]);

#endif
