/* Many requests at one queue: its descriptor, whose turn it is, what becomes of requests when it is closed; and what is
 * known of a request before it has said anything.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "ask.h"

#define TINY  TEST_DATA "/models/tiny-text"
#define N     40  /* tokens of a prompt */
#define RING  32  /* events that wait for a listener (engine/job.h) */
#define GUARD 300 /* seconds after which a test that hangs is ended */

static carat_engine *engine; /* two places of 512 tokens */
static carat_queue *queue;

static carat_engine *open_engine(void)
{
    const carat_options o = { .struct_size = sizeof o, .n_threads = 1, .chunk = 16, .n_ctx = 512, .n_sessions = 2 };
    return ask_open(TINY, &o);
}

static int setup(void **state)
{
    (void)state;
    unit_guard(GUARD);
    engine = open_engine();
    return carat_queue_open(&queue, NULL) ? 0 : -1;
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

static bool is_readable(const carat_queue *q, int ms)
{
    struct pollfd p = { .fd = carat_queue_fd(q), .events = POLLIN };
    return poll(&p, 1, ms) == 1;
}

/* Nothing to take, and the descriptor says so: at once, or after the one time that it may be readable for nothing. */
static void expect_quiet(carat_queue *q)
{
    for (int i = 0; i < 3; i++) {
        assert_int_equal(carat_queue_next(q, 0)->kind, CARAT_EVENT_NONE);
        if (!is_readable(q, i * 20))
            return;
    }
    fail_msg("readable, and nothing comes");
}

static carat_request *submit(carat_engine *e, const carat_prompt *p, size_t max_tokens, size_t n_answers,
                             carat_queue *q, void *user)
{
    const carat_request_options o = { .struct_size = sizeof o,
                                      .prompt = p,
                                      .generation = ASK_GREEDY(max_tokens),
                                      .n_answers = n_answers,
                                      .queue = q,
                                      .user = user };
    return ask(e, &o);
}

/* So that each of n answers has about a ring of events, when none were there at `before`. */
static void wait_until_full(size_t n, carat_stats before)
{
    while (ask_stats(engine).generated_tokens < before.generated_tokens + n * (RING - 4))
        ask_sleep(0.002);
}

/* ---- the descriptor ---- */

static void readable_while_events_wait(void **state)
{
    (void)state;
    carat_prompt *p = ask_random(engine, 1, N);
    assert_false(is_readable(queue, 0));
    for (int i = 0; i < 20; i++) {
        carat_request *r = submit(engine, p, 8, 1, queue, NULL);
        assert_true(is_readable(queue, -1));
        while (ask_stats(engine).running + ask_stats(engine).queued)
            ask_sleep(0.0005);
        size_t n = 0;
        for (carat_event_kind kind = CARAT_EVENT_NONE; kind != CARAT_EVENT_END; n++) {
            assert_true(is_readable(queue, 0)); /* looking does not change that, nor does what was taken before */
            kind = carat_queue_next(queue, 0)->kind;
        }
        assert_int_equal(n, 8 + 2);
        expect_quiet(queue);
        carat_request_free(r);
    }
    carat_prompt_free(p);
}

/* Told of edges alone, whoever takes all there is misses nothing. */
static void edges_are_enough(void **state)
{
    (void)state;
    carat_prompt *p = ask_random(engine, 2, N);
    int fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event watch = { .events = EPOLLIN | EPOLLET }, got;
    assert_int_equal(epoll_ctl(fd, EPOLL_CTL_ADD, carat_queue_fd(queue), &watch), 0);
    for (int i = 0; i < 20; i++) {
        carat_request *r = submit(engine, p, 100, 1, queue, NULL);
        size_t n = 0;
        for (bool is_over = false; !is_over;) {
            assert_int_equal(epoll_wait(fd, &got, 1, -1), 1);
            const carat_event *ev;
            while ((ev = carat_queue_next(queue, 0))->kind != CARAT_EVENT_NONE)
                n += ev->kind == CARAT_EVENT_TOKEN, is_over = ev->kind == CARAT_EVENT_END;
        }
        assert_int_equal(n, 100);
        carat_request_free(r);
    }
    close(fd);
    carat_prompt_free(p);
}

/* ---- many requests ---- */

enum { MANY = 60, MOST = 2 };

typedef struct asked {
    carat_request *request;
    answer answers[MOST];
    size_t n_ends;
} asked;

/* One thread, one poll: each request says what it says alone, its END once and last, and nobody keeps its prompt. */
static void many_requests_one_thread(void **state)
{
    (void)state;
    asked *all = calloc(MANY, sizeof *all);
    static answer alone[MOST];
    assert_non_null(all);
    for (size_t i = 0; i < MANY; i++) {
        carat_prompt *p = ask_random(engine, 100 + i, 5 + i * 7 % 90);
        all[i].request = submit(engine, p, 3 + i % 45, 1 + i % MOST, queue, &all[i]);
        carat_prompt_free(p);
    }
    for (size_t n_open = MANY; n_open;) {
        assert_true(is_readable(queue, -1));
        const carat_event *ev;
        while ((ev = carat_queue_next(queue, 0))->kind != CARAT_EVENT_NONE) {
            asked *a = ev->user;
            assert_ptr_equal(ev->request, a->request);
            assert_int_equal(a->n_ends, 0);
            if (ask_take(ev, a->answers))
                continue;
            a->n_ends++;
            n_open--;
            carat_request_free(ev->request);
        }
    }
    for (size_t i = 0; i < MANY; i += unit_step(3)) {
        carat_prompt *p = ask_random(engine, 100 + i, 5 + i * 7 % 90);
        const carat_request_options o = {
            .struct_size = sizeof o, .prompt = p, .generation = ASK_GREEDY(3 + i % 45), .n_answers = 1 + i % MOST
        };
        ask_whole(engine, &o, alone);
        for (size_t k = 0; k < o.n_answers; k++)
            ask_same(&all[i].answers[k], &alone[k], "one of many");
        carat_prompt_free(p);
    }
    free(all);
}

/* Two whose rings are full: they are heard in turn, token by token. So are the answers of one. */
static void requests_and_answers_take_turns(void **state)
{
    (void)state;
    carat_prompt *p = ask_random(engine, 3, N);
    for (size_t n_answers = 1; n_answers <= 2; n_answers++) {
        size_t n[2] = { 0 };
        carat_request *r[2] = { NULL };
        carat_stats before = ask_stats(engine);
        for (size_t i = 0; i < 2 / n_answers; i++)
            r[i] = submit(engine, p, 400, n_answers, queue, &n[i]);
        wait_until_full(2, before);
        for (size_t i = 0; i < 2 * (RING - 8); i++) {
            const carat_event *ev = carat_queue_next(queue, 0);
            assert_int_equal(ev->kind, CARAT_EVENT_TOKEN);
            n[n_answers == 2 ? ev->answer : (size_t)((size_t *)ev->user - n)]++;
            assert_true(n[0] - n[1] + 1 <= 2); /* never more than one ahead */
        }
        for (size_t i = 0; i < 2; i++)
            carat_request_free(r[i]);
        expect_quiet(queue); /* what nobody took is gone */
    }
    carat_prompt_free(p);
}

/* One of a queue's requests asked for by itself: the others' events stay. */
static void one_of_a_queue(void **state)
{
    (void)state;
    static answer first, second, alone;
    carat_prompt *p = ask_random(engine, 4, N);
    carat_request *a = submit(engine, p, 20, 1, queue, NULL), *b = submit(engine, p, 20, 1, queue, NULL);
    memset(&first, 0, sizeof first), memset(&second, 0, sizeof second);
    ask_rest(b, &second);
    assert_int_equal(carat_request_next(b, 0)->kind, CARAT_EVENT_END); /* again */
    for (const carat_event *ev; (ev = carat_queue_next(queue, -1))->kind != CARAT_EVENT_END;) {
        assert_ptr_equal(ev->request, a);
        ask_take(ev, &first);
    }
    assert_int_equal(carat_queue_next(queue, 0)->kind, CARAT_EVENT_NONE);
    const carat_request_options o = { .struct_size = sizeof o, .prompt = p, .generation = ASK_GREEDY(20) };
    ask_whole(engine, &o, &alone);
    ask_same(&first, &alone, "by the queue");
    ask_same(&second, &alone, "by itself");
    carat_request_free(a), carat_request_free(b);
    carat_prompt_free(p);
}

static void two_engines_one_queue(void **state)
{
    (void)state;
    carat_engine *other = open_engine();
    static answer a[2], alone;
    memset(a, 0, sizeof a);
    carat_prompt *p = ask_random(engine, 5, N), *q = ask_random(other, 5, N);
    carat_request *r[2] = { submit(engine, p, 60, 1, queue, &a[0]), submit(other, q, 60, 1, queue, &a[1]) };
    for (size_t n_open = 2; n_open;) {
        const carat_event *ev = carat_queue_next(queue, -1);
        n_open -= !ask_take(ev, ev->user);
    }
    const carat_request_options o = { .struct_size = sizeof o, .prompt = p, .generation = ASK_GREEDY(60) };
    ask_whole(engine, &o, &alone);
    ask_same(&a[0], &alone, "of one engine");
    ask_same(&a[1], &alone, "of the other");
    carat_request_free(r[0]), carat_request_free(r[1]);
    carat_prompt_free(p), carat_prompt_free(q);
    carat_engine_close(other);
}

/* Closed while it has events and while it has none: its requests are heard one by one. */
static void closed_with_requests_in_it(void **state)
{
    (void)state;
    static answer a[2], alone;
    carat_prompt *p = ask_random(engine, 6, N);
    const carat_request_options o = { .struct_size = sizeof o, .prompt = p, .generation = ASK_GREEDY(50) };
    ask_whole(engine, &o, &alone);
    for (int late = 0; late < 2; late++) {
        carat_queue *q;
        carat_err e;
        ask_must(carat_queue_open(&q, &e), &e);
        carat_request *r[3];
        carat_stats before = ask_stats(engine);
        for (int i = 0; i < 3; i++)
            r[i] = submit(engine, p, 50, 1, q, NULL);
        if (late)
            wait_until_full(2, before);
        carat_queue_close(q);
        carat_request_free(r[1]);
        memset(a, 0, sizeof a);
        ask_rest(r[2], &a[0]), ask_rest(r[0], &a[1]);
        ask_same(&a[0], &alone, "after its queue was closed");
        ask_same(&a[1], &alone, "after its queue was closed");
        carat_request_free(r[0]), carat_request_free(r[2]);
    }
    carat_queue_close(NULL);
    carat_prompt_free(p);
}

static void no_descriptor_is_left(void **state)
{
    (void)state;
    int fds[4096], n = 0;
    carat_queue *q;
    carat_err e;
    while (n < 4096 && (fds[n] = dup(0)) >= 0)
        n++;
    if (n < 4096) {
        assert_false(carat_queue_open(&q, &e));
        assert_int_equal(e.code, CARAT_EIO);
        assert_non_null(strstr(e.msg, "no descriptor for a queue"));
        assert_null(q);
    }
    for (int i = 0; i < n; i++)
        close(fds[i]);
}

/* ---- what is known of a request ---- */

static carat_request_state state_of(const carat_request *r)
{
    carat_request_state s = { .struct_size = sizeof s };
    carat_err e;
    ask_must(carat_request_progress(r, &s, &e), &e);
    return s;
}

/* Follows a request until its prompt is read; was it seen in the middle of that? */
static bool seen_between(carat_request *r)
{
    size_t before = 0, n_between = 0;
    for (carat_request_state s; (s = state_of(r)).stage <= CARAT_REQUEST_READING;) {
        assert_true(s.n_read >= before && s.n_read <= 480 && s.n_cached <= s.n_read);
        n_between += s.n_read > 0 && s.n_read < 480;
        before = s.n_read;
        sched_yield();
    }
    return n_between > 0;
}

static void progress_of_a_request(void **state)
{
    (void)state;
    static answer a[2];
    carat_prompt *p = ask_random(engine, 7, N), *longer = ask_random(engine, 8, 480);
    carat_request *r[5];
    carat_stats start = ask_stats(engine);
    for (int i = 0; i < 5; i++)
        r[i] = submit(engine, i < 2 ? p : longer, i < 2 ? 400 : 8, 1, NULL, NULL);
    wait_until_full(2, start);
    for (size_t i = 0; i < 5; i++) {
        carat_request_state s = state_of(r[i]);
        assert_int_equal(s.stage, i < 2 ? CARAT_REQUEST_ANSWERING : CARAT_REQUEST_QUEUED);
        assert_int_equal(s.n_before, i < 2 ? 0 : i - 2);
        assert_int_equal(s.n_prompt, i < 2 ? N : 480);
        assert_int_equal(s.n_read, i < 2 ? N : 0);
        assert_int_equal(s.n_images + s.n_encoded, 0);
    }
    carat_request_free(r[0]), carat_request_free(r[1]), carat_request_free(r[3]);
    memset(a, 0, sizeof a);
    bool is_seen = seen_between(r[2]);
    for (uint64_t seed = 100; !is_seen && seed < 200;
         seed++) { /* a busy machine may read a whole prompt between two looks */
        carat_prompt *other = ask_random(engine, seed, 480);
        carat_request *one = submit(engine, other, 1, 1, NULL, NULL);
        is_seen = seen_between(one);
        carat_request_free(one);
        carat_prompt_free(other);
    }
    assert_true(is_seen);
    ask_rest(r[2], a), ask_rest(r[4], a + 1);
    assert_int_equal(state_of(r[4]).n_cached > 0, 1); /* the prefix that the one before has left */
    assert_int_equal(state_of(r[4]).stage, CARAT_REQUEST_ENDED);
    assert_int_equal(state_of(r[2]).n_read, 480);
    carat_request_free(r[2]), carat_request_free(r[4]);
    carat_request_state s = { 0 };
    carat_request *again = submit(engine, p, 1, 1, NULL, NULL);
    carat_err e;
    assert_false(carat_request_progress(again, &s, &e));
    assert_int_equal(e.code, CARAT_EARG);
    carat_request_free(again);
    carat_prompt_free(p), carat_prompt_free(longer);
}

/* ---- draining ---- */

static void a_drained_engine_takes_no_more(void **state)
{
    (void)state;
    carat_engine *own = open_engine();
    carat_err e;
    carat_request *refused, *r[4];
    carat_prompt *p = ask_random(own, 9, N);
    for (int i = 0; i < 4; i++)
        r[i] = submit(own, p, 100, 1, queue, NULL);
    assert_false(carat_engine_drain(own, 0, &e)); /* nobody takes their tokens */
    assert_int_equal(e.code, CARAT_ETIME);
    assert_non_null(strstr(e.msg, "4 answers have not ended"));
    assert_false(carat_engine_drain(own, 0.05, &e));
    assert_int_equal(e.code, CARAT_ETIME);
    const carat_request_options o = { .struct_size = sizeof o, .prompt = p, .generation = ASK_GREEDY(1) };
    assert_false(carat_request_submit(own, &o, &refused, &e));
    assert_int_equal(e.code, CARAT_ECLOSED);
    assert_null(refused);
    carat_request_free(r[3]);
    for (size_t n_open = 3; n_open;)
        n_open -= carat_queue_next(queue, -1)->kind == CARAT_EVENT_END;
    ask_must(carat_engine_drain(own, -1, &e), &e);
    assert_int_equal(ask_stats(own).requests_done, 3);
    carat_session *s; /* whose owner knows that he should stop */
    const int32_t ids[] = { 2, 30, 31 };
    ask_must(carat_session_open(own, 64, &s, &e) && carat_session_append(s, ids, 3, &e), &e);
    carat_session_close(s);
    for (int i = 0; i < 3; i++)
        carat_request_free(r[i]);
    carat_prompt_free(p);
    carat_engine_close(own);
}

/* Requests that were freed and have not ended do not keep an engine from closing. */
static void an_engine_closes_at_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < 50; i += unit_step(3)) {
        carat_engine *own = open_engine();
        carat_prompt *p = ask_random(own, 10, 200);
        carat_request *r[4];
        for (int k = 0; k < 4; k++)
            r[k] = submit(own, p, 100, 1 + (size_t)k % 2, k < 2 ? queue : NULL, NULL);
        carat_prompt_free(p);
        ask_sleep(0.0004 * (double)(i % 10));
        for (int k = 0; k < 4; k++)
            carat_request_free(r[k]);
        carat_engine_close(own);
    }
}

/* test_queue [PATTERN]: those whose names match. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readable_while_events_wait),
        cmocka_unit_test(edges_are_enough),
        cmocka_unit_test(many_requests_one_thread),
        cmocka_unit_test(requests_and_answers_take_turns),
        cmocka_unit_test(one_of_a_queue),
        cmocka_unit_test(two_engines_one_queue),
        cmocka_unit_test(closed_with_requests_in_it),
        cmocka_unit_test(no_descriptor_is_left),
        cmocka_unit_test(progress_of_a_request),
        cmocka_unit_test(a_drained_engine_takes_no_more),
        cmocka_unit_test(an_engine_closes_at_once),
    };
    if (argc > 1)
        UNIT_CHOOSE(tests, argv[1]);
    return cmocka_run_group_tests(tests, setup, teardown);
}
