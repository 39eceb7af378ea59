/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/seq.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"

bool carat_seq_bytes(size_t n_ctx, size_t n_hidden, size_t *out)
{
    size_t tokens, hidden;
    return carat_mul_size(n_ctx, sizeof(int32_t) + sizeof(uint64_t), &tokens) &&
           carat_mul_size(n_hidden, sizeof(float), &hidden) && carat_kv_list_bytes(n_ctx, out) &&
           carat_add_size(*out, tokens, out) && carat_add_size(*out, hidden, out);
}

static bool take_memory(carat_seq *s, carat_err *err)
{
    s->ids = calloc(s->n_ctx, sizeof *s->ids);
    s->keys = calloc(s->n_ctx, sizeof *s->keys);
    s->hidden = calloc(s->n_hidden, sizeof *s->hidden);
    return (s->ids && s->keys && s->hidden) ||
           carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a session of %zu tokens", s->n_ctx);
}

bool carat_seq_open(carat_seq *s, carat_cache *cache, size_t n_ctx, size_t n_hidden, carat_err *err)
{
    *s = (carat_seq){ .n_ctx = n_ctx, .n_hidden = n_hidden };
    return carat_kv_open(cache, n_ctx, &s->kv, err) && take_memory(s, err);
}

void carat_seq_close(carat_seq *s)
{
    carat_kv_close(s->kv);
    free(s->ids);
    free(s->keys);
    free(s->hidden);
    *s = (carat_seq){ 0 };
}

bool carat_seq_fork(const carat_seq *s, carat_seq *out, carat_err *err)
{
    *out = (carat_seq){ .n_ctx = s->n_ctx, .n = s->n, .n_hidden = s->n_hidden, .has_hidden = s->has_hidden };
    if (!carat_kv_fork(s->kv, &out->kv, err) || !take_memory(out, err)) {
        carat_seq_close(out);
        return false;
    }
    memcpy(out->ids, s->ids, s->n * sizeof *s->ids);
    memcpy(out->keys, s->keys, s->n * sizeof *s->keys);
    memcpy(out->hidden, s->hidden, s->n_hidden * sizeof *s->hidden);
    return true;
}

size_t carat_seq_rewind(carat_seq *s, size_t n)
{
    size_t had = s->n;
    s->n = carat_kv_rewind(s->kv, carat_stream_whole(s->keys, s->n, n));
    s->has_hidden = s->has_hidden && s->n == had;
    return s->n;
}

void carat_seq_resume(carat_seq *s, const carat_stream *stream, size_t max)
{
    s->n = carat_kv_resume(s->kv, stream->keys, stream->n, max);
    memcpy(s->ids, stream->ids, s->n * sizeof *s->ids);
    memcpy(s->keys, stream->keys, s->n * sizeof *s->keys);
    s->has_hidden = false;
}

void carat_seq_grow(carat_seq *s, const int32_t *ids, const uint64_t *keys, size_t n, const float *hidden)
{
    memcpy(s->ids + s->n, ids, n * sizeof *ids);
    memcpy(s->keys + s->n, keys, n * sizeof *keys);
    memcpy(s->hidden, hidden, s->n_hidden * sizeof *hidden);
    s->n += n;
    s->has_hidden = true;
    carat_kv_label(s->kv, keys, n);
}
