/* rows.h - the rows of a file of items: JSON lines, or CSV (RFC 4180).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_EVAL_ROWS_H
#define CT_EVAL_ROWS_H

#include "base/json.h"

/* columns: of a CSV file without a header, an array of names; NULL: JSON lines. limit 0: all. *out is an array of objects, each with
 * its line as "\u0001line". Blank lines are skipped. Errors: CARAT_EIO, CARAT_EFORMAT (with the line), CARAT_ELIMIT (256 MiB),
 * CARAT_ENOMEM. */
bool ct_eval_rows_read(const char *path, const json_t *columns, size_t limit, json_t **out, carat_err *err);
bool ct_eval_rows_parse(const char *name, const char *text, size_t len, const json_t *columns, size_t limit,
                        json_t **out, carat_err *err);
#define CT_EVAL_LINE "\x01line"

#endif
