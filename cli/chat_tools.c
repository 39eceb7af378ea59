/* The calls of an answer: shown, asked for, run; what they give goes back to the model.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "chat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/json_text.h"
#include "base/utf8.h"
#include "engine.h"
#include "line.h"
#include "signals.h"
#include "term.h"

#define MOST_RESULT ((size_t)32 << 20) /* of what a tool gives, before it is cut */

bool chat_refresh_tools(chat *c)
{
    carat_err err;
    bool changed;
    if (toolbox_refresh(&c->tools, &changed, &err) && (!changed || toolbox_bind(&c->tools, c->engine, &err)))
        return true;
    term_error(&err);
    return false;
}

/* ---- showing ---- */

/* One line of any text, cut to most bytes; 0: all of it. Where nobody is asked, -q has none of it. */
static void tell_line(const chat *c, const char *what, const char *text, size_t most)
{
    void (*tell)(const char *fmt, ...) = c->asks_first ? term_tell : term_note;
    const size_t len = strlen(text), end = most && len > most ? most : len, n = end - ct_utf8_incomplete(text, end);
    char *line = strndup(text, n), *shown = malloc(n + 1);
    if (!line || !shown) {
        tell("%s(no memory to show it)", what);
    } else {
        for (char *p = line; (p = strpbrk(p, "\n\t\r"));)
            *p = ' ';
        tell("%s%s%s", what, term_printable(line, shown, n + 1), n < len ? " ..." : "");
    }
    free(line);
    free(shown);
}

/* All of it: it may be what the user is asked to allow. */
static void show_call(const chat *c, const carat_call *call)
{
    char what[96];
    snprintf(what, sizeof what, "call: %s ", call->name);
    tell_line(c, what, call->arguments, 0);
}

/* ---- asking ---- */

typedef enum leave { LEAVE_YES, LEAVE_NO, LEAVE_STOP } leave;

static leave ask(const chat *c, tool_entry *e)
{
    char origin[80], prompt[200];
    if (!c->asks_first || e->is_allowed)
        return LEAVE_YES;
    snprintf(prompt, sizeof prompt, "run %s (%s)? [y]es, [n]o, [a]lways: ", e->name,
             term_printable(toolbox_origin(e), origin, sizeof origin));
    fflush(stdout);
    char *line = line_read(prompt, false);
    cli_note_interrupt(); /* again: the line had it for a key */
    const char first = line ? line[0] : '\0';
    free(line);
    if (!line || line_was_given_up())
        return LEAVE_STOP;
    e->is_allowed = first == 'a' || first == 'A';
    return e->is_allowed || first == 'y' || first == 'Y' ? LEAVE_YES : LEAVE_NO;
}

/* ---- running ---- */

static void put_error(ct_buf *out, const char *why)
{
    ct_buf_str(out, "{\"error\":");
    ct_json_text_string(why, strlen(why), out);
    ct_buf_char(out, '}');
}

/* A result may take a quarter of the context, at three bytes a token, and 64 KiB. */
static size_t most_bytes(const chat *c)
{
    const size_t n = carat_session_n_ctx(c->session) / 4 * 3;
    return n < TOOL_MOST_BYTES ? n : TOOL_MOST_BYTES;
}

/* As a message has it: UTF-8 without NUL characters, and not too long. */
static char *tidy(const chat *c, const ct_buf *b)
{
    ct_buf t;
    const size_t most = most_bytes(c);
    ct_buf_init(&t, MOST_RESULT);
    ct_buf_str(&t, "");
    for (size_t i = 0; i < b->len && t.len < most;) {
        uint32_t cp;
        const size_t n = ct_utf8_next(b->data + i, b->len - i, &cp);
        if (cp == CT_UTF8_BAD || cp == 0)
            ct_buf_str(&t, "\xef\xbf\xbd");
        else
            ct_buf_add(&t, b->data + i, n);
        i += n;
        if (t.len >= most && i < b->len) {
            ct_buf_fmt(&t, "\n[cut: the first %zu of %zu bytes]", i, b->len);
            term_tell("(the result is cut to %zu of %zu bytes)", i, b->len);
        }
    }
    return ct_buf_take(&t);
}

/* The terminal has shown ^C where the cursor stood: what comes now begins a line. */
static void leave_line(void)
{
    if (isatty(0) && isatty(2))
        fputc('\n', stderr);
}

/* The tool is asked for, run, and what it gives appended. False: stop. */
static bool run_call(chat *c, const carat_call *call, ct_buf *out)
{
    carat_err err;
    bool failed;
    tool_entry *e = toolbox_find(&c->tools, call->name);
    if (!e) {
        put_error(out, "there is no such function any more");
        return true;
    }
    switch (ask(c, e)) {
    case LEAVE_STOP:
        put_error(out, "the user stopped here: it was not run");
        return false;
    case LEAVE_NO:
        put_error(out, "the user did not allow this call: it was not run");
        return true;
    case LEAVE_YES:
        break;
    }
    if (toolbox_run(e, call->arguments, strlen(call->arguments), out, &failed, &err))
        return true;
    ct_buf_clear(out);
    const bool is_stopped = err.code == CARAT_ECANCELLED;
    if (is_stopped)
        leave_line();
    else if (!c->asks_first && cli_model_values.quiet) /* else the result shows it */
        term_error(&err);
    put_error(out, is_stopped ? "the user stopped it" : err.msg);
    return !is_stopped;
}

static bool keep_result(chat *c, const carat_call *call, const ct_buf *out)
{
    carat_err err;
    char *text = out->failed ? NULL : tidy(c, out);
    bool ok = text || ct_fail(&err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory to keep a result");
    if (ok) {
        tell_line(c, "result: ", text, 200);
        ok = turns_add_result(&c->turns, call, text, &err);
    }
    free(text);
    if (!ok)
        term_error(&err);
    return ok;
}

/* Since the last call. */
static bool was_stopped(void)
{
    if (!cli_was_interrupted())
        return false;
    leave_line();
    return true;
}

chat_ran chat_run_calls(chat *c, const char *instead)
{
    const turn *answer = &c->turns.v[c->turns.n - 1];
    bool is_stopped = false, ok = true;
    cli_note_interrupt(); /* from where the first call is seen */
    for (size_t i = 0; ok && i < answer->n_calls; i++) {
        const carat_call *call = &answer->calls[i];
        ct_buf out;
        ct_buf_init(&out, MOST_RESULT);
        show_call(c, call);
        if (instead)
            put_error(&out, instead);
        else if (is_stopped || (is_stopped = was_stopped()))
            put_error(&out, "the user stopped before it: it was not run");
        else
            is_stopped = !run_call(c, call, &out);
        ok = keep_result(c, call, &out);
        ct_buf_deinit(&out);
    }
    cli_cancel_on_interrupt(NULL);
    return !ok ? CHAT_RAN_NOT : is_stopped ? CHAT_RAN_NO_MORE : CHAT_RAN;
}
