/* journal.h - a file of lines that is only ever appended to, a whole line with one write, and so is its own journal.
 *
 * After a kill it holds whole lines and perhaps the beginning of one more, which whoever reads it back cuts off. Killing loses
 * nothing that was written; against a power cut the file is brought to the disk once a second. One process at a time writes it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_BASE_JOURNAL_H
#define CT_BASE_JOURNAL_H

#include <stddef.h>

#include "base/err.h"

typedef struct ct_journal {
    int fd;           /* -1: closed */
    const char *path; /* borrowed */
    bool is_file;     /* a regular one, which can be read back and is locked; else a pipe or a device */
    uint64_t end;     /* of its last whole line: set by whoever reads it back */
    double flushed;   /* when it was last made sure to be on the disk */
} ct_journal;

/* Opens or creates it, to be read from its beginning. only_files: nothing else than a regular file. who writes it, for the message
 * that another does: "another run". Errors: CARAT_EIO; *j is closed then. */
bool ct_journal_open(ct_journal *j, const char *path, bool only_files, const char *who, carat_err *err);
/* Cuts off what stands behind `end`. Errors: CARAT_EIO. */
bool ct_journal_cut(ct_journal *j, carat_err *err);
/* Appends a line, which ends in a newline: whole or not at all. Errors: CARAT_EIO; what is in the file stays. */
bool ct_journal_add(ct_journal *j, const char *line, size_t len, carat_err *err);
/* Makes sure of it, and closes it. Accepts a closed one. Errors: CARAT_EIO. */
bool ct_journal_close(ct_journal *j, carat_err *err);

#endif
