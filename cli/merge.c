/* carat merge - a model with a LoRA adapter in its weights, as a new file.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/inputs.h"
#include "base/map.h"
#include "commands.h"
#include "engine.h"
#include "shared_options.h"
#include "signals.h"
#include "term.h"

#define MAX_TEMPLATE ((size_t)1 << 20)

static struct {
    const char *out, *type, *chat_template;
    double scale;
    bool quiet;
} opt;

/* clang-format off */
static const cli_option options[] = {
    { 'o', "output", NULL, CLI_TEXT, &opt.out, "FILE", "where the GGUF file goes" },
    { 0, "scale", NULL, CLI_NUM, &opt.scale, "X", "how much of the adapter; -1 takes it away again", .deflt = "1", .min = -1000, .max = 1000 },
    { 0, "type", NULL, CLI_TEXT, &opt.type, "T", "of the matrices that change: q8_0, bf16, f16, f32, q6_k ...",
      .otherwise = "their own; q8_0 where they are quantised" },
    { 0, "chat-template", NULL, CLI_TEXT, &opt.chat_template, "FILE", "a Jinja template for the new file",
      .otherwise = "the adapter's, or the model's" },
    CLI_OPTION_QUIET(&opt.quiet),
};
/* clang-format on */
static const cli_table table = CLI_TABLE("options", options);

/* False cancels: nothing half-written stays. */
static bool on_progress(void *arg, uint64_t done, uint64_t total)
{
    return term_progress(arg, done, total) && !cli_was_interrupted();
}

static bool merge(const char *model, const char *adapter, const char *chat_template, carat_err *err)
{
    static char what[] = "merging";
    carat_merge_result result = { .struct_size = sizeof result };
    const carat_merge_options o = {
        .struct_size = sizeof o,
        .model = model,
        .adapter = adapter,
        .scale = opt.scale,
        .type = opt.type,
        .chat_template = chat_template,
        .progress = on_progress,
        .progress_arg = what,
    };
    cli_signals(CLI_SIGNALS_NOTED);
    bool ok = carat_merge(&o, opt.out, &result, err);
    term_progress_end();
    if (ok)
        term_note("%s: %zu matrices merged, rank %zu", opt.out, result.n_merged, result.rank);
    return ok;
}

static int run(int argc, char **argv)
{
    cli_list args = { 0 };
    if (!cli_parse(&cli_merge, argc, argv, &args))
        return CLI_USAGE;
    if (args.n != 2 || !opt.out)
        return cli_usage(&cli_merge, "needs a model, an adapter and -o FILE");
    if (cli_is_stream(&cli_merge, "output", opt.out))
        return CLI_USAGE;
    if (opt.scale == 0)
        return cli_usage(&cli_merge, "--scale 0 leaves the model as it is");
    term_init(opt.quiet);
    carat_err err;
    char *chat_template = NULL;
    size_t len;
    char *model = NULL;
    bool ok = ct_inputs_stay(opt.out, &opt.chat_template, 1, &err) &&
              (!opt.chat_template || ct_read_file(opt.chat_template, MAX_TEMPLATE, &chat_template, &len, &err)) &&
              cli_find_model(args.v[0], &model, &err) && merge(model, args.v[1], chat_template, &err);
    free(chat_template);
    free(model);
    if (!ok && err.code == CARAT_ECANCELLED)
        return CLI_INTERRUPTED;
    return ok ? CLI_OK : term_error(&err);
}

const cli_command cli_merge = {
    .name = "merge",
    .usage = "MODEL ADAPTER -o FILE [options]",
    .summary = "write a model with a LoRA adapter in its weights",
    .text =
        "Adds a LoRA adapter (a GGUF file, or a folder of PEFT's) to the weights of a Gemma 3 (a GGUF file) and "
        "writes\n"
        "the sum as a new file.\n"
        "Matrices that the adapter changes become Q8_0 where they are quantised: to round them to fewer bits again\n"
        "would lose what was added. Everything else is copied.\n\n"
        "  carat merge gemma-3-270m-q4_k_m.gguf adapter.gguf -o chat-270m.gguf",
    .tables = { &table },
    .run = run,
};
