/* child.h - a program that runs beside ours, with pipes to its standard input, output and errors.
 *
 * It has a process group of its own: a Ctrl-C at the terminal does not reach it, and what it has started is ended with it.
 * Nothing here goes through a shell, and nothing waits beyond a deadline.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_CHILD_H
#define CT_CLI_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "carat.h"

typedef struct child {
    pid_t pid;        /* its process group's number, too; 0: none */
    int in, out, err; /* our ends, none of which blocks; -1: closed */
    int ended;        /* readable once it has ended; -1: the system has no such thing */
} child;

/* Starts argv[0], looked for in $PATH if it has no slash, with our environment and folder. *c is to be given to child_end.
 * Errors: CARAT_EIO (it cannot be started; why), and then c is as empty as at the end. */
bool child_start(child *c, char *const argv[], carat_err *err);

typedef void child_bytes_fn(void *arg, const char *data, size_t len);

/* The last of what a program wrote to its standard errors. */
#define CHILD_LOG 4096
typedef struct child_log {
    char text[CHILD_LOG + 1]; /* [len] and a NUL; NUL characters as '?' */
    size_t len;
} child_log;

void child_log_add(child_log *l, const char *data, size_t len);

/* What is exchanged. */
typedef struct child_talk {
    const char *input; /* [n_input]: what is still to be written; moves on */
    size_t n_input;
    bool closes_input; /* when it is written */
    child_bytes_fn *on_out, *on_err;
    void *arg;
    int wake; /* a descriptor that becomes readable when the wait is to end early; -1: none */
} child_talk;

typedef enum child_event {
    CHILD_MOVED, /* something was exchanged */
    CHILD_DONE,  /* it has ended, and all that it wrote until then was read */
    CHILD_IDLE,  /* nothing was, this time */
    CHILD_LATE,  /* nothing was, and the time is over */
    CHILD_WOKEN, /* by wake */
} child_event;

/* Exchanges once what can be; waits for it until `until` (ct_now()). */
child_event child_move(child *c, child_talk *t, double until);

/* Closes its input, which asks a server to leave. */
void child_hang_up(child *c);
/* Sends its group a signal. */
void child_signal(const child *c, int sig);
/* Ends it: its input is closed, and what does not end of itself is asked to (SIGTERM) and then made to (SIGKILL), each time
 * after at most `grace` seconds. *status as waitpid gives it. is_group: what it has started and left behind is ended, too.
 * Accepts an empty one. */
void child_end(child *c, double grace, bool is_group, int *status);

/* "exit status 3", "signal 9 (Killed)". Returns to. */
const char *child_status(int status, char *to, size_t size);

#endif
