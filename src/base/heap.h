/* heap.h - memory that is given back all at once: what a compiler builds and throws away. It also bounds the compiler's
 * work, for a small text may ask for as much of that as of memory.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_BASE_HEAP_H
#define CT_BASE_HEAP_H

#include "base/err.h"

typedef struct ct_heap_block ct_heap_block;

typedef struct ct_heap {
    ct_heap_block *blocks;
    size_t used, max; /* bytes given out, and how many at most */
    size_t work;      /* done so far */
    bool failed;      /* something could not be had: stays set, so one look at the end is enough */
    bool is_full;     /* for a ceiling was reached, not because there was no memory */
} ct_heap;

/* Steps of some nanoseconds each: within a second. */
#define CT_HEAP_MOST_WORK ((size_t)50 * 1000 * 1000)

void ct_heap_init(ct_heap *a, size_t max);
void ct_heap_deinit(ct_heap *a);

/* n elements of `size` bytes, zeroed, aligned for any type; NULL if the ceiling or memory is reached. n 0 gives an
 * address that is not NULL. */
void *ct_heap_new(ct_heap *a, size_t n, size_t size);
/* So many steps will be done. False: they are too many, or the heap had failed. */
bool ct_heap_work(ct_heap *a, size_t steps);
/* A ceiling of the caller's own was reached. NULL, always. */
void *ct_heap_overflow(ct_heap *a);
/* Why the heap has failed; false, always. Errors: CARAT_ELIMIT ("<what>: too large or too complex"), CARAT_ENOMEM. */
bool ct_heap_fail(const ct_heap *a, const char *what, carat_err *err);
/* Copies len bytes and puts a NUL behind them. */
char *ct_heap_text(ct_heap *a, const char *s, size_t len);

#endif
