/* A prompt and its answers, what is scored after it, what is reported of it: without a session.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "api/adapter.h"
#include "api/internal.h"
#include "api/scores.h"
#include "api/sized.h"
#include "base/clock.h"
#include "base/size.h"

struct carat_request {
    ct_group group; /* first: a group of the engine's is a request here */
    carat_engine *engine;
    carat_prompt *prompt; /* a reference */
    ct_blend *blend;      /* likewise; NULL: no adapters */
    void *user;
    atomic_bool cancel;
    ct_public_event event;      /* by carat_request_next */
    ct_scores *scores;          /* the job's; NULL: it generates answers */
    carat_score *list;          /* [scores->n], filled when they are known */
    ct_readout *readout;        /* the first job's; NULL: nothing is reported of the prompt */
    carat_prompt_logprobs told; /* as the caller sees it */
    size_t n_jobs;              /* of which so many are made */
    ct_job jobs[];              /* [group.n] */
};

/* ---- asking ---- */

static size_t room_for(const carat_request_options *o, size_t n_prompt, size_t most)
{
    size_t n = o->n_ctx ? o->n_ctx : most;
    /* The last token of an answer is not evaluated. */
    if (!o->n_ctx && o->omits_answers)
        n = n_prompt;
    else if (!o->n_ctx && o->generation->max_tokens && o->generation->max_tokens < most - n_prompt)
        n = n_prompt + o->generation->max_tokens;
    return n;
}

static bool check(const carat_engine *e, const carat_request_options *o, size_t n_prompt, carat_err *err)
{
    size_t most = o->n_ctx ? o->n_ctx : e->plan.n_ctx, n = o->n_answers ? o->n_answers : 1;
    if (n_prompt == 0)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "an empty prompt");
    if (most > e->plan.n_ctx)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                       "a context of %zu tokens was requested, but the engine was opened for %zu", most, e->plan.n_ctx);
    if (n_prompt > most)
        return ct_fail(err, CARAT_ECONTEXT, CARAT_NOWHERE,
                       "%zu tokens do not fit the context of %zu; the model allows up to %u", n_prompt, most,
                       e->model->cfg.context);
    if (n > e->plan.steps.max_jobs)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%zu answers at once, the engine has room for %zu", n,
                       e->plan.steps.max_jobs);
    return ct_api_can_take(e, o->prompt, err);
}

static ct_job *new_job(carat_request *r, double deadline)
{
    ct_job *j = &r->jobs[r->n_jobs++];
    ct_job_init(j, &r->group);
    j->stream = &r->prompt->stream;
    j->blend = r->blend;
    j->deadline = deadline;
    j->cancel = &r->cancel;
    j->result.stop_id = -1;
    return j;
}

/* The one that scores. */
static bool add_scores(carat_request *r, const carat_request_options *o, double deadline, carat_err *err)
{
    ct_job *j = new_job(r, deadline);
    size_t n_prompt = o->prompt->stream.n, most = o->n_ctx ? o->n_ctx : r->engine->plan.n_ctx;
    if (!ct_api_scores_open(r->engine, o, &j->scores, err) || !(r->list = ct_api_score_list(j->scores, err)))
        return false;
    size_t longest = ct_scores_longest(j->scores);
    if (longest > most - n_prompt)
        return ct_fail(
            err, CARAT_ECONTEXT, CARAT_NOWHERE,
            "%zu tokens of the prompt and %zu of the longest continuation do not fit the context of %zu; the "
            "model allows up to %u",
            n_prompt, longest, most, r->engine->model->cfg.context);
    j->n_ctx = o->n_ctx ? o->n_ctx : n_prompt + longest;
    r->scores = j->scores;
    return true;
}

static bool wants_logprobs(const carat_request_options *o)
{
    return o->wants_prompt_logprobs || o->n_prompt_top > 0;
}

static bool wants_readout(const carat_request_options *o)
{
    return wants_logprobs(o) || o->wants_embedding;
}

/* The first job reads the prompt for all. */
static bool add_readout(carat_request *r, ct_job *j, const carat_request_options *from, carat_err *err)
{
    const ct_readout_want want = { .logprobs = wants_logprobs(from),
                                   .n_top = (size_t)from->n_prompt_top,
                                   .embedding = from->wants_embedding,
                                   .is_normed = !from->omits_norm,
                                   .n_dims = from->n_dims,
                                   .n_hidden = r->engine->model->cfg.hidden };
    if (!ct_readout_open(r->prompt->stream.n, &want, &j->readout, err))
        return false;
    const ct_readout *o = r->readout = j->readout;
    r->told = (carat_prompt_logprobs){
        .n = o->n, .logprobs = o->logprobs, .ranks = o->ranks, .top = o->tops, .n_top = o->n_top
    };
    return true;
}

static bool add_job(carat_request *r, const carat_request_options *o, double deadline, carat_err *err)
{
    const ct_vocabulary v = ct_engine_vocabulary(r->engine);
    carat_generation g = *o->generation;
    carat_sampling sampling = *g.sampling;
    ct_job *j = new_job(r, deadline);
    const size_t answer = (size_t)(j - r->jobs);
    j->n_ctx = room_for(o, o->prompt->stream.n, r->engine->plan.n_ctx);
    if (wants_readout(o) && answer == 0 && !add_readout(r, j, o, err))
        return false;
    if (o->omits_answers) {
        j->result.finish = CARAT_FINISH_LENGTH;
        return true;
    }
    sampling.seed += answer;
    g.sampling = &sampling;
    return ct_generator_open(&v, &g, &j->gen, err) && ct_api_limit(r->engine, &g, answer, j->gen, err) &&
           ct_api_guesses(r->engine, &g, &j->guess, err);
}

/* From the caller's thread or the engine's, whichever needs it last. */
static void close_request(ct_group *g)
{
    carat_request *r = (carat_request *)g;
    for (size_t i = 0; i < r->n_jobs; i++)
        ct_job_deinit(&r->jobs[i]);
    carat_prompt_free(r->prompt);
    ct_blend_drop(r->blend);
    ct_queue_drop(g->queue);
    free(r->list);
    free(r);
}

static bool start(carat_request *r, const carat_request_options *o, carat_err *err)
{
    size_t n = o->n_answers ? o->n_answers : 1;
    double deadline = o->seconds > 0 ? ct_now() + o->seconds : 0;
    if (o->queue)
        r->group.queue = ct_queue_hold(ct_api_queue(o->queue));
    else if (!ct_queue_open(false, &r->group.queue, err))
        return false;
    ct_job **list = calloc(n, sizeof *list);
    bool ok = list || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu answers", n);
    for (size_t i = 0; ok && i < n; i++) {
        list[i] = &r->jobs[i];
        ok = o->n_continuations ? add_scores(r, o, deadline, err) : add_job(r, o, deadline, err);
    }
    ok = ok && ct_scheduler_submit(r->engine->scheduler, list, n, err);
    free(list);
    return ok;
}

static bool take_adapters(carat_request *r, const carat_request_options *o, carat_err *err)
{
    if (!o->adapters && o->n_adapters == 0) {
        r->blend = ct_blend_hold(r->engine->blend);
        return true;
    }
    if (!o->adapters && o->n_adapters == CARAT_NO_ADAPTERS)
        return true;
    return ct_api_blend(r->engine, o->adapters, o->n_adapters, &r->blend, err);
}

static bool submit(carat_engine *e, const carat_request_options *o, carat_request **out, carat_err *err)
{
    if (!check(e, o, o->prompt->stream.n, err))
        return false;
    size_t n = o->n_answers ? o->n_answers : 1, bytes;
    carat_request *r = NULL;
    if (ct_mul_size(n, sizeof r->jobs[0], &bytes) && ct_add_size(bytes, sizeof *r, &bytes))
        r = calloc(1, bytes);
    if (!r)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a request of %zu answers", n);
    r->group = (ct_group){ .n = n, .close = close_request };
    r->engine = e;
    r->prompt = ct_api_prompt_hold(o->prompt);
    r->user = o->user;
    if (!take_adapters(r, o, err) || !start(r, o, err)) {
        close_request(&r->group);
        return false;
    }
    *out = r;
    return true;
}

static bool check_readout(const carat_request_options *o, carat_err *err)
{
    if (o->n_prompt_top < 0 || o->n_prompt_top > CT_MAX_TOP)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                       "%d alternatives a token of the prompt requested, expected 0 to %d", o->n_prompt_top,
                       CT_MAX_TOP);
    if (o->omits_answers && (o->generation || o->n_answers > 1 || o->n_continuations))
        return ct_fail(
            err, CARAT_EARG, CARAT_NOWHERE,
            "a request that omits answers has none to generate and nothing to score: generation must be NULL, "
            "n_answers 0 or 1, and there are no continuations");
    if (wants_readout(o) && o->n_continuations)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s of the prompt cannot be had beside continuations",
                       o->wants_embedding ? "an embedding" : "log-probabilities");
    if (o->omits_norm && !o->wants_embedding)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "omits_norm without wants_embedding");
    if (o->n_dims && !o->wants_embedding)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "n_dims without wants_embedding");
    return true;
}

/* An embedding model makes vectors and nothing else. */
static bool check_model(const carat_engine *e, const carat_request_options *o, carat_err *err)
{
    const bool is_for_vector = o->wants_embedding && o->omits_answers && !wants_logprobs(o);
    return (is_for_vector || ct_api_writes_text(e, err)) && ct_api_check_dims(e, o->n_dims, err);
}

bool carat_request_submit(carat_engine *e, const carat_request_options *o, carat_request **out, carat_err *err)
{
    carat_request_options own;
    carat_generation g;
    carat_sampling sampling;
    *out = NULL;
    if (!CT_TAKE(carat_request_options, o, &own, err) || !ct_api_generation(e, own.generation, &g, &sampling, err))
        return false;
    if (!own.prompt)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "a request without a prompt");
    if ((own.n_continuations > 0) != (own.continuations != NULL) || (own.ending && !own.continuations))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "a request with %zu continuations%s", own.n_continuations,
                       own.continuations ? ""
                       : own.ending      ? ", but with an ending of them"
                                         : " that are not given");
    if (!check_readout(&own, err) || !check_model(e, &own, err))
        return false;
    if (g.on_token)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "a request with on_token: its tokens come as events");
    if (!own.n_continuations)
        own.generation = &g;
    return submit(e, &own, out, err);
}

/* ---- events ---- */

const carat_event *ct_api_event(const ct_event *e, ct_public_event *to)
{
    carat_event *out = &to->event;
    *out = (carat_event){ .kind = e->kind };
    if (e->kind == CARAT_EVENT_NONE)
        return out;
    carat_request *r = (carat_request *)e->group;
    out->request = r;
    out->user = r->user;
    if (e->kind == CARAT_EVENT_END)
        return out;
    out->answer = (size_t)(e->job - r->jobs);
    if (e->kind != CARAT_EVENT_FAILED && r->readout && r->readout->is_complete && r->readout->logprobs)
        out->prompt = &r->told;
    if (e->kind == CARAT_EVENT_ANSWER && r->readout && r->readout->is_complete && r->readout->embedding) {
        out->embedding = r->readout->embedding;
        out->n_embedding = r->readout->n_dims;
    }
    if (e->kind == CARAT_EVENT_TOKEN) {
        to->token = ct_api_token(e->chunk);
        out->token = &to->token;
    } else if (e->kind == CARAT_EVENT_ANSWER) {
        to->result = e->job->result;
        out->result = &to->result;
        const ct_chunk *stop = e->job->gen ? ct_generator_stop(e->job->gen) : NULL;
        if (stop) {
            to->token = ct_api_token(stop);
            out->stop_token = &to->token;
        }
        if (r->scores) {
            ct_api_score_fill(r->scores, r->list);
            out->scores = r->list;
            out->n_scores = r->scores->n;
        }
    } else {
        to->err = e->job->err;
        out->err = &to->err;
    }
    return out;
}

const carat_event *carat_request_next(carat_request *r, double seconds)
{
    ct_event e;
    ct_queue_next(r->group.queue, &r->group, seconds, &e);
    return ct_api_event(&e, &r->event);
}

/* ---- the rest ---- */

void carat_request_cancel(carat_request *r)
{
    atomic_store(&r->cancel, true);
    ct_scheduler_nudge(r->engine->scheduler);
}

void carat_request_free(carat_request *r)
{
    if (!r)
        return;
    ct_scheduler *s = r->engine->scheduler;
    atomic_store(&r->cancel, true);
    ct_group_leave(&r->group);
    ct_scheduler_nudge(s);
}

void carat_request_prompt(const carat_request *r, size_t *n_tokens, size_t *n_cached)
{
    *n_tokens = r->prompt->stream.n;
    *n_cached = ct_scheduler_find(r->engine->scheduler, &r->jobs[0]).n_cached;
}

/* Has its last answer ended? The first may have ended while others are still generated. */
static bool has_ended(const carat_request *r)
{
    for (size_t i = 0; i < r->group.n; i++)
        if (ct_scheduler_find(r->engine->scheduler, &r->jobs[i]).state != CT_JOB_DONE)
            return false;
    return true;
}

bool carat_request_progress(const carat_request *r, carat_request_state *out, carat_err *err)
{
    if (!CT_CAN_GIVE(carat_request_state, out, err))
        return false;
    const ct_job_place p = ct_scheduler_find(r->engine->scheduler, &r->jobs[0]);
    carat_request_state state = { .n_before = p.n_before,
                                  .n_prompt = r->prompt->stream.n,
                                  .n_cached = p.n_cached,
                                  .n_read = p.progress.n_read,
                                  .n_images = r->prompt->stream.n_places,
                                  .n_encoded = p.progress.n_images,
                                  .started = p.started };
    switch (p.state) {
    case CT_JOB_QUEUED:
        state.stage = CARAT_REQUEST_QUEUED;
        break;
    case CT_JOB_WAITING:
    case CT_JOB_PROMISED:
    case CT_JOB_READING:
        state.stage = r->scores && state.n_read == state.n_prompt ? CARAT_REQUEST_ANSWERING : CARAT_REQUEST_READING;
        break;
    case CT_JOB_DECODING:
    case CT_JOB_CLOSING:
    case CT_JOB_DONE:
    case CT_N_JOB_STATES: /* none is in it */
        state.stage = has_ended(r) ? CARAT_REQUEST_ENDED : CARAT_REQUEST_ANSWERING;
        break;
    }
    CT_GIVE(carat_request_state, &state, out);
    return true;
}
