/* packing.h - a matrix of a file into its packed form, on every thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CPU_PACKING_H
#define CT_CPU_PACKING_H

#include "cpu/weights.h"
#include "format/tensors.h"
#include "quant/pack.h"

/* Packs all rows of t (w->rows rows of w->cols weights of type w->type, whatever t's dimensions are) into w->packed,
 * reading the source through one window after another in *room, which is zeroed or left by an earlier call and is to be
 * closed after the last. rows_in_use: zeros in the rows beyond are of no interest; *zero_rows is how many of the others
 * lie in panels that are all zero (cpu/holes.h). tick, if not NULL, is called repeatedly with how many more
 * source bytes are done, in all t->bytes; if it returns false, packing stops and this returns false, with tick's error.
 * Other errors: those of ct_tensor_window. */
bool ct_matrix_pack(ct_pool *pool, const ct_tensor *t, const ct_matrix *w, ct_window *room, size_t rows_in_use,
                    size_t *zero_rows, bool (*tick)(void *arg, uint64_t bytes), void *arg, carat_err *err);

/* Bytes of a window: so much of the source is in memory at a time (one panel where that is more). */
size_t ct_pack_window_bytes(int n_threads);

#endif
