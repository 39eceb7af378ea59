/* files.h - what tests of tasks share: a folder of their own with files in it, tasks that are opened from them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_EVAL_FILES_H
#define CT_TESTS_EVAL_FILES_H

#include "unit.h"

#include "eval/task.h"

/* Of a group of tests: makes the folder, and removes it with all that is in it. */
int files_setup(void **state);
int files_teardown(void **state);

const char *files_folder(void);
/* The path of a name in it; good for seven calls more. */
const char *files_path(const char *name);
/* Writes a file, and the folders that its name has; its path. */
const char *put(const char *name, const char *text);

/* Opens a task, or fails. */
void open_task(ct_eval_task *t, const char *name, const ct_eval_source *s);
/* The same of one file that has one item. */
const ct_eval_item *only(ct_eval_task *t, const char *name, const char *file, const char *text);
/* The file is refused with a message that says this. */
void refuses(const char *name, const char *file, const char *text, const char *says);

#endif
