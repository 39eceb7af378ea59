/* A conversation on disk: saved, and resumed with --session.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "chat.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "term.h"

#define LOCK_END ".carat-lock"

/* ---- the lock ---- */

/* Where the file is, however it is named: links followed, as saving does. NULL: no memory, or no such folder. */
static char *full_name(const char *path)
{
    char *full = realpath(path, NULL);
    if (full)
        return full;
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    char *in = folder ? realpath(folder, NULL) : NULL;
    if (in && asprintf(&full, "%s/%s", in, slash ? slash + 1 : path) < 0)
        full = NULL;
    free(in);
    free(folder);
    return full;
}

static char *lock_name(const char *path)
{
    char *full = full_name(path), *name = NULL;
    if (full && asprintf(&name, "%s" LOCK_END, full) < 0)
        name = NULL;
    free(full);
    return name;
}

static void unlock(chat_lock *l)
{
    struct stat st;
    if (l->path) {
        if (fstat(l->fd, &st) == 0 && st.st_size == 0)
            unlink(l->path);
        close(l->fd);
    }
    free(l->path);
    *l = (chat_lock){ 0 };
}

/* Is the file that was locked still the one by that name? Who had it before may just have taken it away. */
static bool is_current(int fd, const char *path)
{
    struct stat there, ours;
    return fstat(fd, &ours) == 0 && stat(path, &there) == 0 && there.st_dev == ours.st_dev &&
           there.st_ino == ours.st_ino;
}

static bool lock(const char *path, chat_lock *out, carat_err *err)
{
    char *name = lock_name(path);
    if (!name)
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: cannot be locked: %s", path, strerror(errno));
    for (;;) {
        const int fd = open(name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) {
            if (is_current(fd, name)) {
                *out = (chat_lock){ name, fd };
                return true;
            }
            close(fd);
            continue;
        }
        const int why = errno;
        ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: cannot be locked: %s", path,
                fd >= 0 && why == EWOULDBLOCK ? "another carat chat has it open" : strerror(why));
        if (fd >= 0)
            close(fd);
        free(name);
        return false;
    }
}

/* ---- saving ---- */

/* Under the lock of --session, or one of its own for as long as it is written. */
static bool lock_other(const chat *c, const char *path, chat_lock *out, carat_err *err)
{
    char *name = lock_name(path);
    const bool is_ours = name && c->lock.path && strcmp(name, c->lock.path) == 0;
    free(name);
    *out = (chat_lock){ 0 };
    return is_ours || lock(path, out, err);
}

bool chat_save(const chat *c, const char *path)
{
    carat_err err;
    chat_lock other;
    char *note = NULL;
    size_t len;
    bool ok = turns_to_note(&c->turns, c->system, carat_engine_info(c->engine)->chat_template, &note, &len, &err) &&
              lock_other(c, path, &other, &err);
    if (ok) {
        ok = carat_session_save(c->session, path, note, len, &err);
        unlock(&other);
    }
    if (ok)
        term_note("%s: %zu messages, %zu tokens", path, c->turns.n, carat_session_n_tokens(c->session));
    else
        term_error(&err);
    free(note);
    return ok;
}

bool chat_is_worth_saving(const chat *c)
{
    return c->file && (c->turns.n || c->system || access(c->file, F_OK) == 0);
}

bool chat_can_save(const char *path)
{
    carat_err err;
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    bool ok = folder && access(folder, W_OK | X_OK) == 0;
    if (!ok) {
        ct_fail(&err, CARAT_EIO, CARAT_NOWHERE, "--session %s: it cannot be written: %s", path, strerror(errno));
        term_error(&err);
    }
    free(folder);
    return ok;
}

/* ---- resuming ---- */

static const char *template_name(const char *name)
{
    return *name ? name : "none";
}

/* What was asked for and does not hold, or holds otherwise than before. */
static void tell_differences(const chat *c, const char *system, const char *chat_template)
{
    const char *now = carat_engine_info(c->engine)->chat_template;
    if (c->system && (c->turns.n || system) && strcmp(c->system, system ? system : "") != 0)
        term_tell("(--system is ignored: %s has %s system text; /system begins a new conversation)", c->file,
                  system ? "its own" : "no");
    if (c->turns.n && chat_template && strcmp(chat_template, now) != 0)
        term_tell("(%s was saved with the chat template %s: its messages are now rendered anew, with %s)", c->file,
                  template_name(chat_template), template_name(now));
}

bool chat_restore(chat *c)
{
    carat_err err;
    char *note = NULL, *system = NULL, *chat_template = NULL;
    size_t len;
    bool ok = lock(c->file, &c->lock, &err);
    if (ok && access(c->file, F_OK) != 0 && errno == ENOENT)
        return true;
    ok = ok && carat_session_restore(c->session, c->file, &note, &len, &err) &&
         (turns_from_note(&c->turns, note, len, &system, &chat_template, &err) || ct_fail_in(&err, "%s", c->file));
    if (ok) {
        tell_differences(c, system, chat_template);
        term_note("%s: resuming after %zu messages, %zu tokens", c->file, c->turns.n,
                  carat_session_n_tokens(c->session));
    } else {
        term_error(&err);
    }
    if (ok && (c->turns.n || system)) { /* else it is a new conversation, which --system may begin */
        free(c->system);
        c->system = system;
        system = NULL;
    }
    free(system);
    free(chat_template);
    carat_free(note);
    return ok;
}

void chat_release(chat *c)
{
    unlock(&c->lock);
}
