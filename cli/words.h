/* words.h - a command line as words, without a shell.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_WORDS_H
#define CT_CLI_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "carat.h"

#define WORDS_MOST 256

/* The words of a command as a POSIX shell splits them: blanks between words; 'as it is'; "with \" \\ \$ \` inside"; \x for
 * any character outside. Nothing is expanded, redirected or run: what a shell would do more with (an unquoted | & ; < > ( )
 * $ ` or a ~ that begins a word, $ or ` in double quotes) is refused by name. *words is NULL-terminated, one block, the
 * caller's (free). Errors: CARAT_EARG (also: no word, a quote that is not closed), CARAT_ELIMIT (more than WORDS_MOST),
 * CARAT_ENOMEM. */
bool cli_split_words(const char *command, char ***words, carat_err *err);

#endif
