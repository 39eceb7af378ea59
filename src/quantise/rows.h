/* rows.h - inside quantise/: rows of a tensor read, converted by all threads, and handed on.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_QUANTISE_ROWS_H
#define CT_QUANTISE_ROWS_H

#include "base/pool.h"
#include "quantise/choose.h"

typedef struct ct_rows { /* zero-initialised but for what is asked of it */
    ct_pool *pool;
    carat_progress_fn *progress; /* NULL: none */
    void *progress_arg;
    uint64_t done, total; /* as progress is told */
    float *wide;          /* [threads][width] */
    size_t widest, width; /* the longest row; floats of a thread: two of it, and some rows in any case */
    ct_window *windows;   /* [threads]: what each has read */
    struct ct_rows_out {
        uint8_t *data;
        size_t room, bytes; /* bytes: converted, not yet written */
    } out[2];
    int turn; /* which of the two is filled; the other is written meanwhile */
} ct_rows;

/* Errors: CARAT_ENOMEM, CARAT_EARG (too many threads). Close in any case. */
bool ct_rows_open(ct_rows *r, int n_threads, size_t widest, carat_err *err);
void ct_rows_close(ct_rows *r);

/* Tells progress. Errors: CARAT_ECANCELLED. */
bool ct_rows_step(ct_rows *r, uint64_t bytes, carat_err *err);

/* Writes all of a tensor in a type: its bytes where that is its own. The end of it may be written with the next tensor:
 * ct_rows_flush comes last. Errors: CARAT_EFORMAT (weights that are not finite), CARAT_EIO, CARAT_ENOMEM,
 * CARAT_ECANCELLED. */
bool ct_rows_write(ct_rows *r, const ct_input_tensor *t, const ct_choice *c, ct_gguf_writer *w, carat_err *err);
bool ct_rows_flush(ct_rows *r, ct_gguf_writer *w, carat_err *err);

/* Of at most `most` rows spread over the tensor: sum w (x - y)^2 and sum w x^2 with importances w, y being x in a type. */
bool ct_rows_measure(ct_rows *r, const ct_input_tensor *t, const ct_choice *c, ct_type type, size_t most, double *lost,
                     double *all, carat_err *err);

#endif
