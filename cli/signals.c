/* One mode, one session at work at most, one handler for each kind of signal.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "signals.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "exit.h"

static cli_signal_mode mode;
static int no_input = -1; /* stands in for stdin when a conversation is ended */
static int noted_fd = -1; /* an eventfd: a signal was noted */

/* What the handlers share with the program. */
static carat_session *volatile at_work;
static volatile sig_atomic_t interrupts, ended_by, n_terms;

static volatile sig_atomic_t notes; /* cli_note_interrupt */

#define MOST_GROUPS 80                     /* servers, and a tool */
static volatile pid_t groups[MOST_GROUPS]; /* 0: free */

static void die_of(int sig)
{
    for (size_t i = 0; i < MOST_GROUPS; i++)
        if (groups[i])
            kill(-groups[i], SIGKILL);
    signal(sig, SIG_DFL);
    raise(sig);
}

static void on_interrupt(int sig)
{
    carat_session *s = at_work;
    if (interrupts++ || (!s && !notes && mode == CLI_SIGNALS_END)) /* the work may have just ended */
        die_of(sig);
    else if (s)
        carat_session_cancel(s);
    else if (noted_fd >= 0)
        eventfd_write(noted_fd, 1);
}

/* A terminal that closes may send SIGHUP twice, the kernel and the shell one each, and SIGTERM may follow. Only a second
 * SIGTERM asks for more than the first did. */
static void on_end(int sig)
{
    carat_session *s = at_work;
    if (sig == SIGTERM && n_terms++)
        die_of(sig);
    if (ended_by)
        return;
    ended_by = sig;
    dup2(no_input, 0); /* who reads meets the end, now or at the next line */
    interrupts += s || notes;
    if (s)
        carat_session_cancel(s);
    else if (notes && noted_fd >= 0)
        eventfd_write(noted_fd, 1);
}

static void handle(int sig, void (*handler)(int), int flags)
{
    struct sigaction a = { .sa_handler = handler, .sa_flags = flags };
    sigemptyset(&a.sa_mask);
    sigaction(sig, &a, NULL);
}

/* nohup(1) starts programs with SIGHUP ignored: that stays. */
static void handle_hangup(void (*handler)(int))
{
    struct sigaction was;
    if (sigaction(SIGHUP, NULL, &was) == 0 && was.sa_handler != SIG_IGN)
        handle(SIGHUP, handler, 0);
}

/* SIGINT as the mode has it. SA_RESTART where a session works: a write that waits is no failed write. */
static void handle_interrupt(void)
{
    if (at_work || notes)
        handle(SIGINT, on_interrupt, SA_RESTART);
    else
        handle(SIGINT,
               mode == CLI_SIGNALS_NOTED          ? on_interrupt
               : mode == CLI_SIGNALS_CONVERSATION ? SIG_IGN
                                                  : SIG_DFL,
               0);
}

/* A mapped file was cut, or its disk failed. What a signal handler may do is little: one line, and the end. */
static void on_lost_file(int sig)
{
    static const char says[] = "carat: a file that was being read has become shorter, or its disk has failed\n";
    ssize_t n = write(2, says, sizeof says - 1);
    (void)n, (void)sig;
    _exit(CLI_FAILED);
}

void cli_report_lost_files(void)
{
    handle(SIGBUS, on_lost_file, SA_RESETHAND);
}

static void open_noted(void)
{
    if (noted_fd < 0)
        noted_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

void cli_signals(cli_signal_mode m)
{
    mode = m;
    if (m == CLI_SIGNALS_NOTED)
        open_noted();
    handle_interrupt();
    if (m == CLI_SIGNALS_NOTED) {
        handle(SIGTERM, on_interrupt, 0);
        handle_hangup(on_interrupt);
    }
    if (m == CLI_SIGNALS_CONVERSATION && (no_input = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0) {
        handle(SIGTERM, on_end, 0);
        handle_hangup(on_end);
    }
}

void cli_cancel_on_interrupt(carat_session *s)
{
    at_work = s;
    notes = false;
    interrupts = 0;
    handle_interrupt();
}

void cli_note_interrupt(void)
{
    eventfd_t earlier;
    at_work = NULL;
    open_noted();
    if (noted_fd >= 0)
        eventfd_read(noted_fd, &earlier);
    notes = true;
    interrupts = 0;
    handle_interrupt();
}

void cli_group_begins(pid_t group)
{
    for (size_t i = 0; i < MOST_GROUPS; i++)
        if (!groups[i]) {
            groups[i] = group;
            return;
        }
}

void cli_group_ends(pid_t group)
{
    for (size_t i = 0; i < MOST_GROUPS; i++)
        if (groups[i] == group)
            groups[i] = 0;
}

bool cli_was_interrupted(void)
{
    return interrupts > 0;
}

int cli_interrupt_fd(void)
{
    return noted_fd;
}

int cli_ended_by(void)
{
    return ended_by;
}
