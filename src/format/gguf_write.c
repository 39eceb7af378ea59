/* gguf_write.c - writes a GGUF v3 file (layout: gguf_parse.c).
 *
 * Keys and tensor declarations gather in two buffers. The first byte of data, or finish, writes the header; from then
 * on data goes straight to the file. The first error is kept and everything after it does nothing, so a caller may add
 * keys without checking each and gets the error from the next call that can return one.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "format/gguf_write.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/le.h"
#include "base/new_file.h"
#include "base/size.h"
#include "format/gguf_part.h"

#define MAX_HEADER ((size_t)512 << 20) /* a vocabulary of 262144 pieces takes 7 MB */

typedef struct declared {
    const char *name;
    uint64_t bytes;
} declared;

struct ct_gguf_writer {
    ct_new_file file;
    ct_buf kv, infos;
    ct_names names;
    const char **keys; /* [n_kv] */
    declared *tensors; /* [n_tensor] */
    size_t n_kv, n_tensor;
    uint64_t data_bytes; /* where the next declared tensor starts */
    bool in_data;        /* the header is in the file */
    size_t at;           /* the tensor whose data comes next */
    uint64_t done;       /* bytes of it written */
    carat_err err;       /* the first error; code CARAT_OK: none yet */
};

static bool good(const ct_gguf_writer *w)
{
    return w->err.code == CARAT_OK;
}

/* Hands the first error to the caller. */
static bool tell(const ct_gguf_writer *w, carat_err *err)
{
    if (err)
        *err = w->err;
    return false;
}

static void no_memory(ct_gguf_writer *w)
{
    ct_fail(&w->err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for the header (at most %zu MiB)", w->file.path,
            MAX_HEADER >> 20);
}

static void no_space(ct_gguf_writer *w)
{
    ct_fail(&w->err, CARAT_EIO, CARAT_NOWHERE, "%s: cannot be written: %s", w->file.path, strerror(errno));
}

/* ---- opening and closing ---- */

void ct_gguf_abandon(ct_gguf_writer *w)
{
    if (!w)
        return;
    ct_new_file_abandon(&w->file);
    ct_buf_deinit(&w->kv);
    ct_buf_deinit(&w->infos);
    ct_names_deinit(&w->names);
    free(w->keys);
    free(w->tensors);
    free(w);
}

bool ct_gguf_create(const char *path, ct_gguf_writer **out, carat_err *err)
{
    *out = NULL;
    ct_gguf_writer *w = calloc(1, sizeof *w);
    if (!w)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory", path);
    if (!ct_new_file_open(&w->file, path, err)) {
        free(w);
        return false;
    }
    ct_buf_init(&w->kv, MAX_HEADER);
    ct_buf_init(&w->infos, MAX_HEADER);
    *out = w;
    return true;
}

bool ct_gguf_create_head(const char *path, ct_gguf_writer **out, carat_err *err)
{
    ct_gguf_writer *w = *out = calloc(1, sizeof *w);
    if (w)
        w->file.path = strdup(path);
    if (!w || !w->file.path) {
        free(w);
        *out = NULL;
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory", path);
    }
    ct_buf_init(&w->kv, MAX_HEADER);
    ct_buf_init(&w->infos, MAX_HEADER);
    return true;
}

/* ---- the header's pieces ---- */

static void put_u32(ct_buf *b, uint32_t v)
{
    uint8_t le[4];
    ct_put_le32(le, v);
    ct_buf_add(b, le, sizeof le);
}

static void put_u64(ct_buf *b, uint64_t v)
{
    uint8_t le[8];
    ct_put_le64(le, v);
    ct_buf_add(b, le, sizeof le);
}

static void put_str(ct_buf *b, const char *s, size_t len)
{
    put_u64(b, len);
    ct_buf_add(b, s, len);
}

/* A name that the reader would refuse is refused here too. Returns the writer's own copy. */
static const char *take_name(ct_gguf_writer *w, const char *what, const char *name, size_t max)
{
    size_t len = strlen(name);
    if (w->in_data) {
        ct_fail(&w->err, CARAT_EARG, CARAT_NOWHERE, "%s: %s '%.64s' comes after the first data", w->file.path, what,
                name);
        return NULL;
    }
    if (len == 0 || len > max || ct_names_odd_byte(name, len) < len) {
        ct_fail(&w->err, CARAT_EARG, CARAT_NOWHERE,
                "%s: '%.64s' is not a valid name of a %s: 1 to %zu printable characters are expected", w->file.path,
                name, what, max);
        return NULL;
    }
    const char *copy = ct_names_keep(&w->names, name, len);
    if (!copy)
        no_memory(w);
    return copy;
}

/* Starts a key; the caller appends its value. False: there is an error, append nothing. A linear search for the same
 * key: a file has some dozens. */
static bool begin_key(ct_gguf_writer *w, const char *key, ct_gguf_kind kind)
{
    if (!good(w))
        return false;
    const char *name = take_name(w, "key", key, CT_GGUF_MAX_KEY);
    if (!name)
        return false;
    for (size_t i = 0; i < w->n_kv; i++)
        if (strcmp(w->keys[i], key) == 0)
            return ct_fail(&w->err, CARAT_EARG, CARAT_NOWHERE, "%s: key '%.64s' is given twice", w->file.path, key);
    const char **keys = realloc(w->keys, (w->n_kv + 1) * sizeof *keys);
    if (!keys) {
        no_memory(w);
        return false;
    }
    w->keys = keys;
    w->keys[w->n_kv++] = name;
    put_str(&w->kv, key, strlen(key));
    put_u32(&w->kv, kind);
    return true;
}

static bool begin_array(ct_gguf_writer *w, const char *key, ct_gguf_kind elem, size_t n)
{
    if (!begin_key(w, key, CT_GGUF_ARR))
        return false;
    put_u32(&w->kv, elem);
    put_u64(&w->kv, n);
    return true;
}

static void end_key(ct_gguf_writer *w)
{
    if (w->kv.failed)
        no_memory(w);
}

static uint32_t bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

void ct_gguf_writer_u32(ct_gguf_writer *w, const char *key, uint32_t v)
{
    if (!begin_key(w, key, CT_GGUF_U32))
        return;
    put_u32(&w->kv, v);
    end_key(w);
}

void ct_gguf_writer_f32(ct_gguf_writer *w, const char *key, float v)
{
    if (!begin_key(w, key, CT_GGUF_F32))
        return;
    put_u32(&w->kv, bits_of(v));
    end_key(w);
}

void ct_gguf_writer_bool(ct_gguf_writer *w, const char *key, bool v)
{
    if (!begin_key(w, key, CT_GGUF_BOOL))
        return;
    ct_buf_char(&w->kv, v ? 1 : 0);
    end_key(w);
}

void ct_gguf_writer_text(ct_gguf_writer *w, const char *key, const char *v)
{
    if (!begin_key(w, key, CT_GGUF_STR))
        return;
    put_str(&w->kv, v, strlen(v));
    end_key(w);
}

void ct_gguf_writer_texts(ct_gguf_writer *w, const char *key, const ct_str *v, size_t n)
{
    if (!begin_array(w, key, CT_GGUF_STR, n))
        return;
    for (size_t i = 0; i < n; i++)
        put_str(&w->kv, v[i].data, v[i].len);
    end_key(w);
}

void ct_gguf_writer_i32s(ct_gguf_writer *w, const char *key, const int32_t *v, size_t n)
{
    if (!begin_array(w, key, CT_GGUF_I32, n))
        return;
    for (size_t i = 0; i < n; i++)
        put_u32(&w->kv, (uint32_t)v[i]);
    end_key(w);
}

void ct_gguf_writer_f32s(ct_gguf_writer *w, const char *key, const float *v, size_t n)
{
    if (!begin_array(w, key, CT_GGUF_F32, n))
        return;
    for (size_t i = 0; i < n; i++)
        put_u32(&w->kv, bits_of(v[i]));
    end_key(w);
}

void ct_gguf_writer_copy(ct_gguf_writer *w, const ct_gguf_kv *kv)
{
    if (strcmp(kv->key, "general.alignment") == 0 || strncmp(kv->key, "split.", 6) == 0)
        return;
    bool ok = kv->kind == CT_GGUF_ARR ? begin_array(w, kv->key, kv->elem, (size_t)kv->count)
                                      : begin_key(w, kv->key, kv->kind);
    if (!ok)
        return;
    ct_buf_add(&w->kv, kv->data, kv->bytes);
    end_key(w);
}

/* ---- tensors ---- */

static bool tensor_bytes(ct_type type, uint32_t n_dims, const uint64_t *dims, size_t *bytes)
{
    if (n_dims < 1 || n_dims > CT_MAX_DIMS || dims[0] == 0 || dims[0] > PTRDIFF_MAX ||
        !ct_row_bytes(type, (size_t)dims[0], bytes))
        return false;
    for (uint32_t d = 1; d < n_dims; d++)
        if (dims[d] == 0 || dims[d] > PTRDIFF_MAX || !ct_mul_size(*bytes, (size_t)dims[d], bytes))
            return false;
    return true;
}

/* Remembers a tensor and its place; the names are searched one by one: a model has some hundreds. */
static bool declare(ct_gguf_writer *w, const char *name, size_t bytes)
{
    for (size_t i = 0; i < w->n_tensor; i++)
        if (strcmp(w->tensors[i].name, name) == 0)
            return ct_fail(&w->err, CARAT_EARG, CARAT_NOWHERE, "%s: tensor '%s' is declared twice", w->file.path, name);
    size_t end;
    if (!ct_add_size((size_t)w->data_bytes, bytes, &end) || !ct_align_size(end, CT_GGUF_ALIGNMENT, &end))
        return ct_fail(&w->err, CARAT_EARG, CARAT_NOWHERE, "%s: the size of all tensors overflows", w->file.path);
    declared *tensors = realloc(w->tensors, (w->n_tensor + 1) * sizeof *tensors);
    if (!tensors) {
        no_memory(w);
        return false;
    }
    w->tensors = tensors;
    w->tensors[w->n_tensor++] = (declared){ name, bytes };
    w->data_bytes = end;
    return true;
}

void ct_gguf_writer_tensor(ct_gguf_writer *w, const char *name, ct_type type, uint32_t n_dims, const uint64_t *dims)
{
    size_t bytes;
    if (!good(w))
        return;
    const char *copy = take_name(w, "tensor", name, CT_GGUF_MAX_NAME);
    if (!copy)
        return;
    if (!tensor_bytes(type, n_dims, dims, &bytes)) {
        const ct_type_info *info = ct_type_get(type);
        ct_fail(&w->err, CARAT_EARG, CARAT_NOWHERE,
                "%s: tensor '%s': not a valid size: %u dimensions, rows of %" PRIu64 ", type %s", w->file.path, copy,
                n_dims, n_dims ? dims[0] : 0, info ? info->name : "unknown");
        return;
    }
    uint64_t offset = w->data_bytes;
    if (!declare(w, copy, bytes))
        return;
    put_str(&w->infos, copy, strlen(copy));
    put_u32(&w->infos, n_dims);
    for (uint32_t d = 0; d < n_dims; d++)
        put_u64(&w->infos, dims[d]);
    put_u32(&w->infos, type);
    put_u64(&w->infos, offset);
    if (w->infos.failed)
        no_memory(w);
}

/* ---- the file ---- */

static bool emit(ct_gguf_writer *w, const void *data, size_t len)
{
    if (len == 0 || fwrite(data, 1, len, w->file.f) == len)
        return true;
    no_space(w);
    return false;
}

/* Zeros from `bytes` bytes up to the next multiple of the alignment. */
static bool pad(ct_gguf_writer *w, uint64_t bytes)
{
    static const uint8_t zeros[CT_GGUF_ALIGNMENT];
    return emit(w, zeros, (size_t)((CT_GGUF_ALIGNMENT - bytes % CT_GGUF_ALIGNMENT) % CT_GGUF_ALIGNMENT));
}

static void put_counts(const ct_gguf_writer *w, uint8_t head[24])
{
    memcpy(head, "GGUF", 4);
    ct_put_le32(head + 4, 3);
    ct_put_le64(head + 8, w->n_tensor);
    ct_put_le64(head + 16, w->n_kv);
}

static bool write_header(ct_gguf_writer *w)
{
    uint8_t head[24];
    put_counts(w, head);
    w->in_data = true;
    return emit(w, head, sizeof head) && emit(w, w->kv.data, w->kv.len) && emit(w, w->infos.data, w->infos.len) &&
           pad(w, sizeof head + w->kv.len + w->infos.len);
}

bool ct_gguf_writer_data(ct_gguf_writer *w, const void *data, size_t len, carat_err *err)
{
    if (!good(w) || (!w->in_data && !write_header(w)))
        return tell(w, err);
    for (const uint8_t *p = data; len > 0;) {
        if (w->at == w->n_tensor) {
            ct_fail(&w->err, CARAT_EARG, CARAT_NOWHERE, "%s: %zu bytes of data more than its %zu tensors take",
                    w->file.path, len, w->n_tensor);
            return tell(w, err);
        }
        uint64_t left = w->tensors[w->at].bytes - w->done;
        size_t n = len < left ? len : (size_t)left;
        if (!emit(w, p, n))
            return tell(w, err);
        p += n;
        len -= n;
        w->done += n;
        if (n == left) {
            if (!pad(w, w->done))
                return tell(w, err);
            w->at++;
            w->done = 0;
        }
    }
    return true;
}

bool ct_gguf_finish(ct_gguf_writer *w, carat_err *err)
{
    bool ok = good(w) && (w->in_data || write_header(w));
    if (ok && w->at < w->n_tensor)
        ok = ct_fail(&w->err, CARAT_EARG, CARAT_NOWHERE,
                     "%s: tensor '%s' was given %" PRIu64 " of its %" PRIu64 " bytes", w->file.path,
                     w->tensors[w->at].name, w->done, w->tensors[w->at].bytes);
    ok = ok && ct_new_file_commit(&w->file, &w->err);
    if (!ok)
        tell(w, err);
    ct_gguf_abandon(w);
    return ok;
}

bool ct_gguf_finish_head(ct_gguf_writer *w, ct_buf *out, carat_err *err)
{
    static const uint8_t zeros[CT_GGUF_ALIGNMENT];
    uint8_t head[24];
    bool ok = good(w);
    if (ok) {
        put_counts(w, head);
        ct_buf_add(out, head, sizeof head);
        ct_buf_add(out, w->kv.data, w->kv.len);
        ct_buf_add(out, w->infos.data, w->infos.len);
        ct_buf_add(out, zeros, (CT_GGUF_ALIGNMENT - out->len % CT_GGUF_ALIGNMENT) % CT_GGUF_ALIGNMENT);
        if (out->failed)
            no_memory(w);
        ok = good(w);
    }
    if (!ok)
        tell(w, err);
    ct_gguf_abandon(w);
    return ok;
}
