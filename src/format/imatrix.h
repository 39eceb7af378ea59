/* imatrix.h - importance matrices: for each matrix of a model the squares of what its columns were multiplied by, summed
 * over the tokens of a text.
 *
 *   GGUF   general.type "imatrix"; tensors NAME.in_sum2 F32 [columns, 1] and NAME.counts F32 [1, 1], the number of tokens;
 *          imatrix.datasets, imatrix.chunk_count, imatrix.chunk_size
 *   .dat   i32 entries, then of each: i32 length, name, i32 calls, i32 columns, f32[columns], which is the mean square
 *          times calls; then, perhaps, i32 chunks, i32 length, dataset
 *
 * Source: llama.cpp's llama-imatrix, which writes both. A matrix of several (experts) is refused: Gemma 3 has none.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_FORMAT_IMATRIX_H
#define CT_FORMAT_IMATRIX_H

#include "format/gguf.h"

#define CT_IMATRIX_MAX_BYTES   ((size_t)1 << 30) /* of a .dat file; a 27B model's has 14 MB */
#define CT_IMATRIX_MAX_COLS    (1u << 20)
#define CT_IMATRIX_MAX_ENTRIES (1u << 16)

typedef struct ct_imatrix_entry {
    char *name;   /* of the matrix: "blk.0.attn_q.weight" */
    size_t n;     /* its columns */
    double *sum;  /* [n] of squares */
    double count; /* of tokens */
} ct_imatrix_entry;

typedef struct ct_imatrix { /* zero-initialised by the caller; sorted by name once read */
    ct_imatrix_entry *entries;
    size_t n, cap;
    char *dataset;            /* what it was made from; NULL: it does not say */
    uint32_t n_chunks, chunk; /* stretches of text, and tokens of one; 0: it does not say */
} ct_imatrix;

/* Adds an entry of zeros. NULL: no memory. */
ct_imatrix_entry *ct_imatrix_add(ct_imatrix *m, const char *name, size_t n);
const ct_imatrix_entry *ct_imatrix_find(const ct_imatrix *m, const char *name); /* NULL if absent */
void ct_imatrix_deinit(ct_imatrix *m);

/* Either form. Errors: CARAT_EIO, CARAT_EFORMAT (no importance matrix; a cut file; sums that are negative or not finite),
 * CARAT_EUNSUPPORTED (experts), CARAT_ELIMIT, CARAT_ENOMEM. Deinit in any case. */
bool ct_imatrix_read(const char *path, ct_imatrix *out, carat_err *err);
/* The .dat form from memory; path names it in messages. */
bool ct_imatrix_read_dat(const char *path, const void *data, size_t size, ct_imatrix *out, carat_err *err);

/* Writes the GGUF form; path is whole or untouched. Errors: CARAT_EFORMAT (another file is there, neither empty nor an importance
 * matrix), CARAT_EIO, CARAT_ENOMEM, CARAT_EARG. */
bool ct_imatrix_write(const ct_imatrix *m, const char *path, carat_err *err);

#endif
