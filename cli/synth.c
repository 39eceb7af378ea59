/* carat synth - a model of random weights.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "commands.h"
#include "shape.h"
#include "shared_options.h"
#include "signals.h"
#include "term.h"

static struct {
    const char *type, *out, *vocab_from, *tower_type;
    int64_t seed, tower_layers;
    bool quiet, vision, mmproj;
} opt;

/* clang-format off */
static const cli_option options[] = {
    { 0, "type", NULL, CLI_TEXT, &opt.type, "T", "f32, f16, bf16, q8_0, q6_k, q5_k_m, q4_k_m, q4_0 ...",
      .deflt = "q4_0" },
    { 'o', "output", NULL, CLI_TEXT, &opt.out, "FILE", "where the GGUF file goes" },
    { 0, "seed", NULL, CLI_INT, &opt.seed, "N", "seed of the weights", .deflt = "0", .max = 9e15 },
    { 0, "vocab-from", NULL, CLI_TEXT, &opt.vocab_from, "GGUF", "take the vocabulary of another file" },
    { 0, "vision", NULL, CLI_FLAG, &opt.vision, NULL, "with a vision tower in the same file, as Ollama has it; llama.cpp loads --mmproj files only" },
    { 0, "mmproj", NULL, CLI_FLAG, &opt.mmproj, NULL, "only the vision tower, as an mmproj file" },
    { 0, "tower-type", NULL, CLI_TEXT, &opt.tower_type, "T", "type of the tower's weights: bf16, f16, q8_0, f32",
      .otherwise = "bf16" },
    { 0, "tower-layers", NULL, CLI_INT, &opt.tower_layers, "N", "layers of the tower",
      .otherwise = "27", .min = 1, .max = 1024 },
    CLI_OPTION_QUIET(&opt.quiet),
};
/* clang-format on */
static const cli_table table = CLI_TABLE("options", options);

/* False cancels: nothing half-written stays. */
static bool on_progress(void *arg, uint64_t done, uint64_t total)
{
    return term_progress(arg, done, total) && !cli_was_interrupted();
}

static int run(int argc, char **argv)
{
    cli_list args = { 0 };
    if (!cli_parse(&cli_synth, argc, argv, &args))
        return CLI_USAGE;
    if (args.n != 1 || !opt.out)
        return cli_usage(&cli_synth, "needs one size (270m, 1b, 4b, 12b, 27b, 300m) and -o FILE");
    if (cli_is_stream(&cli_synth, "output", opt.out))
        return CLI_USAGE;
    if ((opt.tower_type || opt.tower_layers) && !opt.vision && !opt.mmproj)
        return cli_usage(&cli_synth, "--tower-type and --tower-layers need --vision or --mmproj");
    term_init(opt.quiet);
    carat_shape shape = {
        .struct_size = sizeof shape,
        .size = args.v[0],
        .type = opt.type,
        .seed = (uint64_t)opt.seed,
        .vocab_from = opt.vocab_from,
        .tower = opt.mmproj   ? CARAT_TOWER_ALONE
                 : opt.vision ? CARAT_TOWER_INSIDE
                              : CARAT_TOWER_NONE,
        .tower_type = opt.tower_type,
        .tower_layers = (size_t)opt.tower_layers,
    };
    cli_shape(&shape);
    static char what[] = "writing";
    carat_err err;
    cli_signals(CLI_SIGNALS_NOTED);
    bool ok = carat_synth(&shape, opt.out, on_progress, what, &err);
    term_progress_end();
    if (!ok && err.code == CARAT_ECANCELLED)
        return CLI_INTERRUPTED;
    if (!ok)
        return term_error(&err);
    term_note("%s: random weights, good for measuring speed and memory, not for talking to", opt.out);
    return CLI_OK;
}

const cli_command cli_synth = {
    .name = "synth",
    .usage = "SIZE -o FILE [options]",
    .summary = "write a model of random weights, to try speed and memory",
    .text = "Writes a GGUF file of random weights in the shape of a published Gemma 3 (270m, 1b, 4b, 12b, 27b), of\n"
            "EmbeddingGemma (300m) or of one that you describe, so that its speed and memory can be tried without a "
            "download.\n\n"
            "  carat synth 4b --type q4_0 -o 4b.gguf\n"
            "  carat synth 1b --type bf16 --layers 4 -o small.gguf\n"
            "  carat synth 4b --mmproj --tower-type q8_0 -o mmproj-4b.gguf",
    .tables = { &table, &cli_shape_table },
    .run = run,
};
