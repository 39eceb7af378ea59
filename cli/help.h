/* help.h - what the tables of options say to a reader: --help, man pages, completion.
 *
 * `all` is every command in the order of `carat help`; NULL ends it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_HELP_H
#define CT_CLI_HELP_H

#include <stdio.h>

#include "options.h"

/* The command's --help. */
void cli_print_help(const cli_command *cmd);
/* What `carat help` prints. */
void cli_print_overview(const cli_command *const *all, FILE *f);
/* A man page in roff (the man macros) on stdout; cmd NULL: of carat itself. */
void cli_print_man(const cli_command *const *all, const cli_command *cmd);
/* A script for bash on stdout that completes commands, options and their values. */
void cli_print_completion(const cli_command *const *all);

#endif
