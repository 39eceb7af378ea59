/* bwrap and python3, started without a shell. The program comes through a pipe, so that nothing is written anywhere.
 *
 * A program that calls sys.exit(0) or os._exit(0) must not pass for one whose tests held: it is run by a few lines of ours, which say a
 * word that it does not know once it has come to its end.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

#define MOST_PROGRAM ((size_t)1 << 20)
#define MOST_OUTPUT  ((size_t)64 << 10)
#define MEMORY       ((rlim_t)1 << 30)
#define MOST_FILES   64
#define WORD         16 /* random bytes */
#define CHECK_TIME   20

/* The word and the program are read before the program runs, and the descriptor for the word is kept from it as far as Python goes. */
static const char runner[] = "import sys\n"
                             "text = sys.stdin.buffer.read().decode()\n"
                             "word, text = text.split('\\n', 1)\n"
                             "out = sys.stdout\n"
                             "import io, os\n"
                             "sys.stdin, sys.stdout = io.StringIO(), io.StringIO()\n"
                             "def end(out, word):\n"
                             "    def say():\n"
                             "        out.write(word)\n"
                             "        out.flush()\n"
                             "    return say\n"
                             "say = end(out, word)\n"
                             "del word, out, end\n"
                             "code = compile(text, 'answer', 'exec')\n"
                             "exec(code, {'__name__': '__main__'})\n"
                             "say()\n"
                             "os._exit(0)\n";

static const char *const arguments[] = {
    "bwrap",
    "--unshare-all",
    "--die-with-parent",
    "--new-session",
    "--cap-drop",
    "ALL",
    "--clearenv",
    "--ro-bind",
    "/usr",
    "/usr",
    "--symlink",
    "usr/bin",
    "/bin",
    "--symlink",
    "usr/lib",
    "/lib",
    "--symlink",
    "usr/lib64",
    "/lib64",
    "--proc",
    "/proc",
    "--dev",
    "/dev",
    "--tmpfs",
    "/tmp",
    "--chdir",
    "/tmp",
    "--setenv",
    "PATH",
    "/usr/bin",
    "--setenv",
    "PYTHONDONTWRITEBYTECODE",
    "1",
    "--hostname",
    "sandbox",
    "/usr/bin/python3",
    "-I",
    "-c",
    runner,
    NULL,
};

static void limit(int what, rlim_t most)
{
    const struct rlimit r = { most, most };
    setrlimit(what, &r);
}

typedef struct child {
    pid_t pid;
    int in, out;
} child;

/* In the new process; does not come back. */
static void become(const int in[2], const int out[2], double seconds)
{
    const int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
    setpgid(0, 0);
    if (dup2(in[0], 0) < 0 || dup2(out[1], 1) < 0 || nothing < 0 || dup2(nothing, 2) < 0)
        _exit(126);
    limit(RLIMIT_AS, MEMORY);
    limit(RLIMIT_CPU, (rlim_t)seconds + 1);
    limit(RLIMIT_FSIZE, 1 << 20);
    limit(RLIMIT_NOFILE, MOST_FILES);
    limit(RLIMIT_CORE, 0);
    execvp(arguments[0], (char *const *)(uintptr_t)arguments);
    _exit(127);
}

static bool start(child *c, double seconds, carat_err *err)
{
    int in[2] = { -1, -1 }, out[2] = { -1, -1 };
    *c = (child){ -1, -1, -1 };
    if (pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0)
        c->pid = fork();
    if (c->pid == 0)
        become(in, out, seconds);
    const int why = errno;
    close(in[0]);
    close(out[1]);
    c->in = in[1];
    c->out = out[0];
    if (c->pid > 0)
        return fcntl(c->in, F_SETFL, O_NONBLOCK) == 0;
    close(c->in);
    close(c->out);
    return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "a sandbox cannot be started: %s", strerror(why));
}

/* Writes what there is to write, reads what comes. False: the time is over. */
static bool talk(child *c, const char *text, size_t len, double until, ct_buf *out)
{
    for (;;) {
        struct pollfd p[2] = { { .fd = c->out, .events = POLLIN }, { .fd = c->in, .events = POLLOUT } };
        const double left = until - ct_now();
        if (left <= 0)
            return false;
        if (poll(p, c->in >= 0 ? 2 : 1, (int)(left * 1000) + 1) < 0 && errno != EINTR)
            return false;
        if (c->in >= 0 && p[1].revents) {
            const ssize_t n = len ? write(c->in, text, len) : 0;
            text += n > 0 ? n : 0;
            len -= n > 0 ? (size_t)n : 0;
            if (!len || (n < 0 && errno != EAGAIN && errno != EINTR)) {
                close(c->in);
                c->in = -1;
            }
        }
        if (p[0].revents) {
            char bytes[4096];
            const ssize_t n = read(c->out, bytes, sizeof bytes);
            if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
                return true;
            if (n > 0)
                ct_buf_add(out, bytes, (size_t)n);
        }
    }
}

static bool make_word(char word[2 * WORD + 2])
{
    unsigned char bytes[WORD];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return false;
    for (int i = 0; i < WORD; i++) {
        word[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
        word[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
    }
    word[2 * WORD] = '\n';
    word[2 * WORD + 1] = '\0';
    return true;
}

/* Its exit status too. */
static bool run(const char *program, double seconds, ct_eval_end *end, int *status, carat_err *err)
{
    char word[2 * WORD + 2];
    child c;
    ct_buf text, out;
    ct_buf_init(&text, MOST_PROGRAM);
    ct_buf_init(&out, MOST_OUTPUT);
    if (!make_word(word) || !ct_buf_str(&text, word) || !ct_buf_str(&text, program)) {
        ct_buf_deinit(&text);
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a program, or it is longer than 1 MiB");
    }
    struct sigaction ignored = { .sa_handler = SIG_IGN }, before;
    sigaction(SIGPIPE, &ignored, &before);
    bool ok = start(&c, seconds, err);
    if (ok) {
        const bool in_time = talk(&c, text.data, text.len, ct_now() + seconds, &out);
        if (!in_time)
            kill(-c.pid, SIGKILL);
        while (waitpid(c.pid, status, 0) < 0 && errno == EINTR)
            ;
        word[2 * WORD] = '\0';
        const bool said = out.len == 2 * WORD && memcmp(out.data, word, 2 * WORD) == 0;
        *end = !in_time ? CT_EVAL_TOO_LONG : said && *status == 0 ? CT_EVAL_PASSED : CT_EVAL_FAILED_TEST;
        if (c.in >= 0)
            close(c.in);
        close(c.out);
    }
    sigaction(SIGPIPE, &before, NULL);
    ct_buf_deinit(&text);
    ct_buf_deinit(&out);
    return ok;
}

bool ct_eval_sandbox_run(const char *program, double seconds, ct_eval_end *end, carat_err *err)
{
    int status = 0;
    return run(program, seconds, end, &status, err);
}

bool ct_eval_sandbox_check(carat_err *err)
{
    static const char sees_little[] =
        "import os, socket\n"
        "assert not os.path.exists('/home') and not os.path.exists('/root') and not os.path.exists('/etc/passwd')\n"
        "try:\n"
        "    socket.create_connection(('192.0.2.1', 80), 1)\n"
        "    raise SystemExit('a network')\n"
        "except OSError:\n"
        "    pass\n";
    ct_eval_end end = CT_EVAL_FAILED_TEST, wrong = CT_EVAL_PASSED;
    int status = 0, other = 0;
    if (!run(sees_little, CHECK_TIME, &end, &status, err) || !run("assert False\n", CHECK_TIME, &wrong, &other, err))
        return false;
    if (end == CT_EVAL_PASSED && wrong == CT_EVAL_FAILED_TEST)
        return true;
    return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                   WIFEXITED(status) && WEXITSTATUS(status) == 127
                       ? "generated code runs only in a sandbox, and bwrap is not installed (Debian: apt-get install "
                         "bubblewrap python3)"
                       : "generated code runs only in a sandbox, and bwrap cannot make one here: it needs unprivileged "
                         "user namespaces, or "
                         "to be run as root, and /usr/bin/python3");
}
