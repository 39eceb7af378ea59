/* Lines of any length and content.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "batch.h"

#define CHUNK ((size_t)256 << 10)

/* More bytes; false at the end and on an error. */
static bool fill(batch_lines *l, carat_err *err)
{
    if (!l->chunk && !(l->chunk = malloc(CHUNK)))
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory to read it", l->name);
    ssize_t n;
    do
        n = read(l->fd, l->chunk, CHUNK);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: cannot be read: %s", l->name, strerror(errno));
    l->at = 0;
    l->n = (size_t)n;
    return n > 0;
}

bool batch_lines_next(batch_lines *l, carat_err *err)
{
    size_t len = 0; /* all of the line, kept or not */
    err->code = CARAT_OK;
    l->is_long = l->has_newline = false;
    if (l->number++ == 0)
        ct_buf_init(&l->line, l->max + 1);
    ct_buf_clear(&l->line);
    ct_buf_str(&l->line, ""); /* a NUL even if the line is empty */
    while (!l->has_newline && (l->at < l->n || fill(l, err))) {
        const char *from = l->chunk + l->at, *newline = memchr(from, '\n', l->n - l->at);
        size_t n = newline ? (size_t)(newline - from) : l->n - l->at;
        len += n;
        l->has_newline = newline;
        l->at += n + l->has_newline;
        if (len > l->max)
            l->is_long = true;
        else if (!ct_buf_add(&l->line, from, n))
            return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for line %llu of %zu bytes", l->name,
                           (unsigned long long)l->number, len);
    }
    if (err->code != CARAT_OK || (len == 0 && !l->has_newline))
        return false;
    if (l->has_newline)
        l->end += len + 1;
    return true;
}

bool batch_lines_ready(const batch_lines *l)
{
    struct pollfd p = { .fd = l->fd, .events = POLLIN };
    return l->at < l->n || poll(&p, 1, 0) > 0;
}

void batch_lines_deinit(batch_lines *l)
{
    if (l->number)
        ct_buf_deinit(&l->line);
    free(l->chunk);
}

static bool is_blank(const char *s, size_t n)
{
    while (n && (s[n - 1] == ' ' || s[n - 1] == '\t' || s[n - 1] == '\r'))
        n--;
    return n == 0;
}

bool batch_line_is_blank(const batch_lines *l)
{
    return !l->is_long && is_blank(l->line.data, l->line.len);
}

bool batch_lines_survey(int fd, const char *word, uint64_t *n_lines, bool *has_word)
{
    struct stat st;
    carat_err err;
    batch_lines l = { .fd = fd, .name = "", .max = BATCH_MAX_LINE };
    *n_lines = 0;
    *has_word = false;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || lseek(fd, 0, SEEK_SET) != 0)
        return false;
    while (batch_lines_next(&l, &err)) {
        *n_lines += !batch_line_is_blank(&l);
        *has_word = *has_word || memmem(l.line.data, l.line.len, word, strlen(word));
    }
    batch_lines_deinit(&l);
    return err.code == CARAT_OK && lseek(fd, 0, SEEK_SET) == 0;
}
