/* queue.h - the events of jobs, until they are fetched.
 *
 *   ct_group      jobs that were submitted together: the answers of a request, or the one job of a session's call
 *   ct_queue      the jobs, of any groups and engines, that have events:
 *
 *        first                                        fetching takes one event of the first and puts that job at
 *          |                                          the end, if it has more: requests, and the answers of one,
 *        job 3 -> job 1 -> job 7                      take turns
 *        a token  2 tokens  its end, then the group's
 *
 * The queue's lock guards its list, and the fields of its jobs and groups that job.h and the struct below name. It is
 * held briefly, and may be taken while the scheduler's lock is held, never the other way round.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_ENGINE_QUEUE_H
#define CT_ENGINE_QUEUE_H

#include "engine/generator.h"

typedef struct ct_job ct_job;
typedef struct ct_group ct_group;
typedef struct ct_queue ct_queue;

struct ct_group {
    ct_queue *queue; /* where its jobs' events are fetched; borrowed: it must outlive the group */
    size_t n;        /* jobs */
    /* Frees the group with its jobs, from whichever thread is the last to need it: its owner's, in ct_group_leave, or
     * the scheduler's. */
    void (*close)(ct_group *g);

    /* ---- under the queue's lock ---- */
    size_t n_over;    /* jobs that the scheduler has released */
    size_t n_told;    /* jobs whose end has been fetched */
    bool is_end_told; /* and the group's */
    bool is_left; /* the events will not be fetched: they are dropped, and the last job to be over closes the group */
};

typedef struct ct_event {
    carat_event_kind kind; /* END: of a group. NONE: nothing came */
    ct_group *group;
    ct_job *job;           /* TOKEN, ANSWER, FAILED: its result or err may be read */
    const ct_chunk *chunk; /* TOKEN: the queue's, until the next fetch */
} ct_event;

/* The caller holds one reference. with_fd: it has a descriptor. Errors: CARAT_ENOMEM, CARAT_EIO (no descriptor is
 * left). */
bool ct_queue_open(bool with_fd, ct_queue **out, carat_err *err);
ct_queue *ct_queue_hold(ct_queue *q); /* one reference more; safe from any thread */
void ct_queue_drop(ct_queue *q);      /* accepts NULL */
/* Readable while there is something to fetch, and perhaps once more than that; -1: it has none. Closed with the queue. */
int ct_queue_fd(const ct_queue *q);

/* ---- the scheduler's side ---- */

/* How many more events the job may send. One is kept for text that was held back to the end. */
size_t ct_queue_room(const ct_job *j);
/* *chunk is swapped with a free event. This wakes no thread: a listener that runs at once would stand before
 * the locks that are held here. What is returned, if not NULL, is for ct_queue_wake, without a lock. */
ct_queue *ct_queue_send(ct_job *j, ct_chunk *chunk);
/* The scheduler will not touch the job any more: with the last of a group that was left, the group is gone when this
 * returns. Returns as ct_queue_send. */
ct_queue *ct_queue_end(ct_job *j);
/* Wakes the listeners of the queue, and drops the reference that send or end has returned. */
void ct_queue_wake(ct_queue *q);

/* ---- the listener's side: one thread at a time a queue ---- */

/* The next event, of one group alone if `only` is not NULL; waits for it at most `seconds` (< 0: however long). False:
 * none came. The end of a group comes after the ends of its jobs; if it was already fetched, `only` returns it
 * again. */
bool ct_queue_next(ct_queue *q, const ct_group *only, double seconds, ct_event *out);
/* The caller gives up the group and its events: it is closed at once if its jobs are over, else when they are. Cancel
 * them before, and wake the scheduler after. Does not wait. */
void ct_group_leave(ct_group *g);

#endif
