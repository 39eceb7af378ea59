/* The record of an evaluation: read back, compared with what is asked for, added to.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

#define MOST_BYTES    ((size_t)1 << 30)
#define FLUSH_SECONDS 2
static const char beginning[] = "{\"carat_eval\":";

static bool write_line(ct_eval_record *r, const json_t *row, carat_err *err)
{
    char *line = ct_json_dump(row, JSON_COMPACT | JSON_REAL_PRECISION(17));
    if (!line)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a line of results");
    size_t len = strlen(line), done = 0;
    line[len++] = '\n'; /* in the place of its NUL */
    while (done < len) {
        const ssize_t n = write(r->fd, line + done, len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        done += (size_t)n;
    }
    const int why = errno;
    free(line);
    if (done < len) {
        if (done && ftruncate(r->fd, (off_t)r->end) != 0)
            return ct_fail(err, CARAT_EIO, r->end, "%s: cannot be written, and its last line is unfinished: %s",
                           r->path, strerror(why)); /* the next run cuts it off */
        return ct_fail(err, CARAT_EIO, r->end, "%s: cannot be written: %s; what is in it stays", r->path,
                       strerror(why));
    }
    r->end += len;
    if (ct_now() - r->flushed > FLUSH_SECONDS) {
        fdatasync(r->fd);
        r->flushed = ct_now();
    }
    return true;
}

/* ---- reading back ---- */

static bool read_all(ct_eval_record *r, ct_buf *text, carat_err *err)
{
    char chunk[1 << 14];
    ssize_t n;
    while ((n = read(r->fd, chunk, sizeof chunk)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ct_fail(err, CARAT_EIO, text->len, "%s: cannot be read: %s", r->path, strerror(errno));
        if (!ct_buf_add(text, chunk, (size_t)n))
            return ct_fail(err, CARAT_ENOMEM, text->len, "%s: no memory for it, or it is longer than 1 GiB", r->path);
    }
    return true;
}

static bool compare_heads(const ct_eval_record *r, const json_t *have, const json_t *want, carat_err *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)want, key, value) {
        const json_t *other = json_object_get(have, key);
        if (other && json_equal(value, other))
            continue;
        char *a = ct_json_dump(other, JSON_ENCODE_ANY), *b = ct_json_dump(value, JSON_ENCODE_ANY);
        ct_fail(err, CARAT_EFORMAT, 0,
                "%s: results of another run: '%s' is %.60s there and %.60s here; name another file", r->path, key,
                a ? a : "missing", b ? b : "?");
        free(a);
        free(b);
        return false;
    }
    return true;
}

static bool keep_row(ct_eval_record *r, json_t *row, uint64_t line, carat_err *err)
{
    int64_t i = -1;
    if (!ct_json_int(row, "a line of results", "item", 0, INT64_MAX, &i, err))
        return ct_fail_in(err, "%s:%llu", r->path, (unsigned long long)line);
    if (i < 0)
        return ct_fail(err, CARAT_EFORMAT, line, "%s:%llu: no line of results: 'item' is missing", r->path,
                       (unsigned long long)line);
    if ((uint64_t)i >= r->n) /* of a run with a higher --limit */
        return true;
    r->n_rows += !r->rows[i];
    json_decref(r->rows[i]);
    r->rows[i] = json_incref(row);
    return true;
}

static bool read_line(ct_eval_record *r, const char *text, size_t len, uint64_t line, const json_t *head,
                      carat_err *err)
{
    json_t *row = NULL;
    char what[64];
    if (!ct_json_parse("results", text, len, &row, err)) {
        snprintf(what, sizeof what, "line %llu", (unsigned long long)line);
        return ct_fail_in(err, "%s: %s", r->path, what);
    }
    const bool ok = line == 1 ? compare_heads(r, row, head, err) : keep_row(r, row, line, err);
    json_decref(row);
    return ok;
}

static bool read_back(ct_eval_record *r, const json_t *head, carat_err *err)
{
    ct_buf text;
    ct_buf_init(&text, MOST_BYTES);
    bool ok = read_all(r, &text, err);
    const size_t n = strlen(beginning);
    if (ok && text.len && memcmp(text.data, beginning, text.len < n ? text.len : n) != 0)
        ok = ct_fail(err, CARAT_EFORMAT, 0, "%s: holds something else than results of carat eval; it is left as it is",
                     r->path);
    uint64_t line = 0;
    while (ok && r->end < text.len) {
        const char *at = text.data + r->end, *nl = memchr(at, '\n', text.len - r->end);
        if (!nl)
            break;
        ok = read_line(r, at, (size_t)(nl - at), ++line, head, err);
        if (ok)
            r->end += (uint64_t)(nl - at) + 1;
    }
    if (ok && r->end < text.len && ftruncate(r->fd, (off_t)r->end) != 0)
        ok = ct_fail(err, CARAT_EIO, r->end, "%s: cannot cut off its unfinished last line: %s", r->path,
                     strerror(errno));
    ct_buf_deinit(&text);
    return ok;
}

static bool open_file(ct_eval_record *r, const json_t *head, carat_err *err)
{
    struct stat st;
    r->fd = open(r->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (r->fd < 0)
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: cannot be opened for writing: %s", r->path, strerror(errno));
    if (fstat(r->fd, &st) != 0 || !S_ISREG(st.st_mode))
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: expected a regular file", r->path);
    if (flock(r->fd, LOCK_EX | LOCK_NB) != 0)
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: cannot be locked: %s", r->path,
                       errno == EWOULDBLOCK ? "another run is writing it" : strerror(errno));
    return read_back(r, head, err) && (r->end > 0 || write_line(r, head, err));
}

bool ct_eval_record_open(ct_eval_record *r, const char *path, json_t *head, size_t n, carat_err *err)
{
    *r = (ct_eval_record){ .fd = -1, .path = path, .n = n, .rows = calloc(n + 1, sizeof *r->rows) };
    bool ok = (r->rows && head) || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu results", n);
    ok = ok && (!path || open_file(r, head, err));
    r->n_before = r->n_rows;
    json_decref(head);
    return ok;
}

bool ct_eval_record_add(ct_eval_record *r, size_t i, json_t *row, carat_err *err)
{
    if (!row)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a result");
    if (r->fd >= 0 && !write_line(r, row, err)) {
        json_decref(row);
        return false;
    }
    r->n_rows += !r->rows[i];
    json_decref(r->rows[i]);
    r->rows[i] = row;
    return true;
}

bool ct_eval_record_close(ct_eval_record *r, carat_err *err)
{
    bool ok = true;
    for (size_t i = 0; r->rows && i < r->n; i++)
        json_decref(r->rows[i]);
    free(r->rows);
    r->rows = NULL;
    if (r->path && r->fd >= 0) {
        ok = fdatasync(r->fd) == 0;
        ok = close(r->fd) == 0 && ok;
        r->fd = -1;
    }
    return ok || ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: cannot be flushed to disk: %s", r->path, strerror(errno));
}
