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

#define CHUNK  ((size_t)256 << 10)
#define SURVEY ((size_t)64 << 10)

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

/* There is no memory for the line: what is left of it is read over, and the next one may fit. */
static void drop_line(batch_lines *l)
{
    ct_buf_deinit(&l->line);
    l->has_no_memory = true;
}

bool batch_lines_next(batch_lines *l, carat_err *err)
{
    size_t len = 0; /* all of the line, kept or not */
    err->code = CARAT_OK;
    l->is_long = l->has_newline = l->has_no_memory = false;
    if (l->number++ == 0)
        ct_buf_init(&l->line, l->max + 1);
    ct_buf_clear(&l->line);
    if (!ct_buf_str(&l->line, "")) /* a NUL even if the line is empty */
        drop_line(l);
    while (!l->has_newline && (l->at < l->n || fill(l, err))) {
        const char *from = l->chunk + l->at, *newline = memchr(from, '\n', l->n - l->at);
        size_t n = newline ? (size_t)(newline - from) : l->n - l->at;
        len += n;
        l->has_newline = newline;
        l->at += n + l->has_newline;
        if (len > l->max)
            l->is_long = true;
        else if (!l->has_no_memory && !ct_buf_add(&l->line, from, n))
            drop_line(l);
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
    return !l->is_long && !l->has_no_memory && is_blank(l->line.data, l->line.len);
}

static void count_lines(const char *s, size_t n, uint64_t *n_lines, bool *has_text)
{
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '\n') {
            *n_lines += *has_text;
            *has_text = false;
        } else if (s[i] != ' ' && s[i] != '\t' && s[i] != '\r') {
            *has_text = true;
        }
    }
}

bool batch_lines_survey(int fd, const char *word, uint64_t *n_lines, bool *has_word)
{
    struct stat st;
    char chunk[SURVEY];
    size_t kept = 0, n_word = strlen(word); /* kept: the end of the chunk before, where the word may have begun */
    bool has_text = false;                  /* the line that is being read */
    off_t at = lseek(fd, 0, SEEK_CUR);
    *n_lines = 0;
    *has_word = false;
    if (at < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return false;
    ssize_t n;
    while ((n = pread(fd, chunk + kept, sizeof chunk - kept, at)) > 0 || (n < 0 && errno == EINTR)) {
        size_t more = n > 0 ? (size_t)n : 0, have = kept + more;
        count_lines(chunk + kept, more, n_lines, &has_text);
        *has_word = *has_word || memmem(chunk, have, word, n_word);
        kept = have < n_word - 1 ? have : n_word - 1;
        memmove(chunk, chunk + have - kept, kept);
        at += (off_t)more;
    }
    *n_lines += has_text;
    return n == 0;
}
