/* bandwidth.h - how fast this machine reads memory: the limit of decoding.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_BASE_BANDWIDTH_H
#define CT_BASE_BANDWIDTH_H

#include "base/err.h"

/* Bytes a second that n_threads (0: as ct_pool_open) together read from a buffer of 1 GiB, far larger than the
 * caches: the median of several passes, half a second or so. Errors: CARAT_ENOMEM, CARAT_EARG. */
bool ct_read_bandwidth(int n_threads, double *bytes_per_second, carat_err *err);

/* Reads bytes, 64-aligned, rounded down to a multiple of 256, and does nothing else: what it returns is only to be kept, so
 * that compilers keep the reading. */
uint64_t ct_read_bytes(const void *data, size_t bytes);

#endif
