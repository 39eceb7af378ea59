/* choices.h - texts to choose among, as options give them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_CHOICES_H
#define CT_CLI_CHOICES_H

#include "carat.h"
#include "options.h"

typedef struct cli_choices { /* zero-initialised; texts are NUL-terminated */
    char **v;                /* [n], owned */
    size_t n, cap;
} cli_choices;

void cli_choices_deinit(cli_choices *c);
bool cli_choices_add(cli_choices *c, const char *text, size_t len, carat_err *err);
/* The texts between commas. False after a message: one is empty. option: "choice", for that. */
bool cli_choices_check(const cli_command *cmd, const char *option, const char *list);
bool cli_choices_split(cli_choices *c, const char *list, carat_err *err);
/* One a line, empty ones left out. Errors also: CARAT_EFORMAT (a NUL character). */
bool cli_choices_read(cli_choices *c, const char *path, carat_err *err);

#endif
