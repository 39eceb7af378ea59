/* carat pack - a model as it lies in memory, as a file that is mapped instead of loaded.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <sys/stat.h>

#include "commands.h"
#include "engine.h"
#include "shared_options.h"
#include "signals.h"
#include "term.h"

static struct {
    const char *out, *mmproj;
    int64_t threads;
    bool no_vision, trust_header, check, quiet;
} opt;

/* clang-format off */
static const cli_option options[] = {
    { 'o', "output", NULL, CLI_TEXT, &opt.out, "FILE", "where the pack goes" },
    { 0, "check", NULL, CLI_FLAG, &opt.check, NULL, "of a pack: read all of it and compare it with its hashes" },
    { 0, "mmproj", NULL, CLI_TEXT, &opt.mmproj, "FILE", "vision weights, which go into the pack",
      .otherwise = "the mmproj file beside the model that fits" },
    { 0, "no-vision", "text-only", CLI_FLAG, &opt.no_vision, NULL, "text only: leave the vision tower out" },
    { 0, "trust-header", NULL, CLI_FLAG, &opt.trust_header, NULL, "believe the file where it contradicts the published model" },
    { 't', "threads", NULL, CLI_INT, &opt.threads, "N", "threads", .otherwise = "the physical cores allowed", .max = 512 },
    CLI_OPTION_QUIET(&opt.quiet),
};
/* clang-format on */
static const cli_table table = CLI_TABLE("options", options);

/* False cancels: nothing half-written stays. */
static bool on_progress(void *arg, uint64_t done, uint64_t total)
{
    return term_progress(arg, done, total) && !cli_was_interrupted();
}

static void report(const char *path)
{
    struct stat st;
    carat_model_info *info;
    if (stat(path, &st) != 0 || !carat_model_describe(path, &info, NULL))
        return;
    term_note("%s: %.1f MB, %s", path, (double)st.st_size / 1e6,
              info->has_vision ? "text and vision tower" : "text only");
    carat_model_info_free(info);
}

static bool pack(const char *model, carat_err *err)
{
    static char what[] = "packing";
    const carat_options o = {
        .struct_size = sizeof o,
        .n_threads = (int)opt.threads,
        .mmproj = opt.mmproj,
        .vision = opt.no_vision ? CARAT_VISION_OFF : CARAT_VISION_AUTO,
        .trusts_header = opt.trust_header,
        .progress = on_progress,
        .progress_arg = what,
    };
    const bool ok = carat_pack(model, opt.out, &o, err);
    term_progress_end();
    if (ok)
        report(opt.out);
    return ok;
}

static bool check(const char *path, carat_err *err)
{
    static char what[] = "checking";
    const bool ok = carat_pack_check(path, (int)opt.threads, on_progress, what, err);
    term_progress_end();
    if (ok)
        term_note("%s: all of it is as it was packed", path);
    return ok;
}

static int run(int argc, char **argv)
{
    cli_list args = { 0 };
    if (!cli_parse(&cli_pack, argc, argv, &args))
        return CLI_USAGE;
    if (args.n != 1 || opt.check == (opt.out != NULL))
        return cli_usage(&cli_pack, "needs a model and -o FILE, or a pack and --check");
    if (opt.check && (opt.mmproj || opt.no_vision || opt.trust_header))
        return cli_usage(&cli_pack, "--check looks at what was packed: no other option changes that");
    if (opt.out && cli_is_stream(&cli_pack, "output", opt.out))
        return CLI_USAGE;
    term_init(opt.quiet);
    cli_signals(CLI_SIGNALS_NOTED);
    carat_err err;
    char *model = NULL;
    const bool ok = cli_find_model(args.v[0], &model, &err) && (opt.check ? check : pack)(model, &err);
    free(model);
    if (!ok && err.code == CARAT_ECANCELLED)
        return CLI_INTERRUPTED;
    return ok ? CLI_OK : term_error(&err);
}

const cli_command cli_pack = {
    .name = "pack",
    .usage = "MODEL -o FILE [options]",
    .summary = "write a model as it lies in memory: it starts at once, and processes share it",
    .text =
        "Writes a GGUF model as a pack: its weights in the layout that Carat computes with, its vocabulary, and its "
        "vision\n"
        "tower. Every command takes a pack as a model. It is mapped instead of loaded, so that it starts in a fraction "
        "of the\n"
        "time, and the processes that use one share its memory; answers and saved sessions are the model's own. It "
        "serves every\n"
        "CPU level (--cpu) and this version's layout: another version of Carat may refuse it and ask for a new one. "
        "Keep the model.\n\n"
        "Its description is compared with a hash whenever it is opened, its weights by --check alone. A pack that is "
        "in "
        "use must not\n"
        "be cut or written to; it is made read-only, and may be replaced or removed at any time.\n\n"
        "  carat pack gemma-3-4b-it-q4_0.gguf -o gemma-3-4b-it.pack\n"
        "  carat chat gemma-3-4b-it.pack\n"
        "  carat pack --check gemma-3-4b-it.pack",
    .tables = { &table },
    .run = run,
};
