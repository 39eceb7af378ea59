/* The scheduler's thread: runs steps while there is work.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/scheduler.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/size.h"
#include "base/thread.h"
#include "engine/scheduler_inside.h"

/* ---- steps ---- */

/* How many tokens the next step may bring to a job; 0: it is not to run. An answer whose listener has no room for more
 * is left out: it keeps its place and its pages until events are fetched, it is cancelled, or its time is up. */
static size_t most_tokens(const ct_job *j)
{
    bool runs = j->state == CT_JOB_READING || j->state == CT_JOB_DECODING || j->state == CT_JOB_CLOSING;
    size_t room = runs ? ct_queue_room(j) : 0;
    if (j->state == CT_JOB_CLOSING || room > CT_MAX_AHEAD)
        return CT_MAX_AHEAD;
    return room;
}

/* The jobs of the next step. */
static size_t choose(ct_scheduler *s)
{
    size_t n = 0;
    for (ct_job *j = s->first; j && n < s->run.o.max_jobs; j = j->next) {
        j->n_most = most_tokens(j);
        if (j->n_most)
            s->runnable[n++] = j;
    }
    return n;
}

/* A follower has become a fork, or has failed to: from now on it is a job of its own. Under the lock. */
static void start_follower(ct_scheduler *s, ct_job *j)
{
    ct_jobs_set_state(s, j, CT_JOB_READING);
    j->started = j->first->started;
    j->number = ++s->n_begun;
    j->n_cached = j->own.n;
    ct_jobs_add(s, j);
}

static void report_tokens(ct_scheduler *s, ct_job *j)
{
    if (j->answered == 0)
        j->answered = ct_now();
    for (size_t i = 0; i < j->n_chunks; i++)
        ct_jobs_send(s, j, &j->chunk[i]);
}

/* Applies the step's result to a job; under the lock. */
static void finish_step(ct_scheduler *s, ct_job *j)
{
    if (j->is_failed) {
        if (j->n_chunks) /* the next one could not be had */
            report_tokens(s, j);
        bool cut = j->err.code == CARAT_ECANCELLED && j->state == CT_JOB_DECODING;
        if (cut)
            j->result.finish = CARAT_FINISH_CANCELLED;
        ct_jobs_finish(s, j, cut);
        return;
    }
    if (!j->gen) {
        if (j->at == j->stream->n)
            ct_jobs_finish(s, j, true);
        return;
    }
    if (j->state == CT_JOB_CLOSING) {
        ct_jobs_close(s, j);
        return;
    }
    if (j->n_chunks == 0 && j->verdict == CT_GO_ON) /* its prompt is not read yet, or it was not in the step */
        return;
    report_tokens(s, j);
    ct_jobs_set_state(s, j, CT_JOB_DECODING);
    if (j->verdict != CT_GO_ON)
        ct_jobs_close(s, j);
}

static void note_progress(ct_job *j)
{
    if (j->scores && j->scores->has_read) {
        j->progress = (ct_job_progress){ j->scores->prompt->n, j->scores->prompt->n_places };
        return;
    }
    size_t n_cached = j->stream->n_places - j->n_images; /* images of the prefix that was in the cache */
    j->progress = (ct_job_progress){ .n_read = j->at, .n_images = n_cached + j->n_seen };
}

static void step(ct_scheduler *s, size_t n)
{
    ct_scheduler_take(s);
    pthread_mutex_unlock(&s->lock);
    double start = ct_now();
    ct_run_step(&s->run, s->runnable, n);
    double seconds = ct_now() - start;
    pthread_mutex_lock(&s->lock);
    s->is_busy = false;
    s->stats.steps++;
    s->stats.busy_seconds += seconds;
    s->stats.read_tokens = s->run.read_tokens;
    s->stats.decoded_tokens = s->run.decoded_tokens;
    s->stats.drafted_tokens = s->run.drafted_tokens;
    s->stats.accepted_tokens = s->run.accepted_tokens;
    /* Before any job ends, because followers that still wait for its prompt end with it. */
    for (size_t i = 0; i < s->run.n_jobs; i++)
        if (s->run.jobs[i]->state == CT_JOB_PROMISED)
            start_follower(s, s->run.jobs[i]);
    /* Some failed before they could take part, while an image was encoded. */
    for (size_t i = 0; i < n; i++)
        if (s->runnable[i]->is_failed)
            finish_step(s, s->runnable[i]);
    for (size_t i = 0; i < s->run.n_jobs; i++)
        if (s->run.jobs[i]->state != CT_JOB_DONE)
            finish_step(s, s->run.jobs[i]);
    for (size_t i = 0; i < n; i++)
        note_progress(s->runnable[i]);
    ct_jobs_let_go(s);
    ct_jobs_tell(s);
}

/* Waits until there is work, or a job's deadline passes; without the lock. */
static void rest(ct_scheduler *s, double until)
{
    pthread_mutex_unlock(&s->lock);
    ct_wake_wait(&s->wake, until);
    pthread_mutex_lock(&s->lock);
}

/* Visitors that have arrived so far go first, one at a time. Later ones wait for the next step: otherwise steady
 * visitors could stop the work. */
static void let_visitors_in(ct_scheduler *s)
{
    s->n_let_in = s->n_came;
    ct_jobs_tell(s); /* visitors that arrive meanwhile wait for the next step */
    if (s->n_left < s->n_let_in)
        pthread_cond_broadcast(&s->idle);
    while (s->n_left < s->n_let_in && !s->quits)
        rest(s, 0);
}

static void end_some(ct_scheduler *s)
{
    ct_jobs_stop(s);
    ct_jobs_let_go(s);
}

static void *work(void *arg)
{
    ct_scheduler *s = arg;
    pthread_mutex_lock(&s->lock);
    while (!s->quits) {
        end_some(s); /* before visitors, which may need the memory of a request that was freed before they arrived */
        let_visitors_in(s);
        end_some(s);
        ct_jobs_admit(s);
        ct_jobs_let_go(s); /* some could not be admitted */
        ct_jobs_tell(s);
        size_t n = choose(s);
        if (n)
            step(s, n);
        else if (!s->quits && s->n_came == s->n_let_in)
            rest(s, ct_jobs_deadline(s));
    }
    end_some(s); /* requests that were freed and had not ended */
    ct_jobs_tell(s);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ---- opening ---- */

bool ct_scheduler_bytes(const ct_config *c, const ct_scheduler_options *o, size_t *out)
{
    size_t runnable;
    return ct_run_bytes(c, o, out) && ct_mul_size(o->max_jobs, sizeof(ct_job *), &runnable) &&
           ct_add_size(*out, runnable, out);
}

bool ct_scheduler_open(const ct_scheduler_parts *p, const ct_scheduler_options *o, ct_scheduler **out, carat_err *err)
{
    *out = NULL;
    ct_scheduler *s = calloc(1, sizeof *s);
    if (!s)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the scheduler");
    pthread_condattr_t a;
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    s->has_lock = pthread_mutex_init(&s->lock, NULL) == 0 && ct_wake_init(&s->wake);
    pthread_cond_init(&s->idle, &a);
    pthread_condattr_destroy(&a);
    s->runnable = calloc(o->max_jobs, sizeof(ct_job *));
    bool ok = (s->runnable && s->has_lock) || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the scheduler");
    ok = ok && ct_run_open(&s->run, p, o, err);
    if (ok && ct_thread_start(&s->thread, work, s) != 0)
        ok = ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no thread for the scheduler");
    if (!ok) {
        ct_scheduler_close(s);
        return false;
    }
    s->is_started = true;
    *out = s;
    return true;
}

void ct_scheduler_close(ct_scheduler *s)
{
    if (!s)
        return;
    if (s->is_started) {
        pthread_mutex_lock(&s->lock);
        s->quits = true;
        pthread_mutex_unlock(&s->lock);
        ct_wake_up(&s->wake);
        pthread_join(s->thread, NULL);
    }
    ct_run_close(&s->run);
    if (s->has_lock) {
        pthread_mutex_destroy(&s->lock);
        ct_wake_deinit(&s->wake);
    }
    pthread_cond_destroy(&s->idle);
    free(s->runnable);
    free(s);
}
