/* Calls of functions as forms of an answer: which texts they are, and that whatever wanders through their masks ends in calls
 * that JSON can read and whose arguments the functions' schemas accept.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/rng.h"
#include "sample/grammar/automaton.h"
#include "sample/grammar/calls.h"
#include "sample/grammar/compile.h"
#include "sample/grammar/grammar.h"

#include "call_tools.h"

#define TINY     TEST_DATA "/models/tiny-tokenizer/"
#define MOST_RUN 64

static carat_tokenizer *tok;
static ct_trie trie;

/* ---- texts ---- */

typedef enum verdict {
    DEAD,  /* no text goes on from here */
    BEGUN, /* it has to go on */
    WHOLE, /* it may end */
} verdict;

typedef struct form {
    ct_program program;
    ct_automaton *automaton;
} form;

typedef bool rules_fn(const char *what, const ct_call_form *v, size_t n, uint32_t most, ct_rules *rules, uint32_t *root,
                      carat_err *err);

static bool open_form(rules_fn *make, const ct_call_form *v, size_t n, uint32_t most, form *f, carat_err *err)
{
    ct_heap heap;
    ct_heap_init(&heap, CT_FORMAT_MOST_HEAP);
    ct_rules rules = { .heap = &heap };
    uint32_t root;
    *f = (form){ .automaton = NULL };
    const bool ok = make("the calls", v, n, most, &rules, &root, err) &&
                    ct_program_build("the calls", &rules, root, &f->program, err) &&
                    ct_automaton_open(&f->program, CT_GRAMMAR_MOST_BYTES, &f->automaton, err);
    ct_heap_deinit(&heap);
    return ok;
}

static void close_form(form *f)
{
    ct_automaton_close(f->automaton);
    ct_program_free(&f->program);
}

static void must_open(rules_fn *make, const ct_call_form *v, size_t n, uint32_t most, form *f)
{
    carat_err err;
    if (!open_form(make, v, n, most, f, &err))
        fail_msg("%s", err.msg);
}

static uint32_t state_after(form *f, const char *s, size_t len)
{
    uint32_t at = ct_automaton_start(f->automaton);
    for (size_t i = 0; i < len; i++)
        at = ct_automaton_step(f->automaton, at, (uint8_t)s[i]);
    assert_false(ct_automaton_failed(f->automaton, NULL));
    return at;
}

static verdict judge(form *f, const char *s)
{
    const uint32_t at = state_after(f, s, strlen(s));
    return at == CT_DEAD ? DEAD : ct_automaton_may_end(f->automaton, at) ? WHOLE : BEGUN;
}

typedef struct sentence {
    const char *text;
    verdict is;
} sentence;

static void judge_all(form *f, const sentence *s, size_t n)
{
    static const char *const said[] = { "dead", "begun", "whole" };
    for (size_t i = 0; i < n; i++) {
        const verdict v = judge(f, s[i].text);
        if (v != s[i].is)
            fail_msg("'%s' is %s, expected %s", s[i].text, said[v], said[s[i].is]);
    }
}

#define CITY "{\"name\": \"get_time\", \"parameters\": {\"city\": \"Oslo\"}}"
#define STOP "{\"name\": \"a\", \"parameters\": {}}"

static void calls_alone(void **state)
{
    (void)state;
    static const sentence many[] = {
        { CITY, WHOLE },
        { "[" CITY "]", WHOLE },
        { "[" CITY ", " STOP ", " CITY "]", WHOLE },
        { "[" CITY "," STOP "]", DEAD },
        { "[]", DEAD },
        { "[" CITY, BEGUN },
        { CITY " ", DEAD },
        { " " CITY, DEAD },
        { "", BEGUN },
        { "The time", DEAD },
        { "{\"name\": \"get_tim", BEGUN },
        { "{\"name\": \"get_tim\"", DEAD },
        { "{\"name\":\"get_time\"", DEAD },
        { "{\"parameters\"", DEAD },
        { "{\"name\": \"get_time\", \"arguments\"", DEAD },
        { "{\"name\": \"get_time\", \"parameters\": {}", DEAD },
        { "{\"name\": \"get_time\", \"parameters\": {\"city\": \"A city of ten\"", DEAD },
        { "{\"name\": \"get_time_zone\", \"parameters\": {\"n\": 40, \"unit\": \"km\"}}", WHOLE },
        { "{\"name\": \"get_time_zone\", \"parameters\": {\"n\": 41", DEAD },
        { "{\"name\": \"get\", \"parameters\": {\"tags\": [\"x\"], \"deep\": {\"on\": true}}}", WHOLE },
    };
    static const sentence one[] = { { CITY, WHOLE }, { "[", DEAD } };
    ct_call_form v[N_CALL_TOOLS];
    call_tools_make(v);
    form f;
    must_open(ct_call_rules, v, N_CALL_TOOLS, CT_MOST_CALLS, &f);
    judge_all(&f, many, sizeof many / sizeof *many);
    char list[2048];
    int len = snprintf(list, sizeof list, "[" STOP);
    for (int i = 2; i <= CT_MOST_CALLS; i++)
        len += snprintf(list + len, sizeof list - (size_t)len, ", " STOP);
    assert_int_equal(judge(&f, list), BEGUN);
    snprintf(list + len, sizeof list - (size_t)len, ",");
    assert_int_equal(judge(&f, list), DEAD);
    for (size_t i = 0; i < N_CALL_TOOLS; i++) {
        char begin[128];
        snprintf(begin, sizeof begin, "{\"name\": \"%s\", \"parameters\": {", call_tool_names[i]);
        assert_int_equal(judge(&f, begin), BEGUN);
    }
    close_form(&f);
    must_open(ct_call_rules, v, N_CALL_TOOLS, 1, &f);
    judge_all(&f, one, sizeof one / sizeof *one);
    close_form(&f);
}

static void calls_in_a_text(void **state)
{
    (void)state;
    static const sentence cases[] = {
        /* text */
        { "", WHOLE },
        { "The time in Oslo is 4.", WHOLE },
        { "Two\n\nlines, {\"name\": \"get_time\"}", WHOLE },
        { "\xff\xc3", WHOLE },
        { "{\"name\": \"get_tim\", \"x\": 1}", WHOLE },
        { "{\"name\": \"gets\", \"parameters\": {}}", WHOLE },
        { "{\"name\": \"get_time", WHOLE },
        { "{\"id\": 1, \"name\": \"get_time\"}", WHOLE },
        { "{\"parameters\": {}, \"name\": \"get_time\"}", WHOLE },
        { "{'name': 'get_time'}", WHOLE },
        { "[1, 2]", WHOLE },
        { "say {\"name\": \"get_time\"}", WHOLE },
        { "```json\n{\"name\": 1}\n```\nSo.", WHOLE },
        { "{         \"name\": \"get_time\"", WHOLE }, /* nine */
        { "         {\"name\": \"get_time\"", WHOLE },
        { "line\n {\"name\": \"get_time\"", WHOLE },
        { "[[{\"name\": \"get_time\"", WHOLE },
        /* calls */
        { CITY, WHOLE },
        { "{\"name\": \"get_time\"", BEGUN },
        { "{\"name\": \"get_time\"}", DEAD },
        { "{\"name\": \"get_time\" ,", DEAD },
        { "{\"name\": \"get_time\", \"p", BEGUN },
        { "{\"name\": \"get_time\", \"x", DEAD },
        { "{\"name\": \"get_time\", \"arguments\": {\"city\": \"Oslo\"}}", WHOLE },
        { "{\"name\":\"get_time\",\"parameters\":{\"city\":\"Oslo\"}}", WHOLE },
        { "{\"name\": \"get_time\",\"parameters\":{\"city\":\"Oslo\"}}", WHOLE },
        { "{\"name\": \"get_time\", \"parameters\":{", DEAD },
        { "{\"name\": \"get_time\", \"parameters\": {\"town\"", DEAD },
        { "{\"name\": \"get_time\", \"parameters\": {\"city\": \"Oslo\"}}  \n", WHOLE },
        { CITY ".", DEAD },
        { CITY "\nDone", DEAD },
        { CITY "         ", DEAD },
        { CITY "\n" CITY, DEAD },
        { "  \n" CITY, WHOLE },
        { "  " CITY, WHOLE },
        { "The time:\n" CITY, WHOLE },
        { "The time:\n{ \n\t\"name\"\t:\r\n \"get_time\"", BEGUN },
        { "The time:\n\n\n" CITY "\n", WHOLE },
        /* lists */
        { "[" CITY "]", WHOLE },
        { "[" CITY, BEGUN },
        { "[" CITY ", " STOP "," CITY "]\n", WHOLE },
        { "[" CITY ", {\"name\":\"a\",\"parameters\":{}}]", WHOLE },
        { "[" CITY ", {\"name\": \"unknown", DEAD },
        { "[ {  \"name\": \"get_time\"", BEGUN },
        { "[\n{\"name\": \"a\", \"parameters\": {}}", BEGUN }, /* not whole: the list has begun first */
        { "[1,\n" CITY, WHOLE },
        { "{\n" CITY, WHOLE },
        { "[\n{\n" CITY, WHOLE },
        /* fences */
        { "```json\n" CITY, BEGUN },
        { "```json\n" CITY "\n```", WHOLE },
        { "```json\n" CITY "```\n", WHOLE },
        { "```\n" CITY "\n```\n", WHOLE },
        { "```\n" CITY "\n```\nx", DEAD },
        { "```json\n\n  [\n" CITY, BEGUN },
        { "```json\n\n  [\n" CITY "]", BEGUN },
        { "```json\n\n  [\n" CITY "]\n```", WHOLE },
        { "Here it is:\n```json \r\n" CITY "\n", BEGUN },
        { "Here it is:\n```json\n" CITY "\n```", WHOLE },
        { "```python\n" CITY, WHOLE },
        { "``` json\n" CITY, WHOLE },
        { "```\n```\n" CITY "\n```", WHOLE },
    };
    static const sentence one[] = {
        { "[" CITY "]", WHOLE }, { "[" CITY ",", DEAD }, { "Some text\n" CITY, WHOLE }, { "text", WHOLE }
    };
    ct_call_form v[N_CALL_TOOLS];
    call_tools_make(v);
    form f;
    must_open(ct_text_or_call_rules, v, N_CALL_TOOLS, CT_MOST_CALLS, &f);
    judge_all(&f, cases, sizeof cases / sizeof *cases);
    for (size_t i = 0; i < N_CALL_TOOLS; i++) {
        char begin[128];
        const int n = snprintf(begin, sizeof begin, "x\n{\"name\" :\"%s", call_tool_names[i]);
        assert_int_equal(judge(&f, begin), WHOLE);
        snprintf(begin + n, sizeof begin - (size_t)n, "\"");
        assert_int_equal(judge(&f, begin), BEGUN);
        snprintf(begin + n, sizeof begin - (size_t)n, "?\"");
        assert_int_equal(judge(&f, begin), WHOLE);
    }
    close_form(&f);
    must_open(ct_text_or_call_rules, v, N_CALL_TOOLS, 1, &f);
    judge_all(&f, one, sizeof one / sizeof *one);
    close_form(&f);
}

/* A function that exists but may not be called now: no call of it can come about, not even as text. */
static void calls_of_some(void **state)
{
    (void)state;
    static const sentence alone[] = { { STOP, WHOLE },
                                      { "{\"name\": \"g", DEAD },
                                      { "[" STOP ", {\"name\": \"g", DEAD } };
    static const sentence text[] = {
        { STOP, WHOLE },
        { "{\"name\": \"get_time", WHOLE },
        { "{\"name\": \"get_time\"", DEAD },
        { "```\n[{\"name\": \"get_time\"", DEAD },
        { "{\"name\": \"get_times\"", WHOLE },
        { "[" STOP ", {\"name\": \"g", DEAD },
        { "said: {\"name\": \"get_time\"", WHOLE },
    };
    ct_call_form v[N_CALL_TOOLS];
    call_tools_make(v);
    for (size_t i = 0; i < N_CALL_TOOLS; i++) {
        v[i].may_be_called = strcmp(v[i].name, "a") == 0;
        if (!v[i].may_be_called) { /* and its schema is not looked at */
            v[i].schema = "{\"unevaluatedItems\":{}}";
            v[i].schema_len = 10;
        }
    }
    form f;
    must_open(ct_call_rules, v, N_CALL_TOOLS, CT_MOST_CALLS, &f);
    judge_all(&f, alone, sizeof alone / sizeof *alone);
    close_form(&f);
    must_open(ct_text_or_call_rules, v, N_CALL_TOOLS, CT_MOST_CALLS, &f);
    judge_all(&f, text, sizeof text / sizeof *text);
    close_form(&f);
}

static void refuse(const ct_call_form *v, size_t n, carat_code code, const char *why)
{
    rules_fn *const kinds[] = { ct_call_rules, ct_text_or_call_rules };
    for (size_t k = 0; k < 2; k++) {
        form f;
        carat_err err = { .code = CARAT_OK };
        const bool ok = open_form(kinds[k], v, n, CT_MOST_CALLS, &f, &err);
        if (ok || err.code != code || !strstr(err.msg, why))
            fail_msg("%s: expected '%s'", ok ? "accepted" : err.msg, why);
        close_form(&f);
    }
}

static void what_cannot_be_enforced_is_refused_by_the_tools_name(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "{\"properties\":{\"a\":{\"unevaluatedItems\":{}}}}",
          "function 'second': '/properties/a/unevaluatedItems': cannot be enforced" },
        { "{\"type\":\"string\"}", "function 'second': no object satisfies its parameters" },
        { "false", "function 'second': no object satisfies its parameters" },
        { "{\"properties\":{\"a\":false},\"required\":[\"a\"]}", "function 'second': no object satisfies" },
        { "{\"$ref\":\"#/$defs/x\"}", "function 'second': '/$ref': there is nothing at that place" },
    };
    ct_call_form v[] = { { "first", NULL, 0, true }, { "second", NULL, 0, true } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        v[1].schema = cases[i][0];
        v[1].schema_len = strlen(cases[i][0]);
        refuse(v, 2, CARAT_EARG, cases[i][1]);
    }
    v[1].schema = "{\"type\":";
    v[1].schema_len = 8;
    refuse(v, 2, CARAT_EFORMAT, "function 'second'");
    v[0].may_be_called = v[1].may_be_called = false;
    refuse(v, 2, CARAT_EARG, "no function to call");
    refuse(v, 0, CARAT_EARG, "no function to call");
}

/* References go by each function's own $defs; a schema without a type is one of an object all the same. */
static void each_function_has_its_own_definitions(void **state)
{
    (void)state;
    static const char *const s[] = {
        "{\"properties\":{\"x\":{\"$ref\":\"#/$defs/x\"}},\"$defs\":{\"x\":{\"type\":\"integer\"}}}",
        "{\"$ref\":\"#/$defs/x\",\"$defs\":{\"x\":{\"properties\":{\"x\":{\"const\":\"y\"}}}}}", "{}", "true"
    };
    static const sentence cases[] = {
        { "{\"name\": \"f\", \"parameters\": {\"x\": 1}}", WHOLE },
        { "{\"name\": \"f\", \"parameters\": {\"x\": \"", DEAD },
        { "{\"name\": \"f\", \"parameters\": {\"z\": [1, null]}}", WHOLE },
        { "{\"name\": \"g\", \"parameters\": {\"x\": \"y\"}}", WHOLE },
        { "{\"name\": \"g\", \"parameters\": {\"x\": 1", DEAD },
        { "{\"name\": \"g\", \"parameters\": [", DEAD },
        { "{\"name\": \"h\", \"parameters\": {\"x\": {}}}", WHOLE },
        { "{\"name\": \"h\", \"parameters\": 1", DEAD },
        { "{\"name\": \"i\", \"parameters\": {}}", WHOLE },
        { "{\"name\": \"i\", \"parameters\": n", DEAD },
        { "{\"name\": \"f\", \"parameters\": ", BEGUN },
    };
    ct_call_form v[4];
    for (size_t i = 0; i < 4; i++)
        v[i] = (ct_call_form){ (const char *[]){ "f", "g", "h", "i" }[i], s[i], strlen(s[i]), true };
    form f;
    must_open(ct_call_rules, v, 4, CT_MOST_CALLS, &f);
    judge_all(&f, cases, sizeof cases / sizeof *cases);
    close_form(&f);
    must_open(ct_text_or_call_rules, v, 4, CT_MOST_CALLS, &f);
    judge_all(&f, cases + 0, 1);
    judge_all(&f, cases + 3, 1);
    close_form(&f);
}

/* Every number that a form lets come is one that readers of JSON accept. */
static void numbers_are_within_64_bits(void **state)
{
    (void)state;
    static const char schema[] =
        "{\"properties\":{\"i\":{\"type\":\"integer\"},\"m\":{\"type\":\"integer\",\"minimum\":0},"
        "\"n\":{\"type\":\"number\"}},\"additionalProperties\":false}";
    static const sentence cases[] = {
        { "{\"name\": \"f\", \"parameters\": {\"i\": 9223372036854775807}}", WHOLE },
        { "{\"name\": \"f\", \"parameters\": {\"i\": -9223372036854775807}}", WHOLE },
        { "{\"name\": \"f\", \"parameters\": {\"i\": 9199999999999999999}}", WHOLE },
        { "{\"name\": \"f\", \"parameters\": {\"i\": 1789012345678901234}}", WHOLE },
        { "{\"name\": \"f\", \"parameters\": {\"i\": 9223372036854775808", DEAD },
        { "{\"name\": \"f\", \"parameters\": {\"i\": 10000000000000000000", DEAD },
        { "{\"name\": \"f\", \"parameters\": {\"m\": 9223372036854775807}}", WHOLE },
        { "{\"name\": \"f\", \"parameters\": {\"m\": 93", BEGUN },
        { "{\"name\": \"f\", \"parameters\": {\"m\": 9300000000000000000", DEAD },
        { "{\"name\": \"f\", \"parameters\": {\"n\": 9223372036854775807.5e+99}}", WHOLE },
        { "{\"name\": \"f\", \"parameters\": {\"n\": 1e100", DEAD },
        { "{\"name\": \"f\", \"parameters\": {\"n\": 9223372036854775808", DEAD },
    };
    const ct_call_form v = { "f", schema, sizeof schema - 1, true };
    form f;
    must_open(ct_call_rules, &v, 1, 1, &f);
    judge_all(&f, cases, sizeof cases / sizeof *cases);
    close_form(&f);
}

/* ---- masks ---- */

static ct_grammar *open_grammar(rules_fn *make, uint32_t most)
{
    ct_call_form v[N_CALL_TOOLS];
    ct_heap heap;
    ct_heap_init(&heap, CT_FORMAT_MOST_HEAP);
    ct_rules rules = { .heap = &heap };
    uint32_t root;
    carat_err err;
    ct_grammar *g;
    call_tools_make(v);
    if (!make("the calls", v, N_CALL_TOOLS, most, &rules, &root, &err) ||
        !ct_grammar_open("the calls", &rules, root, &trie, &g, &err))
        fail_msg("%s", err.msg);
    ct_heap_deinit(&heap);
    return g;
}

/* One of the allowed tokens, each as likely; of those that end the form where it may end, nothing is said. -1: none. */
static int32_t any_allowed(const ct_mask *m, uint64_t *rng, uint32_t *bits)
{
    carat_err err;
    size_t n = 0;
    if (!m->fill(m->self, bits, &err))
        fail_msg("%s", err.msg);
    for (size_t i = 0; i < trie.n_tokens; i++)
        n += bits[i / 32] >> i % 32 & 1;
    for (size_t i = 0, at = n ? ct_rng_next(rng) % n : 0; n && i < trie.n_tokens; i++)
        if ((bits[i / 32] >> i % 32 & 1) && at-- == 0) {
            assert_true(m->allows(m->self, (int32_t)i));
            return (int32_t)i;
        }
    return -1;
}

static void say(const ct_mask *m, int32_t id, ct_buf *to)
{
    size_t len;
    const char *s = ct_tok_bytes(tok, id, &len);
    ct_buf_add(to, s, len);
    m->accept(m->self, id);
}

/* Begins with these bytes, then wanders until the form lets it end. */
static void wander(ct_grammar *g, const char *begin, uint64_t *rng, ct_buf *to)
{
    static uint32_t bits[1 << 16];
    ct_mask m;
    carat_err err;
    ct_ids ids = { 0 };
    assert_true(trie.n_tokens / 32 < sizeof bits / sizeof *bits);
    if (!ct_grammar_mask(g, trie.n_tokens, &m, &err) || !ct_tok_encode(tok, begin, strlen(begin), 0, &ids, &err))
        fail_msg("%s", err.msg);
    ct_buf_clear(to);
    for (size_t i = 0; i < ids.n; i++) {
        assert_true(m.allows(m.self, ids.v[i]));
        say(&m, ids.v[i], to);
    }
    assert_memory_equal(to->data ? to->data : "", begin, to->len);
    for (int steps = 0; !m.may_end(m.self); steps++) {
        int32_t forced[MOST_RUN];
        const size_t n = ct_rng_next(rng) % 2 ? m.forced(m.self, forced, MOST_RUN) : 0;
        for (size_t i = 0; i < n; i++)
            say(&m, forced[i], to);
        if (n == 0) {
            const int32_t id = any_allowed(&m, rng, bits);
            if (id < 0)
                fail_msg("nothing may follow '%.*s'", (int)to->len, to->data);
            say(&m, id, to);
        }
        assert_true(steps < 3000);
    }
    m.close(m.self);
    ct_ids_deinit(&ids);
}

static void whatever_wanders_through_ends_in_calls(void **state)
{
    (void)state;
    uint64_t rng = 77;
    bool met[N_CALL_TOOLS] = { false };
    size_t n_lists = 0;
    ct_buf text;
    ct_buf_init(&text, (size_t)1 << 20);
    ct_grammar *g = open_grammar(ct_call_rules, CT_MOST_CALLS);
    for (int i = 0; i < 300; i++) {
        wander(g, "", &rng, &text);
        n_lists += call_tools_check(text.data, text.len, met) > 1;
    }
    ct_grammar_release(g);
    for (size_t i = 0; i < N_CALL_TOOLS; i++)
        assert_true(met[i]);
    assert_true(n_lists > 30);
    g = open_grammar(ct_call_rules, 1);
    for (int i = 0; i < 100; i++) {
        wander(g, "", &rng, &text);
        assert_true(text.data[0] == '{' && call_tools_check(text.data, text.len, met) == 1);
    }
    ct_grammar_release(g);
    ct_buf_deinit(&text);
}

static void a_call_that_has_begun_in_a_text_is_completed(void **state)
{
    (void)state;
    static const char *const before[] = {
        "", " \n ", "The time in Oslo:\n", "```json\n", "```\n", "So:\n\n```json\n  ", "[\n1\n", "{ \n",
    };
    uint64_t rng = 78;
    ct_buf text;
    ct_buf_init(&text, (size_t)1 << 20);
    ct_grammar *g = open_grammar(ct_text_or_call_rules, CT_MOST_CALLS);
    for (size_t i = 0; i < N_CALL_TOOLS; i++)
        for (size_t k = 0; k < sizeof before / sizeof *before; k++)
            for (int is_list = 0; is_list < 2; is_list++) {
                char begin[256];
                bool met[N_CALL_TOOLS] = { false };
                const size_t at = strlen(before[k]);
                snprintf(begin, sizeof begin, "%s%s{%s\"name\"%s: \"%s\"", before[k], is_list ? "[" : "",
                         i % 3 ? "" : "\n", i % 2 ? "" : "\t ", call_tool_names[i]);
                wander(g, begin, &rng, &text);
                size_t end = text.len;
                if (strstr(before[k], "```")) {
                    assert_true(end > 3 && memcmp(text.data + end - 3, "```", 3) == 0);
                    end -= 3;
                }
                assert_true(call_tools_check(text.data + at, end - at, met) == 1 || is_list);
                assert_true(met[i]);
            }
    ct_grammar_release(g);
    ct_buf_deinit(&text);
}

/* Text costs nothing: one state, nothing forced, every token allowed, an end anywhere. */
static void text_is_free(void **state)
{
    (void)state;
    ct_call_form v[N_CALL_TOOLS];
    call_tools_make(v);
    form f;
    must_open(ct_text_or_call_rules, v, N_CALL_TOOLS, CT_MOST_CALLS, &f);
    const uint32_t in_line = state_after(&f, "x", 1), line = state_after(&f, "x\n", 2);
    for (unsigned byte = 0; byte < 256; byte++)
        assert_int_equal(ct_automaton_step(f.automaton, in_line, (uint8_t)byte), byte == '\n' ? line : in_line);
    close_form(&f);

    ct_grammar *g = open_grammar(ct_text_or_call_rules, CT_MOST_CALLS);
    ct_mask m;
    carat_err err;
    int32_t ids[MOST_RUN];
    uint64_t rng = 5;
    assert_true(ct_grammar_mask(g, trie.n_tokens, &m, &err));
    const size_t before = ct_grammar_bytes(g);
    for (int step = 0; step < 500; step++) {
        assert_int_equal(m.forced(m.self, ids, MOST_RUN), 0);
        assert_true(m.may_end(m.self));
        for (int k = 0; k < 20; k++) {
            const int32_t id = (int32_t)(ct_rng_next(&rng) % trie.n_tokens);
            assert_int_equal(m.allows(m.self, id), ct_tok_is_samplable(tok, id)); /* control tokens, too */
            if (k == 0 && m.allows(m.self, id))
                m.accept(m.self, id);
        }
    }
    assert_true(ct_grammar_bytes(g) < before + 20000); /* no masks, some states */
    m.close(m.self);

    /* Not even on the way to a call, until it has begun: then what can only follow is. */
    static const char call[] = "Well:\n{\"name\": \"search\", \"parameters\": {";
    ct_ids of = { 0 };
    size_t n_forced = 0, at = 0;
    assert_true(ct_grammar_mask(g, trie.n_tokens, &m, &err));
    assert_true(ct_tok_encode(tok, call, strlen(call), 0, &of, &err));
    for (size_t i = 0; i < of.n; i++) {
        size_t len;
        const size_t n = m.forced(m.self, ids, MOST_RUN);
        assert_true(n == 0 || at > strlen("Well:\n{\"name\": \"search"));
        n_forced += n;
        assert_true(m.allows(m.self, of.v[i]));
        m.accept(m.self, of.v[i]);
        ct_tok_bytes(tok, of.v[i], &len);
        at += len;
    }
    n_forced += m.forced(m.self, ids, MOST_RUN);
    assert_true(n_forced > 0);
    m.close(m.self);
    ct_ids_deinit(&of);
    ct_grammar_release(g);
}

/* Hundreds of long names that begin alike. */
static void many_functions(void **state)
{
    (void)state;
    enum { MANY = 400 };
    static char of[MANY][80];
    static ct_call_form v[MANY];
    for (int i = 0; i < MANY; i++) {
        snprintf(of[i], sizeof of[i], "mcp__a_server_with_a_long_name__and_functions_of_some_kind_%05d", i * 7);
        v[i] = (ct_call_form){ of[i], call_tool_schemas[i % 4],
                               call_tool_schemas[i % 4] ? strlen(call_tool_schemas[i % 4]) : 0, true };
    }
    form f;
    must_open(ct_text_or_call_rules, v, MANY, CT_MOST_CALLS, &f);
    char begin[256];
    for (int i = 0; i < MANY; i += 21) {
        const int n = snprintf(begin, sizeof begin, "```json\n[ \n{\n\"name\":\"%.79s", of[i]);
        assert_int_equal(judge(&f, begin), WHOLE);
        snprintf(begin + n, sizeof begin - (size_t)n, "\"");
        assert_int_equal(judge(&f, begin), BEGUN);
    }
    close_form(&f);
    must_open(ct_call_rules, v, MANY, CT_MOST_CALLS, &f);
    snprintf(begin, sizeof begin, "{\"name\": \"%s\"", of[99]);
    assert_int_equal(judge(&f, begin), BEGUN);
    close_form(&f);
}

static int open_world(void **state)
{
    (void)state;
    carat_err err;
    if (!ct_tokenizer_from_folder(TINY, &tok, &err) || !ct_trie_open(tok, SIZE_MAX, &trie, &err))
        fail_msg("%s", err.msg);
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    ct_trie_close(&trie);
    ct_tokenizer_close(tok);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_alone),
        cmocka_unit_test(calls_in_a_text),
        cmocka_unit_test(calls_of_some),
        cmocka_unit_test(what_cannot_be_enforced_is_refused_by_the_tools_name),
        cmocka_unit_test(each_function_has_its_own_definitions),
        cmocka_unit_test(numbers_are_within_64_bits),
        cmocka_unit_test(whatever_wanders_through_ends_in_calls),
        cmocka_unit_test(a_call_that_has_begun_in_a_text_is_completed),
        cmocka_unit_test(text_is_free),
        cmocka_unit_test(many_functions),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
