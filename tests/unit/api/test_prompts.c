/* Prompts that are too long, and prompts that begin as others did.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "carat.h"
#include "unit.h"

#define SIGHT TEST_DATA "/models/tiny-sight"

static carat_engine *engine;

static void must(bool ok, const carat_err *e)
{
    if (!ok)
        fail_msg("%s", e->msg);
}

static int setup(void **state)
{
    (void)state;
    carat_err e;
    const carat_options o = { .struct_size = sizeof o, .n_threads = 2, .chunk = 64, .n_ctx = 2048, .n_sessions = 2 };
    return carat_engine_open(SIGHT, &o, &engine, &e) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    carat_engine_close(engine);
    return 0;
}

static size_t length(const carat_prompt *p)
{
    size_t n;
    carat_prompt_tokens(p, &n);
    return n;
}

static char *text_of(const carat_prompt *p)
{
    carat_err e;
    size_t n, len;
    char *text;
    const int32_t *ids = carat_prompt_tokens(p, &n);
    must(carat_tokenizer_decode(carat_engine_tokenizer(engine), ids, n, true, &text, &len, &e), &e);
    return text;
}

static carat_tools *weather(void)
{
    carat_err e;
    carat_tools *t;
    const carat_tool tool[] = { { .struct_size = sizeof tool[0], .name = "weather", .parameters = "{ }" },
                                { .struct_size = sizeof tool[0], .name = "see", .description = "Looks." } };
    const carat_tools_options o = { .struct_size = sizeof o, .tools = tool, .n_tools = 2 };
    must(carat_tools_open(&o, &t, &e), &e);
    return t;
}

static const carat_message talk[] = {
    { .struct_size = sizeof(carat_message), .role = "system", .text = "SYSTEM" },
    { .struct_size = sizeof(carat_message), .role = "user", .text = "first question" },
    { .struct_size = sizeof(carat_message), .role = "assistant", .text = "first answer" },
    { .struct_size = sizeof(carat_message), .role = "user", .text = "second question" },
    { .struct_size = sizeof(carat_message), .role = "tool", .text = "a result" },
    { .struct_size = sizeof(carat_message), .role = "assistant", .text = "second answer" },
    { .struct_size = sizeof(carat_message), .role = "user", .text = "third question" },
};
#define N_TALK (sizeof talk / sizeof *talk)

/* B02, B47: whole turns, the oldest first, system text and last turn kept; what went is told; else both counts. */
static void turns_are_left_out_whole(void **state)
{
    (void)state;
    carat_err e;
    carat_prompt *all, *p;
    must(carat_prompt_chat(engine, talk, N_TALK, NULL, &all, &e), &e);
    assert_int_equal(carat_prompt_n_dropped(all), 0);
    carat_prompt_options o = { .struct_size = sizeof o, .fit = length(all) };
    must(carat_prompt_chat(engine, talk, N_TALK, &o, &p, &e), &e);
    assert_int_equal(carat_prompt_n_dropped(p), 0);
    carat_prompt_free(p);
    o.fit = length(all) - 1;
    must(carat_prompt_chat(engine, talk, N_TALK, &o, &p, &e), &e);
    assert_int_equal(carat_prompt_n_dropped(p), 2);
    char *text = text_of(p);
    assert_non_null(strstr(text, "<start_of_turn>user\nSYSTEM\n\nsecond question"));
    assert_null(strstr(text, "first"));
    carat_free(text);
    o.fit = length(p) - 1;
    carat_prompt_free(p);
    must(carat_prompt_chat(engine, talk, N_TALK, &o, &p, &e), &e);
    assert_int_equal(carat_prompt_n_dropped(p), 5);
    text = text_of(p);
    assert_string_equal(text,
                        "<bos><start_of_turn>user\nSYSTEM\n\nthird question<end_of_turn>\n<start_of_turn>model\n");
    carat_free(text);
    o.fit = length(p) - 1;
    carat_prompt_free(p);
    assert_false(carat_prompt_chat(engine, talk, N_TALK, &o, &p, &e));
    assert_int_equal(e.code, CARAT_ECONTEXT);
    carat_prompt_free(all);
}

/* ---- turns are left out as if each were tried ---- */

static bool is_system(const carat_message *m)
{
    return strcmp(m->role, "system") == 0 || strcmp(m->role, "developer") == 0;
}

static bool is_answer(const carat_message *m)
{
    return strcmp(m->role, "assistant") == 0 || strcmp(m->role, "model") == 0;
}

static bool is_result(const carat_message *m)
{
    return strcmp(m->role, "tool") == 0;
}

/* The definition: the oldest turn goes, from its first message that is no system text up to where the user, and no tool,
 * speaks again after an answer. Returns how many messages went; 0 if only the last turn is left. */
static size_t drop_turn(carat_message *m, size_t *n)
{
    size_t first = 0, end, kept = 0;
    while (first < *n && is_system(&m[first]))
        first++;
    bool answered = false;
    for (end = first; end < *n; end++) {
        if (answered && !is_answer(&m[end]) && !is_system(&m[end]) && !is_result(&m[end]))
            break;
        answered = answered || is_answer(&m[end]);
    }
    if (end == *n)
        return 0;
    size_t had = *n;
    for (size_t i = 0; i < had; i++)
        if (i < first || i >= end || is_system(&m[i]))
            m[kept++] = m[i];
    *n = kept;
    return had - kept;
}

/* What fitting must give: turns dropped one by one, all rendered anew each time. NULL: not even the last turn fits. */
static carat_prompt *fit_slowly(const carat_message *messages, size_t n, carat_prompt_options o, size_t *dropped)
{
    carat_message left[32];
    carat_prompt *p;
    carat_err e;
    const size_t fit = o.fit;
    o.fit = 0;
    memcpy(left, messages, n * sizeof *left);
    for (*dropped = 0;;) {
        must(carat_prompt_chat(engine, left, n, &o, &p, &e), &e);
        if (length(p) <= fit)
            return p;
        carat_prompt_free(p);
        size_t gone = drop_turn(left, &n);
        *dropped += gone;
        if (!gone)
            return NULL;
    }
}

static unsigned dice(uint64_t *state, unsigned n)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(*state >> 33) % n;
}

static void check_fit(const carat_message *m, size_t n, carat_prompt_options o, size_t fit, size_t *n_left_out)
{
    size_t dropped;
    carat_err e;
    o.fit = fit;
    carat_prompt *fast = NULL, *slow = fit_slowly(m, n, o, &dropped);
    bool ok = carat_prompt_chat(engine, m, n, &o, &fast, &e);
    assert_int_equal(ok, slow != NULL);
    if (!ok) {
        assert_int_equal(e.code, CARAT_ECONTEXT);
        return;
    }
    assert_int_equal(carat_prompt_n_dropped(fast), dropped);
    size_t n_fast, n_slow;
    const int32_t *a = carat_prompt_tokens(fast, &n_fast), *b = carat_prompt_tokens(slow, &n_slow);
    assert_int_equal(n_fast, n_slow);
    assert_memory_equal(a, b, n_fast * sizeof *a);
    assert_int_equal(carat_prompt_n_views(fast), carat_prompt_n_views(slow));
    /* A result that comes late knows its call, which has gone. */
    assert_int_equal(carat_prompt_repairs(fast) | CARAT_REPAIR_UNKNOWN_CALL,
                     carat_prompt_repairs(slow) | CARAT_REPAIR_UNKNOWN_CALL);
    *n_left_out += dropped;
    carat_prompt_free(fast), carat_prompt_free(slow);
}

static const carat_call call = { .struct_size = sizeof call, .id = "1", .name = "see", .arguments = "{\"a\":1}" };

/* Conversations of all roles in any order, empty messages, pictures and calls among them, and every length they may be cut
 * to. */
static void fitting_is_dropping_turn_by_turn(void **state)
{
    (void)state;
    static const char *const roles[] = { "user",   "user",      "assistant", "assistant", "model",
                                         "system", "developer", "tool",      "critic" };
    static const char *const texts[] = {
        "a", "the star is red", "", " what? ", "one more\nline, and another", "x y z"
    };
    carat_err e;
    carat_picture *star;
    carat_tools *t = weather();
    size_t n_left_out = 0, n;
    must(carat_picture_load(SIGHT "/test/000-0.png", &star, &e), &e);
    const carat_content seen[] = { { .struct_size = sizeof seen[0], .text = "look" },
                                   { .struct_size = sizeof seen[0], .picture = star },
                                   { .struct_size = sizeof seen[0], .text = "at it" } };
    for (uint64_t seed = 1; seed <= 60; seed++) {
        carat_message m[12];
        uint64_t s = seed;
        n = 1 + dice(&s, 12);
        for (size_t i = 0; i < n; i++) {
            m[i] =
                (carat_message){ .struct_size = sizeof m[i], .role = roles[dice(&s, 9)], .text = texts[dice(&s, 6)] };
            if (dice(&s, 8) == 0)
                m[i].text = NULL, m[i].content = seen, m[i].n_content = 3;
            if (seed % 3 == 0 && is_answer(&m[i]) && dice(&s, 2))
                m[i].calls = &call, m[i].n_calls = 1;
            if (seed % 3 == 0 && is_result(&m[i]))
                m[i].call_id = "1", m[i].name = "see";
        }
        carat_prompt *all;
        const carat_prompt_options o = { .struct_size = sizeof o,
                                         .omits_answer = seed % 2 == 0,
                                         .continues_answer = seed % 2 && is_answer(&m[n - 1]),
                                         .tools = seed % 3 == 0 ? t : NULL };
        must(carat_prompt_chat(engine, m, n, &o, &all, &e), &e);
        for (size_t fit = 1; fit <= length(all) + 1; fit += 1 + fit / 12)
            check_fit(m, n, o, fit, &n_left_out);
        carat_prompt_free(all);
    }
    carat_picture_free(star);
    carat_tools_close(t);
    assert_true(n_left_out > 200);
}

/* ---- what a prompt says of itself ---- */

static void a_prompt_says_what_was_made_of_it(void **state)
{
    (void)state;
    carat_err e;
    carat_prompt *p;
    size_t len, n;
    const carat_message m[] = { { .struct_size = sizeof m[0], .role = "assistant", .text = "<bos>" },
                                { .struct_size = sizeof m[0], .role = "tool", .text = "a\0b", .text_len = 3 },
                                { .struct_size = sizeof m[0], .role = "critic", .text = "c" } };
    must(carat_prompt_chat(engine, m, 3, NULL, &p, &e), &e);
    const char want[] = "<bos><start_of_turn>user\n<end_of_turn>\n<start_of_turn>model\n<bos><end_of_turn>\n"
                        "<start_of_turn>user\n```tool_output\na\0b\n```\n\nc<end_of_turn>\n<start_of_turn>model\n";
    const char *text = carat_prompt_rendered(p, &len);
    assert_int_equal(len, sizeof want - 1);
    assert_memory_equal(text, want, sizeof want); /* and a NUL behind it */
    assert_int_equal(carat_prompt_repairs(p), CARAT_REPAIR_ADDED_USER | CARAT_REPAIR_TOOL_AS_USER |
                                                  CARAT_REPAIR_UNKNOWN_ROLE | CARAT_REPAIR_JOINED);
    carat_prompt_free(p);
    must(carat_prompt_chat(engine, talk + 3, 1, NULL, &p, &e), &e);
    assert_int_equal(carat_prompt_repairs(p), 0);
    carat_prompt_free(p);
    /* Of bare text and of ids, too; a view is one word. */
    carat_picture *star;
    must(carat_picture_load(SIGHT "/test/000-0.png", &star, &e), &e);
    const carat_content c[] = { { .struct_size = sizeof c[0], .text = "a" },
                                { .struct_size = sizeof c[0], .picture = star } };
    must(carat_prompt_text(engine, c, 2, NULL, &p, &e), &e);
    assert_string_equal(carat_prompt_rendered(p, &len), "<bos>a<start_of_image>");
    assert_int_equal(len, 22);
    const int32_t *ids = carat_prompt_tokens(p, &n);
    carat_prompt *of_ids;
    const carat_picture *pictures[] = { star };
    must(carat_prompt_ids(engine, ids, n, pictures, 1, NULL, &of_ids, &e), &e);
    assert_string_equal(carat_prompt_rendered(of_ids, &len), "<bos>a\n\n<start_of_image><end_of_image>\n\n");
    carat_prompt_free(of_ids), carat_prompt_free(p);
    carat_picture_free(star);
    assert_string_equal(carat_repair_text(CARAT_REPAIR_JOINED), "joined neighbouring messages of one role");
    assert_string_equal(carat_repair_text((carat_repair)(1 << 20)), "");
}

/* ---- functions ---- */

static void expect_prompt(const carat_message *m, size_t n, const carat_prompt_options *o, const char *want,
                          unsigned repairs)
{
    carat_err e;
    carat_prompt *p;
    size_t len;
    must(carat_prompt_chat(engine, m, n, o, &p, &e), &e);
    assert_string_equal(carat_prompt_rendered(p, &len), want);
    assert_int_equal(carat_prompt_repairs(p), repairs);
    carat_prompt_free(p);
}

static void expect_no_prompt(const carat_message *m, size_t n, const carat_prompt_options *o, const char *words)
{
    carat_err e = { 0 };
    carat_prompt *p;
    assert_false(carat_prompt_chat(engine, m, n, o, &p, &e));
    assert_null(p);
    assert_int_equal(e.code, CARAT_EARG);
    if (!strstr(e.msg, words))
        fail_msg("%s", e.msg);
}

static void b13_functions_calls_and_results(void **state)
{
    (void)state;
    carat_err e;
    carat_tools *t = weather();
    carat_picture *star;
    const carat_prompt_options with = { .struct_size = sizeof with, .tools = t };
    must(carat_picture_load(SIGHT "/test/000-0.png", &star, &e), &e);
    assert_int_equal(carat_tools_n(t), 2);
    assert_string_equal(carat_tools_name(t, 1), "see");
    assert_null(carat_tools_name(t, 2));
    const carat_content seen[] = { { .struct_size = sizeof seen[0], .text = "a " },
                                   { .struct_size = sizeof seen[0], .picture = star },
                                   { .struct_size = sizeof seen[0], .text = "star" } };
    const carat_call calls[] = {
        { .struct_size = sizeof calls[0],
          .id = "1",
          .name = "weather",
          .arguments = "{\"a\":1}xyz",
          .arguments_len = 7 },
        { .struct_size = sizeof calls[0], .name = "see" },
    };
    const carat_message m[] = {
        { .struct_size = sizeof m[0], .role = "user", .text = "q" },
        { .struct_size = sizeof m[0], .role = "assistant", .text = "well", .calls = calls, .n_calls = 2 },
        { .struct_size = sizeof m[0], .role = "tool", .name = "see", .content = seen, .n_content = 3 },
        { .struct_size = sizeof m[0], .role = "tool", .call_id = "1", .text = "21" },
        { .struct_size = sizeof m[0], .role = "assistant", .text = "it is " },
    };
#define DECLARED                                                                                                       \
    "<bos><start_of_turn>user\nYou can call functions. To call one, answer with JSON only: {\"name\": name, "          \
    "\"parameters\": {arguments}}. To call several, answer with a list of such objects. If no function helps, answer " \
    "in plain text.\n\nFunctions:\n[{\"name\":\"weather\",\"parameters\":{}},{\"name\":\"see\",\"description\":"       \
    "\"Looks.\",\"parameters\":{\"type\":\"object\",\"properties\":{}}}]\n\n"
#define SAID                                                                                                           \
    "q<end_of_turn>\n<start_of_turn>model\nwell\n\n[{\"name\": \"weather\", \"parameters\": {\"a\": 1}}, "             \
    "{\"name\": \"see\", \"parameters\": {}}]<end_of_turn>\n<start_of_turn>user\nResults:\n[{\"name\":\"weather\","    \
    "\"result\":21},{\"name\":\"see\",\"result\":\"a star\"}]<start_of_image><end_of_turn>\n<start_of_turn>model\n"
    expect_prompt(m, 4, &with, DECLARED SAID, CARAT_REPAIR_SORTED_RESULTS);
    expect_prompt(m, 4, NULL, "<bos><start_of_turn>user\n" SAID, CARAT_REPAIR_SORTED_RESULTS);
    const carat_prompt_options goes_on = { .struct_size = sizeof goes_on, .continues_answer = true };
    expect_prompt(m, 5, &goes_on, "<bos><start_of_turn>user\n" SAID "it is ", CARAT_REPAIR_SORTED_RESULTS);
    expect_no_prompt(m, 4, &goes_on, "the last message is not the model's");
    const carat_prompt_options both = { .struct_size = sizeof both, .continues_answer = true, .omits_answer = true };
    expect_no_prompt(m, 5, &both, "both continued and omitted");
    carat_picture_free(star);
    carat_tools_close(t);
}

static void what_belongs_to_no_call_is_refused(void **state)
{
    (void)state;
    carat_err e;
    carat_tools *t;
    const carat_call nameless = { .struct_size = sizeof nameless, .id = "1" };
    carat_message m = { .struct_size = sizeof m, .role = "user", .text = "q", .call_id = "1" };
    expect_no_prompt(&m, 1, NULL, "message 0, of role 'user', has a call_id");
    m.call_id = NULL, m.name = "f";
    expect_no_prompt(&m, 1, NULL, "has a name");
    m.name = NULL, m.calls = &nameless, m.n_calls = 1;
    expect_no_prompt(&m, 1, NULL, "has calls, as only an assistant's may");
    m.role = "assistant";
    expect_no_prompt(&m, 1, NULL, "without the name of its function");
    m.calls = NULL;
    expect_no_prompt(&m, 1, NULL, "no list of them");
    carat_tools_options o = { .struct_size = sizeof o, .n_tools = 1 };
    assert_false(carat_tools_open(&o, &t, &e));
    assert_int_equal(e.code, CARAT_EARG);
    o.n_tools = 0;
    must(carat_tools_open(&o, &t, &e), &e); /* B53: none are as if there were no list */
    m = (carat_message){ .struct_size = sizeof m, .role = "user", .text = "q" };
    const carat_prompt_options none = { .struct_size = sizeof none, .tools = t };
    expect_prompt(&m, 1, &none, "<bos><start_of_turn>user\nq<end_of_turn>\n<start_of_turn>model\n", 0);
    carat_tools_close(t);
    carat_tools_close(NULL);
}

/* What the room's test shows of text, here of a prompt: functions survive the turn that they stood in. */
static void functions_are_never_left_out(void **state)
{
    (void)state;
    carat_err e;
    carat_tools *t = weather();
    carat_prompt *all, *some;
    size_t len;
    carat_prompt_options o = { .struct_size = sizeof o, .tools = t };
    must(carat_prompt_chat(engine, talk, 7, &o, &all, &e), &e);
    o.fit = length(all) - 1;
    must(carat_prompt_chat(engine, talk, 7, &o, &some, &e), &e);
    assert_true(length(some) <= o.fit);
    assert_int_equal(carat_prompt_n_dropped(some), 2);
    assert_non_null(strstr(carat_prompt_rendered(some, &len), "user\nSYSTEM\n\nYou can call functions."));
    assert_non_null(
        strstr(carat_prompt_rendered(some, &len), "\n\nsecond question\n\nResults:\n[{\"result\":\"a result\"}]"));
    carat_prompt_free(all), carat_prompt_free(some);
    carat_tools_close(t);
}

static size_t cached_of(carat_session *s, const char *system, const char *user, float *logits)
{
    carat_err e;
    carat_prompt *p;
    size_t cached;
    const carat_message m[] = { { .struct_size = sizeof(carat_message), .role = "system", .text = system },
                                { .struct_size = sizeof(carat_message), .role = "user", .text = user } };
    must(carat_prompt_chat(engine, m, 2, NULL, &p, &e), &e);
    must(carat_session_prompt(s, p, &cached, &e), &e);
    memcpy(logits, carat_session_logits(s), carat_engine_info(engine)->n_vocab * sizeof *logits);
    carat_prompt_free(p);
    return cached;
}

/* B10: another user under the same system text, long after the window of the first has moved on. */
static void system_texts_are_kept(void **state)
{
    (void)state;
    carat_err e;
    carat_session *a, *b;
    static char system[700], user[2000];
    float warm[1024], cold[1024];
    for (size_t i = 0; i + 8 < sizeof system; i += 7)
        memcpy(system + i, "a rule ", 8);
    for (size_t i = 0; i + 8 < sizeof user; i += 7)
        memcpy(user + i, "a star ", 8);
    must(carat_session_open(engine, 0, &a, &e), &e);
    must(carat_session_open(engine, 0, &b, &e), &e);
    cached_of(a, system, user, warm);
    size_t n_first = carat_session_n_tokens(a), cached = cached_of(b, system, "What is it?", warm);
    assert_true(n_first > 500);
    assert_true(cached > 150);
    assert_true(cached < carat_session_n_tokens(b));
    /* A conversation that shares no more than <bos> and a turn's beginning finds it, too. */
    cached_of(a, "Quite another system text.", user, warm);
    assert_true(cached_of(a, system, "What is it?", warm) > 150);
    carat_session_close(a), carat_session_close(b);
    carat_engine *other;
    const carat_options o = { .struct_size = sizeof o, .n_threads = 1, .n_ctx = 2048, .omits_prefix_cache = true };
    must(carat_engine_open(SIGHT, &o, &other, &e), &e);
    must(carat_session_open(other, 0, &a, &e), &e);
    assert_int_equal(cached_of(a, system, "What is it?", cold), 0);
    assert_memory_equal(warm, cold, carat_engine_info(engine)->n_vocab * sizeof *warm);
    carat_session_close(a);
    carat_engine_close(other);
}

/* Texts with lengths: what lies behind is not read, a NUL inside is a character like any other. */
static void lengths_rule_over_nul(void **state)
{
    (void)state;
    carat_err e;
    const char text[] = "a\0bXXX"; /* the message is its first three bytes */
    int32_t *want;
    size_t n_want, n;
    const carat_tokenizer *t = carat_engine_tokenizer(engine);
    must(carat_tokenizer_encode(t, text, 3, 0, &want, &n_want, &e), &e);
    const carat_content piece = { .struct_size = sizeof piece, .text = text, .text_len = 3 };
    const carat_message m[] = {
        { .struct_size = sizeof m[0], .role = "user", .text = text, .text_len = 3 },
        { .struct_size = sizeof m[0], .role = "user", .content = &piece, .n_content = 1 },
        { .struct_size = sizeof m[0], .role = "user", .text = "a" },
    };
    carat_prompt *p[4];
    for (size_t i = 0; i < 3; i++)
        must(carat_prompt_chat(engine, &m[i], 1, NULL, &p[i], &e), &e);
    const carat_prompt_options bare = { .struct_size = sizeof bare, .omits_bos = true };
    must(carat_prompt_text(engine, &piece, 1, &bare, &p[3], &e), &e);
    const int32_t *ids = carat_prompt_tokens(p[3], &n);
    assert_int_equal(n, n_want);
    assert_memory_equal(ids, want, n * sizeof *ids);
    char *said = text_of(p[0]);
    assert_memory_equal(said, "<bos><start_of_turn>user\na\0b<end_of_turn>\n", 42);
    carat_free(said);
    assert_int_equal(length(p[0]), length(p[1]));
    assert_memory_equal(carat_prompt_tokens(p[0], &n), carat_prompt_tokens(p[1], &n), n * sizeof *ids);
    assert_int_equal(length(p[2]), length(p[0]) - n_want + 1); /* without a length it ends before the NUL */
    for (size_t i = 0; i < 4; i++)
        carat_prompt_free(p[i]);
    carat_free(want);
}

/* A leading <bos> counts as one only as far as the text goes. */
static void a_literal_bos_is_not_doubled(void **state)
{
    (void)state;
    carat_err e;
    const carat_prompt_options o = { .struct_size = sizeof o, .has_control = true };
    const carat_content whole = { .struct_size = sizeof whole, .text = "<bos>a" },
                        cut = { .struct_size = sizeof cut, .text = "<bos>a", .text_len = 4 };
    carat_prompt *p;
    must(carat_prompt_text(engine, &whole, 1, &o, &p, &e), &e);
    char *text = text_of(p);
    assert_string_equal(text, "<bos>a");
    carat_free(text), carat_prompt_free(p);
    must(carat_prompt_text(engine, &cut, 1, &o, &p, &e), &e);
    text = text_of(p);
    assert_string_equal(text, "<bos><bos");
    carat_free(text), carat_prompt_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns_are_left_out_whole),
        cmocka_unit_test(fitting_is_dropping_turn_by_turn),
        cmocka_unit_test(a_prompt_says_what_was_made_of_it),
        cmocka_unit_test(b13_functions_calls_and_results),
        cmocka_unit_test(what_belongs_to_no_call_is_refused),
        cmocka_unit_test(functions_are_never_left_out),
        cmocka_unit_test(system_texts_are_kept),
        cmocka_unit_test(lengths_rule_over_nul),
        cmocka_unit_test(a_literal_bos_is_not_doubled),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
