/* The record of an evaluation: read back, compared with what is asked for, added to.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_BYTES ((size_t)1 << 30)
static const char beginning[] = "{\"carat_eval\":";

static bool write_line(ct_eval_record *r, const json_t *row, carat_err *err)
{
    char *line = ct_json_dump(row, JSON_COMPACT | JSON_REAL_PRECISION(17));
    if (!line)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a line of results");
    const size_t len = strlen(line);
    line[len] = '\n'; /* in the place of its NUL */
    const bool ok = ct_journal_add(&r->file, line, len + 1, err);
    free(line);
    return ok;
}

/* ---- reading back ---- */

static bool read_all(ct_eval_record *r, ct_buf *text, carat_err *err)
{
    char chunk[1 << 14];
    ssize_t n;
    while ((n = read(r->file.fd, chunk, sizeof chunk)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ct_fail(err, CARAT_EIO, text->len, "%s: cannot be read: %s", r->file.path, strerror(errno));
        if (!ct_buf_add(text, chunk, (size_t)n))
            return ct_fail(err, CARAT_ENOMEM, text->len, "%s: no memory for it, or it is longer than 1 GiB",
                           r->file.path);
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
                "%s: results of another run: '%s' is %.60s there and %.60s here; name another file", r->file.path, key,
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
        return ct_fail_in(err, "%s:%llu", r->file.path, (unsigned long long)line);
    if (i < 0)
        return ct_fail(err, CARAT_EFORMAT, line, "%s:%llu: no line of results: 'item' is missing", r->file.path,
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
        return ct_fail_in(err, "%s: %s", r->file.path, what);
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
                     r->file.path);
    uint64_t line = 0;
    while (ok && r->file.end < text.len) {
        const char *at = text.data + r->file.end, *nl = memchr(at, '\n', text.len - r->file.end);
        if (!nl)
            break;
        ok = read_line(r, at, (size_t)(nl - at), ++line, head, err);
        if (ok)
            r->file.end += (uint64_t)(nl - at) + 1;
    }
    if (ok && r->file.end < text.len)
        ok = ct_journal_cut(&r->file, err);
    ct_buf_deinit(&text);
    return ok;
}

static bool open_file(ct_eval_record *r, const char *path, const json_t *head, carat_err *err)
{
    return ct_journal_open(&r->file, path, true, "another run", err) && read_back(r, head, err) &&
           (r->file.end > 0 || write_line(r, head, err));
}

bool ct_eval_record_open(ct_eval_record *r, const char *path, json_t *head, size_t n, carat_err *err)
{
    *r = (ct_eval_record){ .file = { .fd = -1 }, .n = n, .rows = calloc(n + 1, sizeof *r->rows) };
    bool ok = (r->rows && head) || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu results", n);
    ok = ok && (!path || open_file(r, path, head, err));
    r->n_before = r->n_rows;
    json_decref(head);
    return ok;
}

bool ct_eval_record_add(ct_eval_record *r, size_t i, json_t *row, carat_err *err)
{
    if (!row)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a result");
    if (r->file.fd >= 0 && !write_line(r, row, err)) {
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
    for (size_t i = 0; r->rows && i < r->n; i++)
        json_decref(r->rows[i]);
    free(r->rows);
    r->rows = NULL;
    return !r->file.path || ct_journal_close(&r->file, err);
}
