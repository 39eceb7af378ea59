/* option_names.h - the names by which options are called, and those of their values.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_OPTION_NAMES_H
#define CT_CLI_OPTION_NAMES_H

#include "options.h"

/* The option of that long name, which is the first len bytes of `name`; an alias only where no option is called so. */
const cli_option *cli_find_option(const cli_command *cmd, const char *name, size_t len);
const cli_option *cli_find_letter(const cli_command *cmd, char letter);

/* What stands behind the name in --help: "N", "f16|q8_0", "SIZE|none"; "" for a flag. Returns to. */
const char *cli_option_arg(const cli_option *o, char *to, size_t size);

/* "(default: 64)"; "" where nothing is to be said. Returns to. */
const char *cli_option_default(const cli_option *o, char *to, size_t size);

/* For going through names separated by spaces: the next one and its length, NULL past the last. */
const char *cli_next_name(const char *names, size_t *len);

#endif
