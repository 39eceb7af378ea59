/* Calls of functions as the form of answers: a model of random weights calls them validly, in batches, under every setting and
 * in forks; where it may also speak, its text is what it would say without the form.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../grammar/call_tools.h"
#include "api/internal.h"
#include "asked.h"
#include "base/rng.h"

static carat_tools *tools;

static int setup(void **state)
{
    (void)state;
    carat_err e;
    carat_tool v[N_CALL_TOOLS];
    for (size_t i = 0; i < N_CALL_TOOLS; i++)
        v[i] = (carat_tool){ .struct_size = sizeof *v,
                             .name = call_tool_names[i],
                             .parameters = call_tool_schemas[i % 4] };
    const carat_tools_options t = { .struct_size = sizeof t, .tools = v, .n_tools = N_CALL_TOOLS };
    asked_open("A call, please.");
    must(carat_tools_open(&t, &tools, &e), &e);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    carat_tools_close(tools);
    asked_close();
    return 0;
}

static carat_format *open_form(carat_format_kind kind, bool is_single, const char *const *names, size_t n_names)
{
    const carat_format_options o = { .struct_size = sizeof o,
                                     .kind = kind,
                                     .is_single = is_single,
                                     .tools = tools,
                                     .names = names,
                                     .n_names = n_names };
    carat_format *f;
    carat_err e;
    must(carat_format_open(engine, &o, &f, &e), &e);
    return f;
}

/* ---- answers ---- */

/* None fails. */
static void answer_well(const carat_generation *g, size_t n, answer *answers)
{
    answer_all(g, n, answers);
    for (size_t i = 0; i < n; i++)
        if (answers[i].has_failed)
            fail_msg("%s", answers[i].err.msg);
}

static carat_generation with(const carat_format *f, const carat_sampling *s)
{
    return (carat_generation){ .struct_size = sizeof(carat_generation), .sampling = s, .max_tokens = 700, .format = f };
}

/* How many whole calls the reader finds; none is broken. */
static size_t n_read(const answer *a)
{
    carat_call_reader *r;
    carat_err e;
    const carat_piece *p;
    size_t n, whole = 0;
    must(carat_call_reader_open(tools, &r, &e), &e);
    for (int end = 0; end < 2; end++) {
        must(end ? carat_call_reader_finish(r, &p, &n, &e) : carat_call_reader_push(r, a->text, a->len, &p, &n, &e),
             &e);
        for (size_t i = 0; i < n; i++) {
            assert_true(p[i].kind != CARAT_PIECE_CALL_BROKEN);
            whole += p[i].kind == CARAT_PIECE_CALL_END;
        }
    }
    carat_call_reader_close(r);
    return whole;
}

/* ---- calls alone ---- */

/* Tokens with a closing quote, bracket or brace: a model of random weights seldom says them. */
static size_t favour_ends(carat_bias bias[512])
{
    size_t n = 0;
    for (int32_t id = 0; id < 512; id++) {
        size_t len;
        const char *s = carat_tokenizer_piece(carat_engine_tokenizer(engine), id, &len);
        if (s && len == 1 && strchr("\"}]", *s))
            bias[n++] = (carat_bias){ id, 3 };
    }
    return n;
}

static void every_call_is_valid(void **state)
{
    (void)state;
    static answer a[ANSWERS];
    static carat_bias bias[512];
    const size_t n_bias = favour_ends(bias);
    bool met[N_CALL_TOOLS] = { false };
    size_t n_ended = 0, n_calls = 0, n_met = 0;
    for (int round = 0; round < 16; round++) {
        const bool is_single = round % 2;
        carat_format *f = open_form(CARAT_FORMAT_CALLS, is_single, NULL, 0);
        carat_sampling s = wild;
        s.seed = 50 + (uint64_t)round;
        s.temperature = round % 3 ? 1.5f : 6;
        s.top_k = round % 4 ? 0 : 40;
        s.top_p = round % 5 ? 1 : 0.9f;
        s.bias = round % 4 == 3 ? NULL : bias;
        s.n_bias = s.bias ? n_bias : 0;
        if (round & 4) {
            s.repetition_penalty = 1.2f;
            s.presence_penalty = 0.5f;
            s.frequency_penalty = 0.3f;
        }
        carat_generation g = with(f, &s);
        g.wants_logprobs = round & 8;
        g.n_top = round & 8 ? 5 : 0;
        g.min_tokens = round % 3 == 1 ? 20 : 0;
        answer_well(&g, ANSWERS, a);
        for (size_t i = 0; i < ANSWERS; i++) {
            if (a[i].result.finish != CARAT_FINISH_STOP)
                continue;
            const size_t n = call_tools_check(a[i].text, a[i].len, met);
            assert_true(n == 1 || !is_single);
            assert_int_equal(n_read(&a[i]), n);
            n_calls += n;
            n_ended++;
        }
        carat_format_close(f);
    }
    for (size_t i = 0; i < N_CALL_TOOLS; i++)
        n_met += met[i];
    if (n_ended < 60 || n_calls <= n_ended || n_met < N_CALL_TOOLS / 2)
        fail_msg("%zu answers ended, with %zu calls of %zu functions", n_ended, n_calls, n_met);
}

static void named_functions_alone_are_called(void **state)
{
    (void)state;
    static answer a[ANSWERS];
    static const char *const names[] = { "get", "calendar.remove" };
    for (size_t n_names = 1; n_names <= 2; n_names++) {
        bool met[N_CALL_TOOLS] = { false };
        carat_format *f = open_form(CARAT_FORMAT_CALLS, true, names, n_names);
        const carat_generation g = with(f, &wild);
        answer_well(&g, ANSWERS, a);
        size_t n = 0;
        for (size_t i = 0; i < ANSWERS; i++)
            n += a[i].result.finish == CARAT_FINISH_STOP && call_tools_check(a[i].text, a[i].len, met);
        assert_true(n > 1);
        for (size_t i = 0; i < N_CALL_TOOLS; i++)
            if (met[i])
                assert_true(strcmp(call_tool_names[i], names[0]) == 0 ||
                            (n_names == 2 && strcmp(call_tool_names[i], names[1]) == 0));
        carat_format_close(f);
    }
}

static bool on_token(void *arg, const carat_token *t)
{
    answer_add(arg, t);
    return true;
}

/* A fork answers as its original does, each with a mask of its own. */
static void forks_call_the_same(void **state)
{
    (void)state;
    static answer a, b;
    carat_session *s, *fork;
    carat_err e;
    size_t cached;
    bool met[N_CALL_TOOLS] = { false };
    carat_result r = { .struct_size = sizeof r };
    carat_format *f = open_form(CARAT_FORMAT_CALLS, false, NULL, 0);
    must(carat_session_open(engine, 0, &s, &e), &e);
    must(carat_session_prompt(s, prompt, &cached, &e) && carat_session_fork(s, &fork, &e), &e);
    carat_generation g = with(f, &wild);
    g.on_token = on_token;
    memset(&a, 0, sizeof a), memset(&b, 0, sizeof b);
    g.arg = &a;
    must(carat_session_generate(s, &g, &r, &e), &e);
    g.arg = &b;
    g.wants_logprobs = true;
    must(carat_session_generate(fork, &g, &r, &e), &e);
    assert_string_equal(a.text, b.text);
    if (r.finish == CARAT_FINISH_STOP)
        call_tools_check(a.text, a.len, met);
    carat_session_close(s);
    carat_session_close(fork);
    carat_format_close(f);
}

/* ---- text or calls ---- */

/* Text is what it is without the form, in as many steps. */
static void text_is_as_without_the_form(void **state)
{
    (void)state;
    static answer a[ANSWERS], b[ANSWERS];
    carat_format *f = open_form(CARAT_FORMAT_TEXT_OR_CALLS, false, NULL, 0);
    for (uint64_t seed = 0; seed < 4; seed += unit_step(3)) {
        carat_sampling s = wild;
        s.seed = 10 * seed;
        s.temperature = seed ? 0.9f : 0;
        carat_generation g = with(f, &s);
        g.max_tokens = 200;
        g.min_tokens = seed == 3 ? 30 : 0;
        answer_well(&g, ANSWERS, a);
        g.format = NULL;
        answer_well(&g, ANSWERS, b);
        for (size_t i = 0; i < ANSWERS; i++) {
            assert_int_equal(a[i].len, b[i].len);
            assert_memory_equal(a[i].text, b[i].text, a[i].len);
            assert_int_equal(a[i].result.finish, b[i].result.finish);
            assert_int_equal(a[i].result.stop_id, b[i].result.stop_id);
        }
    }
    carat_format_close(f);
}

typedef struct spoken {
    ct_generator *gen;
    ct_chunk chunk;
    ct_verdict verdict;
    answer *to;
} spoken;

static void hear(spoken *s)
{
    if (s->verdict != CT_END_TURN)
        answer_add(s->to, &(carat_token){ .id = s->chunk.id, .text = s->chunk.text.data, .len = s->chunk.text.len });
}

/* An answer that begins as it is told and goes on with random logits, which would rather end than call. */
static void begin_and_go_on(carat_format *f, const char *begin, const carat_sampling *sampling, uint64_t seed,
                            answer *to)
{
    const size_t n_vocab = engine->model->cfg.n_vocab;
    carat_generation from = with(f, sampling), g;
    carat_sampling set;
    carat_err e;
    const ct_vocabulary v = ct_engine_vocabulary(engine);
    spoken s = { .verdict = CT_GO_ON, .to = to };
    ct_ids ids = { 0 };
    float *logits = malloc(n_vocab * sizeof *logits);
    memset(to, 0, sizeof *to);
    ct_chunk_init(&s.chunk);
    must(ct_api_generation(engine, &from, &g, &set, &e) && ct_generator_open(&v, &g, &s.gen, &e) &&
             ct_api_limit(engine, &g, 0, s.gen, &e) &&
             ct_tok_encode(engine->model->tok, begin, strlen(begin), 0, &ids, &e),
         &e);
    for (size_t i = 0; i < ids.n; i++) {
        must(ct_generator_give(s.gen, ids.v[i], 1000, &s.chunk, &s.verdict, &e), &e);
        hear(&s);
    }
    while (s.verdict == CT_GO_ON) {
        for (size_t i = 0; i < n_vocab; i++)
            logits[i] = (float)(4 * ct_rng_unit(&seed));
        for (uint32_t i = 0; i < engine->model->n_stops; i++)
            logits[engine->model->stops[i]] = 8;
        must(ct_generator_next(s.gen, logits, 0, 1000, &s.chunk, &s.verdict, &e), &e);
        hear(&s);
    }
    if (ct_generator_flush(s.gen, &s.chunk))
        hear(&s);
    to->result = ct_generator_result(s.gen);
    ct_generator_close(s.gen);
    ct_chunk_deinit(&s.chunk);
    ct_ids_deinit(&ids);
    free(logits);
}

static void what_has_begun_is_a_call(void **state)
{
    (void)state;
    static answer a;
    static const char *const begins[] = { "{\"name\": \"%s\"", "Well:\n{\"name\":\"%s\"", "[{\"name\": \"%s\"",
                                          "\n\n{ \"name\" : \"%s\"" };
    carat_format *f = open_form(CARAT_FORMAT_TEXT_OR_CALLS, false, NULL, 0);
    size_t n_ended = 0, n_text = 0;
    for (uint64_t i = 0; i < 4 * N_CALL_TOOLS; i++) {
        char begin[128];
        bool met[N_CALL_TOOLS] = { false };
        carat_sampling s = wild;
        s.seed = i;
        s.temperature = i % 3 ? 1 : 0;
        s.top_k = i % 2 ? 64 : 0;
        s.frequency_penalty = 0.5f; /* out of what repeats itself */
        snprintf(begin, sizeof begin, begins[i % 4], call_tool_names[i / 4]);
        begin_and_go_on(f, begin, &s, i, &a);
        if (a.result.finish == CARAT_FINISH_STOP) {
            const size_t at = i % 4 == 1 ? 6 : 0;
            const size_t n = call_tools_check(a.text + at, a.len - at, met);
            assert_true(met[i / 4]);
            assert_int_equal(n_read(&a), n);
            n_ended++;
        }
        begin[strlen(begin) - 1] = '?'; /* no function's name: text, which may end at once, and does */
        begin_and_go_on(f, begin, &s, i, &a);
        n_text += a.result.finish == CARAT_FINISH_STOP && strcmp(a.text, begin) == 0;
    }
    if (n_ended < 60 || n_text < 60)
        fail_msg("%zu calls and %zu texts ended", n_ended, n_text);
    carat_format_close(f);
}

/* ---- what is refused ---- */

static void what_cannot_be_enforced_is_refused(void **state)
{
    (void)state;
    static const char *const unknown[] = { "get", "got" }, *const null[] = { NULL };
    const carat_tool odd = { .struct_size = sizeof odd,
                             .name = "odd",
                             .parameters = "{\"properties\":{\"a\":{\"unevaluatedItems\":{}}}}" };
    const carat_tools_options of = { .struct_size = sizeof of, .tools = &odd, .n_tools = 1 },
                              none = { .struct_size = sizeof none };
    carat_tools *t, *empty;
    carat_err e;
    must(carat_tools_open(&of, &t, &e) && carat_tools_open(&none, &empty, &e), &e);
    for (int i = 0; i < 2; i++) {
        const carat_format_kind kind = i ? CARAT_FORMAT_CALLS : CARAT_FORMAT_TEXT_OR_CALLS;
        refuse((carat_format_options){ .kind = kind, .tools = t }, CARAT_EARG,
               "function 'odd': '/properties/a/unevaluatedItems'");
        refuse((carat_format_options){ .kind = kind, .tools = empty }, CARAT_EARG, "no function to call");
        refuse((carat_format_options){ .kind = kind }, CARAT_EARG, "no function to call");
        refuse((carat_format_options){ .kind = kind, .tools = tools, .names = unknown, .n_names = 2 }, CARAT_EARG,
               "'got' is none of the functions");
        refuse((carat_format_options){ .kind = kind, .tools = tools, .names = null, .n_names = 1 }, CARAT_EARG,
               "none of");
        refuse((carat_format_options){ .kind = kind, .tools = tools, .n_names = 1 }, CARAT_EARG, "none of");
        refuse((carat_format_options){ .kind = kind, .names = unknown, .n_names = 1 }, CARAT_EARG,
               "no function to call");
        refuse((carat_format_options){ .kind = kind, .tools = tools, .text = "x" }, CARAT_EARG, "takes no text");
        refuse((carat_format_options){ .kind = kind, .tools = tools, .has_spaces = true }, CARAT_EARG, "has_spaces");
        refuse((carat_format_options){ .kind = kind, .tools = tools, .n_choices = 1 }, CARAT_EARG, "no choices");
    }
    refuse((carat_format_options){ .kind = CARAT_FORMAT_REGEX, .text = "a", .tools = tools }, CARAT_EARG, "no tools");
    refuse((carat_format_options){ .kind = CARAT_FORMAT_JSON_OBJECT, .is_single = true }, CARAT_EARG, "no tools");
    carat_tools_close(t);
    carat_tools_close(empty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_is_valid),      cmocka_unit_test(named_functions_alone_are_called),
        cmocka_unit_test(forks_call_the_same),      cmocka_unit_test(text_is_as_without_the_form),
        cmocka_unit_test(what_has_begun_is_a_call), cmocka_unit_test(what_cannot_be_enforced_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
