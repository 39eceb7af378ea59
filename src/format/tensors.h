/* tensors.h - what every container hands out: a directory of named tensors over a file's bytes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_FORMAT_TENSORS_H
#define CT_FORMAT_TENSORS_H

#include "base/map.h"
#include "quant/types.h"

#define CT_MAX_DIMS 4

typedef struct ct_tensor {
    const char *name; /* borrowed from the container, NUL-terminated, printable */
    ct_type type;
    uint32_t n_dims;            /* 1..4 */
    uint64_t dims[CT_MAX_DIMS]; /* dims[0] is the fastest: a matrix y = W x is { cols, rows }; unused ones are 1 */
    const uint8_t *data;        /* aligned to an F32, F16 or BF16; NULL: readable through ct_tensor_window only */
    size_t bytes;               /* exactly row_bytes(dims[0]) * the other dims */
    const ct_map *map;          /* the file; closed where the bytes are the caller's */
    size_t offset;              /* of the data in the file, checked to lie within it */
} ct_tensor;

/* A set of tensors, sorted by name. Filled by gguf.c and safetensors.c; the containers own the memory. */
typedef struct ct_tensors {
    ct_tensor *items;
    size_t n;
} ct_tensors;

const ct_tensor *ct_tensors_find(const ct_tensors *t, const char *name); /* NULL if absent */

/* Reads the bytes [off, off + len) of a tensor, which must lie inside it. Errors: those of ct_window_open,
 * CARAT_EUNSUPPORTED (nobody has its data: a pack's, ct_gguf_open_head). */
bool ct_tensor_window(const ct_tensor *t, size_t off, size_t len, ct_window *w, carat_err *err);
/* The same with ct_window_prepare: ct_window_read then brings the bytes, piece by piece. */
bool ct_tensor_prepare(const ct_tensor *t, size_t off, size_t len, ct_window *w, carat_err *err);

/* For the containers' readers. The first sorts the tensors of one map by offset and refuses two that share a byte; the
 * second sorts the whole set by name and refuses two of one name. Errors: CARAT_EFORMAT. */
bool ct_tensors_check_overlap(ct_tensor *items, size_t n, carat_err *err);
bool ct_tensors_sort(ct_tensors *t, carat_err *err);

/* "[2560, 10240]", rows last as in GGUF listings; for messages. */
const char *ct_tensor_shape(const ct_tensor *t, char buf[96]);

#endif
