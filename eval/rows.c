/* JSON lines, JSON documents and CSV to objects.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/rows.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "eval/fill.h"

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

/* The first row has the columns' names. */
static json_t *csv_header(const char *name, const char **at, const char *end, size_t *line, ct_buf *field,
                          carat_err *err)
{
    const char *wrong = NULL;
    json_t *columns = json_array();
    bool ok = columns && *at < end;
    for (bool ends = false; ok && !ends;)
        ok = csv_field(at, end, line, field, &ends, &wrong) && !field->failed &&
             json_array_append_new(columns, json_stringn(field->data ? field->data : "", field->len)) == 0;
    if (ok) {
        *line += 1;
        return columns;
    }
    json_decref(columns);
    ct_fail(err, CARAT_EFORMAT, 1, "%s:1: no header: %s", name,
            wrong ? wrong : "the names of the columns are expected");
    return NULL;
}

static bool parse_csv(const char *name, const char *text, size_t len, const json_t *given, size_t limit, json_t *rows,
                      carat_err *err)
{
    ct_buf field;
    ct_buf_init(&field, MOST_FIELD);
    size_t line = 1;
    const char *begin = text, *stop = text + len;
    json_t *columns =
        given ? json_incref((json_t *)(uintptr_t)given) : csv_header(name, &begin, stop, &line, &field, err);
    bool ok = columns != NULL;
    for (const char *at = begin, *end = text + len; ok && at < end && json_array_size(rows) < limit; line++) {
        if (*at == '\n' || (*at == '\r' && at + 1 < end && at[1] == '\n')) {
            at += *at == '\n' ? 1 : 2;
            continue;
        }
        const size_t first = line;
        json_t *row = json_object();
        ok = row ? csv_row(name, &at, end, &line, columns, row, &field, err)
                 : ct_fail(err, CARAT_ENOMEM, line, "no memory for line %zu", line);
        if (ok)
            ok = add(rows, row, first, err);
        else
            json_decref(row);
    }
    json_decref(columns);
    ct_buf_deinit(&field);
    return ok;
}

/* ---- a document ---- */

/* What a document says besides its rows. */
static json_t *beside_rows(const json_t *whole, const char *rows)
{
    json_t *file = json_object();
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)whole, key, value) {
        if (strncmp(rows, key, strlen(key)) != 0 && json_object_set(file, key, value) != 0)
            return NULL;
    }
    return file;
}

static bool parse_document(const char *name, const char *text, size_t len, const char *where, size_t limit,
                           json_t *rows, carat_err *err)
{
    json_t *whole, *row;
    size_t i;
    if (!ct_json_parse(name, text, len, &whole, err))
        return false;
    const json_t *list = json_is_array(whole) ? whole : ct_eval_at(whole, where);
    json_t *file = json_is_object(whole) ? beside_rows(whole, where) : NULL;
    bool ok = json_is_array(list) || ct_fail(err, CARAT_EFORMAT, 0, "%s: '%s' is %s, expected an array of items", name,
                                             where, list ? ct_json_kind(list) : "missing");
    json_array_foreach(list, i, row) {
        if (!ok || i >= limit)
            break;
        ok = json_is_object(row) ||
             ct_fail(err, CARAT_EFORMAT, i, "%s: item %zu is %s, expected an object", name, i + 1, ct_json_kind(row));
        ok = ok &&
             (!file || json_object_set(row, "file", file) == 0 || ct_fail(err, CARAT_ENOMEM, i, "%s: no memory", name));
        ok = ok && add(rows, json_incref(row), i + 1, err);
    }
    json_decref(file);
    json_decref(whole);
    return ok;
}

static bool ends_with(const char *path, const char *ending)
{
    const size_t n = strlen(path), m = strlen(ending);
    return n >= m && strcasecmp(path + n - m, ending) == 0;
}

ct_eval_form ct_eval_form_of(const char *path, const json_t *columns, const char *rows)
{
    return (ct_eval_form){ .is_csv = columns || ends_with(path, ".csv"),
                           .columns = columns,
                           .rows = rows && ends_with(path, ".json") ? rows : NULL };
}

bool ct_eval_rows_parse(const char *name, const char *text, size_t len, const ct_eval_form *form, size_t limit,
                        json_t **out, carat_err *err)
{
    json_t *rows = json_array();
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        text += 3, len -= 3;
    limit = limit ? limit : SIZE_MAX;
    bool ok = rows || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory", name);
    ok = ok && (form->is_csv ? parse_csv(name, text, len, form->columns, limit, rows, err)
                : form->rows ? parse_document(name, text, len, form->rows, limit, rows, err)
                             : parse_lines(name, text, len, limit, rows, err));
    if (!ok) {
        json_decref(rows);
        rows = NULL;
    }
    *out = rows;
    return ok;
}

bool ct_eval_rows_read(const char *path, const ct_eval_form *form, size_t limit, json_t **out, carat_err *err)
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
    ok = ok && ct_eval_rows_parse(path, text.data ? text.data : "", text.len, form, limit, out, err);
    ct_buf_deinit(&text);
    return ok;
}

bool ct_eval_fail_in_row(const char *path, const json_t *row, carat_err *err)
{
    return ct_fail_in(err, "%s:%lld", path, (long long)json_integer_value(json_object_get(row, CT_EVAL_LINE)));
}

bool ct_eval_rows_each(const char *path, bool (*read)(void *arg, json_t *row, carat_err *err), void *arg,
                       carat_err *err)
{
    const ct_eval_form lines = { 0 };
    json_t *rows, *row;
    size_t i;
    if (!ct_eval_rows_read(path, &lines, 0, &rows, err))
        return false;
    bool ok = true;
    json_array_foreach(rows, i, row) {
        ok = ok && (read(arg, row, err) || ct_eval_fail_in_row(path, row, err));
    }
    json_decref(rows);
    return ok;
}
