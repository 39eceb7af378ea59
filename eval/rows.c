/* JSON lines and CSV to objects.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/rows.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MOST_BYTES ((size_t)256 << 20)
#define MOST_FIELD ((size_t)1 << 20)

static bool add(json_t *rows, json_t *row, size_t line, carat_err *err)
{
    return (row && json_object_set_new(row, CT_EVAL_LINE, json_integer((json_int_t)line)) == 0 &&
            json_array_append_new(rows, row) == 0) ||
           ct_fail(err, CARAT_ENOMEM, line, "no memory for line %zu", line);
}

static bool parse_lines(const char *name, const char *text, size_t len, size_t limit, json_t *rows, carat_err *err)
{
    size_t line = 0;
    for (const char *at = text, *end = text + len; at < end && json_array_size(rows) < limit;) {
        const char *nl = memchr(at, '\n', (size_t)(end - at)), *stop = nl ? nl : end;
        const size_t n = (size_t)(stop - at);
        json_t *row;
        line++;
        if (strspn(at, " \t\r") < n) {
            if (!ct_json_parse("JSON", at, n, &row, err))
                return ct_fail_in(err, "%s:%zu", name, line);
            if (!json_is_object(row)) {
                ct_fail(err, CARAT_EFORMAT, line, "%s:%zu: is %s, expected an object", name, line, ct_json_kind(row));
                json_decref(row);
                return false;
            }
            if (!add(rows, row, line, err))
                return false;
        }
        at = nl ? nl + 1 : end;
    }
    return true;
}

/* One field from *at on, which is moved behind it; *ends: it was the row's last. */
static bool csv_field(const char **at, const char *end, size_t *line, ct_buf *out, bool *ends, const char **wrong)
{
    const char *p = *at;
    ct_buf_clear(out);
    if (p < end && *p == '"') {
        for (p++;; p++) {
            if (p == end) {
                *wrong = "a quote is not closed";
                return false;
            }
            if (*p == '"' && (p + 1 == end || p[1] != '"'))
                break;
            p += *p == '"';
            *line += *p == '\n';
            ct_buf_char(out, *p);
        }
        p++;
    } else {
        while (p < end && *p != ',' && *p != '\n' && !(*p == '\r' && p + 1 < end && p[1] == '\n'))
            ct_buf_char(out, *p++);
    }
    p += p + 1 < end && *p == '\r' && p[1] == '\n';
    if (p < end && *p != ',' && *p != '\n') {
        *wrong = "text behind a closing quote";
        return false;
    }
    *ends = p == end || *p == '\n';
    *at = p == end ? p : p + 1;
    return true;
}

static bool csv_row(const char *name, const char **at, const char *end, size_t *line, const json_t *columns,
                    json_t *row, ct_buf *field, carat_err *err)
{
    const size_t begin = *line;
    const char *wrong = NULL;
    bool ends = false;
    size_t n = 0;
    for (; !ends; n++) {
        if (!csv_field(at, end, line, field, &ends, &wrong))
            return ct_fail(err, CARAT_EFORMAT, begin, "%s:%zu: %s", name, begin, wrong);
        const char *column = json_string_value(json_array_get(columns, n));
        json_t *value = json_stringn(field->data ? field->data : "", field->len);
        if (!value)
            return ct_fail(err, CARAT_EFORMAT, begin, "%s:%zu: field %zu is not UTF-8", name, begin, n + 1);
        if (field->failed || (column ? json_object_set_new(row, column, value) : (json_decref(value), 0)) != 0)
            return ct_fail(err, CARAT_ENOMEM, begin, "%s:%zu: no memory, or a field of more than 1 MiB", name, begin);
    }
    return n == json_array_size(columns) || ct_fail(err, CARAT_EFORMAT, begin, "%s:%zu: has %zu fields, expected %zu",
                                                    name, begin, n, json_array_size(columns));
}

static bool parse_csv(const char *name, const char *text, size_t len, const json_t *columns, size_t limit, json_t *rows,
                      carat_err *err)
{
    ct_buf field;
    ct_buf_init(&field, MOST_FIELD);
    bool ok = true;
    size_t line = 1;
    for (const char *at = text, *end = text + len; ok && at < end && json_array_size(rows) < limit; line++) {
        if (*at == '\n' || (*at == '\r' && at + 1 < end && at[1] == '\n')) {
            at += *at == '\n' ? 1 : 2;
            continue;
        }
        const size_t begin = line;
        json_t *row = json_object();
        ok = row ? csv_row(name, &at, end, &line, columns, row, &field, err)
                 : ct_fail(err, CARAT_ENOMEM, line, "no memory for line %zu", line);
        if (ok)
            ok = add(rows, row, begin, err);
        else
            json_decref(row);
    }
    ct_buf_deinit(&field);
    return ok;
}

bool ct_eval_rows_parse(const char *name, const char *text, size_t len, const json_t *columns, size_t limit,
                        json_t **out, carat_err *err)
{
    json_t *rows = json_array();
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        text += 3, len -= 3;
    limit = limit ? limit : SIZE_MAX;
    bool ok = rows || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory", name);
    ok = ok && (columns ? parse_csv(name, text, len, columns, limit, rows, err)
                        : parse_lines(name, text, len, limit, rows, err));
    if (!ok) {
        json_decref(rows);
        rows = NULL;
    }
    *out = rows;
    return ok;
}

bool ct_eval_rows_read(const char *path, const json_t *columns, size_t limit, json_t **out, carat_err *err)
{
    ct_buf text;
    char chunk[1 << 14];
    size_t n;
    FILE *f = fopen(path, "rbe");
    if (!f)
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: cannot be opened: %s", path, strerror(errno));
    ct_buf_init(&text, MOST_BYTES);
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0 && ct_buf_add(&text, chunk, n))
        ;
    bool ok = !ferror(f) || ct_fail(err, CARAT_EIO, text.len, "%s: cannot be read: %s", path, strerror(errno));
    fclose(f);
    ok = ok &&
         (!text.failed || ct_fail(err, CARAT_ELIMIT, text.len, "%s: longer than 256 MiB, or no memory for it", path));
    ok = ok && ct_eval_rows_parse(path, text.data ? text.data : "", text.len, columns, limit, out, err);
    ct_buf_deinit(&text);
    return ok;
}
