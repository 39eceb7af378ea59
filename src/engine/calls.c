/* What other threads call: submitting, draining, visiting, counting.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>

#include "base/clock.h"
#include "engine/scheduler_inside.h"

/* ---- jobs ---- */

/* A session's job already has its sequence and need not queue. */
static bool may_come(const ct_scheduler *s, const ct_job *j, carat_err *err)
{
    if (j->seq)
        return true;
    if (s->is_closed)
        return ct_fail(err, CARAT_ECLOSED, CARAT_NOWHERE, "the engine takes no more requests: it is being drained");
    if (ct_jobs_queued(s) < s->run.o.max_queue)
        return true;
    size_t n = 0; /* without those that were cancelled during the step that is running */
    for (const ct_job *k = s->first; k; k = k->next)
        n += k->state == CT_JOB_QUEUED && !atomic_load(k->cancel);
    return n < s->run.o.max_queue || ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE,
                                             "the queue is full: %zu requests wait, %zu may", n, s->run.o.max_queue);
}

bool ct_scheduler_submit(ct_scheduler *s, ct_job *const *jobs, size_t n, carat_err *err)
{
    pthread_mutex_lock(&s->lock);
    if (!may_come(s, jobs[0], err)) {
        pthread_mutex_unlock(&s->lock);
        return false;
    }
    for (size_t i = n - 1; i > 0; i--) {
        ct_jobs_set_state(s, jobs[i], CT_JOB_WAITING);
        jobs[i]->first = jobs[0];
        jobs[i]->next_follower = jobs[0]->followers;
        jobs[0]->followers = jobs[i];
    }
    for (size_t i = 0; i < n; i++)
        jobs[i]->wake = &s->wake;
    ct_jobs_set_state(s, jobs[0], CT_JOB_QUEUED);
    ct_jobs_add(s, jobs[0]);
    pthread_mutex_unlock(&s->lock);
    ct_wake_up(&s->wake);
    return true;
}

void ct_scheduler_nudge(ct_scheduler *s)
{
    ct_wake_up(&s->wake);
}

bool ct_scheduler_drain(ct_scheduler *s, double seconds, carat_err *err)
{
    const struct timespec until = ct_timespec(seconds < 0 ? HUGE_VAL : ct_now() + seconds);
    int rc = 0;
    pthread_mutex_lock(&s->lock);
    s->is_closed = true;
    while ((s->first || s->ended) && seconds != 0 && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&s->idle, &s->lock, &until);
    size_t n_left = ct_jobs_running(s) + ct_jobs_queued(s);
    bool ok = !s->first && !s->ended;
    pthread_mutex_unlock(&s->lock);
    return ok || ct_fail(err, CARAT_ETIME, CARAT_NOWHERE, "%zu answers have not ended", n_left);
}

ct_job_place ct_scheduler_find(ct_scheduler *s, const ct_job *j)
{
    pthread_mutex_lock(&s->lock);
    ct_job_place p = { .state = j->state, .n_cached = j->n_cached, .progress = j->progress, .started = j->started };
    for (const ct_job *k = s->first; k != j && k && p.state == CT_JOB_QUEUED; k = k->next)
        p.n_before += k->state == CT_JOB_QUEUED;
    pthread_mutex_unlock(&s->lock);
    return p;
}

/* ---- visits ---- */

/* While a step or a visitor works with the parts, the counters report the state before. */
static void look(ct_scheduler *s)
{
    s->stats.kv = ct_cache_get_usage(s->run.p.cache);
    if (s->run.p.images)
        s->stats.images = ct_image_cache_counters(s->run.p.images);
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
    ct_wake_up(&s->wake);
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
    pthread_mutex_unlock(&s->lock);
    ct_wake_up(&s->wake);
}

ct_scheduler_stats ct_scheduler_counters(ct_scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    if (!s->is_busy)
        look(s);
    ct_scheduler_stats st = s->stats;
    st.running = ct_jobs_running(s);
    st.queued = ct_jobs_queued(s);
    pthread_mutex_unlock(&s->lock);
    return st;
}
