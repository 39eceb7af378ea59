/* gguf_write.h - writes a GGUF v3 file: metadata first, then tensor data streamed in order.
 *
 * Usage: open, add metadata, declare every tensor, then give each tensor's data in the declared order (in any number of
 * pieces), then finish. The file is written under a temporary name and renamed by finish: nothing half-written stays.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_FORMAT_GGUF_WRITE_H
#define CARAT_FORMAT_GGUF_WRITE_H

#include "format/gguf.h"

typedef struct carat_gguf_writer carat_gguf_writer;

/* Errors of create: CARAT_EIO, CARAT_ENOMEM. A key or tensor given twice, a name or size that cannot be, anything added
 * after the first data: CARAT_EARG, at the next call that returns bool. */
bool carat_gguf_create(const char *path, carat_gguf_writer **out, carat_err *err);
void carat_gguf_writer_u32(carat_gguf_writer *w, const char *key, uint32_t v);
void carat_gguf_writer_f32(carat_gguf_writer *w, const char *key, float v);
void carat_gguf_writer_bool(carat_gguf_writer *w, const char *key, bool v);
void carat_gguf_writer_text(carat_gguf_writer *w, const char *key, const char *v);
void carat_gguf_writer_texts(carat_gguf_writer *w, const char *key, const carat_str *v, size_t n);
void carat_gguf_writer_i32s(carat_gguf_writer *w, const char *key, const int32_t *v, size_t n);
void carat_gguf_writer_f32s(carat_gguf_writer *w, const char *key, const float *v, size_t n);
/* Copies a key as it stands in another file. general.alignment and split.* are passed over: the new file has its own
 * alignment, 32, and is whole. */
void carat_gguf_writer_copy(carat_gguf_writer *w, const carat_gguf_kv *kv);
void carat_gguf_writer_tensor(carat_gguf_writer *w, const char *name, carat_type type, uint32_t n_dims,
                              const uint64_t *dims);
/* The next bytes of tensor data; padding between tensors is the writer's own. */
bool carat_gguf_writer_data(carat_gguf_writer *w, const void *data, size_t len, carat_err *err);
/* Errors gathered so far (memory, disk, sizes that do not add up) come out here. Frees w in every case. */
bool carat_gguf_finish(carat_gguf_writer *w, carat_err *err);
void carat_gguf_abandon(carat_gguf_writer *w); /* removes the temporary file; accepts NULL */

#endif
