/* gguf.h - GGUF v2 and v3, single or split files.
 *
 * Source: the GGUF specification (ggml/docs/gguf.md). Opening maps the file(s), checks every count, offset, size and
 * overflow against the file's size before using it, and builds a directory; it reads no tensor data. Limits: 2^20
 * tensors, 2^16 metadata keys, 64 MiB of directory memory beyond the copy of the header, nested arrays refused.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_FORMAT_GGUF_H
#define CT_FORMAT_GGUF_H

#include "format/tensors.h"

typedef struct ct_gguf ct_gguf;

typedef enum ct_gguf_kind {
    CT_GGUF_U8,
    CT_GGUF_I8,
    CT_GGUF_U16,
    CT_GGUF_I16,
    CT_GGUF_U32,
    CT_GGUF_I32,
    CT_GGUF_F32,
    CT_GGUF_BOOL,
    CT_GGUF_STR,
    CT_GGUF_ARR,
    CT_GGUF_U64,
    CT_GGUF_I64,
    CT_GGUF_F64,
} ct_gguf_kind;

#define CT_GGUF_ALIGNMENT 32 /* of tensors' data, unless general.alignment states another */

typedef struct ct_str { /* not NUL-terminated, points into the copy of the header */
    const char *data;
    size_t len;
} ct_str;

typedef struct ct_gguf_kv {
    const char *key; /* NUL-terminated copy */
    ct_gguf_kind kind;
    ct_gguf_kind elem;   /* of an array */
    uint64_t count;      /* elements of an array, else 1 */
    const uint8_t *data; /* first byte of the value (of the first element); strings are u64 length + bytes */
    size_t bytes;
} ct_gguf_kv;

/* Opens a file, of which it maps what the header needs: tensor data is read through ct_tensor_window. For a split file (name-00001-of-0000N.gguf, split.count metadata) any part opens all of them. Errors:
 * CARAT_EIO, CARAT_EFORMAT (with the offset), CARAT_EUNSUPPORTED (v1, big-endian, an unknown tensor type),
 * CARAT_ELIMIT, CARAT_ENOMEM. */
bool ct_gguf_open(const char *path, ct_gguf **out, carat_err *err);
void ct_gguf_close(ct_gguf *g); /* accepts NULL */

/* The same from bytes the caller keeps until close (aligned as malloc aligns); path only names them in messages. A part
 * of a split file is refused (CARAT_EUNSUPPORTED): the others cannot be found. */
bool ct_gguf_open_memory(const char *path, const void *data, size_t size, ct_gguf **out, carat_err *err);

/* The same of a head alone: keys and tensors, whose data cannot be read. */
bool ct_gguf_open_head(const char *path, const void *data, size_t size, ct_gguf **out, carat_err *err);

const ct_tensors *ct_gguf_tensors(const ct_gguf *g);
const char *ct_gguf_path(const ct_gguf *g);
uint64_t ct_gguf_file_bytes(const ct_gguf *g);    /* all parts */
uint64_t ct_gguf_mapped_bytes(const ct_gguf *g);  /* of the file(s), while open */
size_t ct_gguf_directory_bytes(const ct_gguf *g); /* heap held beyond that copy, at most 64 MiB */

size_t ct_gguf_n_kv(const ct_gguf *g);
const ct_gguf_kv *ct_gguf_kv_at(const ct_gguf *g, size_t i);
const ct_gguf_kv *ct_gguf_find(const ct_gguf *g, const char *key); /* NULL if absent */

/* Typed readers: absent leaves *out untouched and returns true; a wrong kind or a value out of range is CARAT_EFORMAT.
 * Any integer kind (and a float with an integral value) is accepted where an integer is requested. */
bool ct_gguf_int(const ct_gguf *g, const char *key, int64_t min, int64_t max, int64_t *out, carat_err *err);
bool ct_gguf_num(const ct_gguf *g, const char *key, double *out, carat_err *err);
bool ct_gguf_bool(const ct_gguf *g, const char *key, bool *out, carat_err *err);
bool ct_gguf_text(const ct_gguf *g, const char *key, ct_str *out, carat_err *err);

/* Elements of an array, already bounds-checked at opening. String arrays are walked in order with a cursor that starts
 * zeroed: ct_gguf_next_str returns false at the end, and for a key that is not an array of strings. */
typedef struct ct_gguf_cursor {
    size_t off;
    uint64_t i;
} ct_gguf_cursor;
bool ct_gguf_next_str(const ct_gguf_kv *kv, ct_gguf_cursor *c, ct_str *out);
double ct_gguf_elem_num(const ct_gguf_kv *kv, uint64_t i); /* numeric and bool arrays; NaN outside them */

#endif
