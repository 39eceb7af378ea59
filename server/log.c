/* A line a request on stderr: text for people, or JSON for programs that collect logs. What is asked and answered is in
 * none of them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

static void log_json(const ct_call *c, const char *when, const char *path, double seconds)
{
    json_t *o =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:f, s:s*, s:I, s:I, s:I}", "time", when, "id", c->id, "peer",
                  ct_http_peer(c->x), "method", ct_http_method(c->x), "path", path, "status", c->status, "seconds",
                  seconds, "model", c->model ? c->model->name : NULL, "prompt_tokens", (json_int_t)c->n_prompt,
                  "cached_tokens", (json_int_t)c->n_cached, "generated_tokens", (json_int_t)c->n_generated);
    char *line = ct_json_dump(o, JSON_COMPACT | JSON_REAL_PRECISION(6));
    if (line)
        fprintf(stderr, "%s\n", line);
    free(line);
    json_decref(o);
}

static void log_text(const ct_call *c, const char *when, const char *path, double seconds)
{
    char tokens[96] = "";
    if (c->n_prompt || c->n_generated)
        snprintf(tokens, sizeof tokens, "  %zu tokens in (%zu cached), %zu out", c->n_prompt, c->n_cached,
                 c->n_generated);
    fprintf(stderr, "%s  %s  %s %s  %d  %.3f s%s\n", when, c->id, ct_http_method(c->x), path, c->status, seconds,
            tokens);
}

void ct_server_log_call(const ct_call *c)
{
    char when[40], path[128];
    if (c->s->o.is_quiet)
        return;
    stamp(when, sizeof when);
    snprintf(path, sizeof path, "%s", ct_http_path(c->x));
    path[ct_utf8_valid(path, strlen(path))] = '\0';
    ct_utf8_tidy(path);
    double seconds = ct_now() - c->began;
    if (c->s->o.logs_json)
        log_json(c, when, path, seconds);
    else
        log_text(c, when, path, seconds);
}

void ct_server_log(const ct_server *s, const char *fmt, ...)
{
    char when[40], text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    stamp(when, sizeof when);
    if (!s->o.logs_json) {
        fprintf(stderr, "carat: %s\n", text);
        return;
    }
    json_t *o = json_pack("{s:s, s:o}", "time", when, "message", ct_json_from_str(text));
    char *line = ct_json_dump(o, JSON_COMPACT);
    if (line)
        fprintf(stderr, "%s\n", line);
    free(line);
    json_decref(o);
}
