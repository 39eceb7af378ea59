/* What else is asked of an answer holds beside its form: limits, stops, biases, log-probabilities; and what the form leaves no
 * choice about is not computed.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "forms.h"

static int setup(void **state)
{
    (void)state;
    asked_open("An answer, please.");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    asked_close();
    return 0;
}

typedef struct told {
    size_t n;
    int32_t ids[500];
} told;

static bool on_token(void *arg, const carat_token *t)
{
    told *to = arg;
    if (t->id >= 0 && to->n < 500)
        to->ids[to->n++] = t->id;
    return true;
}

static void generate(carat_session *s, carat_generation g, told *to, carat_result *r)
{
    size_t cached;
    carat_err e;
    *to = (told){ 0 };
    g.on_token = on_token;
    g.arg = to;
    *r = (carat_result){ .struct_size = sizeof *r };
    must(carat_session_prompt(s, prompt, &cached, &e) && carat_session_generate(s, &g, r, &e), &e);
}

/* With log-probabilities every token is sampled, without them what is forced is not; the tokens are the same. In fewer
 * steps. */
static void what_is_forced_would_have_been_sampled(void **state)
{
    (void)state;
    carat_session *s;
    carat_err e;
    carat_format *f = open_form(&forms[FORM_SCHEMA]);
    carat_stats stats[3];
    static told a, b;
    carat_result ra, rb;
    must(carat_session_open(engine, 0, &s, &e), &e);
    for (uint64_t seed = 0; seed < 10; seed += unit_step(3)) {
        carat_sampling sampling = wild;
        sampling.seed = seed;
        carat_generation g = with(f, &sampling);
        for (int i = 0; i < 3; i++)
            stats[i].struct_size = sizeof *stats;
        generate(s, g, &a, &ra);
        must(carat_engine_stats(engine, &stats[0], &e), &e);
        generate(s, g, &a, &ra);
        must(carat_engine_stats(engine, &stats[1], &e), &e);
        g.wants_logprobs = true;
        g.n_top = 3;
        generate(s, g, &b, &rb);
        assert_int_equal(a.n, b.n);
        assert_memory_equal(a.ids, b.ids, a.n * sizeof *a.ids);
        assert_int_equal(ra.finish, rb.finish);
        assert_true(stats[1].steps - stats[0].steps < a.n * 9 / 10);
    }
    carat_session_close(s);
    carat_format_close(f);
}

static void limits_and_stops_hold_beside_it(void **state)
{
    (void)state;
    static answer a[1];
    carat_format *f = open_form(&forms[FORM_SCHEMA]);
    carat_generation g = with(f, &wild);
    g.max_tokens = 5;
    answer_all(&g, 1, a);
    assert_int_equal(a->result.finish, CARAT_FINISH_LENGTH);
    assert_int_equal(a->n, 5);
    assert_true(strncmp(a->text, "{\"name\":\"", a->len < 9 ? a->len : 9) == 0);
    const char *const stops[] = { "many of" };
    g = with(f, &wild);
    g.stops = stops;
    g.n_stops = 1;
    answer_all(&g, 1, a);
    assert_int_equal(a->result.finish, CARAT_FINISH_STOP);
    assert_string_equal(a->text + a->len - 5, "\"how ");
    carat_format_close(f);

    /* As many as it allows, and at least as many as asked for. */
    const carat_format_options as = { .struct_size = sizeof as, .kind = CARAT_FORMAT_REGEX, .text = "[abc]*" };
    f = open_form(&as);
    g = with(f, &wild);
    g.min_tokens = 30;
    g.max_tokens = 60;
    answer_all(&g, 1, a);
    assert_true(a->n >= 30 && strspn(a->text, "abc") == a->len);
    g.ignores_eos = true;
    answer_all(&g, 1, a);
    assert_int_equal(a->n, 60);
    carat_format_close(f);
    const carat_format_options few = { .struct_size = sizeof few, .kind = CARAT_FORMAT_REGEX, .text = "[abc]{3}" };
    f = open_form(&few);
    g = with(f, &wild);
    g.min_tokens = 30;
    answer_all(&g, 1, a);
    assert_true(!a->has_failed && a->len == 3);
    assert_int_equal(a->result.finish, CARAT_FINISH_STOP);
    carat_format_close(f);
}

/* Penalties and biases choose among what may come; where they leave nothing, it is said, and the engine goes on. */
static void biases_hold_beside_it(void **state)
{
    (void)state;
    static answer a[2];
    int32_t *ids;
    size_t n;
    carat_err e;
    const carat_format_options o = { .struct_size = sizeof o, .kind = CARAT_FORMAT_REGEX, .text = "[xy]{20}" };
    carat_format *f = open_form(&o);
    must(carat_tokenizer_encode(carat_engine_tokenizer(engine), "x", 1, 0, &ids, &n, &e), &e);
    carat_bias bias[512];
    size_t n_bias = 0;
    for (int32_t id = 0; id < 512; id++) {
        size_t len;
        const char *s = carat_tokenizer_piece(carat_engine_tokenizer(engine), id, &len);
        if (s && memchr(s, 'x', len))
            bias[n_bias++] = (carat_bias){ id, -INFINITY };
    }
    carat_sampling s = wild;
    s.presence_penalty = 2;
    s.repetition_penalty = 1.3f;
    s.bias = bias;
    s.n_bias = n_bias;
    carat_generation g = with(f, &s);
    answer_all(&g, 2, a);
    assert_string_equal(a[0].text, "yyyyyyyyyyyyyyyyyyyy");
    carat_format_close(f);
    const carat_format_options only = { .struct_size = sizeof only, .kind = CARAT_FORMAT_REGEX, .text = "[x]{3}|x{9}" };
    f = open_form(&only);
    g = with(f, &s);
    answer_all(&g, 2, a);
    for (int i = 0; i < 2; i++) {
        assert_true(a[i].has_failed && a[i].err.code == CARAT_EARG);
        assert_non_null(strstr(a[i].err.msg, "the regular expression allows none that the sampling settings leave"));
    }
    g = with(f, &wild);
    answer_all(&g, 2, a);
    assert_true(!a[0].has_failed && (a[0].len == 3 || a[0].len == 9));
    carat_format_close(f);
    carat_free(ids);
}

/* An answer that is complete with its last token was not cut. */
static void just_enough_tokens_are_enough(void **state)
{
    (void)state;
    carat_err e;
    carat_format *f = open_form(&(carat_format_options){
        .struct_size = sizeof(carat_format_options), .kind = CARAT_FORMAT_REGEX, .text = "abc|de(f*|gh)" });
    bool matches;
    static const struct {
        const char *text;
        bool matches;
    } of[] = {
        { "abc", true }, { "ab", false }, { "", false }, { "defff", true }, { "deg", false }, { "abcd", false }
    };
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        must(carat_format_matches(f, of[i].text, strlen(of[i].text), &matches, &e), &e);
        assert_int_equal(matches, of[i].matches);
    }
    carat_sampling sampling = CARAT_SAMPLING_DEFAULT;
    sampling.temperature = 3;
    for (uint64_t seed = 0, n_whole = 0; seed < 20 || n_whole == 0; seed++) {
        char text[2][64] = { "", "" };
        carat_finish finish[2];
        size_t n[2] = { 0, 40 };
        sampling.seed = seed;
        for (int round = 1; round >= 0; round--) { /* with more than it needs, then with just that many */
            carat_request *r;
            const carat_generation g = {
                .struct_size = sizeof g, .sampling = &sampling, .max_tokens = n[round], .format = f
            };
            const carat_request_options o = { .struct_size = sizeof o, .prompt = prompt, .generation = &g };
            must(carat_request_submit(engine, &o, &r, &e), &e);
            for (const carat_event *event; (event = carat_request_next(r, -1))->kind != CARAT_EVENT_END;) {
                if (event->kind == CARAT_EVENT_TOKEN)
                    strncat(text[round], event->token->text, 40 - strlen(text[round]));
                if (event->kind == CARAT_EVENT_ANSWER) {
                    finish[round] = event->result->finish;
                    n[0] = round == 1 ? event->result->n_generated : n[0];
                }
            }
            carat_request_free(r);
        }
        if (n[0] == 40)
            continue;
        assert_string_equal(text[0], text[1]);
        const bool is_open = text[0][0] == 'd' && text[0][2] != 'g'; /* more f could follow */
        assert_int_equal(finish[1], CARAT_FINISH_STOP);
        assert_int_equal(finish[0], is_open ? CARAT_FINISH_LENGTH : CARAT_FINISH_STOP);
        n_whole += !is_open;
        assert_true(seed < 1000);
    }
    carat_format_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_forced_would_have_been_sampled),
        cmocka_unit_test(limits_and_stops_hold_beside_it),
        cmocka_unit_test(biases_hold_beside_it),
        cmocka_unit_test(just_enough_tokens_are_enough),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
