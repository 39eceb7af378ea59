/* Notices, errors and progress on stderr; colour and width only where a terminal is.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "term.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/utf8.h"
#include "options.h"

#define MIN_WIDTH 8 /* columns: narrower windows are taken for so wide */

static bool is_quiet, bar_is_shown;
static double progress_start; /* 0: nothing under way */

static void on_log(void *arg, carat_log_level level, const char *line)
{
    (void)arg;
    if (is_quiet || level < CARAT_LOG_WARN)
        return;
    term_progress_end();
    fprintf(stderr, "carat: warning: %s\n", line);
}

void term_init(bool quiet)
{
    is_quiet = quiet;
    carat_log_to(on_log, NULL);
}

bool term_is_tty(int fd)
{
    return isatty(fd);
}

bool term_obeys(int fd)
{
    const char *term = getenv("TERM");
    return isatty(fd) && term && *term && strcmp(term, "dumb") != 0;
}

bool term_may_colour(void)
{
    const char *no = getenv("NO_COLOR");
    return !(no && *no);
}

bool term_has_colour(int fd)
{
    return term_obeys(fd) && term_may_colour();
}

const char *term_dim(int fd)
{
    return term_has_colour(fd) ? "\x1b[2m" : "";
}

const char *term_bold(int fd)
{
    return term_has_colour(fd) ? "\x1b[1m" : "";
}

const char *term_reset(int fd)
{
    return term_has_colour(fd) ? "\x1b[0m" : "";
}

const char *term_printable(const char *s, char *out, size_t size)
{
    size_t n = 0;
    for (size_t left = strlen(s); left;) {
        uint32_t cp;
        size_t len = ct_utf8_next(s, left, &cp);
        bool is_bad = cp == CT_UTF8_BAD || ct_utf8_is_control(cp);
        if (n + (is_bad ? 1 : len) >= size)
            break;
        memcpy(out + n, is_bad ? "?" : s, is_bad ? 1 : len);
        n += is_bad ? 1 : len;
        s += len;
        left -= len;
    }
    out[n] = '\0';
    return out;
}

int term_width(int fd)
{
    struct winsize w;
    if (ioctl(fd, TIOCGWINSZ, &w) != 0 || w.ws_col == 0)
        return 80;
    return w.ws_col < MIN_WIDTH ? MIN_WIDTH : w.ws_col;
}

int term_error(const carat_err *err)
{
    term_progress_end();
    fprintf(stderr, "carat: %s\n", err->msg);
    return CLI_FAILED;
}

static void note(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));
static void note(const char *fmt, va_list ap)
{
    term_progress_end();
    fputs(term_dim(2), stderr);
    vfprintf(stderr, fmt, ap);
    fprintf(stderr, "%s\n", term_reset(2));
}

void term_note(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (!is_quiet)
        note(fmt, ap);
    va_end(ap);
}

void term_tell(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    note(fmt, ap);
    va_end(ap);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

bool term_progress(void *arg, uint64_t done, uint64_t total)
{
    const char *what = arg ? arg : "loading";
    static double last;
    double t = now();
    if (progress_start == 0)
        progress_start = t;
    if (is_quiet || total == 0 || !term_obeys(2) || t - progress_start < 0.5 || (t - last < 0.1 && done < total))
        return true;
    last = t;
    int width = term_width(2) - (int)strlen(what) - 12;
    width = width > 40 ? 40 : width;
    const double part = (double)done / (double)total;
    const int filled = (int)((double)width * part);
    if (width < 4) /* a line that the window breaks could not be wiped */
        fprintf(stderr, "\r\x1b[K%3.0f %%", 100 * part);
    else
        fprintf(stderr, "\r\x1b[K%s [%.*s%*s] %3.0f %%", what, filled, "########################################",
                width - filled, "", 100 * part);
    bar_is_shown = true;
    return true;
}

void term_progress_end(void)
{
    if (bar_is_shown)
        fputs("\r\x1b[K", stderr);
    bar_is_shown = false;
    progress_start = 0;
}
