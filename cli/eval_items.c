/* carat eval TASK: items of a user's files, or made up.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "engine.h"
#include "eval.h"
#include "eval/url.h"
#include "pictures.h"
#include "signals.h"
#include "term.h"

#define AT_ONCE   16  /* requests to a server */
#define TIMEOUT_S 600 /* which makes its answer as a whole */

static bool is_chat(const ct_eval_model *m)
{
    return eval_opt.form == EVAL_FORM_CHAT || (eval_opt.form == EVAL_FORM_AUTO && m->is_tuned);
}

static bool run_choices(const ct_eval_items_job *job, size_t *n_before, carat_err *err)
{
    ct_eval_choices found;
    const bool ok = ct_eval_choices_run(job, &found, err);
    term_progress_end();
    if (!ok)
        return false;
    eval_show_choices(&found, job->task, job->model);
    *n_before = found.n_before;
    ct_eval_choices_free(&found);
    return true;
}

static bool run_answers(const ct_eval_items_job *job, size_t *n_before, carat_err *err)
{
    ct_eval_answers found;
    const bool ok = ct_eval_answers_run(job, &found, err);
    term_progress_end();
    if (!ok)
        return false;
    eval_show_answers(&found, job->task, job->model, job->is_chat);
    *n_before = found.n_before;
    ct_eval_answers_free(&found);
    return true;
}

static bool run_items(ct_eval_model *m, const ct_eval_task *t, carat_err *err)
{
    double start = ct_now();
    size_t n_before = 0;
    char how[160];
    eval_describe_pan_scan(m, how, sizeof how);
    const ct_eval_items_job job = { .model = m,
                                    .task = t,
                                    .is_chat = t->is_generated && is_chat(m),
                                    .pictures = t->has_pictures ? how : NULL,
                                    .record = eval_opt.out,
                                    .progress = eval_progress,
                                    .arg = &start };
    const bool ok = t->is_generated ? run_answers(&job, &n_before, err) : run_choices(&job, &n_before, err);
    if (ok && n_before)
        term_note("%zu of the items were in %s", n_before, eval_opt.out);
    return ok;
}

/* Options that an engine of this process would obey. */
static bool has_engine_options(void)
{
    const cli_model *m = &cli_model_values;
    return m->ctx || m->chunk || m->exact || m->cpu || m->mmproj || m->chat_template || m->draft || m->cache ||
           m->max_memory || m->trust_header || m->adapters.n;
}

const char *eval_wrong_task(const char *name)
{
    const bool made_up = ct_eval_task_is_made_up(name);
    if (made_up && (eval_opt.data || eval_opt.shots_data))
        return "its texts are made up: no --data and no --shots-data";
    if (made_up && !eval_opt.length)
        return "how long a text? (--length TOKENS)";
    if (!made_up && !eval_opt.data)
        return "which file of items? (--data FILE)";
    if (made_up && eval_opt.url && !eval_opt.tokenizer)
        return "whose tokens? (--tokenizer MODEL)";
    if (eval_opt.tokenizer && !(made_up && eval_opt.url))
        return "--tokenizer is for texts that are made up for a server";
    if (eval_opt.url && has_engine_options())
        return "a server has its own model, context and precision: such options are not for --url";
    if (eval_opt.form == EVAL_FORM_CHAT && !ct_eval_task_is_generated(name))
        return "--form is for answers that are generated: the likelihoods of given ones are of bare text";
    if (eval_opt.timeout && !eval_opt.url)
        return "--timeout is for servers (--url)";
    if (!made_up && eval_opt.length)
        return "--length is for texts that are made up";
    if (eval_opt.text)
        return "--text is for perplexity";
    const bool has_pictures = ct_eval_task_has_pictures(name);
    if (!has_pictures && (eval_opt.images || cli_pans()))
        return "--images and --pan-scan are for tasks with pictures";
    if (has_pictures && eval_opt.url && cli_pans())
        return "Pan & Scan is the server's: carat serve --pan-scan";
    if (has_pictures && eval_opt.shots)
        return "its questions are asked without examples: --shots is not offered";
    if (has_pictures && cli_model_values.no_vision)
        return "its questions have pictures: not with --no-vision";
    if ((eval_opt.shots > 0) != (eval_opt.shots_data != NULL))
        return "--shots N and --shots-data FILE belong together";
    return NULL;
}

static bool open_task(ct_eval_task *t, const char *name, const carat_tokenizer *tokenizer, carat_err *err)
{
    const ct_eval_source source = { .data = eval_opt.data,
                                    .shots = eval_opt.shots_data,
                                    .images = eval_opt.images,
                                    .n_shots = (size_t)eval_opt.shots,
                                    .seed = (uint64_t)eval_opt.seed,
                                    .limit = (size_t)eval_opt.limit,
                                    .length = (size_t)eval_opt.length,
                                    .tokenizer = tokenizer };
    return ct_eval_task_open(t, name, &source, err);
}

static bool run_here(const char *name, const char *model, ct_eval_task *t, carat_err *err)
{
    carat_engine *e = NULL;
    ct_eval_model m;
    const bool made_up = ct_eval_task_is_made_up(name); /* by the model's tokens */
    if (made_up && !cli_model_values.ctx)
        cli_model_values.ctx = eval_opt.length;         /* with the answer and a chat's marks */
    bool ok = made_up || open_task(t, name, NULL, err); /* before a model is loaded */
    const carat_vision_use vision = ct_eval_task_has_pictures(name) ? CARAT_VISION_REQUIRED : CARAT_VISION_OFF;
    const carat_pan_scan pan_scan = cli_pan_scan();
    ok = ok && eval_open_engine(model, vision, &e, err) &&
         (!made_up || open_task(t, name, carat_engine_tokenizer(e), err));
    if (ok) {
        cli_signals(CLI_SIGNALS_NOTED);
        ct_eval_model_engine(&m, e, 4 * cli_model_values.sessions);
        m.pan_scan = &pan_scan;
        ok = run_items(&m, t, err);
    }
    carat_engine_close(e);
    return ok;
}

static void note(void *arg, const char *text)
{
    (void)arg;
    term_note("%s", text);
}

static bool run_there(const char *name, const char *model, ct_eval_task *t, carat_err *err)
{
    ct_eval_url *u = NULL;
    ct_eval_model m;
    carat_tokenizer *tokenizer = NULL;
    const ct_eval_url_options o = { .url = eval_opt.url,
                                    .name = model,
                                    .n_at_once = AT_ONCE,
                                    .timeout_s = eval_opt.timeout ? (int)eval_opt.timeout : TIMEOUT_S,
                                    .notice = note };
    bool ok = !eval_opt.tokenizer || carat_tokenizer_open(eval_opt.tokenizer, &tokenizer, err);
    ok = ok && open_task(t, name, tokenizer, err) && ct_eval_url_open(&o, &u, &m, err);
    if (ok) {
        cli_signals(CLI_SIGNALS_NOTED);
        ok = run_items(&m, t, err);
    }
    ct_eval_url_close(u);
    carat_tokenizer_close(tokenizer);
    return ok;
}

int eval_task(const char *name, const char *model)
{
    carat_err err;
    ct_eval_task t = { 0 };
    const bool ok = eval_opt.url ? run_there(name, model, &t, &err) : run_here(name, model, &t, &err);
    ct_eval_task_close(&t);
    return ok ? CLI_OK : eval_failed(&err);
}
