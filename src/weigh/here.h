/* here.h - what this machine has and does.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_WEIGH_HERE_H
#define CARAT_WEIGH_HERE_H

#include "kernels/kernels.h"

#include "base/err.h"

/* Bytes of memory that this process may come to use at all and that are free now: the machine's, or its cgroup's
 * where that is less. 0 if the system does not say. */
void carat_here_memory(uint64_t *all, uint64_t *available);

/* Operations a second of products with weights of this type, over a batch of 256 rows. */
bool carat_here_rate(const carat_kernels *k, int n_threads, carat_type type, double *rate, carat_err *err);

#endif
