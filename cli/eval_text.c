/* carat eval perplexity and kl: a text in windows.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "engine.h"
#include "eval.h"
#include "input.h"
#include "signals.h"
#include "term.h"

#define MOST_TEXT ((size_t)256 << 20)

static bool open_windows(const carat_engine *e, const char *text, size_t len, ct_eval_windows *w, carat_err *err)
{
    return ct_eval_windows_open(w, carat_engine_tokenizer(e), (ct_eval_protocol)eval_opt.protocol,
                                (size_t)eval_opt.window, (size_t)eval_opt.stride, text, len, err);
}

/* ---- perplexity ---- */

static bool perplexity_of(carat_engine *e, const char *text, size_t len, carat_err *err)
{
    ct_eval_windows w = { 0 };
    ct_eval_perplexity found;
    double start = ct_now();
    if (!open_windows(e, text, len, &w, err))
        return false;
    const ct_eval_job job = { .e = e,
                              .windows = &w,
                              .limit = (size_t)eval_opt.limit,
                              .n_at_once = 2 * cli_model_values.sessions,
                              .record = eval_opt.out,
                              .progress = eval_progress,
                              .arg = &start };
    const bool ok = ct_eval_perplexity_run(&job, &found, err);
    term_progress_end();
    if (ok)
        eval_show_perplexity(&found, &w, e, eval_opt.text, eval_opt.json);
    if (ok && found.n_before)
        term_note("%zu of the windows were in %s", found.n_before, eval_opt.out);
    ct_eval_windows_close(&w);
    return ok;
}

static void set_context(int64_t window)
{
    if (!cli_model_values.ctx)
        cli_model_values.ctx = window ? window : (int64_t)ct_eval_default_window((ct_eval_protocol)eval_opt.protocol);
    if (!cli_model_values.prefix_cache)
        cli_model_values.prefix_cache = CLI_NO_PREFIX_CACHE; /* no two windows begin alike */
}

const char *eval_wrong_perplexity(void)
{
    return !eval_opt.text ? "which text? (--text FILE)" : eval_has_items() ? EVAL_NO_ITEMS : NULL;
}

int eval_perplexity(const char *model)
{
    carat_err err;
    carat_engine *e = NULL;
    char *text = NULL;
    size_t len;
    set_context(eval_opt.window);
    bool ok = cli_read_utf8(eval_opt.text, MOST_TEXT, &text, &len, &err) &&
              eval_open_engine(model, CARAT_VISION_OFF, &e, &err);
    if (ok) {
        cli_signals(CLI_SIGNALS_NOTED);
        ok = perplexity_of(e, text, len, &err);
    }
    carat_engine_close(e);
    free(text);
    return ok ? CLI_OK : eval_failed(&err);
}

/* ---- kl ---- */

static bool save(carat_engine *e, const char *text, size_t len, carat_err *err)
{
    ct_eval_windows w = { 0 };
    double start = ct_now();
    uint64_t bytes;
    size_t n;
    if (!open_windows(e, text, len, &w, err))
        return false;
    const ct_eval_job job = { .e = e,
                              .windows = &w,
                              .limit = (size_t)eval_opt.limit,
                              .record = eval_opt.save_reference,
                              .progress = eval_progress,
                              .arg = &start };
    const bool ok = ct_eval_kl_save(&job, &bytes, &n, err);
    term_progress_end();
    if (ok)
        eval_show_reference(&w, n, bytes, eval_opt.save_reference, eval_opt.json);
    ct_eval_windows_close(&w);
    return ok;
}

static bool compare(carat_engine *e, ct_eval_reference *r, carat_err *err)
{
    ct_eval_kl found;
    double start = ct_now();
    const ct_eval_job job = { .e = e,
                              .windows = &r->windows,
                              .limit = (size_t)eval_opt.limit,
                              .record = eval_opt.out,
                              .progress = eval_progress,
                              .arg = &start };
    const bool ok = ct_eval_kl_run(&job, r, &found, err);
    term_progress_end();
    if (ok)
        eval_show_kl(&found, r, e, eval_opt.json);
    if (ok && found.n_before)
        term_note("%zu of the windows were in %s", found.n_before, eval_opt.out);
    return ok;
}

const char *eval_wrong_kl(void)
{
    if (!eval_opt.reference == !eval_opt.save_reference)
        return "compare with which reference? (--reference FILE, or --text FILE --save-reference FILE to make one)";
    if (eval_opt.save_reference && !eval_opt.text)
        return "which text? (--text FILE)";
    if (eval_opt.save_reference && eval_opt.out)
        return "-o is for what was compared; a reference that was begun is written on by itself";
    if (eval_opt.reference && (eval_opt.text || eval_opt.window || eval_opt.stride || eval_opt.protocol))
        return "text, protocol, window and stride are the reference's";
    return eval_has_items() ? EVAL_NO_ITEMS : NULL;
}

int eval_kl(const char *model)
{
    carat_err err;
    carat_engine *e = NULL;
    ct_eval_reference r = { .fd = -1 };
    char *text = NULL;
    size_t len = 0;
    bool ok = eval_opt.reference ? ct_eval_reference_open(&r, eval_opt.reference, &err)
                                 : cli_read_utf8(eval_opt.text, MOST_TEXT, &text, &len, &err);
    if (ok) {
        set_context(eval_opt.reference ? (int64_t)r.windows.window : eval_opt.window);
        cli_model_values.sessions = 1;
        ok = cli_try_engine(model, CARAT_VISION_OFF, &e, &err);
    }
    if (ok) {
        cli_signals(CLI_SIGNALS_NOTED);
        ok = eval_opt.reference ? compare(e, &r, &err) : save(e, text, len, &err);
    }
    carat_engine_close(e);
    ct_eval_reference_close(&r);
    free(text);
    return ok ? CLI_OK : eval_failed(&err);
}
