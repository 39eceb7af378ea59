/* carat - Gemma 3 at the terminal.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "carat.h"
#include "commands.h"

static const cli_command *const commands[] = {
    &cli_run,        &cli_chat,   &cli_info,  &cli_see,   &cli_tokenize,
    &cli_detokenize, &cli_logits, &cli_synth, &cli_bench, &cli_weigh,
};
#define N_COMMANDS (sizeof commands / sizeof *commands)

static void help(FILE *f)
{
    fputs("carat - run Google's Gemma 3 on this machine's CPU\n\nusage: carat COMMAND [options]\n\ncommands:\n", f);
    for (size_t i = 0; i < N_COMMANDS; i++)
        fprintf(f, "  %-12s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\ncarat COMMAND --help tells more. Start with:\n"
          "  carat run models/gemma-3-270m-q4_k_m.gguf -p \"Once upon a time\"\n",
          f);
}

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is a write error, met where it is written */
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "help") == 0 && argc > 2) {
        char *as_help[] = { argv[2], (char[]){ "--help" }, NULL };
        for (size_t i = 0; i < N_COMMANDS; i++)
            if (strcmp(commands[i]->name, argv[2]) == 0)
                return commands[i]->run(2, as_help);
        name = argv[2];
    }
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        help(stdout);
        return CLI_OK;
    }
    if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0) {
        printf("carat " CARAT_VERSION " (kernels: %s)\n", carat_best_isa());
        return CLI_OK;
    }
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i]->run(argc - 1, argv + 1);
    if (*name)
        fprintf(stderr, "carat: unknown command '%s'\n\n", name);
    help(stderr);
    return CLI_USAGE;
}
