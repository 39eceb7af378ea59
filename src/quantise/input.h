/* input.h - inside quantise/: the tensors of a model's file or folder, by the names that a GGUF file gives them.
 *
 * A GGUF file: a Gemma 3, an EmbeddingGemma, or a vision tower (mmproj). A folder of safetensors: the text model of a
 * Gemma 3, or an EmbeddingGemma; that a tower stands in it too is noted, and the tower is opened apart.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_QUANTISE_INPUT_H
#define CT_QUANTISE_INPUT_H

#include "format/gguf_write.h"
#include "model/source.h"
#include "model/tower.h"

typedef struct ct_input_tensor {
    char name[72];
    const ct_tensor *t;
    ct_part part; /* CT_N_PARTS: none of the text model's */
    size_t layer;
    bool is_vision; /* of a tower */
    bool is_matrix; /* may be quantised */
    bool adds_one;  /* a folder's norm: GGUF files have the 1 of y = x (1 + w) inside */
    bool is_vector; /* of a folder's tower: float32 in GGUF files */
} ct_input_tensor;

typedef struct ct_input { /* zero-initialised */
    const char *path;     /* borrowed */
    ct_source src;
    ct_model *model; /* with its vocabulary; NULL of a tower */
    ct_config cfg;   /* of the model */
    ct_tower *tower; /* of a folder, when that is what was opened */
    bool is_tower;
    bool leaves_tower;        /* a folder, in which a tower stands too */
    ct_input_tensor *tensors; /* in the order in which they lie in the input */
    size_t n;
} ct_input;

/* Everything that is stated is checked: configuration, tensors, vocabulary. Errors: those of ct_model_describe,
 * ct_model_read_vocab and ct_source_open_vision. Close it in any case. */
bool ct_input_open(ct_input *in, const char *path, carat_err *err);
void ct_input_close(ct_input *in);

/* tower.c: the tower of a folder, by llama.cpp's names, for a text model of this width. Errors: those of ct_tower_describe;
 * CARAT_EARG (no folder), CARAT_EUNSUPPORTED (one whose patches are in another order). Close it in any case. */
bool ct_input_open_tower(ct_input *in, const char *path, size_t text_width, carat_err *err);

/* Inside input.c and tower.c: what a tensor is, by its name; in the order in which they lie in the input. */
void ct_input_describe(ct_input_tensor *i, const ct_tensor *t);
void ct_input_sort(ct_input *in);

/* Writes every key but those of how it is quantised. Errors: CARAT_ENOMEM. */
bool ct_input_write_keys(const ct_input *in, ct_gguf_writer *w, carat_err *err);

/* Rows [begin, begin + n) of a tensor as float32, [n][dims[0]]: a norm with its one. bytes: theirs in the input. */
void ct_input_unpack(const ct_input_tensor *t, const uint8_t *bytes, size_t n, float *out);
size_t ct_input_rows(const ct_input_tensor *t);
size_t ct_input_row_bytes(const ct_input_tensor *t);

#endif
