/* Files copied whole, by their heads and through windows, and small files read whole.
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
    return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu bytes of it: %s", bytes, strerror(errno));
}

static void *new_memory(size_t bytes)
{
    void *p = mmap(NULL, bytes ? bytes : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

#if defined(__SANITIZE_THREAD__)
#define IS_COPIED 1
#else
#define IS_COPIED 0
#endif

/* The same bytes with room for more, perhaps elsewhere. ThreadSanitizer does not follow mremap: what another thread once had
 * at the new place would look like a race. There it is a copy. */
static void *longer(void *p, size_t had, size_t bytes)
{
#if IS_COPIED
    void *q = new_memory(bytes);
    if (q) {
        memcpy(q, p, had);
        munmap(p, had);
    }
    return q;
#else
    void *q = mremap(p, had, bytes, MREMAP_MAYMOVE);
    return q == MAP_FAILED ? NULL : q;
#endif
}

/* The message does not name the file. */
static bool read_at(const ct_map *m, uint8_t *to, size_t off, size_t len, carat_err *err)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = pread(m->fd, to + done, len - done, (off_t)(off + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ct_fail(err, CARAT_EIO, off + done, "cannot read at byte %zu: %s", off + done, strerror(errno));
        if (n == 0)
            return ct_fail(err, CARAT_EIO, off + done, "it ends at byte %zu, but had %zu bytes when it was opened",
                           off + done, m->size);
        done += (size_t)n;
    }
    return true;
}

static bool take_head(ct_map *m, const char *path, size_t bytes, carat_err *err)
{
    bytes = bytes < m->size ? bytes : m->size;
    void *p = new_memory(bytes);
    if (!p)
        return no_map(bytes, err) || ct_fail_in(err, "%s", path);
    m->data = p;
    m->mapped = bytes;
    return read_at(m, p, 0, bytes, err) || ct_fail_in(err, "%s", path);
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
    if (!take_head(m, path, bytes, err))
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

bool ct_map_read(ct_map *m, const char *path, size_t max, carat_err *err)
{
    if (!ct_map_open_head(m, path, 1, err))
        return false;
    if (m->size > max)
        ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "%s: %zu bytes, the limit is %zu", path, m->size, max);
    else if (ct_map_grow(m, m->size, err) || ct_fail_in(err, "%s", path))
        return true;
    ct_map_close(m);
    return false;
}

/* Twice as much each time, so that a long head moves rarely. */
bool ct_map_grow(ct_map *m, size_t bytes, carat_err *err)
{
    if (!m->data || bytes <= m->mapped)
        return true;
    if (bytes < m->size / 2 && bytes < 2 * m->mapped)
        bytes = 2 * m->mapped;
    if (IS_COPIED) /* not again for every few bytes */
        bytes += m->mapped / 8;
    bytes = bytes < m->size ? bytes : m->size;
    void *p = longer((void *)(uintptr_t)m->data, m->mapped, bytes);
    if (!p)
        return no_map(bytes, err);
    size_t had = m->mapped;
    m->data = p;
    m->mapped = bytes;
    return read_at(m, (uint8_t *)p + had, had, bytes - had, err);
}

bool ct_map_copy(const ct_map *m, size_t off, size_t len, void *to, carat_err *err)
{
    if (off > m->mapped || len > m->mapped - off)
        return read_at(m, to, off, len, err);
    memcpy(to, m->data + off, len);
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

#define SMALL_WINDOW ((size_t)64 << 10) /* a mapping of its own costs more than reading it */

static void *window_memory(size_t bytes)
{
    return bytes < SMALL_WINDOW ? malloc(bytes ? bytes : 1) : new_memory(bytes);
}

static void free_window_memory(void *p, size_t bytes)
{
    if (bytes < SMALL_WINDOW)
        free(p);
    else
        munmap(p, bytes);
}

bool ct_window_prepare(ct_window *w, const ct_map *m, size_t off, size_t len, carat_err *err)
{
    if (w->bytes < len) {
        ct_window_close(w);
        if (!(w->base = window_memory(len)))
            return no_map(len, err) || ct_fail_in(err, "%s", m->path);
        w->bytes = len;
    }
    w->data = w->base;
    w->map = m;
    w->off = off;
    return true;
}

bool ct_window_read(const ct_window *w, size_t off, size_t len, carat_err *err)
{
    return !w->base || read_at(w->map, (uint8_t *)w->base + off, w->off + off, len, err) ||
           ct_fail_in(err, "%s", w->map->path);
}

bool ct_window_open(ct_window *w, const ct_map *m, size_t off, size_t len, carat_err *err)
{
    *w = (ct_window){ 0 };
    if (ct_window_prepare(w, m, off, len, err) && ct_window_read(w, 0, len, err))
        return true;
    ct_window_close(w);
    return false;
}

void ct_window_close(ct_window *w)
{
    if (w->base)
        free_window_memory(w->base, w->bytes);
    *w = (ct_window){ 0 };
}

bool ct_file_begins(const char *path, const void *bytes, size_t n)
{
    uint8_t has[16];
    struct stat st;
    const int fd = n <= sizeof has ? open_plain(path) : -1;
    if (fd < 0)
        return false;
    const bool is =
        fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && pread(fd, has, n, 0) == (ssize_t)n && memcmp(has, bytes, n) == 0;
    close(fd);
    return is;
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
