/* Who waits for what: calls about requests for no step, nobody by looking every so often, a session that is cancelled by
 * a signal for nothing. And requests that are freed at every moment of their lives.
 *
 * A wait that should not be would be one for ever, which the alarm ends.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <dirent.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"

#define TINY  TEST_DATA "/models/tiny-text"
#define N     40
#define GUARD 300 /* seconds */

enum { MAX_THREADS = 256 };

static carat_engine *engine; /* two places of 512 tokens, and 64 */
static carat_queue *queue;
static long before_engine[MAX_THREADS]; /* threads that there were, a sanitizer's among them */
static size_t n_before_engine;
static long n_own = 1; /* threads of the engines, at least: a scheduler's each, and a worker */

static size_t list_threads(long *ids)
{
    size_t n = 0;
    DIR *d = opendir("/proc/self/task");
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) && n < MAX_THREADS;)
        if (e->d_name[0] != '.')
            ids[n++] = strtol(e->d_name, NULL, 10);
    closedir(d);
    return n;
}

static void *do_nothing(void *arg)
{
    return arg;
}

static carat_engine *open_engine(int n_threads)
{
    const carat_options o = {
        .struct_size = sizeof o, .n_threads = n_threads, .chunk = 16, .n_ctx = 512, .n_sessions = 3, .n_queue = 8
    };
    return ask_open(TINY, &o);
}

static int setup(void **state)
{
    (void)state;
    carat_err e;
    pthread_t first; /* a sanitizer begins its own thread with it */
    unit_guard(GUARD);
    if (pthread_create(&first, NULL, do_nothing, NULL) == 0)
        pthread_join(first, NULL);
    n_before_engine = list_threads(before_engine);
    engine = open_engine(1);
    return carat_queue_open(&queue, &e) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    bool has_ended = carat_engine_drain(engine, 60, NULL);
    carat_stats s = ask_stats(engine);
    carat_queue_close(queue);
    carat_engine_close(engine);
    return has_ended && s.running == 0 && s.queued == 0 && s.kv_bytes_promised == 0 ? 0 : -1;
}

static carat_request *submit(const carat_prompt *p, size_t max_tokens, size_t n_answers, double seconds, carat_queue *q)
{
    const carat_request_options o = { .struct_size = sizeof o,
                                      .prompt = p,
                                      .generation = ASK_GREEDY(max_tokens),
                                      .n_answers = n_answers,
                                      .seconds = seconds,
                                      .queue = q };
    return ask(engine, &o);
}

static void wait_until_idle(void)
{
    for (carat_stats s; s = ask_stats(engine), s.running + s.queued > 0;)
        ask_sleep(0.001);
}

/* ---- no call waits for a step ---- */

/* A step stands still. Requests that take part in it, that wait for it, that have ended before it: all that can be
 * called for them is, and returns; what the step works with is freed under its hands. */
static void no_call_waits_for_a_step(void **state)
{
    (void)state;
    carat_err e;
    ask_held step;
    for (int i = 0; i < 20; i++) {
        carat_prompt *p = ask_random(engine, (uint64_t)i, N), *longer = ask_random(engine, 100 + (uint64_t)i, 400);
        carat_request *over = submit(p, 1, 1, 0, queue);
        while (carat_request_next(over, -1)->kind != CARAT_EVENT_END)
            ;
        carat_request *decoding = submit(p, 0, 1, 0, queue), *reading = submit(longer, 5, 1, 0, queue);
        for (int k = 0; k < i; k++)
            carat_request_next(decoding, -1);
        ask_hold(engine, &step);
        carat_request *queued = submit(longer, 5, 1, 0, i % 2 ? queue : NULL);
        carat_prompt_free(p), carat_prompt_free(longer);
        carat_request *all[] = { over, decoding, reading, queued };
        for (int k = 0; k < 4; k++) {
            carat_request_state s = { .struct_size = sizeof s };
            size_t n, n_cached;
            ask_must(carat_request_progress(all[k], &s, &e), &e);
            carat_request_prompt(all[k], &n, &n_cached);
            assert_int_equal(n, k < 2 ? N : 400);
            carat_request_next(all[k], 0);
            if (i % 3 == 0)
                carat_request_cancel(all[k]);
        }
        carat_queue_next(queue, 0);
        for (int k = 0; k < 4; k++)
            carat_request_free(all[(k + i) % 4]);
        assert_int_equal(carat_queue_next(queue, 0)->kind, CARAT_EVENT_NONE);
        carat_stats before = ask_stats(engine);
        assert_true(before.running >= 1);
        ask_release(&step);
        wait_until_idle();
        assert_int_equal(ask_stats(engine).kv_bytes_promised, 0);
    }
}

/* The queue is full of what was cancelled while a step stands still: there is room all the same. */
static void freed_requests_do_not_fill_the_queue(void **state)
{
    (void)state;
    ask_held step;
    carat_prompt *p = ask_random(engine, 1, N);
    ask_hold(engine, &step);
    for (int i = 0; i < 100; i++)
        carat_request_free(submit(p, 5, 1, 0, NULL));
    carat_request *r = submit(p, 5, 1, 0, NULL);
    ask_release(&step);
    size_t n = 0;
    for (const carat_event *ev; (ev = carat_request_next(r, -1))->kind != CARAT_EVENT_END;)
        n += ev->kind == CARAT_EVENT_TOKEN;
    assert_int_equal(n, 5);
    carat_request_free(r);
    carat_prompt_free(p);
}

/* ---- nobody looks every so often ---- */

/* How often the engine's threads have gone to sleep, all of them together; *n_awake: how many are not asleep. */
static long sleeps_of_engine(size_t *n_awake)
{
    long ids[MAX_THREADS], sum = 0, n_seen = 0;
    *n_awake = 0;
    size_t n = list_threads(ids);
    for (size_t i = 0; i < n; i++) {
        char path[64], line[256];
        bool is_engines = true;
        for (size_t k = 0; k < n_before_engine; k++)
            is_engines = is_engines && ids[i] != before_engine[k];
        snprintf(path, sizeof path, "/proc/self/task/%ld/status", ids[i]);
        FILE *f = is_engines ? fopen(path, "r") : NULL;
        long x = 0;
        char state;
        while (f && fgets(line, sizeof line, f))
            if (sscanf(line, "voluntary_ctxt_switches: %ld", &x) == 1)
                sum += x, n_seen++;
            else if (sscanf(line, "State: %c", &state) == 1)
                *n_awake += state != 'S';
        if (f)
            fclose(f);
    }
    assert_true(n_seen >= n_own); /* the scheduler and a worker */
    return sum;
}

/* Half a second in which no step ended: how often its threads went to sleep. */
static long sleeps_while_it_stands(void)
{
    for (int i = 0; i < 60; i++) {
        size_t n_awake;
        uint64_t steps = ask_stats(engine).steps;
        long before = sleeps_of_engine(&n_awake);
        ask_sleep(0.5);
        long n = sleeps_of_engine(&n_awake) - before;
        if (ask_stats(engine).steps == steps &&
            n <= 2) /* else one was running, or it looks at something every so often */
            return n;
    }
    return LONG_MAX;
}

/* Its threads have all been asleep for a twentieth of a second: none of them was woken, no step ended. */
static void wait_until_asleep(void)
{
    size_t n_awake = 1;
    for (long before = -1, now = 0; n_awake || before != now; before = now) {
        ask_sleep(0.05);
        now = sleeps_of_engine(&n_awake);
    }
}

/* Requests that stand still (nobody takes their tokens), that wait in the queue, with a time limit far away. In an engine
 * that has a worker thread, too. */
static void nobody_polls(void **state)
{
    (void)state;
    carat_engine *other = engine;
    engine = open_engine(2);
    n_own = 3;
    carat_prompt *p = ask_random(engine, 2, N);
    carat_request *r[5];
    for (int i = 0; i < 5; i++)
        r[i] = submit(p, 400, 1, i % 2 ? 1000 : 0, i % 2 ? queue : NULL);
    while (ask_stats(engine).running < 3)
        ask_sleep(0.001);
    assert_true(sleeps_while_it_stands() <= 2);
    for (int i = 0; i < 5; i++)
        carat_request_free(r[i]);
    carat_prompt_free(p);
    assert_true(carat_engine_drain(engine, 60, NULL));
    carat_engine_close(engine);
    engine = other;
    n_own = 1;
}

/* Whoever is at poll(2) is woken by a time limit, and not before it; no other thing happens. */
static void a_time_limit_wakes(void **state)
{
    (void)state;
    static const double limits[] = { 0.15, 0.05, 0.1 };
    carat_prompt *p = ask_random(engine, 3, N);
    carat_request *holds[3], *r[3];
    for (int i = 0; i < 3; i++)
        holds[i] = submit(p, 400, 1, 0, NULL);
    while (ask_stats(engine).running < 3)
        ask_sleep(0.001);
    double start = ask_now();
    for (int i = 0; i < 3; i++)
        r[i] = submit(p, 1, 1, limits[i], queue);
    for (size_t n_ended = 0; n_ended < 3;) {
        struct pollfd at = { .fd = carat_queue_fd(queue), .events = POLLIN };
        assert_int_equal(poll(&at, 1, -1), 1);
        for (const carat_event *ev; (ev = carat_queue_next(queue, 0))->kind != CARAT_EVENT_NONE;) {
            double t = ask_now() - start;
            if (ev->kind == CARAT_EVENT_END) {
                n_ended++;
                continue;
            }
            assert_int_equal(ev->kind, CARAT_EVENT_FAILED);
            assert_int_equal(ev->err->code, CARAT_ETIME);
            for (int i = 0; i < 3; i++)
                if (ev->request == r[i]) {
                    assert_true(t >= limits[i]);
                    printf("limit %.2f s: woken after %.4f s\n", limits[i], t);
                }
        }
    }
    for (int i = 0; i < 3; i++)
        carat_request_free(r[i]), carat_request_free(holds[i]);
    carat_prompt_free(p);
}

/* ---- cancelled by a signal ---- */

static carat_session *talking;

static void on_signal(int number)
{
    (void)number;
    carat_session_cancel(talking);
}

typedef struct listener {
    sem_t is_told, go_on;
    carat_result result;
    bool ok;
} listener;

static bool wait_for_word(void *arg, const carat_token *t)
{
    listener *l = arg;
    (void)t;
    sem_post(&l->is_told);
    sem_wait(&l->go_on);
    return true;
}

static void *talk(void *arg)
{
    listener *l = arg;
    carat_generation g = *ASK_GREEDY(0);
    g.on_token = wait_for_word, g.arg = l;
    l->ok = carat_session_generate(talking, &g, &l->result, NULL);
    return NULL;
}

/* The listener of a session does not come back, its ring is full, the scheduler sleeps and no time limit will wake it. A
 * signal's handler cancels: the answer ends. */
static void a_signal_wakes(void **state)
{
    (void)state;
    struct sigaction handle = { .sa_handler = on_signal }, was;
    assert_int_equal(sigaction(SIGUSR1, &handle, &was), 0);
    for (int i = 0; i < 3; i++) {
        listener l = { .result.struct_size = sizeof l.result };
        pthread_t thread;
        carat_err e;
        int32_t ids[N];
        ask_ids((uint64_t)i, ids, N);
        ask_must(carat_session_open(engine, 256, &talking, &e) && carat_session_append(talking, ids, N, &e), &e);
        sem_init(&l.is_told, 0, 0), sem_init(&l.go_on, 0, 0);
        assert_int_equal(pthread_create(&thread, NULL, talk, &l), 0);
        sem_wait(&l.is_told);
        wait_until_asleep();
        assert_int_equal(ask_stats(engine).running, 1);
        double start = ask_now();
        raise(SIGUSR1);
        while (ask_stats(engine).running)
            ask_sleep(0.0002);
        printf("ended %.4f s after the signal\n", ask_now() - start);
        sem_post(&l.go_on);
        pthread_join(thread, NULL);
        assert_true(l.ok);
        assert_int_equal(l.result.finish, CARAT_FINISH_CANCELLED);
        assert_int_equal(l.result.n_generated, 1);
        assert_int_equal(carat_session_n_tokens(talking), N);
        carat_session_close(talking);
        sem_destroy(&l.is_told), sem_destroy(&l.go_on);
    }
    sigaction(SIGUSR1, &was, NULL);
}

/* ---- many who wake ---- */

static atomic_bool storm_is_over;

static void *wake_all_the_time(void *arg)
{
    while (!atomic_load(&storm_is_over)) {
        carat_request_cancel(arg); /* it has ended long ago: nothing but a wake */
        ask_stats(engine);
    }
    return NULL;
}

static void a_storm_of_wakes(void **state)
{
    (void)state;
    static answer calm, stormy;
    pthread_t threads[4];
    carat_prompt *p = ask_random(engine, 4, N);
    const carat_request_options o = { .struct_size = sizeof o, .prompt = p, .generation = ASK_GREEDY(60) };
    ask_whole(engine, &o, &calm);
    carat_request *over = submit(p, 1, 1, 0, NULL);
    while (carat_request_next(over, -1)->kind != CARAT_EVENT_END)
        ;
    atomic_store(&storm_is_over, false);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, wake_all_the_time, over), 0);
    ask_whole(engine, &o, &stormy);
    atomic_store(&storm_is_over, true);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    ask_same(&stormy, &calm, "in a storm");
    wait_until_idle();
    assert_true(sleeps_while_it_stands() <= 2); /* it leaves nothing behind */
    carat_request_free(over);
    carat_prompt_free(p);
}

/* ---- freed at every moment ---- */

enum { LIVES = 3000, AT_ONCE = 8 };
/* Of prompts and answers; steps with a sanitizer are slow. */
enum { LONGEST = UNIT_SANITIZED ? 40 : 200, MOST_SAID = UNIT_SANITIZED ? 3 : 12 };

static uint64_t chance;

static size_t up_to(size_t n)
{
    chance = chance * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(chance >> 33) % (n + 1);
}

/* Requests of all lengths in a queue and alone, of one and of two answers, some with a time limit; after some of their
 * events, perhaps cancelled, they are freed, all by one thread. The engine is as it was. */
static void freed_at_every_moment(void **state)
{
    (void)state;
    carat_request *r[AT_ONCE] = { NULL };
    const size_t lives = LIVES / unit_step(3), least = 50 / unit_step(3);
    size_t n_refused = 0;
    chance = 20;
    for (size_t life = 0; life < lives; life++) {
        size_t i = up_to(AT_ONCE - 1);
        for (size_t k = up_to(4); k > 0; k--)
            carat_queue_next(queue, (double)up_to(1) * 0.0002);
        if (r[i]) {
            for (size_t k = up_to(6); k > 0; k--)
                carat_request_next(r[i], (double)up_to(1) * 0.0002);
            if (up_to(9) == 0) /* the end is a moment, too, however slow steps are */
                while (carat_request_next(r[i], -1)->kind != CARAT_EVENT_END)
                    ;
            if (up_to(3) == 0)
                carat_request_cancel(r[i]);
            carat_request_free(r[i]);
            r[i] = NULL;
            continue;
        }
        carat_prompt *p = ask_random(engine, up_to(5), 1 + up_to(up_to(1) ? 20 : LONGEST));
        const carat_request_options o = { .struct_size = sizeof o,
                                          .prompt = p,
                                          .generation = ASK_GREEDY(1 + up_to(MOST_SAID)),
                                          .n_answers = 1 + up_to(1),
                                          .seconds = up_to(9) == 0 ? 0.0005 * (double)up_to(10) : 0,
                                          .queue = up_to(2) ? queue : NULL };
        carat_err e;
        if (!carat_request_submit(engine, &o, &r[i], &e)) {
            assert_int_equal(e.code, CARAT_ELIMIT);
            n_refused++;
        }
        carat_prompt_free(p);
    }
    for (size_t i = 0; i < AT_ONCE; i++)
        carat_request_free(r[i]);
    wait_until_idle();
    assert_int_equal(carat_queue_next(queue, 0)->kind, CARAT_EVENT_NONE);
    carat_stats s = ask_stats(engine);
    assert_int_equal(s.kv_bytes_promised, 0);
    printf("%zu refused; of all: %zu ended, %zu failed, %zu cancelled\n", n_refused, (size_t)s.requests_done,
           (size_t)s.requests_failed, (size_t)s.requests_cancelled);
    assert_true(n_refused < lives / 4 && s.requests_done > least && s.requests_cancelled > least);
}

/* test_waits [PATTERN]: those whose names match. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_call_waits_for_a_step),
        cmocka_unit_test(freed_requests_do_not_fill_the_queue),
        cmocka_unit_test(nobody_polls),
        cmocka_unit_test(a_time_limit_wakes),
        cmocka_unit_test(a_signal_wakes),
        cmocka_unit_test(a_storm_of_wakes),
        cmocka_unit_test(freed_at_every_moment),
    };
    if (argc > 1)
        UNIT_CHOOSE(tests, argv[1]);
    return cmocka_run_group_tests(tests, setup, teardown);
}
