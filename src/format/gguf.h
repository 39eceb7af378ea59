/* gguf.h - GGUF v2 and v3, single or split files.
 *
 * Source: the GGUF specification (ggml/docs/gguf.md). Opening maps the file(s), checks every count, offset, size and
 * overflow against the bytes that are there before using it, and builds a directory; it reads no tensor data.
 * Limits: 2^20 tensors, 2^16 metadata keys, 64 MiB of directory memory beyond the mapping, nested arrays refused.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_FORMAT_GGUF_H
#define CARAT_FORMAT_GGUF_H

#include "format/tensors.h"

typedef struct carat_gguf carat_gguf;

typedef enum carat_gguf_kind {
    CARAT_GGUF_U8,
    CARAT_GGUF_I8,
    CARAT_GGUF_U16,
    CARAT_GGUF_I16,
    CARAT_GGUF_U32,
    CARAT_GGUF_I32,
    CARAT_GGUF_F32,
    CARAT_GGUF_BOOL,
    CARAT_GGUF_STR,
    CARAT_GGUF_ARR,
    CARAT_GGUF_U64,
    CARAT_GGUF_I64,
    CARAT_GGUF_F64,
} carat_gguf_kind;

typedef struct carat_str { /* not NUL-terminated, points into the mapping */
    const char *data;
    size_t len;
} carat_str;

typedef struct carat_gguf_kv {
    const char *key; /* NUL-terminated copy */
    carat_gguf_kind kind;
    carat_gguf_kind elem; /* of an array */
    uint64_t count;       /* elements of an array, else 1 */
    const uint8_t *data;  /* first byte of the value (of the first element); strings are u64 length + bytes */
    size_t bytes;
} carat_gguf_kv;

/* Opens a file; for a split file (name-00001-of-0000N.gguf, split.count metadata) any part opens all of them.
 * Errors: CARAT_EIO, CARAT_EFORMAT (with the offset), CARAT_EUNSUPPORTED (v1, big-endian, a tensor
 * type that is not known), CARAT_ELIMIT, CARAT_ENOMEM. */
bool carat_gguf_open(const char *path, carat_gguf **out, carat_err *err);
void carat_gguf_close(carat_gguf *g); /* accepts NULL */

/* The same, but maps only what the header needs. The data of tensors is looked at by carat_tensor_window. */
bool carat_gguf_open_head(const char *path, carat_gguf **out, carat_err *err);

/* The same from bytes the caller keeps until close (aligned as malloc aligns); path only names them in messages. A part
 * of a split file is refused (CARAT_EUNSUPPORTED): there is nowhere to look for the others. */
bool carat_gguf_open_memory(const char *path, const void *data, size_t size, carat_gguf **out, carat_err *err);

const carat_tensors *carat_gguf_tensors(const carat_gguf *g);
const char *carat_gguf_path(const carat_gguf *g);
uint32_t carat_gguf_version(const carat_gguf *g);
uint64_t carat_gguf_file_bytes(const carat_gguf *g);    /* all parts */
uint64_t carat_gguf_mapped_bytes(const carat_gguf *g);  /* of them, as long as it is open */
size_t carat_gguf_directory_bytes(const carat_gguf *g); /* heap held beyond the mapping, at most 64 MiB */

size_t carat_gguf_n_kv(const carat_gguf *g);
const carat_gguf_kv *carat_gguf_kv_at(const carat_gguf *g, size_t i);
const carat_gguf_kv *carat_gguf_find(const carat_gguf *g, const char *key); /* NULL if absent */

/* Typed readers: absent leaves *out untouched and returns true; a wrong kind or a value out of range is CARAT_EFORMAT.
 * Any integer kind (and a float with an integral value) is accepted where an integer is wanted. */
bool carat_gguf_int(const carat_gguf *g, const char *key, int64_t min, int64_t max, int64_t *out, carat_err *err);
bool carat_gguf_num(const carat_gguf *g, const char *key, double *out, carat_err *err);
bool carat_gguf_bool(const carat_gguf *g, const char *key, bool *out, carat_err *err);
bool carat_gguf_text(const carat_gguf *g, const char *key, carat_str *out, carat_err *err);

/* Elements of an array, already bounds-checked at opening. For string arrays walk in order with a cursor that starts
 * zeroed: carat_gguf_next_str returns false at the end, and for anything that holds no strings. */
typedef struct carat_gguf_cursor {
    size_t off;
    uint64_t i;
} carat_gguf_cursor;
bool carat_gguf_next_str(const carat_gguf_kv *kv, carat_gguf_cursor *c, carat_str *out);
double carat_gguf_elem_num(const carat_gguf_kv *kv, uint64_t i); /* numeric and bool arrays; NaN outside them */

#endif
