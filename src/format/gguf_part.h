/* gguf_part.h - inside the GGUF reader: one file of a possibly split model, and how its bytes become a directory.
 *
 * gguf.c opens files and puts parts together, gguf_parse.c reads one part's header, gguf_value.c reads values.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_FORMAT_GGUF_PART_H
#define CT_FORMAT_GGUF_PART_H

#include "format/gguf.h"
#include "format/kept_names.h"

#define CT_GGUF_MAX_TENSORS   ((size_t)1 << 20)
#define CT_GGUF_MAX_KV        ((size_t)1 << 16)
#define CT_GGUF_MAX_DIRECTORY ((size_t)64 << 20)
#define CT_GGUF_MAX_KEY       65535 /* specification: at most 2^16 - 1 bytes */
#define CT_GGUF_MAX_NAME      64    /* specification: tensor names at most 64 bytes */

typedef struct ct_gguf_part {
    ct_map map;          /* zeroed when the bytes are the caller's */
    const uint8_t *data; /* the file's bytes, as many as are copied: gguf_parse.c's reach() */
    size_t size;
    size_t elsewhere; /* bytes of tensor data that are not in the file: a head alone */
    ct_gguf_kv *kv;   /* in the file's order */
    const ct_gguf_kv **sorted;
    size_t n_kv, n_tensor;
    int64_t split_no, split_count, split_tensors; /* 0, 0 and -1 when the keys are absent */
} ct_gguf_part;

struct ct_gguf {
    char *path;
    ct_gguf_part **part; /* [n_part]; metadata is part 0's; a half-open one has NULLs */
    size_t n_part;
    ct_tensors tensors; /* of all parts */
    ct_names names;
    size_t directory_bytes; /* without the names */
};

/* Reads the header in p->data: fills p's keys and appends its tensors to g->tensors, sorted by offset. Messages do not
 * name the file. What was allocated belongs to g and p also on failure. */
bool ct_gguf_parse(ct_gguf *g, ct_gguf_part *p, carat_err *err);

bool ct_gguf_part_int(const ct_gguf_part *p, const char *key, int64_t min, int64_t max, int64_t *out, carat_err *err);

/* Bytes of one value of a kind; 0 for strings, arrays and unknown kinds. */
size_t ct_gguf_kind_bytes(uint32_t kind);
const char *ct_gguf_kind_name(uint32_t kind); /* "u32"; "unknown" */

#endif
