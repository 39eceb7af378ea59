/* carat eval - what a model scores: how well it foresees a text, and which of given answers it finds likeliest.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "commands.h"
#include "engine.h"
#include "input.h"
#include "shared_options.h"
#include "signals.h"
#include "term.h"

#define MOST_TEXT ((size_t)256 << 20)
#define SESSIONS  4 /* windows or items at work at once */

static struct {
    const char *text, *out;
    const char *data, *shots_data;
    int64_t window, stride, limit, shots, seed;
    int protocol; /* ct_eval_protocol */
    bool json;
} opt;

/* clang-format off */
static const cli_word protocols[] = { { "sliding", CT_EVAL_SLIDING }, { "llama.cpp", CT_EVAL_LLAMA_CPP }, { NULL, 0 } };
static const cli_option text_options[] = {
    { 0, "text", NULL, CLI_TEXT, &opt.text, "FILE", "the text; - is stdin" },
    { 0, "protocol", NULL, CLI_WORD, &opt.protocol, NULL,
      "how the text is cut and what counts: windows that overlap, in which every token counts once; or llama-perplexity's",
      .deflt = "sliding", .words = protocols },
    { 0, "window", NULL, CLI_INT, &opt.window, "N", "tokens of a window, <bos> included",
      .otherwise = "2048; 512 with llama.cpp", .min = 8, .max = 1 << 20 },
    { 0, "stride", NULL, CLI_INT, &opt.stride, "N", "how many tokens later the next window begins", .otherwise = "half a window",
      .min = 1, .max = 1 << 20 },
};
static const cli_option task_options[] = {
    { 0, "data", NULL, CLI_TEXT, &opt.data, "FILE", "the official file of items, as its authors give it out" },
    { 0, "shots", NULL, CLI_INT, &opt.shots, "N", "solved examples in front of every question", .deflt = "0", .max = 1024 },
    { 0, "shots-data", NULL, CLI_TEXT, &opt.shots_data, "FILE", "where these come from: the training or development file" },
    { 0, "seed", NULL, CLI_INT, &opt.seed, "N", "which of them, the same for all questions", .otherwise = "the file's first ones",
      .min = 1, .max = 1 << 30 },
};
static const cli_option options[] = {
    { 'o', "output", NULL, CLI_TEXT, &opt.out, "FILE",
      "write what was found as lines of JSON, and go on from what is there: the same command resumes a run that was stopped" },
    { 0, "limit", NULL, CLI_INT, &opt.limit, "N", "only the first N windows or items", .otherwise = "all", .min = 1, .max = 1 << 30 },
    CLI_OPTION_JSON(&opt.json),
};
/* clang-format on */
static const cli_table text_table = CLI_TABLE("text (perplexity)", text_options);
static const cli_table task_table = CLI_TABLE("items (hellaswag, winogrande, arc, mmlu)", task_options);
static const cli_table table = CLI_TABLE("run and output", options);

static int failed(const carat_err *err)
{
    if (err->code != CARAT_ECANCELLED)
        return term_error(err);
    term_note(opt.out ? "interrupted; run the same command again to resume"
                      : "interrupted; -o FILE makes a run that can be resumed");
    return CLI_INTERRUPTED;
}

/* As many sessions as fit. */
static bool open_engine(const char *model, carat_engine **e, carat_err *err)
{
    for (cli_model_values.sessions = SESSIONS; !cli_try_engine(model, CARAT_VISION_OFF, e, err);
         cli_model_values.sessions /= 2)
        if (err->code != CARAT_ENOMEM || cli_model_values.sessions == 1)
            return false;
    return true;
}

/* ---- perplexity ---- */

static bool perplexity_of(carat_engine *e, const char *text, size_t len, carat_err *err)
{
    ct_eval_windows w = { 0 };
    ct_eval_perplexity found;
    double start = ct_now();
    if (!ct_eval_windows_open(&w, carat_engine_tokenizer(e), (ct_eval_protocol)opt.protocol, (size_t)opt.window,
                              (size_t)opt.stride, text, len, err))
        return false;
    const ct_eval_job job = { .e = e,
                              .windows = &w,
                              .limit = (size_t)opt.limit,
                              .n_at_once = 2 * cli_model_values.sessions,
                              .record = opt.out,
                              .progress = eval_progress,
                              .arg = &start };
    const bool ok = ct_eval_perplexity_run(&job, &found, err);
    term_progress_end();
    if (ok)
        eval_show_perplexity(&found, &w, e, opt.text, opt.json);
    if (ok && found.n_before)
        term_note("%zu of the windows were in %s", found.n_before, opt.out);
    ct_eval_windows_close(&w);
    return ok;
}

static int run_perplexity(const char *model)
{
    carat_err err;
    carat_engine *e = NULL;
    char *text = NULL;
    size_t len;
    if (!opt.text)
        return cli_usage(&cli_eval, "which text? (--text FILE)");
    if (opt.data || opt.shots || opt.shots_data || opt.seed)
        return cli_usage(&cli_eval, "--data, --shots, --shots-data and --seed are for tasks");
    if (!cli_model_values.ctx)
        cli_model_values.ctx =
            opt.window ? opt.window : (int64_t)ct_eval_default_window((ct_eval_protocol)opt.protocol);
    if (!cli_model_values.prefix_cache)
        cli_model_values.prefix_cache = CLI_NO_PREFIX_CACHE; /* no two windows begin alike */
    bool ok = cli_read_utf8(opt.text, MOST_TEXT, &text, &len, &err) && open_engine(model, &e, &err);
    if (ok) {
        cli_signals(CLI_SIGNALS_NOTED);
        ok = perplexity_of(e, text, len, &err);
    }
    carat_engine_close(e);
    free(text);
    return ok ? CLI_OK : failed(&err);
}

/* ---- tasks ---- */

static bool score_task(carat_engine *e, const ct_eval_task *t, carat_err *err)
{
    double start = ct_now();
    ct_eval_choices found;
    const ct_eval_choices_job job = { .e = e,
                                      .task = t,
                                      .n_at_once = 4 * cli_model_values.sessions,
                                      .record = opt.out,
                                      .progress = eval_progress,
                                      .arg = &start };
    const bool ok = ct_eval_choices_run(&job, &found, err);
    term_progress_end();
    if (ok)
        eval_show_choices(&found, t, e, opt.data, (size_t)opt.limit, opt.json);
    if (ok && found.n_before)
        term_note("%zu of the items were in %s", found.n_before, opt.out);
    return ok;
}

static int run_task(const char *name, const char *model)
{
    carat_err err;
    carat_engine *e = NULL;
    ct_eval_task t = { 0 };
    if (!opt.data)
        return cli_usage(&cli_eval, "which file of items? (--data FILE)");
    if (opt.text)
        return cli_usage(&cli_eval, "--text is for perplexity");
    if ((opt.shots > 0) != (opt.shots_data != NULL))
        return cli_usage(&cli_eval, "--shots N and --shots-data FILE belong together");
    const ct_eval_source source = { .data = opt.data,
                                    .shots = opt.shots_data,
                                    .n_shots = (size_t)opt.shots,
                                    .seed = (uint64_t)opt.seed,
                                    .limit = (size_t)opt.limit };
    bool ok = ct_eval_task_open(&t, name, &source, &err) && open_engine(model, &e, &err);
    if (ok) {
        cli_signals(CLI_SIGNALS_NOTED);
        ok = score_task(e, &t, &err);
    }
    carat_engine_close(e);
    ct_eval_task_close(&t);
    return ok ? CLI_OK : failed(&err);
}

/* ---- the command ---- */

static bool is_task(const char *name)
{
    const char *known;
    for (size_t i = 0; (known = ct_eval_task_name(i)); i++)
        if (strcmp(known, name) == 0)
            return true;
    return false;
}

static int run(int argc, char **argv)
{
    cli_list args = { 0 };
    char name[64];
    if (!cli_parse(&cli_eval, argc, argv, &args))
        return CLI_USAGE;
    const char *what = args.n ? args.v[0] : "";
    const bool is_text = strcmp(what, "perplexity") == 0;
    if (!args.n)
        return cli_usage(&cli_eval, "evaluate what? (carat eval perplexity MODEL --text FILE)");
    if (!is_text && !is_task(what))
        return cli_usage(&cli_eval, "unknown evaluation '%s'", term_printable(what, name, sizeof name));
    memmove(args.v, args.v + 1, --args.n * sizeof *args.v);
    const char *model = cli_model_path(&args);
    if (!model || args.n)
        return cli_usage(&cli_eval, model ? "more than one model" : "which model?");
    if (cli_is_stream(&cli_eval, "output", opt.out))
        return CLI_USAGE;
    term_init(cli_model_values.quiet);
    return is_text ? run_perplexity(model) : run_task(what, model);
}

const cli_command cli_eval = {
    .name = "eval",
    .usage = "perplexity|hellaswag|winogrande|arc|mmlu MODEL [options]",
    .summary = "what a model scores, with its interval and what it can be compared with",
    .text =
        "perplexity: how well a model foresees a text: the mean negative log-likelihood of its tokens, and its\n"
        "exponential. What counts is stated beside the figures. Every window begins with <bos>, as in training.\n\n"
        "  carat eval perplexity gemma.gguf --text wiki.txt --window 4096 --stride 512 -o wiki.jsonl\n"
        "  carat eval perplexity gemma.gguf --text wiki.txt --protocol llama.cpp\n\n"
        "hellaswag, winogrande, arc, mmlu: of each item's answers the likeliest is the model's, without generating "
        "any.\n"
        "Items come from a file of yours; nothing is downloaded. Beside the score stand its 95 % interval, what the "
        "model's\n"
        "makers have published, and whether the two can be compared.\n\n"
        "  carat eval hellaswag gemma.gguf --data hellaswag_val.jsonl --shots 10 --shots-data hellaswag_train.jsonl\n"
        "  carat eval mmlu gemma.gguf --data anatomy_test.csv --shots 5 --shots-data anatomy_dev.csv -o "
        "anatomy.jsonl\n\n"
        "With -o a run that was stopped is resumed by the same command; a file of other settings, another text or "
        "other\n"
        "arithmetic is refused.",
    .tables = { &text_table, &task_table, &table, &cli_model_table, &cli_loading_table },
    .run = run,
};
