/* Response formats: whatever a model of random weights would say, its answers have the form, alone and beside others.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "asked.h"
#include "base/json.h"
#include "sample/grammar/json_text.h"

static carat_engine *other; /* of the same model */

static int setup(void **state)
{
    (void)state;
    carat_err e;
    const carat_options o = { .struct_size = sizeof o, .n_threads = 1, .n_sessions = 8, .n_ctx = 1024 };
    asked_open("An answer, please.");
    must(carat_engine_open(TINY, &o, &other, &e), &e);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    asked_close();
    carat_engine_close(other);
    return 0;
}

/* ---- forms ---- */

static const char *const colours[] = { "red", "light blue", "light", "gr\xc3\xbcn", "\"quoted\"" };

static const char schema[] =
    "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"maxLength\":12},"
    "\"how many of them there are\":{\"type\":\"integer\",\"minimum\":-3,\"maximum\":120},"
    "\"kind\":{\"enum\":[\"a\",\"ab\",null,{\"x\":[1,2]}]},"
    "\"when\":{\"type\":\"string\",\"format\":\"date\"},"
    "\"parts\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/part\"},\"maxItems\":3}},"
    "\"required\":[\"name\",\"how many of them there are\",\"kind\",\"parts\"],\"additionalProperties\":false,"
    "\"$defs\":{\"part\":{\"anyOf\":[{\"type\":\"boolean\"},{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/part\"},"
    "\"maxItems\":2}]}}}";

static const carat_format_options forms[] = {
    { .struct_size = sizeof(carat_format_options), .kind = CARAT_FORMAT_JSON_SCHEMA, .text = schema },
    { .struct_size = sizeof(carat_format_options),
      .kind = CARAT_FORMAT_JSON_SCHEMA,
      .text = schema,
      .has_spaces = true },
    { .struct_size = sizeof(carat_format_options),
      .kind = CARAT_FORMAT_REGEX,
      .text = "(ab+c?|[0-9]{2,4}-\\d\\d|\\u00e9{3})" },
    { .struct_size = sizeof(carat_format_options), .kind = CARAT_FORMAT_CHOICE, .choices = colours, .n_choices = 5 },
    { .struct_size = sizeof(carat_format_options),
      .kind = CARAT_FORMAT_GBNF,
      .text = "root ::= \"(\" item (\", \" item){0,4} \")\"\nitem ::= \"one\" | \"two\" | \"(\" item \")\"" },
};
#define N_FORMS (sizeof forms / sizeof *forms)

static carat_format *open_form(const carat_format_options *o)
{
    carat_format *f;
    carat_err e;
    must(carat_format_open(engine, o, &f, &e), &e);
    return f;
}

static carat_generation with(const carat_format *f, const carat_sampling *s)
{
    return (carat_generation){ .struct_size = sizeof(carat_generation), .sampling = s, .max_tokens = 400, .format = f };
}

/* ---- is it one? Without the library's automata ---- */

static bool is_part(const json_t *v)
{
    bool ok = json_is_boolean(v) || (json_is_array(v) && json_array_size(v) <= 2);
    for (size_t i = 0; i < json_array_size(v); i++)
        ok = ok && is_part(json_array_get(v, i));
    return ok;
}

static size_t n_chars(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += (*s & 0xC0) != 0x80;
    return n;
}

static void check_schema(const answer *a, bool has_spaces)
{
    const ct_json_style style = { has_spaces ? ", " : ",", has_spaces ? ": " : ":" };
    json_t *v;
    carat_err e;
    ct_buf text;
    if (!ct_json_parse("the answer", a->text, a->len, &v, &e))
        fail_msg("'%s': %s", a->text, e.msg);
    const json_t *name = json_object_get(v, "name"), *count = json_object_get(v, "how many of them there are"),
                 *kind = json_object_get(v, "kind"), *when = json_object_get(v, "when"),
                 *parts = json_object_get(v, "parts");
    assert_true(json_object_size(v) == (when ? 5 : 4));
    assert_true(json_is_string(name) && n_chars(json_string_value(name)) <= 12);
    assert_true(json_is_integer(count) && json_integer_value(count) >= -3 && json_integer_value(count) <= 120);
    assert_true(json_is_null(kind) || json_is_string(kind) || json_array_size(json_object_get(kind, "x")) == 2);
    assert_true(!when || json_string_length(when) == 10);
    assert_true(json_is_array(parts) && json_array_size(parts) <= 3);
    for (size_t i = 0; i < json_array_size(parts); i++)
        assert_true(is_part(json_array_get(parts, i)));
    ct_buf_init(&text, sizeof a->text);
    assert_true(ct_json_canonical(v, &style, &text));
    assert_int_equal(text.len, a->len);
    assert_memory_equal(text.data, a->text, a->len);
    ct_buf_deinit(&text);
    json_decref(v);
}

static void check_regex(const char *s)
{
    const size_t n = strlen(s), digits = strspn(s, "0123456789");
    if (s[0] == 'a') {
        const size_t b = strspn(s + 1, "b");
        assert_true(b >= 1 && (!s[1 + b] || strcmp(s + 1 + b, "c") == 0));
    } else if (digits) {
        assert_true(digits >= 2 && digits <= 4 && n == digits + 3 && s[digits] == '-');
    } else {
        assert_string_equal(s, "\xc3\xa9\xc3\xa9\xc3\xa9");
    }
}

static const char *skip_item(const char *s)
{
    if (strncmp(s, "one", 3) == 0 || strncmp(s, "two", 3) == 0)
        return s + 3;
    assert_true(*s == '(');
    s = skip_item(s + 1);
    assert_true(*s == ')');
    return s + 1;
}

static void check_gbnf(const char *s)
{
    size_t n = 1;
    assert_true(*s == '(');
    for (s = skip_item(s + 1); *s == ','; n++) {
        assert_true(s[1] == ' ');
        s = skip_item(s + 2);
    }
    assert_string_equal(s, ")");
    assert_true(n <= 5);
}

static void check(const carat_format_options *o, const answer *a)
{
    bool found = false;
    if (a->has_failed)
        fail_msg("%s", a->err.msg);
    if (a->result.finish != CARAT_FINISH_STOP)
        return;
    switch (o->kind) {
    case CARAT_FORMAT_JSON_OBJECT:
    case CARAT_FORMAT_JSON_SCHEMA:
        check_schema(a, o->has_spaces);
        break;
    case CARAT_FORMAT_REGEX:
        check_regex(a->text);
        break;
    case CARAT_FORMAT_CHOICE:
        for (size_t i = 0; i < o->n_choices; i++)
            found = found || strcmp(a->text, o->choices[i]) == 0;
        assert_true(found);
        break;
    case CARAT_FORMAT_GBNF:
        check_gbnf(a->text);
        break;
    case CARAT_FORMAT_CALLS: /* test_call_formats.c */
    case CARAT_FORMAT_TEXT_OR_CALLS:
        break;
    }
}

/* ---- tests ---- */

static void answers_have_their_form(void **state)
{
    (void)state;
    static answer a[ANSWERS];
    for (size_t i = 0; i < N_FORMS; i++) {
        carat_format *f = open_form(&forms[i]);
        size_t n_ended = 0;
        bool differ = false;
        for (uint64_t seed = 0; seed < 4; seed++) {
            carat_sampling s = wild;
            s.seed = 100 * seed;
            s.temperature = seed % 2 ? 1.5f : 8;
            const carat_generation g = with(f, &s);
            answer_all(&g, ANSWERS, a);
            for (size_t k = 0; k < ANSWERS; k++) {
                check(&forms[i], &a[k]);
                n_ended += a[k].result.finish == CARAT_FINISH_STOP;
                differ = differ || strcmp(a[k].text, a[0].text) != 0;
            }
        }
        assert_true(n_ended > 12 && differ);
        carat_format_close(f);
    }
}

static void any_object_is_json(void **state)
{
    (void)state;
    static answer a[ANSWERS];
    const carat_format_options o = { .struct_size = sizeof o };
    carat_format *f = open_form(&o);
    /* A model of random weights seldom ends a string: quotes and braces are made likelier. */
    carat_bias bias[512];
    size_t n = 0;
    for (int32_t id = 0; id < 512; id++) {
        size_t len;
        const char *s = carat_tokenizer_piece(carat_engine_tokenizer(engine), id, &len);
        if (s && len == 1 && strchr("\"}]", *s))
            bias[n++] = (carat_bias){ id, 8 };
    }
    carat_sampling s = wild;
    s.bias = bias;
    s.n_bias = n;
    const carat_generation g = with(f, &s);
    answer_all(&g, ANSWERS, a);
    size_t n_ended = 0;
    for (size_t i = 0; i < ANSWERS; i++) {
        json_t *v;
        carat_err e;
        assert_false(a[i].has_failed);
        if (a[i].result.finish != CARAT_FINISH_STOP)
            continue;
        n_ended++;
        if (!ct_json_parse("the answer", a[i].text, a[i].len, &v, &e) && !strstr(e.msg, "duplicate"))
            fail_msg("'%s': %s", a[i].text, e.msg);
        json_decref(v);
    }
    assert_true(n_ended > 2);
    carat_format_close(f);
}

/* Several forms in the batch at once, each answer as it is alone; a form may be closed when its request is submitted. */
static void beside_others_they_are_the_same(void **state)
{
    (void)state;
    static answer alone[N_FORMS][2], together[N_FORMS][2];
    carat_request *r[N_FORMS];
    memset(together, 0, sizeof together);
    for (size_t i = 0; i < N_FORMS; i++) {
        carat_format *f = open_form(&forms[i]);
        const carat_generation g = with(f, &wild);
        answer_all(&g, 2, alone[i]);
        carat_format_close(f);
    }
    for (size_t i = 0; i < N_FORMS; i++) {
        carat_format *f = open_form(&forms[i]);
        const carat_generation g = with(f, &wild);
        r[i] = ask(&g, 2);
        carat_format_close(f);
    }
    for (size_t i = 0; i < N_FORMS; i++)
        take(r[i], together[i]);
    for (size_t i = 0; i < N_FORMS; i++)
        for (size_t k = 0; k < 2; k++) {
            assert_string_equal(alone[i][k].text, together[i][k].text);
            assert_int_equal(alone[i][k].n, together[i][k].n);
        }
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
    carat_format *f = open_form(&forms[0]);
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
    carat_format *f = open_form(&forms[0]);
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

/* ---- masks of the caller's own ---- */

/* Only even ids, and an end after so many. */
typedef struct even {
    size_t answer, n;
    atomic_int *n_open, *n_filled;
} even;

static void *even_open(void *arg, size_t which)
{
    const even *of = arg;
    even *e = malloc(sizeof *e);
    if (e)
        *e = (even){ .answer = which, .n_open = of->n_open, .n_filled = of->n_filled };
    atomic_fetch_add(of->n_open, 1);
    return e;
}

static void *even_fails(void *arg, size_t which)
{
    return which == 0 ? even_open(arg, which) : NULL;
}

static bool even_allows(void *state, int32_t id)
{
    (void)state;
    return id % 2 == 0;
}

static void even_fill(void *state, uint32_t *bits)
{
    const even *e = state;
    const size_t n = carat_engine_info(engine)->n_vocab;
    atomic_fetch_add(e->n_filled, 1);
    for (size_t i = 0; i < (n + 31) / 32; i++)
        bits[i] = 0x55555555u;
}

static void even_accept(void *state, int32_t id)
{
    even *e = state;
    e->n += id % 2 == 0;
}

static bool even_may_end(void *state)
{
    const even *e = state;
    return e->n >= 5 + e->answer;
}

static void even_close(void *state)
{
    const even *e = state;
    atomic_fetch_sub(e->n_open, 1);
    free(state);
}

/* Three answers of a request, each with a state of its own. */
static void ask_even(const carat_mask *mask, size_t n_tokens[3], int32_t ids[3][64])
{
    carat_err e;
    carat_request *r;
    carat_sampling sampling = CARAT_SAMPLING_DEFAULT;
    sampling.temperature = 3;
    sampling.top_k = 0; /* else the likeliest are asked about, and no set is filled */
    sampling.top_p = 1;
    const carat_generation g = { .struct_size = sizeof g, .sampling = &sampling, .max_tokens = 40, .mask = mask };
    const carat_request_options o = { .struct_size = sizeof o, .prompt = prompt, .generation = &g, .n_answers = 3 };
    must(carat_request_submit(engine, &o, &r, &e), &e);
    memset(n_tokens, 0, 3 * sizeof *n_tokens);
    for (const carat_event *event; (event = carat_request_next(r, -1))->kind != CARAT_EVENT_END;) {
        if (event->kind == CARAT_EVENT_FAILED)
            fail_msg("%s", event->err->msg);
        if (event->kind == CARAT_EVENT_TOKEN && event->token->id >= 0)
            ids[event->answer][n_tokens[event->answer]++] = event->token->id;
    }
    carat_request_free(r);
}

static void callers_have_masks_of_their_own(void **state)
{
    (void)state;
    carat_err e;
    size_t n[3], n_filled[3];
    int32_t ids[3][64], filled[3][64];
    atomic_int n_open = 0, fills = 0;
    even of = { .n_open = &n_open, .n_filled = &fills };
    carat_mask mask = { .struct_size = sizeof mask,
                        .arg = &of,
                        .open = even_open,
                        .allows = even_allows,
                        .accept = even_accept,
                        .may_end = even_may_end,
                        .close = even_close };
    ask_even(&mask, n, ids);
    mask.fill = even_fill;
    ask_even(&mask, n_filled, filled);
    assert_true(fills > 0);
    for (size_t a = 0; a < 3; a++) {
        assert_true(n[a] >= 5 + a && n[a] == n_filled[a]);
        assert_memory_equal(ids[a], filled[a], n[a] * sizeof **ids);
        for (size_t i = 0; i < n[a]; i++)
            assert_int_equal(ids[a][i] % 2, 0);
    }
    /* What a session generates, and what is refused. */
    carat_session *s;
    carat_result result = { .struct_size = sizeof result };
    carat_generation g = { .struct_size = sizeof g, .max_tokens = 8, .ignores_eos = true, .mask = &mask };
    must(carat_session_open(engine, 0, &s, &e) && carat_session_prompt(s, prompt, &(size_t){ 0 }, &e), &e);
    mask.allows = NULL;
    assert_false(carat_session_generate(s, &g, NULL, &e));
    assert_non_null(strstr(e.msg, "without 'allows'"));
    carat_format *f = open_form(&forms[2]);
    mask.allows = even_allows;
    g.format = f;
    assert_false(carat_session_generate(s, &g, NULL, &e));
    assert_non_null(strstr(e.msg, "one of them"));
    g.format = NULL;
    const size_t before = carat_session_n_tokens(s);
    must(carat_session_generate(s, &g, &result, &e), &e);
    assert_int_equal(result.n_generated, 8);
    for (size_t i = before; i < carat_session_n_tokens(s); i++)
        assert_int_equal(carat_session_tokens(s)[i] % 2, 0);
    carat_format_close(f);
    carat_session_close(s);
    const carat_request_options o = { .struct_size = sizeof o, .prompt = prompt, .generation = &g, .n_answers = 2 };
    carat_request *r;
    mask.open = even_fails;
    assert_false(carat_request_submit(engine, &o, &r, &e));
    assert_int_equal(e.code, CARAT_ENOMEM);
    assert_int_equal(n_open, 0);
}

static void what_cannot_be_enforced_is_refused(void **state)
{
    (void)state;
    const carat_format_kind json = CARAT_FORMAT_JSON_SCHEMA, regex = CARAT_FORMAT_REGEX, choice = CARAT_FORMAT_CHOICE;
    const char *const bad[] = { "fine", "\xff" }, *const null[] = { NULL };
    refuse((carat_format_options){ .kind = json, .text = "{\"properties\":{\"a\":{\"unevaluatedItems\":{}}}}" },
           CARAT_EARG, "the JSON schema: '/properties/a/unevaluatedItems'");
    refuse((carat_format_options){ .kind = json, .text = "{\"typ\":1}" }, CARAT_EARG, "'/typ': no keyword");
    refuse((carat_format_options){ .kind = json, .text = "{\"type\":" }, CARAT_EFORMAT, "the JSON schema");
    refuse((carat_format_options){ .kind = json, .text = "false" }, CARAT_EARG, "no text can match");
    refuse((carat_format_options){ .kind = json, .text = "{\"type\":\"string\"}", .text_len = 9 }, CARAT_EFORMAT, "");
    refuse((carat_format_options){ .kind = regex, .text = "a(?=b)" }, CARAT_EARG,
           "look-around is not supported, at byte 2");
    refuse((carat_format_options){ .kind = regex }, CARAT_EARG, "no text was given");
    refuse((carat_format_options){ .kind = regex, .text = "a", .has_spaces = true }, CARAT_EARG, "has_spaces");
    refuse((carat_format_options){ .kind = regex, .text = "a", .n_choices = 1 }, CARAT_EARG, "no choices");
    refuse((carat_format_options){ .kind = regex, .text = "a", .text_len = (size_t)1 << 40 }, CARAT_ELIMIT,
           "expected at most");
    refuse((carat_format_options){ .kind = CARAT_FORMAT_JSON_OBJECT, .text = "{}" }, CARAT_EARG, "takes no text");
    refuse((carat_format_options){ .kind = CARAT_FORMAT_GBNF, .text = "root ::= x" }, CARAT_EARG, "'x' is not defined");
    refuse((carat_format_options){ .kind = choice }, CARAT_EARG, "without any choices");
    refuse((carat_format_options){ .kind = choice, .choices = bad, .n_choices = 2 }, CARAT_EARG,
           "choice 1 is not valid UTF-8");
    refuse((carat_format_options){ .kind = choice, .choices = null, .n_choices = 1 }, CARAT_EARG, "choice 0 is NULL");
    refuse((carat_format_options){ .kind = (carat_format_kind)77, .text = "x" }, CARAT_EARG, "77 is unknown");

    carat_format *f = open_form(&forms[2]);
    carat_err e;
    const carat_generation g = with(f, &wild);
    const carat_request_options o = { .struct_size = sizeof o, .prompt = prompt, .generation = &g };
    carat_request *r;
    assert_false(carat_request_submit(other, &o, &r, &e));
    assert_int_equal(e.code, CARAT_EARG);
    assert_non_null(strstr(e.msg, "another engine"));
    carat_format_close(f);
}

static void *open_and_answer(void *arg)
{
    answer *a = arg;
    carat_format *f = open_form(&forms[0]);
    const carat_generation g = with(f, &wild);
    answer_all(&g, 1, a);
    carat_format_close(f);
    return NULL;
}

static void threads_may_open_them_at_once(void **state)
{
    (void)state;
    static answer a[4];
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, open_and_answer, &a[i]), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    for (int i = 0; i < 4; i++) {
        check(&forms[0], &a[i]);
        assert_string_equal(a[i].text, a[0].text);
    }
}

/* One form, many answers at a time from several requests: what one makes it find out is right for all. */
static void one_form_serves_many(void **state)
{
    (void)state;
    static answer a[8][ANSWERS];
    carat_request *r[8];
    carat_format *f = open_form(&forms[1]);
    memset(a, 0, sizeof a);
    for (int i = 0; i < 8; i++) {
        carat_sampling s = wild;
        s.seed = 1000 + (uint64_t)i * 50;
        const carat_generation g = with(f, &s);
        r[i] = ask(&g, ANSWERS);
    }
    carat_format_close(f);
    carat_request_cancel(r[3]);
    for (int i = 0; i < 8; i++)
        take(r[i], a[i]);
    for (int i = 0; i < 8; i++)
        for (int k = 0; k < ANSWERS; k++)
            if (i != 3)
                check(&forms[1], &a[i][k]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_may_open_them_at_once),
        cmocka_unit_test(answers_have_their_form),
        cmocka_unit_test(any_object_is_json),
        cmocka_unit_test(beside_others_they_are_the_same),
        cmocka_unit_test(what_is_forced_would_have_been_sampled),
        cmocka_unit_test(limits_and_stops_hold_beside_it),
        cmocka_unit_test(biases_hold_beside_it),
        cmocka_unit_test(just_enough_tokens_are_enough),
        cmocka_unit_test(callers_have_masks_of_their_own),
        cmocka_unit_test(what_cannot_be_enforced_is_refused),
        cmocka_unit_test(one_form_serves_many),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
