/* One step: chooses the tokens that take part, encodes images, evaluates, then samples for each answer.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/run.h"

#include "base/clock.h"
#include "base/size.h"

/* Prompts always advance by this many tokens, however slow the steps are. */
#define LEAST_TOKENS 4
#define LEAST_ROWS   8
#define MOST_ROWS    32

/* ---- memory ---- */

/* Rows of logits that are computed in one product, and held: a row is a MiB with the real vocabulary. Fewer than the
 * least would read the head's weights once for every token that is scored or guessed. */
static size_t max_rows(const ct_config *c, const ct_scheduler_options *o)
{
    if (c->is_encoder)
        return 0;
    size_t n = o->max_jobs < LEAST_ROWS ? LEAST_ROWS : o->max_jobs < MOST_ROWS ? o->max_jobs : MOST_ROWS;
    size_t batch = o->batch + o->max_jobs; /* a backend computes no more at once */
    return n < batch ? n : batch;
}

static void take_all(ct_run *r, const ct_config *c, const ct_scheduler_options *o, ct_arena *a)
{
    r->jobs = ct_arena_take(a, o->max_jobs, sizeof(ct_job *));
    r->spans = ct_arena_take(a, o->max_jobs, sizeof(ct_step_span));
    r->failed = ct_arena_take(a, o->max_jobs, sizeof(bool));
    r->inputs = ct_arena_take(a, o->batch + o->max_jobs, sizeof(ct_step_input));
    r->window = ct_arena_take(a, o->chunk + o->batch, sizeof(ct_step_input));
    r->part = ct_arena_take(a, o->batch, sizeof(ct_step_input));
    r->max_rows = max_rows(c, o);
    r->rows = ct_arena_take(a, r->max_rows, sizeof(ct_head_row));
    r->tops = ct_arena_take(a, r->max_rows * CT_MAX_TOP, sizeof(ct_candidate));
    r->told = ct_arena_take(a, r->max_rows, sizeof(ct_run_told));
    r->logits = ct_arena_take(a, r->max_rows * c->n_vocab, sizeof(float));
    r->means = ct_arena_take(a, c->is_encoder ? o->max_jobs : 0, c->hidden * sizeof(float));
    r->vectors = ct_arena_take(a, c->is_encoder ? o->max_jobs : 0, c->hidden * sizeof(float));
}

bool ct_run_bytes(const ct_config *c, const ct_scheduler_options *o, size_t *out)
{
    ct_run r;
    ct_arena count;
    ct_arena_count(&count);
    take_all(&r, c, o, &count);
    *out = count.used;
    return !count.overflow;
}

bool ct_run_open(ct_run *r, const ct_scheduler_parts *p, const ct_scheduler_options *o, carat_err *err)
{
    size_t bytes;
    *r = (ct_run){ .p = *p, .o = *o };
    ct_paces_init(&r->paces);
    if (!ct_run_bytes(&p->model->cfg, o, &bytes) || !ct_arena_init(&r->arena, bytes))
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu rows of logits",
                       max_rows(&p->model->cfg, o));
    take_all(r, &p->model->cfg, o, &r->arena);
    return true;
}

void ct_run_close(ct_run *r)
{
    ct_arena_deinit(&r->arena);
}

/* ---- what prompts and answers share ---- */

void ct_run_join(ct_run *r, ct_job *j, ct_step_input *inputs, size_t n)
{
    const ct_blend *blend = j->seq->blend;
    r->spans[r->n_jobs] = (ct_step_span){ .kv = j->seq->kv,
                                          .tokens = inputs,
                                          .n = n,
                                          .adapters = blend ? blend->uses : NULL,
                                          .n_adapters = blend ? blend->n : 0 };
    r->jobs[r->n_jobs++] = j;
    r->n_spans = r->n_jobs;
}

bool ct_run_fail(ct_job *j, const carat_err *err)
{
    j->err = *err;
    j->is_failed = true;
    return false;
}

bool ct_run_head(ct_run *r, size_t n, carat_err *err)
{
    const ct_backend *b = r->p.backend;
    ct_head h = {
        .want = CT_HEAD_FULL, .rows = r->rows, .n = n, .n_pieces = r->p.model->n_pieces, .logits = r->logits
    };
    return b->head(b->self, &h, err);
}

bool ct_run_is_finite(const ct_head_row *row, carat_err *err)
{
    return row->is_finite || ct_fail(err, CARAT_ENUMERIC, CARAT_NOWHERE, "logits are not finite");
}

/* ---- who takes part ---- */

static void begin_step(ct_job *j)
{
    j->n_span = j->n_rows = j->row_end = j->n_right = j->n_chunks = j->n_guesses = j->n_to_draft = 0;
    j->is_failed = j->is_evaluated = j->are_forced = false;
    j->verdict = CT_GO_ON;
    if (j->readout)
        j->readout->from = j->readout->to;
}

/* Tokens that a step may take besides the next one of each of n_answers. */
static size_t budget(const ct_run *r, size_t n_answers)
{
    if (!n_answers || r->token_seconds <= 0)
        return n_answers ? LEAST_TOKENS : r->o.chunk;
    double fit = (r->o.step_seconds - r->decode_seconds) / r->token_seconds;
    size_t n = fit < LEAST_TOKENS ? LEAST_TOKENS : fit > (double)r->o.chunk ? r->o.chunk : (size_t)fit;
    return n < r->o.chunk ? n : r->o.chunk;
}

static size_t at_most(size_t n, size_t most)
{
    return n < most ? n : most;
}

/* Prompts, and what answers have ahead of them beyond a token each, share the budget: neither has to wait for the end of
 * the other. Returns how many tokens of prompts there are. */
static size_t add_tokens(ct_run *r, ct_job *const *jobs, size_t n)
{
    size_t n_ahead, n_answers = ct_run_count_answers(jobs, n, &n_ahead);
    bool is_alone = n == 1; /* no other sequence waits for its turn */
    size_t left = budget(r, is_alone ? 0 : n_answers), half = left / 2;
    size_t ahead = n_ahead < half ? n_ahead : half, want = left - ahead;
    r->n_answers = n_answers;
    size_t read = ct_run_add_prompts(r, jobs, n, want);
    left = left > read ? left - read : 0; /* an image may be more than there was */
    n_ahead = at_most(n_ahead, r->part_job ? at_most(left, r->o.batch - (r->part_job->n_part + read)) : left);
    ct_run_add_answers(r, jobs, n, read, n_ahead);
    return read + ct_run_add_part(r, read + n_ahead + n_answers, left - n_ahead);
}

/* A session that continues without new tokens has its last token's hidden state: there is nothing to evaluate. */
static void add_starters(ct_run *r, ct_job *const *jobs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (jobs[i]->state == CT_JOB_READING && !jobs[i]->is_failed && jobs[i]->at == jobs[i]->stream->n)
            r->jobs[r->n_jobs++] = jobs[i];
}

/* The other answers to a job's prompt that has just been read: forks of it. */
static void add_followers(ct_run *r, ct_job *j)
{
    for (ct_job *f = j->followers; f; f = f->next_follower) {
        carat_err err;
        if (f->state != CT_JOB_PROMISED)
            continue;
        ct_seq_close(&f->own); /* its promise becomes the fork's */
        begin_step(f);
        f->n_most = CT_MAX_AHEAD;
        r->jobs[r->n_jobs++] = f;
        if (ct_seq_fork(j->seq, &f->own, &err))
            f->n_rows = 1;
        else
            ct_run_fail(f, &err);
    }
}

/* ---- what comes of it ---- */

/* Takes the step's results to those who have a span. */
static void share_out(ct_run *r, bool ok, const carat_err *err)
{
    bool alone = !ok && err->code == CARAT_ENUMERIC; /* those that failed are marked, the others are valid */
    for (size_t i = 0, row = 0; i < r->n_spans; row += r->spans[i].n, i++) {
        ct_job *j = r->jobs[i];
        bool is_good = ok || (alone && !r->failed[i]);
        if (j == r->part_job && !ct_run_part_evaluated(r, j, is_good) && is_good)
            continue;
        if (is_good && j->state == CT_JOB_READING)
            ct_run_prompt_evaluated(r, j, row, r->spans[i].n);
        else if (is_good)
            ct_run_answer_evaluated(j, row);
        else if (!alone || !ct_run_drop_guesses(j)) /* a wrong guess must not end an answer */
            ct_run_fail(j, err);
    }
}

/* Whose prompt has been read samples from the hidden state of its last token, or scores first tokens by it, and so do its
 * followers. */
static void begin_answers(ct_run *r)
{
    for (size_t i = 0, n = r->n_jobs; i < n; i++) {
        ct_job *j = r->jobs[i];
        bool wants_row = j->gen || (j->scores && !ct_job_is_scoring(j));
        if (j->state != CT_JOB_READING || !wants_row || j->is_failed || j->at < j->stream->n)
            continue;
        j->n_rows = 1;
        add_followers(r, j);
    }
}

static void learn(ct_run *r, double seconds, size_t n_read)
{
    double *mean = n_read ? &r->token_seconds : &r->decode_seconds;
    double x = n_read ? (seconds - (r->n_answers ? r->decode_seconds : 0)) / (double)n_read : seconds;
    if (x > 0)
        *mean = *mean > 0 ? 0.8 * *mean + 0.2 * x : x;
}

static void evaluate(ct_run *r)
{
    carat_err err;
    bool ok = !r->n_spans || ct_step_run(&r->p.limits, r->spans, r->n_spans, r->failed, &err);
    share_out(r, ok, &err);
    ct_run_read_out(r);
    begin_answers(r);
}

static bool is_among(const ct_job *j, ct_job *const *jobs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (jobs[i] == j)
            return true;
    return false;
}

void ct_run_step(ct_run *r, ct_job *const *jobs, size_t n)
{
    r->n_jobs = r->n_spans = 0;
    r->has_encoded = false;
    r->turn++;
    for (size_t i = 0; i < n; i++)
        begin_step(jobs[i]);
    if (!is_among(r->encoding_job, jobs, n)) /* it was cancelled */
        r->encoding_job = NULL;
    if (!is_among(r->part_job, jobs, n))
        r->part_job = NULL;
    if (r->p.images)
        ct_image_cache_begin(r->p.images);
    size_t read = add_tokens(r, jobs, n);
    add_starters(r, jobs, n);
    if (!r->n_jobs)
        return;
    double start = ct_now();
    evaluate(r);
    ct_run_sample(r);
    /* What is computed ahead is neither a prompt's token nor an answer's next: a step with nothing but these teaches
     * nothing. */
    double seconds = ct_now() - start;
    if (r->n_spans && (read || r->n_ahead == 0))
        learn(r, seconds, read + r->n_ahead);
    if (r->n_answers && !read && !r->has_encoded && r->n_spans == r->n_jobs)
        ct_paces_learn(&r->paces, r->n_answers + r->n_ahead, seconds);
    ct_run_draft(r);
    for (size_t i = 0; i < r->n_jobs; i++)
        if (r->jobs[i]->scores)
            ct_run_settle_scores(r->jobs[i]);
        else
            ct_run_settle_answer(r, r->jobs[i]);
}
