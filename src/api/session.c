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

static carat_kv_options kv_options(const carat_engine *e, size_t n_ctx)
{
    return (carat_kv_options){
        .context = n_ctx,
        .max_batch = e->chunk < n_ctx ? e->chunk : n_ctx,
        .elem = e->is_exact ? CARAT_KV_F32 : CARAT_KV_F16,
    };
}

bool carat_session_bytes(const carat_engine *e, size_t n_ctx, uint64_t *bytes, carat_err *err)
{
    if (!resolve_ctx(e, &n_ctx, err))
        return false;
    const carat_kv_options o = kv_options(e, n_ctx);
    size_t kv, all = n_ctx * sizeof(int32_t) + e->model->cfg.n_vocab * sizeof(float) + e->chunk * sizeof(carat_input);
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
    s->inputs = calloc(e->chunk, sizeof *s->inputs);
    const carat_kv_options o = kv_options(e, n_ctx);
    bool ok = s->ids && s->logits && s->inputs;
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

/* One chunk, under the engine's lock: the step, then the logits somebody wants: of every row for on_logits, of the last
 * row when the chunk is the last. */
static bool run_chunk(carat_session *s, const int32_t *ids, size_t n, bool is_last, carat_on_logits *on_logits,
                      void *arg, carat_err *err)
{
    carat_engine *e = s->engine;
    size_t n_vocab = e->model->cfg.n_vocab;
    for (size_t i = 0; i < n; i++)
        s->inputs[i] = (carat_input){ .id = ids[i] };
    const carat_span span = { .kv = s->kv, .tokens = s->inputs, .n = n };
    if (!carat_text_step(e->text, &span, 1, NULL, err))
        return false;
    size_t base = s->n_tokens;
    memcpy(s->ids + base, ids, n * sizeof *ids);
    s->n_tokens += n;
    s->has_logits = false;
    for (size_t row = on_logits ? 0 : n - 1; row < n && (on_logits || is_last); row++) {
        if (!carat_text_logits(e->text, &row, 1, s->logits, err))
            return false;
        if (on_logits && !on_logits(arg, base + row, s->logits, n_vocab))
            return carat_fail(err, CARAT_ECANCELLED, CARAT_NOWHERE, "cancelled");
    }
    s->has_logits = on_logits || is_last;
    return true;
}

bool carat_session_extend(carat_session *s, const int32_t *ids, size_t n, carat_on_logits *on_logits, void *arg,
                          carat_err *err)
{
    if (n > s->n_ctx - s->n_tokens)
        return carat_fail(err, CARAT_ECONTEXT, CARAT_NOWHERE,
                          "%zu tokens do not fit the context of %zu; the model allows up to %u", s->n_tokens + n,
                          s->n_ctx, s->engine->model->cfg.context);
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || (size_t)ids[i] >= s->engine->model->cfg.n_vocab)
            return carat_fail(err, CARAT_EARG, i, "token id %d, the vocabulary has 0 to %u", ids[i],
                              s->engine->model->cfg.n_vocab - 1);
    bool ok = true;
    for (size_t done = 0; ok && done < n;) {
        size_t m = n - done < s->engine->chunk ? n - done : s->engine->chunk;
        if (atomic_load(&s->cancel)) {
            ok = carat_fail(err, CARAT_ECANCELLED, CARAT_NOWHERE, "cancelled after %zu of %zu tokens", done, n);
            break;
        }
        pthread_mutex_lock(&s->engine->lock);
        ok = run_chunk(s, ids + done, m, done + m == n, on_logits, arg, err);
        pthread_mutex_unlock(&s->engine->lock);
        done += m;
    }
    return ok;
}

bool carat_session_append(carat_session *s, const int32_t *ids, size_t n, carat_err *err)
{
    bool ok = carat_session_extend(s, ids, n, NULL, NULL, err);
    atomic_store(&s->cancel, false);
    return ok;
}

bool carat_session_append_logits(carat_session *s, const int32_t *ids, size_t n, carat_on_logits *on_logits, void *arg,
                                 carat_err *err)
{
    bool ok = carat_session_extend(s, ids, n, on_logits, arg, err);
    atomic_store(&s->cancel, false);
    return ok;
}

bool carat_session_rewind(carat_session *s, size_t n, size_t *kept, carat_err *err)
{
    if (n > s->n_tokens)
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "rewind to %zu tokens, the session has %zu", n, s->n_tokens);
    n = carat_kv_rewind(s->kv, n);
    if (n != s->n_tokens)
        s->has_logits = false;
    s->n_tokens = n;
    *kept = n;
    return true;
}
