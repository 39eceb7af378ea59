/* A job is announced by one counter; workers spin on it for a while and then sleep on a condition variable. The caller
 * is thread 0 and waits for the others the same way.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/thread.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define relax() _mm_pause()
#elif defined(__aarch64__)
#define relax() __asm__ __volatile__("yield")
#else
#define relax() ((void)0)
#endif

/* How long a waiter spins before it sleeps: about 50 us, longer than the gaps inside a decode step, far shorter than
 * anything a person notices. No thread spins if there are more threads than processors: the thread it waits for may
 * need its core. */
#define SPIN_NS 50000

typedef struct worker {
    ct_pool *pool;
    pthread_t thread;
    int index;
} worker;

struct ct_pool {
    int n_threads;
    int n_users;          /* of a shared pool; 0: it is one caller's own */
    ct_pool *next_shared; /* in the list of shared pools */
    int n_started;        /* workers running, 0..n_threads - 1 */
    worker *workers;
    pthread_mutex_t lock;
    pthread_cond_t wake;       /* a job has been announced, or the pool closes */
    pthread_cond_t done;       /* the last worker finished */
    pthread_cond_t gate;       /* a barrier was passed */
    pthread_cond_t free;       /* a job has ended: it may be another caller's turn */
    uint64_t n_came, n_served; /* callers, ever: they take turns in the order in which they came */
    uint64_t spin_ns;

    void (*fn)(void *arg, int thread, int n_threads);
    void *arg;
    _Alignas(64) atomic_uint job;     /* counts jobs; a change starts one */
    _Alignas(64) atomic_int running;  /* workers still in the job */
    _Alignas(64) atomic_int arrived;  /* at the barrier */
    _Alignas(64) atomic_uint passed;  /* barriers passed */
    _Alignas(64) atomic_int sleepers; /* workers asleep on wake */
    atomic_int gate_sleepers;         /* threads asleep at the barrier */
    atomic_bool caller_sleeps;
    atomic_bool stop;
};

/* Pools that several callers use, and their counts of users. Also held while a pool starts its threads. */
static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;
static ct_pool *shared_pools;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Spins until *counter is no longer `seen`; false if that took too long. */
static bool spin(const ct_pool *p, const atomic_uint *counter, unsigned seen)
{
    uint64_t until = 0;
    for (unsigned i = 1; p->spin_ns > 0; i++) {
        if (atomic_load_explicit(counter, memory_order_acquire) != seen)
            return true;
        relax();
        if (i % 64 != 0)
            continue;
        uint64_t t = now_ns();
        if (!until)
            until = t + p->spin_ns;
        else if (t > until)
            return false;
    }
    return false;
}

/* Waits for a new job by spinning, then asleep. Returns its number. */
static unsigned next_job(ct_pool *p, unsigned seen)
{
    if (spin(p, &p->job, seen))
        return atomic_load_explicit(&p->job, memory_order_acquire);
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->sleepers, 1);
    unsigned job;
    while ((job = atomic_load(&p->job)) == seen)
        pthread_cond_wait(&p->wake, &p->lock);
    atomic_fetch_sub(&p->sleepers, 1);
    pthread_mutex_unlock(&p->lock);
    return job;
}

static void *work(void *arg)
{
    worker *w = arg;
    ct_pool *p = w->pool;
    unsigned seen = 0;
    for (;;) {
        seen = next_job(p, seen);
        if (atomic_load(&p->stop))
            return NULL;
        p->fn(p->arg, w->index, p->n_threads);
        if (atomic_fetch_sub(&p->running, 1) == 1 && atomic_load(&p->caller_sleeps)) {
            pthread_mutex_lock(&p->lock);
            pthread_cond_signal(&p->done);
            pthread_mutex_unlock(&p->lock);
        }
    }
}

static void announce(ct_pool *p)
{
    atomic_fetch_add(&p->job, 1);
    if (atomic_load(&p->sleepers) > 0) {
        pthread_mutex_lock(&p->lock);
        pthread_cond_broadcast(&p->wake);
        pthread_mutex_unlock(&p->lock);
    }
}

/* Processors this process may run on, SMT siblings counted each. */
static int processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return ct_cpu_default();
    return CPU_COUNT(&set);
}

size_t ct_stack_bytes(void)
{
    pthread_attr_t a;
    size_t stack = 0, guard = 0;
    if (pthread_getattr_default_np(&a) != 0)
        return (size_t)8 << 20;
    pthread_attr_getstacksize(&a, &stack);
    pthread_attr_getguardsize(&a, &guard);
    pthread_attr_destroy(&a);
    return stack + guard;
}

static void destroy(ct_pool *p)
{
    atomic_store(&p->stop, true);
    announce(p);
    for (int i = 1; i <= p->n_started; i++)
        pthread_join(p->workers[i].thread, NULL);
    pthread_cond_destroy(&p->free);
    pthread_cond_destroy(&p->gate);
    pthread_cond_destroy(&p->done);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p->workers);
    free(p);
}

bool ct_pool_new(int n_threads, ct_pool **out, carat_err *err)
{
    *out = NULL;
    if (n_threads == 0)
        n_threads = ct_cpu_default();
    if (n_threads < 1 || n_threads > CT_MAX_THREADS)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%d threads requested, expected 1 to %d", n_threads,
                       CT_MAX_THREADS);
    ct_pool *p = aligned_alloc(64, (sizeof *p + 63) / 64 * 64);
    if (!p)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the thread pool");
    memset(p, 0, sizeof *p);
    p->n_threads = n_threads;
    p->spin_ns = n_threads <= processors() ? SPIN_NS : 0;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->done, NULL);
    pthread_cond_init(&p->gate, NULL);
    pthread_cond_init(&p->free, NULL);
    p->workers = calloc((size_t)n_threads, sizeof *p->workers);
    if (!p->workers) {
        destroy(p);
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %d threads", n_threads);
    }
    *out = p;
    return true;
}

static bool start(ct_pool *p, carat_err *err)
{
    for (int i = p->n_started + 1; i < p->n_threads; i++) {
        worker *w = &p->workers[i];
        *w = (worker){ .pool = p, .index = i };
        int rc = ct_thread_start(&w->thread, work, w);
        if (rc != 0)
            return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "cannot start thread %d of %d: %s", i + 1, p->n_threads,
                           strerror(rc));
        p->n_started++;
    }
    return true;
}

bool ct_pool_start(ct_pool *p, carat_err *err)
{
    pthread_mutex_lock(&shared_lock);
    bool ok = start(p, err);
    pthread_mutex_unlock(&shared_lock);
    return ok;
}

bool ct_pool_open(int n_threads, ct_pool **out, carat_err *err)
{
    if (!ct_pool_new(n_threads, out, err))
        return false;
    if (ct_pool_start(*out, err))
        return true;
    ct_pool_close(*out);
    *out = NULL;
    return false;
}

/* ---- sharing ---- */

bool ct_pool_share(int n_threads, ct_pool **out, carat_err *err)
{
    if (n_threads == 0)
        n_threads = ct_cpu_default();
    pthread_mutex_lock(&shared_lock);
    ct_pool *p = shared_pools;
    while (p && p->n_threads != n_threads)
        p = p->next_shared;
    bool ok = p || ct_pool_new(n_threads, &p, err);
    if (ok && p->n_users++ == 0) {
        p->next_shared = shared_pools;
        shared_pools = p;
    }
    *out = p;
    pthread_mutex_unlock(&shared_lock);
    return ok;
}

/* Is that the last of its users? Then it is not shared any more. */
static bool leave(ct_pool *p)
{
    pthread_mutex_lock(&shared_lock);
    bool is_last = p->n_users <= 1;
    if (p->n_users == 1) {
        ct_pool **at = &shared_pools;
        while (*at != p)
            at = &(*at)->next_shared;
        *at = p->next_shared;
    }
    p->n_users -= p->n_users > 0;
    pthread_mutex_unlock(&shared_lock);
    return is_last;
}

void ct_pool_close(ct_pool *p)
{
    if (p && leave(p))
        destroy(p);
}

int ct_pool_threads(const ct_pool *p)
{
    return p->n_threads;
}

/* ---- jobs ---- */

static void take_turn(ct_pool *p)
{
    pthread_mutex_lock(&p->lock);
    uint64_t mine = p->n_came++;
    while (p->n_served != mine)
        pthread_cond_wait(&p->free, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

static void end_turn(ct_pool *p)
{
    pthread_mutex_lock(&p->lock);
    if (++p->n_served != p->n_came)
        pthread_cond_broadcast(&p->free);
    pthread_mutex_unlock(&p->lock);
}

static void wait_for_workers(ct_pool *p)
{
    uint64_t until = 0;
    for (unsigned i = 1; atomic_load_explicit(&p->running, memory_order_acquire) > 0; i++) {
        relax();
        if (i % 64 != 0)
            continue;
        uint64_t t = now_ns();
        if (!until) {
            until = t + p->spin_ns;
        } else if (t > until) {
            pthread_mutex_lock(&p->lock);
            atomic_store(&p->caller_sleeps, true);
            while (atomic_load(&p->running) > 0)
                pthread_cond_wait(&p->done, &p->lock);
            atomic_store(&p->caller_sleeps, false);
            pthread_mutex_unlock(&p->lock);
        }
    }
}

void ct_pool_run(ct_pool *p, void (*fn)(void *arg, int thread, int n_threads), void *arg)
{
    if (p->n_threads == 1) {
        fn(arg, 0, 1);
        return;
    }
    take_turn(p);
    p->fn = fn;
    p->arg = arg;
    atomic_store(&p->running, p->n_threads - 1);
    announce(p);
    fn(arg, 0, p->n_threads);
    wait_for_workers(p);
    end_turn(p);
}

void ct_pool_barrier(ct_pool *p)
{
    if (p->n_threads == 1)
        return;
    unsigned passed = atomic_load(&p->passed);
    if (atomic_fetch_add(&p->arrived, 1) == p->n_threads - 1) {
        atomic_store(&p->arrived, 0);
        atomic_fetch_add(&p->passed, 1);
        if (atomic_load(&p->gate_sleepers) > 0) {
            pthread_mutex_lock(&p->lock);
            pthread_cond_broadcast(&p->gate);
            pthread_mutex_unlock(&p->lock);
        }
        return;
    }
    if (spin(p, &p->passed, passed))
        return;
    /* The cores are shared with other work: sleeping costs a few us, while spinning or yielding on a busy machine costs
     * whole time slices at every barrier. */
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->gate_sleepers, 1);
    while (atomic_load(&p->passed) == passed)
        pthread_cond_wait(&p->gate, &p->lock);
    atomic_fetch_sub(&p->gate_sleepers, 1);
    pthread_mutex_unlock(&p->lock);
}

typedef struct each {
    atomic_size_t next;
    size_t n, grain;
    void (*fn)(void *arg, size_t begin, size_t end, int thread);
    void *arg;
} each;

static void each_job(void *arg, int thread, int n_threads)
{
    (void)n_threads;
    each *e = arg;
    for (;;) {
        size_t begin = atomic_fetch_add_explicit(&e->next, e->grain, memory_order_relaxed);
        if (begin >= e->n)
            return;
        size_t end = e->n - begin < e->grain ? e->n : begin + e->grain;
        e->fn(e->arg, begin, end, thread);
    }
}

void ct_pool_each(ct_pool *p, size_t n, size_t grain, void (*fn)(void *arg, size_t begin, size_t end, int thread),
                  void *arg)
{
    if (n == 0)
        return;
    if (grain == 0)
        grain = 1;
    if (n <= grain) {
        fn(arg, 0, n, 0);
        return;
    }
    each e = { .n = n, .grain = grain, .fn = fn, .arg = arg };
    ct_pool_run(p, each_job, &e);
}
