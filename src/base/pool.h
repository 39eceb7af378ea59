/* pool.h - the one thread pool.
 *
 * Worker threads are made once. A job is one function run by every thread of the pool, the caller being thread 0;
 * carat_pool_run returns when all have returned. Workers spin briefly between jobs, then sleep, so an idle engine costs
 * nothing and a decode step does not pay for waking. Work is split by the job itself: statically by thread number, or
 * with carat_pool_each for the ragged end.
 *
 * Threads split rows and never sums: a job's result must not depend on n_threads.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_BASE_POOL_H
#define CARAT_BASE_POOL_H

#include <stdatomic.h>

#include "base/err.h"

typedef struct carat_pool carat_pool;

#define CARAT_MAX_THREADS 512

/* n_threads 1..CARAT_MAX_THREADS; 0 = carat_cpu_default(). Errors: CARAT_ENOMEM, CARAT_EARG. */
bool carat_pool_open(int n_threads, carat_pool **out, carat_err *err);
/* The same in two steps: a pool without its threads, and those. Nothing can be run before the second. */
bool carat_pool_new(int n_threads, carat_pool **out, carat_err *err);
bool carat_pool_start(carat_pool *p, carat_err *err);
void carat_pool_close(carat_pool *p);
int carat_pool_threads(const carat_pool *p);

/* What the stack of a new thread takes of address space. */
size_t carat_stack_bytes(void);

/* Runs fn(arg, thread, n_threads) on every thread. Not reentrant: one job at a time, from one caller. */
void carat_pool_run(carat_pool *p, void (*fn)(void *arg, int thread, int n_threads), void *arg);

/* Inside a job: waits until every thread of the job has come here. */
void carat_pool_barrier(carat_pool *p);

/* Runs fn on [begin, end) pieces of 0..n, each at most `grain` long, handed out in order to whoever is free.
 * n <= grain runs on the caller alone without waking anyone. */
void carat_pool_each(carat_pool *p, size_t n, size_t grain, void (*fn)(void *arg, size_t begin, size_t end, int thread),
                     void *arg);

/* Physical cores this process may use: affinity mask, SMT siblings counted once, cgroup CPU quota rounded up. >= 1. */
int carat_cpu_default(void);

#endif
