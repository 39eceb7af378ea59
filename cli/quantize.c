/* carat quantize - a model in other types, as a new file.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "engine.h"
#include "shared_options.h"
#include "signals.h"
#include "term.h"

static struct {
    const char *type, *embedding_type, *output_type, *vision_type, *imatrix, *mmproj;
    cli_list rules;
    uint64_t target;
    int64_t threads;
    bool quiet, list;
} opt;

/* clang-format off */
static const cli_option options[] = {
    { 0, "type", NULL, CLI_TEXT, &opt.type, "T", "of all matrices: q4_k_m, q4_0, iq3_m, bf16 ..., then perhaps rules: q4_k_m,attn_v=q6_k",
      .otherwise = "q8_0 where only rules are given" },
    { 0, "tensor", NULL, CLI_TEXTS, &opt.rules, "PATTERN=T", "a type for the tensors of a name; may be given several times, the last wins" },
    { 0, "embedding-type", "token-embedding-type", CLI_TEXT, &opt.embedding_type, "T", "of the table of embeddings" },
    { 0, "output-type", "output-tensor-type", CLI_TEXT, &opt.output_type, "T", "of the output head, which Gemma 3 shares with the table" },
    { 0, "vision-type", NULL, CLI_TEXT, &opt.vision_type, "T", "of a vision tower's matrices", .otherwise = "as they are; f32 becomes bf16" },
    { 0, "mmproj", NULL, CLI_TEXT, &opt.mmproj, "FILE", "of a folder: where its vision tower goes, in its own types or --vision-type" },
    { 0, "imatrix", NULL, CLI_TEXT, &opt.imatrix, "FILE", "an importance matrix of the model: carat imatrix, or llama.cpp's" },
    { 0, "target-size", NULL, CLI_SIZE, &opt.target, "SIZE", "the most that the file may have, like 2.5G: the types with the least error are searched" },
    { 't', "threads", NULL, CLI_INT, &opt.threads, "N", "threads", .otherwise = "the physical cores allowed", .max = 512 },
    { 0, "list", NULL, CLI_FLAG, &opt.list, NULL, "print each tensor with its types" },
    CLI_OPTION_QUIET(&opt.quiet),
};
/* clang-format on */
static const cli_table table = CLI_TABLE("options", options);

/* False cancels: nothing half-written stays. */
static bool on_progress(void *arg, uint64_t done, uint64_t total)
{
    return term_progress(arg, done, total) && !cli_was_interrupted();
}

/* How many tensors have each type, of those that were searched for a size. */
typedef struct tally {
    char type[16];
    size_t n;
    uint64_t bytes;
} tally;

static tally tallies[32];
static size_t n_tally, n_tower; /* n_tower: tensors in a file of their own */

static void count(const carat_quantized *t)
{
    size_t i = 0;
    while (i < n_tally && strcmp(tallies[i].type, t->to) != 0)
        i++;
    if (i == sizeof tallies / sizeof *tallies)
        return;
    if (i == n_tally)
        snprintf(tallies[n_tally++].type, sizeof tallies->type, "%s", t->to);
    tallies[i].n++;
    tallies[i].bytes += t->bytes;
}

static void on_tensor(void *arg, const carat_quantized *t)
{
    (void)arg;
    char error[32] = "";
    const bool is_tower = opt.mmproj && (strncmp(t->name, "v.", 2) == 0 || strncmp(t->name, "mm.", 3) == 0);
    n_tower += is_tower;
    if (!is_tower)
        count(t);
    if (!opt.list)
        return;
    if (!isnan(t->error))
        snprintf(error, sizeof error, "  %.3g lost", t->error);
    printf("%-36s %-6s %-8s %7llu x %-7llu %10.2f MB%s%s\n", t->name, t->from, t->to, (unsigned long long)t->cols,
           (unsigned long long)t->rows, (double)t->bytes / 1e6, t->has_importance ? "  weighted" : "", error);
}

static void report(const char *path, const carat_quantize_result *r)
{
    char types[512] = "";
    size_t n = 0;
    for (size_t i = 0; i < n_tally && n < sizeof types; i++)
        n += (size_t)snprintf(types + n, sizeof types - n, "%s%s %zu", i ? ", " : "", tallies[i].type, tallies[i].n);
    term_note("%s: %zu tensors (%s), %.1f MB of %.1f MB", path, r->n_tensors, types, (double)r->bytes_out / 1e6,
              (double)r->bytes_in / 1e6);
    if (opt.mmproj)
        term_note("%s: its vision tower, %zu tensors", opt.mmproj, n_tower);
}

static bool quantize(const char *in, const char *out, carat_err *err)
{
    static char what[] = "quantising";
    carat_quantize_result result = { .struct_size = sizeof result };
    const carat_quantize_options o = {
        .struct_size = sizeof o,
        .input = in,
        .type = opt.type,
        .rules = opt.rules.v,
        .n_rules = opt.rules.n,
        .embedding_type = opt.embedding_type,
        .output_type = opt.output_type,
        .vision_type = opt.vision_type,
        .imatrix = opt.imatrix,
        .mmproj = opt.mmproj,
        .target_bytes = opt.target,
        .n_threads = (size_t)opt.threads,
        .tensor = on_tensor,
        .progress = on_progress,
        .progress_arg = what,
    };
    cli_signals(CLI_SIGNALS_NOTED);
    bool ok = carat_quantize(&o, out, &result, err);
    term_progress_end();
    if (ok)
        report(out, &result);
    return ok;
}

static int run(int argc, char **argv)
{
    cli_list args = { 0 };
    if (!cli_parse(&cli_quantize, argc, argv, &args))
        return CLI_USAGE;
    if (args.n != 2)
        return cli_usage(&cli_quantize, "needs a model and the file that is to be written");
    if (cli_is_stream(&cli_quantize, "output", args.v[1]))
        return CLI_USAGE;
    if (opt.mmproj && cli_is_stream(&cli_quantize, "tower's file", opt.mmproj))
        return CLI_USAGE;
    if (!opt.type && !opt.target && !opt.rules.n && (!opt.vision_type || opt.mmproj))
        return cli_usage(&cli_quantize, "needs --type or --target-size");
    term_init(opt.quiet);
    carat_err err;
    char *model = NULL;
    bool ok = cli_find_model(args.v[0], &model, &err) && quantize(model, args.v[1], &err);
    free(model);
    if (!ok && err.code == CARAT_ECANCELLED)
        return CLI_INTERRUPTED;
    return ok ? CLI_OK : term_error(&err);
}

const cli_command cli_quantize = {
    .name = "quantize",
    .usage = "MODEL FILE [options]",
    .summary = "write a model in other types: smaller, with the least error",
    .text =
        "Writes a model (a GGUF file, or a folder of safetensors) as a GGUF file whose matrices have other types. Of a "
        "GGUF\n"
        "file all that is not weights is copied. A vision tower's file (mmproj) keeps its types unless --vision-type "
        "is\n"
        "given. Which type, and what it costs: docs/QUANTISING.md.\n\n"
        "  carat quantize gemma-3-4b-it-bf16.gguf gemma-3-4b-it-q4_k_m.gguf --type q4_k_m\n"
        "  carat quantize gemma-3-4b/ small.gguf --type iq3_m --imatrix imatrix.gguf --tensor attn_v=q6_k\n"
        "  carat quantize gemma-3-4b-it-bf16.gguf fits.gguf --target-size 2.5G --imatrix imatrix.gguf\n"
        "  carat quantize gemma-3-4b-it/ small.gguf --type q4_k_m --mmproj mmproj-bf16.gguf\n"
        "  carat quantize mmproj-bf16.gguf mmproj-q8_0.gguf --vision-type q8_0",
    .tables = { &table },
    .run = run,
};
