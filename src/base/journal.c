/* A file of whole lines.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

#define FLUSH_SECONDS 1.0

static bool cannot(const ct_journal *j, const char *what, int why, carat_err *err)
{
    return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: cannot be %s: %s", j->path, what, strerror(why));
}

bool ct_journal_open(ct_journal *j, const char *path, bool only_files, const char *who, carat_err *err)
{
    struct stat st;
    *j = (ct_journal){ .fd = -1, .path = path };
    const bool exists = stat(path, &st) == 0;
    j->is_file = !exists || S_ISREG(st.st_mode);
    if (!j->is_file && only_files)
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: expected a regular file", path);
    j->fd = open(path, (j->is_file ? O_RDWR | O_CREAT : O_WRONLY) | O_APPEND | O_CLOEXEC, 0666);
    if (j->fd < 0)
        return cannot(j, "opened for writing", errno, err);
    if (!j->is_file || flock(j->fd, LOCK_EX | LOCK_NB) == 0)
        return true;
    if (errno == EWOULDBLOCK)
        ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: cannot be locked: %s is writing it", path, who);
    else
        cannot(j, "locked", errno, err);
    close(j->fd);
    j->fd = -1;
    return false;
}

bool ct_journal_cut(ct_journal *j, carat_err *err)
{
    return ftruncate(j->fd, (off_t)j->end) == 0 ||
           ct_fail(err, CARAT_EIO, j->end, "%s: cannot cut off its unfinished last line: %s", j->path, strerror(errno));
}

/* A part of the line may be there: without it the file is as it was, else the next run cuts it off. */
static bool give_up(ct_journal *j, bool is_begun, int why, carat_err *err)
{
    if (is_begun && j->is_file && ftruncate(j->fd, (off_t)j->end) != 0)
        return ct_fail(err, CARAT_EIO, j->end, "%s: cannot be written, and its last line is unfinished: %s", j->path,
                       strerror(why));
    return ct_fail(err, CARAT_EIO, j->end, "%s: cannot be written: %s%s", j->path, strerror(why),
                   j->is_file ? "; what is in it stays" : "");
}

bool ct_journal_add(ct_journal *j, const char *line, size_t len, carat_err *err)
{
    for (size_t done = 0; done < len;) {
        const ssize_t n = write(j->fd, line + done, len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return give_up(j, done > 0, errno, err);
        done += (size_t)n;
    }
    j->end += len;
    if (j->is_file && ct_now() - j->flushed > FLUSH_SECONDS) {
        fdatasync(j->fd); /* what fails here fails again at the end */
        j->flushed = ct_now();
    }
    return true;
}

bool ct_journal_close(ct_journal *j, carat_err *err)
{
    if (j->fd < 0)
        return true;
    bool ok = !j->is_file || fdatasync(j->fd) == 0;
    ok = close(j->fd) == 0 && ok;
    const int why = errno;
    j->fd = -1;
    return ok || cannot(j, "flushed to disk", why, err);
}
