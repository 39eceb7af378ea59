/* signals.h - Ctrl-C, and what else may end the program from outside.
 *
 * A program is in one mode; within it a session may be at work, which the first Ctrl-C then cancels. A second signal
 * always ends the program at once.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_SIGNALS_H
#define CT_CLI_SIGNALS_H

#include <sys/types.h>

#include "carat.h"

/* What a signal does while no session is at work. */
typedef enum cli_signal_mode {
    CLI_SIGNALS_END,   /* it ends the program: from the start */
    CLI_SIGNALS_NOTED, /* Ctrl-C, SIGTERM and SIGHUP are noted, for cli_was_interrupted */
    /* Ctrl-C does nothing: one that comes just after the answer it was meant for, or while a file is written, must not
     * end a conversation. SIGTERM and SIGHUP (the terminal is closed) are the end of input: a session at work is
     * cancelled, and the conversation ends as by Ctrl-D, with all that is written then. */
    CLI_SIGNALS_CONVERSATION,
} cli_signal_mode;

void cli_signals(cli_signal_mode mode);

/* From the start: a session file is read where it is mapped, and touching a part that is gone raises SIGBUS. The program
 * then ends with one line that says so, and CLI_FAILED. */
void cli_report_lost_files(void);

/* Ctrl-C cancels this session's work; NULL: none is at work any more. Either forgets earlier interrupts. */
void cli_cancel_on_interrupt(carat_session *s);

/* The same where other work is done that looks for it: a tool runs. Until cli_cancel_on_interrupt. */
void cli_note_interrupt(void);

bool cli_was_interrupted(void);
/* In the mode CLI_SIGNALS_NOTED and after cli_note_interrupt: readable once a signal was noted, for poll(2). -1: there is none. */
int cli_interrupt_fd(void);
/* A process group that was started and is ended with the program where a signal ends that at once. */
void cli_group_begins(pid_t group);
void cli_group_ends(pid_t group);
int cli_ended_by(void); /* in a conversation: the signal that closed the input; 0: none */

#endif
