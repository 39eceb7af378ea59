/* Calls in answers, through the public reader.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <string.h>

#include "carat.h"

static void open_reader(carat_call_reader **r)
{
    const carat_tool v[] = {
        { .struct_size = sizeof *v,
          .name = "get_time",
          .parameters = "{\"type\":\"object\",\"properties\":{\"city\":{}}}" },
        { .struct_size = sizeof *v, .name = "ping" },
    };
    const carat_tools_options o = { .struct_size = sizeof o, .tools = v, .n_tools = 2 };
    carat_tools *tools;
    carat_err err;
    assert_true(carat_tools_open(&o, &tools, &err));
    assert_true(carat_call_reader_open(tools, r, &err));
    carat_tools_close(tools); /* the reader keeps what it needs */
}

static void is_piece(const carat_piece *p, carat_piece_kind kind, size_t call, const char *text)
{
    assert_int_equal(p->kind, kind);
    assert_int_equal(p->call, call);
    assert_int_equal(p->len, strlen(text));
    assert_memory_equal(p->text, text, p->len);
}

static void b20_calls_in_answers(void **state)
{
    (void)state;
    static const char first[] = "Sure.\n{\"name\": \"get_time\", \"parameters\": {\"city\": \"Os",
                      second[] = "lo\"}}\nping()";
    carat_call_reader *r;
    const carat_piece *p;
    size_t n;
    carat_err err;
    open_reader(&r);
    assert_true(carat_call_reader_push(r, first, strlen(first), &p, &n, &err));
    assert_int_equal(n, 3);
    is_piece(&p[0], CARAT_PIECE_TEXT, 0, "Sure.");
    is_piece(&p[1], CARAT_PIECE_CALL, 0, "get_time");
    is_piece(&p[2], CARAT_PIECE_ARGUMENTS, 0, "{\"city\":\"Os");
    assert_true(carat_call_reader_push(r, second, strlen(second), &p, &n, &err));
    assert_int_equal(n, 2);
    is_piece(&p[0], CARAT_PIECE_ARGUMENTS, 0, "lo\"}");
    is_piece(&p[1], CARAT_PIECE_CALL_END, 0, "");
    assert_true(carat_call_reader_push(r, "", 0, &p, &n, &err));
    assert_int_equal(n, 0);
    assert_true(carat_call_reader_finish(r, &p, &n, &err));
    assert_int_equal(n, 3);
    is_piece(&p[0], CARAT_PIECE_CALL, 1, "ping");
    is_piece(&p[1], CARAT_PIECE_ARGUMENTS, 1, "{}");
    is_piece(&p[2], CARAT_PIECE_CALL_END, 1, "");
    assert_false(carat_call_reader_push(r, "x", 1, &p, &n, &err));
    assert_int_equal(err.code, CARAT_EARG);
    carat_call_reader_close(r);
    carat_call_reader_close(NULL);
}

/* What was not sent yet can be put in the call's place; what was must be taken back. */
static void b20_a_broken_call_is_told(void **state)
{
    (void)state;
    static const char text[] = "{\"name\": \"get_time\", \"parameters\": {\"city\": 01}}";
    carat_call_reader *r;
    const carat_piece *p;
    size_t n;
    carat_err err;
    open_reader(&r);
    assert_true(carat_call_reader_push(r, text, strlen(text), &p, &n, &err));
    assert_int_equal(n, 4);
    is_piece(&p[0], CARAT_PIECE_CALL, 0, "get_time");
    is_piece(&p[1], CARAT_PIECE_ARGUMENTS, 0, "{\"city\":0");
    is_piece(&p[2], CARAT_PIECE_CALL_BROKEN, 0, "{\"name\": \"get_time\", \"parameters\": {\"city\": 0");
    is_piece(&p[3], CARAT_PIECE_TEXT, 0, "1}}");
    carat_call_reader_close(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(b20_calls_in_answers),
        cmocka_unit_test(b20_a_broken_call_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
