/* holes.h - what of a file was never written: zeros in the place of weights.
 *
 * Downloaders make a file its full length at once; what did not arrive then reads as zeros, and every header is right.
 * No trained tensor is all zero, and no sixteen neighbouring rows of a trained matrix are.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CPU_HOLES_H
#define CT_CPU_HOLES_H

#include "format/tensors.h"

/* The tensors with holes of one file. Starts zeroed. */
typedef struct ct_holes {
    size_t n;
    const char *first;      /* borrowed from the file's directory */
    size_t zero_rows, rows; /* of it */
} ct_holes;

bool ct_is_zero(const void *data, size_t bytes);
/* Notes a tensor of which so many rows are zero, if any are. */
void ct_holes_add(ct_holes *h, const ct_tensor *t, size_t zero_rows, size_t rows);
/* One warning about all of them, if there are any. */
void ct_holes_report(const ct_holes *h, const char *path);
/* A tensor that cannot be all zero is. Returns false. */
bool ct_refuse_hole(const ct_tensor *t, const char *path, carat_err *err);

#endif
