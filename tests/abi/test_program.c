/* A program as it was built with the frozen header, running with today's shared library: it makes up a model, weighs it,
 * opens it, talks with it. Behind every struct that the library fills stand guards.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "carat.h"
#include "carat_weigh.h"

#if CARAT_VERSION_NUMBER != 200
#error "this program is to be compiled with the frozen header"
#endif

#define GUARD 0x5ac3a5d21b7e9f04u

/* `name`, zeroed but for its size, with a guard behind it. */
#define GUARDED(type, name)                                                                                            \
    struct {                                                                                                           \
        type v;                                                                                                        \
        uint64_t guard;                                                                                                \
    } name = { .v = { .struct_size = sizeof(type) }, .guard = GUARD }

static char path[] = "/tmp/carat-abi-XXXXXX";
static carat_engine *engine;
static carat_err err;

static void must(bool ok)
{
    if (!ok)
        fail_msg("%s", err.msg);
}

static bool count_progress(void *arg, uint64_t done, uint64_t total)
{
    assert_true(done <= total);
    ++*(size_t *)arg;
    return true;
}

static bool stop_at_once(void *arg, uint64_t done, uint64_t total)
{
    (void)arg, (void)done, (void)total;
    return false;
}

static int setup(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    if (fd < 0)
        return -1;
    close(fd);
    size_t n_written = 0, n_loaded = 0;
    const carat_shape shape = { .struct_size = sizeof shape,
                                .size = "270m",
                                .n_layer = 2,
                                .hidden = 64,
                                .ffn = 128,
                                .n_head = 2,
                                .n_kv_head = 1,
                                .head_dim = 32,
                                .n_vocab = 1024,
                                .type = "q8_0",
                                .seed = 3 };
    const carat_options o = { .struct_size = sizeof o,
                              .n_threads = 1,
                              .chunk = 16,
                              .n_ctx = 256,
                              .n_sessions = 3,
                              .prefix_cache = 1 << 20,
                              .progress = count_progress,
                              .progress_arg = &n_loaded };
    bool ok = carat_synth(&shape, path, count_progress, &n_written, &err) && carat_engine_open(path, &o, &engine, &err);
    if (!ok)
        fprintf(stderr, "%s\n", err.msg);
    return ok && n_written > 0 && n_loaded > 0 ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    carat_engine_close(engine);
    unlink(path);
    return 0;
}

static void the_library_may_be_newer(void **state)
{
    (void)state;
    assert_true(carat_version_number() >= CARAT_VERSION_NUMBER);
    assert_true(strlen(carat_version()) >= 5);
}

static void the_engine_says_what_it_is(void **state)
{
    (void)state;
    const carat_model_info *i = carat_engine_info(engine);
    assert_string_equal(i->path, path);
    assert_int_equal(i->n_layer, 2);
    assert_int_equal(i->hidden, 64);
    assert_int_equal(i->n_vocab, 1024);
    assert_false(i->has_vision);
    assert_int_equal(carat_engine_n_ctx(engine), 256);
    assert_int_equal(carat_engine_threads(engine), 1);
    const carat_memory *m = carat_engine_memory(engine);
    assert_true(m->weights > 1024 * 64 && m->total > m->weights && m->session > 0);
    GUARDED(carat_stats, s);
    must(carat_engine_stats(engine, &s.v, &err));
    assert_true(s.v.running == 0 && s.guard == GUARD && s.v.struct_size == sizeof s.v);
    carat_engine *other = NULL;
    const carat_options stopped = { .struct_size = sizeof stopped, .progress = stop_at_once };
    assert_false(carat_engine_open(path, &stopped, &other, &err));
    assert_int_equal(err.code, CARAT_ECANCELLED);
}

typedef struct talk {
    size_t n;
    double logprob;
    char text[256];
} talk;

static bool on_token(void *arg, const carat_token *t)
{
    talk *to = arg;
    assert_int_equal(strlen(t->text), t->len);
    if (t->id < 0)
        return true;
    assert_true(t->n_top == 2 && t->top[0].logprob >= t->top[1].logprob && t->logprob <= 0);
    to->n++;
    return true;
}

static void a_session_answers(void **state)
{
    (void)state;
    const carat_content content[] = { { .struct_size = sizeof content[0], .text = "a\0b", .text_len = 3 },
                                      { .struct_size = sizeof content[0], .text = "and more" } };
    const carat_message messages[] = {
        { .struct_size = sizeof messages[0], .role = "system", .text = "Be brief." },
        { .struct_size = sizeof messages[0], .role = "user", .content = content, .n_content = 2 },
    };
    const carat_pan_scan pan_scan = { .struct_size = sizeof pan_scan, .mode = CARAT_PAN_SCAN_OFF };
    const carat_prompt_options po = { .struct_size = sizeof po, .pan_scan = &pan_scan, .fit = 200 };
    carat_prompt *p;
    carat_session *s;
    size_t n, cached;
    must(carat_prompt_chat(engine, messages, 2, &po, &p, &err));
    carat_prompt_tokens(p, &n);
    assert_true(n > 10 && n <= 200);
    must(carat_session_open(engine, 0, &s, &err) && carat_session_prompt(s, p, &cached, &err));
    assert_int_equal(carat_session_n_tokens(s), n);
    talk told = { 0 };
    const carat_bias bias = { 5, -1 };
    carat_sampling sampling = CARAT_SAMPLING_DEFAULT;
    sampling.seed = 11, sampling.bias = &bias, sampling.n_bias = 1, sampling.top_k = 40;
    const char *const stops[] = { "never to be seen" };
    const size_t lens[] = { 16 };
    const carat_generation g = { .struct_size = sizeof g,
                                 .sampling = &sampling,
                                 .max_tokens = 6,
                                 .ignores_eos = true,
                                 .stops = stops,
                                 .stop_lens = lens,
                                 .n_stops = 1,
                                 .n_top = 2,
                                 .wants_logprobs = true,
                                 .on_token = on_token,
                                 .arg = &told };
    GUARDED(carat_result, r);
    must(carat_session_generate(s, &g, &r.v, &err));
    assert_true(r.guard == GUARD && r.v.struct_size == sizeof r.v);
    assert_int_equal(r.v.n_generated, 6);
    assert_int_equal(told.n, 6);
    assert_int_equal(r.v.finish, CARAT_FINISH_LENGTH);
    assert_int_equal(r.v.stop_id, -1);
    carat_session_close(s);
    carat_prompt_free(p);
}

static void requests_come_through_a_queue(void **state)
{
    (void)state;
    const carat_content c = { .struct_size = sizeof c, .text = "to be continued" };
    carat_prompt *p;
    carat_queue *q;
    carat_request *r[3];
    int users[3];
    size_t n_ended = 0, n_tokens = 0, n_prompt, n_cached;
    must(carat_prompt_text(engine, &c, 1, NULL, &p, &err) && carat_queue_open(&q, &err));
    const carat_generation g = { .struct_size = sizeof g, .max_tokens = 4, .ignores_eos = true };
    for (size_t i = 0; i < 3; i++) {
        const carat_request_options o = { .struct_size = sizeof o,
                                          .prompt = p,
                                          .generation = &g,
                                          .n_answers = 1,
                                          .seconds = 60,
                                          .queue = q,
                                          .user = &users[i] };
        must(carat_request_submit(engine, &o, &r[i], &err));
    }
    carat_prompt_free(p);
    while (n_ended < 3) {
        struct pollfd fd = { .fd = carat_queue_fd(q), .events = POLLIN };
        assert_int_equal(poll(&fd, 1, 60000), 1);
        for (const carat_event *ev; (ev = carat_queue_next(q, 0))->kind != CARAT_EVENT_NONE;) {
            size_t i = (size_t)((int *)ev->user - users);
            assert_ptr_equal(ev->request, r[i]);
            if (ev->kind == CARAT_EVENT_FAILED)
                fail_msg("%s", ev->err->msg);
            n_tokens += ev->kind == CARAT_EVENT_TOKEN && ev->token->id >= 0;
            if (ev->kind == CARAT_EVENT_ANSWER)
                assert_int_equal(ev->result->n_generated, 4);
            n_ended += ev->kind == CARAT_EVENT_END;
        }
    }
    assert_int_equal(n_tokens, 12);
    for (size_t i = 0; i < 3; i++) {
        GUARDED(carat_request_state, s);
        must(carat_request_progress(r[i], &s.v, &err));
        carat_request_prompt(r[i], &n_prompt, &n_cached);
        assert_true(s.guard == GUARD && s.v.stage == CARAT_REQUEST_ENDED && s.v.n_prompt == n_prompt);
        carat_request_free(r[i]);
    }
    carat_queue_close(q);
    must(carat_engine_drain(engine, 60, &err));
}

static void files_are_weighed(void **state)
{
    (void)state;
    const carat_options o = { .struct_size = sizeof o, .n_threads = 1, .n_ctx = 256 };
    const carat_weigh_query q = { .struct_size = sizeof q, .model = path, .options = &o };
    const size_t contexts[] = { 128, 256 };
    static struct {
        carat_estimate_result v[2];
        uint64_t guard;
    } w = { .guard = GUARD };
    w.v[0].struct_size = w.v[1].struct_size = sizeof w.v[0];
    must(carat_weigh(&q, &w.v[0], &err));
    assert_true(w.v[0].is_file && w.v[0].n_ctx == 256 && w.v[0].total > w.v[0].embedding && w.guard == GUARD);
    must(carat_weigh_contexts(&q, contexts, 2, w.v, &err));
    assert_true(w.v[0].n_ctx == 128 && w.v[1].n_ctx == 256 && w.v[0].total <= w.v[1].total && w.guard == GUARD);
    const carat_device *d;
    must(carat_device_find("RTX 4090", &d, &err));
    GUARDED(carat_speed, s);
    must(carat_weigh_speed(&w.v[0], d, &s.v, &err));
    assert_true(s.guard == GUARD && s.v.decode[0] > 0 && s.v.decode[0] <= s.v.decode[1]);
    const carat_rates rates = { .struct_size = sizeof rates };
    const carat_device own = { .struct_size = sizeof own, .name = "own", .bandwidth = 1e9, .measured = &rates };
    must(carat_weigh_speed(&w.v[0], &own, &s.v, &err));
    assert_true(s.v.decode[1] > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_library_may_be_newer),
        cmocka_unit_test(the_engine_says_what_it_is),
        cmocka_unit_test(a_session_answers),
        cmocka_unit_test(files_are_weighed),
        cmocka_unit_test(requests_come_through_a_queue), /* the last: it drains the engine */
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
