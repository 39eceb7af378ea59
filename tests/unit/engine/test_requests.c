/* Requests and sessions side by side through the public interface: every way to end, in every state.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <math.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "fake_backend.h"

#define TINY TEST_DATA "/models/tiny-text"
/* A window of just one page: nothing is remembered by the way pages are rounded. */
#define WINDOW_64 TEST_DATA "/models/tiny-sight"
#define N         40
#define RING      32  /* events that wait for a listener (engine/job.h) */
#define GUARD     120 /* seconds after which a test that hangs is ended */

static carat_engine *engine; /* two places of 512 tokens */

static int setup(void **state)
{
    (void)state;
    unit_guard(GUARD);
    const carat_options o = {
        .struct_size = sizeof o, .n_threads = 1, .chunk = 16, .n_ctx = 512, .n_sessions = 2, .n_queue = 3
    };
    engine = ask_open(TINY, &o);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bool has_ended = carat_engine_drain(engine, 20, NULL); /* freed requests may be in a step */
    carat_stats s = ask_stats(engine);
    bool all_gone = s.running == 0 && s.queued == 0 && s.kv_bytes_promised == 0;
    carat_engine_close(engine);
    unit_guard(0);
    return has_ended && all_gone ? 0 : -1;
}

static carat_session *open_session(carat_engine *e, size_t n_ctx)
{
    carat_session *s;
    carat_err err;
    ask_must(carat_session_open(e, n_ctx, &s, &err), &err);
    return s;
}

/* A request that takes a whole context and that nobody listens to: it keeps its place until it is freed. */
static carat_request *occupy(carat_prompt *p)
{
    const carat_request_options o = { .struct_size = sizeof o, .prompt = p, .generation = ASK_GREEDY(0) };
    carat_request *r = ask(engine, &o);
    while (ask_stats(engine).queued)
        ask_sleep(0.001);
    return r;
}

static int32_t end_of_turn(void)
{
    if (ask_is_fake())
        return FAKE_STOP;
    carat_err e;
    int32_t *ids;
    size_t n;
    ask_must(
        carat_tokenizer_encode(carat_engine_tokenizer(engine), "<end_of_turn>", 13, CARAT_TOK_SPECIAL, &ids, &n, &e),
        &e);
    assert_int_equal(n, 1);
    int32_t id = ids[0];
    carat_free(ids);
    return id;
}

/* ---- several answers ---- */

static void answers_of_one_token(void **state)
{
    (void)state;
    static answer a[2], alone[1];
    carat_prompt *p = ask_random(engine, 1, N);
    carat_request_options o = { .struct_size = sizeof o, .prompt = p, .generation = ASK_GREEDY(1), .n_answers = 2 };
    ask_whole(engine, &o, a);
    o.n_answers = 1;
    ask_whole(engine, &o, alone);
    ask_same(&a[0], alone, "the first answer");
    ask_same(&a[1], alone, "the second answer");
    assert_int_equal(alone->n, 1);
    carat_prompt_free(p);
}

/* The prompt's own answer ends with its first token, by a stop token; the other goes on. */
static void answers_end_apart(void **state)
{
    (void)state;
    static answer a[2];
    size_t n_at_once = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        carat_prompt *p = ask_random(engine, ask_is_fake() ? 2 + seed % 8 : 2, N);
        const carat_bias bias = { end_of_turn(), 16 };
        carat_sampling sampling = ask_largest;
        carat_generation g = *ASK_GREEDY(12);
        carat_request_options o = { .struct_size = sizeof o, .prompt = p, .generation = &g, .n_answers = 2 };
        g.ignores_eos = false;
        g.sampling = &sampling;
        sampling.temperature = 1;
        sampling.seed = seed;
        sampling.bias = &bias, sampling.n_bias = 1;
        ask_whole(engine, &o, a);
        n_at_once += a[0].n == 0 && a[1].n > 0;
        for (size_t i = 0; i < 2; i++) {
            static answer alone[1];
            carat_request_options single = o;
            single.n_answers = 1;
            sampling.seed = seed + i;
            ask_whole(engine, &single, alone);
            ask_same(&a[i], alone, "one of two answers");
        }
        carat_prompt_free(p);
    }
    assert_true(n_at_once > 0);
}

/* ---- figures ---- */

typedef struct watch {
    carat_request *r;
    atomic_bool ends;
    size_t n_asked, last;
    bool went_back;
} watch;

/* Asks until it is told to end: what was in the cache is known at once or not yet, and stays. */
static void *ask_for_figures(void *arg)
{
    watch *w = arg;
    bool is_last = false;
    while (!is_last) {
        carat_request_state s = { .struct_size = sizeof s };
        size_t n, n_cached;
        is_last = atomic_load(&w->ends);
        carat_request_prompt(w->r, &n, &n_cached);
        w->went_back |= n != N || (w->last && n_cached != w->last) || !carat_request_progress(w->r, &s, NULL) ||
                        s.n_cached < n_cached;
        w->last = n_cached;
        w->n_asked++;
    }
    return NULL;
}

/* F12: also while the scheduler finds out. */
static void figures_may_be_asked_for_from_the_start(void **state)
{
    (void)state;
    static answer a[1];
    carat_prompt *p = ask_random(engine, 77, N);
    const carat_request_options o = { .struct_size = sizeof o, .prompt = p, .generation = ASK_GREEDY(2) };
    for (int i = 0; i < 50; i++) {
        pthread_t thread;
        watch w = { .r = ask(engine, &o) };
        memset(a, 0, sizeof a);
        assert_int_equal(pthread_create(&thread, NULL, ask_for_figures, &w), 0);
        ask_rest(w.r, a);
        atomic_store(&w.ends, true);
        pthread_join(thread, NULL);
        assert_true(w.n_asked > 0 && !w.went_back);
        assert_true(i ? w.last == N - 1 : w.last < N - 1); /* <bos> may be there */
        carat_request_free(w.r);
    }
    carat_prompt_free(p);
}

/* ---- waiting ---- */

static void a_glance_does_not_wait(void **state)
{
    (void)state;
    static answer a[1];
    carat_prompt *p = ask_random(engine, 3, N);
    carat_request *one = occupy(p), *two = occupy(p);
    const carat_request_options o = { .struct_size = sizeof o, .prompt = p, .generation = ASK_GREEDY(2) };
    carat_request *waits = ask(engine, &o);
    double start = ask_now();
    for (int i = 0; i < 100; i++)
        assert_false(ask_next(waits, 0, a));
    assert_false(ask_next(waits, 0.05, a));
    assert_true(ask_now() - start >= 0.05);
    carat_request_free(one);
    assert_true(ask_next(waits, HUGE_VAL, a)); /* that is for ever */
    ask_rest(waits, a);
    assert_int_equal(a->n, 2);
    carat_request_free(waits), carat_request_free(two);
    carat_prompt_free(p);
}

/* A listener that does not come holds up nobody but itself, and misses nothing. */
static void a_slow_listener_waits_alone(void **state)
{
    (void)state;
    static answer slow[1], quick[1], again[1];
    carat_prompt *p = ask_random(engine, 4, N), *q = ask_random(engine, 5, N);
    const carat_request_options o = { .struct_size = sizeof o, .prompt = p, .generation = ASK_GREEDY(3 * RING) },
                                oq = { .struct_size = sizeof oq, .prompt = q, .generation = ASK_GREEDY(3 * RING) };
    memset(slow, 0, sizeof slow);
    carat_request *r = ask(engine, &o);
    ask_whole(engine, &oq, quick);
    assert_int_equal(quick->n, 3 * RING);
    uint64_t had = ask_stats(engine).generated_tokens;
    ask_sleep(0.1);
    assert_int_equal(ask_stats(engine).generated_tokens, had); /* its ring is full */
    ask_rest(r, slow);
    carat_request_free(r);
    ask_whole(engine, &o, again);
    ask_same(slow, again, "read late");
    carat_prompt_free(p), carat_prompt_free(q);
}

/* ---- ended from outside ---- */

static void cancelled_in_every_state(void **state)
{
    (void)state;
    static answer a[2];
    carat_prompt *p = ask_random(engine, 6, N), *longer = ask_random(engine, 7, 480);
    /* queued, alone and as a pair: it ends though nobody makes room */
    carat_request *one = occupy(p), *two = occupy(p);
    for (size_t n = 1; n <= 2; n++) {
        const carat_request_options o = {
            .struct_size = sizeof o, .prompt = p, .generation = ASK_GREEDY(2), .n_answers = n
        };
        memset(a, 0, sizeof a);
        carat_request *r = ask(engine, &o);
        assert_false(ask_next(r, 0.03, a));
        carat_request_cancel(r);
        ask_rest(r, a);
        for (size_t i = 0; i < n; i++)
            assert_true(a[i].has_ended && !a[i].ok && a[i].err.code == CARAT_ECANCELLED && a[i].n == 0);
        carat_request_free(r);
    }
    carat_request_free(one), carat_request_free(two);
    /* reading, with another answer waiting for it: at whatever moment, both end alike */
    for (int i = 0; i < 20; i++) {
        const carat_request_options o = {
            .struct_size = sizeof o, .prompt = longer, .generation = ASK_GREEDY(8), .n_answers = 2
        };
        memset(a, 0, sizeof a);
        carat_request *r = ask(engine, &o);
        ask_sleep(0.0005 * i);
        carat_request_cancel(r);
        ask_rest(r, a);
        for (size_t k = 0; k < 2; k++) {
            assert_true(a[k].has_ended);
            if (a[k].ok)
                assert_true(a[k].n == a[k].result.n_generated &&
                            (a[k].result.finish == CARAT_FINISH_CANCELLED || a[k].n == 8));
            else
                assert_true(a[k].err.code == CARAT_ECANCELLED && a[k].n == 0);
        }
        carat_request_free(r);
    }
    /* decoding, with a full ring: what was said is told, then the end */
    memset(a, 0, sizeof a);
    const uint64_t said = ask_stats(engine).generated_tokens;
    one = occupy(p);
    while (ask_stats(engine).generated_tokens == said) /* at once, but in a sanitizer */
        ask_sleep(0.01);
    ask_sleep(0.1);
    carat_request_cancel(one);
    ask_rest(one, a);
    assert_true(a->ok && a->result.finish == CARAT_FINISH_CANCELLED && a->n == a->result.n_generated);
    assert_in_range(a->n, 1, RING);
    carat_request_free(one);
    carat_prompt_free(p), carat_prompt_free(longer);
}

static void late_in_every_state(void **state)
{
    (void)state;
    static answer a[2];
    carat_prompt *p = ask_random(engine, 8, N);
    carat_request *one = occupy(p), *two = occupy(p);
    carat_request_options o = {
        .struct_size = sizeof o, .prompt = p, .generation = ASK_GREEDY(2), .seconds = 0.05, .n_answers = 2
    };
    memset(a, 0, sizeof a);
    carat_request *r = ask(engine, &o);
    ask_rest(r, a);
    for (size_t i = 0; i < 2; i++)
        assert_true(!a[i].ok && a[i].err.code == CARAT_ETIME);
    carat_request_free(r), carat_request_free(one), carat_request_free(two);
    /* while it speaks to nobody */
    o = (carat_request_options){
        .struct_size = sizeof(carat_request_options), .prompt = p, .generation = ASK_GREEDY(0), .seconds = 0.05
    };
    memset(a, 0, sizeof a);
    r = ask(engine, &o);
    ask_sleep(0.1);
    ask_rest(r, a);
    assert_true(!a->ok && a->err.code == CARAT_ETIME);
    carat_request_free(r);
    carat_prompt_free(p);
}

static void a_full_queue_says_so(void **state)
{
    (void)state;
    carat_err e;
    carat_prompt *p = ask_random(engine, 9, N);
    carat_request *r[5], *refused;
    r[0] = occupy(p), r[1] = occupy(p);
    const carat_request_options o = { .struct_size = sizeof o, .prompt = p, .generation = ASK_GREEDY(1) };
    for (int i = 2; i < 5; i++)
        r[i] = ask(engine, &o);
    assert_false(carat_request_submit(engine, &o, &refused, &e));
    assert_int_equal(e.code, CARAT_ELIMIT);
    assert_non_null(strstr(e.msg, "3 requests wait, 3 may"));
    assert_null(refused);
    for (int i = 0; i < 5; i++)
        carat_request_free(r[i]);
    carat_prompt_free(p);
}

/* ---- sessions beside requests ---- */

typedef struct talk {
    carat_session *session;
    carat_generation g;
    carat_result result;
    bool ok;
    carat_err err;
} talk;

static void *run_talk(void *arg)
{
    talk *t = arg;
    t->ok = carat_session_generate(t->session, &t->g, &t->result, &t->err);
    return NULL;
}

/* Cancelling is a finish reason, however early it comes. */
static void cancelled_before_the_first_token(void **state)
{
    (void)state;
    carat_err e;
    int32_t ids[N];
    ask_ids(10, ids, N);
    talk t = { .session = open_session(engine, 64), .g = *ASK_GREEDY(0), .result = { .struct_size = sizeof t.result } };
    ask_must(carat_session_append(t.session, ids, N, &e), &e);
    ask_held p;
    ask_hold(engine, &p);
    pthread_t thread;
    pthread_create(&thread, NULL, run_talk, &t);
    ask_sleep(0.03); /* asks, and waits for the step at work; earlier would be as good */
    carat_session_cancel(t.session);
    ask_release(&p);
    pthread_join(thread, NULL);
    ask_must(t.ok, &t.err);
    assert_int_equal(t.result.finish, CARAT_FINISH_CANCELLED);
    assert_int_equal(t.result.n_generated, 0);
    assert_int_equal(carat_session_n_tokens(t.session), N);
    carat_session_close(t.session);
}

static bool wait_for_word(void *arg, const carat_token *t)
{
    (void)t;
    sem_wait(arg);
    return false;
}

/* Sessions hold all memory: a request cannot be helped by waiting, and is told so, though a session is at work. */
static void no_room_is_said_at_once(void **state)
{
    (void)state;
    static answer a[1];
    carat_err e;
    int32_t ids[N];
    ask_ids(11, ids, N);
    carat_session *one = open_session(engine, 0), *two = open_session(engine, 0);
    carat_prompt *p = ask_random(engine, 11, N);
    ask_must(carat_session_append(one, ids, N, &e), &e);
    const carat_request_options o = { .struct_size = sizeof o, .prompt = p, .generation = ASK_GREEDY(2) };
    ask_whole(engine, &o, a);
    assert_true(!a->ok && a->err.code == CARAT_ELIMIT);
    /* the listener of a session does not come back before the request has failed */
    talk t = { .session = one, .g = *ASK_GREEDY(0), .result = { .struct_size = sizeof t.result } };
    sem_t go_on;
    sem_init(&go_on, 0, 0);
    t.g.on_token = wait_for_word, t.g.arg = &go_on;
    pthread_t thread;
    pthread_create(&thread, NULL, run_talk, &t);
    ask_sleep(0.03);
    ask_whole(engine, &o, a);
    assert_true(!a->ok && a->err.code == CARAT_ELIMIT);
    sem_post(&go_on);
    pthread_join(thread, NULL);
    sem_destroy(&go_on);
    carat_session_close(one), carat_session_close(two);
    carat_prompt_free(p);
}

/* A session has its memory: it does not stand behind a request that waits for some. */
static void sessions_do_not_queue_for_memory(void **state)
{
    (void)state;
    static answer a[1];
    carat_err e;
    int32_t ids[N];
    ask_ids(12, ids, N);
    carat_prompt *p = ask_random(engine, 12, N);
    carat_session *s = open_session(engine, 256);
    carat_request *holds = occupy(p);
    const carat_request_options o = { .struct_size = sizeof o, .prompt = p, .generation = ASK_GREEDY(2), .n_ctx = 512 };
    carat_request *waits = ask(engine, &o);
    memset(a, 0, sizeof a);
    assert_false(ask_next(waits, 0.03, a));
    ask_must(carat_session_append(s, ids, N, &e), &e);
    carat_request_free(holds);
    carat_session_close(s);
    ask_rest(waits, a);
    assert_true(a->has_ended);
    carat_request_free(waits);
    carat_prompt_free(p);
}

/* ---- an answer that ran ahead of who stops it ---- */

typedef struct stopper {
    size_t told, stop_after;
    int32_t ids[256];
} stopper;

static bool stop_slowly(void *arg, const carat_token *t)
{
    stopper *s = arg;
    if (t->id >= 0)
        s->ids[s->told++] = t->id;
    ask_sleep(s->told == s->stop_after ? 0.02 : 0.0002); /* it runs as far ahead as it can */
    return s->told != s->stop_after;
}

static void expect_logits(carat_session *s, carat_session *cold, const char *what)
{
    size_t n = carat_session_n_tokens(s);
    assert_int_equal(n, carat_session_n_tokens(cold));
    assert_memory_equal(carat_session_tokens(s), carat_session_tokens(cold), n * sizeof(int32_t));
    if (memcmp(carat_session_logits(s), carat_session_logits(cold), 528 * sizeof(float)) != 0)
        fail_msg("%s: %zu tokens, other logits", what, n);
}

/* Then the session is where it would be if the engine had waited for every word, bit for bit, whatever the chunk (it
 * bounds what local layers remember) and however much the others want of the cache. */
static void stopping_leaves_what_was_told(size_t chunk)
{
    carat_err e;
    const carat_options o = { .struct_size = sizeof o,
                              .n_threads = 1,
                              .chunk = chunk,
                              .vision = CARAT_VISION_OFF,
                              .n_ctx = 256,
                              .n_sessions = 2,
                              .omits_prefix_cache = true };
    carat_engine *own = ask_open(WINDOW_64, &o);
    for (size_t n = 90; n < 160; n += 7) {
        int32_t ids[256], other[250];
        carat_session *s = open_session(own, 0), *cold = open_session(own, 0);
        stopper st = { .stop_after = 1 + n % 5 * 9 };
        carat_generation g = *ASK_GREEDY(0);
        carat_result r = { .struct_size = sizeof r };
        g.on_token = stop_slowly, g.arg = &st;
        ask_ids(n, ids, n), ask_ids(n + 1000, other, 250);
        ask_must(carat_session_append(cold, other, 250, &e), &e); /* fills the cache */
        ask_must(carat_session_append(s, ids, n, &e), &e);
        ask_must(carat_session_generate(s, &g, &r, &e), &e);
        assert_int_equal(r.finish, CARAT_FINISH_CANCELLED);
        assert_int_equal(r.stop_id, -1);
        assert_int_equal(r.n_generated, st.stop_after);
        assert_int_equal(carat_session_n_tokens(s), n + st.stop_after - 1);
        carat_session_close(cold);
        cold = open_session(own, 0);
        memcpy(ids + n, st.ids, st.told * sizeof *ids);
        ask_must(carat_session_append(cold, ids, n + st.told, &e), &e);
        ask_must(carat_session_append(s, ids + n + st.told - 1, 1, &e), &e);
        expect_logits(s, cold, "stopped by its listener");
        carat_session_close(s), carat_session_close(cold);
    }
    carat_engine_close(own);
}

static void stopping_leaves_what_was_told_chunk_1(void **state)
{
    (void)state;
    stopping_leaves_what_was_told(1);
}

static void stopping_leaves_what_was_told_chunk_16(void **state)
{
    (void)state;
    stopping_leaves_what_was_told(16);
}

/* A stop token that the engine found after the listener's last word is not told: the result is the listener's. */
static void stopping_is_the_listeners_word(void **state)
{
    (void)state;
    carat_err e;
    int32_t ids[N];
    size_t n_before_stops = 0;
    ask_ids(13, ids, N);
    for (uint64_t seed = 0; seed < 40; seed++) {
        carat_session *s = open_session(engine, 256);
        stopper all = { 0 };
        carat_generation g = *ASK_GREEDY(20);
        carat_result whole = { .struct_size = sizeof whole }, r = { .struct_size = sizeof r };
        const carat_bias bias = { end_of_turn(), 4 };
        carat_sampling sampling = CARAT_SAMPLING_DEFAULT;
        ask_must(carat_session_append(s, ids, N, &e), &e);
        g.on_token = stop_slowly, g.arg = &all;
        g.ignores_eos = false;
        sampling.seed = seed;
        sampling.bias = &bias, sampling.n_bias = 1;
        g.sampling = &sampling;
        ask_must(carat_session_generate(s, &g, &whole, &e), &e);
        carat_session_close(s);
        if (whole.finish != CARAT_FINISH_STOP || whole.n_generated == 0)
            continue;
        n_before_stops++;
        stopper st = { .stop_after = all.told };
        s = open_session(engine, 256);
        ask_must(carat_session_append(s, ids, N, &e), &e);
        g.arg = &st;
        ask_must(carat_session_generate(s, &g, &r, &e), &e);
        assert_int_equal(r.finish, CARAT_FINISH_CANCELLED);
        assert_int_equal(r.stop_id, -1);
        assert_int_equal(r.n_generated, all.told);
        assert_int_equal(carat_session_n_tokens(s), N + all.told - 1);
        carat_session_close(s);
    }
    assert_true(n_before_stops > 3);
}

/* ---- visitors ---- */

static atomic_bool done_visiting;

static void *visit(void *arg)
{
    (void)arg;
    while (!atomic_load(&done_visiting))
        ask_stats(engine);
    return NULL;
}

/* Those who ask for figures all the time do not stop the work. */
static void visitors_do_not_stop_the_work(void **state)
{
    (void)state;
    static answer a[1];
    pthread_t threads[4];
    carat_prompt *p = ask_random(engine, 14, N);
    const carat_request_options o = { .struct_size = sizeof o, .prompt = p, .generation = ASK_GREEDY(40) };
    atomic_store(&done_visiting, false);
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, visit, NULL);
    double start = ask_now();
    ask_whole(engine, &o, a);
    double seconds = ask_now() - start;
    atomic_store(&done_visiting, true);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(a->n, 40);
    assert_true(seconds < 20); /* it takes 0.04 s */
    printf("40 tokens beside four who ask for figures: %.2f s\n", seconds);
    carat_prompt_free(p);
}

/* ---- prompts that do not belong here ---- */

/* One made for a larger vocabulary is refused before it gets into a step with others. */
static void foreign_prompts_are_refused(void **state)
{
    (void)state;
    if (ask_is_fake()) /* it has one model */
        skip();
    carat_err e;
    carat_request *r;
    const carat_options o = { .struct_size = sizeof o, .n_threads = 1, .vision = CARAT_VISION_OFF };
    carat_engine *larger = ask_open(TEST_DATA "/models/tiny-vl", &o);
    const int32_t ids[] = { 2, 30, 520, 40 }; /* 528 rows there, 512 here */
    carat_prompt *p = ask_prompt(larger, ids, 4);
    const carat_request_options ro = { .struct_size = sizeof ro, .prompt = p, .generation = ASK_GREEDY(1) };
    assert_false(carat_request_submit(engine, &ro, &r, &e));
    assert_int_equal(e.code, CARAT_EARG);
    assert_non_null(strstr(e.msg, "520"));
    carat_prompt_free(p);
    carat_engine_close(larger);
}

/* test_requests [PATTERN]: those whose names match. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_of_one_token),
        cmocka_unit_test(answers_end_apart),
        cmocka_unit_test(figures_may_be_asked_for_from_the_start),
        cmocka_unit_test(a_glance_does_not_wait),
        cmocka_unit_test(a_slow_listener_waits_alone),
        cmocka_unit_test(cancelled_in_every_state),
        cmocka_unit_test(late_in_every_state),
        cmocka_unit_test(a_full_queue_says_so),
        cmocka_unit_test(cancelled_before_the_first_token),
        cmocka_unit_test(no_room_is_said_at_once),
        cmocka_unit_test(sessions_do_not_queue_for_memory),
        cmocka_unit_test(stopping_leaves_what_was_told_chunk_1),
        cmocka_unit_test(stopping_leaves_what_was_told_chunk_16),
        cmocka_unit_test(stopping_is_the_listeners_word),
        cmocka_unit_test(visitors_do_not_stop_the_work),
        cmocka_unit_test(foreign_prompts_are_refused),
    };
    if (argc > 1)
        UNIT_CHOOSE(tests, argv[1]);
    return cmocka_run_group_tests(tests, setup, teardown);
}
