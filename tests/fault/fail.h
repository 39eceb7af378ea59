/* fail.h - an allocator that refuses on demand and counts what is not given back.
 *
 * Linked into a program, or preloaded into one, fail.c takes the place of malloc and its kin for every library of the
 * process, and of mmap, mremap and pthread_create for all but the C library itself. Calls of all threads are numbered
 * from 1 as they come, one sequence for everything that can be refused.
 *
 *     for (long n = 1;; n++) {
 *         fail_at(n, false);
 *         ...                    the n-th call is refused
 *         if (fail_stop() == 0)  there was no n-th call: done
 *             break;
 *     }
 *
 * Preloaded, the environment arms it: FAIL_AT=n (with FAIL_FROM=1 every call from the n-th on), and FAIL_LOG=FILE gets
 * the number of calls at the end.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_FAIL_H
#define CT_TESTS_FAIL_H

#include <stdbool.h>
#include <stddef.h>

/* Counting begins at 1. n == 0: nothing is refused, only counted. onwards: from the n-th on everything is refused. */
void fail_at(long n, bool onwards);
/* Ends it; how many calls were refused. */
long fail_stop(void);
/* Calls since fail_at. */
long fail_calls(void);

/* What is allocated, by anybody: blocks of malloc, and bytes of mappings (whole pages). */
typedef struct fail_live {
    long blocks, mapped;
} fail_live;

fail_live fail_now(void);

#endif
