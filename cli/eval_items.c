/* carat eval TASK: items of a user's file.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "engine.h"
#include "eval.h"
#include "signals.h"
#include "term.h"

static bool score_task(carat_engine *e, const ct_eval_task *t, carat_err *err)
{
    double start = ct_now();
    ct_eval_choices found;
    const ct_eval_choices_job job = { .e = e,
                                      .task = t,
                                      .n_at_once = 4 * cli_model_values.sessions,
                                      .record = eval_opt.out,
                                      .progress = eval_progress,
                                      .arg = &start };
    const bool ok = ct_eval_choices_run(&job, &found, err);
    term_progress_end();
    if (ok)
        eval_show_choices(&found, t, e, eval_opt.data, (size_t)eval_opt.limit, eval_opt.json);
    if (ok && found.n_before)
        term_note("%zu of the items were in %s", found.n_before, eval_opt.out);
    return ok;
}

const char *eval_wrong_task(void)
{
    return !eval_opt.data                                          ? "which file of items? (--data FILE)"
           : eval_opt.text                                         ? "--text is for perplexity"
           : (eval_opt.shots > 0) != (eval_opt.shots_data != NULL) ? "--shots N and --shots-data FILE belong together"
                                                                   : NULL;
}

int eval_task(const char *name, const char *model)
{
    carat_err err;
    carat_engine *e = NULL;
    ct_eval_task t = { 0 };
    const ct_eval_source source = { .data = eval_opt.data,
                                    .shots = eval_opt.shots_data,
                                    .n_shots = (size_t)eval_opt.shots,
                                    .seed = (uint64_t)eval_opt.seed,
                                    .limit = (size_t)eval_opt.limit };
    bool ok = ct_eval_task_open(&t, name, &source, &err) && eval_open_engine(model, &e, &err);
    if (ok) {
        cli_signals(CLI_SIGNALS_NOTED);
        ok = score_task(e, &t, &err);
    }
    carat_engine_close(e);
    ct_eval_task_close(&t);
    return ok ? CLI_OK : eval_failed(&err);
}
