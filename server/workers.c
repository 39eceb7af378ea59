/* Workers: a list of tasks in, a list of finished ones out, a descriptor that tells of them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/workers.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/thread.h"

#define MAX_WORKERS 16

typedef struct tasks {
    ct_task *first, **end;
} tasks;

struct ct_workers {
    pthread_mutex_t lock;
    pthread_cond_t work, left; /* there is a task, or an end; a thread of its own has left */
    tasks waiting, waiting_long, finished;
    size_t n, n_started;    /* n stands before the first one reads it */
    size_t n_alone, n_long; /* of the workers, so many do long ones */
    bool ends;
    int fd;
    pthread_t threads[MAX_WORKERS];
};

static void put(tasks *list, ct_task *t)
{
    t->next = NULL;
    *list->end = t;
    list->end = &t->next;
}

static ct_task *take(tasks *list)
{
    ct_task *t = list->first;
    if (t && !(list->first = t->next))
        list->end = &list->first;
    return t;
}

static void clear(tasks *list)
{
    list->first = NULL;
    list->end = &list->first;
}

static void report(ct_workers *w, ct_task *t)
{
    uint64_t one = 1;
    put(&w->finished, t);
    while (write(w->fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

/* Short ones first; long ones as long as a worker is left for short ones. NULL: none for now. */
static ct_task *next_task(ct_workers *w)
{
    ct_task *t = take(&w->waiting);
    bool has_place = w->n_long + 1 < w->n || w->n == 1;
    return t || !has_place ? t : take(&w->waiting_long);
}

static void *work_on(void *arg)
{
    ct_workers *w = arg;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        ct_task *t = NULL;
        while (!w->ends && !(t = next_task(w)))
            pthread_cond_wait(&w->work, &w->lock);
        if (w->ends)
            break;
        bool is_long = t->is_long; /* t is the loop's as soon as it is reported */
        w->n_long += is_long;
        pthread_mutex_unlock(&w->lock);
        t->work(t);
        pthread_mutex_lock(&w->lock);
        w->n_long -= is_long;
        report(w, t);
        pthread_cond_signal(&w->work); /* there may be a place for another long one */
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

typedef struct alone {
    ct_workers *w;
    ct_task *t;
} alone;

static void *work_alone(void *arg)
{
    alone a = *(alone *)arg;
    free(arg);
    a.t->work(a.t);
    pthread_mutex_lock(&a.w->lock);
    report(a.w, a.t);
    a.w->n_alone--;
    pthread_cond_signal(&a.w->left);
    pthread_mutex_unlock(&a.w->lock);
    return NULL;
}

bool ct_workers_open(size_t n, ct_workers **out, carat_err *err)
{
    ct_workers *w = calloc(1, sizeof *w);
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!w || fd < 0) {
        free(w);
        if (fd >= 0)
            close(fd);
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "no memory or descriptor for the server's threads");
    }
    w->fd = fd;
    clear(&w->waiting);
    clear(&w->waiting_long);
    clear(&w->finished);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->work, NULL);
    pthread_cond_init(&w->left, NULL);
    *out = w;
    w->n = n < MAX_WORKERS ? n : MAX_WORKERS;
    for (; w->n_started < w->n; w->n_started++) {
        int why = ct_thread_start(&w->threads[w->n_started], work_on, w);
        if (why == 0)
            continue;
        ct_workers_close(w);
        *out = NULL;
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "a thread could not be started: %s", strerror(why));
    }
    return true;
}

void ct_workers_close(ct_workers *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->ends = true;
    pthread_cond_broadcast(&w->work);
    while (w->n_alone)
        pthread_cond_wait(&w->left, &w->lock);
    pthread_mutex_unlock(&w->lock);
    for (size_t i = 0; i < w->n_started; i++)
        pthread_join(w->threads[i], NULL);
    ct_workers_done(w);
    for (ct_task *t; (t = take(&w->waiting)) || (t = take(&w->waiting_long));)
        t->done(t);
    close(w->fd);
    pthread_cond_destroy(&w->left);
    pthread_cond_destroy(&w->work);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

void ct_workers_give(ct_workers *w, ct_task *t)
{
    pthread_mutex_lock(&w->lock);
    put(t->is_long ? &w->waiting_long : &w->waiting, t);
    pthread_cond_signal(&w->work);
    pthread_mutex_unlock(&w->lock);
}

bool ct_workers_alone(ct_workers *w, ct_task *t)
{
    alone *a = malloc(sizeof *a);
    pthread_t thread;
    if (!a)
        return false;
    *a = (alone){ w, t };
    pthread_mutex_lock(&w->lock);
    w->n_alone++;
    pthread_mutex_unlock(&w->lock);
    if (ct_thread_start(&thread, work_alone, a) == 0) {
        pthread_detach(thread);
        return true;
    }
    pthread_mutex_lock(&w->lock);
    w->n_alone--;
    pthread_mutex_unlock(&w->lock);
    free(a);
    return false;
}

int ct_workers_fd(const ct_workers *w)
{
    return w->fd;
}

void ct_workers_done(ct_workers *w)
{
    uint64_t n;
    while (read(w->fd, &n, sizeof n) < 0 && errno == EINTR)
        ;
    pthread_mutex_lock(&w->lock);
    ct_task *all = w->finished.first;
    clear(&w->finished);
    pthread_mutex_unlock(&w->lock);
    while (all) {
        ct_task *t = all;
        all = t->next; /* done may free t */
        t->done(t);
    }
}
