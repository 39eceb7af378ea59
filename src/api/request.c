/* A prompt and its answers, without a session.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "api/internal.h"
#include "base/clock.h"

struct carat_request {
    carat_engine *engine;
    const carat_prompt *prompt;
    atomic_bool cancel;
    ct_job *jobs; /* [n] */
    size_t n, n_ended;
    bool *has_ended; /* [n]: and its end was told */
    size_t turn;     /* which answer is looked at first */
    ct_chunk said;   /* of the last event */
};

/* How long one answer is waited for before the others are looked at, once there are several. */
#define GLANCE_SECONDS 0.005

static size_t room_for(const carat_request_options *o, size_t n_prompt, size_t most)
{
    size_t n = o->n_ctx ? o->n_ctx : most;
    /* The last token of an answer is not evaluated. */
    if (!o->n_ctx && o->generation.max_tokens && o->generation.max_tokens < most - n_prompt)
        n = n_prompt + o->generation.max_tokens;
    return n;
}

static bool check(const carat_engine *e, const carat_request_options *o, size_t n_prompt, carat_err *err)
{
    size_t most = o->n_ctx ? o->n_ctx : e->plan.n_ctx, n = o->n_answers ? o->n_answers : 1;
    if (n_prompt == 0)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "an empty prompt");
    if (most > e->plan.n_ctx)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                       "a context of %zu tokens was asked for, the engine was opened for %zu", most, e->plan.n_ctx);
    if (n_prompt > most)
        return ct_fail(err, CARAT_ECONTEXT, CARAT_NOWHERE,
                       "%zu tokens do not fit the context of %zu; the model allows up to %u", n_prompt, most,
                       e->model->cfg.context);
    if (n > e->plan.steps.max_jobs)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%zu answers at once, the engine has room for %zu", n,
                       e->plan.steps.max_jobs);
    return ct_api_can_take(e, o->prompt, err);
}

static bool prepare(carat_request *r, const carat_request_options *o, carat_err *err)
{
    carat_engine *e = r->engine;
    const ct_vocabulary v = ct_engine_vocabulary(e);
    const ct_stream *t = &o->prompt->stream;
    double deadline = o->seconds > 0 ? ct_now() + o->seconds : 0;
    for (size_t i = 0, n = o->n_answers ? o->n_answers : 1; i < n; i++) {
        ct_job *j = &r->jobs[i];
        carat_generation g = o->generation;
        g.sampling.seed += i;
        if (!ct_job_init(j, err))
            return false;
        r->n++;
        if (!ct_generator_open(&v, &g, &j->gen, err))
            return false;
        j->n_ctx = room_for(o, t->n, e->plan.n_ctx);
        j->stream = t;
        j->deadline = deadline;
        j->cancel = &r->cancel;
    }
    return true;
}

static void free_all(carat_request *r)
{
    for (size_t i = 0; i < r->n; i++)
        ct_job_deinit(&r->jobs[i]);
    ct_chunk_deinit(&r->said);
    free(r->jobs);
    free(r->has_ended);
    free(r);
}

bool carat_request_submit(carat_engine *e, const carat_request_options *o, carat_request **out, carat_err *err)
{
    *out = NULL;
    if (!check(e, o, o->prompt->stream.n, err))
        return false;
    size_t n = o->n_answers ? o->n_answers : 1;
    carat_request *r = calloc(1, sizeof *r);
    if (!r)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a request");
    r->engine = e;
    r->prompt = o->prompt;
    ct_chunk_init(&r->said);
    r->jobs = calloc(n, sizeof *r->jobs);
    r->has_ended = calloc(n, sizeof *r->has_ended);
    ct_job **list = calloc(n, sizeof *list);
    bool ok =
        (r->jobs && r->has_ended && list) || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu answers", n);
    ok = ok && prepare(r, o, err);
    for (size_t i = 0; ok && i < n; i++)
        list[i] = &r->jobs[i];
    ok = ok && ct_scheduler_submit(e->scheduler, list, n, err);
    free(list);
    if (!ok) {
        free_all(r);
        return false;
    }
    *out = r;
    return true;
}

static void tell_end(carat_request *r, size_t i, carat_event *out, carat_err *err)
{
    const ct_job *j = &r->jobs[i];
    r->has_ended[i] = true;
    r->n_ended++;
    out->answer = i;
    out->kind = j->ok ? CARAT_EVENT_ANSWER : CARAT_EVENT_FAILED;
    out->result = j->result;
    if (!j->ok && err)
        *err = j->err;
}

/* One answer's next event, if it comes within the time. */
static bool look(carat_request *r, size_t i, double seconds, carat_event *out, carat_err *err)
{
    bool is_done;
    if (ct_scheduler_next(r->engine->scheduler, &r->jobs[i], &r->said, seconds, &is_done)) {
        *out = (carat_event){ .kind = CARAT_EVENT_TOKEN, .answer = i, .token = ct_api_token(&r->said) };
        return true;
    }
    if (is_done)
        tell_end(r, i, out, err);
    return is_done;
}

void carat_request_next(carat_request *r, double seconds, carat_event *out, carat_err *err)
{
    double until = ct_now() + seconds;
    *out = (carat_event){ .kind = CARAT_EVENT_END };
    while (r->n_ended < r->n) {
        bool is_last = r->n - r->n_ended == 1, has_waited = false;
        for (size_t k = 0; k < r->n; k++) {
            size_t i = (r->turn + k) % r->n;
            if (r->has_ended[i])
                continue;
            /* The only one left is waited for; of several each gets a glance, in turn. */
            double wait = is_last ? seconds : has_waited ? 0 : GLANCE_SECONDS, left = until - ct_now();
            has_waited = true;
            if (seconds >= 0 && wait > left)
                wait = left > 0 ? left : 0; /* below 0 would be forever */
            if (look(r, i, wait, out, err)) {
                r->turn = i + 1;
                return;
            }
        }
        if (seconds >= 0 && ct_now() >= until) {
            out->kind = CARAT_EVENT_NONE;
            return;
        }
    }
}

void carat_request_cancel(carat_request *r)
{
    atomic_store(&r->cancel, true);
    ct_scheduler_nudge(r->engine->scheduler);
}

void carat_request_free(carat_request *r)
{
    if (!r)
        return;
    carat_request_cancel(r);
    for (size_t i = 0; i < r->n; i++)
        ct_scheduler_finish(r->engine->scheduler, &r->jobs[i]);
    free_all(r);
}

void carat_request_prompt(const carat_request *r, size_t *n_tokens, size_t *n_cached)
{
    *n_tokens = r->prompt->stream.n;
    *n_cached = r->jobs[0].n_cached;
}
