/* Paths in the store, and the lock of a repository.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "hub/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hub/name.h"

/* The store's own folder may be a link, for example to a larger disk; what is above it is made too. */
static bool make_store(char *path, carat_err *err)
{
    for (char *s = path + 1;; s++) {
        s += strcspn(s, "/");
        char c = *s;
        *s = '\0';
        bool ok = mkdir(path, 0777) == 0 || errno == EEXIST;
        struct stat st;
        if (!ok)
            ok = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
        if (!ok)
            return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: cannot make the folder: %s", path, strerror(errno));
        *s = c;
        if (!c)
            return true;
    }
}

/* Each step of path from `below` on, but for the last, is a folder. */
static bool check_steps(char *path, size_t below, bool make, carat_err *err)
{
    for (char *s = path + below; (s = strchr(s, '/')); *s++ = '/') {
        struct stat st;
        *s = '\0';
        if (make && mkdir(path, 0777) != 0 && errno != EEXIST)
            return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: cannot make the folder: %s", path, strerror(errno));
        if (lstat(path, &st) == 0 && !S_ISDIR(st.st_mode))
            return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: %s, expected a folder of the store", path,
                           S_ISLNK(st.st_mode) ? "a link" : "a file");
    }
    return true;
}

bool ct_place(const char *folder, const char *repo, const char *file, bool make, char **out, carat_err *err)
{
    *out = NULL;
    if (!ct_hub_repo_is_name(repo) || (*file && !ct_hub_file_is_name(file)))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "'%.80s/%.80s' is no file of the store", repo, file);
    char *path;
    /* "/" behind the repository's folder as well, so that it is a step that is checked */
    if (asprintf(&path, "%s/%s/%s", folder, repo, file) < 0)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a path");
    size_t below = strlen(folder);
    bool ok = true;
    if (make) {
        path[below] = '\0';
        ok = make_store(path, err);
        path[below] = '/';
    }
    if (!ok || !check_steps(path, below + 1, make, err)) {
        free(path);
        return false;
    }
    if (!*file)
        path[strlen(path) - 1] = '\0';
    *out = path;
    return true;
}

/* Is the file that was locked still the one at its path? A removal may have taken it away meanwhile. */
static bool is_there(int fd, const char *path)
{
    struct stat a, b;
    return fstat(fd, &a) == 0 && lstat(path, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static bool lock_at(const char *path, bool make, int *fd, carat_err *err)
{
    *fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | (make ? O_CREAT : 0), 0666);
    if (*fd < 0)
        return errno == ENOENT || /* with make: a removal took the folder away just now */
               ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: cannot open: %s", path, strerror(errno));
    if (flock(*fd, LOCK_EX | LOCK_NB) == 0 && is_there(*fd, path))
        return true;
    bool is_taken = errno == EWOULDBLOCK || !is_there(*fd, path);
    int why = errno;
    close(*fd);
    *fd = -1;
    return is_taken || ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: cannot lock: %s", path, strerror(why));
}

bool ct_place_lock(const char *folder, const char *repo, bool make, int *fd, carat_err *err)
{
    char *dir, *path;
    *fd = -1;
    if (!ct_place(folder, repo, "", make, &dir, err))
        return false;
    int n = asprintf(&path, "%s/.lock", dir);
    free(dir);
    if (n < 0)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a path");
    bool ok = lock_at(path, make, fd, err);
    free(path);
    return ok;
}

bool ct_place_size(const char *path, uint64_t *bytes)
{
    struct stat st;
    if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return false;
    *bytes = (uint64_t)st.st_size;
    return true;
}

uint64_t ct_place_held(const char *path)
{
    struct stat st;
    if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return 0;
    const uint64_t blocks = (uint64_t)st.st_blocks * 512, bytes = (uint64_t)st.st_size;
    return blocks > bytes ? blocks : bytes;
}
