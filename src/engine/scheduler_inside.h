/* scheduler_inside.h - what the files of the scheduler share. Inside engine/.
 *
 *   job.c        a job by itself, and its ring of events
 *   jobs.c       the list of those that are not done; how they end
 *   sequences.c  who is given a sequence
 *   scheduler.c  the thread: one step after the other
 *   calls.c      what others ask: submit, wait, visit, count
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_ENGINE_PART_H
#define CT_ENGINE_PART_H

#include "engine/run.h"

struct ct_scheduler {
    ct_run run;
    pthread_t thread;
    bool is_started, quits;
    pthread_mutex_t lock;
    pthread_cond_t wake; /* for the thread: work, a free place in a ring, visitors, the end */
    pthread_cond_t idle; /* for visitors: it may be one's turn */
    bool has_lock;
    bool is_busy;            /* a step is running or a visitor is in: sequences and parts are theirs */
    uint64_t n_came, n_left; /* visitors, ever; they are numbered as they come */
    uint64_t n_let_in;       /* those with lower numbers may go in before the next step */
    ct_job *first, *last;    /* all that are not done, in order of submission */
    size_t n_jobs, n_queued;
    size_t n_waiting; /* followers with a sequence, not in the list yet */
    ct_job **able;    /* [max_jobs] jobs of the next step */
    ct_scheduler_stats stats;
};

/* All of these under the lock; those that end or admit jobs from the thread alone, while nobody is busy. */

/* ---- jobs.c ---- */
void ct_jobs_add(ct_scheduler *s, ct_job *j);
size_t ct_jobs_running(const ct_scheduler *s);
/* The end of a job, and of those that wait for its prompt. ok: else its err says why. */
void ct_jobs_finish(ct_scheduler *s, ct_job *j, bool ok);
/* Ends those that were cancelled or are late. */
void ct_jobs_stop(ct_scheduler *s);

/* ---- admit.c ---- */
void ct_jobs_admit(ct_scheduler *s);

/* ---- calls.c ---- */
void ct_scheduler_take(ct_scheduler *s); /* is_busy from here on */

#endif
