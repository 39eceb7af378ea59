/* A sequence: its tokens, their keys and values, and the hidden state of the last one, kept in step.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/seq.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"

bool ct_seq_bytes(size_t n_ctx, size_t n_hidden, size_t *out)
{
    size_t tokens, hidden;
    return ct_mul_size(n_ctx, sizeof(int32_t) + sizeof(uint64_t), &tokens) &&
           ct_mul_size(n_hidden, sizeof(float), &hidden) && ct_kv_list_bytes(n_ctx, out) &&
           ct_add_size(*out, tokens, out) && ct_add_size(*out, hidden, out);
}

static bool take_memory(ct_seq *s, carat_err *err)
{
    s->ids = calloc(s->n_ctx, sizeof *s->ids);
    s->keys = calloc(s->n_ctx, sizeof *s->keys);
    s->hidden = calloc(s->n_hidden, sizeof *s->hidden);
    return (s->ids && s->keys && s->hidden) ||
           ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a session of %zu tokens", s->n_ctx);
}

bool ct_seq_open(ct_seq *s, ct_cache *cache, size_t n_ctx, size_t n_hidden, carat_err *err)
{
    *s = (ct_seq){ .n_ctx = n_ctx, .n_hidden = n_hidden };
    return ct_kv_open(cache, n_ctx, &s->kv, err) && take_memory(s, err);
}

void ct_seq_close(ct_seq *s)
{
    ct_kv_close(s->kv);
    free(s->ids);
    free(s->keys);
    free(s->hidden);
    *s = (ct_seq){ 0 };
}

void ct_seq_set_blend(ct_seq *s, const ct_blend *blend)
{
    s->blend = blend;
    ct_kv_set_variant(s->kv, blend ? blend->variant : 0);
}

bool ct_seq_fork(const ct_seq *s, ct_seq *out, carat_err *err)
{
    *out = (ct_seq){
        .n_ctx = s->n_ctx, .n = s->n, .n_hidden = s->n_hidden, .has_hidden = s->has_hidden, .blend = s->blend
    };
    if (!ct_kv_fork(s->kv, &out->kv, err) || !take_memory(out, err)) {
        ct_seq_close(out);
        return false;
    }
    memcpy(out->ids, s->ids, s->n * sizeof *s->ids);
    memcpy(out->keys, s->keys, s->n * sizeof *s->keys);
    memcpy(out->hidden, s->hidden, s->n_hidden * sizeof *s->hidden);
    return true;
}

size_t ct_seq_rewind(ct_seq *s, size_t n)
{
    size_t had = s->n;
    s->n = ct_kv_rewind(s->kv, ct_stream_whole(s->keys, s->n, n));
    s->has_hidden = s->has_hidden && s->n == had;
    return s->n;
}

void ct_seq_resume(ct_seq *s, const ct_stream *stream, size_t max)
{
    s->n = ct_kv_resume(s->kv, stream->keys, stream->n, max);
    memcpy(s->ids, stream->ids, s->n * sizeof *s->ids);
    memcpy(s->keys, stream->keys, s->n * sizeof *s->keys);
    s->has_hidden = false;
}

void ct_seq_grow_unshared(ct_seq *s, const int32_t *ids, const uint64_t *keys, size_t n, size_t row)
{
    const ct_backend *b = ct_kv_backend(s->kv);
    memcpy(s->ids + s->n, ids, n * sizeof *ids);
    memcpy(s->keys + s->n, keys, n * sizeof *keys);
    b->hidden(b->self, row, s->hidden);
    s->n += n;
    s->has_hidden = true;
}

void ct_seq_grow(ct_seq *s, const int32_t *ids, const uint64_t *keys, size_t n, size_t row)
{
    ct_seq_grow_unshared(s, ids, keys, n, row);
    ct_kv_label(s->kv, keys, n);
}
