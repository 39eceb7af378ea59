/* SPDX-License-Identifier: Apache-2.0 */
#include "line.h"

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

#if CARAT_HAVE_LIBEDIT
#include <editline/readline.h>
#endif

#define MAX_MESSAGE ((size_t)64 << 20)

#if CARAT_HAVE_LIBEDIT
#define MAX_HISTORY 1000

/* Where the history lives, its folders made; false if there is no home. */
static bool history_path(char *path, size_t size)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int n;
    if (state && *state)
        n = snprintf(path, size, "%s/carat/history", state);
    else if (home && *home)
        n = snprintf(path, size, "%s/.local/state/carat/history", home);
    else
        return false;
    if (n < 0 || (size_t)n >= size)
        return false;
    for (char *p = path + 1; (p = strchr(p, '/')); p++) {
        *p = '\0';
        mkdir(path, 0700);
        *p = '/';
    }
    return true;
}

static sigjmp_buf interrupted;

static void on_interrupt(int sig)
{
    (void)sig;
    siglongjmp(interrupted, 1);
}

/* readline, but Ctrl-C gives up the line instead of the program. libedit restores the terminal before it passes the
 * signal on, and begins every line with an empty buffer. */
static char *edited_line(const char *prompt)
{
    if (sigsetjmp(interrupted, 1)) {
        signal(SIGINT, SIG_DFL);
        puts("\n(Ctrl-D or /bye leaves)");
        return strdup("");
    }
    signal(SIGINT, on_interrupt);
    char *line = readline(prompt);
    signal(SIGINT, SIG_DFL);
    return line;
}
#endif

void line_open(void)
{
#if CARAT_HAVE_LIBEDIT
    if (!isatty(0))
        return;
    char path[4096];
    using_history();
    stifle_history(MAX_HISTORY);
    if (history_path(path, sizeof path))
        read_history(path);
#endif
}

void line_close(void)
{
#if CARAT_HAVE_LIBEDIT
    char path[4096];
    if (isatty(0) && history_path(path, sizeof path))
        write_history(path);
#endif
}

static char *one_line(const char *prompt)
{
#if CARAT_HAVE_LIBEDIT
    if (isatty(0))
        return edited_line(prompt);
#endif
    if (isatty(0)) {
        fputs(prompt, stdout);
        fflush(stdout);
    }
    char *line = NULL;
    size_t cap = 0;
    ssize_t n = getline(&line, &cap, stdin);
    if (n < 0) {
        free(line);
        return NULL;
    }
    if (n && line[n - 1] == '\n')
        line[n - 1] = '\0';
    return line;
}

/* first is the line that began with """; reads on to the closing one. */
static char *many_lines(const char *first)
{
    carat_buf b;
    carat_buf_init(&b, MAX_MESSAGE);
    const char *rest = first + 3, *end = strstr(rest, "\"\"\"");
    carat_buf_add(&b, rest, end ? (size_t)(end - rest) : strlen(rest));
    while (!end) {
        char *line = one_line("... ");
        if (!line)
            break;
        end = strstr(line, "\"\"\"");
        if (b.len)
            carat_buf_char(&b, '\n');
        carat_buf_add(&b, line, end ? (size_t)(end - line) : strlen(line));
        free(line);
    }
    return carat_buf_take(&b);
}

char *line_read(const char *prompt, bool multi)
{
    char *line = one_line(prompt);
    if (!line)
        return NULL;
#if CARAT_HAVE_LIBEDIT
    if (multi && *line && isatty(0))
        add_history(line);
#endif
    if (!multi || strncmp(line, "\"\"\"", 3) != 0)
        return line;
    char *all = many_lines(line);
    free(line);
    return all;
}
