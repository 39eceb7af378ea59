/* Read-only files mapped whole or through windows and small files read whole.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

const char *ct_file_kind(unsigned mode)
{
    if (S_ISDIR(mode))
        return "a directory";
    if (S_ISFIFO(mode))
        return "a FIFO";
    if (S_ISSOCK(mode))
        return "a socket";
    return "a device";
}

/* O_NONBLOCK: opening a FIFO without a writer must not hang. It has no effect on regular files. */
static int open_plain(const char *path)
{
    return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

static bool no_map(size_t bytes, carat_err *err)
{
    return ct_fail(err, errno == ENOMEM ? CARAT_ENOMEM : CARAT_EIO, CARAT_NOWHERE, "cannot map %zu bytes: %s", bytes,
                   strerror(errno));
}

static bool map_head(ct_map *m, const char *path, size_t bytes, carat_err *err)
{
    bytes = bytes < m->size ? bytes : m->size;
    void *p = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, m->fd, 0);
    if (p == MAP_FAILED)
        return no_map(bytes, err) || ct_fail_in(err, "%s", path);
    m->data = p;
    m->mapped = bytes;
    return true;
}

bool ct_map_open_head(ct_map *m, const char *path, size_t bytes, carat_err *err)
{
    *m = (ct_map){ .fd = -1 };
    int fd = open_plain(path);
    if (fd < 0)
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: %s", path, strerror(errno));
    m->fd = fd;
    struct stat st;
    if (fstat(fd, &st) != 0) {
        ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: %s", path, strerror(errno));
        goto fail;
    }
    if (!S_ISREG(st.st_mode)) {
        ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: is %s, expected a file", path, ct_file_kind(st.st_mode));
        goto fail;
    }
    if (st.st_size == 0) {
        ct_fail(err, CARAT_EFORMAT, 0, "%s: the file is empty", path);
        goto fail;
    }
    if ((uintmax_t)st.st_size > SIZE_MAX) {
        ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "%s: %jd bytes do not fit the address space", path,
                (intmax_t)st.st_size);
        goto fail;
    }
    m->size = (size_t)st.st_size;
    if (!map_head(m, path, bytes, err))
        goto fail;
    m->path = strdup(path);
    if (!m->path) {
        ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory", path);
        goto fail;
    }
    return true;
fail:
    ct_map_close(m);
    return false;
}

bool ct_map_open(ct_map *m, const char *path, carat_err *err)
{
    return ct_map_open_head(m, path, SIZE_MAX, err);
}

/* Twice as much each time, so that a long head moves rarely. */
bool ct_map_grow(ct_map *m, size_t bytes, carat_err *err)
{
    if (!m->data || bytes <= m->mapped)
        return true;
    if (bytes < m->size / 2 && bytes < 2 * m->mapped)
        bytes = 2 * m->mapped;
    bytes = bytes < m->size ? bytes : m->size;
    void *p = mremap((void *)(uintptr_t)m->data, m->mapped, bytes, MREMAP_MAYMOVE);
    if (p == MAP_FAILED)
        return no_map(bytes, err);
    m->data = p;
    m->mapped = bytes;
    return true;
}

void ct_map_expect(const ct_map *m, size_t off, size_t len)
{
    if (m->data && off <= m->size && len <= m->size - off)
        posix_fadvise(m->fd, (off_t)off, (off_t)len, POSIX_FADV_WILLNEED);
}

void ct_map_close(ct_map *m)
{
    if (m->data)
        munmap((void *)(uintptr_t)m->data, m->mapped);
    if (m->fd > 0 || (m->fd == 0 && m->path))
        close(m->fd);
    free(m->path);
    *m = (ct_map){ .fd = -1 };
}

/* ---- windows ---- */

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

bool ct_window_open(ct_window *w, const ct_map *m, size_t off, size_t len, carat_err *err)
{
    size_t before = off % page_bytes();
    void *p = mmap(NULL, before + len, PROT_READ, MAP_PRIVATE, m->fd, (off_t)(off - before));
    *w = (ct_window){ 0 };
    if (p == MAP_FAILED)
        return no_map(before + len, err) || ct_fail_in(err, "%s", m->path);
    *w = (ct_window){ .data = (const uint8_t *)p + before, .base = p, .bytes = before + len };
    return true;
}

void ct_window_close(ct_window *w)
{
    if (w->base)
        munmap(w->base, w->bytes);
    *w = (ct_window){ 0 };
}

void ct_window_release(const ct_window *w, size_t off, size_t len)
{
    if (!w->base)
        return;
    /* Whole pages inside; the window's last one may be cut by its end. */
    size_t page = page_bytes(), head = (size_t)(w->data - (const uint8_t *)w->base);
    size_t begin = (head + off + page - 1) / page * page, end = head + off + len;
    if (end != w->bytes)
        end = end / page * page;
    if (end > begin)
        madvise((uint8_t *)w->base + begin, end - begin, MADV_DONTNEED);
}

bool ct_read_fd(int fd, const char *name, size_t max, char **out, size_t *len, carat_err *err)
{
    *out = NULL;
    *len = 0;
    bool ok = false;
    ct_buf b;
    ct_buf_init(&b, max);
    for (;;) {
        char chunk[65536];
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            ct_fail(err, CARAT_EIO, b.len, "%s: %s", name, strerror(errno));
            goto done;
        }
        if (n == 0)
            break;
        if (!ct_buf_add(&b, chunk, (size_t)n)) {
            if (b.len + (size_t)n > max)
                ct_fail(err, CARAT_ELIMIT, b.len, "%s: larger than %zu bytes, the limit here", name, max);
            else
                ct_fail(err, CARAT_ENOMEM, b.len, "%s: no memory for its text", name);
            goto done;
        }
    }
    *len = b.len;
    *out = ct_buf_take(&b);
    ok = *out != NULL;
    if (!ok)
        ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for its text", name);
done:
    ct_buf_deinit(&b);
    return ok;
}

bool ct_read_file(const char *path, size_t max, char **out, size_t *len, carat_err *err)
{
    *out = NULL;
    *len = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: %s", path, strerror(errno));
    bool ok = ct_read_fd(fd, path, max, out, len, err);
    close(fd);
    return ok;
}
