/* format.h - the options that bind an answer to a form, as a carat_format.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_FORMAT_H
#define CT_CLI_FORMAT_H

#include "carat.h"
#include "options.h"

extern const cli_table cli_format_table;

bool cli_format_given(void);
/* At most one is given, and choices are not empty. False after a message on stderr: the caller exits with CLI_USAGE. */
bool cli_format_check(const cli_command *cmd);
/* Reads and compiles what is given; *out NULL: nothing is. The caller's. */
bool cli_format_open(carat_engine *e, carat_format **out, carat_err *err);

#endif
