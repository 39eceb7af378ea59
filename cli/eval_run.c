/* What all evaluations have in common: their options' values, the engine, how they end, and how far they are.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "engine.h"
#include "eval.h"
#include "pictures.h"
#include "signals.h"
#include "term.h"

#define SESSIONS 4 /* windows or items at work at once */

eval_options eval_opt;

static size_t n_kept; /* results so far */

int eval_failed(const carat_err *err)
{
    if (err->code != CARAT_ECANCELLED) {
        term_error(err);
        if (eval_opt.out && n_kept)
            term_note("what was found is in %s; the same command resumes from there", eval_opt.out);
        return CLI_FAILED;
    }
    term_note(eval_opt.out ? "interrupted; run the same command again to resume"
                           : "interrupted; -o FILE makes a run that can be resumed");
    return CLI_INTERRUPTED;
}

bool eval_open_engine(const char *model, carat_vision_use vision, carat_engine **e, carat_err *err)
{
    for (cli_model_values.sessions = SESSIONS; !cli_try_engine(model, vision, e, err); cli_model_values.sessions /= 2)
        if (err->code != CARAT_ENOMEM || cli_model_values.sessions == 1)
            return false;
    return true;
}

bool eval_has_items(void)
{
    return eval_opt.data || eval_opt.shots || eval_opt.shots_data || eval_opt.seed || eval_opt.length ||
           eval_opt.form || eval_opt.url || eval_opt.tokenizer || eval_opt.timeout || eval_opt.images || cli_pans();
}

void eval_describe_pan_scan(const ct_eval_model *m, char *to, size_t size)
{
    const carat_pan_scan p = cli_pan_scan();
    if (!m->e)
        snprintf(to, size, "as the server does");
    else if (p.mode == CARAT_PAN_SCAN_OFF)
        snprintf(to, size, "off");
    else if (p.mode == CARAT_PAN_SCAN_ON)
        snprintf(to, size, "on: of all pictures up to %u crops of %u pixels and more", p.max_crops, p.min_crop);
    else
        snprintf(to, size, "auto: of pictures with sides of %g : 1 and more up to %u crops of %u pixels and more",
                 p.min_ratio, p.max_crops, p.min_crop);
}

bool eval_progress(void *arg, size_t done, size_t n, size_t n_before)
{
    char what[80];
    const double t = ct_now() - *(const double *)arg;
    const size_t here = done - n_before;
    n_kept = done;
    if (here && n) {
        const unsigned long left = (unsigned long)(t / (double)here * (double)(n - done));
        snprintf(what, sizeof what, "%zu of %zu, %lu:%02lu:%02lu left", done, n, left / 3600, left / 60 % 60,
                 left % 60);
        term_progress(what, done, n);
    }
    return !cli_was_interrupted();
}
