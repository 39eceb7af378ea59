/* One conversation: tokens in, logits and answers out.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "api/adapter.h"
#include "api/internal.h"
#include "api/sized.h"

bool carat_session_open(carat_engine *e, size_t n_ctx, carat_session **out, carat_err *err)
{
    *out = NULL;
    if (!ct_api_writes_text(e, err))
        return false;
    if (n_ctx == 0)
        n_ctx = e->plan.n_ctx;
    if (n_ctx > e->plan.n_ctx)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                       "a context of %zu tokens was requested, but the engine was opened for %zu and the model has %u",
                       n_ctx, e->plan.n_ctx, e->model->cfg.context);
    carat_session *s = calloc(1, sizeof *s);
    if (!s)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a session");
    s->engine = e;
    ct_scheduler_visit(e->scheduler);
    bool ok = ct_seq_open(&s->seq, e->cache, n_ctx, e->model->cfg.hidden, err);
    if (ok)
        ct_seq_set_blend(&s->seq, s->blend = ct_blend_hold(e->blend));
    ct_scheduler_leave(e->scheduler);
    if (!ok) {
        carat_session_close(s);
        return false;
    }
    *out = s;
    return true;
}

bool carat_session_fork(const carat_session *from, carat_session **out, carat_err *err)
{
    *out = NULL;
    carat_engine *e = from->engine;
    carat_session *s = calloc(1, sizeof *s);
    if (!s)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a session");
    s->engine = e;
    ct_scheduler_visit(e->scheduler);
    s->blend = ct_blend_hold(from->blend);
    bool ok = ct_seq_fork(&from->seq, &s->seq, err);
    ct_scheduler_leave(e->scheduler);
    if (!ok) {
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
    ct_scheduler_visit(s->engine->scheduler);
    ct_seq_close(&s->seq);
    ct_scheduler_leave(s->engine->scheduler);
    ct_blend_drop(s->blend);
    free(s->logits);
    free(s);
}

bool carat_session_use_adapters(carat_session *s, const carat_adapter_use *uses, size_t n, carat_err *err)
{
    ct_blend *blend;
    if (!ct_api_blend(s->engine, uses, n, &blend, err))
        return false;
    if ((blend ? blend->variant : 0) == (s->blend ? s->blend->variant : 0)) {
        ct_blend_drop(blend);
        return true;
    }
    ct_scheduler_visit(s->engine->scheduler);
    ct_seq_rewind(&s->seq, 0);
    ct_seq_set_blend(&s->seq, blend);
    ct_scheduler_leave(s->engine->scheduler);
    ct_blend_drop(s->blend);
    s->blend = blend;
    s->has_logits = s->seq.has_hidden = false;
    return true;
}

size_t carat_session_n_ctx(const carat_session *s)
{
    return s->seq.n_ctx;
}

size_t carat_session_n_tokens(const carat_session *s)
{
    return s->seq.n;
}

const int32_t *carat_session_tokens(const carat_session *s)
{
    return s->seq.ids;
}

bool carat_session_copy_logits(const carat_session *s, float *out, carat_err *err)
{
    carat_engine *e = s->engine;
    if (!s->seq.has_hidden)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "the session has no evaluated token to continue from");
    ct_head_row row = { .hidden = s->seq.hidden };
    ct_head h = { .want = CT_HEAD_FULL, .rows = &row, .n = 1, .n_pieces = e->model->n_pieces, .logits = out };
    ct_scheduler_visit(e->scheduler);
    bool ok = e->backend.head(e->backend.self, &h, err);
    ct_scheduler_leave(e->scheduler);
    return ok && (row.is_finite || ct_fail(err, CARAT_ENUMERIC, CARAT_NOWHERE, "logits are not finite"));
}

const float *carat_session_logits(carat_session *s)
{
    if (!s->logits)
        s->logits = calloc(s->engine->model->cfg.n_vocab, sizeof *s->logits);
    if (s->logits && !s->has_logits)
        s->has_logits = carat_session_copy_logits(s, s->logits, NULL);
    return s->has_logits ? s->logits : NULL;
}

void carat_session_cancel(carat_session *s)
{
    atomic_store(&s->cancel, true);
    ct_scheduler_nudge(s->engine->scheduler);
}

void carat_session_on_progress(carat_session *s, carat_phase_fn *fn, void *arg)
{
    s->progress = fn;
    s->progress_arg = arg;
}

/* ---- evaluating ---- */

/* Evaluates the stream from token `from` on, after what the session holds. */
static bool evaluate(carat_session *s, const ct_stream *stream, size_t from, carat_logits_fn *on_logits, void *arg,
                     carat_err *err)
{
    size_t n = stream->n - from;
    if (n > s->seq.n_ctx - s->seq.n)
        return ct_fail(err, CARAT_ECONTEXT, CARAT_NOWHERE,
                       "%zu tokens do not fit the context of %zu; the model allows up to %u", s->seq.n + n,
                       s->seq.n_ctx, s->engine->model->cfg.context);
    if (n == 0)
        return true;
    ct_group group = { .n = 1 };
    ct_job j;
    if (!ct_queue_open(false, &group.queue, err))
        return false;
    ct_job_init(&j, &group);
    j.seq = &s->seq;
    j.stream = stream;
    j.from = from;
    j.cancel = &s->cancel;
    j.on_logits = on_logits;
    j.on_logits_arg = arg;
    j.on_progress = s->progress;
    j.on_progress_arg = s->progress_arg;
    s->has_logits = false;
    bool ok = ct_scheduler_submit(s->engine->scheduler, &(ct_job *){ &j }, 1, err);
    if (ok) {
        ct_event e;
        while (ct_queue_next(group.queue, NULL, -1, &e) && e.kind != CARAT_EVENT_END)
            ;
        ok = j.ok;
        if (!ok && err)
            *err = j.err;
    }
    s->seq.has_hidden = ok; /* so that a partly evaluated text is not continued by mistake */
    ct_job_deinit(&j);
    ct_queue_drop(group.queue);
    atomic_store(&s->cancel, false);
    return ok;
}

bool carat_session_append(carat_session *s, const int32_t *ids, size_t n, carat_err *err)
{
    return carat_session_append_logits(s, ids, n, NULL, NULL, err);
}

/* Ids without images; borrowed for the call. */
bool carat_session_append_logits(carat_session *s, const int32_t *ids, size_t n, carat_logits_fn *on_logits, void *arg,
                                 carat_err *err)
{
    for (size_t i = 0; i < n; i++)
        if (!ct_api_check_row(s->engine->model, ids[i], i, err))
            return false;
    ct_stream t = { .ids = (int32_t *)(uintptr_t)ids, .n = n, .keys = calloc(n + 1, sizeof *t.keys) };
    if (!t.keys)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu tokens", n);
    ct_stream_text_keys(ids, n, t.keys);
    bool ok = evaluate(s, &t, 0, on_logits, arg, err);
    free(t.keys);
    return ok;
}

/* Image tokens have rows of their own; the others' are looked up. A step with an id that has none would fail for every
 * job in it. */
static bool check_ids(const carat_engine *e, const ct_stream *t, carat_err *err)
{
    size_t place = 0;
    for (size_t i = 0; i < t->n; i++) {
        while (place < t->n_places && i >= t->places[place].at + t->n_soft)
            place++;
        bool is_soft = place < t->n_places && i >= t->places[place].at;
        if (!is_soft && !ct_api_check_row(e->model, t->ids[i], i, err))
            return false;
    }
    return true;
}

bool ct_api_can_take(const carat_engine *e, const carat_prompt *p, carat_err *err)
{
    if (p->stream.n_places && !e->images)
        return ct_api_refuse_pictures(e, err);
    if (p->stream.n_places && ct_image_cache_shape(e->images)->tokens_per_image != p->stream.n_soft)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "a prompt made for another model, with %zu tokens an image",
                       p->stream.n_soft);
    return check_ids(e, &p->stream, err);
}

bool carat_session_append_prompt(carat_session *s, const carat_prompt *p, carat_logits_fn *on_logits, void *arg,
                                 carat_err *err)
{
    return ct_api_can_take(s->engine, p, err) && evaluate(s, &p->stream, 0, on_logits, arg, err);
}

bool carat_session_prompt(carat_session *s, const carat_prompt *p, size_t *cached, carat_err *err)
{
    const ct_stream *t = &p->stream;
    *cached = 0;
    if (!ct_api_can_take(s->engine, p, err))
        return false;
    if (t->n == 0)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "an empty prompt");
    if (t->n > s->seq.n_ctx)
        return ct_fail(err, CARAT_ECONTEXT, CARAT_NOWHERE,
                       "%zu tokens do not fit the context of %zu; the model allows up to %u", t->n, s->seq.n_ctx,
                       s->engine->model->cfg.context);
    /* The last token is computed in any case, so that there are logits. */
    size_t same = ct_stream_same(s->seq.keys, s->seq.n, t->keys, t->n);
    same = ct_stream_whole(t->keys, t->n, same < t->n ? same : t->n - 1);
    ct_scheduler_visit(s->engine->scheduler);
    *cached = ct_seq_rewind(&s->seq, same);
    /* Less than a page of its own can be kept, but not all: the index may have more. */
    if (*cached < CT_TILE && *cached < t->n - 1) {
        ct_seq_rewind(&s->seq, 0);
        ct_seq_resume(&s->seq, t, t->n - 1);
        *cached = s->seq.n;
    }
    ct_scheduler_leave(s->engine->scheduler);
    s->has_logits = false;
    return evaluate(s, t, *cached, NULL, NULL, err);
}

bool carat_session_rewind(carat_session *s, size_t n, size_t *kept, carat_err *err)
{
    size_t had = s->seq.n;
    if (n > had)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "rewind to %zu tokens, the session has %zu", n, had);
    ct_scheduler_visit(s->engine->scheduler);
    *kept = n == had ? had : ct_seq_rewind(&s->seq, n);
    ct_scheduler_leave(s->engine->scheduler);
    if (*kept != had)
        s->has_logits = false;
    return true;
}

/* ---- generating ---- */

carat_token ct_api_token(const ct_chunk *chunk)
{
    return (carat_token){ .id = chunk->id,
                          .text = chunk->text.data ? chunk->text.data : "",
                          .len = chunk->text.len,
                          .logprob = chunk->logprob,
                          .top = chunk->top,
                          .n_top = chunk->n_top,
                          .at = chunk->at };
}

/* Hands the tokens over as they come, until the job has ended. Returns how many were; *ended: the listener ended the
 * answer, and tokens that had run ahead were dropped. */
static size_t listen(carat_session *s, const carat_generation *g, ct_queue *events, bool *ended)
{
    ct_event e;
    size_t n_told = 0;
    *ended = false;
    while (ct_queue_next(events, NULL, -1, &e) && e.kind != CARAT_EVENT_END) {
        if (e.kind != CARAT_EVENT_TOKEN || *ended)
            continue;
        const carat_token t = ct_api_token(e.chunk);
        n_told += t.id >= 0;
        *ended = (g->on_token && !g->on_token(g->arg, &t)) || atomic_load(&s->cancel);
        if (*ended)
            carat_session_cancel(s);
    }
    return n_told;
}

/* The answer may have run ahead of a listener that ended it. The session is rewound to the tokens that were reported,
 * except the last, and the result is adjusted to match. */
static void take_back(carat_session *s, size_t had, size_t n_told, bool by_token, carat_result *result)
{
    size_t kept, want = had + (n_told ? n_told - 1 : 0);
    if (want < s->seq.n)
        carat_session_rewind(s, want, &kept, NULL);
    /* The last token reported may have ended the answer by itself; whether an end that came later was reached is chance. */
    if (!by_token || result->n_generated > n_told) {
        result->finish = CARAT_FINISH_CANCELLED;
        result->stop = 0;
    }
    result->stop_id = -1;
    result->n_generated = n_told;
    if (result->n_accepted > n_told)
        result->n_accepted = n_told;
}

static bool generate(carat_session *s, const carat_generation *g, carat_result *result, carat_err *err)
{
    *result = (carat_result){ .stop_id = -1 };
    if (!s->seq.has_hidden)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "the session has no evaluated token to continue from");
    const ct_vocabulary v = ct_engine_vocabulary(s->engine);
    const ct_stream nothing = { 0 };
    size_t had = s->seq.n;
    ct_group group = { .n = 1 };
    ct_job j;
    if (!ct_queue_open(false, &group.queue, err))
        return false;
    ct_job_init(&j, &group);
    j.seq = &s->seq;
    j.stream = &nothing;
    j.cancel = &s->cancel;
    bool ok = ct_generator_open(&v, g, &j.gen, err) && ct_api_limit(s->engine, g, 0, j.gen, err) &&
              ct_api_guesses(s->engine, g, &j.guess, err) &&
              ct_scheduler_submit(s->engine->scheduler, &(ct_job *){ &j }, 1, err);
    if (ok) {
        bool ended;
        size_t n_told = listen(s, g, group.queue, &ended);
        ok = j.ok;
        *result = j.result;
        if (!ok && err)
            *err = j.err;
        if (ended)
            take_back(s, had, n_told, ct_generator_is_ended_by_token(j.gen), result);
        s->has_logits = s->seq.has_hidden = false; /* the last token reported is not evaluated */
    }
    ct_job_deinit(&j);
    ct_queue_drop(group.queue);
    atomic_store(&s->cancel, false);
    return ok;
}

bool carat_session_generate(carat_session *s, const carat_generation *g, carat_result *result, carat_err *err)
{
    carat_generation own;
    carat_sampling sampling;
    carat_result r;
    if (!ct_api_generation(s->engine, g, &own, &sampling, err) || (result && !CT_CAN_GIVE(carat_result, result, err)))
        return false;
    bool ok = generate(s, &own, &r, err);
    if (result)
        CT_GIVE(carat_result, &r, result);
    return ok;
}
