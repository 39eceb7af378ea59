/* The list of jobs that have events, and the descriptor that is readable while it is not empty.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/queue.h"

#include <errno.h>
#include <math.h>
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
    ct_job *first, *last; /* those that have events, in turn */
    ct_chunk chunk;       /* of the event that was fetched last */
    size_t n_asleep;      /* listeners on `news` */
    int fd;               /* an eventfd; -1: none */
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
    ct_chunk_init(&q->chunk);
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
    ct_chunk_deinit(&q->chunk);
    free(q);
}

int ct_queue_fd(const ct_queue *q)
{
    return q->fd;
}

/* ---- the list; under the lock ---- */

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

/* Returns the queue, with a reference, if a thread may be asleep that must be woken. */
static ct_queue *announce(ct_job *j)
{
    ct_queue *q = j->group->queue;
    bool was_empty = !q->first;
    add(q, j);
    return (was_empty && q->fd >= 0) || q->n_asleep ? ct_queue_hold(q) : NULL;
}

/* The descriptor is written to after the lock was released, perhaps only when everything has been fetched: so it is
 * cleared whenever the list is found empty, and not only when it becomes empty. Does not block: it may hold 0. */
static void clear_fd(ct_queue *q)
{
    eventfd_t was;
    if (q->fd >= 0 && !q->first)
        eventfd_read(q->fd, &was);
}

/* ---- the scheduler's side ---- */

static size_t room(const ct_job *j)
{
    return CT_JOB_EVENTS - 1 - (j->n_sent - j->n_taken);
}

size_t ct_queue_room(const ct_job *j)
{
    ct_queue *q = j->group->queue;
    pthread_mutex_lock(&q->lock);
    size_t n = room(j);
    pthread_mutex_unlock(&q->lock);
    return n;
}

static void swap_chunk(ct_chunk *a, ct_chunk *b)
{
    ct_chunk t = *a;
    *a = *b;
    *b = t;
}

ct_queue *ct_queue_send(ct_job *j, ct_chunk *chunk)
{
    ct_queue *q = j->group->queue, *news = NULL;
    pthread_mutex_lock(&q->lock);
    if (!j->group->is_left) {
        swap_chunk(chunk, &j->events[j->n_sent++ % CT_JOB_EVENTS]);
        news = announce(j);
    }
    pthread_mutex_unlock(&q->lock);
    return news;
}

ct_queue *ct_queue_end(ct_job *j)
{
    ct_group *g = j->group;
    ct_queue *q = g->queue;
    pthread_mutex_lock(&q->lock);
    j->is_over = true;
    bool is_last = ++g->n_over == g->n && g->is_left;
    ct_queue *news = g->is_left ? NULL : announce(j);
    pthread_mutex_unlock(&q->lock);
    /* From here on a group that was not left, and its queue, may have been freed. */
    if (is_last)
        g->close(g);
    return news;
}

void ct_queue_wake(ct_queue *q)
{
    if (q->fd >= 0)
        eventfd_write(q->fd, 1);
    pthread_cond_broadcast(&q->news); /* each waiting thread may wait for another group */
    ct_queue_drop(q);
}

/* ---- the listener's side ---- */

static bool has_more(const ct_job *j)
{
    const ct_group *g = j->group;
    if (j->n_taken != j->n_sent)
        return true;
    return j->is_told ? g->n_told == g->n && !g->is_end_told : j->is_over;
}

/* The next event of a job that has one. Returns the job that this has made room for. */
static ct_wake *fetch(ct_queue *q, ct_job *j, ct_event *out)
{
    ct_group *g = j->group;
    ct_wake *waits = NULL;
    *out = (ct_event){ .group = g, .job = j, .chunk = &q->chunk };
    if (j->n_taken != j->n_sent) {
        bool was_full = room(j) == 0;
        out->kind = CARAT_EVENT_TOKEN;
        swap_chunk(&q->chunk, &j->events[j->n_taken++ % CT_JOB_EVENTS]);
        if (was_full && !j->is_over)
            waits = j->wake;
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
    return waits;
}

/* False: the time is up. */
static bool wait_for_news(ct_queue *q, double until)
{
    const struct timespec t = ct_timespec(until);
    q->n_asleep++;
    int rc = pthread_cond_timedwait(&q->news, &q->lock, &t);
    q->n_asleep--;
    return rc != ETIMEDOUT;
}

bool ct_queue_next(ct_queue *q, const ct_group *only, double seconds, ct_event *out)
{
    double until = seconds < 0 ? HUGE_VAL : ct_now() + seconds;
    bool has_time = seconds != 0;
    ct_wake *waits = NULL;
    *out = (ct_event){ .kind = CARAT_EVENT_NONE };
    pthread_mutex_lock(&q->lock);
    if (only && only->is_end_told) {
        *out = (ct_event){ .kind = CARAT_EVENT_END, .group = (ct_group *)(uintptr_t)only };
    } else {
        ct_job *j = take(q, only);
        while (!j && has_time) {
            has_time = wait_for_news(q, until);
            j = take(q, only); /* also what came while the time ran out */
        }
        if (j)
            waits = fetch(q, j, out);
        clear_fd(q);
    }
    pthread_mutex_unlock(&q->lock);
    if (waits)
        ct_wake_up(waits);
    return out->kind != CARAT_EVENT_NONE;
}

void ct_group_leave(ct_group *g)
{
    ct_queue *q = g->queue;
    pthread_mutex_lock(&q->lock);
    while (take(q, g))
        ;
    clear_fd(q);
    g->is_left = true;
    bool is_over = g->n_over == g->n;
    pthread_mutex_unlock(&q->lock);
    if (is_over)
        g->close(g);
}
