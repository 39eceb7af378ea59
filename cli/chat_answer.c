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
    return chat_read(arg, t->text, t->len);
}

/* Brings the session to the conversation as it stands, evaluating only what it does not hold yet. */
static bool advance(chat *c, size_t *computed, carat_err *err)
{
    carat_prompt *p;
    size_t n, cached;
    /* Room for an answer, too, or the next one would be cut at once. */
    size_t fit = c->trims ? carat_session_n_ctx(c->session) - carat_session_n_ctx(c->session) / 8 : 0;
    if (!turns_prompt(&c->turns, c->engine, c->system, c->is_base, c->tools.tools, &c->pan_scan, fit, &p, err))
        return false;
    size_t dropped = carat_prompt_n_dropped(p);
    if (dropped > turns_last_exchange(&c->turns)) { /* the question itself: what remains would answer nothing */
        carat_prompt_free(p);
        return ct_fail(err, CARAT_ECONTEXT, CARAT_NOWHERE,
                       "the message, its calls and their results do not fit the context of %zu tokens",
                       carat_session_n_ctx(c->session));
    }
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
    if (turns_first_exchange(&c->turns) == c->turns.n) {
        term_error(why);
        return false;
    }
    term_note("%s.", why->msg);
    char *line = line_read("drop the oldest exchange? [y/N] ", false);
    bool yes = line && (line[0] == 'y' || line[0] == 'Y');
    free(line);
    if (yes)
        turns_drop(&c->turns, 0, turns_first_exchange(&c->turns));
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
    bool ok = chat_read_begin(c) && carat_session_generate(c->session, g, r, err);
    ok = chat_read_end(c) && ok;
    if (c->reading.failed)
        *err = c->reading.err;
    return ok || (!c->reading.failed && c->write_failed); /* of what was not written the end is told at the end */
}

/* Brings the session up to the messages, with less of them if need be and allowed. */
static bool read_messages(chat *c, size_t *computed, carat_err *err)
{
    for (;;) {
        const bool ok = advance(c, computed, err);
        term_progress_end();
        if (!ok && err->code == CARAT_ECANCELLED && !cli_was_interrupted())
            continue; /* a Ctrl-C that came when the last answer had just ended */
        if (ok || err->code != CARAT_ECONTEXT || !make_room(c, err))
            return ok;
    }
}

static void tell_how(const chat *c, const carat_result *r, size_t computed, double prompt_s, bool interrupted)
{
    const size_t n = carat_session_n_tokens(c->session), n_ctx = carat_session_n_ctx(c->session);
    if (r->finish == CARAT_FINISH_LENGTH && n == n_ctx)
        term_tell("(the context of %zu tokens is full: the answer is cut)", n_ctx);
    if (term_is_tty(2))
        term_note("%zu new prompt tokens at %.1f/s, %zu generated at %.1f/s, %zu of %zu in context%s", computed,
                  rate(computed, prompt_s), r->n_generated, rate(r->n_generated, r->seconds), n, n_ctx,
                  interrupted ? ", interrupted" : "");
}

/* One answer of the model to the turns so far, added to them. *interrupted: Ctrl-C came, before or in it. */
static bool answer_once(chat *c, bool *interrupted, carat_err *err)
{
    size_t computed = 0;
    cli_cancel_on_interrupt(c->session);
    const double start = ct_now();
    bool ok = read_messages(c, &computed, err);
    const double prompt_s = ct_now() - start;
    carat_result r = { .struct_size = sizeof r };
    carat_generation g = {
        .struct_size = sizeof g,
        .sampling = &c->sampling,
        .max_tokens = most_tokens(c),
        .min_tokens = (size_t)c->least,
        .on_token = on_token,
        .arg = c,
        .format = c->tools.format,
    };
    if (ok && cli_was_interrupted()) /* between the two calls */
        ok = ct_fail(err, CARAT_ECANCELLED, CARAT_NOWHERE, "interrupted");
    if (ok && g.max_tokens == 0 && c->most == 0) {
        r.finish = CARAT_FINISH_LENGTH;
        chat_read_begin(c);
        chat_read_end(c);
    } else if (ok) {
        ok = generate(c, &g, &r, err);
    }
    c->sampling.seed += 1; /* another draw for the next answer */
    *interrupted = cli_was_interrupted();
    cli_cancel_on_interrupt(NULL);
    const char *text = c->reading.text.data ? c->reading.text.data : "";
    ok = ok && turns_add_calls(&c->turns, text, c->reading.calls, c->reading.n_calls, err);
    if (ok)
        tell_how(c, &r, computed, prompt_s, *interrupted);
    chat_read_forget(c);
    return ok;
}

/* The message and all that came of it are not kept; the message itself is the caller's to take back. */
static bool take_back(chat *c, size_t n_rounds)
{
    const size_t from = turns_last_exchange(&c->turns) + 1;
    if (from < c->turns.n)
        turns_drop(&c->turns, from, c->turns.n - from);
    if (n_rounds)
        term_tell("(the message, its calls and their results are not kept)");
    return false;
}

/* What a Ctrl-C leaves: before the first answer nothing; later what was run, for it was run. */
static bool was_stopped(size_t n_rounds)
{
    term_note("\n(interrupted before the answer began: %s)",
              n_rounds ? "the calls and their results are kept" : "the message is not kept");
    return n_rounds > 0;
}

bool chat_answer(chat *c)
{
    carat_err err;
    bool interrupted;
    if (!chat_refresh_tools(c))
        return false;
    for (size_t round = 0;; round++) {
        if (!answer_once(c, &interrupted, &err)) {
            if (interrupted && err.code == CARAT_ECANCELLED)
                return was_stopped(round);
            if (err.code != CARAT_ECONTEXT)
                term_error(&err);
            return take_back(c, round);
        }
        if (!c->turns.v[c->turns.n - 1].n_calls || c->write_failed)
            return true;
        const bool is_over = (int64_t)round >= c->max_rounds;
        const chat_ran ran = chat_run_calls(c, interrupted ? "the user stopped the answer: it was not run"
                                               : is_over   ? "too many rounds of calls: it was not run"
                                                           : NULL);
        if (ran == CHAT_RAN_NOT)
            return take_back(c, round + 1);
        if (ran == CHAT_RAN_NO_MORE || interrupted)
            term_note("(stopped: the conversation goes on with your next message)");
        else if (is_over)
            term_tell("(after %zu round%s of calls no more are run; --max-rounds allows more)", round,
                      round == 1 ? "" : "s");
        else
            continue;
        return true;
    }
}

/* Made again of the messages before it: what was left out then is no part of the conversation now. */
bool chat_show_prompt(chat *c)
{
    carat_err err;
    carat_prompt *p;
    const size_t n = c->turns.n;
    const bool is_answered =
        n && strcmp(c->turns.v[n - 1].role, "assistant") == 0; /* after calls the last of several */
    if (n == (size_t)is_answered) {
        chat_fail(c, "/prompt: nothing has been asked yet");
        return false;
    }
    c->turns.n -= is_answered;
    const bool ok =
        turns_prompt(&c->turns, c->engine, c->system, c->is_base, c->tools.tools, &c->pan_scan, 0, &p, &err);
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
    if (!c->turns.n ||
        !turns_prompt(&c->turns, c->engine, c->system, c->is_base, c->tools.tools, &c->pan_scan, 0, &p, &err))
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
