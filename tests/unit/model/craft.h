/* craft.h - writes small or hostile GGUF files: headers as asked, vectors of ones, matrices as a hole of zeros.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_CRAFT_H
#define CT_TESTS_CRAFT_H

#include "base/buf.h"
#include "format/gguf.h"

typedef struct craft {
    ct_buf kv, tensors;
    ct_buf norms;                   /* where each vector of F32 lies: two u64, offset and length */
    uint64_t n_kv, n_tensors, data; /* data: bytes of tensor data so far */
} craft;

void craft_init(craft *c);
void craft_deinit(craft *c);

void craft_text(craft *c, const char *key, const char *v);
void craft_f32(craft *c, const char *key, float v);
/* Any integer kind; v is cut to its width. */
void craft_int(craft *c, const char *key, ct_gguf_kind kind, int64_t v);
void craft_bools(craft *c, const char *key, const bool *v, size_t n);
void craft_texts(craft *c, const char *key, const char *const *v, size_t n);
void craft_tensor(craft *c, const char *name, ct_type type, uint64_t cols, uint64_t rows); /* rows 0: a vector */

/* The keys and tensors of a whole text model of this configuration, all weights of one type. */
typedef struct craft_shape {
    uint32_t n_layer, hidden, ffn, n_head, n_kv_head, head_dim, n_vocab, window, context;
    ct_type type;
} craft_shape;

void craft_tensors(craft *c, const craft_shape *s);

/* Writes the file; a matrix is a hole, so even a huge one costs no disk. */
void craft_save(const craft *c, const char *path);

#endif
