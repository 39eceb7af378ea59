/* rows.h - the rows of a file of items: JSON lines, a JSON document, or CSV (RFC 4180).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_EVAL_ROWS_H
#define CT_EVAL_ROWS_H

#include "base/json.h"

typedef struct ct_eval_form {
    bool is_csv;
    const json_t *columns; /* of a CSV file without a header, an array of names; NULL: its first row has them */
    const char
        *rows; /* a JSON document: where its array of rows is in the object; "": it is an array. NULL: JSON lines */
} ct_eval_form;

/* What a file is, by its ending and its description (task.h): columns and rows, which may be NULL. */
ct_eval_form ct_eval_form_of(const char *path, const json_t *columns, const char *rows);

/* limit 0: all. *out is an array of objects, each with its line, or in a document its number, as "\u0001line", and of a document that is
 * an object its other fields as "file". Blank lines are skipped. Errors: CARAT_EIO, CARAT_EFORMAT (with the line), CARAT_ELIMIT
 * (256 MiB), CARAT_ENOMEM. */
bool ct_eval_rows_read(const char *path, const ct_eval_form *form, size_t limit, json_t **out, carat_err *err);
bool ct_eval_rows_parse(const char *name, const char *text, size_t len, const ct_eval_form *form, size_t limit,
                        json_t **out, carat_err *err);
/* Gives every row of a file of JSON lines to read; what that says is wrong gains file and line. Errors: those above, those of read. */
bool ct_eval_rows_each(const char *path, bool (*read)(void *arg, json_t *row, carat_err *err), void *arg,
                       carat_err *err);
/* Puts file and line in front of what is wrong with a row; false. */
bool ct_eval_fail_in_row(const char *path, const json_t *row, carat_err *err);
#define CT_EVAL_LINE "\x01line"

#endif
