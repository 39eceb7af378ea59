/* bytes.h - crafted files written down as tables.
 *
 * A file is an array of items ending in END; the macros are the pieces a GGUF is made of:
 *
 *     static const item f[] = { HEAD(1, 1), KV_U32("a.b", 7), TENSOR1("t", 32, CT_F32, 0), PAD(32), ZERO(128), END };
 *     bytes b = make_bytes(f);
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_FORMAT_BYTES_H
#define CT_TESTS_FORMAT_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "format/gguf.h"

typedef enum item_op { OP_END, OP_U8, OP_U16, OP_U32, OP_U64, OP_RAW, OP_ZERO, OP_PAD } item_op;

typedef struct item {
    item_op op;
    uint64_t v;    /* the number; bytes of OP_ZERO and OP_RAW; the multiple of OP_PAD */
    const char *s; /* OP_RAW */
} item;

#define END                                                                                                            \
    {                                                                                                                  \
        OP_END, 0, NULL                                                                                                \
    }
#define U8(x)                                                                                                          \
    {                                                                                                                  \
        OP_U8, (uint64_t)(x), NULL                                                                                     \
    }
#define U16(x)                                                                                                         \
    {                                                                                                                  \
        OP_U16, (uint64_t)(x), NULL                                                                                    \
    }
#define U32(x)                                                                                                         \
    {                                                                                                                  \
        OP_U32, (uint64_t)(x), NULL                                                                                    \
    }
#define U64(x)                                                                                                         \
    {                                                                                                                  \
        OP_U64, (uint64_t)(x), NULL                                                                                    \
    }
#define RAW(s)                                                                                                         \
    {                                                                                                                  \
        OP_RAW, sizeof(s) - 1, s                                                                                       \
    } /* a literal, which may hold NULs */
#define ZERO(n)                                                                                                        \
    {                                                                                                                  \
        OP_ZERO, (uint64_t)(n), NULL                                                                                   \
    }
#define PAD(n)                                                                                                         \
    {                                                                                                                  \
        OP_PAD, (uint64_t)(n), NULL                                                                                    \
    }
#define STR(s) U64(sizeof(s) - 1), RAW(s)

#define HEAD(n_tensor, n_kv)             RAW("GGUF"), U32(3), U64(n_tensor), U64(n_kv)
#define KV(key, kind)                    STR(key), U32(kind)
#define KV_U32(key, v)                   KV(key, CT_GGUF_U32), U32(v)
#define KV_STR(key, s)                   KV(key, CT_GGUF_STR), STR(s)
#define KV_ARR(key, elem, n)             KV(key, CT_GGUF_ARR), U32(elem), U64(n)
#define TENSOR1(name, d0, type, off)     STR(name), U32(1), U64(d0), U32(type), U64(off)
#define TENSOR2(name, d0, d1, type, off) STR(name), U32(2), U64(d0), U64(d1), U32(type), U64(off)

typedef struct bytes {
    uint8_t *data; /* malloc'd to the exact length, so that a sanitizer sees one byte too far */
    size_t len;
} bytes;

bytes make_bytes(const item *items);
void free_bytes(bytes *b);

/* Writes a file into a fresh temporary folder and gives its path; both go with drop_file. */
typedef struct temp_file {
    char dir[64];
    char path[160];
} temp_file;
temp_file temp_new(const char *name);
void temp_write(const char *path, const void *data, size_t len);
void temp_drop(temp_file *t); /* and everything else in its folder */
/* Another name in the same folder. */
void temp_beside(const temp_file *t, const char *name, char path[160]);

/* A GGUF that must be a good one: the test fails with the message else. */
ct_gguf *open_gguf(const char *path);

#endif
