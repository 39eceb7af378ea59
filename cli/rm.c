/* carat rm - removes models that were pulled.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "commands.h"
#include "hub/store.h"
#include "pull_bar.h"
#include "shared_options.h"
#include "term.h"

static struct {
    bool yes, quiet;
} opt;

/* clang-format off */
static const cli_option options[] = {
    { 'y', "yes", NULL, CLI_FLAG, &opt.yes, NULL, "do not ask" },
    CLI_OPTION_QUIET(&opt.quiet),
};
/* clang-format on */
static const cli_table table = CLI_TABLE("options", options);

static bool is_agreed(const ct_stored *m)
{
    char *line = NULL, size[24], name[320];
    size_t n = 0;
    fprintf(stderr, "remove %s, %s? [y/N] ", term_printable(m->name, name, sizeof name), pull_size(m->bytes, size));
    bool has_line = getline(&line, &n, stdin) > 0;
    if (!has_line)
        fputc('\n', stderr);
    bool ok = has_line && (strncasecmp(line, "y\n", 2) == 0 || strncasecmp(line, "yes\n", 4) == 0);
    free(line);
    return ok;
}

static int rm(const ct_stored_list *l, const char *name)
{
    const ct_stored *m;
    carat_err err;
    uint64_t freed;
    char size[24], shown[320];
    if (!ct_store_match(l, name, &m, &err))
        return term_error(&err);
    if (!opt.yes && !is_agreed(m)) {
        term_note("%s stays", term_printable(m->name, shown, sizeof shown));
        return CLI_OK;
    }
    if (!ct_store_remove(m, &freed, &err))
        return term_error(&err);
    term_note("%s is removed, %s free", term_printable(m->name, shown, sizeof shown), pull_size(freed, size));
    return CLI_OK;
}

static int run(int argc, char **argv)
{
    cli_list args = { 0 };
    ct_stored_list l;
    carat_err err;
    if (!cli_parse(&cli_rm, argc, argv, &args))
        return CLI_USAGE;
    if (args.n == 0)
        return cli_usage(&cli_rm, "which model? (carat list shows them)");
    if (!opt.yes && !(term_is_tty(0) && term_is_tty(2)))
        return cli_usage(&cli_rm, "nobody can be asked here: -y removes without asking");
    term_init(opt.quiet);
    int code = CLI_OK;
    for (size_t i = 0; code == CLI_OK && i < args.n; i++) {
        if (!ct_store_list(&l, NULL, NULL, &err)) /* anew: the one before may be gone */
            return term_error(&err);
        code = rm(&l, args.v[i]);
        ct_stored_list_free(&l);
    }
    return code;
}

const cli_command cli_rm = {
    .name = "rm",
    .usage = "NAME... [-y]",
    .summary = "remove a model that was pulled",
    .text = "Removes models that carat pull has fetched, after asking. A name that could mean several is refused. "
            "Files that\n"
            "another model of the same repository needs stay; so does whatever carat pull did not fetch.\n\n"
            "  carat rm gemma-3-4b-it\n"
            "  carat rm ggml-org/gemma-3-4b-it-GGUF:Q8_0 -y",
    .tables = { &table },
    .run = run,
};
