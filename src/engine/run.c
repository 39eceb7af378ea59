/* One step: chooses the tokens that take part, encodes images, evaluates, then samples for each answer.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/run.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/size.h"

#define NO_ROW SIZE_MAX
/* A prompt always gets on, however slow the steps are. */
#define LEAST_TOKENS 4
#define LEAST_MARKED 16 /* tokens of an append whose end is worth returning to */

/* ---- memory ---- */

static void take_all(ct_run *r, const ct_config *c, const ct_scheduler_options *o, ct_arena *a)
{
    r->jobs = ct_arena_take(a, o->max_jobs, sizeof(ct_job *));
    r->spans = ct_arena_take(a, o->max_jobs, sizeof(ct_step_span));
    r->failed = ct_arena_take(a, o->max_jobs, sizeof(bool));
    r->inputs = ct_arena_take(a, o->batch + o->max_jobs, sizeof(ct_step_input));
    r->window = ct_arena_take(a, o->chunk + o->batch, sizeof(ct_step_input));
    r->rows = ct_arena_take(a, o->max_jobs, sizeof(ct_head_row));
    r->logits = ct_arena_take(a, o->max_jobs * c->n_vocab, sizeof(float));
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
    if (!ct_run_bytes(&p->model->cfg, o, &bytes) || !ct_arena_init(&r->arena, bytes))
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the logits of %zu sequences", o->max_jobs);
    take_all(r, &p->model->cfg, o, &r->arena);
    return true;
}

void ct_run_close(ct_run *r)
{
    ct_arena_deinit(&r->arena);
}

/* ---- who takes part ---- */

static void join(ct_run *r, ct_job *j, ct_step_input *inputs, size_t n)
{
    r->spans[r->n_jobs] = (ct_step_span){ .kv = j->seq->kv, .tokens = inputs, .n = n };
    r->jobs[r->n_jobs++] = j;
    r->n_spans = r->n_jobs;
}

static bool fail(ct_job *j, const carat_err *err)
{
    j->err = *err;
    j->is_failed = true;
    return false;
}

/* One layer of the tower for a job's next image that is not in the cache. One job has the tower until the images of its
 * next step are there. False: the job has failed, or this was not its turn. */
static bool look(ct_run *r, ct_job *j, const ct_view *view)
{
    carat_err err;
    size_t done, total = ct_image_cache_shape(r->p.images)->n_layer;
    if (r->has_looked || (r->looker && r->looker != j))
        return false;
    r->looker = j;
    r->has_looked = true;
    bool ok = ct_image_cache_encode(r->p.images, view, &done, &err);
    if (ok && j->on_progress &&
        !j->on_progress(j->on_progress_arg, CARAT_PHASE_IMAGE, j->n_encoded * total + done, j->n_images * total))
        ok = ct_fail(&err, CARAT_ECANCELLED, CARAT_NOWHERE, "cancelled while an image was encoded");
    if (ok) {
        j->n_encoded += done == total;
        return done == total;
    }
    r->looker = NULL;
    return fail(j, &err);
}

static bool knows_all(const ct_run *r, const ct_stream_place *places, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!ct_image_cache_knows(r->p.images, places[i].view))
            return false;
    return true;
}

/* Puts the rows of the images among a job's next n inputs in their places. False: they are not all there yet. */
static bool set_rows(ct_run *r, ct_job *j, ct_step_input *inputs, size_t n)
{
    const ct_stream *t = j->stream;
    size_t n_places, first = ct_stream_places(t, j->at, j->at + n, &n_places);
    /* One that waits for the tower keeps no places for images from the one that has it: they are as many as a step's.
     */
    if (r->looker && r->looker != j && !knows_all(r, t->places + first, n_places))
        return false;
    for (size_t i = first; i < first + n_places; i++) {
        uint32_t slot = ct_image_cache_find(r->p.images, t->places[i].view);
        if (slot == CT_NO_SLOT && look(r, j, t->places[i].view))
            slot = ct_image_cache_find(r->p.images, t->places[i].view);
        if (slot == CT_NO_SLOT)
            return false;
        for (size_t k = 0; k < t->n_soft; k++) {
            ct_step_input *in = &inputs[t->places[i].at + k - j->at];
            in->is_soft = true;
            in->slot = slot;
            in->index = (uint32_t)k;
        }
    }
    if (r->looker == j)
        r->looker = NULL;
    j->n_seen += n_places;
    return true;
}

/* Adds a prompt's next tokens: at most `want`, more only if an image of more comes first and nothing is before it.
 * Returns how many. */
static size_t add_prompt(ct_run *r, ct_job *j, size_t used, size_t want, bool is_first)
{
    const ct_stream *t = j->stream;
    size_t left = ct_stream_next_mark(t, j->at) - j->at; /* a step ends at a mark, so that it can be set there */
    size_t most = r->o.chunk + r->o.batch, window = left < most ? left : most;
    ct_stream_inputs(t, j->at, window, r->window);
    size_t n = ct_step_cut(r->window, window, want);
    if (n > want && !is_first)
        return 0;
    ct_step_input *to = r->inputs + used;
    memcpy(to, r->window, n * sizeof *to);
    if (!set_rows(r, j, to, n))
        return 0;
    join(r, j, to, n);
    return n;
}

/* Tokens of prompts in a step beside n_decoding answers. */
static size_t budget(const ct_run *r, size_t n_decoding)
{
    if (!n_decoding || r->token_seconds <= 0)
        return n_decoding ? LEAST_TOKENS : r->o.chunk;
    double fit = (r->o.step_seconds - r->decode_seconds) / r->token_seconds;
    size_t n = fit < LEAST_TOKENS ? LEAST_TOKENS : fit > (double)r->o.chunk ? r->o.chunk : (size_t)fit;
    return n < r->o.chunk ? n : r->o.chunk;
}

static size_t add_answers(ct_run *r, ct_job *const *jobs, size_t n)
{
    size_t used = 0;
    for (size_t i = 0; i < n && r->n_jobs < r->o.max_jobs; i++) {
        ct_job *j = jobs[i];
        if (j->state != CT_JOB_DECODING)
            continue;
        r->inputs[used] = (ct_step_input){ .id = j->next_id };
        join(r, j, r->inputs + used++, 1);
    }
    r->n_decoding = r->n_jobs;
    return used;
}

/* Prompts take turns at being first, so that a short one does not wait for a long one. */
static size_t add_prompts(ct_run *r, ct_job *const *jobs, size_t n, size_t used)
{
    size_t left = budget(r, r->n_decoding), taken = 0;
    r->turn++;
    for (size_t k = 0; k < n && left > 0 && r->n_jobs < r->o.max_jobs; k++) {
        ct_job *j = jobs[(r->turn + k) % n];
        if (j->state != CT_JOB_READING || j->is_failed || j->at == j->stream->n)
            continue;
        size_t m = add_prompt(r, j, used + taken, left, taken == 0);
        taken += m;
        left -= m < left ? m : left;
    }
    return taken;
}

/* A session that goes on from where it is has its last token's hidden state: nothing to evaluate. */
static void add_starters(ct_run *r, ct_job *const *jobs, size_t n)
{
    for (size_t i = 0; i < n && r->n_jobs < r->o.max_jobs; i++)
        if (jobs[i]->state == CT_JOB_READING && !jobs[i]->is_failed && jobs[i]->at == jobs[i]->stream->n)
            r->jobs[r->n_jobs++] = jobs[i];
}

/* ---- what comes of it ---- */

/* The output head over rows [0, n) of r->rows; false: it could not be computed at all. */
static bool run_head(ct_run *r, size_t n, carat_err *err)
{
    const ct_backend *b = r->p.backend;
    ct_head h = {
        .want = CT_HEAD_FULL, .rows = r->rows, .n = n, .n_pieces = r->p.model->n_pieces, .logits = r->logits
    };
    return n == 0 || b->head(b->self, &h, err);
}

static bool is_finite(const ct_run *r, size_t row, size_t n, carat_err *err)
{
    return r->rows[row].is_finite ||
           ct_fail(err, CARAT_ENUMERIC, CARAT_NOWHERE, "logits are not finite (row %zu of %zu)", row + 1, n);
}

static bool give_all_logits(ct_run *r, ct_job *j, size_t row, size_t n)
{
    carat_err err;
    for (size_t i = 0; i < n; i++) {
        r->rows[0] = (ct_head_row){ .row = row + i };
        if (!run_head(r, 1, &err) || !is_finite(r, 0, 1, &err))
            return fail(j, &err);
        if (!j->on_logits(j->on_logits_arg, j->seq->n - n + i, r->logits, r->p.model->cfg.n_vocab)) {
            ct_fail(&err, CARAT_ECANCELLED, CARAT_NOWHERE, "cancelled");
            return fail(j, &err);
        }
    }
    return true;
}

static void report(ct_job *j)
{
    carat_err err;
    if (!j->on_progress ||
        j->on_progress(j->on_progress_arg, CARAT_PHASE_PROMPT, j->at - j->from, j->stream->n - j->from) ||
        j->at == j->stream->n)
        return;
    ct_fail(&err, CARAT_ECANCELLED, CARAT_NOWHERE, "cancelled after %zu of %zu tokens", j->at - j->from,
            j->stream->n - j->from);
    fail(j, &err);
}

/* The step's tokens count. `row` is the job's first. */
static void move_on(ct_run *r, ct_job *j, size_t row, size_t n)
{
    if (j->state == CT_JOB_DECODING) {
        uint64_t key;
        ct_stream_text_keys(&j->next_id, 1, &key);
        ct_seq_grow(j->seq, &j->next_id, &key, 1, row);
        r->decoded_tokens++;
        return;
    }
    ct_seq_grow(j->seq, j->stream->ids + j->at, j->stream->keys + j->at, n, row + n - 1);
    j->at += n;
    r->read_tokens += n;
    if (j->at == j->stream->n && j->n_seen > j->n_encoded)
        ct_image_cache_count_cached(r->p.images, j->n_seen - j->n_encoded);
    if (j->on_logits && !give_all_logits(r, j, row, n))
        return;
    /* Somebody who appends a few tokens at a time will not return to each. */
    bool is_end = j->at == j->stream->n, is_short = !j->gen && j->stream->n - j->from < LEAST_MARKED;
    if (ct_stream_next_mark(j->stream, j->at - 1) == j->at && !(is_end && is_short))
        ct_kv_mark(j->seq->kv);
    report(j);
}

static bool samples(const ct_job *j)
{
    return j->gen && !j->is_failed && (j->state == CT_JOB_DECODING || j->at == j->stream->n);
}

/* The next token's logits of all that sample: of those that took part in the step and of those that go on from where
 * they were, in one product. */
static void compute_logits(ct_run *r)
{
    carat_err err;
    for (size_t i = 0; i < r->n_jobs; i++)
        if (samples(r->jobs[i])) {
            const ct_job *j = r->jobs[i];
            assert(j->seq->has_hidden);
            r->rows[r->n_rows] = (ct_head_row){ .hidden = j->seq->hidden, .wants_lse = ct_generator_wants_lse(j->gen) };
            r->jobs[i]->row = r->n_rows++;
        }
    bool ok = run_head(r, r->n_rows, &err);
    for (size_t i = 0; i < r->n_jobs; i++) {
        ct_job *j = r->jobs[i];
        if (j->row == NO_ROW)
            continue;
        j->lse = r->rows[j->row].lse;
        if (!ok || !is_finite(r, j->row, r->n_rows, &err))
            fail(j, &err);
    }
}

/* The other answers to a job's prompt that has just been read: forks of it, with the same logits. */
static void add_followers(ct_run *r, ct_job *j)
{
    size_t n_vocab = r->p.model->cfg.n_vocab;
    for (ct_job *f = j->followers; f; f = f->next_follower) {
        carat_err err;
        if (f->state != CT_JOB_PROMISED)
            continue;
        ct_seq_close(&f->own); /* its promise becomes the fork's */
        f->row = NO_ROW;
        f->is_failed = false;
        r->jobs[r->n_jobs++] = f;
        if (!ct_seq_fork(j->seq, &f->own, &err)) {
            fail(f, &err);
            continue;
        }
        f->row = r->n_rows++;
        f->lse = j->lse;
        memcpy(r->logits + f->row * n_vocab, r->logits + j->row * n_vocab, n_vocab * sizeof(float));
    }
}

static void add_all_followers(ct_run *r)
{
    for (size_t i = 0, n = r->n_jobs; i < n; i++) {
        ct_job *j = r->jobs[i];
        if (!j->is_failed && j->row != NO_ROW && j->state == CT_JOB_READING)
            add_followers(r, j);
    }
}

static void begin_answer(ct_job *j)
{
    for (size_t i = 0; i < j->seq->n; i++)
        ct_generator_accept(j->gen, j->seq->ids[i]);
    j->has_begun = true;
}

/* Samples for jobs [begin, end) of the step. */
static void sample(void *arg, size_t begin, size_t end, int thread)
{
    ct_run *r = arg;
    (void)thread;
    for (size_t i = begin; i < end; i++) {
        ct_job *j = r->jobs[i];
        carat_err err;
        if (j->is_failed || j->row == NO_ROW)
            continue;
        float *logits = r->logits + j->row * r->p.model->cfg.n_vocab;
        if (!j->has_begun)
            begin_answer(j);
        if (!ct_generator_next(j->gen, logits, j->lse, j->seq->n_ctx - j->seq->n, &j->said, &j->verdict, &err))
            fail(j, &err);
    }
}

static void learn(ct_run *r, double seconds, size_t n_read)
{
    double *mean = n_read ? &r->token_seconds : &r->decode_seconds;
    double x = n_read ? (seconds - (r->n_decoding ? r->decode_seconds : 0)) / (double)n_read : seconds;
    if (x > 0)
        *mean = *mean > 0 ? 0.8 * *mean + 0.2 * x : x;
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
    carat_err err;
    r->n_jobs = r->n_spans = r->n_rows = 0;
    r->has_looked = false;
    if (!is_among(r->looker, jobs, n)) /* it was cancelled */
        r->looker = NULL;
    if (r->p.images)
        ct_image_cache_begin(r->p.images);
    size_t used = add_answers(r, jobs, n), read = add_prompts(r, jobs, n, used);
    add_starters(r, jobs, n);
    if (!r->n_jobs)
        return;
    double start = ct_now();
    bool ok = !r->n_spans || ct_step_run(&r->p.limits, r->spans, r->n_spans, r->failed, &err);
    bool alone = !ok && err.code == CARAT_ENUMERIC; /* those that failed are marked, the others stand */
    for (size_t i = 0, row = 0; i < r->n_spans; row += r->spans[i].n, i++) {
        if (ok || (alone && !r->failed[i]))
            move_on(r, r->jobs[i], row, r->spans[i].n);
        else
            fail(r->jobs[i], &err);
    }
    compute_logits(r);
    if (r->n_spans)
        learn(r, ct_now() - start, read);
    add_all_followers(r);
    ct_pool_each(r->p.pool, r->n_jobs, 1, sample, r);
}
