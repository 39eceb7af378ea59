/* An answer: the session is brought to the conversation as it stands, and generates.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "chat.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "engine.h"
#include "line.h"
#include "show_prompt.h"
#include "signals.h"
#include "term.h"

static bool on_token(void *arg, const carat_token *t)
{
    chat *c = arg;
    ct_buf_add(&c->answer, t->text, t->len);
    c->write_failed = !view_add(&c->view, t->text, t->len);
    c->why = errno;
    return !c->write_failed;
}

/* Brings the session to the conversation as it stands, evaluating only what it does not hold yet. */
static bool advance(chat *c, size_t *computed, carat_err *err)
{
    carat_prompt *p;
    size_t n, cached;
    /* Room for an answer, too, or the next one would be cut at once. */
    size_t fit = c->trims ? carat_session_n_ctx(c->session) - carat_session_n_ctx(c->session) / 8 : 0;
    if (!turns_prompt(&c->turns, c->engine, c->system, c->is_base, &c->pan_scan, fit, &p, err))
        return false;
    size_t dropped = carat_prompt_n_dropped(p);
    if (dropped) {
        term_tell("(%zu oldest messages left out: the context of %zu tokens is full)", dropped,
                  carat_session_n_ctx(c->session));
        turns_drop(&c->turns, 0, dropped);
    }
    if (c->shows_prompts)
        show_prompt(p, stderr);
    bool ok = carat_session_prompt(c->session, p, &cached, err);
    carat_prompt_tokens(p, &n);
    *computed = n - cached;
    carat_prompt_free(p);
    return ok;
}

/* The conversation does not fit any more: says so and asks whether the oldest exchange may go. */
static bool make_room(chat *c, const carat_err *why)
{
    if (c->turns.n < 3) {
        term_error(why);
        return false;
    }
    term_note("%s.", why->msg);
    char *line = line_read("drop the oldest exchange? [y/N] ", false);
    bool yes = line && (line[0] == 'y' || line[0] == 'Y');
    free(line);
    if (yes)
        turns_drop(&c->turns, 0, 2);
    return yes;
}

static double rate(size_t n, double seconds)
{
    return seconds > 0 ? (double)n / seconds : 0;
}

/* Of an answer; 0: until the model ends it. */
static size_t most_tokens(const chat *c)
{
    const int64_t base = c->least > 256 ? c->least : 256;
    return c->most >= 0 ? (size_t)c->most : c->is_base ? (size_t)base : 0;
}

static bool generate(chat *c, const carat_generation *g, carat_result *r, carat_err *err)
{
    view_begin(&c->view, stdout, view_looks_for(c->is_plain, !c->is_base));
    bool ok = carat_session_generate(c->session, g, r, err);
    if (!view_end(&c->view) && !c->write_failed) {
        c->write_failed = true;
        c->why = errno;
    }
    return ok;
}

bool chat_answer(chat *c)
{
    carat_err err;
    size_t computed = 0;
    bool ok;
    cli_cancel_on_interrupt(c->session);
    double start = ct_now();
    for (;;) {
        ok = advance(c, &computed, &err);
        term_progress_end();
        if (!ok && err.code == CARAT_ECANCELLED && !cli_was_interrupted())
            continue; /* a Ctrl-C that came when the last answer had just ended */
        if (ok || err.code != CARAT_ECONTEXT || !make_room(c, &err))
            break;
    }
    double prompt_s = ct_now() - start;
    carat_result r = { .struct_size = sizeof r };
    ct_buf_clear(&c->answer);
    carat_generation g = {
        .struct_size = sizeof g,
        .sampling = &c->sampling,
        .max_tokens = most_tokens(c),
        .min_tokens = (size_t)c->least,
        .on_token = on_token,
        .arg = c,
    };
    if (ok && cli_was_interrupted()) /* between the two calls */
        ok = ct_fail(&err, CARAT_ECANCELLED, CARAT_NOWHERE, "interrupted");
    if (ok && g.max_tokens == 0 && c->most == 0)
        r.finish = CARAT_FINISH_LENGTH;
    else if (ok)
        ok = generate(c, &g, &r, &err);
    c->sampling.seed += 1; /* another draw for the next answer */
    bool interrupted = cli_was_interrupted();
    cli_cancel_on_interrupt(NULL);
    if (!ok) {
        if (interrupted && err.code == CARAT_ECANCELLED)
            term_note("\n(interrupted before the answer began: the message is not kept)");
        else if (err.code != CARAT_ECONTEXT)
            term_error(&err);
        return false;
    }
    putchar('\n');
    ok = !c->answer.failed || ct_fail(&err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory to keep the answer");
    if (!ok || !turns_add(&c->turns, "assistant", c->answer.data ? c->answer.data : "", NULL, TURN_NAMES_TEXT, &err)) {
        term_error(&err);
        ct_buf_deinit(&c->answer);
        return false;
    }
    if (r.finish == CARAT_FINISH_LENGTH && carat_session_n_tokens(c->session) == carat_session_n_ctx(c->session))
        term_tell("(the context of %zu tokens is full: the answer is cut)", carat_session_n_ctx(c->session));
    if (term_is_tty(2))
        term_note("%zu new prompt tokens at %.1f/s, %zu generated at %.1f/s, %zu of %zu in context%s", computed,
                  rate(computed, prompt_s), r.n_generated, rate(r.n_generated, r.seconds),
                  carat_session_n_tokens(c->session), carat_session_n_ctx(c->session),
                  interrupted ? ", interrupted" : "");
    return true;
}

/* Made again of the messages before it: what was left out then is no part of the conversation now. */
bool chat_show_prompt(chat *c)
{
    carat_err err;
    carat_prompt *p;
    const size_t n = c->turns.n;
    const bool is_answered = n && strcmp(c->turns.v[n - 1].role, "assistant") == 0;
    if (n == (size_t)is_answered) {
        chat_fail(c, "/prompt: nothing has been asked yet");
        return false;
    }
    c->turns.n -= is_answered;
    const bool ok = turns_prompt(&c->turns, c->engine, c->system, c->is_base, &c->pan_scan, 0, &p, &err);
    c->turns.n = n;
    if (!ok) {
        chat_fail(c, "/prompt: %s", err.msg);
        return false;
    }
    show_prompt(p, stdout);
    carat_prompt_free(p);
    return true;
}

/* How many of the session's tokens begin the conversation as it stands. */
static size_t n_shared(const chat *c)
{
    carat_err err;
    carat_prompt *p;
    size_t n = 0, n_prompt;
    if (!c->turns.n || !turns_prompt(&c->turns, c->engine, c->system, c->is_base, &c->pan_scan, 0, &p, &err))
        return 0;
    const int32_t *ids = carat_prompt_tokens(p, &n_prompt), *held = carat_session_tokens(c->session);
    const size_t n_held = carat_session_n_tokens(c->session);
    while (n < n_prompt && n < n_held && ids[n] == held[n])
        n++;
    carat_prompt_free(p);
    return n;
}

void chat_forget(chat *c)
{
    carat_err err;
    size_t kept;
    if (c->session && !carat_session_rewind(c->session, n_shared(c), &kept, &err))
        term_error(&err);
}

void chat_clear(chat *c)
{
    turns_drop(&c->turns, 0, c->turns.n);
    cli_pictures_free(&c->attached);
    chat_forget(c);
}

void chat_fail(chat *c, const char *fmt, ...)
{
    char msg[sizeof((carat_err *)0)->msg];
    carat_err err;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    ct_fail(&err, CARAT_EARG, CARAT_NOWHERE, "%s", msg);
    term_error(&err);
    c->some_failed = true;
}

turn_names chat_names(const chat *c)
{
    const carat_model_info *i = carat_engine_info(c->engine);
    return i->has_vision ? TURN_NAMES_PICTURES : cli_model_values.no_vision ? TURN_NAMES_UNSEEN : TURN_NAMES_BLIND;
}
