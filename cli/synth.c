/* carat synth - a model of random weights.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "commands.h"
#include "common.h"
#include "term.h"

static struct {
    const char *type, *out, *vocab_from, *tower_type;
    int64_t layers, hidden, ffn, heads, kv_heads, head_dim, vocab, window, context, pattern, seed, tower_layers;
    bool quiet, vision, mmproj;
} opt = { .type = "q4_0" };

static const cli_option options[] = {
    { 0, "type", NULL, CLI_TEXT, &opt.type, "T", "f32, f16, bf16, q8_0, q6_k, q5_k_m, q4_k_m, q4_0 ... (default: q4_0)",
      0, 0 },
    { 'o', "output", NULL, CLI_TEXT, &opt.out, "FILE", "where the GGUF file goes", 0, 0 },
    { 0, "seed", NULL, CLI_INT, &opt.seed, "N", "seed of the weights (default: 0)", 0, 9e15 },
    { 0, "vocab-from", NULL, CLI_TEXT, &opt.vocab_from, "GGUF", "take the vocabulary of another file", 0, 0 },
    { 0, "vision", NULL, CLI_FLAG, &opt.vision, NULL, "with a vision tower, in the same file", 0, 0 },
    { 0, "mmproj", NULL, CLI_FLAG, &opt.mmproj, NULL, "only the vision tower, as an mmproj file", 0, 0 },
    { 0, "tower-type", NULL, CLI_TEXT, &opt.tower_type, "T", "of the tower: bf16, f16, q8_0, f32 (default: bf16)", 0,
      0 },
    { 'q', "quiet", NULL, CLI_FLAG, &opt.quiet, NULL, "no progress", 0, 0 },
};
static const cli_option shape_options[] = {
    { 0, "layers", NULL, CLI_INT, &opt.layers, "N", "layers", 1, 256 },
    { 0, "hidden", NULL, CLI_INT, &opt.hidden, "N", "width of the residual stream", 1, 65536 },
    { 0, "ffn", NULL, CLI_INT, &opt.ffn, "N", "width of the feed-forward", 1, 524288 },
    { 0, "heads", NULL, CLI_INT, &opt.heads, "N", "query heads", 1, 1024 },
    { 0, "kv-heads", NULL, CLI_INT, &opt.kv_heads, "N", "heads of keys and values", 1, 1024 },
    { 0, "head-dim", NULL, CLI_INT, &opt.head_dim, "N", "width of a head", 1, 512 },
    { 0, "vocab", NULL, CLI_INT, &opt.vocab, "N", "rows of the embedding", 1, 1 << 20 },
    { 0, "window", NULL, CLI_INT, &opt.window, "N", "window of the local layers", 1, 1 << 24 },
    { 0, "context", NULL, CLI_INT, &opt.context, "N", "context", 1, 1 << 24 },
    { 0, "pattern", NULL, CLI_INT, &opt.pattern, "N", "every so many-th layer is global", 1, 256 },
    { 0, "tower-layers", NULL, CLI_INT, &opt.tower_layers, "N", "layers of the vision tower", 1, 1024 },
};

static int run(int argc, char **argv)
{
    const cli_table tables[] = { CLI_TABLE("options", options),
                                 CLI_TABLE("shape, where it differs from the size's", shape_options) };
    cli_list args = { 0 };
    if (!cli_parse(&cli_synth, tables, 2, argc, argv, &args))
        return CLI_USAGE;
    if (args.n != 1 || !opt.out)
        return cli_usage(&cli_synth, "needs one size (270m, 1b, 4b, 12b, 27b) and -o FILE");
    if (opt.tower_type && !opt.vision && !opt.mmproj)
        return cli_usage(&cli_synth, "--tower-type goes with --vision or --mmproj");
    term_init(opt.quiet);
    const carat_shape shape = {
        .size = args.v[0],
        .n_layer = (size_t)opt.layers,
        .hidden = (size_t)opt.hidden,
        .ffn = (size_t)opt.ffn,
        .n_head = (size_t)opt.heads,
        .n_kv_head = (size_t)opt.kv_heads,
        .head_dim = (size_t)opt.head_dim,
        .n_vocab = (size_t)opt.vocab,
        .window = (size_t)opt.window,
        .context = (size_t)opt.context,
        .pattern = (size_t)opt.pattern,
        .type = opt.type,
        .seed = (uint64_t)opt.seed,
        .vocab_from = opt.vocab_from,
        .tower = opt.mmproj   ? CARAT_TOWER_ALONE
                 : opt.vision ? CARAT_TOWER_INSIDE
                              : CARAT_TOWER_NONE,
        .tower_type = opt.tower_type,
        .tower_layers = (size_t)opt.tower_layers,
    };
    static char what[] = "writing";
    carat_err err;
    bool ok = carat_synth(&shape, opt.out, term_progress, what, &err);
    term_progress_end();
    if (!ok)
        return term_error(&err);
    term_note("%s: random weights, good for measuring speed and memory, not for talking to", opt.out);
    return CLI_OK;
}

const cli_command cli_synth = {
    .name = "synth",
    .usage = "SIZE --type T -o FILE [options]",
    .summary = "write a model of random weights, to try speed and memory",
    .text =
        "Writes a GGUF file of random weights in the shape of a published Gemma 3 (270m, 1b, 4b, 12b, 27b) or of one\n"
        "that you describe, so that its speed and memory can be tried without a download.\n\n"
        "  carat synth 4b --type q4_0 -o 4b.gguf\n"
        "  carat synth 1b --type bf16 --layers 4 -o small.gguf\n"
        "  carat synth 4b --mmproj --tower-type q8_0 -o mmproj-4b.gguf",
    .run = run,
};
