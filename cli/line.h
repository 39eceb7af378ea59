/* line.h - one message from a person: edited with libedit on a terminal, plain lines from a pipe.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_LINE_H
#define CT_CLI_LINE_H

#include <stdbool.h>

void line_open(void);  /* loads the history ($XDG_STATE_HOME/carat/history or ~/.local/state/carat/history) */
void line_close(void); /* saves it */

/* A message, without its newline; the caller frees it; NULL at the end of input or on an error. What is pasted is one text
 * with its newlines, and starts nothing. With `multi`, a line that begins with """ opens a message that runs to the next
 * """. Ctrl-C gives up the whole message: it is empty. How to leave is then said of messages, not of a question (no `multi`). */
char *line_read(const char *prompt, bool multi);
/* The last message was pasted or put between """: it is no command, whatever it begins with. */
bool line_is_text(void);
/* Ctrl-C has given up the last message. */
bool line_was_given_up(void);
/* The last message has a NUL byte, in place of which it shows a '?': it is not what was written. */
bool line_has_nul(void);
/* errno of the error that line_read's NULL stands for; 0: it was the end of input. */
int line_error(void);

#endif
