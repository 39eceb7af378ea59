/* show_prompt.h - what the model is given, for people.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_SHOW_PROMPT_H
#define CT_CLI_SHOW_PROMPT_H

#include <stdio.h>

#include "carat.h"

/* Its text with the control tokens' names, between two lines that say how long it is and what was done to the messages. to:
 * stdout or stderr; at a terminal it is no command. */
void show_prompt(const carat_prompt *p, FILE *to);

/* Calls fn for each repair of the prompt with its words. */
void each_repair(const carat_prompt *p, void (*fn)(void *arg, const char *words), void *arg);

#endif
