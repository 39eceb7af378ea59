/* LoRA adapters in an engine: each answer gets its own, whatever company it has, and nobody another's prefix.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "carat.h"
#include "carat_weigh.h"
#include "format/gguf_write.h"

#define TINY TEST_DATA "/models/tiny-text"

enum { N_FILES = 3, N_PROMPT = 150, N_TOKENS = 6, N_REQUESTS = 16 };

static char folder[] = "/tmp/carat-adapters-XXXXXX", paths[N_FILES][64], saved[64];
static carat_adapter_file files[N_FILES];

static void must(bool ok, const carat_err *e)
{
    if (!ok)
        fail_msg("%s", e->msg);
}

/* ---- files ---- */

static float next(uint32_t *x)
{
    *x = *x * 1664525 + 1013904223;
    return ((float)(*x >> 8) / 0x1p24f - 0.5f) * 0.3f;
}

static void put(ct_gguf_writer *w, size_t n, uint32_t *x)
{
    carat_err e;
    for (size_t i = 0; i < n; i++) {
        const float v = next(x);
        must(ct_gguf_writer_data(w, &v, sizeof v, &e), &e);
    }
}

/* Every matrix of every layer; ranks that are no multiple of anything. */
static void write_adapter(const char *path, const carat_model_info *m, size_t rank, uint32_t seed)
{
    const size_t q = m->n_head * m->head_dim, kv = m->n_kv_head * m->head_dim;
    const struct {
        const char *name;
        size_t cols, rows;
    } all[] = { { "attn_q", m->hidden, q },       { "attn_k", m->hidden, kv },       { "attn_v", m->hidden, kv },
                { "attn_output", q, m->hidden },  { "ffn_gate", m->hidden, m->ffn }, { "ffn_up", m->hidden, m->ffn },
                { "ffn_down", m->ffn, m->hidden } };
    carat_err e;
    ct_gguf_writer *w;
    must(ct_gguf_create(path, &w, &e), &e);
    ct_gguf_writer_text(w, "general.type", "adapter");
    ct_gguf_writer_text(w, "general.architecture", "gemma3");
    ct_gguf_writer_text(w, "adapter.type", "lora");
    ct_gguf_writer_f32(w, "adapter.lora.alpha", (float)rank);
    for (int pass = 0; pass < 2; pass++)
        for (size_t layer = 0; layer < m->n_layer; layer++)
            for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
                char name[64];
                if (pass) {
                    put(w, (all[i].cols + all[i].rows) * rank, &seed);
                    continue;
                }
                snprintf(name, sizeof name, "blk.%zu.%s.weight.lora_a", layer, all[i].name);
                ct_gguf_writer_tensor(w, name, CT_F32, 2, (uint64_t[]){ all[i].cols, rank });
                snprintf(name, sizeof name, "blk.%zu.%s.weight.lora_b", layer, all[i].name);
                ct_gguf_writer_tensor(w, name, CT_F32, 2, (uint64_t[]){ rank, all[i].rows });
            }
    must(ct_gguf_finish(w, &e), &e);
}

static int set_up(void **state)
{
    static const size_t ranks[N_FILES] = { 3, 19, 32 };
    carat_model_info *info;
    carat_err e;
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    must(carat_model_describe(TINY, &info, &e), &e);
    for (size_t i = 0; i < N_FILES; i++) {
        snprintf(paths[i], sizeof paths[i], "%s/%c.gguf", folder, (int)('a' + i));
        write_adapter(paths[i], info, ranks[i], (uint32_t)(7 + i));
        files[i] = (carat_adapter_file){ .struct_size = sizeof files[i], .path = paths[i] };
    }
    snprintf(saved, sizeof saved, "%s/session", folder);
    carat_model_info_free(info);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FILES; i++)
        unlink(paths[i]);
    unlink(saved);
    return rmdir(folder);
}

/* ---- asking ---- */

static carat_engine *open_engine(int n_threads, size_t n_adapters)
{
    carat_err e;
    carat_engine *engine;
    const carat_options o = { .struct_size = sizeof o,
                              .n_ctx = 512,
                              .n_threads = n_threads,
                              .n_sessions = N_REQUESTS,
                              .vision = CARAT_VISION_OFF,
                              .adapters = n_adapters ? files : NULL,
                              .n_adapters = n_adapters };
    must(carat_engine_open(TINY, &o, &engine, &e), &e);
    return engine;
}

typedef struct told {
    int32_t ids[N_TOKENS];
    float logprobs[N_TOKENS];
    size_t n, n_cached;
} told;

/* Prompts have a beginning in common; `kind` is their end. */
static carat_request *submit(carat_engine *engine, int kind, const carat_adapter_use *uses, size_t n_uses)
{
    static const carat_sampling greedy = { .struct_size = sizeof greedy, .top_p = 1, .repetition_penalty = 1 };
    const carat_generation g = { .struct_size = sizeof g,
                                 .sampling = &greedy,
                                 .max_tokens = N_TOKENS,
                                 .ignores_eos = true,
                                 .wants_logprobs = true };
    int32_t ids[N_PROMPT];
    carat_prompt *p;
    carat_request *r;
    carat_err e;
    for (int i = 0; i < N_PROMPT; i++)
        ids[i] = i == 0 ? 2 : i < N_PROMPT - 3 ? 20 + i * 37 % 480 : 30 + (i + kind * 5) % 400;
    must(carat_prompt_ids(engine, ids, N_PROMPT, NULL, 0, NULL, &p, &e), &e);
    const carat_request_options o = {
        .struct_size = sizeof o, .prompt = p, .generation = &g, .adapters = uses, .n_adapters = n_uses
    };
    must(carat_request_submit(engine, &o, &r, &e), &e);
    carat_prompt_free(p);
    return r;
}

static told listen(carat_request *r)
{
    told t = { .n = 0 };
    for (const carat_event *e; (e = carat_request_next(r, -1))->kind != CARAT_EVENT_END;) {
        if (e->kind == CARAT_EVENT_FAILED)
            fail_msg("%s", e->err->msg);
        if (e->kind == CARAT_EVENT_TOKEN && e->token->id >= 0) {
            assert_true(t.n < N_TOKENS);
            t.ids[t.n] = e->token->id;
            t.logprobs[t.n++] = e->token->logprob;
        }
    }
    size_t n;
    carat_request_prompt(r, &n, &t.n_cached);
    carat_request_free(r);
    return t;
}

static told ask(carat_engine *engine, int kind, const carat_adapter_use *uses, size_t n_uses)
{
    return listen(submit(engine, kind, uses, n_uses));
}

static bool is_same(const told *a, const told *b)
{
    return a->n == b->n && memcmp(a->ids, b->ids, a->n * sizeof *a->ids) == 0 &&
           memcmp(a->logprobs, b->logprobs, a->n * sizeof *a->logprobs) == 0;
}

static carat_adapter_use use(const carat_engine *engine, size_t i, double scale)
{
    const carat_adapter *a = carat_engine_adapter(engine, i, NULL);
    assert_non_null(a);
    return (carat_adapter_use){ .struct_size = sizeof(carat_adapter_use), .adapter = a, .scale = scale };
}

/* ---- what holds ---- */

/* Request i: adapter i % 4, of which the fourth is none; some have two. */
static size_t uses_of(const carat_engine *engine, int i, carat_adapter_use to[2])
{
    if (i % 4 == 3)
        return CARAT_NO_ADAPTERS;
    to[0] = use(engine, (size_t)(i % 4), i < 8 ? 1 : 0.5);
    to[1] = use(engine, (size_t)((i % 4 + 1) % 3), -0.25);
    return i % 5 == 0 ? 2 : 1;
}

static void sixteen_in_one_batch_get_the_bits_of_alone(void **state)
{
    (void)state;
    told alone[N_REQUESTS];
    for (int i = 0; i < N_REQUESTS; i++) {
        carat_adapter_use uses[2];
        carat_engine *engine = open_engine(1, N_FILES); /* a new one: nothing is cached */
        const size_t n = uses_of(engine, i, uses);
        alone[i] = ask(engine, i, n == CARAT_NO_ADAPTERS ? NULL : uses, n);
        carat_engine_close(engine);
    }
    assert_false(is_same(&alone[0], &alone[3]));
    for (int n_threads = 1; n_threads <= 3; n_threads += 2) {
        carat_engine *engine = open_engine(n_threads, N_FILES);
        carat_request *all[N_REQUESTS];
        for (int i = 0; i < N_REQUESTS; i++) {
            carat_adapter_use uses[2];
            const size_t n = uses_of(engine, i, uses);
            all[i] = submit(engine, i, n == CARAT_NO_ADAPTERS ? NULL : uses, n);
        }
        for (int i = 0; i < N_REQUESTS; i++) {
            const told t = listen(all[i]);
            if (!is_same(&t, &alone[i]))
                fail_msg("request %d has other figures in company, with %d threads", i, n_threads);
        }
        carat_engine_close(engine);
    }
}

static void nobody_gets_anothers_prefix(void **state)
{
    (void)state;
    carat_engine *engine = open_engine(1, N_FILES), *plain = open_engine(1, 0);
    const carat_adapter_use a = use(engine, 0, 1), b = use(engine, 1, 1), half = use(engine, 0, 0.5),
                            zero = use(engine, 2, 0);
    const told first = ask(engine, 0, &a, 1), second = ask(engine, 0, &b, 1);
    const told none = ask(engine, 0, NULL, CARAT_NO_ADAPTERS), less = ask(engine, 0, &half, 1);
    assert_int_equal(first.n_cached + second.n_cached + none.n_cached + less.n_cached, 0);
    assert_false(is_same(&first, &second) || is_same(&first, &none) || is_same(&first, &less) ||
                 is_same(&second, &none));
    const told again = ask(engine, 0, &a, 1), other = ask(engine, 1, &b, 1);
    assert_true(again.n_cached > N_PROMPT / 2 && other.n_cached > 0);
    assert_true(is_same(&first, &again));
    /* Scale 0, and an engine that knows no adapters: the same bits as none, and the same prefixes. */
    const told nothing = ask(engine, 0, &zero, 1), bare = ask(plain, 0, NULL, 0), unsaid = ask(engine, 0, NULL, 0);
    assert_true(nothing.n_cached > N_PROMPT / 2);
    assert_true(is_same(&none, &nothing) && is_same(&none, &bare) && is_same(&none, &unsaid));
    carat_engine_close(plain);
    carat_engine_close(engine);
}

static void the_order_of_a_list_means_nothing(void **state)
{
    (void)state;
    carat_engine *engine = open_engine(1, N_FILES);
    const carat_adapter_use ab[] = { use(engine, 0, 1), use(engine, 1, 1) }, ba[] = { ab[1], ab[0] };
    const told one = ask(engine, 0, ab, 2), other = ask(engine, 0, ba, 2);
    assert_true(is_same(&one, &other) && other.n_cached > 0);
    carat_engine_close(engine);
}

static void those_of_the_options_count_where_nothing_is_said(void **state)
{
    (void)state;
    carat_engine *engine = open_engine(1, N_FILES);
    const carat_adapter_use b = use(engine, 1, 0.75);
    const told asked = ask(engine, 0, &b, 1);
    files[1].scale = 0.75;
    carat_engine *used = open_engine(1, N_FILES);
    files[1].scale = 0;
    const told unsaid = ask(used, 0, NULL, 0), none = ask(used, 0, NULL, CARAT_NO_ADAPTERS);
    assert_true(is_same(&asked, &unsaid));
    assert_false(is_same(&asked, &none));
    assert_string_not_equal(carat_engine_numerics(engine), carat_engine_numerics(used));
    double scale = 0;
    assert_string_equal(carat_adapter_describe(carat_engine_adapter(used, 1, &scale))->name, "b");
    assert_true(scale == 0.75 && !carat_engine_adapter(used, N_FILES, NULL));
    carat_engine_close(used);
    carat_engine_close(engine);
}

static void loaded_while_running_and_freed_while_in_use(void **state)
{
    (void)state;
    carat_err e;
    carat_engine *engine = open_engine(1, N_FILES);
    const carat_adapter_use own = use(engine, 2, 1);
    const told expected = ask(engine, 0, &own, 1);
    carat_request *busy = submit(engine, 1, NULL, 0), *all[8];
    for (int i = 0; i < 8; i++) {
        carat_adapter *a;
        must(carat_adapter_load(engine, &files[2], &a, &e), &e);
        assert_int_equal(carat_adapter_describe(a)->rank, 32);
        assert_string_equal(carat_adapter_describe(a)->digest, carat_adapter_describe(own.adapter)->digest);
        const carat_adapter_use u = { .struct_size = sizeof u, .adapter = a, .scale = 1 };
        all[i] = submit(engine, 0, &u, 1);
        carat_adapter_free(a);
    }
    for (int i = 0; i < 8; i++) {
        const told t = listen(all[i]);
        assert_true(is_same(&t, &expected));
        assert_int_equal(t.n_cached, 0); /* another adapter, though of the same file */
    }
    listen(busy);
    carat_engine_close(engine);
}

/* ---- sessions ---- */

static void fill(carat_session *s, float *logits)
{
    int32_t ids[N_PROMPT];
    carat_err e;
    for (int i = 0; i < N_PROMPT; i++)
        ids[i] = i ? 20 + i * 37 % 480 : 2;
    must(carat_session_append(s, ids, N_PROMPT, &e), &e);
    must(carat_session_copy_logits(s, logits, &e), &e);
}

static void a_session_changes_its_adapters(void **state)
{
    enum { MOST = 1024 };
    static float none[MOST], with[MOST], again[MOST], forked[MOST];
    (void)state;
    carat_err e;
    carat_engine *engine = open_engine(1, N_FILES);
    const carat_adapter_use a = use(engine, 0, 1), zero = use(engine, 0, 0);
    carat_session *s, *fork, *other;
    assert_true(carat_engine_info(engine)->n_vocab <= MOST);
    must(carat_session_open(engine, 0, &s, &e) && carat_session_open(engine, 0, &other, &e), &e);
    fill(s, none);
    must(carat_session_use_adapters(s, &zero, 1, &e), &e); /* as before: it keeps its tokens */
    assert_int_equal(carat_session_n_tokens(s), N_PROMPT);
    must(carat_session_use_adapters(s, &a, 1, &e), &e);
    assert_int_equal(carat_session_n_tokens(s), 0);
    assert_null(carat_session_logits(s));
    fill(s, with);
    assert_memory_not_equal(none, with, sizeof none);
    must(carat_session_fork(s, &fork, &e), &e);
    must(carat_session_copy_logits(fork, forked, &e), &e);
    assert_memory_equal(with, forked, sizeof with);
    /* A file is of its adapters. */
    must(carat_session_save(s, saved, NULL, 0, &e), &e);
    assert_false(carat_session_restore(other, saved, NULL, NULL, &e));
    assert_int_equal(e.code, CARAT_EUNSUPPORTED);
    assert_non_null(strstr(e.msg, "other adapters"));
    must(carat_session_use_adapters(other, &a, 1, &e) && carat_session_restore(other, saved, NULL, NULL, &e), &e);
    must(carat_session_copy_logits(other, again, &e), &e);
    assert_memory_equal(with, again, sizeof with);
    must(carat_session_use_adapters(other, NULL, 0, &e), &e);
    assert_int_equal(carat_session_n_tokens(other), 0);
    fill(other, again);
    assert_memory_equal(none, again, sizeof none);
    carat_session_close(other);
    carat_session_close(fork);
    carat_session_close(s);
    carat_engine_close(engine);
}

/* ---- refused ---- */

static void lists_that_are_none(void **state)
{
    (void)state;
    carat_err e;
    carat_engine *engine = open_engine(1, N_FILES), *another = open_engine(1, N_FILES);
    carat_session *s;
    const carat_adapter_use a = use(engine, 0, 1), strange = use(another, 0, 1), nan = use(engine, 0, NAN),
                            twice[] = { a, a };
    must(carat_session_open(engine, 0, &s, &e), &e);
    const struct {
        const carat_adapter_use *v;
        size_t n;
        const char *says;
    } bad[] = { { &strange, 1, "another engine's" },
                { &nan, 1, "a scale that is not a number" },
                { twice, 2, "twice" },
                { &a, 17, "at most 16" },
                { NULL, 1, "not given" } };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(carat_session_use_adapters(s, bad[i].v, bad[i].n, &e));
        assert_int_equal(e.code, CARAT_EARG);
        assert_non_null(strstr(e.msg, bad[i].says));
    }
    carat_session_close(s);
    carat_engine_close(another);
    carat_engine_close(engine);
}

/* ---- memory ---- */

static void memory_is_as_weighed(void **state)
{
    (void)state;
    carat_err e;
    carat_engine *engine = open_engine(1, N_FILES), *plain = open_engine(1, 0);
    const carat_memory *with = carat_engine_memory(engine), *without = carat_engine_memory(plain);
    uint64_t sum = 0;
    for (size_t i = 0; i < N_FILES; i++)
        sum += carat_adapter_describe(carat_engine_adapter(engine, i, NULL))->bytes;
    assert_true(sum > 0 && with->adapters == sum && with->total == without->total + sum && without->adapters == 0);
    carat_options o = { .struct_size = sizeof o,
                        .n_ctx = 512,
                        .n_threads = 1,
                        .n_sessions = N_REQUESTS,
                        .vision = CARAT_VISION_OFF,
                        .adapters = files,
                        .n_adapters = N_FILES };
    const carat_weigh_query q = { .struct_size = sizeof q, .model = TINY, .options = &o };
    carat_estimate_result w = { .struct_size = sizeof w }, bare = { .struct_size = sizeof bare };
    must(carat_weigh(&q, &w, &e), &e);
    o.adapters = NULL, o.n_adapters = 0;
    must(carat_weigh(&q, &bare, &e), &e);
    assert_true(w.adapters == sum && w.total - bare.total >= sum && w.total - bare.total < sum + (8 << 20));
    /* One that does not fit is refused, with figures, and nothing is taken. */
    carat_engine_close(plain);
    carat_engine_close(engine);
    o.max_memory = bare.total + (1 << 20);
    must(carat_engine_open(TINY, &o, &engine, &e), &e);
    o.adapters = files, o.n_adapters = N_FILES;
    o.max_memory = bare.total > w.adapters ? bare.total - w.adapters : 1;
    assert_false(carat_engine_open(TINY, &o, &plain, &e));
    assert_int_equal(e.code, CARAT_ENOMEM);
    carat_engine_close(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sixteen_in_one_batch_get_the_bits_of_alone),
        cmocka_unit_test(nobody_gets_anothers_prefix),
        cmocka_unit_test(the_order_of_a_list_means_nothing),
        cmocka_unit_test(those_of_the_options_count_where_nothing_is_said),
        cmocka_unit_test(loaded_while_running_and_freed_while_in_use),
        cmocka_unit_test(a_session_changes_its_adapters),
        cmocka_unit_test(lists_that_are_none),
        cmocka_unit_test(memory_is_as_weighed),
    };
    return cmocka_run_group_tests_name("adapters", tests, set_up, tear_down);
}
