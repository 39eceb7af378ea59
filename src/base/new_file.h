/* new_file.h - a file that is whole or untouched: filled under a temporary name beside its own, then renamed.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_BASE_NEW_FILE_H
#define CT_BASE_NEW_FILE_H

#include <stdio.h>

#include "base/err.h"

typedef struct ct_new_file {
    FILE *f;           /* to be filled; NULL once the file is closed */
    char *path, *temp; /* where it goes (links are followed, so that they stay links), and where it is until then */
} ct_new_file;

/* Begins one. Errors: CARAT_EIO (also: path is a folder, a device or a pipe, and taking its place would be the end of
 * /dev/null), CARAT_ENOMEM. On failure *n is closed and safe to abandon. */
bool ct_new_file_open(ct_new_file *n, const char *path, carat_err *err);
/* Closes it and gives it its name. Errors: CARAT_EIO; nothing stays then. */
bool ct_new_file_commit(ct_new_file *n, carat_err *err);
/* Removes it, unless it was committed; frees what *n holds. Accepts a zeroed one. Owed after commit too. */
void ct_new_file_abandon(ct_new_file *n);

/* All of it: `write` fills the file. False from it is an error of its own, in *err, or that of the stream, which needs
 * no words. Errors also: those of open and commit. */
typedef bool ct_file_writer(void *arg, FILE *f, carat_err *err);
bool ct_write_beside(const char *path, ct_file_writer *write, void *arg, carat_err *err);
/* The same for bytes that are there. */
bool ct_write_file(const char *path, const void *data, size_t len, carat_err *err);

#endif
