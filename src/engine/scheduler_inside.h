/* scheduler_inside.h - what the files of the scheduler share. Inside engine/.
 *
 *   job.c        a job by itself
 *   queue.c      its events, on the way to the listener
 *   jobs.c       the list of those that are not done; how they end
 *   sequences.c  admission: which job gets a sequence
 *   scheduler.c  the thread: one step after the other
 *   calls.c      what other threads call: submit, drain, visit, count
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_ENGINE_SCHEDULER_INSIDE_H
#define CT_ENGINE_SCHEDULER_INSIDE_H

#include <pthread.h>

#include "engine/run.h"

struct ct_scheduler {
    ct_run run;
    pthread_t thread;
    bool is_started, quits;
    pthread_mutex_t lock;
    ct_wake wake;        /* for the thread: work, a cancel flag, a free place in a ring, visitors, the end */
    pthread_cond_t idle; /* for visitors and threads that drain: it may be their turn, or all work may have ended */
    bool has_lock;
    bool is_closed;             /* no more requests */
    bool is_busy;               /* a step or a visitor is using the sequences and parts */
    uint64_t n_begun;           /* jobs that got a sequence, ever */
    uint64_t n_came, n_left;    /* visitors, ever; they are numbered as they come */
    uint64_t n_let_in;          /* those with lower numbers may go in before the next step */
    ct_job *first, *last;       /* all that are not done, in order of submission */
    ct_job *ended, *ended_last; /* done, and not released yet */
    ct_queue *news[64];         /* [n_news]: queues whose listeners are to be woken; references */
    size_t n_news;
    size_t n_in[CT_N_JOB_STATES]; /* jobs by their state; those that are DONE are not counted */
    ct_job **runnable;            /* [max_jobs] jobs of the next step */
    ct_scheduler_stats stats;
};

/* All of these under the lock; those that end or admit jobs only from the thread, while is_busy is false. */

/* ---- jobs.c ---- */
/* The one place where a job's state changes. */
void ct_jobs_set_state(ct_scheduler *s, ct_job *j, ct_job_state state);
void ct_jobs_add(ct_scheduler *s, ct_job *j);
size_t ct_jobs_queued(const ct_scheduler *s);
/* Those that have a sequence. */
size_t ct_jobs_running(const ct_scheduler *s);
/* Ends a job, and those that wait for its prompt. If not ok, its err has the reason. */
void ct_jobs_finish(ct_scheduler *s, ct_job *j, bool ok);
/* The end of an answer: at once, or when its session's sequence holds what was reported. */
void ct_jobs_close(ct_scheduler *s, ct_job *j);
/* Ends those that were cancelled or are past their deadline; all, if the thread is to end. */
void ct_jobs_stop(ct_scheduler *s);
/* The first deadline among them; 0: none. */
double ct_jobs_deadline(const ct_scheduler *s);
/* Releases those that have ended: they may be freed at any time afterwards. */
void ct_jobs_let_go(ct_scheduler *s);
/* *chunk is an event; who listens is woken by ct_jobs_tell. */
void ct_jobs_send(ct_scheduler *s, ct_job *j, ct_chunk *chunk);
/* Wakes the listeners of jobs that have sent events or were released. It drops the lock meanwhile: otherwise a woken
 * listener would run into it, and wait for the thread that it has just displaced from its core. */
void ct_jobs_tell(ct_scheduler *s);

/* ---- sequences.c ---- */
void ct_jobs_admit(ct_scheduler *s);

/* ---- calls.c ---- */
void ct_scheduler_take(ct_scheduler *s); /* is_busy from here on */

#endif
