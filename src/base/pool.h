/* pool.h - thread pools, of which a process normally has one.
 *
 * Worker threads are made once. A job is one function run by every thread of the pool, the caller being thread 0;
 * ct_pool_run returns when all have returned. Workers spin briefly between jobs, then sleep, so an idle engine costs
 * nothing and a decode step does not pay for waking. Work is split by the job itself: statically by thread number, or
 * with ct_pool_each where pieces take unequal time.
 *
 * Threads split rows and never sums: a job's result must not depend on n_threads.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_BASE_POOL_H
#define CT_BASE_POOL_H

#include <stdatomic.h>

#include "base/err.h"

typedef struct ct_pool ct_pool;

#define CT_MAX_THREADS 512

/* n_threads 1..CT_MAX_THREADS; 0 = ct_cpu_default(). Errors: CARAT_ENOMEM, CARAT_EARG. */
bool ct_pool_open(int n_threads, ct_pool **out, carat_err *err);
/* The same in two steps: a pool without its threads, and those (again is no harm). Nothing can be run before the
 * second. */
bool ct_pool_new(int n_threads, ct_pool **out, carat_err *err);
bool ct_pool_start(ct_pool *p, carat_err *err);
/* The process's pool of so many threads (n_threads as above), made without them if there is none yet: engines share it
 * and take turns, job by job, in the order in which they come. Each user closes it. Errors as ct_pool_new. */
bool ct_pool_share(int n_threads, ct_pool **out, carat_err *err);
void ct_pool_close(ct_pool *p); /* accepts NULL */
int ct_pool_threads(const ct_pool *p);

/* What the stack of a new thread takes of address space. */
size_t ct_stack_bytes(void);

/* Runs fn(arg, thread, n_threads) on every thread. One job at a time: another caller's waits for it. Not from within a
 * job. */
void ct_pool_run(ct_pool *p, void (*fn)(void *arg, int thread, int n_threads), void *arg);

/* Inside a job: waits until every thread of the job has come here. */
void ct_pool_barrier(ct_pool *p);

/* Runs fn on [begin, end) pieces of 0..n, each at most `grain` long, handed out in order to whichever thread is free.
 * n <= grain runs on the caller alone without waking anyone. */
void ct_pool_each(ct_pool *p, size_t n, size_t grain, void (*fn)(void *arg, size_t begin, size_t end, int thread),
                  void *arg);

/* Physical cores this process may use: affinity mask, SMT siblings counted once, cgroup CPU quota rounded down. >= 1. */
int ct_cpu_default(void);

#endif
