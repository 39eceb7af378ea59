/* One request's activations are not finite: it fails, and nobody else notices.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "poison.h"

enum { N = 50, TOKENS = 160, N_OTHERS = 3 };
#define GUARD 240 /* seconds after which a test that hangs is ended */

static char folder[64];
static carat_engine *engine;
static carat_picture *picture;
static carat_prompt *others[N_OTHERS];
static answer alone[N_OTHERS], together[N_OTHERS], bad[2];

static carat_prompt *with_picture(void)
{
    carat_prompt *p;
    carat_err e;
    const carat_content c[] = { { .struct_size = sizeof(carat_content), .text = "What is this?" },
                                { .struct_size = sizeof(carat_content), .picture = picture },
                                { .struct_size = sizeof(carat_content), .text = "Say it" } };
    ask_must(carat_prompt_text(engine, c, 3, NULL, &p, &e), &e);
    return p;
}

static int setup(void **state)
{
    (void)state;
    carat_err e;
    unit_guard(GUARD);
    const carat_options o = {
        .struct_size = sizeof o, .n_threads = 1, .chunk = 24, .n_ctx = 512, .n_sessions = N_OTHERS + 2
    };
    if (!poison_make(folder) || !carat_engine_open(folder, &o, &engine, &e) ||
        !carat_picture_load(POISONED "/test/000-0.png", &picture, &e))
        return -1;
    for (size_t i = 0; i < N_OTHERS; i++) {
        others[i] = i ? ask_random(engine, i, N) : with_picture();
        const carat_request_options ro = { .struct_size = sizeof ro,
                                           .prompt = others[i],
                                           .generation = ASK_GREEDY(TOKENS) };
        ask_whole(engine, &ro, &alone[i]);
        if (!alone[i].ok || alone[i].n != TOKENS)
            return -1;
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_OTHERS; i++)
        carat_prompt_free(others[i]);
    carat_picture_free(picture);
    carat_stats s = ask_stats(engine);
    bool all_gone = s.running == 0 && s.queued == 0 && s.kv_bytes_promised == 0;
    carat_engine_close(engine);
    poison_remove(folder);
    return all_gone ? 0 : -1;
}

static carat_prompt *poisoned(size_t at)
{
    int32_t ids[N];
    ask_ids(77, ids, N);
    ids[at] = POISON;
    return ask_prompt(engine, ids, N);
}

/* Answers the others while a bad request comes and goes. */
static void beside_the_others(const carat_request_options *o, const char *what)
{
    carat_request *r[N_OTHERS], *worse = NULL;
    size_t n_bad = o->n_answers ? o->n_answers : 1, n_ended = 0;
    memset(together, 0, sizeof together);
    memset(bad, 0, sizeof bad);
    for (size_t i = 0; i < N_OTHERS; i++) {
        const carat_request_options ro = { .struct_size = sizeof ro,
                                           .prompt = others[i],
                                           .generation = ASK_GREEDY(TOKENS) };
        r[i] = ask(engine, &ro);
    }
    bool was_beside = false;
    while (n_ended < N_OTHERS || !worse || !bad[n_bad - 1].has_ended || !bad[0].has_ended) {
        bool have_begun = true;
        n_ended = 0;
        for (size_t i = 0; i < N_OTHERS; i++) {
            ask_next(r[i], 0, &together[i]);
            have_begun = have_begun && together[i].n > 3;
            n_ended += together[i].has_ended;
        }
        if (have_begun && !worse)
            worse = ask(engine, o);
        if (worse && ask_next(worse, 0, bad) && bad[0].has_ended)
            was_beside = was_beside || n_ended == 0;
    }
    for (size_t i = 0; i < N_OTHERS; i++) {
        carat_request_free(r[i]);
        ask_same(&together[i], &alone[i], what);
    }
    carat_request_free(worse);
    assert_true(was_beside);
    for (size_t i = 0; i < n_bad; i++)
        if (bad[i].ok || bad[i].err.code != CARAT_ENUMERIC)
            fail_msg("%s: answer %zu ended %s", what, i, bad[i].ok ? "well" : bad[i].err.msg);
}

/* In the prompt: at its beginning, within a chunk, at its end; twice, as nothing of it may be remembered as good. */
static void a_prompt_fails_alone(void **state)
{
    (void)state;
    static const size_t at[] = { 1, 30, 30, N - 1 };
    for (size_t i = 0; i < 4; i++) {
        carat_prompt *p = poisoned(at[i]);
        carat_request_options o = { .struct_size = sizeof o, .prompt = p, .generation = ASK_GREEDY(5) };
        uint64_t failed = ask_stats(engine).requests_failed;
        beside_the_others(&o, "a poisoned prompt");
        assert_int_equal(bad->n, 0);
        o.n_answers = 2;
        beside_the_others(&o, "two answers to a poisoned prompt");
        assert_int_equal(ask_stats(engine).requests_failed, failed + 3);
        carat_prompt_free(p);
    }
}

/* In the answer: what was said before is told, and stands. */
static void an_answer_fails_alone(void **state)
{
    (void)state;
    carat_prompt *p = ask_random(engine, 5, N);
    const carat_bias bias = { POISON, 100 }; /* chosen at once, and evaluated in the next step */
    carat_sampling sampling = ask_largest;
    carat_generation g = *ASK_GREEDY(5);
    const carat_request_options o = { .struct_size = sizeof o, .prompt = p, .generation = &g, .n_answers = 2 };
    sampling.bias = &bias, sampling.n_bias = 1;
    g.sampling = &sampling;
    beside_the_others(&o, "a poisoned answer");
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(bad[i].n, 1);
        assert_int_equal(bad[i].ids[0], POISON);
    }
    carat_prompt_free(p);
}

/* The pages that held what was not finite serve others as if nothing had been there. */
static void nothing_is_left_behind(void **state)
{
    (void)state;
    carat_prompt *p = poisoned(20);
    for (int i = 0; i < 9; i++) {
        const carat_request_options ro = { .struct_size = sizeof ro, .prompt = p, .generation = ASK_GREEDY(5) };
        ask_whole(engine, &ro, bad);
        assert_int_equal(bad->err.code, CARAT_ENUMERIC);
        size_t k = (size_t)i % N_OTHERS;
        const carat_request_options good = { .struct_size = sizeof good,
                                             .prompt = others[k],
                                             .generation = ASK_GREEDY(TOKENS) };
        ask_whole(engine, &good, &together[k]);
        ask_same(&together[k], &alone[k], "after a failure");
    }
    carat_prompt_free(p);
}

/* A session keeps what was good, and goes on from there. */
static void a_session_goes_on(void **state)
{
    (void)state;
    carat_err e;
    carat_session *s, *cold;
    int32_t ids[N];
    size_t kept;
    ask_ids(9, ids, N);
    ask_must(carat_session_open(engine, 0, &s, &e) && carat_session_open(engine, 0, &cold, &e), &e);
    for (int i = 0; i < 3; i++) {
        ask_must(carat_session_append(s, ids, 30, &e), &e);
        const int32_t evil[] = { 30, POISON, 40 };
        assert_false(carat_session_append(s, evil, 3, &e));
        assert_int_equal(e.code, CARAT_ENUMERIC);
        assert_null(carat_session_logits(s));
        assert_int_equal(carat_session_n_tokens(s), 30);
        ask_must(carat_session_append(s, ids + 30, N - 30, &e), &e);
        if (i == 0)
            ask_must(carat_session_append(cold, ids, N, &e), &e);
        size_t bytes = carat_engine_info(engine)->n_vocab * sizeof(float);
        assert_memory_equal(carat_session_logits(s), carat_session_logits(cold), bytes);
        ask_must(carat_session_rewind(s, 0, &kept, &e), &e);
    }
    carat_session_close(s), carat_session_close(cold);
}

/* test_failing [PATTERN]: those whose names match. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prompt_fails_alone),
        cmocka_unit_test(an_answer_fails_alone),
        cmocka_unit_test(nothing_is_left_behind),
        cmocka_unit_test(a_session_goes_on),
    };
    if (argc > 1)
        UNIT_CHOOSE(tests, argv[1]);
    return cmocka_run_group_tests(tests, setup, teardown);
}
