/* Parts of answers: put together they are the whole answer, however its text was cut; what may still become something else
 * is held back, and nothing longer.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "asked.h"
#include "base/utf8.h"
#include "openai/parts.h"

#define MOST 4096

#define TOOLS                                                                                                          \
    ", \"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"warm\", \"parameters\": {\"type\": "            \
    "\"object\", "                                                                                                     \
    "\"properties\": {\"by\": {\"type\": \"integer\", \"maximum\": 9}, \"why\": {\"type\": \"string\"}}, "             \
    "\"required\": "                                                                                                   \
    "[\"by\"], \"additionalProperties\": false}}}, {\"type\": \"function\", \"function\": {\"name\": \"now\"}}]"

/* What the parts of one answer amount to. */
typedef struct joined {
    ct_buf text, arguments[CT_OPENAI_MAX_CALLS];
    char ids[CT_OPENAI_MAX_CALLS][40], names[CT_OPENAI_MAX_CALLS][72];
    bool is_whole[CT_OPENAI_MAX_CALLS];
    size_t n_calls, n_ends, n_parts;
    json_t *logprobs;
    char finish[16], stop[64];
    bool has_failed;
} joined;

static void join_init(joined *j)
{
    *j = (joined){ .n_calls = 0 };
    ct_buf_init(&j->text, 1 << 20);
    ct_buf_str(&j->text, "");
    for (size_t i = 0; i < CT_OPENAI_MAX_CALLS; i++) {
        ct_buf_init(&j->arguments[i], 1 << 20);
        ct_buf_str(&j->arguments[i], "");
    }
}

static void join_deinit(joined *j)
{
    ct_buf_deinit(&j->text);
    for (size_t i = 0; i < CT_OPENAI_MAX_CALLS; i++)
        ct_buf_deinit(&j->arguments[i]);
    json_decref(j->logprobs);
}

/* Lists to lists, as an array or as an object of arrays. */
static void join_logprobs(joined *j, const json_t *more)
{
    const char *key;
    json_t *list;
    if (!more)
        return;
    if (!j->logprobs) {
        j->logprobs = json_deep_copy(more);
    } else if (json_is_array(more)) {
        assert_int_equal(json_array_extend(j->logprobs, (json_t *)(uintptr_t)more), 0);
    } else {
        json_object_foreach((json_t *)(uintptr_t)more, key, list)
            assert_int_equal(json_array_extend(json_object_get(j->logprobs, key), list), 0);
    }
}

static void expect_text(const ct_openai_part *p)
{
    assert_true(p->len > 0);
    assert_int_equal(ct_utf8_incomplete(p->text, p->len), 0);
    assert_true(((unsigned char)p->text[0] & 0xC0) != 0x80);
}

static void join(joined *j, const ct_openai_part *p)
{
    assert_int_equal(j->n_ends, 0); /* nothing follows the end */
    j->n_parts++;
    join_logprobs(j, p->logprobs);
    switch (p->kind) {
    case CT_PART_TEXT:
        expect_text(p);
        ct_buf_add(&j->text, p->text, p->len);
        break;
    case CT_PART_CALL:
        assert_int_equal(p->call, j->n_calls); /* in their order */
        assert_true(j->n_calls < CT_OPENAI_MAX_CALLS);
        assert_true(j->n_calls == 0 || j->is_whole[j->n_calls - 1]);
        snprintf(j->ids[j->n_calls], sizeof *j->ids, "%s", p->id);
        snprintf(j->names[j->n_calls++], sizeof *j->names, "%s", p->name);
        break;
    case CT_PART_ARGUMENTS:
        expect_text(p);
        assert_true(p->call + 1 == j->n_calls && !j->is_whole[p->call]);
        ct_buf_add(&j->arguments[p->call], p->text, p->len);
        break;
    case CT_PART_CALL_END:
        assert_true(p->call + 1 == j->n_calls && !j->is_whole[p->call]);
        j->is_whole[p->call] = true;
        break;
    case CT_PART_END:
        j->n_ends++;
        snprintf(j->finish, sizeof j->finish, "%s", p->finish);
        snprintf(j->stop, sizeof j->stop, "%s", p->stop ? p->stop : "");
        assert_non_null(p->result);
        break;
    case CT_PART_FAILED:
        assert_non_null(p->fault);
        j->has_failed = true;
        break;
    }
}

static void add(ct_openai_reply *reply, const carat_event *e, joined *j)
{
    size_t n;
    ct_openai_reply_add(reply, carat_engine_tokenizer(asked_engine), e);
    const ct_openai_part *parts = ct_openai_reply_parts(reply, &n);
    for (size_t i = 0; i < n; i++)
        join(&j[parts[i].answer], &parts[i]);
}

/* ---- the whole answer ---- */

static json_t *choice_of(const ct_openai_reply *reply, size_t answer, json_t **body)
{
    *body = ct_openai_reply_body(reply, "m", &(ct_openai_usage){ .n_prompt = 1 });
    assert_non_null(*body);
    return json_array_get(json_object_get(*body, "choices"), answer);
}

static void expect_calls(const joined *j, const json_t *message, const char *what)
{
    const json_t *calls = json_object_get(message, "tool_calls"), *one = json_object_get(message, "function_call");
    if (json_array_size(calls) + (one != NULL) != j->n_calls)
        fail_msg("%s: %zu calls in parts, %zu in the whole", what, j->n_calls, json_array_size(calls));
    for (size_t i = 0; i < j->n_calls; i++) {
        const json_t *call = json_array_get(calls, i), *f = one ? one : json_object_get(call, "function");
        assert_string_equal(json_string_value(json_object_get(f, "name")), j->names[i]);
        assert_string_equal(json_string_value(json_object_get(f, "arguments")), j->arguments[i].data);
        if (call)
            assert_string_equal(json_string_value(json_object_get(call, "id")), j->ids[i]);
    }
}

/* The parts that came are what the body says. */
static void expect_same(const ct_openai_reply *reply, size_t answer, const joined *j, const char *what)
{
    json_t *body, *c = choice_of(reply, answer, &body), *logprobs = json_object_get(c, "logprobs");
    const json_t *message = json_object_get(c, "message");
    const json_t *text = message ? json_object_get(message, "content") : json_object_get(c, "text");
    const char *finish = json_string_value(json_object_get(c, "finish_reason"));
    assert_int_equal(j->n_ends, 1);
    if (strcmp(json_is_null(text) ? "" : json_string_value(text), j->text.data) != 0)
        fail_msg("%s: '%s' in parts, '%s' in the whole", what, j->text.data, json_string_value(text));
    if (message)
        expect_calls(j, message, what);
    assert_string_equal(strcmp(finish, "function_call") == 0 ? "tool_calls" : finish, j->finish);
    if (message && !json_is_null(logprobs))
        logprobs = json_object_get(logprobs, "content");
    json_t *none =
        reply->request->endpoint == CT_OPENAI_CHAT
            ? json_array()
            : json_pack("{s:[], s:[], s:[], s:[]}", "tokens", "token_logprobs", "top_logprobs", "text_offset");
    if (!json_is_null(logprobs) && !json_equal(logprobs, j->logprobs ? j->logprobs : none))
        fail_msg("%s: other log-probabilities in parts than in the whole", what);
    assert_true(!json_is_null(logprobs) || !j->logprobs);
    json_decref(none);
    json_decref(body);
}

/* ---- made-up answers ---- */

/* Where characters of a text begin, and its end. */
static size_t borders_of(const char *text, size_t at[MOST])
{
    size_t n = 0, len = strlen(text);
    for (size_t i = 0; i < len; i++)
        if (((unsigned char)text[i] & 0xC0) != 0x80)
            at[n++] = i;
    at[n] = len;
    return n + 1;
}

static void give(ct_openai_reply *reply, joined *j, int32_t id, const char *text, size_t len, size_t at)
{
    char copy[MOST];
    memcpy(copy, text, len);
    copy[len] = '\0';
    const carat_token t = { .id = id, .text = copy, .len = len, .logprob = -1, .at = at };
    add(reply, &(carat_event){ .kind = CARAT_EVENT_TOKEN, .token = &t }, j);
    memset(copy, 'x', sizeof copy); /* what a part borrowed of it, it may not look at any more */
}

static void finish(ct_openai_reply *reply, joined *j, carat_finish finish, size_t stop)
{
    const carat_result r = { .struct_size = sizeof r,
                             .finish = finish,
                             .stop_id = stop || finish != CARAT_FINISH_STOP ? -1 : 106,
                             .stop = stop };
    add(reply, &(carat_event){ .kind = CARAT_EVENT_ANSWER, .result = &r }, j);
}

/* One cut into two tokens at `first`, or where that is 0 one token a character. */
static void tell(const asked *a, const char *text, size_t first, carat_finish how, joined *j)
{
    ct_openai_reply reply = { 0 };
    size_t at[MOST], n = borders_of(text, at), len = strlen(text);
    assert_true(ct_openai_reply_init(&reply, &a->r));
    join_init(j);
    if (first) {
        give(&reply, j, 20, text, first, 0);
        give(&reply, j, 21, text + first, len - first, first);
    } else {
        for (size_t i = 0; i + 1 < n; i++)
            give(&reply, j, (int32_t)(20 + i % 50), text + at[i], at[i + 1] - at[i], at[i]);
    }
    finish(&reply, j, how, 0);
    expect_same(&reply, 0, j, text);
    ct_openai_reply_deinit(&reply);
}

static void expect_equal(const joined *a, const joined *b, const char *text, size_t at)
{
    bool is_equal =
        strcmp(a->text.data, b->text.data) == 0 && a->n_calls == b->n_calls && !strcmp(a->finish, b->finish);
    for (size_t i = 0; is_equal && i < a->n_calls; i++)
        is_equal = strcmp(a->names[i], b->names[i]) == 0 && strcmp(a->arguments[i].data, b->arguments[i].data) == 0 &&
                   a->is_whole[i] == b->is_whole[i];
    if (!is_equal)
        fail_msg("%s, cut at %zu: '%s' and %zu calls, not '%s' and %zu", text, at, b->text.data, b->n_calls,
                 a->text.data, a->n_calls);
}

static const char *const texts[] = {
    "",
    "Hello, w\xc3\xb6rld \xf0\x9f\x98\x80.",
    "{\"name\": \"now\", \"parameters\": {}}",
    "{\"name\": \"warm\", \"parameters\": {\"by\": 3, \"why\": \"\xf0\x9f\x98\x80 \\\"\\u00e9\\\"\"}}",
    "{\"name\":\"warm\",\"arguments\":{\"by\":3}}",
    "[{\"name\": \"now\", \"parameters\": {}}, {\"name\": \"warm\", \"parameters\": {\"by\": 1}}]",
    "I will.\n\n```json\n{\"name\": \"warm\", \"parameters\": {\"by\": 3}}\n```",
    "Well:\n[{\"name\": \"now\", \"parameters\": {}}]",
    "```tool_code\nwarm(by=3)\n```\nThat is all.",
    "\xc3\xa9\n[warm(by=3), now()]",
    "[warm(by=3), now()] and more",
    "[warm(by=10), now()] and more",
    "[now(), warm(by='1')]",
    "warm(3)\n",
    "{\"name\": \"warm\", \"parameters\": {\"by\": 3",
    "{\"name\": \"then\", \"parameters\": {}}",
    "{\"name\": \"warm\", \"parameters\": {\"by\": 1, \"by\": 2}}",
    "{\"function\": {\"name\": \"warm\", \"arguments\": {\"by\": 2}}}",
    "{\"function\": {\"name\": \"warm\", \"arguments\": {\"by\": 2.5}}} or so",
    "{\"parameters\": {\"by\": 2}, \"name\": \"warm\"}",
    "{\"name\": \"warm\", \"parameters\": \"{\\\"by\\\": 2}\"}",
    "{\"name\": \"now\"",
    "{\"name\": \"now\", \"args\": {\"a\": [1, 2",
    "text {\"name\": \"now\", \"parameters\": {}} text",
    " \n {\"name\": \"now\", \"parameters\": {}} \n",
    "         {\"name\": \"now\", \"parameters\": {}}",
    "<start_function_call>call:warm{by:3}<end_function_call>",
    "```c\nint x;\n```\nnow()",
    "now() is a function\n",
    "a\n\n\n",
};
#define N_TEXTS (sizeof texts / sizeof *texts)

static const struct {
    ct_openai_endpoint endpoint;
    const char *base, *rest;
} bodies[] = {
    { ASKED_CHAT, "" },
    { ASKED_CHAT, ", \"logprobs\": true" },
    { ASKED_COMPL, ", \"logprobs\": 0" },
    { ASKED_CHAT, TOOLS },
    { ASKED_CHAT, ", \"logprobs\": true" TOOLS },
    { ASKED_CHAT, ", \"logprobs\": true, \"parallel_tool_calls\": false" TOOLS },
    { ASKED_CHAT, ", \"logprobs\": true, \"tool_choice\": \"required\"" TOOLS },
    { ASKED_CHAT, ", \"logprobs\": true, \"response_format\": {\"type\": \"json_object\"}" TOOLS },
    { ASKED_CHAT, ", \"functions\": [{\"name\": \"now\"}]" },
};
#define N_BODIES (sizeof bodies / sizeof *bodies)

/* Cut anywhere into two, or into characters: it is the same answer, and its parts are the whole. */
static void test_however_it_is_cut(void **state)
{
    (void)state;
    for (size_t b = 0; b < N_BODIES; b++) {
        asked a;
        asked_accept(&a, bodies[b].endpoint, bodies[b].base, bodies[b].rest);
        for (size_t i = 0; i < N_TEXTS; i++) {
            size_t at[MOST], n = borders_of(texts[i], at);
            joined one, other;
            tell(&a, texts[i], strlen(texts[i]), CARAT_FINISH_STOP, &one);
            for (size_t k = 0; k < n; k += unit_step(3)) {
                tell(&a, texts[i], at[k], CARAT_FINISH_STOP, &other); /* the first is 0: by characters */
                expect_equal(&one, &other, texts[i], at[k]);
                join_deinit(&other);
            }
            join_deinit(&one);
        }
        asked_done(&a);
    }
}

/* max_tokens comes anywhere. */
static void test_wherever_it_ends(void **state)
{
    (void)state;
    for (size_t b = 0; b < N_BODIES; b++) {
        asked a;
        asked_accept(&a, bodies[b].endpoint, bodies[b].base, bodies[b].rest);
        for (size_t i = 0; i < N_TEXTS; i++) {
            size_t at[MOST], n = borders_of(texts[i], at);
            for (size_t k = 0; k < n; k += unit_step(3)) {
                char cut[MOST];
                joined j;
                snprintf(cut, sizeof cut, "%.*s", (int)at[k], texts[i]);
                tell(&a, cut, 0, CARAT_FINISH_LENGTH, &j);
                assert_string_equal(j.finish, "length");
                join_deinit(&j);
            }
        }
        asked_done(&a);
    }
}

/* A stop string of every length ends it anywhere; what it may begin with was held back, and its tokens go with it. */
static void test_stops_and_what_is_held_back(void **state)
{
    (void)state;
    static const char text[] = "\xc3\xa9 star, a \xf0\x9f\x98\x80, [now()], {\"name\": \"no";
    static const ct_openai_endpoint endpoints[] = { CT_OPENAI_CHAT, CT_OPENAI_COMPLETIONS };
    size_t at[MOST], n = borders_of(text, at);
    for (size_t e = 0; e < 2; e++) {
        asked a;
        asked_accept(
            &a, endpoints[e], e ? "{\"prompt\": \"x\"" : "{\"messages\": [{\"role\": \"user\", \"content\": \"x\"}]",
            e ? ", \"logprobs\": 0, \"stop\": [\"?\", \"!\"]" : ", \"logprobs\": true, \"stop\": [\"?\", \"!\"]" TOOLS);
        for (size_t held = 0; held < 6; held++)
            for (size_t k = 0; k < n; k++) {
                ct_openai_reply reply = { 0 };
                joined j;
                size_t given = 0;
                assert_true(ct_openai_reply_init(&reply, &a.r));
                join_init(&j);
                for (size_t i = 0; i + 1 < n; i++) { /* text comes `held` tokens late, and never beyond the cut */
                    size_t to = i >= held ? at[i - held] : 0;
                    to = to < at[k] ? to : at[k];
                    give(&reply, &j, (int32_t)(20 + i % 50), text + given, to - given, at[i]);
                    given = to;
                }
                give(&reply, &j, -1, text + given, at[k] - given, at[k]);
                finish(&reply, &j, CARAT_FINISH_STOP, 2);
                expect_same(&reply, 0, &j, text);
                assert_string_equal(j.stop, "!");
                const json_t *entries = e ? json_object_get(j.logprobs, "tokens") : j.logprobs;
                assert_int_equal(json_array_size(entries), k); /* one a character, none of what was cut */
                join_deinit(&j);
                ct_openai_reply_deinit(&reply);
            }
        asked_done(&a);
    }
}

/* ---- what comes when ---- */

static void test_text_comes_at_once(void **state)
{
    (void)state;
    static const char text[] = "Some words, {no call} and <b>more</b>";
    asked a;
    asked_accept(&a, ASKED_CHAT, ", \"logprobs\": true" TOOLS);
    ct_openai_reply reply = { 0 };
    joined j;
    assert_true(ct_openai_reply_init(&reply, &a.r));
    join_init(&j);
    for (size_t i = 0; text[i]; i++) {
        give(&reply, &j, 20, text + i, 1, i);
        if (text[i] != ' ' && text[i] != '<')
            assert_int_equal(j.text.len, i + 1);
        assert_int_equal(json_array_size(j.logprobs), j.text.len);
    }
    join_deinit(&j);
    ct_openai_reply_deinit(&reply);
    asked_done(&a);
}

/* B54: arguments that the form sees to come byte by byte, with their tokens. */
static void test_b54_arguments_come_as_they_are_written(void **state)
{
    (void)state;
    static const char text[] = "I will.\n{\"name\": \"warm\", \"parameters\": {\"by\": 3, \"why\": \"cold\"}}";
    const size_t begin = (size_t)(strstr(text, "{\"by\"") - text);
    asked a;
    asked_accept(&a, ASKED_CHAT, ", \"logprobs\": true" TOOLS);
    ct_openai_reply reply = { 0 };
    joined j;
    assert_true(ct_openai_reply_init(&reply, &a.r));
    join_init(&j);
    for (size_t i = 0, n_arguments = 0; text[i]; i++) {
        give(&reply, &j, 20, text + i, 1, i);
        assert_int_equal(j.n_calls, i >= begin);
        n_arguments += i >= begin && text[i] != ' ' && i + 2 < sizeof text;
        assert_int_equal(j.arguments[0].len, n_arguments);
        if (i >= begin && text[i] != ' ' && i + 2 < sizeof text)
            assert_int_equal(json_array_size(j.logprobs), i + 1);
    }
    assert_string_equal(j.text.data, "I will.");
    assert_string_equal(j.arguments[0].data, "{\"by\":3,\"why\":\"cold\"}");
    finish(&reply, &j, CARAT_FINISH_STOP, 0);
    assert_string_equal(j.finish, "tool_calls");
    join_deinit(&j);
    ct_openai_reply_deinit(&reply);
    asked_done(&a);
}

/* Cut off, a call that the form saw to has the arguments that came; one in another shape is text. */
static void test_calls_that_are_cut_off(void **state)
{
    (void)state;
    static const struct {
        const char *text, *content, *arguments;
        size_t n_calls;
    } of[] = {
        { "{\"name\": \"warm\", \"parameters\": {\"by\": 3, \"wh", "", "{\"by\":3,\"wh", 1 },
        { "so\n[{\"name\": \"now\", \"parameters\": {}}, {\"name\": \"warm\", \"parameters\": {\"by\"", "so", "{}", 2 },
        { "{\"id\": 1, \"name\": \"warm\", \"args\": {\"by\": 3, \"wh",
          "{\"id\": 1, \"name\": \"warm\", \"args\": {\"by\": 3, \"wh", "", 0 },
        { "{\"name\": \"warm\", \"pa", "{\"name\": \"warm\", \"pa", "", 0 },
        { "[warm(by=3), warm(", ", warm(", "{\"by\":3}", 1 },
    };
    asked a;
    asked_accept(&a, ASKED_CHAT, TOOLS);
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        joined j;
        tell(&a, of[i].text, 0, CARAT_FINISH_LENGTH, &j);
        assert_string_equal(j.text.data, of[i].content);
        assert_int_equal(j.n_calls, of[i].n_calls);
        assert_string_equal(j.arguments[0].data, of[i].arguments);
        assert_string_equal(j.finish, "length");
        join_deinit(&j);
    }
    asked_done(&a);
}

/* ---- real answers ---- */

static void expect_real(asked *a, const char *what)
{
    carat_err err;
    carat_request *request;
    ct_openai_reply reply = { 0 };
    joined j[CT_OPENAI_MAX_ANSWERS];
    const carat_event *e;
    for (size_t i = 0; i < a->r.submit.n_answers; i++)
        join_init(&j[i]);
    assert_true(ct_openai_reply_init(&reply, &a->r));
    if (!carat_request_submit(asked_engine, &a->r.submit, &request, &err))
        fail_msg("%s: %s", what, err.msg);
    while ((e = carat_request_next(request, -1))->kind != CARAT_EVENT_END)
        add(&reply, e, j);
    for (size_t i = 0; i < a->r.submit.n_answers; i++) {
        assert_false(j[i].has_failed);
        expect_same(&reply, i, &j[i], what);
        join_deinit(&j[i]);
    }
    carat_request_free(request);
    ct_openai_reply_deinit(&reply);
}

static void test_answers_of_a_model(void **state)
{
    (void)state;
    static const struct {
        ct_openai_endpoint endpoint;
        const char *base, *rest;
    } of[] = {
        { ASKED_CHAT, ", \"logprobs\": true, \"top_logprobs\": 3, \"n\": 3" },
        { ASKED_CHAT, ", \"logprobs\": true, \"stop\": [\"e\", \"a \", \"th\"], \"n\": 3" },
        { ASKED_COMPL, ", \"logprobs\": 2, \"n\": 3" },
        { ASKED_COMPL, ", \"logprobs\": 0, \"ignore_eos\": true, \"stop\": [\"s\", \"no\"], \"n\": 2" },
        { ASKED_CHAT, ", \"logprobs\": true, \"n\": 3" TOOLS },
        { ASKED_CHAT, ", \"logprobs\": true, \"tool_choice\": \"required\", \"n\": 4" TOOLS },
        { ASKED_CHAT, ", \"logprobs\": true, \"tool_choice\": \"required\", \"stop\": \"e\"" TOOLS },
        { ASKED_CHAT, ", \"logprobs\": true, \"response_format\": {\"type\": \"json_object\"}, \"n\": 3" TOOLS },
        { ASKED_CHAT, ", \"function_call\": {\"name\": \"now\"}, \"functions\": [{\"name\": \"now\"}]" },
    };
    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        for (int seed = 0; seed < 4; seed++) {
            char rest[4096];
            asked a;
            snprintf(rest, sizeof rest, "%s, \"seed\": %d, \"temperature\": %d, \"max_tokens\": %d", of[i].rest,
                     seed * 100, seed, 5 + 15 * seed);
            asked_accept(&a, of[i].endpoint, of[i].base, rest);
            expect_real(&a, rest);
            asked_done(&a);
        }
}

static void test_failures_are_parts(void **state)
{
    (void)state;
    const carat_err why = { .code = CARAT_ETIME, .msg = "late" };
    asked a;
    size_t n;
    ct_openai_reply reply = { 0 };
    asked_accept(&a, ASKED_CHAT, ", \"n\": 2, \"logprobs\": true");
    assert_true(ct_openai_reply_init(&reply, &a.r));
    ct_openai_reply_add(&reply, carat_engine_tokenizer(asked_engine),
                        &(carat_event){ .kind = CARAT_EVENT_FAILED, .answer = 1, .err = &why });
    const ct_openai_part *p = ct_openai_reply_parts(&reply, &n);
    assert_true(n == 1 && p->kind == CT_PART_FAILED && p->answer == 1 && p->fault->status == 500);
    assert_string_equal(p->fault->err.msg, "late");
    const carat_token none = { .id = 1 << 30, .text = "x", .len = 1 }; /* an entry that cannot be made */
    ct_openai_reply_add(&reply, carat_engine_tokenizer(asked_engine),
                        &(carat_event){ .kind = CARAT_EVENT_TOKEN, .token = &none });
    p = ct_openai_reply_parts(&reply, &n);
    assert_true(n == 1 && p->kind == CT_PART_FAILED && p->answer == 0);
    ct_openai_reply_add(&reply, carat_engine_tokenizer(asked_engine), &(carat_event){ .kind = CARAT_EVENT_END });
    ct_openai_reply_parts(&reply, &n);
    assert_int_equal(n, 0);
    ct_openai_reply_deinit(&reply);
    asked_done(&a);
}

int main(void)
{
    asked_n_ctx = 1024; /* for the declarations of functions */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_however_it_is_cut),
        cmocka_unit_test(test_wherever_it_ends),
        cmocka_unit_test(test_stops_and_what_is_held_back),
        cmocka_unit_test(test_text_comes_at_once),
        cmocka_unit_test(test_b54_arguments_come_as_they_are_written),
        cmocka_unit_test(test_calls_that_are_cut_off),
        cmocka_unit_test(test_answers_of_a_model),
        cmocka_unit_test(test_failures_are_parts),
    };
    return cmocka_run_group_tests(tests, asked_open, asked_close);
}
