/* Several tokens of an answer in one step, forced by a mask or guessed: whatever is ahead, the answer is token for token
 * and bit for bit the one that is made a token at a time, and its neighbours notice nothing.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "poison.h"
#include "steer.h"

enum { EOS = 1, N = 40, TOKENS = 90, N_NEIGHBOURS = 3, CTX = 512, N_CHUNKS = 2, N_ENGINES = 3 };
#define GUARD 280 /* seconds after which a test that hangs is ended */
#define TINY  TEST_DATA "/models/tiny-text"

/* In steps of few tokens what is ahead has to wait, in those of many it need not. One thread each: the steps of so small
 * a model are all waiting for one another. The last engine, for all at once, has two. */
static const size_t chunks[N_ENGINES] = { 6, 64, 64 };
static carat_engine *engines[N_ENGINES];
static carat_prompt *prompt, *neighbours[N_NEIGHBOURS];
static int32_t ids[N];
static size_t n_vocab;
static carat_sampling hot = { .struct_size = sizeof hot,
                              .temperature = 1,
                              .top_k = 40,
                              .top_p = 0.95f,
                              .repetition_penalty = 1.1f,
                              .penalty_window = 32,
                              .seed = 5 };

static carat_generation settings(int is_hot, bool logprobs)
{
    return (carat_generation){ .struct_size = sizeof(carat_generation),
                               .sampling = is_hot ? &hot : &ask_largest,
                               .max_tokens = TOKENS,
                               .ignores_eos = true,
                               .n_top = logprobs ? 4 : 0 };
}

static int setup(void **state)
{
    (void)state;
    unit_guard(GUARD);
    for (size_t i = 0; i < N_ENGINES; i++) {
        const carat_options o = { .struct_size = sizeof o,
                                  .n_threads = i < N_CHUNKS ? 1 : 2,
                                  .chunk = chunks[i],
                                  .n_ctx = CTX,
                                  .n_sessions = 2 + N_NEIGHBOURS };
        engines[i] = ask_open(TINY, &o);
    }
    n_vocab = carat_engine_info(engines[0])->n_vocab;
    ask_ids(1, ids, N);
    prompt = ask_prompt(engines[0], ids, N);
    for (size_t i = 0; i < N_NEIGHBOURS; i++)
        neighbours[i] = ask_random(engines[0], 100 + i, 30 + 20 * i);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    carat_prompt_free(prompt);
    for (size_t i = 0; i < N_NEIGHBOURS; i++)
        carat_prompt_free(neighbours[i]);
    bool all_gone = true;
    for (size_t i = 0; i < N_ENGINES; i++) {
        const carat_stats s = ask_stats(engines[i]);
        all_gone = all_gone && s.running == 0 && s.queued == 0 && s.kv_bytes_promised == 0;
        carat_engine_close(engines[i]);
    }
    return all_gone ? 0 : -1;
}

static rule with_runs(bool says_forced)
{
    return (rule){ .n_vocab = n_vocab,
                   .every = 2,
                   .end_from = 1000,
                   .run = { 21, 33, 45, 21, 100, 333, 47, 49, 51, 53, 55, 57, 59, 21, 23, 25, 27, 29, 31, 33 },
                   .n_run = 20,
                   .run_from = 5,
                   .period = 37,
                   .says_forced = says_forced };
}

static void keep_rule(const rule *r, const answer *a)
{
    rule again = with_runs(false);
    assert_true(r->is_closed && r->n == a->n && r->n_forced > a->n / 3);
    for (again.n = 0; again.n < a->n; again.n++)
        assert_true(rule_allows(&again, a->ids[again.n]));
}

/* A plain answer, a token at a time. */
static void plain(carat_engine *e, const carat_generation *g, answer *a)
{
    carat_request_options o = { .struct_size = sizeof o, .prompt = prompt, .generation = g };
    ask_whole(e, &o, a);
    assert_true(a->ok && a->n == g->max_tokens);
}

static void expect_full(const answer *a, size_t n)
{
    if (!a->ok || a->n != n)
        fail_msg("%zu tokens of %zu, %s", a->n, n, a->ok ? carat_finish_name(a->result.finish) : a->err.msg);
}

static void same_tokens(const answer *a, const answer *b)
{
    assert_true(a->ok && b->ok && a->n == b->n && a->len == b->len);
    assert_memory_equal(a->ids, b->ids, a->n * sizeof *a->ids);
    assert_memory_equal(a->text, b->text, a->len);
    assert_int_equal(a->result.finish, b->result.finish);
}

/* ---- masks ---- */

/* Forced runs are the same tokens as one at a time, in fewer steps; with probabilities bit for bit. */
static void forced_runs_are_a_shortcut(void **state)
{
    (void)state;
    static answer a[3];
    for (size_t c = 0; c < N_CHUNKS; c++)
        for (int is_hot = 0; is_hot < 2; is_hot++) {
            uint64_t steps[3];
            for (int k = 0; k < 3; k++) { /* found; said; said, with probabilities */
                const carat_generation g = settings(is_hot, k != 1);
                rule r = with_runs(k > 0);
                uint64_t before = ask_stats(engines[c]).steps;
                steer(engines[c], prompt, NULL, &g, &r, NULL, 1, &a[k]);
                steps[k] = ask_stats(engines[c]).steps - before;
                expect_full(&a[k], TOKENS);
                keep_rule(&r, &a[k]);
            }
            same_tokens(&a[0], &a[1]);
            ask_same(&a[0], &a[2], "forced, with probabilities");
            assert_true(steps[0] >= TOKENS && steps[1] < TOKENS * 3 / 4 && steps[2] < TOKENS * 3 / 4);
        }
}

/* Beside others, whose bits do not change; several answers to one prompt have masks of their own. */
static void masks_among_neighbours(void **state)
{
    (void)state;
    static answer alone[N_NEIGHBOURS], together[N_NEIGHBOURS], steered_alone[2], steered_together[2];
    static steered s;
    for (size_t c = 0; c < N_CHUNKS; c++) {
        carat_engine *e = engines[c];
        const carat_generation g = settings(1, true);
        carat_request *requests[N_NEIGHBOURS];
        rule rules[2] = { with_runs(true), with_runs(true) };
        rules[1].period = 0;
        steer(e, prompt, NULL, &g, rules, NULL, 2, steered_alone);
        carat_request_options o = { .struct_size = sizeof o, .generation = &g };
        for (size_t i = 0; i < N_NEIGHBOURS; i++) {
            o.prompt = neighbours[i];
            ask_whole(e, &o, &alone[i]);
        }
        memset(together, 0, sizeof together);
        memset(steered_together, 0, sizeof steered_together);
        for (size_t i = 0; i < N_NEIGHBOURS; i++) {
            o.prompt = neighbours[i];
            requests[i] = ask(e, &o);
        }
        rule_restart(&rules[0]), rule_restart(&rules[1]);
        steer_begin(&s, e, prompt, NULL, &g, rules, NULL, 2);
        for (size_t i = 0; i < N_NEIGHBOURS; i++) {
            ask_rest(requests[i], &together[i]);
            carat_request_free(requests[i]);
            ask_same(&together[i], &alone[i], "a neighbour of a mask");
        }
        steer_end(&s, steered_together);
        for (size_t i = 0; i < 2; i++)
            ask_same(&steered_together[i], &steered_alone[i], "a mask among neighbours");
        assert_true(memcmp(steered_alone[0].ids, steered_alone[1].ids, sizeof steered_alone[0].ids) != 0);
    }
}

static carat_session *session_of(carat_engine *e, size_t n_ctx)
{
    carat_session *s;
    carat_err err;
    ask_must(carat_session_open(e, n_ctx, &s, &err), &err);
    ask_must(carat_session_append(s, ids, N, &err), &err);
    return s;
}

/* The session holds the prompt and all of the answer but its last token, and its keys and values are those of
 * appending them: the logits after the last token are the same bits. */
static void expect_held(carat_engine *e, carat_session *s, const answer *a)
{
    carat_err err;
    float own[1024], fresh[1024];
    carat_session *other = session_of(e, 0);
    assert_true(n_vocab <= 1024 && a->n > 0);
    assert_int_equal(carat_session_n_tokens(s), N + a->n - 1);
    assert_memory_equal(carat_session_tokens(s) + N, a->ids, (a->n - 1) * sizeof *a->ids);
    ask_must(carat_session_append(s, a->ids + a->n - 1, 1, &err), &err);
    ask_must(carat_session_append(other, a->ids, a->n, &err), &err);
    ask_must(carat_session_copy_logits(s, own, &err), &err);
    ask_must(carat_session_copy_logits(other, fresh, &err), &err);
    assert_memory_equal(own, fresh, n_vocab * sizeof *own);
    carat_session_close(other);
}

/* Whereever an answer ends, within a run or not: by max_tokens, by the context, by the mask. */
static void sessions_hold_what_was_reported(void **state)
{
    (void)state;
    static answer a;
    for (size_t most = 1; most < 64; most += 5) {
        carat_engine *e = engines[most % 10 != 1];
        carat_generation g = settings(1, most % 3 == 0);
        rule r = with_runs(true);
        carat_session *s = session_of(e, 0);
        g.max_tokens = most;
        steer(e, NULL, s, &g, &r, NULL, 1, &a);
        assert_true(a.ok && a.n == most && a.result.finish == CARAT_FINISH_LENGTH);
        expect_held(e, s, &a);
        carat_session_close(s);

        s = session_of(e, N + most);
        g.max_tokens = 0;
        rule_restart(&r);
        steer(e, NULL, s, &g, &r, NULL, 1, &a);
        assert_true(a.ok && a.n == most + 1 && a.result.finish == CARAT_FINISH_LENGTH);
        assert_int_equal(carat_session_n_tokens(s), N + most); /* it is full */
        assert_memory_equal(carat_session_tokens(s) + N, a.ids, most * sizeof *a.ids);
        carat_session_close(s);

        s = session_of(e, 0); /* the model ends its turn as soon as it may, which is after a run */
        r = with_runs(true);
        r.run_from = most, r.n_run = most % 20, r.end_from = most + r.n_run, r.period = 0;
        g.ignores_eos = false;
        hot.bias = &(const carat_bias){ EOS, 100 }, hot.n_bias = 1;
        steer(e, NULL, s, &g, &r, NULL, 1, &a);
        hot.bias = NULL, hot.n_bias = 0;
        assert_true(a.ok && a.n == most + most % 20 && a.result.finish == CARAT_FINISH_STOP);
        assert_int_equal(a.result.stop_id, EOS);
        assert_int_equal(carat_session_n_tokens(s), N + a.n); /* the end is none of it, so all are evaluated */
        assert_memory_equal(carat_session_tokens(s) + N, a.ids, a.n * sizeof *a.ids);
        carat_session_close(s);
    }
}

/* A stop string that begins, ends or lies within a run, or within guesses that are right. */
static void stop_strings_end_within_what_is_ahead(void **state)
{
    (void)state;
    static answer whole, cut, ahead;
    for (int guessed = 0; guessed < 2; guessed++) {
        carat_generation g = settings(0, false);
        rule found = with_runs(false), said = with_runs(true);
        steer(engines[1], prompt, NULL, &g, guessed ? NULL : &found, NULL, 1, &whole);
        for (size_t at = 0; at + 3 < whole.len; at += 23) {
            char stop[4] = { 0 };
            const char *stops[] = { stop };
            memcpy(stop, whole.text + at, 3);
            if (strlen(stop) != 3)
                continue;
            g.stops = stops, g.n_stops = 1;
            guesser d = { .kind = GUESS_RIGHT, .answer = whole.ids, .n_answer = whole.n, .n_prompt = N };
            rule_restart(&found), rule_restart(&said);
            carat_session *a = session_of(engines[1], 0), *b = session_of(engines[1], 0);
            steer(engines[1], NULL, a, &g, guessed ? NULL : &found, NULL, 1, &cut);
            steer(engines[1], NULL, b, &g, guessed ? NULL : &said, guessed ? &d : NULL, 1, &ahead);
            same_tokens(&cut, &ahead);
            assert_int_equal(cut.result.finish, CARAT_FINISH_STOP);
            assert_int_equal(carat_session_n_tokens(a), N + cut.n - 1);
            expect_held(engines[1], b, &ahead);
            carat_session_close(a), carat_session_close(b);
        }
    }
}

/* A mask that leaves nothing fails its answer, after the tokens before that, and nobody else's. */
static void a_dead_end_fails_alone(void **state)
{
    (void)state;
    static answer a, alone, beside;
    static steered s;
    const carat_generation g = settings(1, true);
    carat_request_options o = { .struct_size = sizeof o, .prompt = neighbours[0], .generation = &g };
    ask_whole(engines[1], &o, &alone);
    for (size_t n_run = 1; n_run < 20; n_run += 3) {
        rule r = with_runs(true);
        r.every = 0, r.run_from = 0, r.period = 0, r.n_run = n_run;
        memset(&a, 0, sizeof a), memset(&beside, 0, sizeof beside);
        carat_request *neighbour = ask(engines[1], &o);
        steer_begin(&s, engines[1], prompt, NULL, &g, &r, NULL, 1);
        steer_end(&s, &a);
        ask_rest(neighbour, &beside);
        carat_request_free(neighbour);
        if (a.ok)
            fail_msg("a run of %zu, and then no end after %zu", n_run, a.n);
        assert_int_equal(a.err.code, CARAT_EARG);
        assert_non_null(strstr(a.err.msg, "the test's rule"));
        assert_int_equal(a.n, n_run);
        assert_memory_equal(a.ids, r.run, n_run * sizeof *r.run);
        ask_same(&beside, &alone, "beside a dead end");
    }
}

/* ---- guesses ---- */

static void guesses_change_nothing(void **state)
{
    (void)state;
    static answer want, got;
    for (size_t c = 0; c < N_CHUNKS; c++)
        for (int is_hot = 0; is_hot < 2; is_hot++) {
            const carat_generation g = settings(is_hot, true);
            plain(engines[c], &g, &want);
            for (guessing kind = 0; kind < N_GUESSINGS; kind++) {
                if ((c + (size_t)is_hot + (size_t)kind) % unit_step(2))
                    continue;
                guesser d = { .kind = kind, .answer = want.ids, .n_answer = want.n, .n_prompt = N, .one = want.ids[7] };
                const carat_stats before = ask_stats(engines[c]);
                steer(engines[c], prompt, NULL, &g, NULL, &d, 1, &got);
                const carat_stats after = ask_stats(engines[c]);
                ask_same(&got, &want, "with guesses");
                assert_true(d.is_closed && d.n_calls > 0);
                assert_int_equal(after.generated_tokens - before.generated_tokens, TOKENS - 1);
                uint64_t steps = after.steps - before.steps;
                assert_true(kind != GUESS_RIGHT || steps < TOKENS / (c ? 8 : 3));
                assert_true(kind != GUESS_WRONG || steps >= TOKENS);

                carat_session *s = session_of(engines[c], 0);
                d.is_closed = false;
                steer(engines[c], NULL, s, &g, NULL, &d, 1, &got);
                ask_same(&got, &want, "a session with guesses");
                expect_held(engines[c], s, &got);
                carat_session_close(s);
            }
        }
}

/* All at once: guesses, masks, prompts that are read meanwhile. */
static void everybody_at_once(void **state)
{
    (void)state;
    static answer want[3], got[3], other[N_NEIGHBOURS], beside[N_NEIGHBOURS];
    static steered s;
    for (size_t c = 0; c < N_ENGINES; c += unit_step(2)) {
        carat_engine *e = engines[c];
        carat_generation g = settings(1, true);
        rule rules[2] = { with_runs(true), with_runs(true) };
        guesser d[2] = { { .kind = GUESS_MIXED, .n_prompt = N }, { .kind = GUESS_RIGHT, .n_prompt = N } };
        carat_request *r[N_NEIGHBOURS];
        carat_request_options o = { .struct_size = sizeof o, .generation = &g };
        g.max_tokens = c < N_CHUNKS ? TOKENS : 16;
        steer(e, prompt, NULL, &g, rules, NULL, 2, want);
        for (size_t i = 0; i < 2; i++) {
            d[i].answer = want[i].ids, d[i].n_answer = want[i].n;
            rule_restart(&rules[i]);
        }
        for (size_t i = 0; i < N_NEIGHBOURS; i++) {
            o.prompt = neighbours[i];
            ask_whole(e, &o, &other[i]);
        }
        memset(got, 0, sizeof got), memset(beside, 0, sizeof beside);
        steer_begin(&s, e, prompt, NULL, &g, rules, d, 2);
        for (size_t i = 0; i < N_NEIGHBOURS; i++) {
            o.prompt = neighbours[i];
            r[i] = ask(e, &o);
        }
        steer_end(&s, got);
        for (size_t i = 0; i < N_NEIGHBOURS; i++) {
            ask_rest(r[i], &beside[i]);
            carat_request_free(r[i]);
            ask_same(&beside[i], &other[i], "beside all of it");
        }
        for (size_t i = 0; i < 2; i++)
            ask_same(&got[i], &want[i], "a mask with guesses");
    }
}

/* Who fetches nothing for a while stops the answer, and it is the same in the end. */
static void slow_listeners(void **state)
{
    (void)state;
    static answer want, got;
    static steered s;
    const carat_generation g = settings(1, true);
    plain(engines[1], &g, &want);
    guesser d = { .kind = GUESS_RIGHT, .answer = want.ids, .n_answer = want.n, .n_prompt = N };
    memset(&got, 0, sizeof got);
    steer_begin(&s, engines[1], prompt, NULL, &g, NULL, &d, 1);
    for (bool more = true; more;) {
        ask_sleep(0.003);
        for (size_t i = 0; i < got.n % 9 + 1 && more; i++)
            more = steer_next(&s, &got);
    }
    ask_same(&got, &want, "a slow listener"); /* the end has come */
    ct_job_deinit(&s.jobs[0]);
    ct_queue_drop(s.group.queue);
}

/* Cancelled at any moment: the session holds all that was reported but its last token, to the bit. */
static void cancelled_in_the_middle(void **state)
{
    (void)state;
    static answer want, got;
    static steered s;
    const carat_generation g = settings(1, false);
    rule r = with_runs(true);
    steer(engines[1], prompt, NULL, &g, &r, NULL, 1, &want);
    for (size_t after = 0; after < 60; after += 3) {
        carat_session *session = session_of(engines[1], 0);
        guesser d = { .kind = GUESS_MIXED, .answer = want.ids, .n_answer = want.n, .n_prompt = N };
        rule_restart(&r);
        memset(&got, 0, sizeof got);
        steer_begin(&s, engines[1], NULL, session, &g, &r, after % 2 ? &d : NULL, 1);
        while (got.n < after)
            steer_next(&s, &got);
        steer_cancel(&s);
        steer_end(&s, &got);
        assert_true(got.ok && got.n >= after && got.result.n_generated == got.n);
        assert_memory_equal(got.ids, want.ids, got.n * sizeof *got.ids);
        if (got.n)
            expect_held(engines[1], session, &got);
        else
            assert_int_equal(carat_session_n_tokens(session), N);
        carat_session_close(session);
    }
}

/* A guess whose activations are infinite is not the answer's fault. */
static void poisonous_guesses(void **state)
{
    (void)state;
    static answer want, got;
    char folder[64];
    assert_true(poison_make(folder));
    const carat_options o = { .struct_size = sizeof o, .n_threads = 1, .chunk = 64, .n_ctx = 512, .n_sessions = 2 };
    carat_engine *e = ask_open(folder, &o);
    carat_prompt *p = ask_prompt(e, ids, N);
    carat_generation g = settings(0, true);
    g.max_tokens = 30;
    carat_request_options ro = { .struct_size = sizeof ro, .prompt = p, .generation = &g };
    ask_whole(e, &ro, &want);
    expect_full(&want, 30);
    guesser d = { .kind = GUESS_ONE, .answer = want.ids, .n_answer = want.n, .n_prompt = N, .one = POISON };
    steer(e, p, NULL, &g, NULL, &d, 1, &got);
    ask_same(&got, &want, "poisonous guesses");
    carat_prompt_free(p);
    carat_engine_close(e);
    poison_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forced_runs_are_a_shortcut),
        cmocka_unit_test(masks_among_neighbours),
        cmocka_unit_test(sessions_hold_what_was_reported),
        cmocka_unit_test(stop_strings_end_within_what_is_ahead),
        cmocka_unit_test(a_dead_end_fails_alone),
        cmocka_unit_test(guesses_change_nothing),
        cmocka_unit_test(everybody_at_once),
        cmocka_unit_test(slow_listeners),
        cmocka_unit_test(cancelled_in_the_middle),
        cmocka_unit_test(poisonous_guesses),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
