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
#include <wchar.h>

#include "base/buf.h"
#include "term.h"

#if CARAT_HAVE_LIBEDIT
#include <histedit.h>
#endif

#define MAX_MESSAGE ((size_t)64 << 20)
#define QUOTES      "\"\"\"" /* around a message of several lines */

/* Ctrl-C has given up the line. */
static bool was_interrupted;
/* errno of why the last message could not be read; 0: it could, or the input was at its end. */
static int why_not;
/* The message was pasted or put between quotes. */
static bool is_text;
/* A line of the message has a NUL byte. */
static bool has_nul;

#if CARAT_HAVE_LIBEDIT
#define MAX_HISTORY 1000

static struct {
    EditLine *el; /* NULL: no terminal, or one that cannot be edited on */
    History *history;
    const char *prompt;
    bool takes_pastes; /* the terminal is asked to mark them */
    char *pasted;      /* owned: the first word of what was pasted into the line at its beginning */
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

/* Bracketed paste, as xterm has it (ctlseqs, "Bracketed Paste Mode"): while a line is read, the terminal puts marks
 * around what is pasted. */
static void mark_pastes(bool on)
{
    FILE *f = isatty(1) ? stdout : stderr;
    if (!edit.takes_pastes)
        return;
    fputs(on ? "\x1b[?2004h" : "\x1b[?2004l", f);
    fflush(f);
}

static unsigned char suspend(EditLine *el, int key)
{
    (void)key;
    mark_pastes(false);
    el_set(el, EL_PREP_TERM, 0); /* libedit's own handler does so the first time only */
    kill(0, SIGTSTP);
    el_set(el, EL_PREP_TERM, 1);
    mark_pastes(true);
    return CC_REDISPLAY;
}

static void add_pasted(ct_buf *b, wchar_t c)
{
    if (c) /* a message has no NUL */
        ct_buf_add(b, &c, sizeof c);
}

/* Takes the end mark off, once it is there. */
static bool paste_is_whole(ct_buf *b)
{
    static const wchar_t mark[] = L"\x1b[201~";
    const size_t n = sizeof mark - sizeof *mark;
    if (b->len < n || memcmp(b->data + b->len - n, mark, n) != 0)
        return false;
    b->len -= n;
    return true;
}

/* What stands between the marks, as one text: its newlines (terminals send carriage returns) start nothing. */
static void read_paste(EditLine *el, ct_buf *b)
{
    wchar_t c, last = 0;
    while (!paste_is_whole(b) && el_wgetc(el, &c) == 1) {
        if (c != '\n' || last != '\r')
            add_pasted(b, c == '\r' ? '\n' : c);
        last = c;
    }
}

/* Notes the first word, so that a message that still begins with it is known to be no command. */
static void note_pasted(const wchar_t *text)
{
    wchar_t *copy = wcsdup(text);
    if (!copy)
        return;
    copy[wcscspn(copy, L" \t\n")] = '\0';
    const size_t n = wcstombs(NULL, copy, 0);
    free(edit.pasted);
    edit.pasted = n != (size_t)-1 ? malloc(n + 1) : NULL;
    if (edit.pasted)
        wcstombs(edit.pasted, copy, n + 1);
    free(copy);
}

static unsigned char paste(EditLine *el, int key)
{
    (void)key;
    const LineInfo *line = el_line(el);
    const bool is_first = line->cursor == line->buffer;
    ct_buf b;
    ct_buf_init(&b, MAX_MESSAGE);
    read_paste(el, &b);
    const wchar_t end = 0;
    unsigned char next = CC_REFRESH;
    if (b.len == 0 && !b.failed) {
        /* nothing was pasted */
    } else if (!ct_buf_add(&b, &end, sizeof end) || el_winsertstr(el, (const wchar_t *)(const void *)b.data) != 0) {
        term_tell("\n(what was pasted is too long: it is left out)");
        next = CC_REDISPLAY;
    } else if (is_first) {
        note_pasted((const wchar_t *)(const void *)b.data);
    }
    ct_buf_deinit(&b);
    return next;
}

static void bind_keys(void)
{
    static const char *const keys[][2] = {
        { "^I", "carat-complete" },     { "^R", "em-inc-search-prev" },      { "\\e[1~", "ed-move-to-beg" },
        { "\\e[7~", "ed-move-to-beg" }, { "\\e[H", "ed-move-to-beg" },       { "\\e[4~", "ed-move-to-end" },
        { "\\e[8~", "ed-move-to-end" }, { "\\e[F", "ed-move-to-end" },       { "\\e[1;5C", "em-next-word" },
        { "\\e[1;5D", "ed-prev-word" }, { "\\e[3~", "ed-delete-next-char" },
    };
    el_set(edit.el, EL_ADDFN, "carat-complete", "complete a file's name", _el_fn_complete);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        el_set(edit.el, EL_BIND, keys[i][0], keys[i][1], NULL);
}

/* What the rest relies on, after ~/.editrc: "bind -v" there unbinds all. */
static void bind_own_keys(void)
{
    el_set(edit.el, EL_ADDFN, "carat-give-up", "give up the line", give_up_line);
    el_set(edit.el, EL_ADDFN, "carat-suspend", "suspend the program", suspend);
    el_set(edit.el, EL_ADDFN, "carat-paste", "take what is pasted as one text", paste);
    el_set(edit.el, EL_SETTY, "-d", "-isig", "-icrnl", "-inlcr", NULL); /* and a pasted CR LF is one newline */
    el_set(edit.el, EL_BIND, "^C", "carat-give-up", NULL);
    el_set(edit.el, EL_BIND, "^Z", "carat-suspend", NULL);
    edit.takes_pastes = el_set(edit.el, EL_BIND, "\\e[200~", "carat-paste", NULL) == 0 && term_obeys(isatty(1) ? 1 : 2);
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

static bool begins_as_pasted(const char *line)
{
    return edit.pasted && strncmp(line, edit.pasted, strlen(edit.pasted)) == 0;
}

/* Below the line that Ctrl-C gave up. hints: how to leave, where that is what Ctrl-C may have been for. */
static void end_line(bool hints)
{
    fputs(was_interrupted && hints ? "\n(Ctrl-D or /bye leaves)\n" : "\n", isatty(1) ? stdout : stderr);
}

/* NULL: the end of input. */
static char *edited_line(const char *prompt, bool hints)
{
    int n = 0;
    edit.prompt = prompt;
    free(edit.pasted);
    edit.pasted = NULL;
    mark_pastes(true);
    const char *line = el_gets(edit.el, &n);
    mark_pastes(false);
    if (was_interrupted || !line || n <= 0)
        end_line(hints);
    if (!was_interrupted && (!line || n <= 0))
        return NULL;
    char *copy = was_interrupted ? strdup("") : strndup(line, (size_t)n - (line[n - 1] == '\n'));
    why_not = copy ? 0 : ENOMEM;
    is_text = copy && (strchr(copy, '\n') || begins_as_pasted(copy));
    return copy;
}
#else
static bool begins_as_pasted(const char *line)
{
    (void)line;
    return false;
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
    bind_own_keys();
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
    free(edit.pasted);
    edit.pasted = NULL;
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
    /* A signal that ends the program interrupts; a stdin that was closed before the program has nothing. */
    why_not = n < 0 && !feof(stdin) && errno != EINTR && errno != EBADF ? errno : 0;
    sigaction(SIGINT, &was, NULL);
    if (n < 0) {
        free(line);
        return NULL;
    }
    if (n && line[n - 1] == '\n')
        line[--n] = '\0';
    for (ssize_t i = 0; i < n; i++)
        if (!line[i]) {
            has_nul = true;
            line[i] = '?'; /* so that the quotes behind it are seen */
        }
    return line;
}

static char *one_line(const char *prompt, bool hints)
{
    was_interrupted = is_text = false;
#if CARAT_HAVE_LIBEDIT
    if (edit.el)
        return edited_line(prompt, hints);
#else
    (void)hints;
#endif
    return plain_line(prompt);
}

/* Adds a line up to the closing quotes, and what stands behind them. Were they there? */
static bool add_line(ct_buf *b, const char *line, size_t *total)
{
    const char *end = strstr(line, QUOTES);
    const size_t len = end ? (size_t)(end - line) : strlen(line);
    const char *behind = end ? end + strlen(QUOTES) : "";
    ct_buf_add(b, line, len);
    *total += len + 1;
    if (behind[strspn(behind, " \t\r\n")]) {
        ct_buf_str(b, behind);
        *total += strlen(behind);
    }
    return end;
}

/* first is the line that began with the quotes; reads on to the closing ones. */
static char *many_lines(const char *first)
{
    ct_buf b;
    ct_buf_init(&b, MAX_MESSAGE);
    size_t total = 0;
    bool is_whole = add_line(&b, first + strlen(QUOTES), &total);
    while (!is_whole) {
        char *line = one_line("... ", true);
        if (!line && !why_not)
            break;
        if (!line || was_interrupted) { /* gives up the whole message */
            ct_buf_deinit(&b);
            return line;
        }
        if (b.len)
            ct_buf_char(&b, '\n');
        is_whole = add_line(&b, line, &total);
        free(line);
    }
    is_text = true;
    char *all = ct_buf_take(&b);
    if (!all)
        why_not = total > MAX_MESSAGE ? EMSGSIZE : ENOMEM;
    return all;
}

bool line_is_text(void)
{
    return is_text;
}

bool line_was_given_up(void)
{
    return was_interrupted;
}

int line_error(void)
{
    return why_not;
}

bool line_has_nul(void)
{
    return has_nul;
}

char *line_read(const char *prompt, bool multi)
{
    has_nul = false;
    char *line = one_line(prompt, multi);
    if (!line)
        return NULL;
    if (multi)
        remember(line);
    if (!multi || begins_as_pasted(line) || strncmp(line, QUOTES, strlen(QUOTES)) != 0)
        return line;
    char *all = many_lines(line);
    free(line);
    return all;
}
