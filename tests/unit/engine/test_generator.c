/* What a mask and min_tokens do to an answer: the generator alone, with logits that are made up.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "sample/sampler.h"
#include "steer.h"

enum { N = 300, STOP = 6, TURN = 40, TOKENS = 200 };

static ct_model model;
static const ct_vocabulary vocabulary = { .model = &model };

static int setup(void **state)
{
    (void)state;
    model.cfg.n_vocab = model.n_pieces = N;
    model.stops[0] = STOP, model.stops[1] = TURN;
    model.n_stops = 2;
    return 0;
}

/* ---- answers ---- */

static carat_sampling sampling;

static carat_generation settings(float temperature)
{
    sampling = (carat_sampling){ .temperature = temperature,
                                 .top_k = 40,
                                 .top_p = 0.95f,
                                 .repetition_penalty = 1.1f,
                                 .penalty_window = 16,
                                 .seed = 3 };
    return (carat_generation){ .sampling = &sampling, .max_tokens = TOKENS };
}

static ct_generator *open_generator(const carat_generation *g, rule *r)
{
    ct_generator *gen;
    carat_err e;
    if (r) {
        r->n_vocab = N;
        r->never[0] = STOP, r->never[1] = TURN;
    }
    const ct_mask mask = rule_mask(r);
    if (!ct_generator_open(&vocabulary, g, &gen, &e) || (r && !ct_generator_take_mask(gen, &mask, &e)))
        fail_msg("%s", e.msg);
    return gen;
}

/* Logits that depend on the position; stop ids are likely. */
static void fill_logits(float *x, size_t n)
{
    uint64_t seed = n * 77 + 5;
    for (size_t i = 0; i < N; i++)
        x[i] = (float)(ct_rng_unit(&seed) * 6);
    x[STOP] = x[TURN] = 7;
}

typedef struct made {
    int32_t ids[TOKENS];
    float logprobs[TOKENS];
    size_t n;
    ct_verdict end;
    carat_result result;
} made;

static void generate(ct_generator *g, made *a)
{
    carat_err e;
    ct_chunk c;
    float x[N];
    ct_chunk_init(&c);
    *a = (made){ .end = CT_GO_ON };
    while (a->end == CT_GO_ON) {
        fill_logits(x, a->n);
        if (!ct_generator_next(g, x, 0, TOKENS, &c, &a->end, &e))
            fail_msg("after %zu tokens: %s", a->n, e.msg);
        if (a->end != CT_END_TURN) {
            assert_true(a->n < TOKENS);
            a->logprobs[a->n] = c.logprob;
            a->ids[a->n++] = c.id;
        }
    }
    a->result = ct_generator_result(g);
    assert_int_equal(a->result.n_generated, a->n);
    ct_chunk_deinit(&c);
    ct_generator_close(g);
}

static void expect_same(const made *a, const made *b)
{
    assert_true(a->n == b->n && a->end == b->end);
    assert_memory_equal(a->ids, b->ids, sizeof a->ids);
    assert_memory_equal(a->logprobs, b->logprobs, sizeof a->logprobs);
    assert_true(a->result.finish == b->result.finish && a->result.stop_id == b->result.stop_id);
}

static void fail_to_generate(ct_generator *g, size_t after, carat_code code, const char *says)
{
    carat_err e;
    ct_chunk c;
    ct_verdict v;
    float x[N];
    ct_chunk_init(&c);
    for (size_t i = 0; i <= after; i++) {
        fill_logits(x, i);
        bool ok = ct_generator_next(g, x, 0, TOKENS, &c, &v, &e);
        if (ok != (i < after))
            fail_msg("after %zu tokens: %s", i, ok ? "no error" : e.msg);
    }
    if (e.code != code || !strstr(e.msg, says))
        fail_msg("'%s' lacks '%s'", e.msg, says);
    ct_chunk_deinit(&c);
    ct_generator_close(g);
}

/* ---- tests ---- */

/* Only what is allowed comes, however likely others are, and the end not before it may. */
static void masks_rule(void **state)
{
    (void)state;
    for (int hot = 0; hot < 2; hot++)
        for (uint32_t every = 1; every < 100; every += 7) {
            rule r = { .every = every, .end_from = 50 };
            const carat_generation g = settings((float)hot);
            made a;
            generate(open_generator(&g, &r), &a);
            assert_true(r.is_closed && r.n == a.n);
            assert_in_range(a.n, 50, TOKENS);
            assert_true(hot ? every == 1 || r.n_fills > 0
                            : r.n_fills == 0); /* the best of a few that are asked about */
            if (a.end == CT_END_TURN)
                assert_true(a.result.finish == CARAT_FINISH_STOP && a.result.stop_id >= 0);
            assert_true(hot || a.n == 50); /* a stop id is the likeliest */
        }
}

/* What comes is drawn from all that is allowed, whether or not the set of it was made; where half of the tokens are, the
 * likeliest are asked about. */
static void few_stand_for_all(void **state)
{
    (void)state;
    for (int k = 0; k < 12; k++) {
        carat_generation g = settings(k % 3 ? 1.5f : 0);
        sampling.seed = (uint64_t)k;
        sampling.top_k = k % 2 ? 40 : 5;
        sampling.top_p = k % 4 ? 0.9f : 1;
        sampling.order = k % 4 == 1 ? CARAT_TEMP_LAST : CARAT_TEMP_FIRST;
        rule r = { .every = 2, .end_from = TOKENS };
        made a;
        generate(open_generator(&g, &r), &a);
        assert_int_equal(r.n_fills, a.result.finish == CARAT_FINISH_LENGTH); /* at the end: could anything follow? */
        ct_sampler *s;
        carat_err e;
        uint32_t bits[N / 32 + 1] = { 0 };
        for (size_t i = 0; i < N; i += 2)
            bits[i / 32] |= i == STOP || i == TURN ? 0 : UINT32_C(1) << i % 32;
        assert_true(ct_sampler_open(&sampling, N, N, NULL, 0, &s, &e));
        for (size_t i = 0; i < a.n; i++) {
            float x[N];
            fill_logits(x, i);
            assert_true(ct_sampler_prepare(s, x, &e));
            int32_t id = ct_sampler_draw(s, x, NULL);
            if (!(bits[id / 32] >> id % 32 & 1))
                id = ct_sampler_draw(s, x, bits);
            assert_int_equal(a.ids[i], id);
            ct_sampler_accept(s, id);
        }
        ct_sampler_close(s);
    }
}

/* One that allows everything, always, is as none; it never has to fill. */
static void a_mask_that_allows_all_changes_nothing(void **state)
{
    (void)state;
    for (int hot = 0; hot < 2; hot++) {
        carat_generation g = settings((float)hot);
        static const carat_bias less[] = { { STOP, -4 }, { TURN, -4 } };
        sampling.bias = less, sampling.n_bias = 2;
        g.wants_logprobs = true;
        rule r = { .every = 1 };
        made with, without;
        generate(open_generator(&g, &r), &with);
        generate(open_generator(&g, NULL), &without);
        assert_true(with.n > 5 && r.n_fills == (with.result.finish == CARAT_FINISH_LENGTH)); /* at the end */
        expect_same(&with, &without);
    }
}

/* A run is the same whether the mask says it is forced or only allows nothing else: so are the tokens after it. */
static void forced_is_a_shortcut(void **state)
{
    (void)state;
    for (int hot = 0; hot < 2; hot++) {
        carat_generation g = settings((float)hot);
        g.wants_logprobs = true;
        rule said = { .every = 2, .end_from = 90, .run = { 1, 3, 250, 3, 8 }, .run_from = 10, .n_run = 5 },
             found = said;
        said.says_forced = true;
        made a, b;
        generate(open_generator(&g, &said), &a);
        generate(open_generator(&g, &found), &b);
        assert_memory_equal(a.ids + 10, said.run, 5 * sizeof *said.run);
        assert_true(a.n >= 90 && (!hot || found.n_fills > said.n_fills));
        expect_same(&a, &b);
    }
}

static void a_mask_may_leave_nothing(void **state)
{
    (void)state;
    made a;
    carat_generation g = settings(1);
    rule r = { .every = 0, .end_from = 1, .run = { 9 }, .n_run = 1 };
    fail_to_generate(open_generator(&g, &(rule){ .every = 0, .end_from = 9, .run = { 9, 9, 9 }, .n_run = 3 }), 3,
                     CARAT_EARG, "after 3 tokens the test's rule allows none");
    fail_to_generate(open_generator(&g, &(rule){ .every = 7, .end_from = 9, .fill_fails = true }), 0, CARAT_ENOMEM,
                     "no memory for states");
    /* It may end: with a stop id, and where none may come, without. */
    generate(open_generator(&g, &r), &a);
    assert_true(a.n == 1 && a.end == CT_END_TURN && (a.result.stop_id == STOP || a.result.stop_id == TURN));
    g.ignores_eos = true;
    rule_restart(&r);
    generate(open_generator(&g, &r), &a);
    assert_true(a.n == 1 && a.end == CT_END_TURN && a.result.stop_id == -1);
    assert_int_equal(a.result.finish, CARAT_FINISH_STOP);
    static const carat_bias never[] = { { STOP, -INFINITY }, { TURN, -INFINITY } };
    g.ignores_eos = false;
    sampling.bias = never, sampling.n_bias = 2;
    rule_restart(&r);
    generate(open_generator(&g, &r), &a);
    assert_true(a.n == 1 && a.end == CT_END_TURN && a.result.stop_id == -1);
}

/* Past the ends of turns a mask still has none of their tokens. */
static void stop_ids_are_no_text_for_a_mask(void **state)
{
    (void)state;
    carat_generation g = settings(1);
    g.ignores_eos = true;
    made a;
    generate(open_generator(&g, &(rule){ .every = 2 }), &a);
    assert_int_equal(a.n, TOKENS);
    for (size_t i = 0; i < a.n; i++)
        assert_true(a.ids[i] % 2 == 0 && a.ids[i] != STOP && a.ids[i] != TURN);
}

static void the_end_waits_for_min_tokens(void **state)
{
    (void)state;
    for (int hot = 0; hot < 2; hot++)
        for (size_t min = 0; min < 60; min += 20) {
            carat_generation g = settings((float)hot);
            g.min_tokens = min;
            made a;
            generate(open_generator(&g, NULL), &a);
            assert_true(hot ? a.n >= min : a.n == min);
            assert_int_equal(a.end, CT_END_TURN);
            rule r = { .every = 3, .end_from = 30 };
            generate(open_generator(&g, &r), &a);
            assert_true(a.n >= (min > 30 ? min : 30));
        }
}

static void lengths_that_contradict_are_refused(void **state)
{
    (void)state;
    ct_generator *gen;
    carat_err e;
    carat_generation g = settings(1);
    g.max_tokens = 5, g.min_tokens = 6;
    assert_false(ct_generator_open(&vocabulary, &g, &gen, &e));
    assert_int_equal(e.code, CARAT_EARG);
    assert_string_equal(e.msg, "min_tokens is 6, max_tokens only 5");
    g.min_tokens = 5;
    made a;
    generate(open_generator(&g, NULL), &a);
    assert_true(a.n == 5 && a.end == CT_LAST);
    g.max_tokens = 0; /* no limit */
    generate(open_generator(&g, NULL), &a);
    /* Nothing but ends of the turn are left, and it may not end yet. */
    static carat_bias all[N - 2];
    for (int32_t i = 0, n = 0; i < N; i++)
        if (i != STOP && i != TURN)
            all[n++] = (carat_bias){ i, -INFINITY };
    sampling.bias = all, sampling.n_bias = N - 2;
    fail_to_generate(open_generator(&g, NULL), 0, CARAT_EARG, "min_tokens is 5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_rule),
        cmocka_unit_test(few_stand_for_all),
        cmocka_unit_test(a_mask_that_allows_all_changes_nothing),
        cmocka_unit_test(forced_is_a_shortcut),
        cmocka_unit_test(a_mask_may_leave_nothing),
        cmocka_unit_test(stop_ids_are_no_text_for_a_mask),
        cmocka_unit_test(the_end_waits_for_min_tokens),
        cmocka_unit_test(lengths_that_contradict_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
