/* The list of jobs that have something to say, and the descriptor that tells whether it is empty.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/job.h"

struct ct_queue {
    pthread_mutex_t lock;
    pthread_cond_t news; /* a job was added */
    atomic_size_t n_refs;
    ct_job *first, *last; /* those that have something to say, in turn */
    ct_chunk said;        /* of the event that was fetched last */
    int fd;               /* an eventfd; -1: none */
    bool is_readable;     /* it holds 1, not 0 */
};

bool ct_queue_open(bool with_fd, ct_queue **out, carat_err *err)
{
    *out = NULL;
    ct_queue *q = calloc(1, sizeof *q);
    if (!q)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a queue");
    q->fd = with_fd ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
    if (with_fd && q->fd < 0) {
        free(q);
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "no descriptor for a queue: %s", strerror(errno));
    }
    pthread_condattr_t a; /* none of these can fail with glibc and a mutex of the normal kind */
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_cond_init(&q->news, &a);
    pthread_condattr_destroy(&a);
    pthread_mutex_init(&q->lock, NULL);
    atomic_init(&q->n_refs, 1);
    ct_chunk_init(&q->said);
    *out = q;
    return true;
}

ct_queue *ct_queue_hold(ct_queue *q)
{
    atomic_fetch_add_explicit(&q->n_refs, 1, memory_order_relaxed);
    return q;
}

void ct_queue_drop(ct_queue *q)
{
    if (!q || atomic_fetch_sub_explicit(&q->n_refs, 1, memory_order_acq_rel) != 1)
        return;
    if (q->fd >= 0)
        close(q->fd);
    pthread_cond_destroy(&q->news);
    pthread_mutex_destroy(&q->lock);
    ct_chunk_deinit(&q->said);
    free(q);
}

int ct_queue_fd(const ct_queue *q)
{
    return q->fd;
}

void ct_queue_close_fd(ct_queue *q)
{
    pthread_mutex_lock(&q->lock);
    int fd = q->fd;
    q->fd = -1;
    pthread_mutex_unlock(&q->lock);
    if (fd >= 0)
        close(fd);
}

/* ---- the list; under the lock ---- */

/* The descriptor is readable if and only if the list is not empty. Neither call can block or fail: the count is 0 or 1. */
static void set_readable(ct_queue *q)
{
    eventfd_t was;
    bool has_news = q->first != NULL;
    if (q->fd < 0 || has_news == q->is_readable)
        return;
    q->is_readable = has_news;
    if (has_news)
        eventfd_write(q->fd, 1);
    else
        eventfd_read(q->fd, &was);
}

static void add(ct_queue *q, ct_job *j)
{
    if (j->is_ready)
        return;
    j->is_ready = true;
    j->next_ready = NULL;
    *(q->last ? &q->last->next_ready : &q->first) = j;
    q->last = j;
}

/* Takes out the first job, of one group if `only` is not NULL. */
static ct_job *take(ct_queue *q, const ct_group *only)
{
    ct_job *before = NULL, *j = q->first;
    for (; j && only && j->group != only; j = j->next_ready)
        before = j;
    if (!j)
        return NULL;
    *(before ? &before->next_ready : &q->first) = j->next_ready;
    if (q->last == j)
        q->last = before;
    j->is_ready = false;
    return j;
}

static void announce(ct_job *j)
{
    ct_queue *q = j->group->queue;
    add(q, j);
    set_readable(q);
    pthread_cond_broadcast(&q->news); /* of those who wait each may want another group */
}

/* ---- the scheduler's side ---- */

static bool has_room(const ct_job *j)
{
    return j->n_sent - j->n_taken + 2 <= CT_JOB_EVENTS;
}

bool ct_queue_has_room(const ct_job *j)
{
    ct_queue *q = j->group->queue;
    pthread_mutex_lock(&q->lock);
    bool has = has_room(j);
    pthread_mutex_unlock(&q->lock);
    return has;
}

static void swap_said(ct_chunk *a, ct_chunk *b)
{
    ct_chunk t = *a;
    *a = *b;
    *b = t;
}

void ct_queue_send(ct_job *j)
{
    ct_queue *q = j->group->queue;
    pthread_mutex_lock(&q->lock);
    if (!j->group->is_left) {
        swap_said(&j->said, &j->events[j->n_sent++ % CT_JOB_EVENTS]);
        announce(j);
    }
    pthread_mutex_unlock(&q->lock);
}

void ct_queue_end(ct_job *j)
{
    ct_group *g = j->group;
    ct_queue *q = g->queue;
    pthread_mutex_lock(&q->lock);
    j->is_over = true;
    bool is_last = ++g->n_over == g->n && g->is_left;
    if (!g->is_left)
        announce(j);
    pthread_mutex_unlock(&q->lock);
    /* A group that was not left may be gone from here on, and its queue. */
    if (is_last)
        g->close(g);
}

/* ---- the listener's side ---- */

static bool has_more(const ct_job *j)
{
    const ct_group *g = j->group;
    if (j->n_taken != j->n_sent)
        return true;
    return j->is_told ? g->n_told == g->n && !g->is_end_told : j->is_over;
}

/* The next event of a job that has one. */
static void fetch(ct_queue *q, ct_job *j, ct_event *out)
{
    ct_group *g = j->group;
    *out = (ct_event){ .group = g, .job = j, .said = &q->said };
    if (j->n_taken != j->n_sent) {
        bool was_full = !has_room(j);
        out->kind = CARAT_EVENT_TOKEN;
        swap_said(&q->said, &j->events[j->n_taken++ % CT_JOB_EVENTS]);
        if (was_full && has_room(j) && !j->is_over)
            ct_wake_up(j->wake);
    } else if (!j->is_told) {
        out->kind = j->ok ? CARAT_EVENT_ANSWER : CARAT_EVENT_FAILED;
        j->is_told = true;
        g->n_told++;
    } else {
        out->kind = CARAT_EVENT_END;
        g->is_end_told = true;
    }
    if (has_more(j))
        add(q, j);
}

static bool wait_for_news(ct_queue *q, double until)
{
    const struct timespec t = ct_timespec(until);
    if (until < 0)
        return pthread_cond_wait(&q->news, &q->lock) == 0;
    return pthread_cond_timedwait(&q->news, &q->lock, &t) != ETIMEDOUT;
}

bool ct_queue_next(ct_queue *q, const ct_group *only, double seconds, ct_event *out)
{
    double until = seconds < 0 ? -1 : ct_now() + seconds;
    *out = (ct_event){ .kind = CARAT_EVENT_NONE };
    pthread_mutex_lock(&q->lock);
    if (only && only->is_end_told) {
        *out = (ct_event){ .kind = CARAT_EVENT_END, .group = (ct_group *)(uintptr_t)only };
    } else {
        ct_job *j;
        while (!(j = take(q, only)) && seconds != 0 && wait_for_news(q, until))
            ;
        /* What came while the time ran out. */
        if (j || (j = take(q, only)))
            fetch(q, j, out);
        set_readable(q);
    }
    pthread_mutex_unlock(&q->lock);
    return out->kind != CARAT_EVENT_NONE;
}

void ct_group_leave(ct_group *g)
{
    ct_queue *q = g->queue;
    pthread_mutex_lock(&q->lock);
    while (take(q, g))
        ;
    set_readable(q);
    g->is_left = true;
    bool is_over = g->n_over == g->n;
    pthread_mutex_unlock(&q->lock);
    if (is_over)
        g->close(g);
}
