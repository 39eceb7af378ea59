/* A client of the Model Context Protocol, with servers that behave and servers that do not. Usage: test_mcp PYTHON FAKE_MCP.PY
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/mcp.h"
#include "cli/term.h"
#include "unit.h"

static const char *python, *fake; /* the interpreter and the server's file */

static bool start(const char *how, double seconds, mcp **m, carat_err *err)
{
    char command[1024];
    snprintf(command, sizeof command, "'%s' -S -E '%s' %s", python, fake, how);
    return mcp_open(command, seconds, m, err);
}

static mcp *server(const char *how)
{
    mcp *m;
    carat_err err;
    if (!start(how, 20, &m, &err))
        fail_msg("%s: %s", how, err.msg);
    m->rpc.grace = 0.3;
    return m;
}

static void refused(const char *how, double seconds, carat_code code, const char *says)
{
    mcp *m;
    carat_err err;
    assert_false(start(how, seconds, &m, &err));
    assert_null(m);
    if (err.code != code || !strstr(err.msg, says))
        fail_msg("%s: %d, %s", how, err.code, err.msg);
}

/* A call that succeeds: its text. */
static void answers(mcp *m, const char *arguments, const char *want, bool want_failed)
{
    ct_buf out;
    carat_err err;
    bool failed;
    ct_buf_init(&out, (size_t)32 << 20);
    if (!mcp_call(m, "echo", arguments, strlen(arguments), &out, &failed, &err))
        fail_msg("%s: %s", arguments, err.msg);
    assert_string_equal(out.data, want);
    assert_int_equal(failed, want_failed);
    ct_buf_deinit(&out);
}

/* One that fails. */
static void fails(mcp *m, const char *arguments, carat_code code, const char *says)
{
    ct_buf out;
    carat_err err;
    bool failed;
    ct_buf_init(&out, (size_t)32 << 20);
    assert_false(mcp_call(m, "echo", arguments, strlen(arguments), &out, &failed, &err));
    if (err.code != code || !strstr(err.msg, says))
        fail_msg("%s: %d, %s", arguments, err.code, err.msg);
    assert_int_equal(out.len, 0);
    ct_buf_deinit(&out);
}

/* ---- beginning ---- */

static void tools_are_listed(void **state)
{
    (void)state;
    static const char *const hows[] = { "", "pages", "start=noise", "name='a\x1b[2Jb'" };
    for (size_t i = 0; i < 4; i++) {
        mcp *m = server(hows[i]);
        assert_string_equal(m->version, "2025-11-25");
        assert_int_equal(m->n, 3); /* one runs as a task only */
        assert_string_equal(m->tools[0].name, "echo");
        assert_string_equal(m->tools[0].description, "The tool echo");
        assert_string_equal(m->tools[0].schema,
                            "{\"type\":\"object\",\"properties\":{\"x\":{\"type\":\"number\",\"multipleOf\":0.1}}}");
        assert_string_equal(mcp_name(m), i == 3 ? "a?[2Jb" : "fake");
        mcp_close(m);
    }
    mcp *m = server("no-tools");
    assert_int_equal(m->n, 0);
    mcp_close(m);
    m = server("twice");
    assert_int_equal(m->n, 1);
    mcp_close(m);
}

static void versions_are_negotiated(void **state)
{
    (void)state;
    static const char *const known[] = { "2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25" };
    for (size_t i = 0; i < 4; i++) {
        char how[64];
        snprintf(how, sizeof how, "version=%s", known[i]);
        mcp *m = server(how);
        assert_string_equal(m->version, known[i]);
        mcp_close(m);
    }
    mcp *m = server("old-refuses");
    assert_string_equal(m->version, "2024-11-05");
    assert_int_equal(m->n, 3);
    mcp_close(m);
    refused("version=2031-01-01", 20, CARAT_EUNSUPPORTED, "speaks version 2031-01-01");
}

static void beginnings_that_fail_are_named(void **state)
{
    (void)state;
    mcp *m;
    carat_err err;
    refused("start=dies", 20, CARAT_EIO, ": it has ended (exit status 1)");
    assert_false(mcp_open("sh -c 'exit 1'", 20, &m, &err)); /* one that has not given its name yet has its program's */
    assert_string_equal(err.msg, "sh: it has ended (exit status 1)");
    const double begun = ct_now();
    refused("start=quiet", 0.5, CARAT_ETIME, "no answer to initialize within 0.5 seconds");
    assert_true(ct_now() - begun < 20);
    refused("no-list", 20, CARAT_EFORMAT, "no list of tools");
    assert_false(mcp_open("/nonexistent/server --x", 1, &m, &err));
    assert_int_equal(err.code, CARAT_EIO);
    assert_non_null(strstr(err.msg, "/nonexistent/server: cannot be started: No such file"));
    assert_false(mcp_open("server | tee", 1, &m, &err));
    assert_int_equal(err.code, CARAT_EARG);
    assert_false(mcp_open("cat", 20, &m, &err)); /* gives back what it gets: our request, then our refusal of it */
    assert_int_equal(err.code, CARAT_EUNSUPPORTED);
    assert_false(mcp_open("true", 1, &m, &err));
    assert_int_equal(err.code, CARAT_EIO);
}

/* What is left out is counted; the rest is there. */
static void tools_that_are_none_are_left_out(void **state)
{
    (void)state;
    mcp *m = server("unfit");
    assert_int_equal(m->n, 2);
    assert_int_equal(m->n_unfit, 26);
    assert_string_equal(m->tools[0].name, "echo");
    assert_string_equal(m->tools[0].description, "one\xef\xbf\xbdtwo");
    assert_string_equal(m->tools[1].name, "listed");
    mcp_close(m);
    m = server("no-schema");
    assert_int_equal(m->n, 0);
    mcp_close(m);
    m = server("many");
    assert_int_equal(m->n, MCP_MOST_TOOLS);
    assert_int_equal(m->n_beyond, 600 - MCP_MOST_TOOLS);
    mcp_close(m);
    m = server("endless-pages");
    assert_int_equal(m->n, 0);
    mcp_close(m);
}

/* ---- calls ---- */

static void results_become_text(void **state)
{
    (void)state;
    mcp *m = server("");
    answers(m, "{\"x\": 0.10,\n \"y\":\"\\u00e9\"}", "echo {\"x\": 0.1, \"y\": \"\\u00e9\"}", false);
    answers(m, "{\"how\":\"plain\"}", "hello\nworld", false);
    answers(m, "{\"how\":\"structured\"}", "{\"a\":0.1}", false);
    answers(m, "{\"how\":\"both\"}", "{\"a\": 0.1}", false);
    answers(m, "{\"how\":\"wrapped\"}", "7", false);
    answers(m, "{\"how\":\"differ\"}", "{\"content\":\"sunny\",\"structuredContent\":{\"t\":20}}", false);
    answers(m, "{\"how\":\"parts\"}",
            "[image, image/png, 3 bytes: not shown]\n[audio, audio/wav, 3 bytes: not shown]\n"
            "[link to resource file:///x (x): not read]\n[resource file:///y]\nthe text\n"
            "[resource file:///z, a/b, 3 bytes: not shown]\n[a part of kind 'hologram': not shown]",
            false);
    answers(m, "{\"how\":\"error\"}", "{\"error\":\"it did not work\"}", true);
    answers(m, "{\"how\":\"error-json\"}", "{\"error\":{\"why\":1}}", true);
    answers(m, "{\"how\":\"empty\"}", "", false);
    answers(m, "{\"how\":\"odd\"}", "[the content is an integer, expected a list: not shown]", false);
    answers(m, "{\"how\":\"string\"}", "sunny", false);
    answers(m, "{\"how\":\"no-text\"}", "[a text that is missing: not shown]\n[a text that is an integer: not shown]",
            false);
    mcp_close(m);
}

#define FFFD "\xef\xbf\xbd"

static void nothing_is_lost_behind_a_nul(void **state)
{
    (void)state;
    mcp *m = server("");
    answers(m, "{\"how\":\"nul\"}",
            "a" FFFD "b\n[resource u" FFFD "v]\nc" FFFD "d\n[a part of kind 'x" FFFD "y': not shown]\n[image, m" FFFD
            "n, 3 bytes: not shown]\n[a part of kind 'text" FFFD "': not shown]",
            false);
    answers(m, "{\"how\":\"nul-error\"}", "{\"error\":\"a" FFFD "b\"}", true);
    answers(m, "{\"how\":\"nul-wrapped\"}", "a" FFFD "b", false);
    answers(m, "{\"how\":\"nul-both\"}", "{\"x\": \"a\\u0000b\"}", false);
    mcp_close(m);
}

static void a_server_may_ask_and_say_things(void **state)
{
    (void)state;
    mcp *m = server("");
    answers(
        m, "{\"how\":\"ping\"}",
        "[{\"jsonrpc\": \"2.0\", \"id\": \"s1\", \"result\": {}}, {\"jsonrpc\": \"2.0\", \"id\": 7.5, \"result\": {}}, "
        "{\"jsonrpc\": \"2.0\", \"id\": \"s1\", \"error\": {\"code\": -32601, \"message\": \"method not found\"}}, "
        "{\"jsonrpc\": \"2.0\", \"id\": 3, \"error\": {\"code\": -32601, \"message\": \"method not found\"}}]",
        false);
    answers(m, "{\"how\":\"logs\"}", "done", false);
    assert_int_equal(m->n_messages, 9); /* eight, and that there are more */
    answers(m, "{\"how\":\"batch\"}", "of a batch", false);
    answers(m, "{\"how\":\"pieces\"}", "\xc3\xa9", false);
    answers(m, "{\"how\":\"stderr\"}", "said much", false);
    mcp_close(m);
}

static void a_changed_list_is_read_again(void **state)
{
    (void)state;
    mcp *m = server("");
    carat_err err;
    bool changed;
    assert_true(mcp_refresh(m, &changed, &err));
    assert_false(changed);
    answers(m, "{\"how\":\"changes\"}", "done", false);
    assert_true(mcp_refresh(m, &changed, &err));
    assert_true(changed);
    assert_int_equal(m->n, 1);
    assert_true(mcp_refresh(m, &changed, &err));
    assert_false(changed);
    mcp_close(m);
}

/* What is wrong is passed over or is an error of this call; the next one is as ever. */
static void misbehaviour_ends_a_call_at_most(void **state)
{
    (void)state;
    mcp *m = server("");
    fails(m, "{\"how\":\"refuse\"}", CARAT_EUNSUPPORTED, "error -32602: Unknown tool");
    fails(m, "{\"how\":\"null-id\"}", CARAT_EUNSUPPORTED, "error -32700: Parse error");
    answers(m, "{\"how\":\"wrong-ids\"}", "right", false);
    answers(m, "{\"how\":\"twice\"}", "first", false);
    answers(m, "{\"how\":\"noise\"}", "after noise", false);
    fails(m, "{\"how\":\"broken-json\"}", CARAT_EFORMAT, "fake");
    fails(m, "{\"how\":\"huge-id\"}", CARAT_EFORMAT, "fake");
    fails(m, "{\"how\":\"no-result\"}", CARAT_EFORMAT, "the result is null, expected an object");
    fails(m, "{\"how\":\"list-result\"}", CARAT_EFORMAT, "the result is an array");
    fails(m, "not JSON", CARAT_EFORMAT, "the arguments");
    answers(m, "{\"how\":\"plain\"}", "hello\nworld", false);
    mcp_close(m);
}

static void nothing_waits_beyond_its_time(void **state)
{
    (void)state;
    const double begun = ct_now();
    mcp *m = server("");
    m->seconds = 0.4;
    fails(m, "{\"how\":\"late\"}", CARAT_ETIME, "no answer to tools/call within 0.4 seconds");
    m->seconds = 20;
    answers(m, "{\"how\":\"cancelled?\"}", "[{\"requestId\": 3, \"reason\": \"no answer in time\"}]", false);
    m->seconds = 0.4;
    fails(m, "{\"how\":\"flood\"}", CARAT_ETIME, "within 0.4 seconds");
    mcp_close(m);
    m = server("");
    m->seconds = 0.4;
    fails(m, "{\"how\":\"silence\"}", CARAT_ETIME, "within 0.4 seconds");
    mcp_close(m);
    assert_true(ct_now() - begun < 40);
}

static void a_lost_server_stays_lost(void **state)
{
    (void)state;
    static const char *const hows[][2] = {
        { "{\"how\":\"dies\"}", "fake: it has ended (exit status 3)" },
        { "{\"how\":\"killed\"}", "fake: it has ended (signal 9" },
        { "{\"how\":\"half\"}", "fake: it has ended (exit status 0)" },
        { "{\"how\":\"long-line\"}", "it sends a line of more than 16 MiB" },
        { "{\"how\":\"ping-flood\"}", "it does not read what it is sent" },
        { "{\"how\":\"closes\"}", "fake: it has ended" },
    };
    for (size_t i = 0; i < sizeof hows / sizeof *hows; i++) {
        mcp *m = server("");
        carat_err err;
        bool changed;
        fails(m, hows[i][0], CARAT_EIO, hows[i][1]);
        fails(m, "{\"how\":\"plain\"}", CARAT_EIO, hows[i][1]);
        assert_false(mcp_refresh(m, &changed, &err)); /* said once more, and the tools are gone */
        assert_true(changed);
        assert_true(m->has_told); /* by the call */
        assert_int_equal(m->n, 0);
        assert_true(mcp_refresh(m, &changed, &err));
        assert_false(changed);
        mcp_close(m);
    }
}

/* ---- the end ---- */

static void servers_are_asked_to_leave_and_then_made_to(void **state)
{
    (void)state;
    char file[] = "/tmp/carat-mcp-XXXXXX", how[64];
    const int fd = mkstemp(file);
    assert_true(fd >= 0);
    close(fd);
    unlink(file);
    snprintf(how, sizeof how, "leaves=%s", file);
    mcp_close(server(how));
    assert_int_equal(access(file, F_OK), 0);
    unlink(file);
    const double begun = ct_now();
    mcp *m = server("stays");
    const pid_t pid = m->rpc.child.pid;
    const double asked = ct_now();
    mcp_close(m);
    assert_true(ct_now() - asked >= 0.6); /* once when its input closes, and once after SIGTERM */
    assert_true(ct_now() - begun < 30);
    assert_int_not_equal(kill(pid, 0), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tools_are_listed),
        cmocka_unit_test(versions_are_negotiated),
        cmocka_unit_test(beginnings_that_fail_are_named),
        cmocka_unit_test(tools_that_are_none_are_left_out),
        cmocka_unit_test(results_become_text),
        cmocka_unit_test(nothing_is_lost_behind_a_nul),
        cmocka_unit_test(a_server_may_ask_and_say_things),
        cmocka_unit_test(a_changed_list_is_read_again),
        cmocka_unit_test(misbehaviour_ends_a_call_at_most),
        cmocka_unit_test(nothing_waits_beyond_its_time),
        cmocka_unit_test(a_lost_server_stays_lost),
        cmocka_unit_test(servers_are_asked_to_leave_and_then_made_to),
    };
    signal(SIGPIPE, SIG_IGN);
    python = argc > 1 ? argv[1] : "python3";
    fake = argc > 2 ? argv[2] : "fake_mcp.py";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
