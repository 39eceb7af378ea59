/* Who does not wait for whom: counters for nobody, events not for a visitor, others not for a file that is being
 * written. A wait that should not be would be one for ever, which the alarm ends.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "base/map.h"
#include "fake_backend.h"

#define SIGHT TEST_DATA "/models/tiny-sight"
#define GUARD 120 /* seconds */

enum { N = 600 };

static carat_engine *engine;
static int32_t ids[N];

static int setup(void **state)
{
    (void)state;
    carat_err e;
    unit_guard(GUARD);
    const carat_options o = { .struct_size = sizeof o, .n_threads = 2, .chunk = 64, .n_ctx = 1024, .n_sessions = 4 };
    ask_ids(3, ids, N);
    return carat_engine_open(SIGHT, &o, &engine, &e) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    carat_engine_close(engine);
    return 0;
}

static carat_session *open_session(size_t n)
{
    carat_session *s;
    carat_err e;
    ask_must(carat_session_open(engine, 0, &s, &e) && carat_session_append(s, ids, n, &e), &e);
    return s;
}

/* Somebody who is in the middle of something until he is told to go on. */
typedef struct held {
    sem_t is_in, go_on;
    bool has_waited;
    carat_session *session;
    carat_prompt *prompt;
    bool ok;
} held;

static void hold(held *h)
{
    if (h->has_waited)
        return;
    h->has_waited = true;
    sem_post(&h->is_in);
    sem_wait(&h->go_on);
}

static void start(held *h, pthread_t *thread, void *(*fn)(void *))
{
    sem_init(&h->is_in, 0, 0), sem_init(&h->go_on, 0, 0);
    assert_int_equal(pthread_create(thread, NULL, fn, h), 0);
    sem_wait(&h->is_in);
}

static void end(held *h, pthread_t thread)
{
    sem_post(&h->go_on);
    pthread_join(thread, NULL);
    sem_destroy(&h->is_in), sem_destroy(&h->go_on);
    assert_true(h->ok);
}

/* ---- in a step ---- */

static bool hold_step(void *arg, size_t pos, const float *logits, size_t n_vocab)
{
    (void)pos, (void)logits, (void)n_vocab;
    hold(arg);
    return true;
}

static void *append_slowly(void *arg)
{
    held *h = arg;
    h->ok = carat_session_append_logits(h->session, ids, 30, hold_step, h, NULL);
    return NULL;
}

static void counters_do_not_wait_for_a_step(void **state)
{
    (void)state;
    pthread_t thread;
    held h = { .session = open_session(20) };
    carat_stats before = ask_stats(engine), now;
    assert_true(before.kv_bytes_promised > 0 && before.kv_bytes_used > 0 && before.running == 0);
    start(&h, &thread, append_slowly);
    now = ask_stats(engine);
    assert_int_equal(now.running, 1);
    assert_int_equal(now.steps, before.steps);
    assert_int_equal(now.prompt_tokens, before.prompt_tokens);
    assert_int_equal(now.kv_bytes_promised, before.kv_bytes_promised);
    end(&h, thread);
    now = ask_stats(engine);
    assert_int_equal(now.running, 0);
    assert_int_equal(now.prompt_tokens, before.prompt_tokens + 30);
    carat_session_close(h.session);
    now = ask_stats(engine);
    assert_int_equal(now.kv_bytes_promised, 0);
}

/* ---- with a visitor in ---- */

static bool hold_tower(void *arg, uint64_t done, uint64_t total)
{
    (void)done, (void)total;
    hold(arg);
    return true;
}

static void *look(void *arg)
{
    held *h = arg;
    const carat_model_info *m = carat_engine_info(engine);
    float *rows = calloc(m->tokens_per_image * m->hidden, sizeof *rows);
    h->ok = rows && carat_prompt_soft_tokens(engine, h->prompt, 0, rows, hold_tower, h, NULL);
    free(rows);
    return NULL;
}

/* An answer that has been computed is told while somebody else has the engine's parts; a new one is taken in, and
 * computed when he has gone. */
static void events_do_not_wait_for_a_visitor(void **state)
{
    (void)state;
    static answer told, later;
    pthread_t thread;
    carat_err e;
    carat_picture *picture;
    held h = { .ok = false };
    ask_must(carat_picture_load(SIGHT "/test/000-0.png", &picture, &e), &e);
    ask_must(carat_prompt_text(engine, &(carat_content){ .struct_size = sizeof(carat_content), .picture = picture }, 1,
                               NULL, &h.prompt, &e),
             &e);
    carat_prompt *p = ask_random(engine, 7, 30);
    const carat_request_options o = { .struct_size = sizeof o, .prompt = p, .generation = ASK_GREEDY(5) };
    carat_request *r = ask(engine, &o);
    for (carat_stats now; now = ask_stats(engine), now.running + now.queued > 0;)
        ask_sleep(0.001);
    start(&h, &thread, look);
    carat_request *new = ask(engine, &o);
    ask_rest(r, &told);
    assert_true(told.ok && told.n == 5);
    assert_int_equal(ask_stats(engine).queued, 1);
    assert_false(ask_next(new, 0, &later));
    end(&h, thread);
    ask_rest(new, &later);
    ask_same(&later, &told, "beside a visitor");
    carat_request_free(r), carat_request_free(new);
    carat_prompt_free(p), carat_prompt_free(h.prompt);
    carat_picture_free(picture);
}

/* ---- while a file is written ---- */

typedef struct saving {
    char path[64];
    carat_session *session;
    bool ok;
    carat_err err;
} saving;

static sem_t is_reading, go_on_reading;

static void wait_before_reading(void)
{
    fake_on_page_read = NULL; /* the first page only */
    sem_post(&is_reading);
    while (sem_wait(&go_on_reading) != 0)
        ;
}

static void *save(void *arg)
{
    saving *f = arg;
    f->ok = carat_session_save(f->session, f->path, NULL, 0, &f->err);
    return NULL;
}

/* On the fake backend, which stands still in the middle of the file until it is told to go on. */
static void others_do_not_wait_for_a_save(void **state)
{
    (void)state;
    enum { WHOLE_TILES = 512 }; /* no page is copied beforehand */
    static saving f;
    static answer a, before;
    pthread_t thread;
    carat_err e;
    carat_session *other, *back;
    const carat_options eo = { .struct_size = sizeof eo, .n_threads = 1, .n_ctx = 1024, .n_sessions = 4 };
    carat_engine *fake;
    ask_must(fake_engine_open(&eo, &fake, &e), &e);
    ask_must(carat_session_open(fake, 0, &f.session, &e) && carat_session_open(fake, 0, &other, &e), &e);
    ask_must(carat_session_append(f.session, ids, WHOLE_TILES, &e), &e);
    carat_prompt *p = ask_random(fake, 8, 100);
    const carat_request_options o = { .struct_size = sizeof o, .prompt = p, .generation = ASK_GREEDY(5) };
    ask_whole(fake, &o, &before);
    snprintf(f.path, sizeof f.path, "/tmp/carat-slow-%ld", (long)getpid());
    assert_int_equal(sem_init(&is_reading, 0, 0) | sem_init(&go_on_reading, 0, 0), 0);
    fake_on_page_read = wait_before_reading;
    assert_int_equal(pthread_create(&thread, NULL, save, &f), 0);
    while (sem_wait(&is_reading) != 0)
        ;
    ask_must(carat_session_append(other, ids + 30, 40, &e), &e);
    ask_whole(fake, &o, &a);
    ask_same(&a, &before, "while a session is saved");
    assert_int_equal(access(f.path, F_OK), -1); /* nor has it been written meanwhile */
    carat_session_close(other);
    sem_post(&go_on_reading);
    pthread_join(thread, NULL);
    ask_must(f.ok, &f.err);
    ask_must(carat_session_open(fake, 0, &back, &e) && carat_session_restore(back, f.path, NULL, NULL, &e), &e);
    assert_int_equal(carat_session_n_tokens(back), WHOLE_TILES);
    unlink(f.path);
    carat_session_close(back), carat_session_close(f.session);
    carat_prompt_free(p);
    carat_engine_close(fake);
}

/* Saved again and again while others write into what it shares with them: always the same file. */
typedef struct writer {
    carat_session *session;
    bool is_over, ok;
} writer;

static void *write_on(void *arg)
{
    writer *w = arg;
    size_t kept;
    w->ok = true;
    for (int i = 0; i < 12; i++)
        w->ok = w->ok && carat_session_append(w->session, ids + i, 50, NULL) &&
                carat_session_rewind(w->session, N - 7, &kept, NULL) &&
                (kept == N - 7 || carat_session_append(w->session, ids + kept, N - 7 - kept, NULL));
    __atomic_store_n(&w->is_over, true, __ATOMIC_RELEASE);
    return NULL;
}

static void a_save_is_of_one_moment(void **state)
{
    (void)state;
    char path[64], *first, *again;
    size_t n_first, n_again, n_saves = 0;
    carat_err e;
    pthread_t thread;
    writer w = { .ok = false };
    carat_session *s = open_session(N - 7);
    snprintf(path, sizeof path, "/tmp/carat-moment-%ld", (long)getpid());
    ask_must(carat_session_save(s, path, "x", 1, &e) && ct_read_file(path, 1 << 26, &first, &n_first, &e), &e);
    ask_must(carat_session_fork(s, &w.session, &e), &e);
    assert_int_equal(pthread_create(&thread, NULL, write_on, &w), 0);
    while (!__atomic_load_n(&w.is_over, __ATOMIC_ACQUIRE) || n_saves == 0) {
        ask_must(carat_session_save(s, path, "x", 1, &e) && ct_read_file(path, 1 << 26, &again, &n_again, &e), &e);
        assert_int_equal(n_again, n_first);
        assert_memory_equal(again, first, n_first);
        free(again);
        n_saves++;
    }
    pthread_join(thread, NULL);
    assert_true(w.ok);
    carat_session_close(s), carat_session_close(w.session);
    free(first);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_do_not_wait_for_a_step),
        cmocka_unit_test(events_do_not_wait_for_a_visitor),
        cmocka_unit_test(others_do_not_wait_for_a_save),
        cmocka_unit_test(a_save_is_of_one_moment),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
