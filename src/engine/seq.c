/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/seq.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"

bool carat_seq_bytes(size_t n_ctx, size_t *out)
{
    return carat_mul_size(n_ctx, sizeof(int32_t) + sizeof(uint64_t), out);
}

bool carat_seq_open(carat_seq *s, carat_cache *cache, size_t n_ctx, carat_err *err)
{
    *s = (carat_seq){ .n_ctx = n_ctx };
    if (!carat_kv_open(cache, n_ctx, &s->kv, err))
        return false;
    s->ids = calloc(n_ctx, sizeof *s->ids);
    s->keys = calloc(n_ctx, sizeof *s->keys);
    return (s->ids && s->keys) ||
           carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a session of %zu tokens", n_ctx);
}

void carat_seq_close(carat_seq *s)
{
    carat_kv_close(s->kv);
    free(s->ids);
    free(s->keys);
    *s = (carat_seq){ 0 };
}

bool carat_seq_fork(const carat_seq *s, carat_seq *out, carat_err *err)
{
    *out = (carat_seq){ .n_ctx = s->n_ctx, .n = s->n };
    if (!carat_kv_fork(s->kv, &out->kv, err))
        return false;
    out->ids = calloc(s->n_ctx, sizeof *s->ids);
    out->keys = calloc(s->n_ctx, sizeof *s->keys);
    if (!out->ids || !out->keys) {
        carat_seq_close(out);
        return carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a session of %zu tokens", s->n_ctx);
    }
    memcpy(out->ids, s->ids, s->n * sizeof *s->ids);
    memcpy(out->keys, s->keys, s->n * sizeof *s->keys);
    return true;
}

size_t carat_seq_rewind(carat_seq *s, size_t n)
{
    return s->n = carat_kv_rewind(s->kv, carat_stream_whole(s->keys, s->n, n));
}

void carat_seq_resume(carat_seq *s, const carat_stream *stream, size_t max)
{
    s->n = carat_kv_resume(s->kv, stream->keys, stream->n, max);
    memcpy(s->ids, stream->ids, s->n * sizeof *s->ids);
    memcpy(s->keys, stream->keys, s->n * sizeof *s->keys);
}

void carat_seq_grow(carat_seq *s, const int32_t *ids, const uint64_t *keys, size_t n)
{
    memcpy(s->ids + s->n, ids, n * sizeof *ids);
    memcpy(s->keys + s->n, keys, n * sizeof *keys);
    s->n += n;
    carat_kv_label(s->kv, keys, n);
}
