/* Progress and width on a terminal: what its window and TERM allow.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <pty.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/term.h"
#include "unit.h"

/* A terminal of so many columns in stderr's place. */
static int open_terminal(int columns, int *stderr_was)
{
    int ours, its;
    const struct winsize w = { .ws_row = 24, .ws_col = (unsigned short)columns };
    assert_int_equal(openpty(&ours, &its, NULL, NULL, &w), 0);
    *stderr_was = dup(2);
    assert_true(*stderr_was >= 0);
    assert_int_equal(dup2(its, 2), 2);
    close(its);
    return ours;
}

typedef struct bar {
    int fd, its; /* the terminal's two sides; what was written is lost where its side is closed by all */
} bar;

/* Begins to show a bar on a terminal of that kind, in a process of its own: the half second in which nothing is shown passes
 * for all bars at once. */
static bar begin_bar(const char *term, int columns)
{
    int was;
    bar b = { .fd = open_terminal(columns, &was) };
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const struct timespec wait = { .tv_nsec = 600000000 };
        setenv("TERM", term, 1);
        term_progress(NULL, 1, 100);
        nanosleep(&wait, NULL);
        term_progress(NULL, 40, 100);
        term_progress_end();
        (void)!write(2, "\n", 1); /* so that there is something to read */
        _exit(0);
    }
    b.its = dup(2);
    dup2(was, 2);
    close(was);
    return b;
}

/* What the bar has shown when it has ended; "\r\n": nothing. */
static void end_bar(bar b, char *out, size_t size)
{
    int status;
    size_t n = 0;
    ssize_t got = 1;
    for (; got > 0 && n < size - 1 && !(n && out[n - 1] == '\n'); n += got > 0 ? (size_t)got : 0)
        got = read(b.fd, out + n, size - 1 - n);
    out[n] = '\0';
    close(b.fd), close(b.its);
    assert_true(wait(&status) > 0); /* one of them */
    assert_int_equal(status, 0);
}

static void a_bar_obeys_the_terminal(void **state)
{
    (void)state;
    static const int narrow[] = { 10, 11, 12, 13, 22, 31 };
    enum { N = sizeof narrow / sizeof *narrow };
    bar dumb = begin_bar("dumb", 80), wide = begin_bar("xterm", 80), bars[N];
    char out[512];
    for (size_t i = 0; i < N; i++)
        bars[i] = begin_bar("xterm", narrow[i]);
    end_bar(dumb, out, sizeof out);
    assert_string_equal(out, "\r\n");
    end_bar(wide, out, sizeof out);
    assert_non_null(strstr(out, "\r\x1b[Kloading [################                        ]  40 %"));
    for (size_t i = 0; i < N; i++) {
        end_bar(bars[i], out, sizeof out);
        char *line = strstr(out, "\x1b[K");
        assert_non_null(line);
        assert_true((int)strcspn(line + 3, "\r\n") < narrow[i]);
        assert_non_null(strstr(line, " 40 %"));
    }
}

static void width_is_the_windows(void **state)
{
    (void)state;
    static const int widths[][2] = { { 0, 80 }, { 1, 8 }, { 7, 8 }, { 8, 8 }, { 12, 12 }, { 19, 19 }, { 300, 300 } };
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        int was;
        const int fd = open_terminal(widths[i][0], &was);
        const int width = term_width(2);
        dup2(was, 2);
        close(was), close(fd);
        assert_int_equal(width, widths[i][1]);
    }
    const int nowhere = dup(0);
    close(nowhere);
    assert_int_equal(term_width(nowhere), 80);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bar_obeys_the_terminal),
        cmocka_unit_test(width_is_the_windows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
