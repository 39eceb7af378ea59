/* carat help - what there is, and its man pages.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "commands.h"

static struct {
    bool man, completion;
} opt;

static const cli_option options[] = {
    { 0, "man", NULL, CLI_FLAG, &opt.man, NULL, "print the man page of carat or of the command, for man and groff", 0,
      0 },
    { 0, "completion", NULL, CLI_FLAG, &opt.completion, NULL, "print what bash needs to complete commands and options",
      0, 0 },
};
static const cli_table table = CLI_TABLE("options", options);

void cli_print_overview(FILE *f)
{
    fputs("carat - run Google's Gemma 3 on this machine's CPU\n\nusage: carat COMMAND [options]\n\ncommands:\n", f);
    for (const cli_command *const *c = cli_commands; *c; c++)
        fprintf(f, "  %-12s %s\n", (*c)->name, (*c)->summary);
    fputs("\ncarat COMMAND --help tells more. Start with:\n"
          "  carat run models/gemma-3-270m-q4_k_m.gguf -p \"Once upon a time\"\n",
          f);
}

static int run(int argc, char **argv)
{
    cli_list args = { 0 };
    if (!cli_parse(&cli_help, argc, argv, &args))
        return CLI_USAGE;
    const cli_command *cmd = args.n ? cli_find_command(args.v[0]) : NULL;
    if (args.n && !cmd)
        return cli_usage(&cli_help, "unknown command '%s'", args.v[0]);
    if (args.n > 1 || (opt.completion && (args.n || opt.man)))
        return cli_usage(&cli_help, "expected at most one command, and none with --completion");
    if (opt.completion)
        cli_print_completion();
    else if (opt.man)
        cli_print_man(cmd);
    else if (cmd)
        cli_print_help(cmd);
    else
        cli_print_overview(stdout);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return CLI_OK;
    fputs("carat: cannot write the output\n", stderr);
    return CLI_FAILED;
}

const cli_command cli_help = {
    .name = "help",
    .usage = "[COMMAND] [options]",
    .summary = "what a command does; man pages, completion",
    .text = "Lists the commands, or says what one of them does.\n\n"
            "  carat help run\n"
            "  carat help --man run | man -l -\n"
            "  source <(carat help --completion)",
    .tables = { &table },
    .run = run,
};
