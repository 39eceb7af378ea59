/* fake_root.h - a folder that stands for /, with made-up files in /proc and /sys.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_UNIT_BASE_FAKE_ROOT_H
#define CT_TESTS_UNIT_BASE_FAKE_ROOT_H

extern char fake_root[64];

/* Before and after each test. */
int fake_root_begin(void **state);
int fake_root_end(void **state);
/* Writes a file, and the folders that it is in. */
void fake_root_put(const char *path, const char *text);

#endif
