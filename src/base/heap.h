/* heap.h - memory that is given back all at once: what a compiler builds and throws away.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_BASE_HEAP_H
#define CT_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>

typedef struct ct_heap_block ct_heap_block;

typedef struct ct_heap {
    ct_heap_block *blocks;
    size_t used, max; /* bytes given out, and how many at most */
    bool failed;      /* something could not be had: stays set, so one look at the end is enough */
} ct_heap;

void ct_heap_init(ct_heap *a, size_t max);
void ct_heap_deinit(ct_heap *a);

/* n elements of `size` bytes, zeroed, aligned for any type; NULL if the ceiling or memory is reached. n 0 gives an
 * address that is not NULL. */
void *ct_heap_new(ct_heap *a, size_t n, size_t size);
/* Copies len bytes and puts a NUL behind them. */
char *ct_heap_text(ct_heap *a, const char *s, size_t len);

#endif
