/* One conversation: tokens in, logits and answers out.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "base/size.h"
#include "engine/fingerprint.h"

static bool take_memory(carat_session *s, carat_engine *e, carat_err *err)
{
    s->engine = e;
    s->logits = calloc(e->model->cfg.n_vocab, sizeof *s->logits);
    return s->logits || carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a session's logits");
}

bool carat_session_open(carat_engine *e, size_t n_ctx, carat_session **out, carat_err *err)
{
    *out = NULL;
    if (n_ctx == 0)
        n_ctx = e->plan.n_ctx;
    if (n_ctx > e->plan.n_ctx)
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE,
                          "a context of %zu tokens was asked for, the engine was opened for %zu and the model has %u",
                          n_ctx, e->plan.n_ctx, e->model->cfg.context);
    carat_session *s = calloc(1, sizeof *s);
    if (!s)
        return carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a session");
    bool ok = take_memory(s, e, err);
    carat_scheduler_visit(e->scheduler);
    ok = ok && carat_seq_open(&s->seq, e->cache, n_ctx, err);
    carat_scheduler_leave(e->scheduler);
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
        return carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a session");
    bool ok = take_memory(s, e, err);
    carat_scheduler_visit(e->scheduler);
    ok = ok && carat_seq_fork(&from->seq, &s->seq, err);
    carat_scheduler_leave(e->scheduler);
    if (!ok) {
        carat_session_close(s);
        return false;
    }
    memcpy(s->logits, from->logits, e->model->cfg.n_vocab * sizeof *s->logits);
    s->has_logits = from->has_logits;
    *out = s;
    return true;
}

void carat_session_close(carat_session *s)
{
    if (!s)
        return;
    carat_scheduler_visit(s->engine->scheduler);
    carat_seq_close(&s->seq);
    carat_scheduler_leave(s->engine->scheduler);
    free(s->logits);
    free(s);
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

const float *carat_session_logits(const carat_session *s)
{
    return s->has_logits ? s->logits : NULL;
}

void carat_session_cancel(carat_session *s)
{
    atomic_store(&s->cancel, true); /* the scheduler looks at it often enough: nothing else may be done in a handler */
}

void carat_session_on_progress(carat_session *s,
                               bool (*fn)(void *arg, carat_phase phase, uint64_t done, uint64_t total), void *arg)
{
    s->progress = fn;
    s->progress_arg = arg;
}

/* ---- evaluating ---- */

typedef bool on_logits_fn(void *arg, size_t pos, const float *logits, size_t n_vocab);

/* Evaluates the stream from token `from` on, after what the session holds. */
static bool evaluate(carat_session *s, const carat_stream *stream, size_t from, on_logits_fn *on_logits, void *arg,
                     carat_err *err)
{
    size_t n = stream->n - from;
    if (n > s->seq.n_ctx - s->seq.n)
        return carat_fail(err, CARAT_ECONTEXT, CARAT_NOWHERE,
                          "%zu tokens do not fit the context of %zu; the model allows up to %u", s->seq.n + n,
                          s->seq.n_ctx, s->engine->model->cfg.context);
    if (n == 0)
        return true;
    carat_job j;
    if (!carat_job_init(&j, err))
        return false;
    j.seq = &s->seq;
    j.stream = stream;
    j.from = from;
    j.logits = s->logits;
    j.cancel = &s->cancel;
    j.on_logits = on_logits;
    j.on_logits_arg = arg;
    j.on_progress = s->progress;
    j.on_progress_arg = s->progress_arg;
    s->has_logits = false;
    bool ok = carat_scheduler_submit(s->engine->scheduler, &(carat_job *){ &j }, 1, err);
    if (ok) {
        carat_scheduler_finish(s->engine->scheduler, &j);
        ok = s->has_logits = j.ok;
        if (!ok && err)
            *err = j.err;
    }
    carat_job_deinit(&j);
    atomic_store(&s->cancel, false);
    return ok;
}

bool carat_session_append(carat_session *s, const int32_t *ids, size_t n, carat_err *err)
{
    return carat_session_append_logits(s, ids, n, NULL, NULL, err);
}

/* Ids without images; borrowed for the call. */
bool carat_session_append_logits(carat_session *s, const int32_t *ids, size_t n, on_logits_fn *on_logits, void *arg,
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
    bool ok = evaluate(s, &t, 0, on_logits, arg, err);
    free(t.keys);
    return ok;
}

/* Image tokens have rows of their own; the others' are looked up. A step with an id that has none would fail for all
 * who are in it. */
static bool check_ids(const carat_engine *e, const carat_stream *t, carat_err *err)
{
    size_t place = 0, n_vocab = e->model->cfg.n_vocab;
    for (size_t i = 0; i < t->n; i++) {
        while (place < t->n_places && i >= t->places[place].at + t->n_soft)
            place++;
        bool is_soft = place < t->n_places && i >= t->places[place].at;
        if (!is_soft && (t->ids[i] < 0 || (size_t)t->ids[i] >= n_vocab))
            return carat_fail(err, CARAT_EARG, i, "token id %d, the vocabulary has 0 to %zu", t->ids[i], n_vocab - 1);
    }
    return true;
}

bool carat_can_take(const carat_engine *e, const carat_prompt *p, carat_err *err)
{
    if (p->stream.n_places && !e->sight)
        return carat_refuse_pictures(e, err);
    if (p->stream.n_places && carat_sight_shape(e->sight)->tokens_per_image != p->stream.n_soft)
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "a prompt made for another model: %zu tokens an image",
                          p->stream.n_soft);
    return check_ids(e, &p->stream, err);
}

bool carat_session_append_prompt(carat_session *s, const carat_prompt *p, on_logits_fn *on_logits, void *arg,
                                 carat_err *err)
{
    return carat_can_take(s->engine, p, err) && evaluate(s, &p->stream, 0, on_logits, arg, err);
}

bool carat_session_prompt(carat_session *s, const carat_prompt *p, size_t *cached, carat_err *err)
{
    const carat_stream *t = &p->stream;
    *cached = 0;
    if (!carat_can_take(s->engine, p, err))
        return false;
    if (t->n == 0)
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "an empty prompt");
    if (t->n > s->seq.n_ctx)
        return carat_fail(err, CARAT_ECONTEXT, CARAT_NOWHERE,
                          "%zu tokens do not fit the context of %zu; the model allows up to %u", t->n, s->seq.n_ctx,
                          s->engine->model->cfg.context);
    /* The last token is computed in any case, so that there are logits. */
    size_t same = carat_stream_same(s->seq.keys, s->seq.n, t->keys, t->n);
    same = carat_stream_whole(t->keys, t->n, same < t->n ? same : t->n - 1);
    carat_scheduler_visit(s->engine->scheduler);
    *cached = carat_seq_rewind(&s->seq, same);
    /* Less than a page of its own is of use, and not all of it: perhaps more of another's. */
    if (*cached < CARAT_TILE && *cached < t->n - 1) {
        carat_seq_rewind(&s->seq, 0);
        carat_seq_resume(&s->seq, t, t->n - 1);
        *cached = s->seq.n;
    }
    carat_scheduler_leave(s->engine->scheduler);
    s->has_logits = false;
    return evaluate(s, t, *cached, NULL, NULL, err);
}

bool carat_session_rewind(carat_session *s, size_t n, size_t *kept, carat_err *err)
{
    size_t had = s->seq.n;
    if (n > had)
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "rewind to %zu tokens, the session has %zu", n, had);
    carat_scheduler_visit(s->engine->scheduler);
    *kept = n == had ? had : carat_seq_rewind(&s->seq, n);
    carat_scheduler_leave(s->engine->scheduler);
    if (*kept != had)
        s->has_logits = false;
    return true;
}

/* ---- generating ---- */

carat_token carat_token_of(const carat_said *said)
{
    return (carat_token){ .id = said->id,
                          .text = said->text.data ? said->text.data : "",
                          .len = said->text.len,
                          .logprob = said->logprob,
                          .top = said->top,
                          .n_top = said->n_top };
}

/* Hands the tokens over as they come. Returns how many were; *ended: the callback wanted no more. */
static size_t listen(carat_session *s, carat_job *j, const carat_generation *g, bool *ended)
{
    carat_said said;
    bool is_done;
    size_t told = 0;
    carat_said_init(&said);
    while (!*ended && carat_scheduler_next(s->engine->scheduler, j, &said, -1, &is_done)) {
        told += said.id >= 0;
        if (g->on_token) {
            const carat_token t = carat_token_of(&said);
            *ended = !g->on_token(g->arg, &t);
        }
        *ended = *ended || atomic_load(&s->cancel); /* what has run ahead is not told */
    }
    carat_said_deinit(&said);
    return told;
}

bool carat_session_generate(carat_session *s, const carat_generation *g, carat_result *result, carat_err *err)
{
    *result = (carat_result){ .stop_id = -1 };
    if (!s->has_logits)
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "the session has no evaluated token to go on from");
    carat_scheduler *sch = s->engine->scheduler;
    const carat_vocabulary v = carat_engine_vocabulary(s->engine);
    const carat_stream nothing = { 0 };
    carat_job j;
    if (!carat_job_init(&j, err))
        return false;
    j.seq = &s->seq;
    j.stream = &nothing;
    j.logits = s->logits;
    j.cancel = &s->cancel;
    size_t had = s->seq.n;
    bool ok = carat_generator_open(&v, g, &j.gen, err) && carat_scheduler_submit(sch, &(carat_job *){ &j }, 1, err);
    if (ok) {
        bool ended = false;
        size_t told = listen(s, &j, g, &ended);
        if (ended)
            atomic_store(&s->cancel, true);
        carat_scheduler_finish(sch, &j);
        ok = j.ok;
        *result = j.result;
        if (!ok && err)
            *err = j.err;
        if (ended) { /* it may have run ahead of the callback: the session holds what was told, but for the last */
            size_t kept, want = had + (told ? told - 1 : 0);
            if (want < s->seq.n)
                carat_session_rewind(s, want, &kept, NULL);
            /* A stop string may have ended with the last token told; a stop token came later, if at all. */
            if (result->finish != CARAT_FINISH_STOP || result->stop_id >= 0 || result->n_generated > told)
                result->finish = CARAT_FINISH_CANCELLED;
            result->stop_id = -1;
            result->n_generated = told;
        }
        s->has_logits = false;
    }
    carat_job_deinit(&j);
    atomic_store(&s->cancel, false);
    return ok;
}

/* ---- on disk ---- */

/* What stands beside keys and values: how many logits there are, the keys of every token, the ids (an image's key does
 * not tell its token's), the logits, the caller's note. */
typedef struct beside {
    uint64_t n_logits;             /* 0 or the vocabulary's */
    size_t keys, ids, logits, all; /* bytes before the note */
} beside;

static beside layout(const carat_session *s, size_t n, uint64_t n_logits)
{
    beside b = { .n_logits = n_logits,
                 .keys = n * sizeof *s->seq.keys,
                 .ids = n * sizeof *s->seq.ids,
                 .logits = (size_t)n_logits * sizeof *s->logits };
    b.all = sizeof b.n_logits + b.keys + b.ids + b.logits; /* a context and a vocabulary are far from overflowing */
    return b;
}

static bool pack_tokens(const carat_session *s, const void *note, size_t note_len, uint8_t **out, size_t *len,
                        carat_err *err)
{
    const beside b = layout(s, s->seq.n, s->has_logits ? s->engine->model->cfg.n_vocab : 0);
    *out = carat_add_size(b.all, note_len, len) && *len < SIZE_MAX ? malloc(*len + 1) : NULL;
    if (!*out)
        return carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu tokens", s->seq.n);
    uint8_t *to = *out;
    memcpy(to, &b.n_logits, sizeof b.n_logits);
    memcpy(to += sizeof b.n_logits, s->seq.keys, b.keys);
    memcpy(to += b.keys, s->seq.ids, b.ids);
    memcpy(to += b.ids, s->logits, b.logits);
    if (note_len)
        memcpy(to + b.logits, note, note_len);
    return true;
}

static bool check_ids_of(const carat_session *s, const char *path, size_t n, carat_err *err)
{
    const carat_model *m = s->engine->model;
    int32_t slot = m->tok ? carat_tok_facts(m->tok)->image_soft_token : -1;
    for (size_t i = 0; i < n; i++)
        if ((s->seq.ids[i] < 0 || (size_t)s->seq.ids[i] >= m->cfg.n_vocab) && s->seq.ids[i] != slot)
            return carat_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: token %zu has id %d, the vocabulary has 0 to %u",
                              path, i, s->seq.ids[i], m->cfg.n_vocab - 1);
    return true;
}

static bool unpack_tokens(carat_session *s, const char *path, const uint8_t *blob, size_t len, char **note,
                          size_t *note_len, carat_err *err)
{
    size_t n = carat_kv_len(s->seq.kv);
    uint64_t n_logits = 1;
    if (len >= sizeof n_logits)
        memcpy(&n_logits, blob, sizeof n_logits);
    bool is_known = n_logits == 0 || n_logits == s->engine->model->cfg.n_vocab;
    const beside b = layout(s, n, is_known ? n_logits : 0);
    if (!is_known || len < b.all || carat_kv_labelled(s->seq.kv) != n)
        return carat_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: %zu bytes of tokens for %zu positions", path, len, n);
    const uint8_t *from = blob + sizeof n_logits;
    memcpy(s->seq.keys, from, b.keys);
    memcpy(s->seq.ids, from += b.keys, b.ids);
    memcpy(s->logits, from += b.ids, b.logits);
    if (!check_ids_of(s, path, n, err))
        return false;
    if (note) {
        *note_len = len - b.all;
        *note = malloc(*note_len + 1);
        if (!*note)
            return carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for a note of %zu bytes", path,
                              *note_len);
        memcpy(*note, from + b.logits, *note_len);
        (*note)[*note_len] = '\0';
    }
    s->seq.n = n;
    s->has_logits = b.n_logits > 0;
    return true;
}

bool carat_session_save(const carat_session *s, const char *path, const void *note, size_t note_len, carat_err *err)
{
    uint8_t hash[CARAT_FINGERPRINT], *blob;
    size_t len = 0;
    carat_engine *e = s->engine;
    if (!pack_tokens(s, note, note ? note_len : 0, &blob, &len, err))
        return false;
    carat_fingerprint(e->model, e->embed_scale, hash);
    carat_scheduler_visit(e->scheduler);
    bool ok = carat_kv_save(s->seq.kv, path, hash, blob, len, err);
    carat_scheduler_leave(e->scheduler);
    free(blob);
    return ok;
}

bool carat_session_restore(carat_session *s, const char *path, char **note, size_t *note_len, carat_err *err)
{
    uint8_t hash[CARAT_FINGERPRINT], *blob = NULL;
    size_t len;
    carat_engine *e = s->engine;
    if (note)
        *note = NULL;
    if (s->seq.n)
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "restoring into a session that holds %zu tokens", s->seq.n);
    carat_fingerprint(e->model, e->embed_scale, hash);
    carat_scheduler_visit(e->scheduler);
    s->has_logits = false;
    bool ok = carat_kv_restore(s->seq.kv, path, hash, &blob, &len, err);
    if (ok && !(ok = unpack_tokens(s, path, blob, len, note, note_len, err)))
        carat_kv_rewind(s->seq.kv, 0);
    carat_scheduler_leave(e->scheduler);
    free(blob);
    return ok;
}
