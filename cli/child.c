/* Starts a program with posix_spawn, which takes no copy of a process that holds a model; talks with it and ends it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "signals.h"

#define KILLED_WITHIN 10 /* seconds; a process that a device or a file server holds up may outlast SIGKILL */

extern char **environ;

/* ---- starting ---- */

static void shut(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* [0] to read, [1] to write; ours does not block. */
static bool make_pipe(int fds[2], int ours)
{
    if (pipe2(fds, O_CLOEXEC) != 0)
        return false;
    return fcntl(fds[ours], F_SETFL, O_NONBLOCK) == 0;
}

/* Signals as a program expects them; a group of its own; nothing open but the pipes. */
static bool set_up(posix_spawnattr_t *a, posix_spawn_file_actions_t *f, const int theirs[3])
{
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    bool ok = posix_spawnattr_setsigdefault(a, &all) == 0 && posix_spawnattr_setsigmask(a, &none) == 0 &&
              posix_spawnattr_setflags(a, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP) == 0;
    for (int fd = 0; fd < 3; fd++)
        ok = ok && posix_spawn_file_actions_adddup2(f, theirs[fd], fd) == 0;
    return ok && posix_spawn_file_actions_addclosefrom_np(f, 3) == 0;
}

/* 0 or an errno. */
static int spawn(child *c, char *const argv[], const int theirs[3])
{
    posix_spawnattr_t a;
    posix_spawn_file_actions_t f;
    int why = ENOMEM;
    if (posix_spawnattr_init(&a) != 0)
        return why;
    if (posix_spawn_file_actions_init(&f) == 0) {
        if (set_up(&a, &f, theirs))
            why = posix_spawnp(&c->pid, argv[0], &f, &a, argv, environ);
        posix_spawn_file_actions_destroy(&f);
    }
    posix_spawnattr_destroy(&a);
    return why;
}

bool child_start(child *c, char *const argv[], carat_err *err)
{
    int in[2] = { -1, -1 }, out[2] = { -1, -1 }, errs[2] = { -1, -1 };
    *c = (child){ 0, -1, -1, -1, -1 };
    int why = 0;
    if (!make_pipe(in, 1) || !make_pipe(out, 0) || !make_pipe(errs, 0))
        why = errno;
    else
        why = spawn(c, argv, (const int[3]){ in[0], out[1], errs[1] });
    shut(&in[0]), shut(&out[1]), shut(&errs[1]);
    if (why) {
        shut(&in[1]), shut(&out[0]), shut(&errs[0]);
        c->pid = 0;
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%.100s: cannot be started: %s", argv[0], strerror(why));
    }
    c->in = in[1], c->out = out[0], c->err = errs[0];
    cli_group_begins(c->pid);
    c->ended = (int)syscall(SYS_pidfd_open, c->pid, 0); /* Linux 5.3 */
    return true;
}

/* ---- talking ---- */

/* Was there room for anything? Where nobody reads any more, what is left to write is of no use. */
static bool write_some(child *c, child_talk *t)
{
    const ssize_t n = write(c->in, t->input, t->n_input);
    if (n > 0) {
        t->input += n;
        t->n_input -= (size_t)n;
    } else if (n < 0 && errno != EAGAIN && errno != EINTR) {
        t->n_input = 0;
        shut(&c->in);
    }
    return n > 0;
}

/* Was there anything? */
static bool read_some(int *fd, child_bytes_fn *got, void *arg)
{
    char data[1 << 16];
    const ssize_t n = *fd >= 0 ? read(*fd, data, sizeof data) : -1;
    if (n > 0)
        got(arg, data, (size_t)n);
    else if (*fd >= 0 && (n == 0 || (errno != EAGAIN && errno != EINTR)))
        shut(fd);
    return n > 0;
}

/* Milliseconds, rounded up, for poll(2). */
static int left_until(double until)
{
    const double left = until - ct_now();
    return left <= 0 ? 0 : left > 1e6 ? 1000000000 : (int)(left * 1000) + 1;
}

child_event child_move(child *c, child_talk *t, double until)
{
    if (t->closes_input && !t->n_input)
        shut(&c->in);
    struct pollfd p[] = { { .fd = c->out, .events = POLLIN },
                          { .fd = c->err, .events = POLLIN },
                          { .fd = t->n_input ? c->in : -1, .events = POLLOUT },
                          { .fd = c->ended, .events = POLLIN },
                          { .fd = t->wake, .events = POLLIN } };
    const int wait = left_until(until), n = poll(p, sizeof p / sizeof *p, wait);
    if (n > 0 && p[4].revents)
        return CHILD_WOKEN;
    bool any = n > 0 && p[2].revents && write_some(c, t);
    /* It may have written and ended between poll's look at the one and at the other. */
    const bool has_ended = n > 0 && p[3].revents;
    any |= n > 0 && (has_ended || p[1].revents) && read_some(&c->err, t->on_err, t->arg);
    any |= n > 0 && (has_ended || p[0].revents) && read_some(&c->out, t->on_out, t->arg);
    if (any)
        return CHILD_MOVED;
    if (has_ended || (c->ended < 0 && c->out < 0 && c->err < 0))
        return CHILD_DONE;
    return n == 0 && ct_now() >= until ? CHILD_LATE : CHILD_IDLE;
}

/* ---- ending ---- */

/* Has it ended within so many seconds? It stays to be waited for, and so keeps its number. */
static bool ends_within(const child *c, double seconds)
{
    const double until = ct_now() + seconds;
    for (;;) {
        siginfo_t i = { 0 };
        if (waitid(P_PID, (id_t)c->pid, &i, WEXITED | WNOHANG | WNOWAIT) != 0 || i.si_pid)
            return true;
        if (ct_now() >= until)
            return false;
        struct pollfd p = { .fd = c->ended, .events = POLLIN };
        poll(&p, 1, c->ended >= 0 ? left_until(until) : 10);
    }
}

void child_hang_up(child *c)
{
    shut(&c->in);
}

void child_signal(const child *c, int sig)
{
    if (c->pid)
        kill(-c->pid, sig);
}

void child_end(child *c, double grace, bool is_group, int *status)
{
    *status = 0;
    shut(&c->in);
    if (c->pid) {
        if (!ends_within(c, grace)) {
            kill(-c->pid, SIGTERM);
            if (!ends_within(c, grace))
                kill(-c->pid, SIGKILL);
            is_group = true;
        }
        const bool has_ended = ends_within(c, KILLED_WITHIN);
        if (is_group)
            kill(-c->pid, SIGKILL);
        cli_group_ends(c->pid);
        if (has_ended)
            waitpid(c->pid, status, WNOHANG);
    }
    shut(&c->out), shut(&c->err), shut(&c->ended);
    c->pid = 0;
}

void child_log_add(child_log *l, const char *data, size_t len)
{
    const size_t n = len < CHILD_LOG ? len : CHILD_LOG, kept = l->len < CHILD_LOG - n ? l->len : CHILD_LOG - n;
    memmove(l->text, l->text + l->len - kept, kept);
    memcpy(l->text + kept, data + len - n, n);
    for (size_t i = kept; i < kept + n; i++)
        if (!l->text[i])
            l->text[i] = '?';
    l->len = kept + n;
    l->text[l->len] = '\0';
}

const char *child_status(int status, char *to, size_t size)
{
    if (WIFSIGNALED(status))
        snprintf(to, size, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(to, size, "exit status %d", WEXITSTATUS(status));
    return to;
}
