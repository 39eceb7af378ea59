/* One conversation: tokens in, logits out.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "base/size.h"

#define DEFAULT_CTX 8192

static bool resolve_ctx(const carat_engine *e, size_t *n_ctx, carat_err *err)
{
    size_t max = e->model->cfg.context;
    if (*n_ctx == 0)
        *n_ctx = max < DEFAULT_CTX ? max : DEFAULT_CTX;
    if (*n_ctx > max)
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "a context of %zu tokens was asked for, the model has %zu",
                          *n_ctx, max);
    return true;
}

/* A chunk, and the rest of an image that begins in it. */
static size_t n_inputs(const carat_engine *e)
{
    return e->chunk + e->max_batch;
}

static carat_kv_options kv_options(const carat_engine *e, size_t n_ctx)
{
    return (carat_kv_options){
        .context = n_ctx,
        .max_batch = e->max_batch < n_ctx ? e->max_batch : n_ctx,
        .elem = e->is_exact ? CARAT_KV_F32 : CARAT_KV_F16,
    };
}

bool carat_session_bytes(const carat_engine *e, size_t n_ctx, uint64_t *bytes, carat_err *err)
{
    if (!resolve_ctx(e, &n_ctx, err))
        return false;
    const carat_kv_options o = kv_options(e, n_ctx);
    size_t kv, all = n_ctx * (sizeof(int32_t) + sizeof(uint64_t)) + e->model->cfg.n_vocab * sizeof(float) +
                     n_inputs(e) * sizeof(carat_input);
    if (!carat_kv_bytes(&e->model->cfg, &o, &kv) || !carat_add_size(kv, all, &all))
        return carat_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "a context of %zu tokens does not fit the address space",
                          n_ctx);
    *bytes = all;
    return true;
}

bool carat_session_open(carat_engine *e, size_t n_ctx, carat_session **out, carat_err *err)
{
    *out = NULL;
    if (!resolve_ctx(e, &n_ctx, err))
        return false;
    carat_session *s = calloc(1, sizeof *s);
    if (!s)
        return carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a session");
    s->engine = e;
    s->n_ctx = n_ctx;
    s->ids = calloc(n_ctx, sizeof *s->ids);
    s->logits = calloc(e->model->cfg.n_vocab, sizeof *s->logits);
    s->keys = calloc(n_ctx, sizeof *s->keys);
    s->inputs = calloc(n_inputs(e), sizeof *s->inputs);
    const carat_kv_options o = kv_options(e, n_ctx);
    bool ok = s->ids && s->keys && s->logits && s->inputs;
    if (!ok)
        carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a session of %zu tokens", n_ctx);
    if (!ok || !carat_kv_open_alone(&e->model->cfg, &o, &s->kv, err)) {
        carat_session_close(s);
        return false;
    }
    *out = s;
    return true;
}

void carat_session_close(carat_session *s)
{
    if (!s)
        return;
    carat_kv_close(s->kv);
    free(s->ids);
    free(s->keys);
    free(s->logits);
    free(s->inputs);
    free(s);
}

size_t carat_session_n_ctx(const carat_session *s)
{
    return s->n_ctx;
}

size_t carat_session_n_tokens(const carat_session *s)
{
    return s->n_tokens;
}

const int32_t *carat_session_tokens(const carat_session *s)
{
    return s->ids;
}

const float *carat_session_logits(const carat_session *s)
{
    return s->has_logits ? s->logits : NULL;
}

void carat_session_cancel(carat_session *s)
{
    atomic_store(&s->cancel, true);
}

/* ---- evaluating ---- */

typedef struct evaluation {
    carat_session *s;
    const carat_stream *stream;
    carat_on_logits *on_logits;
    void *arg;
    size_t n_images, n_seen; /* of the stream from where the evaluation begins */
} evaluation;

static bool cancelled(carat_err *err, size_t done, size_t n)
{
    return carat_fail(err, CARAT_ECANCELLED, CARAT_NOWHERE, "cancelled after %zu of %zu tokens", done, n);
}

static bool on_layer(void *arg, size_t done, size_t total)
{
    const evaluation *v = arg;
    carat_session *s = v->s;
    return !atomic_load(&s->cancel) && (!s->progress || s->progress(s->progress_arg, CARAT_PHASE_IMAGE,
                                                                     v->n_seen * total + done, v->n_images * total));
}

/* Puts the rows of the images among the inputs of positions [from, from + n) in their places. */
static bool set_rows(evaluation *v, size_t from, size_t n, carat_err *err)
{
    carat_session *s = v->s;
    const carat_stream *t = v->stream;
    size_t n_places, first = carat_stream_places(t, from, from + n, &n_places), hidden = s->engine->model->cfg.hidden;
    if (n_places)
        carat_sight_begin(s->engine->sight);
    for (size_t i = first; i < first + n_places; i++) {
        const float *rows = carat_sight_rows(s->engine->sight, t->places[i].view, on_layer, v, err);
        if (!rows)
            return false;
        for (size_t k = 0; k < t->n_soft; k++)
            s->inputs[t->places[i].at + k - from].row = rows + k * hidden;
        v->n_seen++;
    }
    return true;
}

/* One chunk from position `from` of the stream, under the engine's lock: the step, then the logits somebody wants: of
 * every row for on_logits, of the last row when the chunk is the last. *taken: its tokens. */
static bool run_chunk(evaluation *v, size_t from, size_t *taken, carat_err *err)
{
    carat_session *s = v->s;
    carat_engine *e = s->engine;
    const carat_stream *t = v->stream;
    size_t window = t->n - from < n_inputs(e) ? t->n - from : n_inputs(e);
    carat_stream_inputs(t, from, window, s->inputs);
    size_t n = carat_text_cut(s->inputs, window, e->chunk), base = s->n_tokens;
    if (!set_rows(v, from, n, err))
        return false;
    const carat_span span = { .kv = s->kv, .tokens = s->inputs, .n = n };
    if (!carat_text_step(e->text, &span, 1, NULL, err))
        return false;
    memcpy(s->ids + base, t->ids + from, n * sizeof *s->ids);
    memcpy(s->keys + base, t->keys + from, n * sizeof *s->keys);
    s->n_tokens += n;
    s->has_logits = false;
    bool is_last = from + n == t->n;
    for (size_t row = v->on_logits ? 0 : n - 1; row < n && (v->on_logits || is_last); row++) {
        if (!carat_text_logits(e->text, &row, 1, s->logits, err))
            return false;
        if (v->on_logits && !v->on_logits(v->arg, base + row, s->logits, e->model->cfg.n_vocab))
            return carat_fail(err, CARAT_ECANCELLED, CARAT_NOWHERE, "cancelled");
    }
    s->has_logits = v->on_logits || is_last;
    *taken = n;
    return true;
}

bool carat_session_extend(carat_session *s, const carat_stream *stream, size_t from, carat_on_logits *on_logits,
                          void *arg, carat_err *err)
{
    evaluation v = { .s = s, .stream = stream, .on_logits = on_logits, .arg = arg };
    size_t n = stream->n - from;
    carat_stream_places(stream, from, stream->n, &v.n_images);
    if (n > s->n_ctx - s->n_tokens)
        return carat_fail(err, CARAT_ECONTEXT, CARAT_NOWHERE,
                          "%zu tokens do not fit the context of %zu; the model allows up to %u", s->n_tokens + n,
                          s->n_ctx, s->engine->model->cfg.context);
    bool ok = true;
    for (size_t done = 0, taken = 0; ok && done < n; done += taken) {
        if (atomic_load(&s->cancel))
            return cancelled(err, done, n);
        pthread_mutex_lock(&s->engine->lock);
        ok = run_chunk(&v, from + done, &taken, err);
        pthread_mutex_unlock(&s->engine->lock);
        if (ok && s->progress && !s->is_generating && !s->progress(s->progress_arg, CARAT_PHASE_PROMPT, done + taken, n) && done + taken < n)
            ok = cancelled(err, done + taken, n);
    }
    return ok;
}

/* Ids without images; borrowed for the call. */
static bool append_ids(carat_session *s, const int32_t *ids, size_t n, carat_on_logits *on_logits, void *arg,
                       carat_err *err)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || (size_t)ids[i] >= s->engine->model->cfg.n_vocab)
            return carat_fail(err, CARAT_EARG, i, "token id %d, the vocabulary has 0 to %u", ids[i],
                              s->engine->model->cfg.n_vocab - 1);
    carat_stream t = { .ids = (int32_t *)(uintptr_t)ids, .n = n, .keys = calloc(n + 1, sizeof *t.keys) };
    if (!t.keys)
        return carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu tokens", n);
    carat_stream_text_keys(ids, n, t.keys);
    bool ok = carat_session_extend(s, &t, 0, on_logits, arg, err);
    free(t.keys);
    return ok;
}

bool carat_session_append(carat_session *s, const int32_t *ids, size_t n, carat_err *err)
{
    return carat_session_append_logits(s, ids, n, NULL, NULL, err);
}

bool carat_session_append_logits(carat_session *s, const int32_t *ids, size_t n, carat_on_logits *on_logits, void *arg,
                                 carat_err *err)
{
    bool ok = append_ids(s, ids, n, on_logits, arg, err);
    atomic_store(&s->cancel, false);
    return ok;
}

static bool can_take(const carat_session *s, const carat_prompt *p, carat_err *err)
{
    const carat_sight *sight = s->engine->sight;
    if (p->stream.n_places && !sight)
        return carat_refuse_pictures(s->engine, err);
    if (p->stream.n_places && carat_sight_shape(sight)->tokens_per_image != p->stream.n_soft)
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "a prompt made for another model: %zu tokens an image",
                          p->stream.n_soft);
    return true;
}

bool carat_session_append_prompt(carat_session *s, const carat_prompt *p, carat_on_logits *on_logits, void *arg,
                                 carat_err *err)
{
    bool ok = can_take(s, p, err) && carat_session_extend(s, &p->stream, 0, on_logits, arg, err);
    atomic_store(&s->cancel, false);
    return ok;
}

bool carat_session_prompt(carat_session *s, const carat_prompt *p, size_t *cached, carat_err *err)
{
    const carat_stream *t = &p->stream;
    *cached = 0;
    if (!can_take(s, p, err))
        return false;
    if (t->n == 0)
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "an empty prompt");
    /* The last token is computed in any case, so that there are logits. */
    size_t same = carat_stream_same(s->keys, s->n_tokens, t->keys, t->n);
    same = carat_stream_whole(t->keys, t->n, same < t->n ? same : t->n - 1);
    if (!carat_session_rewind(s, same, cached, err))
        return false;
    bool ok = carat_session_extend(s, t, *cached, NULL, NULL, err);
    atomic_store(&s->cancel, false);
    return ok;
}

void carat_session_on_progress(carat_session *s,
                               bool (*fn)(void *arg, carat_phase phase, uint64_t done, uint64_t total), void *arg)
{
    s->progress = fn;
    s->progress_arg = arg;
}

bool carat_session_rewind(carat_session *s, size_t n, size_t *kept, carat_err *err)
{
    if (n > s->n_tokens)
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "rewind to %zu tokens, the session has %zu", n, s->n_tokens);
    n = carat_kv_rewind(s->kv, carat_stream_whole(s->keys, s->n_tokens, n));
    if (n != s->n_tokens)
        s->has_logits = false;
    s->n_tokens = n;
    *kept = n;
    return true;
}
