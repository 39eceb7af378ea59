/* Command lines without a shell, files of tools, and their commands.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/signals.h"
#include "cli/tool_file.h"
#include "cli/words.h"
#include "unit.h"

/* ---- words ---- */

static void splits(const char *command, const char *want) /* words with | between them */
{
    char **words, all[256] = "";
    carat_err err;
    if (!cli_split_words(command, &words, &err))
        fail_msg("%s: %s", command, err.msg);
    for (size_t i = 0; words[i]; i++) {
        strncat(all, i ? "|" : "", 2);
        strncat(all, words[i], 100);
    }
    assert_string_equal(all, want);
    free(words);
}

static void is_refused(const char *command, const char *says)
{
    char **words;
    carat_err err;
    assert_false(cli_split_words(command, &words, &err));
    if (!strstr(err.msg, says))
        fail_msg("%s: %s", command, err.msg);
}

static void commands_are_split_as_a_shell_does(void **state)
{
    (void)state;
    splits("a", "a");
    splits("  a\t b \n c  ", "a|b|c");
    splits("a 'b  c' \"d  e\"", "a|b  c|d  e");
    splits("a 'b'\"c\"d\\ e", "a|bcd e");
    splits("a '' \"\" b", "a|||b");
    splits("'it'\\''s'", "it's");
    splits("\"a\\\"b\\\\c\\$d\\`e\\fg\"", "a\"b\\c$d`e\\fg");
    splits("a '$HOME | x > y; `z`' \\$x \\~ b~c", "a|$HOME | x > y; `z`|$x|~|b~c");
    splits("a\\\nb \"c\\\nd\"", "ab|cd");
    splits("npx -y @scope/server --url=http://x/?a=*#b", "npx|-y|@scope/server|--url=http://x/?a=*#b");
}

static void what_needs_a_shell_is_refused(void **state)
{
    (void)state;
    char many[3 * WORDS_MOST + 8] = "";
    static const char *const shells[] = { "a | b", "a & b", "a;b",   "a <b",  "a >b",
                                          "(a)",   "a $b",  "a `b`", "a ~/b", "a \"$b\"" };
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++)
        is_refused(shells[i], "is for a shell");
    is_refused("", "no command");
    is_refused("  ", "no command");
    is_refused("a 'b", "' that is not closed");
    is_refused("a \"b", "\" that is not closed");
    is_refused("a \\", "ends with a backslash");
    for (size_t i = 0; i <= WORDS_MOST; i++)
        strncat(many, "a ", 3);
    is_refused(many, "more than 256 words");
}

/* ---- files ---- */

static void write_file(const char *text, char path[32])
{
    memcpy(path, "/tmp/carat-tools-XXXXXX", sizeof "/tmp/carat-tools-XXXXXX");
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static tool_file *open_file(const char *text)
{
    char path[32];
    tool_file *f;
    carat_err err;
    write_file(text, path);
    if (!tool_file_open(path, 60, &f, &err))
        fail_msg("%s: %s", text, err.msg);
    unlink(path);
    return f;
}

static void file_is_refused(const char *text, const char *says)
{
    char path[32];
    tool_file *f;
    carat_err err;
    write_file(text, path);
    assert_false(tool_file_open(path, 60, &f, &err));
    assert_null(f);
    if (!strstr(err.msg, says) || !strstr(err.msg, path))
        fail_msg("%s: %s", text, err.msg);
    unlink(path);
}

static void files_say_what_tools_are(void **state)
{
    (void)state;
    tool_file *f =
        open_file("[{\"name\": \"a\", \"description\": \"does a\", \"parameters\": {\"type\": \"object\", \"x\": 0.1},"
                  "  \"command\": [\"cat\", \"\", \"two words\"], \"timeout\": 2.5},"
                  " {\"name\": \"b\", \"command\": [\"/bin/sh\"]},"
                  " {\"name\": \"c\", \"parameters\": null, \"command\": [\"sh\"]}]");
    assert_int_equal(f->n, 3);
    assert_string_equal(f->v[0].name, "a");
    assert_string_equal(f->v[0].description, "does a");
    assert_string_equal(f->v[0].schema, "{\"type\":\"object\",\"x\":0.1}");
    assert_string_equal(f->v[0].argv[1], "");
    assert_string_equal(f->v[0].argv[2], "two words");
    assert_null(f->v[0].argv[3]);
    assert_true(f->v[0].seconds == 2.5 && f->v[1].seconds == 60);
    assert_null(f->v[1].schema);
    assert_null(f->v[2].schema);
    tool_file_close(f);
    tool_file_close(open_file("[]"));
}

static void files_that_are_none_are_named(void **state)
{
    (void)state;
    carat_err err;
    tool_file *f;
    file_is_refused("{", "JSON");
    file_is_refused("{}", "the file is an object, expected a list of tools");
    file_is_refused("[5]", "tool 0 is an integer");
    file_is_refused("[{\"command\": [\"x\"]}]", "tool 0 has no name");
    file_is_refused("[{\"name\": 5, \"command\": [\"x\"]}]", "'name' is an integer");
    file_is_refused("[{\"name\": \"a\"}]", "tool 'a': 'command' is missing");
    file_is_refused("[{\"name\": \"a\", \"command\": \"ls\"}]", "'command' is a string, expected a list of words");
    file_is_refused("[{\"name\": \"a\", \"command\": []}]", "'command' is empty");
    file_is_refused("[{\"name\": \"a\", \"command\": [\"\"]}]", "begins with no program");
    file_is_refused("[{\"name\": \"a\", \"command\": [\"x\", 5]}]", "word 1 of 'command' is an integer");
    file_is_refused("[{\"name\": \"a\", \"command\": [\"x\\u0000y\"]}]", "NUL character");
    file_is_refused("[{\"name\": \"a\", \"command\": [\"x\"], \"parameters\": []}]", "'parameters' is an array");
    file_is_refused("[{\"name\": \"a\", \"command\": [\"x\"], \"timeout\": 0}]", "'timeout' is 0 seconds");
    file_is_refused("[{\"name\": \"a\", \"command\": [\"x\"], \"timeout\": -1}]", "'timeout' is -1 seconds");
    file_is_refused("[{\"name\": \"a\", \"command\": [\"x\"], \"shell\": true}]", "'shell' is no key of a tool");
    file_is_refused("[{\"name\": \"a b\", \"command\": [\"sh\"]}]", "tool 0: the name 'a b' is not of");
    file_is_refused("[{\"name\": \"a\", \"command\": [\"sh\"]}, {\"name\": \"a\", \"command\": [\"sh\"]}]",
                    "tools 0 and 1 have the same name");
    file_is_refused("[{\"name\": \"a\", \"command\": [\"sh\"], \"parameters\": {\"type\": \"string\"}}]", "tool 'a'");
    file_is_refused("[{\"name\": \"a\", \"command\": [\"/nonexistent/x\"]}]",
                    "tool 'a': /nonexistent/x cannot be run: No such file");
    file_is_refused("[{\"name\": \"a\", \"command\": [\"/etc/passwd\"]}]",
                    "/etc/passwd cannot be run: Permission denied");
    file_is_refused("[{\"name\": \"a\", \"command\": [\"/tmp/\"]}]", "/tmp/ cannot be run: Permission denied");
    file_is_refused("[{\"name\": \"a\", \"command\": [\"no-such-program\"]}]",
                    "tool 'a': there is no program no-such-program in $PATH");
    assert_false(tool_file_open("/nonexistent", 60, &f, &err));
    assert_int_equal(err.code, CARAT_EIO);
}

/* ---- commands ---- */

typedef struct ran {
    ct_buf out;
    bool ok, failed;
    char said[160];
    carat_err err;
} ran;

static ran run_tool(const char *argv[], double seconds, const char *arguments)
{
    const tool_command t = { .name = "t", .argv = argv, .seconds = seconds };
    ran r;
    ct_buf_init(&r.out, (size_t)1 << 20);
    ct_buf_str(&r.out, "");
    r.ok = tool_command_run(&t, arguments, strlen(arguments), &r.out, &r.failed, r.said, &r.err);
    return r;
}

static void gives(const char *script, const char *arguments, const char *want, bool failed, const char *said)
{
    ran r = run_tool((const char *[]){ "sh", "-c", script, NULL }, 20, arguments);
    assert_true(r.ok);
    assert_string_equal(r.out.data, want);
    assert_int_equal(r.failed, failed);
    assert_string_equal(r.said, said);
    ct_buf_deinit(&r.out);
}

static void output_is_the_result(void **state)
{
    (void)state;
    gives("cat", "{\"city\": \"Oslo; $(touch x)\"}", "{\"city\": \"Oslo; $(touch x)\"}", false, "");
    gives("printf 'two\\nlines\\r\\n\\n'", "{}", "two\nlines", false, "");
    gives("exit 0", "{}", "", false, "");
    gives("true < /dev/null", "{}", "", false, ""); /* reads nothing of it */
    gives("echo out; echo one >&2; printf 'tw\\033o\\n' >&2", "{}", "out", false, "tw?o");
    gives("echo out; echo why >&2; exit 3", "{}",
          "{\"error\":\"exit status 3\",\"output\":\"out\",\"stderr\":\"why\\n\"}", true, "why");
    gives("kill -9 $$", "{}", "{\"error\":\"signal 9 (Killed)\"}", true, "");
    gives("sleep 60 & echo done", "{}", "done", false, ""); /* who waits for its pipe to close waits a minute */
}

static void much_output_is_cut_and_says_so(void **state)
{
    (void)state;
    ran r = run_tool(
        (const char *[]){ "sh", "-c", "head -c 1000000 /dev/zero | tr '\\0' x; head -c 1000000 /dev/zero >&2", NULL },
        20, "{}");
    assert_true(r.ok);
    assert_int_equal(r.out.len, TOOL_MOST_BYTES + strlen("\n[cut: the first 65536 of 1000000 bytes]"));
    assert_string_equal(r.out.data + TOOL_MOST_BYTES, "\n[cut: the first 65536 of 1000000 bytes]");
    ct_buf_deinit(&r.out);
}

/* Not one that is dead and waits for a parent to hear of it. */
static bool is_running(long pid)
{
    char path[64], state = 'Z';
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *f = fopen(path, "r");
    if (f && fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
        state = 'Z';
    if (f)
        fclose(f);
    return state != 'Z' && state != 'X';
}

static void commands_end_in_time_with_all_they_started(void **state)
{
    (void)state;
    const double begun = ct_now();
    /* which ignores what it is asked, and so does its own child */
    ran r = run_tool(
        (const char *[]){ "sh", "-c", "trap '' TERM; sh -c 'sleep 50; echo $$' & echo $!; wait; sleep 50", NULL }, 0.5,
        "{}");
    assert_true(r.ok && r.failed);
    assert_true(ct_now() - begun < 20);
    assert_non_null(strstr(r.out.data, "it was not done within 0.5 seconds and was ended"));
    const char *pid = strstr(r.out.data, "\"output\":\"");
    assert_non_null(pid);
    const double killed = ct_now(); /* which may take a while to be noticed */
    while (is_running(strtol(pid + 10, NULL, 10)) && ct_now() - killed < 10)
        usleep(20000);
    assert_false(is_running(strtol(pid + 10, NULL, 10)));
    assert_true(is_running(getpid()));
    ct_buf_deinit(&r.out);
    r = run_tool((const char *[]){ "/nonexistent/tool", NULL }, 1, "{}");
    assert_false(r.ok);
    assert_int_equal(r.err.code, CARAT_EIO);
    assert_non_null(strstr(r.err.msg, "/nonexistent/tool: cannot be started: No such file"));
    ct_buf_deinit(&r.out);
}

static void an_interrupt_ends_a_command(void **state)
{
    (void)state;
    const double begun = ct_now();
    cli_note_interrupt();
    ran r = run_tool((const char *[]){ "sh", "-c", "kill -INT $PPID; sleep 50", NULL }, 60, "{}");
    assert_false(r.ok);
    assert_int_equal(r.err.code, CARAT_ECANCELLED);
    assert_true(ct_now() - begun < 20);
    ct_buf_deinit(&r.out);
    cli_cancel_on_interrupt(NULL);
    cli_note_interrupt(); /* the next one is not meant */
    r = run_tool((const char *[]){ "echo", "x", NULL }, 20, "{}");
    assert_true(r.ok);
    assert_string_equal(r.out.data, "x");
    ct_buf_deinit(&r.out);
    cli_cancel_on_interrupt(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_are_split_as_a_shell_does),
        cmocka_unit_test(what_needs_a_shell_is_refused),
        cmocka_unit_test(files_say_what_tools_are),
        cmocka_unit_test(files_that_are_none_are_named),
        cmocka_unit_test(output_is_the_result),
        cmocka_unit_test(much_output_is_cut_and_says_so),
        cmocka_unit_test(commands_end_in_time_with_all_they_started),
        cmocka_unit_test(an_interrupt_ends_a_command),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
