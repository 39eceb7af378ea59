/* JSON-RPC 2.0 (jsonrpc.org/specification) in lines, as the Model Context Protocol has it ("Transports", stdio).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rpc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json_text.h"
#include "base/utf8.h"
#include "signals.h"
#include "term.h"
#include "words.h"

#define MOST_UNREAD  ((size_t)32 << 20) /* bytes that wait for a program to read them: a request is among them */
#define MOST_ANSWERS ((size_t)1 << 20)  /* where answers to its own requests are added */
#define MOST_TOLD    8
#define MOST_LOGGED  10
#define GRACE        2 /* seconds: rpc.grace */
#define NO_METHOD    (-32601)

/* ---- what goes wrong ---- */

/* Nothing more is exchanged: it is ended. */
static void lose(rpc *r, const char *why)
{
    int status;
    char how[64];
    if (r->is_lost)
        return;
    r->is_lost = true;
    const bool has_ended = !why;
    child_end(&r->child, has_ended ? r->grace : 0, true, &status);
    if (has_ended)
        snprintf(r->why_lost, sizeof r->why_lost, "it has ended (%s)", child_status(status, how, sizeof how));
    else
        snprintf(r->why_lost, sizeof r->why_lost, "%s: it was ended", why);
}

/* A notice about what it sends, the first few times. */
static void tell(rpc *r, const char *what, const char *line)
{
    char shown[128];
    if (r->n_told++ < MOST_TOLD)
        term_note("(%s: %s%s%s)", r->name, what, *line ? ": " : "", term_printable(line, shown, sizeof shown));
    if (r->n_told == MOST_TOLD)
        term_note("(%s: no more is said of what it sends)", r->name);
}

/* ---- writing ---- */

/* What is left to be written lies in r->to; the part before talk.input is written. */
static void tidy(rpc *r)
{
    if (r->talk.n_input == 0)
        ct_buf_clear(&r->to);
}

static void send_line(rpc *r, const char *text)
{
    const size_t written = r->talk.n_input ? (size_t)(r->talk.input - r->to.data) : 0;
    tidy(r);
    ct_buf_str(&r->to, text);
    if (!ct_buf_char(&r->to, '\n')) {
        lose(r, "it does not read what it is sent, or there is no memory for it");
        return;
    }
    r->talk.input = r->to.data + written;
    r->talk.n_input = r->to.len - written;
}

static void send_json(rpc *r, json_t *message)
{
    char *text = ct_json_dump(message, JSON_COMPACT);
    json_decref(message);
    if (text)
        send_line(r, text);
    else
        lose(r, "no memory for an answer to it");
    free(text);
}

static bool begin_request(rpc *r, const char *method, const char *params, carat_err *err)
{
    ct_buf b;
    ct_buf_init(&b, RPC_MOST_LINE);
    r->id++;
    ct_buf_fmt(&b, "{\"jsonrpc\":\"2.0\",\"id\":%jd,\"method\":\"%s\",\"params\":", (intmax_t)r->id, method);
    ct_buf_str(&b, params);
    ct_buf_char(&b, '}');
    const bool ok = !b.failed || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for a request", r->name);
    if (ok)
        send_line(r, b.data);
    ct_buf_deinit(&b);
    return ok;
}

void rpc_notify(rpc *r, const char *method, const char *params)
{
    ct_buf b;
    ct_buf_init(&b, RPC_MOST_LINE);
    ct_buf_fmt(&b, "{\"jsonrpc\":\"2.0\",\"method\":\"%s\"", method);
    if (params)
        ct_buf_fmt(&b, ",\"params\":%s", params);
    ct_buf_char(&b, '}');
    if (b.failed)
        lose(r, "no memory for a message to it");
    else if (!r->is_lost)
        send_line(r, b.data);
    ct_buf_deinit(&b);
}

/* ---- what comes ---- */

/* A program that asks and does not read must not have all our memory. */
static void answer_request(rpc *r, const json_t *id, const char *method)
{
    if (r->talk.n_input > MOST_ANSWERS && !r->is_lost) {
        lose(r, "it does not read what it is sent");
        return;
    }
    json_t *copy = json_deep_copy(id);
    if (strcmp(method, "ping") == 0)
        send_json(r, json_pack("{s:s, s:o, s:{}}", "jsonrpc", "2.0", "id", copy, "result"));
    else
        send_json(r, json_pack("{s:s, s:o, s:{s:i, s:s}}", "jsonrpc", "2.0", "id", copy, "error", "code", NO_METHOD,
                               "message", "method not found"));
}

static bool is_ours(const rpc *r, const json_t *id)
{
    return json_is_integer(id) && json_integer_value(id) == r->id;
}

/* An answer, ours or not. An error without an id is about what could not be read: the request under way. */
static void take_answer(rpc *r, json_t *m)
{
    const json_t *id = json_object_get(m, "id");
    const bool is_error = json_object_get(m, "error") != NULL;
    if (r->waits && !r->answer && (is_ours(r, id) || (is_error && (!id || json_is_null(id)))))
        r->answer = json_incref(m);
    else if (json_is_integer(id) && json_integer_value(id) > 0 && json_integer_value(id) <= r->id)
        tell(r, "an answer that comes too late or twice is passed over", "");
    else
        tell(r, "an answer to no request is passed over", "");
}

static void take_message(rpc *r, json_t *m)
{
    const char *method = json_string_value(json_object_get(m, "method"));
    const json_t *id = json_object_get(m, "id");
    if (!json_is_object(m))
        tell(r, "a line that is no message is passed over", "");
    else if (method && (json_is_string(id) || json_is_number(id)))
        answer_request(r, id, method);
    else if (method && !id)
        r->on_notice(r->arg, method, json_object_get(m, "params"));
    else if (json_object_get(m, "result") || json_object_get(m, "error"))
        take_answer(r, m);
    else
        tell(r, "a line that is no message is passed over", "");
}

static bool is_blank(const char *line)
{
    return line[strspn(line, " \t\r")] == '\0';
}

/* Version 2025-03-26 of the protocol has several messages in one array. */
static void take_line(rpc *r, const char *line, size_t len)
{
    json_t *m;
    size_t i;
    json_t *one;
    carat_err err;
    if (ct_json_parse(r->name, line, len, &m, &err)) {
        if (json_is_array(m)) {
            json_array_foreach(m, i, one) {
                if (!r->is_lost)
                    take_message(r, one);
            }
        } else {
            take_message(r, m);
        }
        json_decref(m);
    } else if (r->waits && !r->answer && (*line == '{' || *line == '[')) {
        r->has_bad_answer = true; /* it may have been the answer, which would be waited for in vain */
        r->bad = err;
    } else if (!is_blank(line)) {
        tell(r, "its standard output has what is no message", line);
    }
}

/* Lines end with a newline; the last one, without, is none. */
static void on_out(void *arg, const char *data, size_t len)
{
    rpc *r = arg;
    while (len && !r->is_lost) {
        const char *end = memchr(data, '\n', len);
        const size_t n = end ? (size_t)(end - data) : len;
        if (!ct_buf_add(&r->line, data, n)) {
            lose(r, "it sends a line of more than 16 MiB, or there is no memory for it");
            return;
        }
        if (end && r->line.len) {
            take_line(r, r->line.data, r->line.len);
            ct_buf_clear(&r->line);
        }
        data += n + (end != NULL);
        len -= n + (end != NULL);
    }
}

static void on_err(void *arg, const char *data, size_t len)
{
    rpc *r = arg;
    child_log_add(&r->log, data, len);
}

/* ---- waiting ---- */

static child_event move(rpc *r, double until)
{
    const child_event e = child_move(&r->child, &r->talk, until);
    if (!r->is_lost && (e == CHILD_DONE || r->child.out < 0))
        lose(r, NULL);
    return e;
}

static bool lost(const rpc *r, carat_err *err)
{
    return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: %s", r->name, r->why_lost);
}

/* The request is given up: the program is told so. */
static void give_up(rpc *r, const char *reason)
{
    char params[96];
    snprintf(params, sizeof params, "{\"requestId\":%jd,\"reason\":\"%s\"}", (intmax_t)r->id, reason);
    rpc_notify(r, "notifications/cancelled", params);
    if (!r->is_lost)
        child_move(&r->child, &r->talk, 0);
}

static bool wait_for_answer(rpc *r, const char *method, double seconds, carat_err *err)
{
    const double until = ct_now() + seconds;
    while (!r->answer) {
        if (r->is_lost)
            return lost(r, err);
        if (r->has_bad_answer) {
            if (err)
                *err = r->bad;
            return false;
        }
        const child_event e = move(r, until);
        if (r->answer || r->is_lost || r->has_bad_answer)
            continue;
        if (e == CHILD_WOKEN || cli_was_interrupted()) {
            give_up(r, "interrupted");
            return ct_fail(err, CARAT_ECANCELLED, CARAT_NOWHERE, "%s: interrupted", r->name);
        }
        if (e == CHILD_LATE || ct_now() >= until) {
            give_up(r, "no answer in time");
            return ct_fail(err, CARAT_ETIME, CARAT_NOWHERE, "%s: no answer to %s within %g seconds", r->name, method,
                           seconds);
        }
    }
    return true;
}

/* The result of the answer, or why there is none. */
static bool take_result(rpc *r, const char *method, json_t **result, carat_err *err)
{
    json_t *error = json_object_get(r->answer, "error"), *found = json_object_get(r->answer, "result");
    if (error) {
        const char *says = json_string_value(json_object_get(error, "message"));
        r->refusal = json_incref(error);
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: %s: error %" JSON_INTEGER_FORMAT ": %.120s",
                       r->name, method, json_integer_value(json_object_get(error, "code")),
                       says ? says : "without a message");
    }
    if (!json_is_object(found))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: %s: the result is %s, expected an object", r->name,
                       method, found ? ct_json_kind(found) : "missing");
    *result = json_incref(found);
    return true;
}

bool rpc_request(rpc *r, const char *method, const char *params, double seconds, json_t **result, carat_err *err)
{
    *result = NULL;
    json_decref(r->refusal);
    r->refusal = NULL;
    r->has_bad_answer = false;
    if (r->is_lost)
        return lost(r, err);
    if (!begin_request(r, method, params, err))
        return false;
    r->waits = true;
    r->talk.wake = cli_interrupt_fd();
    const bool ok = wait_for_answer(r, method, seconds, err) && take_result(r, method, result, err);
    r->waits = false;
    r->talk.wake = -1;
    json_decref(r->answer);
    r->answer = NULL;
    return ok;
}

void rpc_listen(rpc *r)
{
    const double until = ct_now() + 1; /* what never ends is listened to no longer */
    while (!r->is_lost && move(r, 0) == CHILD_MOVED && ct_now() < until)
        ;
}

/* ---- from start to end ---- */

/* The program's name without its folders. */
static void name_it(rpc *r, const char *path)
{
    const char *slash = strrchr(path, '/');
    term_printable(slash && slash[1] ? slash + 1 : path, r->name, sizeof r->name);
}

bool rpc_open(rpc *r, const char *command, carat_err *err)
{
    char **words;
    r->child = (child){ 0, -1, -1, -1, -1 };
    r->grace = GRACE;
    ct_buf_init(&r->to, MOST_UNREAD);
    ct_buf_init(&r->line, RPC_MOST_LINE);
    r->talk = (child_talk){ .on_out = on_out, .on_err = on_err, .arg = r, .wake = -1 };
    if (!cli_split_words(command, &words, err))
        return false;
    name_it(r, words[0]);
    const bool ok = child_start(&r->child, words, err);
    free(words);
    return ok;
}

/* The last MOST_LOGGED lines. */
static const char *last_lines(const char *text, size_t len)
{
    size_t n = 0, i = len;
    while (i && (text[i - 1] != '\n' || i == len || n++ < MOST_LOGGED - 1))
        i--;
    return text + i;
}

void rpc_show_log(rpc *r)
{
    const char *p = last_lines(r->log.text, r->log.len);
    for (size_t n; *p; p += n + (p[n] == '\n')) {
        char line[256], shown[256];
        n = strcspn(p, "\n");
        snprintf(line, sizeof line, "%.*s", (int)n, p);
        if (n)
            term_tell("  %s: %s", r->name, term_printable(line, shown, sizeof shown));
    }
    r->log = (child_log){ .len = 0 };
}

void rpc_hang_up(rpc *r)
{
    child_hang_up(&r->child);
}

void rpc_close(rpc *r)
{
    int status;
    child_end(&r->child, r->grace, true, &status);
    json_decref(r->answer);
    json_decref(r->refusal);
    ct_buf_deinit(&r->to);
    ct_buf_deinit(&r->line);
}
