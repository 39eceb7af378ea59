/* One message from a person: libedit and a history on a terminal, plain lines of any length from a pipe.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "line.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "term.h"

#if CARAT_HAVE_LIBEDIT
#include <histedit.h>
#endif

#define MAX_MESSAGE ((size_t)64 << 20)

/* Ctrl-C has given up the line. */
static bool was_interrupted;
/* errno of why the last message could not be read; 0: it could, or the input was at its end. */
static int why_not;

#if CARAT_HAVE_LIBEDIT
#define MAX_HISTORY 1000

static struct {
    EditLine *el; /* NULL: no terminal, or one that cannot be edited on */
    History *history;
    const char *prompt;
} edit;

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

static char *show_prompt(EditLine *el)
{
    (void)el;
    /* Ctrl-C is a signal until the terminal is in libedit's mode, which it is after it shows the prompt. libedit has
     * put its handlers in place by now and takes them away with the line. */
    signal(SIGINT, SIG_IGN);
    return (char *)(uintptr_t)edit.prompt;
}

/* Ctrl-C and Ctrl-Z are keys here, not signals: jumping out of libedit from a handler leaves it in pieces, and it goes
 * on after a handler that returns. */
static unsigned char give_up_line(EditLine *el, int key)
{
    (void)el, (void)key;
    was_interrupted = true;
    return CC_NEWLINE;
}

static unsigned char suspend(EditLine *el, int key)
{
    (void)key;
    el_set(el, EL_PREP_TERM, 0); /* libedit's own handler does so the first time only */
    kill(0, SIGTSTP);
    el_set(el, EL_PREP_TERM, 1);
    return CC_REDISPLAY;
}

static void bind_keys(void)
{
    static const char *const keys[][2] = {
        { "^C", "carat-give-up" },           { "^Z", "carat-suspend" },      { "^I", "carat-complete" },
        { "^R", "em-inc-search-prev" },      { "\\e[1~", "ed-move-to-beg" }, { "\\e[7~", "ed-move-to-beg" },
        { "\\e[H", "ed-move-to-beg" },       { "\\e[4~", "ed-move-to-end" }, { "\\e[8~", "ed-move-to-end" },
        { "\\e[F", "ed-move-to-end" },       { "\\e[1;5C", "em-next-word" }, { "\\e[1;5D", "ed-prev-word" },
        { "\\e[3~", "ed-delete-next-char" },
    };
    el_set(edit.el, EL_ADDFN, "carat-give-up", "give up the line", give_up_line);
    el_set(edit.el, EL_ADDFN, "carat-suspend", "suspend the program", suspend);
    el_set(edit.el, EL_ADDFN, "carat-complete", "complete a file's name", _el_fn_complete);
    el_set(edit.el, EL_SETTY, "-d", "-isig", NULL);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        el_set(edit.el, EL_BIND, keys[i][0], keys[i][1], NULL);
}

static void open_history(void)
{
    char path[4096];
    HistEvent e;
    edit.history = history_init();
    if (!edit.history)
        return;
    history(edit.history, &e, H_SETSIZE, MAX_HISTORY);
    el_set(edit.el, EL_HIST, history, edit.history);
    if (history_path(path, sizeof path))
        history(edit.history, &e, H_LOAD, path);
}

/* NULL: the end of input. */
static char *edited_line(const char *prompt)
{
    int n = 0;
    edit.prompt = prompt;
    const char *line = el_gets(edit.el, &n);
    if (was_interrupted || !line || n <= 0)
        fputs(was_interrupted ? "\n(Ctrl-D or /bye leaves)\n" : "\n", isatty(1) ? stdout : stderr);
    if (!was_interrupted && (!line || n <= 0))
        return NULL;
    char *copy = was_interrupted ? strdup("") : strndup(line, (size_t)n - (line[n - 1] == '\n'));
    why_not = copy ? 0 : ENOMEM;
    return copy;
}
#endif

void line_open(void)
{
#if CARAT_HAVE_LIBEDIT
    if (!isatty(0))
        return;
    edit.el = el_init("carat", stdin, isatty(1) ? stdout : stderr, stderr);
    if (!edit.el)
        return;
    el_set(edit.el, EL_PROMPT, show_prompt);
    el_set(edit.el, EL_EDITOR, "emacs");
    el_set(edit.el, EL_SIGNAL, 1);
    bind_keys();
    open_history();
    el_source(edit.el, NULL); /* the user's ~/.editrc */
#endif
}

void line_close(void)
{
#if CARAT_HAVE_LIBEDIT
    char path[4096];
    HistEvent e;
    if (edit.history && history_path(path, sizeof path))
        history(edit.history, &e, H_SAVE, path);
    if (edit.history)
        history_end(edit.history);
    if (edit.el)
        el_end(edit.el);
    edit.history = NULL;
    edit.el = NULL;
#endif
}

static void remember(const char *line)
{
#if CARAT_HAVE_LIBEDIT
    HistEvent e;
    if (edit.history && *line)
        history(edit.history, &e, H_ENTER, line);
#else
    (void)line;
#endif
}

static char *plain_line(const char *prompt)
{
    if (isatty(0)) {
        FILE *f = isatty(1) ? stdout : stderr;
        fputs(prompt, f);
        fflush(f);
    }
    /* Waiting, SIGINT ends the program whatever it does otherwise. */
    struct sigaction was, deflt = { .sa_handler = SIG_DFL };
    sigemptyset(&deflt.sa_mask);
    sigaction(SIGINT, &deflt, &was);
    char *line = NULL;
    size_t cap = 0;
    errno = 0;
    ssize_t n = getline(&line, &cap, stdin);
    why_not = n < 0 && !feof(stdin) && errno != EINTR ? errno : 0; /* a signal that ends the program interrupts */
    sigaction(SIGINT, &was, NULL);
    if (n < 0) {
        free(line);
        return NULL;
    }
    if (n && line[n - 1] == '\n')
        line[--n] = '\0';
    if (strlen(line) < (size_t)n)
        term_note("(the line contains a NUL byte; the rest of it is ignored)");
    return line;
}

static char *one_line(const char *prompt)
{
    was_interrupted = false;
#if CARAT_HAVE_LIBEDIT
    if (edit.el)
        return edited_line(prompt);
#endif
    return plain_line(prompt);
}

/* first is the line that began with """; reads on to the closing one. */
static char *many_lines(const char *first)
{
    ct_buf b;
    ct_buf_init(&b, MAX_MESSAGE);
    const char *rest = first + 3, *end = strstr(rest, "\"\"\"");
    size_t total = end ? (size_t)(end - rest) : strlen(rest);
    ct_buf_add(&b, rest, total);
    while (!end) {
        char *line = one_line("... ");
        if (!line && !why_not)
            break;
        if (!line || was_interrupted) { /* gives up the whole message */
            ct_buf_deinit(&b);
            return line;
        }
        end = strstr(line, "\"\"\"");
        if (b.len)
            ct_buf_char(&b, '\n');
        const size_t len = end ? (size_t)(end - line) : strlen(line);
        ct_buf_add(&b, line, len);
        total += len + 1;
        free(line);
    }
    char *all = ct_buf_take(&b);
    if (!all)
        why_not = total > MAX_MESSAGE ? EMSGSIZE : ENOMEM;
    return all;
}

int line_error(void)
{
    return why_not;
}

char *line_read(const char *prompt, bool multi)
{
    char *line = one_line(prompt);
    if (!line)
        return NULL;
    if (multi)
        remember(line);
    if (!multi || strncmp(line, "\"\"\"", 3) != 0)
        return line;
    char *all = many_lines(line);
    free(line);
    return all;
}
