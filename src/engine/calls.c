/* What others ask of the scheduler, from their own threads.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/clock.h"
#include "engine/scheduler_inside.h"

/* Seconds that are as good as forever, and fit a timespec. */
#define A_LONG_TIME 1e9

/* ---- jobs ---- */

bool ct_scheduler_submit(ct_scheduler *s, ct_job *const *jobs, size_t n, carat_err *err)
{
    pthread_mutex_lock(&s->lock);
    /* A session's job has its sequence and need not queue. */
    if (!jobs[0]->seq && s->n_queued >= s->run.o.max_queue) {
        size_t waiting = s->n_queued;
        pthread_mutex_unlock(&s->lock);
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "the queue is full: %zu requests wait, %zu may", waiting,
                       s->run.o.max_queue);
    }
    for (size_t i = n - 1; i > 0; i--) {
        jobs[i]->state = CT_JOB_WAITING;
        jobs[i]->first = jobs[0];
        jobs[i]->next_follower = jobs[0]->followers;
        jobs[0]->followers = jobs[i];
    }
    jobs[0]->state = CT_JOB_QUEUED;
    s->n_queued++;
    ct_jobs_add(s, jobs[0]);
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    return true;
}

static bool wait_for_news(ct_scheduler *s, ct_job *j, double until)
{
    if (until < 0)
        return pthread_cond_wait(&j->news, &s->lock) == 0;
    struct timespec t = { .tv_sec = (time_t)until, .tv_nsec = (long)((until - (double)(time_t)until) * 1e9) };
    return pthread_cond_timedwait(&j->news, &s->lock, &t) != ETIMEDOUT;
}

bool ct_scheduler_next(ct_scheduler *s, ct_job *j, ct_chunk *said, double seconds, bool *is_done)
{
    double until = seconds < 0 || seconds > A_LONG_TIME ? -1 : ct_now() + seconds;
    *is_done = false;
    pthread_mutex_lock(&s->lock);
    while (j->n_sent == j->n_taken && j->state != CT_JOB_DONE)
        if (!wait_for_news(s, j, until))
            break;
    bool has = j->n_sent != j->n_taken;
    if (has) {
        bool was_full = !ct_job_has_room(j);
        ct_job_take(j, said);
        if (was_full && ct_job_has_room(j))
            pthread_cond_signal(&s->wake);
    } else {
        *is_done = j->state == CT_JOB_DONE;
    }
    pthread_mutex_unlock(&s->lock);
    return has;
}

void ct_scheduler_finish(ct_scheduler *s, ct_job *j)
{
    pthread_mutex_lock(&s->lock);
    while (j->state != CT_JOB_DONE) {
        j->n_taken = j->n_sent;
        pthread_cond_signal(&s->wake);
        pthread_cond_wait(&j->news, &s->lock);
    }
    pthread_mutex_unlock(&s->lock);
}

void ct_scheduler_nudge(ct_scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

/* ---- visits ---- */

/* What counters say while a step or a visitor works with the parts: the state before. */
static void look(ct_scheduler *s)
{
    s->stats.kv = ct_cache_get_usage(s->run.p.cache);
    if (s->run.p.sight)
        s->stats.sight = ct_image_cache_counters(s->run.p.sight);
}

void ct_scheduler_take(ct_scheduler *s)
{
    look(s);
    s->is_busy = true;
}

void ct_scheduler_visit(ct_scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    uint64_t number = s->n_came++;
    pthread_cond_signal(&s->wake);
    while (s->is_busy || number >= s->n_let_in)
        pthread_cond_wait(&s->idle, &s->lock);
    ct_scheduler_take(s);
    pthread_mutex_unlock(&s->lock);
}

void ct_scheduler_leave(ct_scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    s->is_busy = false;
    s->n_left++;
    pthread_cond_broadcast(&s->idle);
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

ct_scheduler_stats ct_scheduler_counters(ct_scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    if (!s->is_busy)
        look(s);
    ct_scheduler_stats st = s->stats;
    st.running = ct_jobs_running(s);
    st.queued = s->n_queued;
    pthread_mutex_unlock(&s->lock);
    return st;
}
