/* commands.h - every command of carat, one file each, and what is said of all of them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_COMMANDS_H
#define CT_CLI_COMMANDS_H

#include <stdio.h>

#include "options.h"

extern const cli_command cli_run, cli_chat, cli_info, cli_tokenize, cli_detokenize, cli_logits, cli_see, cli_synth,
    cli_bench, cli_weigh, cli_help;

extern const cli_command *const cli_commands[]; /* all, in the order of `carat help`; NULL ends them */
/* NULL: there is none. */
const cli_command *cli_find_command(const char *name);

/* What `carat help` prints. */
void cli_print_overview(FILE *f);
/* A man page in roff (the man macros) on stdout; NULL: of carat itself. */
void cli_print_man(const cli_command *cmd);
/* A script for bash on stdout that completes commands, options and their values. */
void cli_print_completion(void);

#endif
