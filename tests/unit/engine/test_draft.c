/* A smaller model that guesses: whose it may be, that it is asked where it pays, and that nothing of the answers changes
 * (test_random_guesses has it among the rest).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/internal.h"
#include "ask.h"
#include "carat_weigh.h"

enum { TOKENS = 120, CTX = 512, N_PROMPTS = 5, SECONDS = 200 };
#define TINY TEST_DATA "/models/tiny-text"

static carat_options options(carat_lookup lookup, const char *draft)
{
    return (carat_options){ .struct_size = sizeof(carat_options),
                            .n_threads = 1,
                            .chunk = 32,
                            .n_ctx = CTX,
                            .n_sessions = 6,
                            .lookup = lookup,
                            .draft = draft };
}

/* An engine that guesses wherever it may, by the draft alone. */
static carat_engine *open_drafting(const char *draft)
{
    const carat_options o = options(CARAT_LOOKUP_ALWAYS, draft);
    carat_engine *e = ask_open(TINY, &o);
    e->looks_up = false;
    return e;
}

/* A model that guesses for itself is nearly always right, so an answer takes few steps; several answers at once share the
 * places, and more of them than there are places are answered all the same. */
static void one_that_is_right_saves_steps(void **state)
{
    (void)state;
    static answer want[N_PROMPTS], got[N_PROMPTS];
    const carat_options without = options(CARAT_LOOKUP_OFF, NULL);
    carat_engine *e = open_drafting(TINY), *plain = ask_open(TINY, &without);
    carat_prompt *prompts[N_PROMPTS];
    carat_request *r[N_PROMPTS];
    carat_generation g = *ASK_GREEDY(TOKENS);
    g.n_top = 0;
    carat_request_options o = { .struct_size = sizeof o, .generation = &g };
    unit_guard(SECONDS);
    for (size_t i = 0; i < N_PROMPTS; i++) {
        o.prompt = prompts[i] = ask_random(e, i, 20 + 60 * i);
        ask_whole(plain, &o, &want[i]);
        assert_int_equal(want[i].result.n_drafted, 0);
        const uint64_t before = ask_stats(e).steps;
        ask_whole(e, &o, &got[i]);
        ask_same(&got[i], &want[i], "with a draft");
        assert_true(ask_stats(e).steps - before < TOKENS / 4);
        assert_true(got[i].result.n_accepted > TOKENS * 3 / 4);
    }
    for (size_t n = 2; n <= N_PROMPTS; n += unit_step(2)) {
        memset(got, 0, sizeof got);
        for (size_t i = 0; i < n; i++) {
            o.prompt = prompts[i];
            r[i] = ask(e, &o);
        }
        for (size_t i = 0; i < n; i++) {
            ask_rest(r[i], &got[i]);
            carat_request_free(r[i]);
            ask_same(&got[i], &want[i], "with a draft, among others");
        }
    }
    for (size_t i = 0; i < N_PROMPTS; i++)
        carat_prompt_free(prompts[i]);
    const carat_stats s = ask_stats(e);
    assert_true(s.accepted_tokens > 0 && s.accepted_tokens <= s.drafted_tokens);
    carat_engine_close(plain);
    carat_engine_close(e);
}

/* It reads what is new of a conversation, and is right again. */
static void sessions_keep_their_places(void **state)
{
    (void)state;
    carat_engine *e = open_drafting(TINY);
    carat_session *s;
    carat_err err;
    int32_t ids[40];
    carat_generation g = *ASK_GREEDY(30);
    g.n_top = 0;
    ask_must(carat_session_open(e, CTX, &s, &err), &err);
    for (size_t turn = 0; turn < 6; turn++) {
        carat_result r = { .struct_size = sizeof r };
        size_t kept;
        ask_ids(turn, ids, 40);
        ask_must(carat_session_append(s, ids, 40, &err), &err);
        ask_must(carat_session_generate(s, &g, &r, &err), &err);
        assert_int_equal(r.n_generated, 30);
        assert_true(r.n_accepted >= 20 && r.n_accepted <= r.n_drafted);
        if (turn == 3) /* back to where it has been */
            ask_must(carat_session_rewind(s, 60, &kept, &err), &err);
    }
    carat_session_close(s);
    carat_engine_close(e);
}

static void refuse(const char *draft, carat_code code, const char *why)
{
    const carat_options o = options(CARAT_LOOKUP_AUTO, draft);
    carat_engine *e;
    carat_err err;
    assert_false(carat_engine_open(TINY, &o, &e, &err));
    assert_null(e);
    assert_int_equal(err.code, code);
    if (!strstr(err.msg, why))
        fail_msg("'%s' instead of '%s'", err.msg, why);
}

static void another_vocabulary_is_refused(void **state)
{
    (void)state;
    static const char path[] = "test-draft-other.gguf";
    carat_shape shape = { .struct_size = sizeof shape,
                          .size = "270m",
                          .n_layer = 1,
                          .hidden = 64,
                          .ffn = 64,
                          .n_head = 1,
                          .n_kv_head = 1,
                          .head_dim = 64,
                          .n_vocab = 600,
                          .type = "f32" };
    carat_err err;
    ask_must(carat_synth(&shape, path, NULL, NULL, &err), &err);
    refuse(path, CARAT_EUNSUPPORTED, "it must be the same");
    shape.n_vocab = 4096;
    ask_must(carat_synth(&shape, path, NULL, NULL, &err), &err);
    refuse(path, CARAT_EUNSUPPORTED, "the draft's vocabulary has 4096 tokens");
    unlink(path);
    refuse("nothing-here.gguf", CARAT_EIO, "nothing-here.gguf");
    refuse(TEST_ROOT "/README.md", CARAT_EFORMAT, "README.md");
}

/* The drafter by itself: texts that become other texts, longer than what may be read at once, longer than its context. */
static void limits_of_a_plan(void **state)
{
    (void)state;
    ct_config c;
    ct_draft_plan p;
    carat_err err;
    ct_config_defaults(&c);
    c.n_layer = 2, c.hidden = 64, c.ffn = 64, c.n_head = c.n_kv_head = 1, c.head_dim = 64, c.n_vocab = 512;
    c.window = 32, c.context = 1000;
    ct_config_pattern(&c, 2);
    ct_cache_options of = { .context = 4000, .n_seqs = 8, .elem = CT_KV_F16 };
    assert_true(ct_draft_plan_make(&c, &of, 512, &p, &err));
    assert_true(p.n_ctx == 1000 && p.n_places == CT_DRAFT_PLACES && p.sizes.max_batch == 512 + CT_DRAFT_PLACES);
    of.n_seqs = 1, of.context = 20;
    assert_true(ct_draft_plan_make(&c, &of, 512, &p, &err));
    assert_true(p.n_ctx == 20 && p.n_places == 1 && p.chunk == 20 && p.cache.max_batch == 20);
    c.head_dim = 40, of.elem = CT_KV_Q8_0;
    assert_false(ct_draft_plan_make(&c, &of, 512, &p, &err));
    assert_int_equal(err.code, CARAT_EARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_is_right_saves_steps),
        cmocka_unit_test(sessions_keep_their_places),
        cmocka_unit_test(another_vocabulary_is_refused),
        cmocka_unit_test(limits_of_a_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
