/* files.h - the files that a path means: itself, or those of a folder that belong to a task.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_EVAL_FILES_H
#define CT_EVAL_FILES_H

#include "base/json.h"

typedef struct ct_eval_file {
    char *path, *name; /* name: of its group: the file's, or its folder's, without an ending */
} ct_eval_file;

typedef struct ct_eval_files {
    ct_eval_file *list; /* [n] by name */
    size_t n;
    bool is_folder;
} ct_eval_files;

/* Of a folder: the files with one of the endings (an array of texts), and of each folder in it the file `in_folders`; either may be NULL.
 * suffixes: what is taken off a name. Errors: CARAT_EIO (also: nothing in the folder belongs to the task), CARAT_ENOMEM. */
bool ct_eval_files_open(ct_eval_files *f, const char *path, const json_t *endings, const char *in_folders,
                        const json_t *suffixes, carat_err *err);
void ct_eval_files_close(ct_eval_files *f); /* accepts a zeroed one */
/* NULL: there is none of this name. */
const ct_eval_file *ct_eval_files_find(const ct_eval_files *f, const char *name);

#endif
