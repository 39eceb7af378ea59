/* A conversation on disk: saved, and resumed with --session.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "chat.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "term.h"

bool chat_save(const chat *c, const char *path)
{
    carat_err err;
    char *note = NULL;
    size_t len;
    bool ok =
        turns_to_note(&c->turns, c->system, &note, &len, &err) && carat_session_save(c->session, path, note, len, &err);
    if (ok)
        term_note("%s: %zu messages, %zu tokens", path, c->turns.n, carat_session_n_tokens(c->session));
    else
        term_error(&err);
    free(note);
    return ok;
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

bool chat_restore(chat *c)
{
    carat_err err;
    char *note = NULL;
    size_t len;
    if (access(c->file, F_OK) != 0 && errno == ENOENT)
        return true;
    char *system = NULL;
    bool ok = carat_session_restore(c->session, c->file, &note, &len, &err) &&
              (turns_from_note(&c->turns, note, len, &system, &err) || ct_fail_in(&err, "%s", c->file));
    if (ok && c->system && strcmp(c->system, system ? system : "") != 0)
        term_note("(--system is ignored: %s has %s system text; /system begins a new conversation)", c->file,
                  system ? "its own" : "no");
    if (ok) {
        free(c->system);
        c->system = system;
    }
    if (ok)
        term_note("%s: resuming after %zu messages, %zu tokens", c->file, c->turns.n,
                  carat_session_n_tokens(c->session));
    else
        term_error(&err);
    carat_free(note);
    return ok;
}
