/* Files replaced only when fully written.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/map.h"

#define MAX_TRIES 100 /* of temporary names that are taken */

static bool cannot_write(const char *path, int why, carat_err *err)
{
    return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: cannot be written: %s", path, strerror(why));
}

/* The file that a new one under this name will replace. */
static bool find_target(const char *path, char **out, carat_err *err)
{
    struct stat st;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: is %s, expected a file or a new name", path,
                       ct_file_kind(st.st_mode));
    *out = realpath(path, NULL);
    if (!*out) /* a new name, or what opening will complain of */
        *out = strdup(path);
    return *out || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory", path);
}

/* A name that did not exist: two may be writing to one path. */
static FILE *open_temp(char *temp, size_t room, const char *path)
{
    static atomic_uint serial;
    int fd = -1;
    for (int tries = 0; fd < 0 && tries < MAX_TRIES; tries++) {
        snprintf(temp, room, "%s.tmp-%ld-%u", path, (long)getpid(), atomic_fetch_add(&serial, 1));
        fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0 && errno != EEXIST)
            return NULL;
    }
    FILE *f = fd >= 0 ? fdopen(fd, "wb") : NULL;
    if (!f && fd >= 0) {
        const int why = errno;
        close(fd);
        unlink(temp);
        errno = why;
    }
    return f;
}

bool ct_new_file_open(ct_new_file *n, const char *path, carat_err *err)
{
    *n = (ct_new_file){ 0 };
    if (!find_target(path, &n->path, err))
        return false;
    const size_t room = strlen(n->path) + 64;
    n->temp = malloc(room);
    if (!n->temp)
        ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory", path);
    else if (!(n->f = open_temp(n->temp, room, n->path)))
        cannot_write(path, errno, err);
    if (!n->f)
        ct_new_file_abandon(n);
    return n->f;
}

bool ct_new_file_commit(ct_new_file *n, carat_err *err)
{
    FILE *f = n->f;
    n->f = NULL;
    const bool is_whole = !ferror(f);
    if (fclose(f) == 0 && is_whole && rename(n->temp, n->path) == 0)
        return true;
    const int why = errno;
    unlink(n->temp);
    return cannot_write(n->path, why, err);
}

void ct_new_file_abandon(ct_new_file *n)
{
    if (n->f) {
        fclose(n->f);
        unlink(n->temp);
    }
    free(n->path);
    free(n->temp);
    *n = (ct_new_file){ 0 };
}

bool ct_write_beside(const char *path, ct_file_writer *write, void *arg, carat_err *err)
{
    ct_new_file n;
    if (!ct_new_file_open(&n, path, err))
        return false;
    errno = 0;
    bool ok = write(arg, n.f, err);
    if (!ok && ferror(n.f)) /* else the writer failed and has set *err */
        cannot_write(path, errno, err);
    ok = ok && ct_new_file_commit(&n, err);
    ct_new_file_abandon(&n);
    return ok;
}

typedef struct span {
    const void *data;
    size_t len;
} span;

static bool write_span(void *arg, FILE *f, carat_err *err)
{
    (void)err;
    const span *s = arg;
    return fwrite(s->data, 1, s->len, f) == s->len;
}

bool ct_write_file(const char *path, const void *data, size_t len, carat_err *err)
{
    return ct_write_beside(path, write_span, &(span){ data, len }, err);
}
