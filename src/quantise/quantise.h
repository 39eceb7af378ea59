/* quantise.h - a model's file or folder in other types, as a new GGUF file; and what two files differ by.
 *
 *   input.c     the tensors of a file or folder, by GGUF's names
 *   choose.c    the type of each: a mix, options, rules          target.c    the mix of a size
 *   rows.c      rows through all threads                         compare.c   two files, tensor by tensor
 *
 * Every key of a GGUF file is copied as it stands but those that say how it is quantised; a folder's configuration and
 * vocabulary become keys (model/write_gguf.h).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_QUANTISE_QUANTISE_H
#define CT_QUANTISE_QUANTISE_H

#include "carat.h"

/* Of options of this library's size. Errors: as carat_quantize. */
bool ct_quantise(const carat_quantize_options *o, const char *path, carat_quantize_result *result, carat_err *err);

/* Errors: as carat_compare. */
bool ct_compare(const char *a, const char *b, size_t n_threads, carat_difference_fn *fn, void *arg, carat_err *err);

#endif
