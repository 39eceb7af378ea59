/* option_names.h - the names by which options are called.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_OPTION_NAMES_H
#define CT_CLI_OPTION_NAMES_H

#include "options.h"

/* The option of that long name, which is the first len bytes of `name`; an alias only where no option is called so. */
const cli_option *cli_find_option(const cli_command *cmd, const char *name, size_t len);
const cli_option *cli_find_letter(const cli_command *cmd, char letter);

/* For going through names separated by spaces: the next one and its length, NULL past the last. */
const char *cli_next_name(const char *names, size_t *len);

#endif
