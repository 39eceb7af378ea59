/* A line a request on stderr: text for people, or JSON for programs that collect logs. What is asked and answered is in
 * none of them.
 *
 * Nobody waits for a log: while whoever reads stderr does not, lines are counted instead of written.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "server/inside.h"

static void stamp(char *to, size_t size)
{
    struct timespec t;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &t);
    gmtime_r(&t.tv_sec, &tm);
    size_t n = strftime(to, size, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(to + n, size - n, ".%03ldZ", t.tv_nsec / 1000000);
}

/* ---- lines ---- */

/* Does it take a line at once? A pipe that can be written to has room for 4 KiB (PIPE_BUF), which no line reaches. */
static bool takes_a_line(void)
{
    struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
    return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT);
}

static void put(const char *line, size_t len)
{
    while (write(STDERR_FILENO, line, len) < 0 && errno == EINTR)
        ;
}

/* What was not written is told of as soon as something can be. */
static void tell_lost(ct_server *s, const char *when)
{
    char line[160];
    int n =
        snprintf(line, sizeof line,
                 s->o.logs_json ? "{\"time\":\"%s\",\"message\":\"%zu lines of the log are lost: nobody took them\"}\n"
                                : "%s  %zu lines of the log are lost: nobody took them\n",
                 when, s->n_lost_lines);
    s->n_lost_lines = 0;
    put(line, (size_t)n);
}

/* A whole line, with its newline. */
static void write_line(ct_server *s, const char *when, const char *line, size_t len)
{
    if (s->n_lost_lines && takes_a_line())
        tell_lost(s, when);
    if (!s->n_lost_lines && takes_a_line())
        put(line, len);
    else
        s->n_lost_lines++;
}

/* An object as a line; both are taken. */
static void write_object(ct_server *s, const char *when, json_t *o)
{
    char *line = ct_json_dump(o, JSON_COMPACT | JSON_REAL_PRECISION(6));
    size_t len = line ? strlen(line) : 0;
    if (line) {
        line[len] = '\n'; /* in the place of the NUL */
        write_line(s, when, line, len + 1);
    }
    free(line);
    json_decref(o);
}

/* ---- what is said ---- */

typedef struct said {
    char when[40], method[24], path[128];
    double seconds;
} said;

static void log_json(const ct_call *c, const said *l)
{
    json_t *o =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:f, s:s*, s:I, s:I, s:I}", "time", l->when, "id", c->id, "peer",
                  ct_http_peer(c->x), "method", l->method, "path", l->path, "status", c->status, "seconds", l->seconds,
                  "model", c->model ? c->model->name : NULL, "prompt_tokens", (json_int_t)c->n_prompt, "cached_tokens",
                  (json_int_t)c->n_cached, "generated_tokens", (json_int_t)c->n_generated);
    write_object(c->s, l->when, o);
}

static void log_text(const ct_call *c, const said *l)
{
    char tokens[96] = "", line[512];
    if (c->n_prompt || c->n_generated)
        snprintf(tokens, sizeof tokens, "  %zu tokens in (%zu cached), %zu out", c->n_prompt, c->n_cached,
                 c->n_generated);
    int n = snprintf(line, sizeof line, "%s  %s  %s %s  %d  %.3f s%s\n", l->when, c->id, l->method, l->path, c->status,
                     l->seconds, tokens);
    write_line(c->s, l->when, line, (size_t)n);
}

/* What a client has sent, as text that is no command to a terminal. */
static void tidy(const char *text, char *to, size_t size)
{
    snprintf(to, size, "%s", text);
    to[ct_utf8_valid(to, strlen(to))] = '\0';
    ct_utf8_tidy(to);
}

void ct_server_log_call(const ct_call *c)
{
    said l = { .seconds = ct_now() - c->began };
    if (c->s->o.is_quiet)
        return;
    stamp(l.when, sizeof l.when);
    tidy(ct_http_method(c->x), l.method, sizeof l.method);
    tidy(ct_http_path(c->x), l.path, sizeof l.path);
    if (c->s->o.logs_json)
        log_json(c, &l);
    else
        log_text(c, &l);
}

void ct_server_log(ct_server *s, const char *fmt, ...)
{
    char when[40], text[512], line[544];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    stamp(when, sizeof when);
    if (s->o.logs_json) {
        write_object(s, when, json_pack("{s:s, s:o}", "time", when, "message", ct_json_from_str(text)));
        return;
    }
    int n = snprintf(line, sizeof line, "carat: %s\n", text);
    write_line(s, when, line, (size_t)n);
}
