/* here.h - the memory and the speed of this machine.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_MEASURE_HERE_H
#define CT_MEASURE_HERE_H

#include "base/err.h"
#include "carat_weigh.h"
#include "kernels/kernels.h"

/* Bytes of memory that this process may use in all and that are available now: the machine's, or its cgroup's where
 * that is less. 0 if unknown. */
void ct_here_memory(uint64_t *all, uint64_t *available);

/* Runs the products of a text model with every type of weights that has a kernel: for each, first by one row, matrix
 * after matrix through more memory than caches hold, then one matrix by a step of 512. Tens of milliseconds each, 256
 * MiB. n_threads as ct_pool_open. Errors: CARAT_ENOMEM, CARAT_EARG. */
bool ct_here_rates(const ct_kernels *k, int n_threads, carat_rates *out, carat_err *err);

#endif
