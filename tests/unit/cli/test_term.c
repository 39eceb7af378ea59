/* Progress and width on a terminal: what its window and TERM allow.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <pty.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
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

/* What a bar shows on a terminal of that kind once its half second is over; "": nothing. */
static void bar(const char *term, int columns, char *out, size_t size)
{
    int was;
    const int fd = open_terminal(columns, &was);
    const struct timespec wait = { .tv_nsec = 600000000 };
    setenv("TERM", term, 1);
    term_progress(NULL, 1, 100);
    nanosleep(&wait, NULL);
    term_progress(NULL, 40, 100);
    term_progress_end();
    (void)!write(2, "\n", 1); /* so that there is something to read */
    const ssize_t n = read(fd, out, size - 1);
    out[n > 0 ? n : 0] = '\0';
    dup2(was, 2);
    close(was), close(fd);
}

static void a_bar_obeys_the_terminal(void **state)
{
    (void)state;
    char out[512];
    bar("dumb", 80, out, sizeof out);
    assert_string_equal(out, "\r\n");
    bar("xterm", 80, out, sizeof out);
    assert_non_null(strstr(out, "\r\x1b[Kloading [################                        ]  40 %"));
    for (int columns = 10; columns < 40; columns++) {
        bar("xterm", columns, out, sizeof out);
        char *line = strstr(out, "\x1b[K");
        assert_non_null(line);
        assert_true((int)strcspn(line + 3, "\r\n") < columns);
        assert_non_null(strstr(line, " 40 %"));
        columns += columns > 12 ? 8 : 0;
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
