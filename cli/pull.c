/* carat pull - models from a hub.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "commands.h"
#include "hub/pull.h"
#include "hub/short.h"
#include "pull_bar.h"
#include "shared_options.h"
#include "signals.h"
#include "term.h"

static struct {
    const char *revision, *file, *mmproj, *endpoint, *token_file;
    bool insecure_http, any, yes, quiet;
} opt;

/* clang-format off */
static const cli_option options[] = {
    { 0, "file", NULL, CLI_TEXT, &opt.file, "NAME", "this file of the repository, instead of a quantisation" },
    { 0, "mmproj", NULL, CLI_TEXT, &opt.mmproj, "NAME", "the vision weights that come with a GGUF file: auto, none, or a file's name",
      .deflt = "auto" },
    { 0, "revision", NULL, CLI_TEXT, &opt.revision, "REV", "a branch, tag or commit", .otherwise = "main" },
    { 'y', "yes", NULL, CLI_FLAG, &opt.yes, NULL, "do not ask: take the best that fits" },
    { 0, "any", NULL, CLI_FLAG, &opt.any, NULL, "also what the hub says is no Gemma 3" },
    CLI_OPTION_QUIET(&opt.quiet),
};
static const cli_option hub_options[] = {
    { 0, "endpoint", NULL, CLI_TEXT, &opt.endpoint, "URL", "the hub", .otherwise = "$HF_ENDPOINT, or https://huggingface.co" },
    { 0, "token-file", NULL, CLI_TEXT, &opt.token_file, "FILE", "a file that holds the token",
      .otherwise = "$HF_TOKEN, $HF_HOME/token, ~/.cache/huggingface/token" },
    { 0, "insecure-http", NULL, CLI_FLAG, &opt.insecure_http, NULL, "http:// to hosts other than this machine, too" },
};
/* clang-format on */
static const cli_table table = CLI_TABLE("what", options);
static const cli_table hub_table = CLI_TABLE("the hub", hub_options);

/* ---- which one ---- */

static void print_offers(const ct_pull_offer *offers, size_t n, size_t best)
{
    size_t width = 4;
    char size[24], memory[24], tag[72];
    for (size_t i = 0; i < n; i++)
        if (strlen(offers[i].tag) > width)
            width = strlen(offers[i].tag) < 40 ? strlen(offers[i].tag) : 40;
    fprintf(stderr, "%s      %-*s  %10s  %10s  %s%s\n", term_dim(2), (int)width, "", "download", "memory", "",
            term_reset(2));
    for (size_t i = 0; i < n; i++) {
        const ct_pull_offer *o = &offers[i];
        pull_size(o->memory, memory);
        fprintf(stderr, "%s%3zu  %c%-*.*s  %10s  %s%9s  %s%s%s\n", i == best ? term_bold(2) : "", i + 1,
                i == best ? '*' : ' ', (int)width, (int)width, term_printable(o->tag, tag, sizeof tag),
                pull_size(o->bytes, size), o->is_exact || !o->memory ? " " : "~", o->memory ? memory : "?",
                o->fits ? "fits" : "does not fit", o->is_pulled ? ", is pulled" : "", i == best ? term_reset(2) : "");
    }
}

/* A number, a quantisation, or nothing for the best; n: none of them. */
static size_t read_answer(const char *line, const ct_pull_offer *offers, size_t n, size_t best)
{
    char *end;
    if (!*line)
        return best;
    unsigned long k = strtoul(line, &end, 10);
    if (!*end && k >= 1 && k <= n)
        return k - 1;
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(offers[i].tag, line) == 0)
            return i;
    return n;
}

/* At a terminal. False: whoever is asked wants none. */
static bool ask(const ct_pull_offer *offers, size_t n, size_t best, size_t *chosen)
{
    char *line = NULL, tag[72];
    size_t size = 0;
    bool ok = false, is_over = false;
    cli_signals(CLI_SIGNALS_END); /* Ctrl-C at the question ends the program */
    while (!ok && !is_over) {
        if (best < n)
            fprintf(stderr, "which one? [%s] ", term_printable(offers[best].tag, tag, sizeof tag));
        else
            fprintf(stderr, "none fits this machine; which one all the same? ");
        ssize_t len = getline(&line, &size, stdin);
        if (len < 0)
            fputc('\n', stderr);
        if (len > 0 && line[len - 1] == '\n')
            line[--len] = '\0';
        is_over = len < 0 || strcasecmp(line, "q") == 0 || (best == n && len == 0);
        *chosen = is_over ? n : read_answer(line, offers, n, best);
        ok = *chosen < n;
        if (!ok && !is_over)
            fprintf(stderr, "a number from 1 to %zu, a quantisation, or q for none\n", n);
    }
    free(line);
    cli_signals(CLI_SIGNALS_NOTED);
    return ok;
}

static bool choose(void *arg, const ct_pull_offer *offers, size_t n, size_t best, size_t *chosen)
{
    char size[24], tag[72];
    (void)arg;
    pull_bar_end();
    *chosen = best;
    if (n == 1) {
        *chosen = 0;
        if (best == n)
            term_tell("(%s needs %s, which this machine does not have free now)",
                      term_printable(offers[0].tag, tag, sizeof tag),
                      pull_size(offers[0].memory ? offers[0].memory : offers[0].bytes, size));
        return true;
    }
    const bool asks = !opt.yes && term_is_tty(0) && term_is_tty(2);
    if (!opt.quiet || asks)
        print_offers(offers, n, best);
    if (asks)
        return ask(offers, n, best, chosen);
    if (best < n)
        term_note("%s is the best of them that this machine holds", term_printable(offers[best].tag, tag, sizeof tag));
    return true; /* n: the pull says that none fits, and what would */
}

/* ---- on the way ---- */

static bool on_progress(void *arg, const ct_pull_event *e)
{
    (void)arg;
    if (!opt.quiet)
        pull_bar_show(e);
    return !cli_was_interrupted();
}

static void on_line(void *arg, const char *line)
{
    (void)arg;
    pull_bar_end();
    term_tell("(%s)", line);
}

/* What its use is bound to, where a short name says so. */
static void note_licence(const char *name)
{
    const char *tag;
    const ct_short *s = ct_short_find(name, &tag);
    if (s)
        term_note("%s: %s", s->repo, s->licence);
}

static int pull(const char *name)
{
    const ct_pull_options o = {
        .name = name,
        .revision = opt.revision,
        .file = opt.file,
        .mmproj = opt.mmproj,
        .endpoint = opt.endpoint,
        .token_file = opt.token_file,
        .insecure_http = opt.insecure_http,
        .any_model = opt.any,
        .progress = on_progress,
        .tell = on_line,
        .choose = choose,
    };
    carat_err err;
    char *full, *path;
    note_licence(name);
    bool ok = ct_pull(&o, &full, &path, &err);
    pull_bar_end();
    if (!ok && err.code == CARAT_ECANCELLED && !cli_was_interrupted())
        return CLI_FAILED; /* none was wanted */
    if (!ok && err.code == CARAT_ECANCELLED) {
        term_note("interrupted; what has arrived is kept; carat pull %s resumes it", name);
        return CLI_INTERRUPTED;
    }
    if (!ok)
        return term_error(&err);
    term_note("%s is there: carat run %s", full, name);
    puts(path);
    free(full);
    free(path);
    return CLI_OK;
}

static int run(int argc, char **argv)
{
    cli_list args = { 0 };
    if (!cli_parse(&cli_pull, argc, argv, &args))
        return CLI_USAGE;
    if (args.n == 0)
        return cli_usage(&cli_pull, "which model? (carat list --available shows short names)");
    if (args.n > 1 && opt.file)
        return cli_usage(&cli_pull, "--file is of one repository, and several are named");
    term_init(opt.quiet);
    cli_signals(CLI_SIGNALS_NOTED);
    int code = CLI_OK;
    for (size_t i = 0; code == CLI_OK && i < args.n; i++)
        code = pull(args.v[i]);
    return code;
}

const cli_command cli_pull = {
    .name = "pull",
    .usage = "NAME... [options]",
    .summary = "fetch a model from a hub",
    .text =
        "Fetches a model from a hub that speaks Hugging Face's protocol: its GGUF file, all parts of a split one, the\n"
        "vision weights beside it; or a folder of safetensors. Without a quantisation it shows what there is, what "
        "each\n"
        "needs and what this machine holds, and asks; or takes the best where nobody can be asked. Files are checked\n"
        "against the hub's SHA-256. An interrupted pull is resumed. On standard output it says "
        "where\n"
        "the model is; carat run NAME, and every other command, finds it by name.\n\n"
        "Models are kept in $CARAT_MODELS, or $XDG_DATA_HOME/carat/models, or ~/.local/share/carat/models.\n\n"
        "  carat pull gemma-3-4b-it\n"
        "  carat pull ggml-org/gemma-3-4b-it-GGUF:Q4_K_M\n"
        "  carat pull https://huggingface.co/ggml-org/gemma-3-270m-it-GGUF --file gemma-3-270m-it-Q8_0.gguf\n"
        "  carat pull google/gemma-3-4b-it --token-file ~/token     a gated one, as safetensors",
    .tables = { &table, &hub_table },
    .run = run,
};
