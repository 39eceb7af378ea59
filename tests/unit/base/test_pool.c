/* test_pool.c - pools that several users share: one for so many threads, and one job at a time in it, in turn.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <signal.h>

#include "base/pool.h"
#include "unit.h"

enum { USERS = 4, JOBS = 300, THREADS = 3 };

static atomic_int inside, most, jobs_of[USERS];
static atomic_bool is_wrong;

static void shared_by_the_number_of_threads(void **state)
{
    (void)state;
    ct_pool *a, *b, *c, *own;
    carat_err err;
    assert_true(ct_pool_share(2, &a, &err) && ct_pool_share(2, &b, &err) && ct_pool_share(3, &c, &err));
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, c);
    assert_true(ct_pool_open(2, &own, &err)); /* one's own is nobody else's */
    assert_ptr_not_equal(own, a);
    assert_true(ct_pool_start(a, &err) && ct_pool_start(b, &err)); /* the second finds it started */
    ct_pool_close(own);
    ct_pool_close(a);
    assert_int_equal(ct_pool_threads(b), 2); /* still there for the other */
    ct_pool_close(b);
    ct_pool_close(c);
    assert_true(ct_pool_share(2, &a, &err)); /* made anew */
    ct_pool_close(a);
    assert_false(ct_pool_share(CT_MAX_THREADS + 1, &a, &err));
    assert_int_equal(err.code, CARAT_EARG);
}

/* Every thread of a job comes here; those of two jobs at once would be more than a pool has. */
static void job(void *arg, int thread, int n_threads)
{
    ct_pool *p = arg;
    int now = atomic_fetch_add(&inside, 1) + 1, seen = atomic_load(&most);
    (void)thread;
    if (n_threads != THREADS) /* no assertion: it would leave another thread */
        atomic_store(&is_wrong, true);
    while (now > seen && !atomic_compare_exchange_weak(&most, &seen, now))
        ;
    ct_pool_barrier(p);
    atomic_fetch_sub(&inside, 1);
    ct_pool_barrier(p);
}

static void *use(void *arg)
{
    int user = (int)(intptr_t)arg;
    ct_pool *p;
    if (!ct_pool_share(THREADS, &p, NULL) || !ct_pool_start(p, NULL))
        return NULL;
    for (int i = 0; i < JOBS; i++) {
        ct_pool_run(p, job, p);
        atomic_fetch_add(&jobs_of[user], 1);
    }
    ct_pool_close(p);
    return NULL;
}

static void jobs_take_turns(void **state)
{
    (void)state;
    pthread_t threads[USERS];
    for (intptr_t i = 0; i < USERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use, (void *)i), 0);
    for (int i = 0; i < USERS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < USERS; i++)
        assert_int_equal(atomic_load(&jobs_of[i]), JOBS);
    assert_int_equal(atomic_load(&most), THREADS);
    assert_false(atomic_load(&is_wrong));
}

static void look_at_mask(void *arg, int thread, int n_threads)
{
    (void)n_threads;
    pthread_sigmask(SIG_SETMASK, NULL, (sigset_t *)arg + thread);
}

/* A program's handlers run in the program's threads: ours take only what their own instructions raise. */
static void signals_go_to_the_program(void **state)
{
    (void)state;
    sigset_t masks[2], none, before;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, &before);
    ct_pool *p;
    assert_true(ct_pool_open(2, &p, NULL));
    ct_pool_run(p, look_at_mask, masks);
    ct_pool_close(p);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    assert_int_equal(sigismember(&masks[0], SIGHUP), 0);
    assert_int_equal(sigismember(&masks[1], SIGHUP), 1);
    assert_int_equal(sigismember(&masks[1], SIGINT), 1);
    assert_int_equal(sigismember(&masks[1], SIGTERM), 1);
    assert_int_equal(sigismember(&masks[1], SIGBUS), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(shared_by_the_number_of_threads),
                                        cmocka_unit_test(jobs_take_turns),
                                        cmocka_unit_test(signals_go_to_the_program) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
