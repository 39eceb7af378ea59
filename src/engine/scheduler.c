/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/scheduler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/size.h"
#include "engine/run.h"

/* How often jobs that cannot run are looked at: for cancel flags that a signal handler set, and for deadlines. */
#define GLANCE_SECONDS 0.02

/* Seconds that are as good as forever, and fit a timespec. */
#define A_LONG_TIME 1e9

struct carat_scheduler {
    carat_run run;
    pthread_t thread;
    bool is_started, quits;
    pthread_mutex_t lock;
    pthread_cond_t wake; /* for the thread: work, a free place in a ring, visitors gone, the end */
    pthread_cond_t idle; /* for visitors: no step is running */
    bool has_lock;
    bool is_busy;              /* a step is running: sequences and parts are the thread's */
    size_t n_visitors, n_left; /* those who wait or are in; those who have gone, ever */
    carat_job *first, *last;   /* all that are not done, in order of submission */
    size_t n_jobs, n_queued;
    size_t n_waiting; /* followers with a sequence, not in the list yet */
    carat_job **able; /* [max_jobs] jobs of the next step */
    carat_scheduler_stats stats;
};

/* ---- jobs ---- */

bool carat_job_init(carat_job *j, carat_err *err)
{
    *j = (carat_job){ .state = CARAT_JOB_DONE };
    pthread_condattr_t a;
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    if (pthread_cond_init(&j->news, &a) != 0)
        return carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a request");
    pthread_condattr_destroy(&a);
    for (size_t i = 0; i < CARAT_JOB_EVENTS; i++)
        carat_said_init(&j->events[i]);
    carat_said_init(&j->said);
    return true;
}

void carat_job_deinit(carat_job *j)
{
    for (size_t i = 0; i < CARAT_JOB_EVENTS; i++)
        carat_said_deinit(&j->events[i]);
    carat_said_deinit(&j->said);
    carat_generator_close(j->gen);
    j->gen = NULL;
    pthread_cond_destroy(&j->news);
}

size_t carat_job_reach(size_t batch, size_t n_ctx)
{
    size_t most = batch > CARAT_JOB_EVENTS ? batch : CARAT_JOB_EVENTS;
    return most < n_ctx ? most : n_ctx;
}

static void swap_said(carat_said *a, carat_said *b)
{
    carat_said t = *a;
    *a = *b;
    *b = t;
}

static void list_job(carat_scheduler *s, carat_job *j)
{
    j->prev = s->last;
    j->next = NULL;
    *(s->last ? &s->last->next : &s->first) = j;
    s->last = j;
    s->n_jobs++;
    j->is_listed = true;
}

static void unlist_job(carat_scheduler *s, carat_job *j)
{
    *(j->prev ? &j->prev->next : &s->first) = j->next;
    *(j->next ? &j->next->prev : &s->last) = j->prev;
    j->prev = j->next = NULL;
    s->n_jobs--;
    j->is_listed = false;
}

static bool has_room(const carat_job *j)
{
    return j->n_sent - j->n_taken + 2 <= CARAT_JOB_EVENTS;
}

static void send(carat_job *j)
{
    swap_said(&j->said, &j->events[j->n_sent++ % CARAT_JOB_EVENTS]);
    pthread_cond_signal(&j->news);
}

/* The end of a job; under the lock, no step running. */
static void finish(carat_scheduler *s, carat_job *j, bool ok)
{
    s->n_queued -= j->state == CARAT_JOB_QUEUED;
    s->n_waiting -= j->state == CARAT_JOB_WAITING && j->own.kv;
    if (ok && j->gen && carat_generator_flush(j->gen, &j->said))
        send(j);
    if (j->gen) {
        bool cancelled = j->result.finish == CARAT_FINISH_CANCELLED;
        j->result = carat_generator_result(j->gen);
        if (cancelled)
            j->result.finish = CARAT_FINISH_CANCELLED;
        if (j->seq && ok)
            carat_kv_mark(j->seq->kv); /* the next turn goes on from here */
    }
    if (j->seq == &j->own || j->own.kv) {
        carat_seq_close(&j->own);
        j->seq = NULL;
    }
    j->ended = carat_now();
    j->result.seconds = j->answered > 0 ? j->ended - j->answered : 0;
    j->ok = ok;
    j->state = CARAT_JOB_DONE;
    if (j->is_listed)
        unlist_job(s, j);
    s->stats.done += ok && j->result.finish != CARAT_FINISH_CANCELLED;
    s->stats.failed += !ok && j->err.code != CARAT_ECANCELLED;
    s->stats.cancelled +=
        (!ok && j->err.code == CARAT_ECANCELLED) || (ok && j->result.finish == CARAT_FINISH_CANCELLED);
    pthread_cond_broadcast(&j->news);
    for (carat_job *f = j->followers; f; f = f->next_follower)
        if (f->state == CARAT_JOB_WAITING) { /* its prompt will not be read */
            f->err = j->err;
            if (ok)
                carat_fail(&f->err, CARAT_ECANCELLED, CARAT_NOWHERE, "cancelled");
            finish(s, f, false);
        }
}

/* Cancelled or late. An answer whose prompt is read is cut, not failed. */
static void stop(carat_scheduler *s, carat_job *j, bool is_late)
{
    bool is_answering = j->state == CARAT_JOB_DECODING || (j->gen && j->at == j->stream->n);
    if (is_answering && !is_late) {
        j->result.finish = CARAT_FINISH_CANCELLED;
        finish(s, j, true);
        return;
    }
    if (is_late)
        carat_fail(&j->err, CARAT_ETIME, CARAT_NOWHERE, "the request's time is up");
    else
        carat_fail(&j->err, CARAT_ECANCELLED, CARAT_NOWHERE, "cancelled after %zu of %zu tokens", j->at - j->from,
                   j->stream->n - j->from);
    finish(s, j, false);
}

static void stop_those_to_stop(carat_scheduler *s)
{
    double now = carat_now();
    for (carat_job *j = s->first, *next; j; j = next) {
        next = j->next;
        bool is_late = j->deadline > 0 && now > j->deadline;
        if (!atomic_load(j->cancel) && !is_late)
            continue;
        stop(s, j, is_late && !atomic_load(j->cancel));
    }
}

/* ---- admission ---- */

static void begin(carat_scheduler *s, carat_job *j)
{
    s->n_queued -= j->state == CARAT_JOB_QUEUED;
    j->state = CARAT_JOB_READING;
    j->started = carat_now();
    j->at = j->from;
    s->stats.cached_tokens += j->from;
    carat_stream_places(j->stream, j->from, j->stream->n, &j->n_images);
}

static bool open_own(carat_scheduler *s, carat_job *j, carat_err *err)
{
    return carat_seq_open(&j->own, s->run.p.cache, j->n_ctx, s->run.p.model->cfg.hidden, err);
}

/* Sequences for a job and its followers, all or none. */
static bool open_all(carat_scheduler *s, carat_job *j, carat_err *err)
{
    bool ok = open_own(s, j, err);
    for (carat_job *f = j->followers; f && ok; f = f->next_follower)
        ok = open_own(s, f, err);
    if (ok)
        return true;
    carat_seq_close(&j->own);
    for (carat_job *f = j->followers; f; f = f->next_follower)
        carat_seq_close(&f->own);
    return false;
}

/* Does another job hold memory that its end will give back? A session's memory stays the session's. */
static bool somebody_will_leave(const carat_scheduler *s)
{
    for (const carat_job *j = s->first; j; j = j->next)
        if (j->own.kv)
            return true;
    return false;
}

/* Gives a job its sequence, and with it the prefix that the cache knows. False: not now. */
static bool admit(carat_scheduler *s, carat_job *j)
{
    carat_err err;
    if (!open_all(s, j, &err)) {
        if (err.code == CARAT_ELIMIT && somebody_will_leave(s))
            return false;
        j->err = err;
        finish(s, j, false);
        return true;
    }
    j->seq = &j->own;
    for (carat_job *f = j->followers; f; f = f->next_follower) {
        f->seq = &f->own;
        s->n_waiting++;
    }
    carat_seq_resume(j->seq, j->stream, j->stream->n - 1);
    j->from = j->n_cached = j->own.n;
    begin(s, j);
    return true;
}

static size_t count_running(const carat_scheduler *s)
{
    return s->n_jobs - s->n_queued + s->n_waiting;
}

static size_t group_size(const carat_job *j)
{
    size_t n = 1;
    for (const carat_job *f = j->followers; f; f = f->next_follower)
        n++;
    return n;
}

/* In order: the first that does not fit holds up those behind it, or it would wait forever. One that waits for memory
 * does not hold up sessions' jobs, which have theirs. */
static void admit_queued(carat_scheduler *s)
{
    bool no_memory = false;
    for (carat_job *j = s->first, *next; j && s->n_queued; j = next) {
        next = j->next;
        if (j->state != CARAT_JOB_QUEUED || (no_memory && !j->seq))
            continue;
        if (count_running(s) + group_size(j) > s->run.o.max_jobs)
            return;
        if (j->seq)
            begin(s, j);
        else
            no_memory = !admit(s, j);
    }
}

/* ---- steps ---- */

static size_t choose(carat_scheduler *s)
{
    size_t n = 0;
    for (carat_job *j = s->first; j && n < s->run.o.max_jobs; j = j->next)
        if (j->state == CARAT_JOB_READING || (j->state == CARAT_JOB_DECODING && has_room(j))) {
            j->is_failed = false;
            j->row = SIZE_MAX;
            s->able[n++] = j;
        }
    return n;
}

/* A follower has become a fork, or could not: from now on it stands for itself. Under the lock. */
static void come_of_age(carat_scheduler *s, carat_job *j)
{
    s->n_waiting--;
    j->state = CARAT_JOB_READING;
    j->started = j->first->started;
    j->n_cached = j->own.n;
    list_job(s, j);
}

/* What the step brought to a job; under the lock. */
static void settle(carat_scheduler *s, carat_job *j)
{
    if (j->is_failed) {
        bool cut = j->err.code == CARAT_ECANCELLED && j->state == CARAT_JOB_DECODING;
        if (cut)
            j->result.finish = CARAT_FINISH_CANCELLED;
        finish(s, j, cut);
        return;
    }
    if (!j->gen) {
        if (j->at == j->stream->n)
            finish(s, j, true);
        return;
    }
    if (j->row == SIZE_MAX) /* its prompt is not read yet, or it had no turn */
        return;
    if (j->answered == 0)
        j->answered = carat_now();
    j->state = CARAT_JOB_DECODING;
    j->next_id = j->said.id;
    if (j->verdict != CARAT_END_TURN)
        send(j);
    if (j->verdict != CARAT_GO_ON)
        finish(s, j, true);
}

static void step(carat_scheduler *s, size_t n)
{
    s->is_busy = true;
    pthread_mutex_unlock(&s->lock);
    double start = carat_now();
    carat_run_step(&s->run, s->able, n);
    double seconds = carat_now() - start;
    pthread_mutex_lock(&s->lock);
    s->is_busy = false;
    s->stats.steps++;
    s->stats.busy_seconds += seconds;
    s->stats.read_tokens = s->run.read_tokens;
    s->stats.decoded_tokens = s->run.decoded_tokens;
    /* Before anybody ends: with a job end the followers that still wait for its prompt. */
    for (size_t i = 0; i < s->run.n_jobs; i++)
        if (s->run.jobs[i]->state == CARAT_JOB_WAITING)
            come_of_age(s, s->run.jobs[i]);
    /* Some failed before they could take part, while an image was looked at. */
    for (size_t i = 0; i < n; i++)
        if (s->able[i]->is_failed)
            settle(s, s->able[i]);
    for (size_t i = 0; i < s->run.n_jobs; i++)
        if (s->run.jobs[i]->state != CARAT_JOB_DONE)
            settle(s, s->run.jobs[i]);
    pthread_cond_broadcast(&s->idle);
}

static void wait_a_little(carat_scheduler *s)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += (long)(GLANCE_SECONDS * 1e9);
    if (t.tv_nsec >= 1000000000) {
        t.tv_nsec -= 1000000000;
        t.tv_sec++;
    }
    pthread_cond_timedwait(&s->wake, &s->lock, &t);
}

/* Those who waited for the step's end. Who comes later waits for the next one: or the work would stand still for as
 * long as somebody comes. */
static void let_visitors_in(carat_scheduler *s)
{
    size_t all = s->n_left + s->n_visitors;
    while (s->n_left < all && !s->quits)
        pthread_cond_wait(&s->wake, &s->lock);
}

static void *work(void *arg)
{
    carat_scheduler *s = arg;
    pthread_mutex_lock(&s->lock);
    while (!s->quits) {
        let_visitors_in(s);
        stop_those_to_stop(s);
        admit_queued(s);
        size_t n = choose(s);
        if (n)
            step(s, n);
        else if (s->first)
            wait_a_little(s);
        else if (!s->quits && !s->n_visitors)
            pthread_cond_wait(&s->wake, &s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ---- opening ---- */

bool carat_scheduler_bytes(const carat_config *c, const carat_scheduler_options *o, size_t *out)
{
    size_t able;
    return carat_run_bytes(c, o, out) && carat_mul_size(o->max_jobs, sizeof(carat_job *), &able) &&
           carat_add_size(*out, able, out);
}

bool carat_scheduler_open(const carat_scheduler_parts *p, const carat_scheduler_options *o, carat_scheduler **out,
                          carat_err *err)
{
    *out = NULL;
    carat_scheduler *s = calloc(1, sizeof *s);
    if (!s)
        return carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the scheduler");
    pthread_condattr_t a;
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    s->has_lock = pthread_mutex_init(&s->lock, NULL) == 0;
    pthread_cond_init(&s->wake, &a);
    pthread_cond_init(&s->idle, &a);
    pthread_condattr_destroy(&a);
    s->able = calloc(o->max_jobs, sizeof(carat_job *));
    bool ok = (s->able && s->has_lock) || carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the scheduler");
    ok = ok && carat_run_open(&s->run, p, o, err);
    if (ok && pthread_create(&s->thread, NULL, work, s) != 0)
        ok = carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no thread for the scheduler");
    if (!ok) {
        carat_scheduler_close(s);
        return false;
    }
    s->is_started = true;
    *out = s;
    return true;
}

void carat_scheduler_close(carat_scheduler *s)
{
    if (!s)
        return;
    if (s->is_started) {
        pthread_mutex_lock(&s->lock);
        s->quits = true;
        pthread_cond_broadcast(&s->wake);
        pthread_mutex_unlock(&s->lock);
        pthread_join(s->thread, NULL);
    }
    carat_run_close(&s->run);
    if (s->has_lock)
        pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->wake);
    pthread_cond_destroy(&s->idle);
    free(s->able);
    free(s);
}

/* ---- for the others ---- */

bool carat_scheduler_submit(carat_scheduler *s, carat_job *const *jobs, size_t n, carat_err *err)
{
    pthread_mutex_lock(&s->lock);
    /* A session's job has its sequence and need not queue. */
    if (!jobs[0]->seq && s->n_queued >= s->run.o.max_queue) {
        size_t waiting = s->n_queued;
        pthread_mutex_unlock(&s->lock);
        return carat_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "the queue is full: %zu requests wait, %zu may", waiting,
                          s->run.o.max_queue);
    }
    for (size_t i = n - 1; i > 0; i--) {
        jobs[i]->state = CARAT_JOB_WAITING;
        jobs[i]->first = jobs[0];
        jobs[i]->next_follower = jobs[0]->followers;
        jobs[0]->followers = jobs[i];
    }
    jobs[0]->state = CARAT_JOB_QUEUED;
    s->n_queued++;
    list_job(s, jobs[0]);
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    return true;
}

static bool wait_for_news(carat_scheduler *s, carat_job *j, double until)
{
    if (until < 0)
        return pthread_cond_wait(&j->news, &s->lock) == 0;
    struct timespec t = { .tv_sec = (time_t)until, .tv_nsec = (long)((until - (double)(time_t)until) * 1e9) };
    return pthread_cond_timedwait(&j->news, &s->lock, &t) != ETIMEDOUT;
}

bool carat_scheduler_next(carat_scheduler *s, carat_job *j, carat_said *said, double seconds, bool *is_done)
{
    double until = seconds < 0 || seconds > A_LONG_TIME ? -1 : carat_now() + seconds;
    *is_done = false;
    pthread_mutex_lock(&s->lock);
    while (j->n_sent == j->n_taken && j->state != CARAT_JOB_DONE)
        if (!wait_for_news(s, j, until))
            break;
    bool has = j->n_sent != j->n_taken;
    if (has) {
        bool was_full = !has_room(j);
        swap_said(said, &j->events[j->n_taken++ % CARAT_JOB_EVENTS]);
        if (was_full && has_room(j))
            pthread_cond_signal(&s->wake);
    } else {
        *is_done = j->state == CARAT_JOB_DONE;
    }
    pthread_mutex_unlock(&s->lock);
    return has;
}

void carat_scheduler_finish(carat_scheduler *s, carat_job *j)
{
    pthread_mutex_lock(&s->lock);
    while (j->state != CARAT_JOB_DONE) {
        j->n_taken = j->n_sent;
        pthread_cond_signal(&s->wake);
        pthread_cond_wait(&j->news, &s->lock);
    }
    pthread_mutex_unlock(&s->lock);
}

void carat_scheduler_nudge(carat_scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

void carat_scheduler_visit(carat_scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    s->n_visitors++;
    while (s->is_busy)
        pthread_cond_wait(&s->idle, &s->lock);
}

void carat_scheduler_leave(carat_scheduler *s)
{
    s->n_visitors--;
    s->n_left++;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

carat_scheduler_stats carat_scheduler_counters(carat_scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    carat_scheduler_stats st = s->stats;
    st.running = count_running(s);
    st.queued = s->n_queued;
    pthread_mutex_unlock(&s->lock);
    return st;
}
