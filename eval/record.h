/* record.h - what an evaluation has found so far, a line of JSON each, so that a run that was stopped can be resumed.
 *
 *     {"carat_eval": 1, "task": "perplexity", "window": 2048, ...}     the head: what figures depend on
 *     {"item": 0, ...}                                                 one item or window; any order, each once
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_EVAL_RECORD_H
#define CT_EVAL_RECORD_H

#include "base/journal.h"
#include "base/json.h"

typedef struct ct_eval_record { /* zero-initialised */
    ct_journal file;            /* its path NULL: only in memory */
    json_t **rows;              /* [n] by item; NULL: not known yet */
    size_t n, n_rows, n_before; /* n_rows: of these, known; n_before: known when it was opened */
} ct_eval_record;

/* A record of n items. path NULL: in memory alone. A file that exists is read back: rows of items beyond n are left alone, an
 * unfinished last line is cut off. head is taken. Errors: CARAT_EIO (also: another run writes it), CARAT_EFORMAT (it is no such
 * file, or its head says something else: with the key; a line that is none of ours; it is left as it is), CARAT_ENOMEM. */
bool ct_eval_record_open(ct_eval_record *r, const char *path, json_t *head, size_t n, carat_err *err);
/* Takes row, whose "item" is i. The line is in the file whole or not at all. Errors: CARAT_EIO (the disk is full), CARAT_ENOMEM. */
bool ct_eval_record_add(ct_eval_record *r, size_t i, json_t *row, carat_err *err);
/* Makes sure of it, and closes it. Accepts one that was never opened. Errors: CARAT_EIO. */
bool ct_eval_record_close(ct_eval_record *r, carat_err *err);

#endif
