/* carat - Gemma 3 at the terminal.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "carat.h"
#include "commands.h"

const cli_command *const cli_commands[] = {
    &cli_run,    &cli_chat,  &cli_info,  &cli_see,   &cli_tokenize, &cli_detokenize,
    &cli_logits, &cli_synth, &cli_bench, &cli_weigh, &cli_help,     NULL,
};

const cli_command *cli_find_command(const char *name)
{
    for (const cli_command *const *c = cli_commands; *c; c++)
        if (strcmp((*c)->name, name) == 0)
            return *c;
    return NULL;
}

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is a write error, met where it is written */
    const char *name = argc > 1 ? argv[1] : "";
    const cli_command *cmd = cli_find_command(name);
    if (cmd)
        return cmd->run(argc - 1, argv + 1);
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        cli_print_overview(stdout);
        return CLI_OK;
    }
    if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0) {
        printf("carat " CARAT_VERSION " (kernels: %s)\n", carat_best_isa());
        return CLI_OK;
    }
    if (*name)
        fprintf(stderr, "carat: unknown command '%s'\n\n", name);
    cli_print_overview(stderr);
    return CLI_USAGE;
}
