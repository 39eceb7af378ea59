/* Calls in answers: a table of what models write (call_reader.jsonl), however it is cut; what comes when; what is hostile.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/map.h"
#include "base/rng.h"
#include "chat/reader/reader.h"

#define TABLE TEST_ROOT "/tests/unit/chat/call_reader.jsonl"

static const char *const functions[][2] = {
    { "put", "{\"type\":\"object\",\"properties\":{\"a\":{},\"b\":{}}}" },
    { "get_time",
      "{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"},\"zone\":{\"type\":\"string\"}}}" },
    { "weather.now", "{\"type\":\"object\",\"properties\":{\"place\":{},\"days\":{}}}" },
    { "ping", NULL },
    { "send-mail", "{\"type\":\"object\",\"properties\":{\"to\":{},\"text\":{}}}" },
};
enum { N_FUNCTIONS = sizeof functions / sizeof *functions };

static carat_tools *tools;

static int open_tools(void **state)
{
    (void)state;
    carat_tool v[N_FUNCTIONS] = { 0 };
    carat_err err;
    for (size_t i = 0; i < N_FUNCTIONS; i++)
        v[i] = (carat_tool){ .struct_size = sizeof v[i], .name = functions[i][0], .parameters = functions[i][1] };
    return ct_tools_open(v, N_FUNCTIONS, CARAT_TOOLS_JSON, &tools, &err) ? 0 : -1;
}

static int close_tools(void **state)
{
    (void)state;
    ct_tools_close(tools);
    return 0;
}

/* ---- pieces as one line, joined ---- */

typedef struct reading {
    carat_call_reader *r;
    ct_buf line;
    ct_buf text; /* what is no call */
    size_t n_calls, n_broken, n_open;
    int last; /* kind of the last piece; -1: none */
} reading;

static void begin(reading *g)
{
    carat_err err;
    memset(g, 0, sizeof *g);
    ct_buf_init(&g->line, SIZE_MAX / 2);
    ct_buf_init(&g->text, SIZE_MAX / 2);
    g->last = -1;
    assert_true(ct_call_reader_open(tools, &g->r, &err));
}

static void add(reading *g, const carat_piece *p)
{
    static const char *const words[] = { "text", "call", "arguments", "end", "broken" };
    const bool joins = (int)p->kind == g->last && (p->kind == CARAT_PIECE_TEXT || p->kind == CARAT_PIECE_ARGUMENTS);
    const bool in_call =
        p->kind == CARAT_PIECE_ARGUMENTS || p->kind == CARAT_PIECE_CALL_END || p->kind == CARAT_PIECE_CALL_BROKEN;
    assert_true(in_call == (g->n_open == 1));
    assert_true(p->call == (p->kind == CARAT_PIECE_TEXT ? 0 : g->n_calls + g->n_broken));
    assert_true(p->len || p->kind == CARAT_PIECE_CALL_END);
    if (!joins)
        ct_buf_fmt(&g->line, "|%s:", words[p->kind]);
    ct_buf_add(&g->line, p->text, p->len);
    if (p->kind == CARAT_PIECE_TEXT || p->kind == CARAT_PIECE_CALL_BROKEN)
        ct_buf_add(&g->text, p->text, p->len);
    g->n_open = p->kind == CARAT_PIECE_CALL || p->kind == CARAT_PIECE_ARGUMENTS;
    g->n_calls += p->kind == CARAT_PIECE_CALL_END;
    g->n_broken += p->kind == CARAT_PIECE_CALL_BROKEN;
    g->last = (int)p->kind;
}

static size_t push(reading *g, const char *text, size_t len)
{
    const carat_piece *pieces;
    size_t n;
    carat_err err;
    assert_true(ct_call_reader_push(g->r, text, len, &pieces, &n, &err));
    for (size_t i = 0; i < n; i++)
        add(g, &pieces[i]);
    return n;
}

static void finish(reading *g)
{
    const carat_piece *pieces;
    size_t n;
    carat_err err;
    assert_true(ct_call_reader_finish(g->r, &pieces, &n, &err));
    for (size_t i = 0; i < n; i++)
        add(g, &pieces[i]);
    assert_int_equal(g->n_open, 0);
    assert_false(ct_call_reader_finish(g->r, &pieces, &n, &err));
    assert_int_equal(err.code, CARAT_EARG);
}

static void end(reading *g)
{
    ct_call_reader_close(g->r);
    ct_buf_deinit(&g->line);
    ct_buf_deinit(&g->text);
}

static const char *line_of(const reading *g)
{
    return g->line.data ? g->line.data : "";
}

/* In pieces of `step` bytes, the first of `first`; the caller frees the line. */
static char *read_cut(const char *text, size_t len, size_t first, size_t step)
{
    reading g;
    begin(&g);
    for (size_t at = 0, n = first < len ? first : len; at < len || n == 0;
         at += n, n = step < len - at ? step : len - at) {
        push(&g, text + at, n);
        if (at + n == len)
            break;
    }
    finish(&g);
    char *line = strdup(line_of(&g));
    end(&g);
    return line;
}

/* ---- the table ---- */

static void add_expected(ct_buf *line, const json_t *out)
{
    const char *kind = json_string_value(json_array_get(out, 0));
    const char *first = json_string_value(json_array_get(out, 1));
    if (strcmp(kind, "text") == 0)
        ct_buf_fmt(line, "|text:%s", first);
    else if (strcmp(kind, "call") == 0)
        ct_buf_fmt(line, "|call:%s|arguments:%s|end:", first, json_string_value(json_array_get(out, 2)));
    else
        ct_buf_fmt(line, "|call:%s|arguments:%s|broken:%s", first, json_string_value(json_array_get(out, 2)),
                   json_string_value(json_array_get(out, 3)));
}

static void each_row(void (*check)(const char *what, const char *text, size_t len, const char *expected))
{
    carat_err err;
    char *table;
    size_t len, n = 0;
    assert_true(ct_read_file(TABLE, 1 << 20, &table, &len, &err));
    for (char *s = table, *e; s < table + len; s = e + 1, n++) {
        json_t *row, *out;
        size_t i;
        ct_buf expected;
        e = memchr(s, '\n', (size_t)(table + len - s));
        assert_true(e && ct_json_parse(TABLE, s, (size_t)(e - s), &row, &err));
        const json_t *in = json_object_get(row, "in");
        ct_buf_init(&expected, 1 << 20);
        json_array_foreach(json_object_get(row, "out"), i, out) {
            add_expected(&expected, out);
        }
        check(json_string_value(json_object_get(row, "what")), json_string_value(in), json_string_length(in),
              expected.data ? expected.data : "");
        ct_buf_deinit(&expected);
        json_decref(row);
    }
    free(table);
    assert_true(n >= 100);
}

static int n_wrong;

static void is_as_expected(const char *what, const char *text, size_t len, const char *expected)
{
    char *line = read_cut(text, len, len, len);
    if (strcmp(line, expected) != 0) {
        print_error("%s: %s\n  is       %s\n  expected %s\n", what, text, line, expected);
        n_wrong++;
    }
    free(line);
}

static void b20_what_models_write_is_a_call_or_text(void **state)
{
    (void)state;
    each_row(is_as_expected);
    assert_int_equal(n_wrong, 0);
}

static void is_the_same_cut(const char *what, const char *text, size_t len, const char *expected)
{
    for (size_t step = 1; step <= 3; step++)
        for (size_t first = 0; first <= len; first++) {
            char *line = read_cut(text, len, first, step == 3 ? len : step);
            if (strcmp(line, expected) != 0)
                fail_msg("%s, %zu bytes, then %zu: %s", what, first, step, line);
            free(line);
        }
}

static void b20_however_the_text_is_cut(void **state)
{
    (void)state;
    each_row(is_the_same_cut);
}

/* ---- what comes when ---- */

static void now(reading *g, const char *text, const char *expected)
{
    push(g, text, strlen(text));
    assert_string_equal(line_of(g), expected);
    ct_buf_clear(&g->line);
    g->last = -1;
}

static void what_is_certain_comes_at_once(void **state)
{
    (void)state;
    reading g;
    begin(&g);
    now(&g, "Well", "|text:Well");
    now(&g, ", ", "|text:,");
    now(&g, "I", "|text: I");
    now(&g, "\n{\"na", "");
    now(&g, "me\": \"get_time\", \"parameters\": ", "");
    now(&g, "{", "|call:get_time|arguments:{");
    now(&g, "\"city\" : \"Os", "|arguments:\"city\":\"Os");
    now(&g, "lo\"", "|arguments:lo\"");
    now(&g, "}", "|arguments:}|end:");
    now(&g, "}", "");
    now(&g, "\n{\"n", "");
    now(&g, "o", "|text:\n{\"no");
    now(&g, "\nget_times", "|text:\nget_times");
    now(&g, "\nget_time(\"Oslo\")", "");
    now(&g, "\n", "|call:get_time|arguments:{\"city\":\"Oslo\"}|end:");
    now(&g, "[ping(), put(1", "|call:ping|arguments:{}|end:");
    finish(&g);
    assert_string_equal(line_of(&g), "|text:, put(1");
    end(&g);
}

/* ---- limits and hostile texts ---- */

/* unit, n times; the reader never holds more than the limit, and without calls every byte comes out. */
static void repeated(const char *before, const char *unit, size_t n, size_t most_held, bool has_calls)
{
    reading g;
    const size_t before_len = strlen(before), unit_len = strlen(unit);
    ct_buf all;
    ct_buf_init(&all, SIZE_MAX / 2);
    ct_buf_add(&all, before, before_len);
    for (size_t i = 0; i < n; i++)
        ct_buf_add(&all, unit, unit_len);
    begin(&g);
    for (size_t at = 0; at < all.len; at += 4096) {
        push(&g, all.data + at, all.len - at < 4096 ? all.len - at : 4096);
        if (!has_calls && at > g.text.len + most_held + 4096)
            fail_msg("'%s' %s: %zu bytes are held", before, unit, at - g.text.len);
    }
    finish(&g);
    if (!has_calls && (g.text.len != all.len || memcmp(g.text.data, all.data, all.len) != 0))
        fail_msg("'%s' %s: the text is not what it was", before, unit);
    ct_buf_deinit(&all);
    end(&g);
}

static void hostile_texts_are_text(void **state)
{
    (void)state;
    static const char *const units[] = {
        "[",
        "{",
        "\"",
        "`",
        "'",
        "<",
        "(",
        "{\"name\":",
        "\n[",
        "\n{\"name\": \"ping\", ",
        "\n",
        " ",
        "\n```json\n",
        "\n`",
        "\\",
        "<start_function_call>",
        "<start_function_call>call:put{a:[",
        "[{",
        "print(",
        "\nget_time(",
        "default_api.",
        "#",
        "\n```tool_code\n#",
        "{\"parameters\":{\"a\":",
        "{\"id\":\"",
        "{\"tool_calls\":[",
        "\nput(a=\"\"\"",
        "\nx = ",
        "\xff",
        "\n````",
    };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        repeated("", units[i], (1 << 20) / strlen(units[i]) / unit_step(4), CT_CALL_MOST_UNNAMED + 4096,
                 strstr(units[i], "\"\"\"") != NULL);
    repeated("{\"name\": \"put\", \"parameters\": {\"a\": ", "[", 1 << 20, CT_CALL_MOST_UNNAMED, false);
    repeated("{\"name\": \"put\", \"parameters\": {\"a\": \"", "x", (16 << 20) + 100, CT_CALL_MOST_HELD, false);
    repeated("put(a=\"", "\\u", 1 << 20, CT_CALL_MOST_UNNAMED, false);
    repeated("put(a='", "y", (16 << 20) + 100, CT_CALL_MOST_HELD, false);
    repeated("put(a=", "(", 1 << 20, CT_CALL_MOST_UNNAMED, false);
    repeated("<start_function_call>call:put{a:<escape>", "<escap", 1 << 17, CT_CALL_MOST_HELD, false);
    repeated("[", "ping(),", 1 << 17, 0, true);
    repeated("", "{\"name\":\"ping\"}", 1 << 16, 0, true);
}

static void what_is_held_is_bounded(void **state)
{
    (void)state;
    reading g;
    for (size_t n = CT_CALL_MOST_UNNAMED - 1; n <= CT_CALL_MOST_UNNAMED + 1; n++) {
        begin(&g);
        for (size_t i = 0; i < n; i++)
            push(&g, "\n", 1);
        assert_int_equal(g.text.len, n > CT_CALL_MOST_UNNAMED ? n : 0);
        push(&g, "[ping()]", 8);
        finish(&g);
        end(&g);
    }
    begin(&g); /* a call that is named may be longer */
    push(&g, "[put(a='", 8);
    for (size_t i = 0; i < CT_CALL_MOST_UNNAMED; i++)
        push(&g, "zz", 2);
    push(&g, "')]", 3);
    finish(&g);
    assert_int_equal(g.n_calls, 1);
    assert_int_equal(g.text.len, 0);
    end(&g);
}

static void nested(const char *before, const char *opening, const char *middle, const char *closing, const char *after,
                   size_t n, size_t n_calls)
{
    ct_buf all;
    reading g;
    ct_buf_init(&all, 1 << 20);
    ct_buf_str(&all, before);
    for (size_t i = 0; i < n; i++)
        ct_buf_str(&all, opening);
    ct_buf_str(&all, middle);
    for (size_t i = 0; i < n; i++)
        ct_buf_str(&all, closing);
    ct_buf_str(&all, after);
    begin(&g);
    push(&g, all.data, all.len);
    finish(&g);
    assert_int_equal(g.n_calls, n_calls);
    assert_true(n_calls || strcmp(g.text.data, all.data) == 0);
    ct_buf_deinit(&all);
    end(&g);
}

/* The arguments themselves are one level. */
static void depth_is_bounded(void **state)
{
    (void)state;
    for (size_t n = CT_CALL_MOST_DEPTH - 1; n <= CT_CALL_MOST_DEPTH; n++) {
        const size_t n_calls = n < CT_CALL_MOST_DEPTH;
        nested("{\"name\":\"put\",\"parameters\":{\"a\":", "[", "1", "]", "}}", n, n_calls);
        nested("{\"name\":\"put\",\"parameters\":{\"a\":", "{\"b\":", "1", "}", "}}", n, n_calls);
        nested("{\"parameters\":{\"a\":", "[", "1", "]", "},\"name\":\"put\"}", n, n_calls);
        nested("put(a=", "(", "1", ")", ")", n, n_calls);
        nested("put(a=", "[", "", "]", ")", n, n_calls);
        nested("<start_function_call>call:put{a:", "[", "1", "]", "}<end_function_call>", n, n_calls);
        nested("<start_function_call>call:put{a:", "{b:", "1", "}", "}<end_function_call>", n, n_calls);
    }
}

/* ---- random texts ---- */

static const char *const words[] = {
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "\"",
    "'",
    "\"\"\"",
    ",",
    ":",
    "=",
    " ",
    "\n",
    "`",
    "```",
    "json",
    "tool_code",
    "get_time",
    "put",
    "ping",
    "\"name\"",
    "\"parameters\"",
    "\"arguments\"",
    "\"function\"",
    "\"tool_calls\"",
    "\"put\"",
    "\"a\"",
    "a",
    "x",
    "1",
    "-",
    ".5",
    "e",
    "\\",
    "u00e9",
    "\\ud83d\\ude00",
    "true",
    "None",
    "<start_function_call>",
    "call:",
    "<escape>",
    "<end_function_call>",
    "#",
    ";",
    "default_api.",
    "print(",
    "{\"name\": \"put\", \"parameters\": {",
    "\"a\": 1",
    "}}",
    "put(a=",
    "\xc3\xa9",
    "\xff",
    "prose",
    "put{",
    "[ping(), ",
    "\nget_time(\"x\")\n",
    "{\"name\": \"ping\"}",
    "\n```json\n",
    "\n```\n",
    "<start_function_call>call:put{a:1}",
};
enum { N_WORDS = sizeof words / sizeof *words };

static size_t below(uint64_t *rng, size_t n)
{
    return (size_t)(ct_rng_next(rng) % n);
}

static void random_texts_however_they_are_cut(void **state)
{
    (void)state;
    uint64_t rng = 20;
    size_t n_calls = 0, n_broken = 0;
    for (int round = 0; round < 20000; round++) {
        ct_buf all;
        ct_buf_init(&all, 1 << 16);
        ct_buf_str(&all, "");
        for (size_t n = below(&rng, 24) + 1; n; n--)
            ct_buf_str(&all, words[below(&rng, N_WORDS)]);
        reading g;
        begin(&g);
        push(&g, all.data, all.len);
        finish(&g);
        n_calls += g.n_calls, n_broken += g.n_broken;
        if (!g.n_calls) {
            assert_int_equal(g.text.len, all.len);
            assert_memory_equal(g.text.data, all.data, all.len);
        }
        char *other = read_cut(all.data, all.len, below(&rng, all.len + 1), below(&rng, 5) + 1);
        assert_string_equal(other, line_of(&g));
        free(other);
        end(&g);
        ct_buf_deinit(&all);
    }
    assert_true(n_calls > 500 && n_broken > 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(b20_what_models_write_is_a_call_or_text),
        cmocka_unit_test(b20_however_the_text_is_cut),
        cmocka_unit_test(what_is_certain_comes_at_once),
        cmocka_unit_test(hostile_texts_are_text),
        cmocka_unit_test(what_is_held_is_bounded),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(random_texts_however_they_are_cut),
    };
    return cmocka_run_group_tests(tests, open_tools, close_tools);
}
