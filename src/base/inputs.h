/* inputs.h - what is read is not written over.
 *
 * A file that is written takes its place at the end (new_file.h), when everything has been read. But then it is there instead of a
 * model or a text, and a name that was mistyped is the end of these.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_BASE_INPUTS_H
#define CT_BASE_INPUTS_H

#include <stddef.h>

#include "base/err.h"

/* A file under the name `path` would take the place of none of these: files (also by another name, and the other parts of a split
 * one, "x-00001-of-00003.gguf"), and what a model's folder consists of. NULLs and names that mean nothing are passed over. Errors: CARAT_EARG,
 * with the input. */
bool ct_inputs_stay(const char *path, const char *const *inputs, size_t n, carat_err *err);

#endif
