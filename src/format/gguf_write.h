/* gguf_write.h - writes a GGUF v3 file: metadata first, then tensor data streamed in order.
 *
 * Usage: open, add metadata, declare every tensor, then give each tensor's data in the declared order (in any number of
 * pieces), then finish. The file is written under a temporary name and renamed by finish: nothing half-written stays.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_FORMAT_GGUF_WRITE_H
#define CT_FORMAT_GGUF_WRITE_H

#include "base/buf.h"
#include "format/gguf.h"

typedef struct ct_gguf_writer ct_gguf_writer;

/* Errors of create: CARAT_EIO, CARAT_ENOMEM. A key or tensor given twice, an invalid name or size, anything added after
 * the first data: CARAT_EARG, at the next call that returns bool. */
bool ct_gguf_create(const char *path, ct_gguf_writer **out, carat_err *err);
/* A writer of a head alone, without data or a file; path is for messages. */
bool ct_gguf_create_head(const char *path, ct_gguf_writer **out, carat_err *err);
/* Ends it: *out, initialised, gets the head. Errors as ct_gguf_finish. Frees w in every case. */
bool ct_gguf_finish_head(ct_gguf_writer *w, ct_buf *out, carat_err *err);
void ct_gguf_writer_u32(ct_gguf_writer *w, const char *key, uint32_t v);
void ct_gguf_writer_f32(ct_gguf_writer *w, const char *key, float v);
void ct_gguf_writer_bool(ct_gguf_writer *w, const char *key, bool v);
void ct_gguf_writer_text(ct_gguf_writer *w, const char *key, const char *v);
void ct_gguf_writer_texts(ct_gguf_writer *w, const char *key, const ct_str *v, size_t n);
void ct_gguf_writer_i32s(ct_gguf_writer *w, const char *key, const int32_t *v, size_t n);
void ct_gguf_writer_f32s(ct_gguf_writer *w, const char *key, const float *v, size_t n);
/* Copies a key as it stands in another file. general.alignment and split.* are skipped: the new file has its own
 * alignment, 32, and is not split. */
void ct_gguf_writer_copy(ct_gguf_writer *w, const ct_gguf_kv *kv);
void ct_gguf_writer_tensor(ct_gguf_writer *w, const char *name, ct_type type, uint32_t n_dims, const uint64_t *dims);
/* The next bytes of tensor data; padding between tensors is the writer's own. */
bool ct_gguf_writer_data(ct_gguf_writer *w, const void *data, size_t len, carat_err *err);
/* Reports any error so far (memory, disk, sizes that do not add up). Frees w in every case. */
bool ct_gguf_finish(ct_gguf_writer *w, carat_err *err);
void ct_gguf_abandon(ct_gguf_writer *w); /* removes the temporary file; accepts NULL */

#endif
